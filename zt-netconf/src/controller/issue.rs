//! Makes and signs the configuration of one member (05 §6, §7; 04 §2.5, §3 to §5).

use zt_crypto::{SecretIdentity, fingerprint};
use zt_wire::credential::Signature;
use zt_wire::ident::{Address, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::inet::InetAddress;
use zt_wire::netconf::{Dns, Route, Specialist};
use zt_wire::rules::RuleTable;
use zt_wire::verb::netconf::CHUNK_LEN;
use zt_wire::verb::{ChunkSeal, ConfigChunk, OkBody, OkReply};
use zt_wire::{Capability, Custody, Membership, Ownership, Qualifier, Tag, Thing};

use super::Encoded;
use super::assign::Assigned;
use super::member::Member;
use super::network::Network;
use crate::config::{
    MAX_ADDRESSES, MAX_CAPABILITIES, MAX_NAME, MAX_ROUTES, MAX_RULES, MAX_SPECIALISTS, MAX_TAGS, NetworkConfig,
    NetworkType, SignOn,
};

/// Most rules of a capability.
const MAX_CAPABILITY_RULES: usize = 64;
/// Most addresses in a certificate of ownership.
const MAX_THINGS: usize = 16;
/// ID of the only certificate of ownership.
const OWNERSHIP_ID: u32 = 1;
/// Table with the single rule ACCEPT, for members without a rules engine.
const ACCEPT: &[u8] = &[1, 0];

/// Everything a configuration is made from.
pub(super) struct Issue<'a> {
    pub(super) signer: &'a SecretIdentity,
    pub(super) network: &'a Network,
    pub(super) member: &'a Member,
    pub(super) identity: &'a Identity,
    /// All members with `activeBridge`, ascending.
    pub(super) bridges: Vec<Address>,
    pub(super) assigned: &'a Assigned,
    /// The member evaluates rules; else it gets the single rule ACCEPT and neither tags nor capabilities.
    pub(super) rules_engine: bool,
    /// Of the configuration and of all credentials in it, Unix milliseconds.
    pub(super) timestamp: i64,
}

impl Issue<'_> {
    /// Dictionary text of the configuration.
    pub(super) fn dictionary(&self) -> Vec<u8> {
        let (network, member) = (self.network, self.member);
        let mut config = NetworkConfig::new(network.id, member.address, self.timestamp);
        config.credential_window = network.credential_window_ms() as i64;
        config.revision = network.revision;
        config.kind = if network.private { NetworkType::Private } else { NetworkType::Public };
        // Cut to its field, even inside a character.
        config.name = network.name.bytes().take(MAX_NAME).collect();
        config.mtu = u32::from(network.mtu);
        config.multicast_limit = network.multicast_limit;
        if network.broadcast {
            config.flags |= NetworkConfig::ENABLE_BROADCAST;
        }
        if self.assigned.emulate_ndp {
            config.flags |= NetworkConfig::NDP_EMULATION;
        }
        if let Some((target, level)) = trace(network, member) {
            config.trace_target = target;
            config.trace_level = level;
        }
        let bridges = self.bridges.iter().take(MAX_SPECIALISTS);
        config.specialists = bridges.map(|a| Specialist::new(*a, Specialist::ACTIVE_BRIDGE)).collect();
        config.routes = network.routes.iter().take(MAX_ROUTES).map(route).collect();
        let addresses = self.assigned.addresses.iter().take(MAX_ADDRESSES);
        config.addresses = addresses.map(|prefix| InetAddress::from(*prefix)).collect();
        config.dns = self.dns();
        if network.sign_on && !member.sso_exempt {
            config.sign_on = SignOn::V0 { enabled: true, url: String::new(), expires: member.authentication_expiry };
        }
        if self.rules_engine {
            config.rules = table(&network.rules, MAX_RULES);
            config.capabilities = self.capabilities();
            config.tags = self.tags();
        } else {
            config.rules = RuleTable::parse_blob(ACCEPT).expect("the rule is well formed");
        }
        config.ownerships = self.ownership().into_iter().collect();
        // Also on public networks (05 §6).
        config.membership = Some(self.membership());
        config.to_text()
    }

    fn sign(&self, bytes: &[u8]) -> Signature {
        self.signer.sign(bytes)
    }

    fn membership(&self) -> Membership {
        let print = fingerprint(self.identity);
        let word = |i: usize| u64::from_be_bytes(print[8 * i..8 * i + 8].try_into().expect("8 of 48 bytes"));
        let exact = |id, value| Qualifier { id, value, max_delta: 0 };
        // Holder and key differ from member to member by nature, so any distance agrees; that they are the right ones is checked
        // against the identity of whoever shows the certificate (04 §4.5).
        let any = |id, value| Qualifier { id, value, max_delta: u64::MAX };
        let mut qualifiers = vec![
            Qualifier {
                id: Membership::TIMESTAMP,
                value: self.timestamp as u64,
                max_delta: self.network.credential_window_ms(),
            },
            exact(Membership::NETWORK, self.network.id.0),
            any(Membership::ISSUED_TO, self.member.address.as_u64()),
        ];
        qualifiers.extend((0..4).map(|i| any(Membership::FINGERPRINT + i as u64, word(i))));
        let mut membership = Membership { qualifiers, signer: self.signer.address(), signature: Signature::NONE };
        membership.signature = self.sign(&membership.signed_bytes());
        membership
    }

    /// The capabilities of the member that the network has, in the member's order.
    fn capabilities(&self) -> Vec<Capability> {
        let held = self.member.capabilities.iter();
        let known = held.filter_map(|id| self.network.capabilities.iter().find(|c| u64::from(c.id) == *id));
        known
            .take(MAX_CAPABILITIES)
            .map(|c| {
                let mut capability = Capability {
                    network: self.network.id,
                    timestamp: self.timestamp,
                    id: c.id,
                    rules: table(&c.rules, MAX_CAPABILITY_RULES),
                    // Nobody may hand it on.
                    max_custody: 1,
                    custody: Vec::new(),
                };
                let signature = self.sign(&capability.signed_bytes());
                let (to, from) = (self.member.address, self.signer.address());
                capability.custody.push(Custody { to, from, signature });
                capability
            })
            .collect()
    }

    fn tags(&self) -> Vec<Tag> {
        let mut held = self.member.tags.clone();
        // Members look tags up by binary search (04 §3.2).
        held.sort_by_key(|(id, _)| *id);
        held.iter()
            .take(MAX_TAGS)
            .map(|(id, value)| {
                let mut tag = Tag {
                    network: self.network.id,
                    timestamp: self.timestamp,
                    id: *id,
                    value: *value,
                    issued_to: self.member.address,
                    signer: self.signer.address(),
                    signature: Signature::NONE,
                };
                tag.signature = self.sign(&tag.signed_bytes());
                tag
            })
            .collect()
    }

    fn ownership(&self) -> Option<Ownership> {
        let ips = self.assigned.addresses.iter().take(MAX_THINGS).map(|prefix| prefix.address());
        let things: Vec<Thing> = ips.map(Thing::from).collect();
        if things.is_empty() {
            return None;
        }
        let mut ownership = Ownership {
            network: self.network.id,
            timestamp: self.timestamp,
            flags: 0,
            id: OWNERSHIP_ID,
            things,
            issued_to: self.member.address,
            signer: self.signer.address(),
            signature: Signature::NONE,
        };
        ownership.signature = self.sign(&ownership.signed_bytes());
        Some(ownership)
    }

    fn dns(&self) -> Dns {
        let Some(own) = &self.network.dns else { return Dns::default() };
        let mut dns = Dns { domain: own.domain.clone(), ..Dns::default() };
        for (slot, ip) in dns.servers.iter_mut().zip(&own.servers) {
            *slot = InetAddress::new(*ip, 0);
        }
        dns
    }
}

fn route(r: &super::network::Route) -> Route {
    Route {
        target: r.target.into(),
        via: r.via.map_or(InetAddress::None, |a| InetAddress::new(a, 0)),
        flags: 0,
        metric: 0,
    }
}

/// The first rules, as many as a table may have.
fn table(rules: &RuleTable, limit: usize) -> RuleTable {
    if rules.len() > limit { rules[..limit].to_vec().into() } else { rules.clone() }
}

/// Target and level of a member's traces, if there is a target: its own, else that of the network (05 §2).
pub(super) fn trace(network: &Network, member: &Member) -> Option<(Address, u64)> {
    member.trace().or(network.trace_target.map(|target| (target, network.trace_level)))
}

/// Cuts a dictionary into signed chunks: OKs to a request, or NETWORK_CONFIG unasked.
pub(super) fn chunks(
    signer: &SecretIdentity,
    network: NetworkId,
    text: &[u8],
    update_id: u64,
    request: Option<PacketId>,
) -> Vec<Encoded> {
    let total = u32::try_from(text.len()).expect("a configuration is far below 4 GiB");
    let parts = text.chunks(CHUNK_LEN).enumerate();
    parts
        .map(|(i, data)| {
            let seal = ChunkSeal {
                // No fast propagation: members would pass on, in clear to one another, what is meant for one of them.
                flags: 0,
                update_id,
                total,
                index: (i * CHUNK_LEN) as u32,
                signature_type: Signature::TYPE,
                signature: &[],
            };
            let unsigned = ConfigChunk { network, data, seal: Some(seal), rest: &[] };
            let signature = signer.sign(&unsigned.signed_bytes().expect("it has a seal"));
            let chunk = ConfigChunk { seal: Some(ChunkSeal { signature: &signature.0, ..seal }), ..unsigned };
            match request {
                Some(in_re_packet) => Encoded::of(&OkReply { in_re_packet, body: OkBody::NetworkConfig(chunk) }),
                None => Encoded::of(&chunk),
            }
        })
        .collect()
}
