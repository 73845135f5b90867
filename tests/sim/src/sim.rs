//! The world: virtual time, events in order, and each node's driver as a few short functions.

use crate::cable;
use crate::dice::Dice;
use crate::fixtures;
use crate::flow::{self, Demand, FLOW_MESSAGE, Flow, FlowNumber};
use crate::host::{Heard, Host, Mark};
use crate::internet::{Arrival, Carriage, IfaceId, Internet, MachineId};
use crate::node::{Bound, Node, NodeId, Use};
use crate::pcap::Recorder;
use crate::stream::{Stream, StreamId, Traffic};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zt_crypto::PeerKeys;
use zt_node::engine::{Input, NetworkChange, Output, Persist};
use zt_peer::{Job, JobDone, Link, LinkId, LinkKind, LinkRole, Vl1Event};
use zt_wire::{FrameBatch, Identity, NetworkId};

/// Virtual time of the validation of an identity: a memory-hard hash and a key agreement.
pub const VALIDATION: Duration = Duration::from_millis(12);
/// Virtual time of a job without that hash: a key agreement.
pub const AGREEMENT: Duration = Duration::from_micros(150);
/// Virtual time of a commit: a write and a sync.
const COMMIT: u64 = 4_000;
/// Ports from which flows come.
const FLOW_PORTS: u16 = 20_000;
/// Timers that fire at one moment before the engine is said to spin.
const SPIN: u32 = 200;

enum Event {
    Arrive { iface: IfaceId, local: SocketAddr, remote: SocketAddr, bytes: Vec<u8> },
    Timer(NodeId),
    Job(NodeId, u32, Job),
    Committed(NodeId, u32, u64, bool),
    Host(NodeId, NetworkId),
    Stream(StreamId),
    Answer(FlowNumber, u32),
    Tick(FlowNumber),
}

struct Scheduled {
    at: u64,
    seq: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// A datagram that was seen leaving or reaching a node.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When, in microseconds.
    pub at: u64,
    /// It reached a node; false: it left one.
    pub arrived: bool,
    /// Interface of the node.
    pub iface: IfaceId,
    /// Address and port it was sent to.
    pub local: SocketAddr,
    /// Sender as seen there.
    pub remote: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// A simulated world of nodes.
pub struct Sim {
    name: String,
    seed: u64,
    time: u64,
    seq: u64,
    events: BinaryHeap<Reverse<Scheduled>>,
    /// The physical network.
    pub internet: Internet,
    /// Chance for the test itself.
    pub dice: Dice,
    /// All nodes.
    pub nodes: Vec<Node>,
    owners: BTreeMap<(IfaceId, SocketAddr), NodeId>,
    /// Test traffic.
    pub streams: Vec<Stream>,
    /// Flows that fill what there is.
    pub flows: Vec<Flow>,
    recorder: Recorder,
    /// Capture what leaves nodes too.
    pub capture_sent: bool,
    /// Datagrams that arrived, while capturing.
    pub captured: Option<Vec<Captured>>,
    judged: BTreeMap<Identity, bool>,
    trace: u64,
    identities: usize,
}

impl Sim {
    /// An empty world. The seed is `seed`, or that of `ZT_SIM_SEED`; it is printed.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "the seed has to be in the output of a failed test")]
    pub fn new(name: &str, seed: u64) -> Self {
        let seed = std::env::var("ZT_SIM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(seed);
        println!("{name}: seed {seed} (ZT_SIM_SEED={seed} replays it)");
        Self {
            name: name.to_owned(),
            seed,
            time: 1_000_000,
            seq: 0,
            events: BinaryHeap::new(),
            internet: Internet::new(seed),
            dice: Dice::new(seed ^ 0xd1ce),
            nodes: Vec::new(),
            owners: BTreeMap::new(),
            streams: Vec::new(),
            flows: Vec::new(),
            recorder: Recorder::from_env(),
            capture_sent: false,
            captured: None,
            judged: BTreeMap::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            identities: 0,
        }
    }

    /// Microseconds of virtual time.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number that depends on every datagram that arrived and when: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// A node, to change.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }

    /// A node on a machine of its own, without interfaces, not running.
    pub fn add_node(&mut self, name: &str) -> NodeId {
        let secret = fixtures::identity(self.identities);
        self.identities += 1;
        self.judge_identity(*secret.identity(), true);
        self.add_node_as(name, secret)
    }

    /// Says whether an identity is valid, so that no job computes its memory-hard hash.
    pub fn judge_identity(&mut self, identity: Identity, valid: bool) {
        self.judged.insert(identity, valid);
    }

    /// The same with a given identity, valid or not.
    pub fn add_node_as(&mut self, name: &str, secret: std::sync::Arc<zt_crypto::SecretIdentity>) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node::new(name, MachineId(id.0), secret));
        id
    }

    /// Lets a node use an interface.
    pub fn give_use(&mut self, id: NodeId, how: Use) {
        self.nodes[id.0].uses.push(how);
        if self.nodes[id.0].engine.is_some() {
            self.rebind(id);
        }
    }

    /// Starts a node from its store.
    ///
    /// # Panics
    /// When it runs.
    pub fn start(&mut self, id: NodeId) {
        let (seed, time) = (self.seed, self.time);
        let node = &mut self.nodes[id.0];
        assert!(node.engine.is_none(), "{} runs already", node.name);
        node.epoch += 1;
        node.started = time;
        node.online_at = None;
        node.worker_free = time;
        node.work.now = 0;
        let now = node.now(time);
        node.engine = Some(node.make_engine(seed.wrapping_mul(0x9e37_79b9).wrapping_add(id.0 as u64), now));
        if let Node { engine: Some(engine), outbox, bonding, .. } = node {
            engine.vl1_mut().set_bonding(now, bonding.clone(), &mut outbox.transmits);
        }
        crate::setup::load_store(node, now);
        self.rebind(id);
        self.settle(id);
    }

    /// Stops a node at once, as a crash or a power cut does.
    pub fn stop(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        node.engine = None;
        node.due = None;
        node.hosts.clear();
        node.outbox = zt_node::engine::Outbox::new();
        for bound in std::mem::take(&mut node.bound) {
            self.owners.remove(&(bound.iface, bound.local));
        }
    }

    /// Makes links for the addresses that the interfaces have now, and removes the others, as the driver does when
    /// the kernel reports a change.
    pub fn rebind(&mut self, id: NodeId) {
        let mut wanted: Vec<(Use, SocketAddr)> = Vec::new();
        for &how in &self.nodes[id.0].uses {
            let addresses = self.internet.addresses(how.iface).iter();
            wanted.extend(addresses.map(|&ip| (how, SocketAddr::new(ip, how.port))));
        }
        let now = self.nodes[id.0].now(self.time);
        let node = &mut self.nodes[id.0];
        let Some(engine) = node.engine.as_mut() else { return };
        let gone: Vec<Bound> =
            node.bound.iter().filter(|b| !wanted.iter().any(|(_, local)| *local == b.local)).copied().collect();
        for bound in gone {
            engine.handle(now, Input::LinkDown(bound.link), &mut node.outbox);
            node.bound.retain(|other| other.link != bound.link);
            self.owners.remove(&(bound.iface, bound.local));
        }
        let present = node.bound_locals();
        for (how, local) in wanted.into_iter().filter(|(_, local)| !present.contains(local)) {
            let node = &mut self.nodes[id.0];
            node.next_link += 1;
            let link = LinkId(node.next_link);
            if let (Some(name), Some(engine)) = (node.interfaces.get(&how.iface), node.engine.as_mut()) {
                engine.vl1_mut().set_interface(link, name);
            }
            node.bound.push(Bound { link, iface: how.iface, local, kind: how.kind });
            let link = Link {
                id: link,
                kind: how.kind,
                rank: how.rank,
                local: cable::endpoint(how.kind, local),
                mtu: self.internet.payload(how.iface),
                // Who is connected to connects to nobody.
                role: if how.kind == LinkKind::TcpIn { LinkRole::AnswerOnly } else { LinkRole::Full },
            };
            node.engine.as_mut().expect("checked above").handle(now, Input::LinkUp(link), &mut node.outbox);
            self.owners.insert((how.iface, local), id);
        }
        self.settle(id);
    }

    /// Changes the clock of a node by milliseconds.
    pub fn jump_clock(&mut self, id: NodeId, by: i64) {
        self.nodes[id.0].unix_offset += by;
    }

    /// Stops a node as SIGSTOP does: its clocks go on, its timers come late, and what arrives is lost. [`Sim::wake`] lets it go on.
    pub fn put_to_sleep(&mut self, id: NodeId) {
        self.nodes[id.0].asleep = Some(self.time);
    }

    /// Lets a node go on. As the driver does, it hears first that it slept.
    pub fn wake(&mut self, id: NodeId) {
        let time = self.time;
        let node = &mut self.nodes[id.0];
        let Some(since) = node.asleep.take() else { return };
        node.due = None;
        let now = node.now(time);
        if let Some(engine) = node.engine.as_mut() {
            engine.handle(now, Input::Resumed(Duration::from_micros(time - since)), &mut node.outbox);
        }
        self.schedule(time, Event::Timer(id));
        self.settle(id);
    }

    /// Lets one datagram arrive from anywhere: a stranger's, a spoofed or a replayed one.
    pub fn inject(&mut self, iface: IfaceId, local: SocketAddr, remote: SocketAddr, bytes: Vec<u8>) {
        self.schedule(self.time, Event::Arrive { iface, local, remote, bytes });
    }

    /// Starts test traffic: `count` messages, one each `every`.
    pub fn stream(
        &mut self,
        from: NodeId,
        network: NetworkId,
        to: IpAddr,
        traffic: Traffic,
        every: Duration,
        count: u32,
    ) -> StreamId {
        let id = StreamId(self.streams.len() as u32);
        let every = every.as_micros() as u64;
        let (sent, heard) = (Vec::new(), Vec::new());
        self.streams.push(Stream { from, network, to, traffic, every, left: count, size: 56, sent, heard });
        self.schedule(self.time, Event::Stream(id));
        id
    }

    /// Starts a flow to an IPv4 address, with a port of its own.
    ///
    /// # Panics
    /// The address is of IPv6.
    pub fn flow(&mut self, from: NodeId, network: NetworkId, to: IpAddr, demand: Demand) -> FlowNumber {
        let IpAddr::V4(to) = to else { panic!("flows are of IPv4") };
        let id = FlowNumber(self.flows.len() as u32);
        self.flows.push(Flow::new(from, network, to, demand, self.time));
        self.schedule(self.time, Event::Tick(id));
        id
    }

    /// What became of a stream.
    #[must_use]
    pub fn result(&self, id: StreamId) -> &Stream {
        &self.streams[id.0 as usize]
    }

    /// Bytes of each message from now on.
    pub fn set_size(&mut self, id: StreamId, size: usize) {
        self.streams[id.0 as usize].size = size;
    }

    /// Ends a stream.
    pub fn end(&mut self, id: StreamId) {
        self.streams[id.0 as usize].left = 0;
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.time + time.as_micros() as u64;
        while self.step(end) {}
    }

    /// Lets time pass until a condition holds (looked at each millisecond); how long it took, or `None` after `limit`.
    pub fn run_until(&mut self, limit: Duration, mut condition: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let start = self.time;
        let end = start + limit.as_micros() as u64;
        let mut looked = u64::MAX;
        loop {
            if self.time / 1000 != looked {
                looked = self.time / 1000;
                if condition(self) {
                    return Some(Duration::from_micros(self.time - start));
                }
            }
            if !self.step(end) {
                return condition(self).then(|| Duration::from_micros(self.time - start));
            }
        }
    }

    /// Drains a node after its engine was called from outside.
    pub fn touch(&mut self, id: NodeId) {
        self.settle(id);
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.events.push(Reverse(Scheduled { at, seq: self.seq, event }));
    }

    /// Executes the next event before `end`; otherwise sets the time to `end`.
    fn step(&mut self, end: u64) -> bool {
        if self.events.peek().is_none_or(|Reverse(next)| next.at > end) {
            self.time = end;
            return false;
        }
        let Some(Reverse(next)) = self.events.pop() else { return false };
        self.time = self.time.max(next.at);
        match next.event {
            Event::Arrive { iface, local, remote, bytes } => self.arrive(iface, local, remote, bytes),
            Event::Timer(id) => self.timer(id),
            Event::Job(id, epoch, job) => self.job(id, epoch, job),
            Event::Committed(id, epoch, seq, durable) => {
                let input = if durable { Input::Committed(seq) } else { Input::CommitFailed(seq) };
                self.hand_in(id, epoch, input);
            }
            Event::Host(id, network) => {
                if let Some(host) = self.nodes[id.0].hosts.get_mut(&network) {
                    host.handle_timeout(self.time);
                }
                self.settle(id);
            }
            Event::Stream(id) => self.send_message(id),
            Event::Answer(id, number) => {
                self.flows[id.0 as usize].handle_answer(self.time, number);
                self.send_flow(id);
            }
            Event::Tick(id) => {
                self.flows[id.0 as usize].handle_tick(self.time);
                self.send_flow(id);
                if self.flows[id.0 as usize].done.is_none() {
                    self.schedule(self.time + flow::TICK, Event::Tick(id));
                }
            }
        }
        true
    }

    fn hand_in(&mut self, id: NodeId, epoch: u32, input: Input<'_>) {
        let node = &mut self.nodes[id.0];
        let now = node.now(self.time);
        if node.epoch == epoch
            && let Some(engine) = node.engine.as_mut()
        {
            engine.handle(now, input, &mut node.outbox);
            self.settle(id);
        }
    }

    fn arrive(&mut self, iface: IfaceId, local: SocketAddr, remote: SocketAddr, mut bytes: Vec<u8>) {
        let unix = crate::node::START_OF_TIME as u64 * 1000 + self.time;
        self.recorder.note(unix, remote, local, &bytes);
        for word in [self.time, iface.0 as u64, bytes.len() as u64, u64::from(remote.port())] {
            self.trace = (self.trace ^ word).wrapping_mul(0x100_0000_01b3);
        }
        let Some(&id) = self.owners.get(&(iface, local)) else { return };
        if let Some(captured) = &mut self.captured {
            let at = self.time;
            captured.push(Captured { at, arrived: true, iface, local, remote, bytes: bytes.clone() });
        }
        let node = &mut self.nodes[id.0];
        let Some(bound) = node.bound.iter().find(|b| b.iface == iface && b.local == local) else { return };
        if node.asleep.is_some() {
            return;
        }
        node.received += 1;
        let remote = cable::endpoint(bound.kind, remote);
        let (link, stride, now) = (bound.link, bytes.len(), node.now(self.time));
        if let Some(engine) = node.engine.as_mut() {
            let input = Input::Datagrams { link, remote, bytes: &mut bytes, stride };
            engine.handle(now, input, &mut node.outbox);
        }
        self.settle(id);
    }

    fn timer(&mut self, id: NodeId) {
        let time = self.time;
        let node = &mut self.nodes[id.0];
        let now = node.now(time);
        if node.asleep.is_some() || node.due.is_none_or(|due| due > now.mono) {
            return;
        }
        node.due = None;
        node.spin = if node.spin.0 == time { (time, node.spin.1 + 1) } else { (time, 0) };
        let Some(engine) = node.engine.as_mut() else { return };
        assert!(
            node.spin.1 < SPIN,
            "the engine of {} spins: VL1 waits for {:?}, VL2 for {:?}",
            node.name,
            engine.vl1().poll_timeout(),
            engine.vl2().poll_timeout()
        );
        engine.handle(now, Input::Timeout, &mut node.outbox);
        self.settle(id);
    }

    fn job(&mut self, id: NodeId, epoch: u32, job: Job) {
        let secret = std::sync::Arc::clone(&self.nodes[id.0].secret);
        let done = run(job, &secret, &self.judged);
        if self.nodes[id.0].epoch == epoch {
            self.nodes[id.0].work.now -= 1;
        }
        self.hand_in(id, epoch, Input::JobDone(done));
    }

    /// Takes everything out of a node's engine and does it, until it waits.
    pub(crate) fn settle(&mut self, id: NodeId) {
        loop {
            let node = &mut self.nodes[id.0];
            let now = node.now(self.time);
            let Some(engine) = node.engine.as_mut() else { return };
            match engine.poll(now, &mut node.outbox) {
                Output::Wait(due) => {
                    self.transmit(id);
                    if self.deliver(id) {
                        continue;
                    }
                    self.arm(id, due);
                    return;
                }
                output => self.perform(id, output),
            }
        }
    }

    fn arm(&mut self, id: NodeId, due: Option<zt_wire::time::Mono>) {
        let time = self.time;
        let node = &mut self.nodes[id.0];
        if node.due != due {
            node.due = due;
            if let Some(due) = due {
                let at = due.0.saturating_sub(node.mono_offset).max(time);
                self.schedule(at, Event::Timer(id));
            }
        }
    }

    fn perform(&mut self, id: NodeId, output: Output) {
        let time = self.time;
        let node = &mut self.nodes[id.0];
        let (now, epoch) = (node.now(time), node.epoch);
        match output {
            Output::Job(Job::LoadPeer { address }) => {
                let record = node.store.peers.get(&address).cloned();
                self.hand_in_now(id, Input::JobDone(JobDone::Loaded { address, record }));
            }
            Output::Job(job) => {
                node.work.now += 1;
                node.work.most = node.work.most.max(node.work.now);
                node.work.total += 1;
                node.work.strangers += u64::from(matches!(job, Job::Introduce { .. }));
                let validates =
                    matches!(job, Job::Admit { validate: true, .. } | Job::Introduce { validate: true, .. });
                node.work.validations += u64::from(validates);
                let cost = if validates { VALIDATION } else { AGREEMENT };
                node.worker_free = node.worker_free.max(time) + cost.as_micros() as u64;
                let at = node.worker_free;
                self.schedule(at, Event::Job(id, epoch, job));
            }
            Output::Commit { seq, changes } => {
                let durable = !node.store.full;
                if durable {
                    for change in changes {
                        match change.record() {
                            Some(record) => node.store.controller.insert(change.key(), record.clone()),
                            None => node.store.controller.remove(&change.key()),
                        };
                    }
                }
                self.schedule(time + COMMIT, Event::Committed(id, epoch, seq, durable));
            }
            Output::Persist(persist) => keep(&mut node.store, persist),
            Output::Network(network, NetworkChange::Configure(managed)) => {
                let host = node.hosts.entry(network).or_insert_with(|| Host::new(managed.mac));
                host.set_addresses(managed.addresses);
                let groups = host.groups();
                let own = node.hosts.values().flat_map(|host| host.addresses().iter().copied());
                let own = own.collect();
                let Some(engine) = node.engine.as_mut() else { return };
                engine.handle(now, Input::Groups(network, &groups), &mut node.outbox);
                engine.handle(now, Input::OwnPrefixes(own), &mut node.outbox);
            }
            Output::Network(network, NetworkChange::Left) => {
                node.hosts.remove(&network);
                node.store.networks.remove(&network);
            }
            Output::Event(event) => {
                if event == Vl1Event::Online(true) && node.online_at.is_none() {
                    node.online_at = Some(time);
                }
                node.events.push((time, event));
            }
            Output::Trace(record) => node.traces.push(record),
            Output::Wait(_) => {}
        }
    }

    fn hand_in_now(&mut self, id: NodeId, input: Input<'_>) {
        let node = &mut self.nodes[id.0];
        let now = node.now(self.time);
        if let Some(engine) = node.engine.as_mut() {
            engine.handle(now, input, &mut node.outbox);
        }
    }

    /// Seals and sends what the engine wrote.
    fn transmit(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if node.outbox.transmits.is_empty() {
            return;
        }
        let now = node.now(self.time);
        if let Some(engine) = node.engine.as_mut() {
            engine.seal(now, &mut node.outbox);
        }
        let mut sends: Vec<(Bound, SocketAddr, Carriage, Vec<u8>)> = Vec::new();
        for transmit in node.outbox.transmits.iter() {
            let Some(&bound) = node.bound.iter().find(|bound| bound.link == transmit.path.link) else { continue };
            let port = bound.local.port();
            let to_all = transmit.path.remote.is_group();
            let remotes = match cable::socket_address(transmit.path.remote, port) {
                Some(remote) => vec![remote],
                None => {
                    let all = self.internet.neighbours(bound.iface).into_iter();
                    all.map(|ip| SocketAddr::new(ip, port)).collect()
                }
            };
            let how = Carriage { ttl: transmit.ttl, len: 0, dont_fragment: transmit.dont_fragment, to_all };
            for remote in remotes.into_iter().filter(|remote| bound.local.is_ipv4() == remote.is_ipv4()) {
                let all = transmit.datagrams();
                sends.extend(all.map(|bytes| (bound, remote, Carriage { len: bytes.len(), ..how }, bytes.to_vec())));
            }
        }
        node.outbox.transmits.clear();
        node.sent += sends.len() as u64;
        node.sent_bytes += sends.iter().map(|(.., bytes)| bytes.len() as u64).sum::<u64>();
        for (bound, remote, how, bytes) in sends {
            if let Some(captured) = self.captured.as_mut().filter(|_| self.capture_sent) {
                let (at, iface, bytes) = (self.time, bound.iface, bytes.clone());
                captured.push(Captured { at, arrived: false, iface, local: remote, remote: bound.local, bytes });
            }
            if how.to_all && !self.hears(remote, &bytes) {
                continue;
            }
            let arrivals = self.internet.carry(self.time, bound.iface, bound.local, remote, how);
            for Arrival { iface, local, remote, delay } in arrivals {
                self.schedule(self.time + delay, Event::Arrive { iface, local, remote, bytes: bytes.clone() });
            }
        }
    }

    /// Whether the node at an address takes what went to all stations.
    fn hears(&self, at: SocketAddr, datagram: &[u8]) -> bool {
        let node = self.nodes.iter().find(|node| node.bound.iter().any(|bound| bound.local == at));
        node.is_some_and(|node| cable::is_for(node.address(), datagram))
    }

    /// Gives frames to the hosts and their frames to the engine; true when there were any of the latter.
    fn deliver(&mut self, id: NodeId) -> bool {
        let time = self.time;
        let mut progress = false;
        let mut heard: Vec<Heard> = Vec::new();
        let mut dues: Vec<(NetworkId, u64)> = Vec::new();
        let node = &mut self.nodes[id.0];
        let now = node.now(time);
        for (network, batch) in &mut node.outbox.frames {
            if let Some(host) = node.hosts.get_mut(network) {
                batch.iter().for_each(|frame| host.handle_frame(frame.bytes));
            }
            batch.clear();
        }
        for (&network, host) in &mut node.hosts {
            heard.append(&mut host.heard);
            if host.out.is_empty() {
                continue;
            }
            dues.extend(host.due().map(|due| (network, due)));
            for frames in host.out.chunks(64) {
                let mut batch = FrameBatch::with_headroom(64, 10_014, 0);
                for frame in frames {
                    batch.push(frame).expect("shorter than a slot");
                }
                if let Some(engine) = node.engine.as_mut() {
                    engine.handle(now, Input::Frames(network, &batch), &mut node.outbox);
                }
            }
            host.out.clear();
            progress = true;
        }
        for heard in heard {
            let (Heard::EchoReply(Mark { stream, seq }) | Heard::Datagram(Mark { stream, seq })) = heard;
            if let Some(number) = stream.checked_sub(flow::FIRST) {
                self.flows[number as usize].handle_arrival(time, seq);
                self.schedule(time + flow::ANSWER, Event::Answer(FlowNumber(number), seq));
                continue;
            }
            if let Some(stream) = self.streams.get_mut(stream as usize) {
                stream.heard.push((seq, id, time));
            }
        }
        for (network, due) in dues {
            self.schedule(due.max(time), Event::Host(id, network));
        }
        progress
    }

    fn send_flow(&mut self, id: FlowNumber) {
        let (time, flow) = (self.time, &mut self.flows[id.0 as usize]);
        let (from, network, to) = (flow.from, flow.network, flow.to);
        let Some(host) = self.nodes[from.0].hosts.get_mut(&network) else { return };
        let mut sent = false;
        while let Some(seq) = flow.poll(time) {
            let mark = Mark { stream: flow::FIRST + id.0, seq };
            host.datagram_from(time, FLOW_PORTS + id.0 as u16, to, mark, FLOW_MESSAGE);
            sent = true;
        }
        if sent {
            self.settle(from);
        }
    }

    fn send_message(&mut self, id: StreamId) {
        let time = self.time;
        let stream = &mut self.streams[id.0 as usize];
        if stream.left == 0 {
            return;
        }
        stream.left -= 1;
        let mark = Mark { stream: id.0, seq: stream.sent.len() as u32 };
        stream.sent.push(time);
        let (from, network, to, traffic, size) = (stream.from, stream.network, stream.to, stream.traffic, stream.size);
        let again = (stream.left > 0).then_some(time + stream.every);
        // What a host sends while its node sleeps is lost.
        let asleep = self.nodes[from.0].asleep.is_some();
        if let Some(host) = self.nodes[from.0].hosts.get_mut(&network).filter(|_| !asleep) {
            match (traffic, to) {
                (Traffic::Ping, _) => host.ping(time, to, mark, size),
                (Traffic::OneWay | Traffic::Broadcast, IpAddr::V4(to)) => host.datagram(time, to, mark, size),
                (Traffic::OneWay | Traffic::Broadcast, IpAddr::V6(_)) => {}
            }
        }
        if let Some(at) = again {
            self.schedule(at, Event::Stream(id));
        }
        if !asleep {
            self.settle(from);
        }
    }
}

/// Runs a job; identities of the simulation are judged already, so that only others cost a memory-hard hash.
fn run(job: Job, secret: &zt_crypto::SecretIdentity, judged: &BTreeMap<Identity, bool>) -> JobDone {
    let agree = |identity: &Identity| secret.agree(identity).map(|key| std::sync::Arc::new(PeerKeys::new(key)));
    match job {
        Job::Admit { identity, validate } if judged.contains_key(&identity) => {
            let keys = if !validate || judged[&identity] { agree(&identity) } else { None };
            JobDone::Admitted { identity, keys }
        }
        Job::Introduce { identity, mut packet, number, validate } if judged.contains_key(&identity) => {
            let keys = agree(&identity).filter(|keys| keys.open(&mut packet).is_ok());
            let valid = keys.is_some() && (!validate || judged[&identity]);
            JobDone::Introduced { identity, valid, keys, packet, number }
        }
        job => job.run(secret),
    }
}

fn keep(store: &mut crate::node::Store, persist: Persist) {
    match persist {
        Persist::World(kind, id, Some(bytes)) => {
            store.worlds.insert((kind, id), bytes);
        }
        Persist::World(kind, id, None) => {
            store.worlds.remove(&(kind, id));
        }
        Persist::NetworkConfig(network, text) => {
            store.networks.insert(network, Some(text));
        }
        Persist::Peer(address, record) => {
            store.peers.insert(address, record);
        }
    }
}

impl Drop for Sim {
    #[expect(clippy::print_stderr, reason = "tells where the record of a failed test is")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("{}: failed with ZT_SIM_SEED={} at {:.3} s", self.name, self.seed, self.time as f64 / 1e6);
        if let Some(folder) = std::env::var_os("ZT_SIM_PCAP") {
            let path = std::path::Path::new(&folder).join(format!("{}-{}.pcap", self.name, self.seed));
            match self.recorder.write(&path) {
                Ok(()) => eprintln!("datagrams are in {}", path.display()),
                Err(error) => eprintln!("cannot write {}: {error}", path.display()),
            }
        }
    }
}
