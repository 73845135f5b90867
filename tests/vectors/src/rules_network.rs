//! `rules.json`: what a node does with each frame: a real `Vl2`, joined to a network with the recorded tables and handed the
//! recorded credentials, has a frame from its port or from the other side (04 §6.7, §6.8, §7.2, §7.3).

use std::time::Duration;

use serde_json::{Value, json};
use zt_netconf::FrameVerdict;
use zt_wire::netconf::Specialist;
use zt_wire::rules::{Rule, RuleKind};
use zt_wire::verb::{ExtFrame, NetworkCredentials};
use zt_wire::{Address, Emit, EthernetRef, Identity, Mac, NetworkId, PacketId, Revocation, Signature, Verb};

use crate::member::{Member, secret};
use crate::rules::{Scene, expected};
use crate::{Suite, hex, list, same};

/// The suite of this file.
pub(crate) const SUITE: Suite = Suite {
    file: "rules.json",
    expected: 176,
    cases: |file| {
        let whole = file.clone();
        list(file, "cases", move |case| decide(&whole, case))
    },
    alter: |file| file["cases"][1]["expected"]["network"]["decision"] = 0.into(),
};

/// The MAC of a host behind a bridge.
const BEHIND: Mac = Mac([0x0e, 1, 2, 3, 4, 5]);

fn decide(file: &Value, case: &Value) -> Result<(), String> {
    let scene = Scene::new(file, case);
    let mut node = Node::new(file, &scene);
    if scene.inbound { node.inbound(&scene, case) } else { node.outbound(&scene, case) }
}

/// Node a.
struct Node {
    member: Member,
    network: NetworkId,
    other: Identity,
}

impl Node {
    fn new(file: &Value, scene: &Scene) -> Self {
        let mut member = Member::new(file, "a", &["ctl", "b", "d", "e"]);
        let mut config = scene.config.clone();
        // What the case does not say, and a frame to a group needs.
        config.multicast_limit = 32;
        config.flags |= zt_netconf::NetworkConfig::ENABLE_BROADCAST;
        if scene.no_tee {
            // Without copies is the second pass of a frame to a bridge; the first, to nobody in particular, is accepted.
            config.specialists.push(Specialist::new(scene.destination, Specialist::ACTIVE_BRIDGE));
            let to = Rule::from(RuleKind::DestinationAddress(scene.destination));
            let accept = Rule::from(RuleKind::Accept);
            config.rules = vec![to, config.rules[0].clone(), accept].into();
        }
        member.join(config.network, Some(&config));
        let mut node = Self { member, network: config.network, other: *secret(file, "b").identity() };
        if scene.has_record {
            node.hand_over(file, scene);
        }
        node.member.below.sent.clear();
        node
    }

    /// The credentials of the other side, then the revocations.
    fn hand_over(&mut self, file: &Value, scene: &Scene) {
        let record = &scene.record;
        let message = NetworkCredentials {
            tags: record.tags.clone(),
            capabilities: record.capabilities.clone(),
            ownerships: record.ownerships.clone(),
            ..NetworkCredentials::default()
        };
        let revoked = record.revoked.iter().map(|(kind, id, threshold)| {
            let mut revocation = Revocation {
                id: 1,
                network: self.network,
                credential_id: *id,
                threshold: *threshold,
                flags: 0,
                target: self.other.address,
                signer: secret(file, "ctl").address(),
                credential_kind: *kind,
                signature: Signature::NONE,
            };
            revocation.signature = secret(file, "ctl").sign(&revocation.signed_bytes());
            revocation
        });
        let revocations = NetworkCredentials { revocations: revoked.collect(), ..NetworkCredentials::default() };
        for message in [message, revocations] {
            self.receive(Verb::NETWORK_CREDENTIALS, &message.to_vec());
        }
    }

    fn receive(&mut self, verb: Verb, payload: &[u8]) {
        self.member.now = self.member.now.plus(Duration::from_secs(2));
        self.member.receive(&self.other.clone(), PacketId(1), verb, payload);
    }

    /// The copies and redirected frames that were sent.
    fn copies(&self) -> Value {
        let copies = self.member.below.sent.iter().filter(|(_, verb, _)| *verb == Verb::EXT_FRAME);
        let flagged = copies.filter(|(_, _, payload)| payload[8] != 0);
        let view = |(to, verb, payload): &(Address, Verb, Vec<u8>)| json!({ "flags": payload[8], "payload": hex(payload), "to": to.to_string(), "verb": verb.0 });
        json!(flagged.map(view).collect::<Vec<_>>())
    }

    fn outbound(&mut self, scene: &Scene, case: &Value) -> Result<(), String> {
        let network = &expected(case)["network"];
        let frame = EthernetRef {
            destination: if scene.no_tee { BEHIND } else { scene.destination_mac },
            source: scene.source_mac,
            ethertype: scene.ethertype,
            payload: &scene.payload,
        };
        let verdict = self.member.vl2.handle_frame(self.member.now, self.network, frame, &mut self.member.below);
        let decision = u8::from(!matches!(verdict, FrameVerdict::Dropped(_)));
        same("decision", &json!(decision), &network["decision"]).map_err(|e| format!("{e} ({verdict:?})"))?;
        let packets = network["packetsSent"].to_string();
        let packets = packets.replace(&hex(&scene.destination_mac.0), &hex(&frame.destination.0));
        same("packets", &self.copies().to_string(), &packets)
    }

    fn inbound(&mut self, scene: &Scene, case: &Value) -> Result<(), String> {
        let network = &expected(case)["network"];
        let decision = network["decision"].as_u64().ok_or("no decision")?;
        let frame = EthernetRef {
            destination: scene.destination_mac,
            source: scene.source_mac,
            ethertype: scene.ethertype,
            payload: &scene.payload,
        };
        let message = ExtFrame::new(self.network, 0, frame).to_vec();
        self.receive(Verb::EXT_FRAME, &message);
        let delivered = self.member.below.delivered.len();
        same("delivered", &(delivered == 1), &(decision > 0))?;
        same("packets", &self.copies(), &network["packetsSent"])?;
        // A host's MAC passes the checks of 04 §7.3 by a super-accept only. No inbound case asks about MACs.
        let message = ExtFrame::new(self.network, 0, EthernetRef { source: BEHIND, ..frame });
        self.receive(Verb::EXT_FRAME, &message.to_vec());
        same("super-accepted", &(self.member.below.delivered.len() > delivered), &(decision == 2))
    }
}
