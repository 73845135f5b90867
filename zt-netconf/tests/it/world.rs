//! A few nodes, a controller and the wire between them, in one process and without time of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::{Carrier, FrameVerdict, NetworkConfig, SendOptions, Verdict, Vl2, Vl2Event};

use zt_wire::Lane;
use zt_wire::verb::{
    ChunkSeal, ConfigChunk, ErrorCode, ErrorReply, GatherResults, MulticastGather, NetworkConfigRequest, OkBody,
    OkMulticastGather, OkReply,
};
use zt_wire::{
    Address, Body, Capability, CredentialKind, Custody, EthernetRef, Identity, Mac, Membership, Message, Mono,
    MulticastGroup, NetworkId, Now, Ownership, PacketId, Qualifier, Revocation, Rule, RuleKind, Signature,
    SoftwareVersion, Tag, Thing, Verb,
};

pub(crate) const CONTROLLER: Address = Address::new(0x62_50c6_ccf3);
pub(crate) const A: Address = Address::new(0x7f_2cb3_dbe7);
pub(crate) const B: Address = Address::new(0xdf_a68a_e067);
/// A third node, in worlds that have one.
pub(crate) const OBSERVER: Address = Address::new(0xb7_4f2a_493e);
pub(crate) const NET: NetworkId = NetworkId(0x6250_c6cc_f300_0001);
/// Time at which every world begins; the controller's clock is the same.
pub(crate) const START: i64 = 1_795_000_000_000;

const SECRETS: [&str; 4] = [
    "6250c6ccf3:0:f48276772fdf1fc5c14310507c504db64c041a55f0c3035e8df6ad5b652fb1477f0d9226b96c797f9319a5ced8cb398da64ddbd4957986c6757af398d0c5ffff:b55150c61ae12a22dc367c1fdb375eb544df15a0a9e6c7f6d2aef4dfd7abe4718ef165aa68f12c59be6f7ac01958431d0848e934b57068bb098a2af8ca2602f7",
    "7f2cb3dbe7:0:545473d8d88b166939a125ffa67474c16c4c7e1f79a187053ee169a1808a806dc2de9f2d3117ffc716f6cff022b5122d5c1b155ce083417cbac2c3343b788eed:79ff58856afc16c05d7b120d39ffc59a6f6fe4d09834cef06e70f7e6c7bc51811c24dec381fd9f640e039c57f088874b1e43d9060370ad073eee7ed4d8d2c54a",
    "dfa68ae067:0:c31ad30c30d14865d4fa310345dd95539a1b577929c25cea6c0157b83dcee475781f990f1ff421de4d9836cff2e5b4f865b4e249035f931c40fa11dd93df0200:cfb34a4573812c386b51efdde563612e05cb4865d3de9ade3ba3192360855052356976a9385e5bd92e6ed55fe7389cc92e2a7d5af02e1b3124a3dee689b206d7",
    "b74f2a493e:0:6d5a1b64217f82768ce3d6f661288918c1a30e789440d34d6993b042e9463970feb07f994d66d01bb4a0411f8426dde6bdb8b229fb074047ae1cbb0b4121c5a0:19d5ee2e18654d6644dff09cb9e788f2dfeefe7286fe8241e3efb31782f7e83f235ac84ba08a53aabe30af1ee950a2f6384a6366aaa47c0443db586ac7b0ddab",
];

pub(crate) fn secret(address: Address) -> SecretIdentity {
    let text = SECRETS.iter().find(|text| text.starts_with(&address.to_string())).expect("a known identity");
    SecretIdentity::from_text(text).expect("a valid identity")
}

pub(crate) fn identity(address: Address) -> Identity {
    *secret(address).identity()
}

/// A packet on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) id: PacketId,
    pub(crate) verb: Verb,
    pub(crate) payload: Vec<u8>,
    pub(crate) options: SendOptions,
}

/// A frame that reached a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    pub(crate) ethertype: u16,
    pub(crate) payload: Vec<u8>,
}

/// The mock of the layer below, of one node.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) own: Address,
    pub(crate) known: BTreeMap<Address, Identity>,
    pub(crate) asked: Vec<Address>,
    pub(crate) roots: Vec<Address>,
    pub(crate) root: bool,
    pub(crate) latencies: BTreeMap<Address, Duration>,
    pub(crate) sent: Vec<Sent>,
    /// Lane of what was sent last.
    pub(crate) lane: Lane,
    pub(crate) delivered: Vec<Delivered>,
    /// Whose deferred packets are to be tried again.
    hurried: Vec<Address>,
    reply_to: Option<Address>,
    next_id: u64,
}

impl Wire {
    pub(crate) fn new(own: Address) -> Self {
        Self {
            own,
            known: [CONTROLLER, A, B].into_iter().map(|address| (address, identity(address))).collect(),
            asked: vec![],
            roots: vec![],
            root: false,
            latencies: BTreeMap::new(),
            sent: vec![],
            lane: Lane::USUAL,
            delivered: vec![],
            hurried: vec![],
            reply_to: None,
            next_id: own.as_u64() << 16,
        }
    }
}

impl Wire {
    /// Replies go to this node from here on.
    pub(crate) fn answer_to(&mut self, address: Address) {
        self.reply_to = Some(address);
    }
}

impl Carrier for Wire {
    fn identity(&self, address: Address) -> Option<Identity> {
        self.known.get(&address).copied()
    }
    fn request_identity(&mut self, address: Address) {
        self.asked.push(address);
    }
    fn roots(&self) -> Vec<Address> {
        self.roots.clone()
    }
    fn is_root(&self) -> bool {
        self.root
    }
    fn direct_latency(&self, address: Address) -> Option<Duration> {
        self.latencies.get(&address).copied()
    }
    fn send(&mut self, to: Address, body: &dyn Body, options: SendOptions) -> Option<PacketId> {
        self.next_id += 1;
        let id = PacketId(self.next_id);
        self.sent.push(Sent { from: self.own, to, id, verb: body.verb(), payload: body.to_vec(), options });
        Some(id)
    }
    fn reply(&mut self, body: &dyn Body, options: SendOptions) {
        let to = self.reply_to.expect("a packet is in hand");
        self.send(to, body, options);
    }
    fn lane(&mut self, lane: Lane) {
        self.lane = lane;
    }
    fn hurry(&mut self, from: Address) {
        self.hurried.push(from);
    }
    fn deliver(&mut self, network: NetworkId, frame: EthernetRef<'_>) {
        assert_eq!(network, NET);
        let EthernetRef { destination, source, ethertype, payload } = frame;
        self.delivered.push(Delivered { destination, source, ethertype, payload: payload.to_vec() });
    }
}

/// One node with its mock.
pub(crate) struct Node {
    pub vl2: Vl2,
    pub(crate) wire: Wire,
    pub(crate) events: Vec<Vl2Event>,
}

impl Node {
    pub(crate) fn new(own: Address) -> Self {
        let version = SoftwareVersion::new(1, 14, 1);
        let entropy = Box::new(SeededEntropy::new(own.as_u64()));
        Self { vl2: Vl2::new(identity(own), version, entropy), wire: Wire::new(own), events: vec![] }
    }

    pub(crate) fn join(&mut self, now: Now) {
        self.vl2.join(now, NET, None, &mut self.wire);
        self.collect();
    }

    pub(crate) fn receive(&mut self, now: Now, packet: &Sent) -> Verdict {
        let message = Message::parse(packet.verb, &packet.payload).expect("a well-formed message");
        self.wire.reply_to = Some(packet.from);
        let from = identity(packet.from);
        let verdict = self.vl2.handle_message(now, &from, packet.id, &message, &mut self.wire);
        self.wire.reply_to = None;
        self.collect();
        verdict
    }

    pub(crate) fn receive_body(&mut self, now: Now, from: Address, body: &dyn Body) -> Verdict {
        let packet = Sent {
            from,
            to: self.wire.own,
            id: PacketId(7),
            verb: body.verb(),
            payload: body.to_vec(),
            options: SendOptions::default(),
        };
        self.receive(now, &packet)
    }

    pub(crate) fn frame(
        &mut self,
        now: Now,
        source: Mac,
        destination: Mac,
        ethertype: u16,
        payload: &[u8],
    ) -> FrameVerdict {
        let frame = EthernetRef { destination, source, ethertype, payload };
        self.vl2.handle_frame(now, NET, frame, &mut self.wire)
    }

    /// Does all that is due, in as many calls as that takes.
    pub(crate) fn tend(&mut self, now: Now) {
        while self.vl2.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
            self.vl2.handle_timeout(now, &mut self.wire);
            self.collect();
        }
    }

    pub(crate) fn collect(&mut self) {
        while let Some(event) = self.vl2.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn network(&self) -> &zt_netconf::Network {
        self.vl2.network(NET).expect("the network is joined")
    }

    pub(crate) fn take_sent(&mut self, verb: Verb) -> Vec<Sent> {
        let (taken, kept) = self.wire.sent.drain(..).partition(|packet| packet.verb == verb);
        self.wire.sent = kept;
        taken
    }

    pub(crate) fn drops(&self, name: &str) -> u64 {
        self.vl2.drops().find(|(reason, _)| reason.name() == name).expect("a counter").1
    }
}

/// What a member holds besides its certificate: values of tags, rules of capabilities, things it owns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    pub(crate) tags: Vec<(u32, u32)>,
    pub(crate) capabilities: Vec<(u32, Vec<Rule>)>,
    pub(crate) things: Vec<Thing>,
}

/// A controller as simple as can be.
pub(crate) struct Authority {
    pub(crate) secret: SecretIdentity,
    pub(crate) authorised: BTreeSet<Address>,
    pub(crate) template: NetworkConfig,
    pub(crate) grants: BTreeMap<Address, Grant>,
    /// Answers who asks for members of a group with all members.
    pub(crate) names_members: bool,
    pub(crate) updates: u64,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut template = NetworkConfig::new(NET, A, START);
        template.credential_window = 1_800_000;
        template.flags = NetworkConfig::ENABLE_BROADCAST;
        template.multicast_limit = 32;
        template.rules = vec![RuleKind::Accept.into()].into();
        template.name = b"test".to_vec();
        Self {
            secret: secret(CONTROLLER),
            authorised: BTreeSet::new(),
            template,
            grants: BTreeMap::new(),
            names_members: false,
            updates: 0,
        }
    }

    pub(crate) fn membership(&self, member: Address, timestamp: i64) -> Membership {
        let hash = zt_crypto::fingerprint(&identity(member));
        let word = |n: usize| u64::from_be_bytes(hash[n * 8..n * 8 + 8].try_into().expect("eight bytes"));
        let far = u64::MAX;
        let mut qualifiers = vec![
            Qualifier { id: 0, value: timestamp as u64, max_delta: 1_800_000 },
            Qualifier { id: 1, value: NET.0, max_delta: 0 },
            Qualifier { id: 2, value: member.as_u64(), max_delta: far },
        ];
        qualifiers.extend((0..4).map(|n| Qualifier { id: 3 + n as u64, value: word(n), max_delta: far }));
        let mut com = Membership { qualifiers, signer: CONTROLLER, ..Membership::default() };
        com.signature = self.secret.sign(&com.signed_bytes());
        com
    }

    pub(crate) fn config(&self, member: Address, timestamp: i64) -> NetworkConfig {
        let mut config = self.template.clone();
        config.issued_to = member;
        config.timestamp = timestamp;
        config.membership = Some(self.membership(member, timestamp));
        let Some(grant) = self.grants.get(&member) else { return config };
        config.tags = grant.tags.iter().map(|(id, value)| self.tag(member, *id, *value, timestamp)).collect();
        let capabilities = grant.capabilities.iter();
        config.capabilities =
            capabilities.map(|(id, rules)| self.capability(member, *id, rules.clone(), timestamp)).collect();
        if !grant.things.is_empty() {
            config.ownerships = vec![self.ownership(member, grant.things.clone(), timestamp)];
        }
        config
    }

    pub(crate) fn tag(&self, member: Address, id: u32, value: u32, timestamp: i64) -> Tag {
        let (network, signer, signature) = (NET, CONTROLLER, Signature::NONE);
        let mut tag = Tag { network, timestamp, id, value, issued_to: member, signer, signature };
        tag.signature = self.secret.sign(&tag.signed_bytes());
        tag
    }

    pub(crate) fn capability(&self, member: Address, id: u32, rules: Vec<Rule>, timestamp: i64) -> Capability {
        let custody = vec![Custody { to: member, from: CONTROLLER, signature: Signature::NONE }];
        let mut capability = Capability { network: NET, timestamp, id, rules: rules.into(), max_custody: 1, custody };
        capability.custody[0].signature = self.secret.sign(&capability.signed_bytes());
        capability
    }

    pub(crate) fn ownership(&self, member: Address, things: Vec<Thing>, timestamp: i64) -> Ownership {
        let (network, signer, signature) = (NET, CONTROLLER, Signature::NONE);
        let mut ownership =
            Ownership { network, timestamp, flags: 0, id: 1, things, issued_to: member, signer, signature };
        ownership.signature = self.secret.sign(&ownership.signed_bytes());
        ownership
    }

    pub(crate) fn revocation(&self, member: Address, threshold: i64) -> Revocation {
        self.revocation_of(member, (CredentialKind::MEMBERSHIP, 0), threshold)
    }

    pub(crate) fn revocation_of(&self, member: Address, what: (CredentialKind, u32), threshold: i64) -> Revocation {
        let mut revocation = Revocation {
            id: 9,
            network: NET,
            credential_id: what.1,
            threshold,
            flags: 1,
            target: member,
            signer: CONTROLLER,
            credential_kind: what.0,
            signature: Signature::NONE,
        };
        revocation.signature = self.secret.sign(&revocation.signed_bytes());
        revocation
    }

    /// Cuts a configuration into signed chunks and hands each to `each`.
    pub(crate) fn chunks(&mut self, text: &[u8], size: usize, flags: u8, mut each: impl FnMut(ConfigChunk<'_>)) {
        self.updates += 1;
        for (number, data) in text.chunks(size).enumerate() {
            let seal = ChunkSeal {
                flags,
                update_id: self.updates,
                total: text.len() as u32,
                index: (number * size) as u32,
                signature_type: 1,
                signature: &[],
            };
            let unsigned = ConfigChunk { network: NET, data, seal: Some(seal), rest: &[] };
            let signature = self.secret.sign(&unsigned.signed_bytes().expect("a sealed chunk"));
            each(ConfigChunk { seal: Some(ChunkSeal { signature: &signature.0, ..seal }), ..unsigned });
        }
    }

    /// Answers a request as a packet of the controller.
    pub(crate) fn answer(&mut self, now: Now, packet: &Sent) -> Vec<Sent> {
        let back = |body: &dyn Body| Sent {
            from: CONTROLLER,
            to: packet.from,
            id: PacketId(packet.id.0 ^ 0xffff_0000),
            verb: body.verb(),
            payload: body.to_vec(),
            options: SendOptions::default(),
        };
        let network = match Message::parse(packet.verb, &packet.payload) {
            Ok(Message::NetworkConfigRequest(NetworkConfigRequest { network, .. })) => network,
            Ok(Message::MulticastGather(MulticastGather { group, .. })) if self.names_members => {
                let members: Vec<_> = self.authorised.iter().copied().filter(|member| *member != packet.from).collect();
                let results = GatherResults { total: members.len() as u32, members };
                let ok = OkMulticastGather { network: NET, group, results, rest: &[] };
                return vec![back(&OkReply { in_re_packet: packet.id, body: OkBody::MulticastGather(ok) })];
            }
            _ => return vec![],
        };
        if !self.authorised.contains(&packet.from) {
            let code = ErrorCode::NETWORK_ACCESS_DENIED;
            return vec![back(&ErrorReply::network_error(Verb::NETWORK_CONFIG_REQUEST, packet.id, code, network))];
        }
        let text = self.config(packet.from, now.unix_ms).to_text();
        let mut answers = vec![];
        self.chunks(&text, 600, 0, |chunk| {
            answers.push(back(&OkReply { in_re_packet: packet.id, body: OkBody::NetworkConfig(chunk) }));
        });
        answers
    }
}

/// Nodes, controller and clock.
pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) nodes: BTreeMap<Address, Node>,
    pub(crate) authority: Authority,
    /// Packets kept by nodes for a later try.
    pub(crate) deferred: Vec<(Mono, Sent)>,
    /// Everything that was sent, in order.
    pub(crate) log: Vec<Sent>,
    /// Which packets do not arrive.
    pub(crate) loss: Box<dyn FnMut(&Sent) -> bool>,
}

impl World {
    /// A world with members A and B, both authorised and joined, with configurations.
    pub(crate) fn with_members() -> Self {
        let mut world = Self::new();
        world.authority.authorised.extend([A, B]);
        world.join(A);
        world.join(B);
        world
    }

    pub(crate) fn new() -> Self {
        let now = Now { mono: Mono::from_millis(1_000), unix_ms: START };
        let nodes = [A, B].into_iter().map(|address| (address, Node::new(address))).collect();
        Self { now, nodes, authority: Authority::new(), deferred: vec![], log: vec![], loss: Box::new(|_| false) }
    }

    /// Adds the third node, which joins.
    pub(crate) fn add_observer(&mut self) {
        self.nodes.insert(OBSERVER, Node::new(OBSERVER));
        for node in self.nodes.values_mut() {
            node.wire.known.insert(OBSERVER, identity(OBSERVER));
        }
        self.authority.authorised.insert(OBSERVER);
        self.join(OBSERVER);
    }

    pub(crate) fn node(&mut self, address: Address) -> &mut Node {
        self.nodes.get_mut(&address).expect("a node of the world")
    }

    pub(crate) fn join(&mut self, address: Address) {
        let now = self.now;
        self.node(address).join(now);
        self.exchange();
    }

    /// Carries packets until the wire is silent.
    pub(crate) fn exchange(&mut self) {
        for _ in 0..100 {
            let mut packets: VecDeque<Sent> = VecDeque::new();
            for node in self.nodes.values_mut() {
                packets.extend(node.wire.sent.drain(..));
            }
            if packets.is_empty() {
                return;
            }
            for packet in packets {
                self.log.push(packet.clone());
                if (self.loss)(&packet) {
                    continue;
                }
                if packet.to == CONTROLLER {
                    for answer in self.authority.answer(self.now, &packet) {
                        self.hand(&answer);
                    }
                } else {
                    self.hand(&packet);
                }
            }
        }
        panic!("the wire never falls silent");
    }

    fn hand(&mut self, packet: &Sent) {
        self.hand_since(self.now.mono, packet);
    }

    fn hand_since(&mut self, arrived: Mono, packet: &Sent) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&packet.to) else { return };
        if node.receive(now, packet) == Verdict::Defer {
            self.deferred.push((arrived, packet.clone()));
        }
        for from in std::mem::take(&mut self.node(packet.to).wire.hurried) {
            let ready = |(_, waiting): &(Mono, Sent)| waiting.to == packet.to && waiting.from == from;
            let (ready, kept) = std::mem::take(&mut self.deferred).into_iter().partition(ready);
            self.deferred = kept;
            self.again(ready);
        }
    }

    fn again(&mut self, packets: Vec<(Mono, Sent)>) {
        for (arrived, packet) in packets {
            if self.now.mono.saturating_since(arrived) < Duration::from_secs(5) {
                self.hand_since(arrived, &packet);
            }
        }
    }

    /// Lets time pass in steps of 250 ms; deferred packets are tried again every 500 ms for 5 s.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        for step in 1..=milliseconds / 250 {
            self.now = self.now.plus(Duration::from_millis(250));
            let now = self.now;
            for node in self.nodes.values_mut() {
                node.tend(now);
            }
            if step % 2 == 0 {
                self.retry();
            }
            self.exchange();
        }
    }

    pub(crate) fn retry(&mut self) {
        let waiting = std::mem::take(&mut self.deferred);
        self.again(waiting);
    }

    /// Sends a frame between the own MACs of two members.
    pub(crate) fn unicast(&mut self, from: Address, to: Address, payload: &[u8]) -> FrameVerdict {
        let now = self.now;
        let (source, destination) = (Mac::for_member(from, NET), Mac::for_member(to, NET));
        let verdict = self.node(from).frame(now, source, destination, 0x0800, payload);
        self.exchange();
        self.retry();
        self.exchange();
        verdict
    }

    pub(crate) fn delivered(&mut self, to: Address) -> Vec<Delivered> {
        std::mem::take(&mut self.node(to).wire.delivered)
    }
}

pub(crate) fn group(n: u8) -> MulticastGroup {
    MulticastGroup::new(Mac([0x01, 0x00, 0x5e, 0, 0, n]))
}
