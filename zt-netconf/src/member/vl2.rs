//! All joined networks of one node: entry points and the dispatch table.

mod answers;
mod chunks;
mod network_credentials;
mod networks;
mod remote_trace;
mod service;

use core::time::Duration;
use std::collections::BTreeSet;

use zt_crypto::Entropy;
use zt_wire::ether::EthernetRef;
use zt_wire::ident::{Address, MulticastGroup, NetworkId, PacketId};
use zt_wire::identity::Identity;
use zt_wire::netconf::Specialist;
use zt_wire::time::{Mono, Now};
use zt_wire::verb::{ErrorCode, ErrorReply, Message, Verb};
use zt_wire::{Revocation, SoftwareVersion};

use super::carrier::{Carrier, FrameVerdict, SendOptions, Verdict, Vl2Event};
use super::credentials::Outcome;
use super::drop_reason::DropReason;
use super::network::{Authentication, Failure, Network, Origin};
use super::shared::Shared;
use super::subscriptions::Standing;
use super::sweep::Effort;
use crate::config::NetworkConfig;
use chunks::Carried;
use networks::Networks;

/// How often subscriptions are looked through.
const EXPIRE: Duration = Duration::from_millis(30_000);
/// The answer of the own controller to [`Vl2Event::RequestOwnController`].
#[derive(Clone, Debug)]
pub enum LocalAnswer<'a> {
    /// The configuration.
    Config(Box<NetworkConfig>),
    /// The configuration as dictionary text.
    Text(&'a [u8]),
    /// Access denied.
    Denied,
    /// No such network, or there is no controller.
    NotFound,
    /// External sign-on is required.
    AuthenticationRequired(Authentication),
}

/// VL2 of one node: all networks it has joined, and its service to others (subscriptions).
///
/// Pure: time, entropy and the layer below come in as arguments.
#[derive(Debug)]
pub struct Vl2 {
    shared: Shared,
    networks: Networks,
    next_expire: Option<Mono>,
    low_bandwidth: bool,
}

impl Vl2 {
    /// Makes the VL2 of a node that has joined nothing yet.
    pub fn new(own: Identity, version: SoftwareVersion, entropy: Box<dyn Entropy + Send>) -> Self {
        Self {
            shared: Shared::new(own, version, entropy),
            networks: Networks::default(),
            next_expire: None,
            low_bandwidth: false,
        }
    }

    /// Joins a network. `saved` is the content of its `.conf` file, if there is one (04 §2.1). Joining twice does
    /// nothing.
    pub fn join(&mut self, now: Now, id: NetworkId, saved: Option<&[u8]>, c: &mut dyn Carrier) {
        if self.networks.contains_key(&id) {
            return;
        }
        let mut network = Network::new(now, id, self.shared.own.address);
        network.set_low_bandwidth(now, self.low_bandwidth);
        self.shared.events.push(Vl2Event::Up { network: id });
        let config = saved.and_then(|text| NetworkConfig::from_text(text).ok());
        match config {
            Some(config) => {
                if let Err(reason) = network.apply(&mut self.shared, now, config, Origin::Saved, c) {
                    self.shared.drops.count(reason);
                }
            }
            // Remembers the join.
            None if saved.is_none() => {
                self.shared.events.push(Vl2Event::Persist { network: id, text: b"\n".to_vec() });
            }
            None => {}
        }
        network.request(&mut self.shared, now, c);
        self.networks.insert(id, network);
    }

    /// Low-bandwidth mode (03 §14): groups are announced to fewer and more seldom, configurations asked for more seldom.
    pub fn set_low_bandwidth(&mut self, now: Now, low: bool) {
        self.low_bandwidth = low;
        for network in self.networks.values_mut() {
            network.set_low_bandwidth(now, low);
        }
    }

    /// Leaves a network.
    pub fn leave(&mut self, id: NetworkId) {
        if self.networks.remove(&id).is_some() {
            self.shared.subscriptions.forget(id);
            self.shared.events.forget_text(id);
            self.shared.events.push(Vl2Event::Down { network: id });
        }
    }

    /// Processes a message that arrived authenticated. Replies (OK, ERROR) must have passed the reply gate of the
    /// layer below.
    pub fn handle_message(
        &mut self,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &Message<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        self.shared.traces.enter(now.mono);
        let verdict = self.dispatch(now, from, packet_id, message, c);
        self.send_traces(c);
        verdict
    }

    fn dispatch(
        &mut self,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &Message<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let shared = &mut self.shared;
        match message {
            Message::Frame(m) => match self.networks.get_mut(&m.network) {
                Some(network) => network.handle_frame_message(shared, now, from, packet_id, m, c),
                None => ignored(shared),
            },
            Message::ExtFrame(m) => match self.networks.get_mut(&m.network) {
                Some(network) => network.handle_ext_frame(shared, now, from, packet_id, m, c),
                None => ignored(shared),
            },
            Message::MulticastFrame(m) => match self.networks.get_mut(&m.network) {
                Some(network) => network.handle_multicast_frame(shared, now, from, packet_id, m, c),
                None => {
                    shared.drops.count(DropReason::NotJoined);
                    Verdict::NotCounted
                }
            },
            Message::MulticastLike(m) => self.handle_like(now, from, m, c),
            Message::MulticastGather(m) => self.handle_gather(now, from, packet_id, m, c),
            Message::NetworkCredentials(m) => self.handle_credentials(now, from, m, c),
            Message::NetworkConfigRequest(m) => self.refuse_request(packet_id, m.network, c),
            Message::NetworkConfig(m) => self.handle_chunk(now, from, packet_id, m, Carried::Push, c),
            Message::Ok(m) => self.handle_ok(now, from, packet_id, m, c),
            Message::Error(m) => self.handle_error(now, from, m, c),
            _ => self.shared.drop(DropReason::Unhandled),
        }
    }

    /// A request for a configuration reached a node without controller (04 §2.3).
    fn refuse_request(&mut self, packet_id: PacketId, network: NetworkId, c: &mut dyn Carrier) -> Verdict {
        let code = ErrorCode::UNSUPPORTED_OPERATION;
        let body = ErrorReply::network_error(Verb::NETWORK_CONFIG_REQUEST, packet_id, code, network);
        c.reply(&body, SendOptions::default());
        Verdict::Accepted { trust: false }
    }

    /// Sends a frame that came from the local port of a network (04 §7.2).
    pub fn handle_frame(
        &mut self,
        now: Now,
        network: NetworkId,
        frame: EthernetRef<'_>,
        c: &mut dyn Carrier,
    ) -> FrameVerdict {
        self.shared.traces.enter(now.mono);
        let verdict = match self.networks.get_mut(&network) {
            Some(network) => network.send_frame(&mut self.shared, now, &frame, c).inspect_err(|reason| {
                network.trace_unsent(&mut self.shared, &frame, Address::NIL, *reason);
            }),
            None => Err(DropReason::NotJoined),
        };
        self.send_traces(c);
        verdict.unwrap_or_else(|reason| {
            self.shared.drops.count(reason);
            FrameVerdict::Dropped(reason)
        })
    }

    /// Takes the multicast groups of a network's port: those the host joined, and the address-resolution group
    /// ([`MulticastGroup::for_ip`]) of each of its addresses.
    pub fn set_tap_groups(&mut self, network: NetworkId, groups: &[MulticastGroup], c: &mut dyn Carrier) {
        if let Some(network) = self.networks.get_mut(&network) {
            network.set_tap_groups(groups, c);
        }
    }

    /// Notes that the virtual port of a network could not be made (error code), or works (`None`).
    pub fn set_port_error(&mut self, network: NetworkId, code: Option<i32>) {
        if let Some(network) = self.networks.get_mut(&network) {
            network.set_port_error(&mut self.shared, code);
        }
    }

    /// Takes what the controller in this process says about a network: the answer to
    /// [`Vl2Event::RequestOwnController`], or a push.
    pub fn handle_local_config(
        &mut self,
        now: Now,
        network: NetworkId,
        answer: LocalAnswer<'_>,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let shared = &mut self.shared;
        let Some(network) = self.networks.get_mut(&network) else { return shared.drop(DropReason::NotJoined) };
        let result = match answer {
            LocalAnswer::Config(config) => network.apply(shared, now, *config, Origin::Answer, c),
            LocalAnswer::Text(text) => match NetworkConfig::from_text(text) {
                Ok(config) => network.apply(shared, now, config, Origin::Answer, c),
                Err(_) => Err(DropReason::ConfigMalformed),
            },
            LocalAnswer::Denied => {
                network.fail(shared, now, Failure::AccessDenied);
                Ok(())
            }
            LocalAnswer::NotFound => {
                network.fail(shared, now, Failure::NotFound);
                Ok(())
            }
            LocalAnswer::AuthenticationRequired(how) => {
                network.fail(shared, now, Failure::AuthenticationRequired(how));
                Ok(())
            }
        };
        match result {
            Ok(()) => Verdict::Accepted { trust: false },
            Err(reason) => shared.drop(reason),
        }
    }

    /// Takes a revocation that the controller in this process made.
    pub fn handle_local_revocation(&mut self, now: Now, revocation: &Revocation, c: &mut dyn Carrier) -> Verdict {
        let (shared, networks) = self.parts();
        let Some(network) = networks.get_mut(&revocation.network) else { return shared.drop(DropReason::NotJoined) };
        let own = shared.own.address;
        match network.revoke(shared, now, own, revocation, c) {
            Outcome::New | Outcome::Redundant => Verdict::Accepted { trust: false },
            Outcome::Deferred => Verdict::Defer,
            Outcome::Rejected => self.shared.drop(DropReason::CredentialRefused),
        }
    }

    /// Notes that the controller of this process answered a member: its subscriptions are served here for 180 s.
    pub fn set_controller_authorised(&mut self, now: Now, network: NetworkId, member: Address) {
        if !self.shared.authorised.note(now.mono, network, member) {
            self.shared.drops.count(DropReason::TableFull);
        }
    }

    /// Notes that this node reaches a root, for the first time or again: groups are announced at once, and networks
    /// that wait for their controller ask it at the next [`handle_timeout`](Self::handle_timeout), due now.
    pub fn handle_online(&mut self, now: Now, c: &mut dyn Carrier) {
        let mut effort = Effort::of_a_call();
        for network in self.networks.values_mut() {
            network.handle_online(now, &mut effort, c);
        }
    }

    /// Notes a subscriber that is known for another reason than its own announcement: the controller of this process
    /// knows who holds an address, and thus who answers its address-resolution group (01 §1.6).
    pub fn note_subscriber(&mut self, now: Now, network: NetworkId, group: MulticastGroup, member: Address) {
        if member != self.shared.own.address {
            self.shared.subscriptions.add(now.mono, network, group, member, Standing::Known);
        }
    }

    /// Asks the controller of a network again as soon as possible.
    pub fn refresh(&mut self, now: Now, network: NetworkId) {
        if let Some(network) = self.networks.get_mut(&network) {
            network.hurry(now);
        }
    }

    /// Does what is due, but no more than a millisecond takes: the rest is due at once, and packets come in between.
    pub fn handle_timeout(&mut self, now: Now, c: &mut dyn Carrier) {
        let mut effort = Effort::of_a_call();
        for id in self.networks.due(now.mono, Effort::CALL) {
            if effort.is_spent() {
                break;
            }
            if let Some(network) = self.networks.get_mut(&id) {
                network.handle_timeout(&mut self.shared, now, &mut effort, c);
            }
        }
        if self.next_expire.is_none_or(|at| at <= now.mono) {
            self.next_expire = Some(now.mono + EXPIRE);
            self.shared.subscriptions.begin_expiry(now.mono);
            self.shared.authorised.begin_expiry(now.mono);
        }
        self.shared.subscriptions.expire(now.mono);
        self.shared.authorised.expire(now.mono);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Mono, &'static str)> {
        let networks = self.networks.next_timeout().into_iter();
        let expire = self.next_expire.map(|at| (at, "subscriptions"));
        // A root has subscriptions to look after without a network of its own.
        let first = (expire.is_none() && self.shared.subscriptions.len() > 0).then_some((Mono(0), "subscriptions"));
        let expire = expire.filter(|_| self.shared.subscriptions.len() > 0 || !self.shared.authorised.is_empty());
        let expiry = self.shared.subscriptions.expiry().into_iter().chain(self.shared.authorised.expiry());
        networks.chain(expire).chain(first).chain(expiry.map(|at| (at, "more subscriptions"))).min()
    }

    /// What the owner has to act on.
    pub fn poll_event(&mut self) -> Option<Vl2Event> {
        let event = self.shared.events.pop();
        if event.is_none() {
            // The owner asks next when something is due.
            self.networks.settle();
        }
        event
    }

    /// The joined networks in order of ID.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.networks.values()
    }

    /// A joined network.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.get(&id)
    }

    /// Nodes to keep in contact with like with a root: anchors and replicators of all networks.
    pub fn always_contact(&self) -> Vec<Address> {
        let roles = Specialist::ANCHOR | Specialist::MULTICAST_REPLICATOR;
        let all: BTreeSet<_> = self.networks.values().flat_map(|network| network.specialists(roles)).collect();
        all.into_iter().filter(|address| *address != self.shared.own.address).collect()
    }

    /// How often something was refused, by reason.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        self.shared.drops.iter()
    }

    /// Number of subscriptions held for others.
    pub fn subscription_count(&self) -> usize {
        self.shared.subscriptions.len()
    }

    pub(crate) fn parts(&mut self) -> (&mut Shared, &mut Networks) {
        (&mut self.shared, &mut self.networks)
    }
}

/// A message of a network that is not joined counts as received, without trust.
fn ignored(shared: &mut Shared) -> Verdict {
    shared.drops.count(DropReason::NotJoined);
    Verdict::Accepted { trust: false }
}
