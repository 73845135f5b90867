//! The engine: VL1, VL2 and the controller joined into one pure machine.
//!
//! [`Engine::handle`] takes one input, [`Engine::poll`] gives outputs until it says how long to wait. Bytes leave
//! through the caller's [`Outbox`]. No clock, socket, file or thread is touched: time comes as [`Now`], slow work leaves as
//! [`Output::Job`] or [`Output::Commit`] and comes back as an input.

mod carrier;
mod controller;
mod input;
mod outbox;
mod own_packets;
mod remote_trace;
mod report;
mod segments;

pub use input::{Input, NetworkChange, Output, Persist};
pub use outbox::{FrameList, ListedFrame, Outbox};
use std::net::IpAddr;

use carrier::OverVl1;
use own_packets::OwnPackets;
use segments::Segments;
use std::collections::VecDeque;
use std::sync::Arc;
use zt_crypto::{ArmorError, Entropy, SecretIdentity, Suite};
use zt_netconf::controller::Controller;
use zt_netconf::{Managed, Settings, Verdict, Vl2, Vl2Event};
use zt_peer::{Endpoint, Inbound, LinkId, Look, Path, Place, Scratch, Ticket, Vl1, Vl1Config, Vl1Event};
use zt_wire::ether::EthernetRef;
use zt_wire::time::Now;
use zt_wire::train::{Train, Unit};
use zt_wire::{Address, FlowId, Identity, Lane, NetworkId, SoftwareVersion};

/// The software version told to peers: the version of ZeroTier One whose protocol documents this follows.
pub const COMPATIBLE_VERSION: SoftwareVersion = SoftwareVersion::new(1, 14, 1);

/// What an engine is made from.
pub struct EngineConfig {
    /// Own identity.
    pub identity: Arc<SecretIdentity>,
    /// Source of randomness for VL1.
    pub vl1_entropy: Box<dyn Entropy + Send>,
    /// Source of randomness for VL2.
    pub vl2_entropy: Box<dyn Entropy + Send>,
    /// Source of randomness for the controller; `None` = this node is no controller.
    pub controller_entropy: Option<Box<dyn Entropy + Send>>,
    /// The owner can load peers from a cache when asked.
    pub has_peer_cache: bool,
    /// Loopback addresses may be paths: several nodes on one host, for tests and demonstrations.
    pub allow_loopback: bool,
    /// The owner is asked before an address becomes a path ([`Vl1Event::PathQuestion`]).
    pub ask_paths: bool,
    /// The owner is asked for addresses of peers ([`Vl1Event::AddressWanted`]).
    pub ask_addresses: bool,
    /// The owner wants the messages of peers ([`Vl1Event::UserMessage`], [`Vl1Event::RemoteTrace`]).
    pub hear_messages: bool,
}

/// One node as a pure machine.
pub struct Engine {
    identity: Arc<SecretIdentity>,
    vl1: Vl1,
    vl2: Vl2,
    controller: Option<Controller>,
    outputs: VecDeque<Output>,
    settings: std::collections::BTreeMap<NetworkId, Settings>,
    /// Addresses that others put on the ports.
    on_port: std::collections::BTreeMap<NetworkId, Vec<IpAddr>>,
    own_packets: OwnPackets,
    segments: Segments,
    online: bool,
    online_since: Option<i64>,
    /// The owner wants the messages of peers.
    hear_messages: bool,
    unasked_traces: u64,
    /// The controller has more to say than fits in a round.
    more: bool,
    assembled: Vec<u8>,
    inflated: Vec<u8>,
    scratch: Scratch,
}

/// Longest metadata or packet never exceeds this (02 §1), so the buffers stay bounded.
const PACKET: usize = 10_240;

impl Engine {
    /// Makes a node that knows no root and no network yet.
    #[must_use]
    pub fn new(now: Now, config: EngineConfig) -> Self {
        let EngineConfig { identity, vl1_entropy, vl2_entropy, controller_entropy, .. } = config;
        let mut vl1_config = Vl1Config::new(Arc::clone(&identity), vl1_entropy);
        vl1_config.version = COMPATIBLE_VERSION;
        vl1_config.has_peer_cache = config.has_peer_cache;
        vl1_config.allow_loopback = config.allow_loopback;
        vl1_config.ask_paths = config.ask_paths;
        vl1_config.ask_addresses = config.ask_addresses;
        vl1_config.hear_messages = config.hear_messages;
        let controller = controller_entropy.map(|entropy| Controller::new(Arc::clone(&identity), entropy));
        let mut vl1 = Vl1::new(now, vl1_config);
        if controller.is_some() {
            vl1.hear_traces();
        }
        Self {
            vl1,
            vl2: Vl2::new(*identity.identity(), COMPATIBLE_VERSION, vl2_entropy),
            controller,
            identity,
            outputs: VecDeque::new(),
            settings: std::collections::BTreeMap::new(),
            on_port: std::collections::BTreeMap::new(),
            own_packets: OwnPackets::default(),
            segments: Segments::default(),
            online: false,
            online_since: None,
            hear_messages: config.hear_messages,
            unasked_traces: 0,
            more: false,
            assembled: Vec::with_capacity(PACKET),
            inflated: Vec::with_capacity(PACKET),
            scratch: Scratch::default(),
        }
    }

    /// Takes one input. Drain [`Engine::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>, outbox: &mut Outbox) {
        match input {
            Input::LinkUp(link) => {
                self.own_packets.add(&link);
                self.vl1.add_link(now, link, &mut outbox.transmits);
            }
            Input::LinkInterface(link, name) => self.vl1.set_interface(link, name),
            Input::LinkDown(link) => {
                self.own_packets.remove(link);
                self.vl1.remove_link(now, link, &mut outbox.transmits);
            }
            Input::PathDown { link, remote } => {
                self.vl1.path_down(now, Path { link, remote }, &mut outbox.transmits);
            }
            Input::PathMtu { link, remote, size } => self.vl1.learn_path_mtu(now, Path { link, remote }, size),
            Input::Datagrams { link, remote, bytes, stride } => {
                let own = self.address();
                self.vl1.begin_train();
                let mut train = Train::new(bytes, stride);
                while let Some(unit) = train.next_for(own) {
                    match unit {
                        Unit::Datagram(datagram) => self.handle_datagram(now, link, remote, datagram, outbox),
                        Unit::Packet(packet) => self.handle_joined(now, link, remote, packet, outbox),
                    }
                }
                self.vl1.end_train();
            }
            Input::Opened { ticket, opened, packet } => self.handle_opened(now, ticket, opened, packet, outbox),
            Input::Frames(network, frames) => self.handle_frames(now, network, frames, outbox),
            Input::Frame(network, frame) => self.handle_frame(now, network, frame, outbox),
            Input::Groups(network, groups) => {
                let mut carrier =
                    OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
                self.vl2.set_tap_groups(network, groups, &mut carrier);
            }
            Input::JobDone(done) => self.vl1.handle_job(now, done, &mut outbox.transmits),
            Input::Committed(seq) => self.committed(now, seq, true),
            Input::CommitFailed(seq) => self.committed(now, seq, false),
            Input::Changed(changes) => self.changed_elsewhere(now, changes),
            Input::OwnPrefixes(prefixes) => self.vl1.set_own_prefixes(prefixes),
            Input::Routed { through, on_link } => self.vl1.set_routed(through, on_link),
            Input::Resumed(time) => self.vl1.resume(now, time, &mut outbox.transmits),
            Input::Timeout => self.handle_timeout(now, outbox),
        }
    }

    /// The next thing to do. [`Output::Wait`] ends a round.
    pub fn poll(&mut self, now: Now, outbox: &mut Outbox) -> Output {
        self.drain_machines(now, outbox);
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if let Some(job) = self.vl1.poll_job() {
            return Output::Job(job);
        }
        // Not before all else is handed out: who waits for a time has nothing left to do.
        let machines = [self.vl1.poll_timeout(), self.vl2.poll_timeout(), self.controller_timeout(now)];
        // The controller does a part at a time, so that a push to thousands of members does not hold up packets.
        if self.more {
            return Output::Wait(Some(now.mono));
        }
        Output::Wait(machines.into_iter().flatten().map(|(due, _)| due).min())
    }

    /// Looks ahead at datagrams that are about to be handed in: see [`Vl1::foresee`]. It changes nothing.
    pub fn foresee<'d>(&mut self, datagrams: impl IntoIterator<Item = &'d [u8]>) {
        self.vl1.foresee(datagrams);
    }

    /// First step of receiving by hand: classifies, relays or reassembles a datagram and names the keys of what is to be
    /// opened. `assembled` gets the packet when it came in pieces. Open it on any thread, in any order, then hand it
    /// in as [`Input::Opened`]; [`Input::Datagrams`] is all steps in one.
    pub fn look(
        &mut self,
        now: Now,
        link: LinkId,
        remote: Endpoint,
        datagram: &mut [u8],
        assembled: &mut Vec<u8>,
        outbox: &mut Outbox,
    ) -> Look {
        self.vl1.look(now, link, remote, datagram, assembled, &mut outbox.transmits)
    }

    fn handle_datagram(&mut self, now: Now, link: LinkId, remote: Endpoint, datagram: &mut [u8], outbox: &mut Outbox) {
        // Taken out for the call, so that the packet can be borrowed from it while the machines change.
        let mut assembled = std::mem::take(&mut self.assembled);
        if let Look::Open(open) = self.look(now, link, remote, datagram, &mut assembled, outbox) {
            let packet = match open.place {
                Place::Datagram => datagram,
                Place::Assembled => assembled.as_mut_slice(),
            };
            let opened = open.open(packet);
            self.handle_opened(now, open.ticket, opened, packet, outbox);
        }
        self.assembled = assembled;
    }

    /// A packet of which all pieces came at once.
    fn handle_joined(&mut self, now: Now, link: LinkId, remote: Endpoint, packet: &mut [u8], outbox: &mut Outbox) {
        if let Look::Open(open) = self.vl1.look_joined(now, link, remote, packet, &mut outbox.transmits) {
            let opened = open.open(packet);
            self.handle_opened(now, open.ticket, opened, packet, outbox);
        }
    }

    fn handle_opened(
        &mut self,
        now: Now,
        ticket: Ticket,
        opened: Result<Suite, ArmorError>,
        packet: &[u8],
        outbox: &mut Outbox,
    ) {
        // This is every packet: the names are only worked out when somebody reads them.
        if opened.is_ok()
            && tracing::enabled!(tracing::Level::TRACE)
            && let Ok(packet) = zt_wire::Packet::new_checked(packet)
        {
            tracing::trace!(from = %packet.source(), id = %packet.id(), verb = %packet.opened().verb(), "opened");
        }
        let mut inflated = std::mem::take(&mut self.inflated);
        let inbound = self.vl1.handle_opened(now, ticket, opened, packet, &mut inflated, &mut outbox.transmits);
        if let Some((ticket, outcome)) = self.handle_inbound(now, inbound, outbox) {
            self.vl1.settle(now, ticket, outcome, packet, &mut outbox.transmits);
        }
        self.inflated = inflated;
    }

    /// Gives a message to VL2 or the controller; VL1 has to be told what they made of it.
    fn handle_inbound(
        &mut self,
        now: Now,
        inbound: Inbound<'_>,
        outbox: &mut Outbox,
    ) -> Option<(Ticket, zt_peer::Outcome)> {
        let Inbound::Message(received) = inbound else { return None };
        // The controller comes first: VL2 would refuse the request as one to a node that is none.
        if self.controller_request(now, &received) {
            return Some((received.ticket, zt_peer::Outcome::Accepted { trust: false }));
        }
        self.recall_holder(now, &received.message);
        let mut carrier = OverVl1 {
            now,
            vl1: &mut self.vl1,
            outbox,
            segments: &mut self.segments,
            reply_to: Some(received.ticket.reply_to()),
        };
        let verdict = self.vl2.handle_message(
            now,
            &received.identity,
            received.ticket.packet_id(),
            &received.message,
            &mut carrier,
        );
        outbox.transmits.set_lane(Lane::USUAL);
        Some((received.ticket, outcome(verdict)))
    }

    /// As [`Engine::handle_inbound`] for a packet that waited and lies in `scratch`.
    fn handle_ready(&mut self, now: Now, scratch: &mut Scratch, outbox: &mut Outbox) -> bool {
        let Some(inbound) = self.vl1.poll_ready(now, scratch, &mut outbox.transmits) else { return false };
        if let Some((ticket, outcome)) = self.handle_inbound(now, inbound, outbox) {
            self.vl1.settle(now, ticket, outcome, &scratch.packet, &mut outbox.transmits);
        }
        true
    }

    fn handle_frames(&mut self, now: Now, network: NetworkId, frames: &zt_wire::FrameBatch, outbox: &mut Outbox) {
        for frame in frames.iter() {
            if let Ok(ethernet) = EthernetRef::new_checked(frame.bytes) {
                self.handle_frame(now, network, ethernet, outbox);
            }
        }
    }

    fn handle_frame(&mut self, now: Now, network: NetworkId, frame: EthernetRef<'_>, outbox: &mut Outbox) {
        if self.own_packets.catches(&frame) {
            return;
        }
        self.recall_asked(now, network, &frame);
        if self.vl1.is_bonding() {
            outbox.transmits.set_flow(Some(FlowId::of(&frame)));
        }
        let mut scratch = std::mem::take(&mut self.segments.scratch);
        let concerned = self.segments.concerns(network, &frame);
        let frame = match frame.destination.member(network).filter(|_| concerned) {
            Some(member) => segments::fit(&self.vl1, member, &frame, &mut scratch),
            None => frame,
        };
        let mut carrier = OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
        self.vl2.handle_frame(now, network, frame, &mut carrier);
        self.segments.scratch = scratch;
        outbox.transmits.set_lane(Lane::USUAL);
        outbox.transmits.set_flow(None);
    }

    fn handle_timeout(&mut self, now: Now, outbox: &mut Outbox) {
        self.vl1.handle_timeout(now, &mut outbox.transmits);
        let mut carrier = OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
        self.vl2.handle_timeout(now, &mut carrier);
        if let Some(controller) = &mut self.controller {
            controller.handle_timeout(now);
        }
    }

    /// Carries what the machines have to say to each other and to the owner.
    fn drain_machines(&mut self, now: Now, outbox: &mut Outbox) {
        loop {
            // What one machine says is another's input, so all are asked again until none has more to say.
            let mut quiet = true;
            let mut scratch = std::mem::take(&mut self.scratch);
            while self.handle_ready(now, &mut scratch, outbox) {
                quiet = false;
            }
            self.scratch = scratch;
            while let Some(event) = self.vl1.poll_event() {
                self.handle_vl1_event(now, event, outbox);
                quiet = false;
            }
            while let Some(event) = self.vl2.poll_event() {
                self.handle_vl2_event(now, event, outbox);
                quiet = false;
            }
            self.more = self.drain_controller(now, outbox);
            if quiet {
                return;
            }
        }
    }

    fn handle_vl1_event(&mut self, now: Now, event: Vl1Event, outbox: &mut Outbox) {
        match event {
            Vl1Event::WorldUpdated { kind, id, bytes } => {
                self.outputs.push_back(Output::Persist(Persist::World(kind, id, Some(bytes))));
            }
            Vl1Event::WorldRemoved { kind, id } => {
                self.outputs.push_back(Output::Persist(Persist::World(kind, id, None)));
            }
            Vl1Event::PersistPeer { address, record } => {
                self.outputs.push_back(Output::Persist(Persist::Peer(address, record)));
            }
            Vl1Event::Online(online) => {
                self.online = online;
                self.online_since = online.then_some(now.unix_ms);
                if online {
                    let mut carrier =
                        OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
                    self.vl2.handle_online(now, &mut carrier);
                }
                // Default routes wait until the node is online (04 §10.3).
                let networks: Vec<NetworkId> = self.vl2.networks().map(zt_netconf::Network::id).collect();
                for network in networks {
                    self.configure(network);
                }
                self.outputs.push_back(Output::Event(Vl1Event::Online(online)));
            }
            Vl1Event::RemoteTrace { from, body } => {
                self.hear_trace(now, from, &body);
                if self.hear_messages {
                    self.outputs.push_back(Output::Event(Vl1Event::RemoteTrace { from, body }));
                }
            }
            other => {
                self.trace_paths(now, &other, outbox);
                self.outputs.push_back(Output::Event(other));
            }
        }
    }

    fn handle_vl2_event(&mut self, now: Now, event: Vl2Event, outbox: &mut Outbox) {
        match event {
            Vl2Event::Up { network } | Vl2Event::ConfigUpdated { network } => {
                self.configure(network);
                self.vl1.keep_contact(self.vl2.always_contact());
            }
            Vl2Event::Down { network } => {
                self.settings.remove(&network);
                self.on_port.remove(&network);
                // Frames that still wait for its port must not come out of the port of a later join.
                outbox.frames.remove(&network);
                self.outputs.push_back(Output::Network(network, NetworkChange::Left));
            }
            Vl2Event::Persist { network, text } => {
                self.outputs.push_back(Output::Persist(Persist::NetworkConfig(network, text)));
            }
            Vl2Event::RequestOwnController { network, metadata } => {
                self.own_controller_request(now, network, &metadata, outbox);
            }
            Vl2Event::Traced { text } => self.hear_own_trace(now, &text),
        }
    }

    /// Says what the port of a network should be: when that changes, and when an owner asks who could not make it.
    pub fn configure(&mut self, network: NetworkId) {
        let Some(joined) = self.vl2.network(network) else { return };
        let managed = self.managed(joined);
        self.outputs.push_back(Output::Network(network, NetworkChange::Configure(managed)));
    }

    fn managed(&self, network: &zt_netconf::Network) -> Managed {
        let on_port = self.on_port.get(&network.id()).map(Vec::as_slice).unwrap_or_default();
        network.managed(&self.network_settings(network.id()), on_port, self.is_online())
    }

    /// Which addresses the port of a network has that were not given to it here: a DHCP server behind a bridge, or the
    /// operator, has put them there. Managed routes may start from them (04 §10.3).
    pub fn set_port_addresses(&mut self, network: NetworkId, addresses: Vec<IpAddr>) {
        let known = self.on_port.entry(network).or_default();
        if *known != addresses {
            *known = addresses;
            self.configure(network);
        }
    }

    /// Joins a network; `saved` is the configuration text kept from an earlier run.
    pub fn join(
        &mut self,
        now: Now,
        network: NetworkId,
        saved: Option<&[u8]>,
        settings: Settings,
        outbox: &mut Outbox,
    ) {
        self.segments.set(network, settings.clamp_mss);
        self.settings.insert(network, settings);
        let mut carrier = OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
        self.vl2.join(now, network, saved, &mut carrier);
    }

    /// Leaves a network. True when it was joined.
    pub fn leave(&mut self, network: NetworkId) -> bool {
        let joined = self.vl2.network(network).is_some();
        self.vl2.leave(network);
        joined
    }

    /// Changes what the operator allows a network; true when it is joined.
    pub fn set_network_settings(&mut self, network: NetworkId, settings: Settings) -> bool {
        let joined = self.vl2.network(network).is_some();
        if joined {
            self.segments.set(network, settings.clamp_mss);
            self.settings.insert(network, settings);
            self.configure(network);
        }
        joined
    }

    /// What the operator allows a network.
    #[must_use]
    pub fn network_settings(&self, network: NetworkId) -> Settings {
        self.settings.get(&network).cloned().unwrap_or_default()
    }

    /// The port of a network could not be opened (`Some` error number) or works.
    pub fn set_port_error(&mut self, network: NetworkId, code: Option<i32>) {
        self.vl2.set_port_error(network, code);
    }

    /// Seals and cuts the datagrams of the outbox that are still plain, and remembers their IDs.
    pub fn seal(&mut self, now: Now, outbox: &mut Outbox) {
        self.vl1.seal(now, &mut outbox.transmits);
    }

    /// Nothing is encrypted with AES from now on ([`Vl1::leave_out_aes`]). Before the first packet.
    pub const fn leave_out_aes(&mut self) {
        self.vl1.leave_out_aes();
    }

    /// Low-bandwidth mode (03 §14): while there is nothing to say, as little is said as works.
    pub fn set_low_bandwidth(&mut self, now: Now, low: bool) {
        self.vl1.set_low_bandwidth(low);
        self.vl2.set_low_bandwidth(now, low);
    }

    /// Offers the records of all peers for keeping.
    pub fn persist_peers(&mut self) {
        self.vl1.persist_peers();
    }

    /// VL1: worlds, peers, paths.
    #[must_use]
    pub fn vl1(&self) -> &Vl1 {
        &self.vl1
    }

    /// VL1, to change.
    pub fn vl1_mut(&mut self) -> &mut Vl1 {
        &mut self.vl1
    }

    /// VL2: networks.
    #[must_use]
    pub fn vl2(&self) -> &Vl2 {
        &self.vl2
    }

    /// Own identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.identity.identity()
    }

    /// Own address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.identity.identity().address
    }

    /// Whether a root answers or this node is one.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online || self.vl1.am_root()
    }
}

fn outcome(verdict: Verdict) -> zt_peer::Outcome {
    match verdict {
        Verdict::Accepted { trust } => zt_peer::Outcome::Accepted { trust },
        Verdict::NotCounted => zt_peer::Outcome::NotCounted,
        Verdict::Defer => zt_peer::Outcome::Defer,
        Verdict::Dropped(_) => zt_peer::Outcome::Dropped,
    }
}
