//! The driver: sockets, taps, timers and state files around one [`Engine`].
//!
//! [`Driver::new`] prepares, [`Driver::run`] is the node's life on one task. Other tasks and threads talk to it by
//! its [`Handle`].

mod claims;
mod clock;
mod control;
mod dns;
mod error;
mod handle;
mod interfaces;
mod jobs;
mod link;
mod notices;
mod perform;
mod persist;
mod pings;
mod ports;
mod ready;
mod resume;
mod store;
mod sys;
mod trace;
mod trace_log;
mod turn;

pub use crate::state::{
    FileState, MemoryState, StateKey, StateStore, create_folder, is_temporary, write_atomically, write_cache,
};
pub use clock::Clock;
pub use control::Control;
pub use error::StartError;
pub use handle::{ControllerError, Handle, Stopped};
pub use link::{Ethernet, EthernetHandle, EthernetPort};
pub use link::{LinkIo, LinkSource, NewLink, Outgoing, Received, SendError, UdpOffloads};
pub use link::{RelayUse, TcpRelay, TcpRelayHandle, TcpRelaySettings};
pub use pings::Pong;
pub use ready::{Knock, ReadySet};
pub use store::{ControllerStore, ControllerStoreError, Forgetful, News};
pub use trace_log::KeptTrace;

use crate::OsEntropy;
use crate::engine::{Engine, EngineConfig, Input, Outbox};
use interfaces::{Interfaces, Wish};
use jobs::Worker;
use link::Links;
use notices::Notices;
use persist::Persistence;
use pings::Pings;
use ports::{LostFrames, Port};
use resume::Wakefulness;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use store::{Unwritten, Writer};
use tokio::sync::{mpsc, watch};
use trace_log::TraceLog;
use zt_crypto::{Entropy, SecretIdentity};
use zt_netconf::Settings;
use zt_netconf::controller::Change;
use zt_peer::{Accepted, Job, JobDone, Source, WorldRefused};
use zt_tap::{DnsConfig, HostConfig, InterfaceWatch, LinuxInterfaces, NoDns, TapFactory};
use zt_wire::time::{Mono, Now};
use zt_wire::{FrameBatch, Gate, NetworkId, Parse as _, Reader, World};

/// What a node is made from.
pub struct NodeConfig {
    /// Own identity.
    pub identity: SecretIdentity,
    /// Planets in use besides those kept in `state`; a planet of the state with the same ID wins when it is newer.
    pub planets: Vec<World>,
    /// UDP ports, each bound on every local address; 0 = any free port; none = no UDP at all.
    pub ports: Vec<u16>,
    /// Bind just these addresses; empty = those of all suitable interfaces, followed as they change.
    pub bind: Vec<IpAddr>,
    /// Interface names with these prefixes are not used.
    pub interface_blacklist: Vec<String>,
    /// What is left to the kernel of sending and receiving by UDP.
    pub udp_offloads: UdpOffloads,
    /// AES-GMAC-SIV is used with peers that know it; `false`: Salsa20/12 with Poly1305 with everybody.
    pub aes: bool,
    /// What opens links besides the UDP sockets.
    pub links: Vec<Box<dyn LinkSource>>,
    /// What tells which interfaces and addresses the host has.
    pub interfaces: Box<dyn InterfaceWatch>,
    /// What opens virtual ports.
    pub taps: Box<dyn TapFactory>,
    /// What gives them addresses and routes.
    pub host: Box<dyn HostConfig>,
    /// What tells the host's resolver about servers and domains of networks.
    pub dns: Box<dyn DnsConfig>,
    /// State that outlives the process; used on a thread of its own while the node runs.
    pub state: Box<dyn StateStore>,
    /// Store of the controller; `None` = this node is no controller.
    pub controller: Option<Box<dyn ControllerStore>>,
    /// Device names wanted for networks (`devicemap`).
    pub device_names: BTreeMap<NetworkId, String>,
    /// Loopback addresses may be paths: several nodes on one host, for tests and demonstrations.
    pub allow_loopback: bool,
}

impl NodeConfig {
    /// A member node on the interfaces of this host, with everything else in memory: for embedders, which then set what
    /// they want else.
    #[must_use]
    pub fn new(identity: SecretIdentity, taps: Box<dyn TapFactory>) -> Self {
        Self {
            identity,
            planets: Vec::new(),
            ports: vec![0],
            bind: Vec::new(),
            interface_blacklist: Vec::new(),
            taps,
            udp_offloads: UdpOffloads::default(),
            aes: true,
            links: Vec::new(),
            interfaces: Box::new(LinuxInterfaces::new()),
            host: Box::new(zt_tap::host::MemoryHost::default()),
            dns: Box::new(NoDns::new()),
            state: Box::new(MemoryState::default()),
            controller: None,
            device_names: BTreeMap::new(),
            allow_loopback: false,
        }
    }
}

/// Results which workers hand back.
enum WorkResult {
    Job(JobDone),
    Committed(u64),
    CommitFailed(u64, Unwritten),
    Changed(Vec<Change>),
    State(persist::StateDone),
}

/// Period of the scan of multicast groups and other housekeeping. 06 §8.3 scans every 5 s; a group joined by the host is
/// heard sooner so, at the price of reading one small file of the kernel.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How often old records of peers are looked for (03 §12).
const OLD_PEERS: Duration = Duration::from_secs(3600);
/// How often memory goes back that a burst of frames took.
const REST: Duration = Duration::from_secs(30);
/// Time for the last writes of a node that was asked to stop.
const LAST_WRITES: Duration = Duration::from_secs(20);
/// Calls from other tasks that may wait.
const CALLS: usize = 64;

/// A node and everything it touches.
pub struct Driver {
    clock: Clock,
    engine: Engine,
    outbox: Outbox,
    links: Links,
    ports: BTreeMap<NetworkId, Port>,
    /// Frames just read from a port, whichever it is.
    incoming: FrameBatch,
    lost_frames: LostFrames,
    ports_tried: Gate,
    /// When it is made sure next that ports have what they should have.
    ports_checked: Mono,
    taps: Box<dyn TapFactory>,
    host: Box<dyn HostConfig>,
    dns: Box<dyn DnsConfig>,
    persistence: Persistence,
    interfaces: Interfaces,
    traces: TraceLog,
    pings: Pings,
    notices: Notices,
    device_names: BTreeMap<NetworkId, String>,
    workers: Worker<Job>,
    commits: Option<Worker<(u64, Vec<Change>)>>,
    /// The controller's store did not take the last commit.
    store_fails: bool,
    results: mpsc::UnboundedReceiver<WorkResult>,
    result_sender: mpsc::UnboundedSender<WorkResult>,
    waiting_jobs: Vec<Job>,
    commit_waiters: Vec<(u64, tokio::sync::oneshot::Sender<Result<(), Unwritten>>)>,
    calls: mpsc::Receiver<handle::Call>,
    collided: watch::Sender<bool>,
    sleep: Pin<Box<tokio::time::Sleep>>,
    armed: Option<Mono>,
    engine_due: Option<Mono>,
    housekeeping_due: Mono,
    peers_discarded: Gate,
    rested: Gate,
    wakefulness: Wakefulness,
    /// Counts how often the host slept.
    resumed: watch::Sender<u64>,
    stop: bool,
}

impl Driver {
    /// Prepares a node: loads its state, binds its sockets, joins the networks it was a member of. Must be called
    /// inside a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// No socket can be bound, the state or the controller's store cannot be read.
    pub fn new(config: NodeConfig) -> Result<(Self, Handle), StartError> {
        let clock = Clock::new();
        let now = clock.now();
        let identity = Arc::new(config.identity);
        let entropy = || -> Box<dyn Entropy + Send> { Box::new(OsEntropy) };
        let mut engine = Engine::new(
            now,
            EngineConfig {
                identity: Arc::clone(&identity),
                vl1_entropy: entropy(),
                vl2_entropy: entropy(),
                controller_entropy: config.controller.is_some().then(entropy),
                has_peer_cache: true,
                allow_loopback: config.allow_loopback,
                ask_paths: false,
                ask_addresses: false,
                hear_messages: false,
            },
        );
        if !config.aes {
            engine.leave_out_aes();
        }
        let wish = Wish {
            ports: config.ports,
            addresses: config.bind,
            excluded_prefixes: config.interface_blacklist,
            excluded_blocks: Vec::new(),
        };
        let (result_sender, results) = mpsc::unbounded_channel();
        let (call_sender, calls) = mpsc::channel(CALLS);
        let (collided, collided_receiver) = watch::channel(false);
        let done = result_sender.clone();
        let workers = Worker::new("zt-jobs", move |job: Job| {
            let _ = done.send(WorkResult::Job(job.run(&identity)));
        });
        let mut driver = Self {
            clock,
            engine,
            outbox: Outbox::new(),
            links: Links::new(config.links, config.udp_offloads),
            ports: BTreeMap::new(),
            incoming: ports::incoming(),
            lost_frames: LostFrames::default(),
            ports_tried: Gate::OPEN,
            ports_checked: now.mono,
            taps: config.taps,
            host: config.host,
            dns: config.dns,
            persistence: Persistence::default(),
            interfaces: Interfaces::new(config.interfaces, wish),
            traces: TraceLog::new(),
            pings: Pings::default(),
            notices: Notices::default(),
            device_names: config.device_names,
            workers,
            commits: None,
            store_fails: false,
            results,
            result_sender,
            waiting_jobs: Vec::new(),
            commit_waiters: Vec::new(),
            calls,
            collided,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            engine_due: None,
            housekeeping_due: now.mono + HOUSEKEEPING,
            peers_discarded: Gate::OPEN,
            rested: Gate::OPEN,
            wakefulness: Wakefulness::new(now.mono),
            resumed: watch::Sender::new(0),
            stop: false,
        };
        driver.start(now, config.planets, config.controller, config.state)?;
        let traced = driver.traces.watch();
        let resumed = driver.resumed.subscribe();
        Ok((driver, Handle { calls: call_sender, collided: collided_receiver, traced, resumed }))
    }

    fn start(
        &mut self,
        now: Now,
        planets: Vec<World>,
        controller: Option<Box<dyn ControllerStore>>,
        state: Box<dyn StateStore>,
    ) -> Result<(), StartError> {
        if let Some(store) = controller {
            self.start_controller(store)?;
        }
        self.load_state(now, planets, state.as_ref()).map_err(StartError::State)?;
        self.persistence.open(state, self.result_sender.clone());
        self.rebind_at_start(now)?;
        self.drain(now);
        Ok(())
    }

    fn load_state(&mut self, now: Now, planets: Vec<World>, state: &dyn StateStore) -> io::Result<()> {
        self.load_worlds(now, planets, state)?;
        self.note_cached_peers(state)?;
        self.load_networks(now, state)
    }

    fn start_controller(&mut self, mut store: Box<dyn ControllerStore>) -> Result<(), StartError> {
        store.watch(News(self.result_sender.clone()));
        for record in store.load().map_err(StartError::Store)? {
            self.engine.feed_controller(record);
        }
        self.engine.start_controller();
        let done = self.result_sender.clone();
        let writer = std::sync::Mutex::new(Writer::new(store));
        self.commits = Some(Worker::new("zt-store", move |(seq, changes): (u64, Vec<Change>)| {
            let written = writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write(seq, &changes);
            let _ = done.send(match written {
                Ok(()) => WorkResult::Committed(seq),
                Err(why) => WorkResult::CommitFailed(seq, why),
            });
        }));
        Ok(())
    }

    fn load_worlds(&mut self, now: Now, planets: Vec<World>, state: &dyn StateStore) -> io::Result<()> {
        for key in state.keys()? {
            if !matches!(key, StateKey::Planet | StateKey::ExtraPlanet(_) | StateKey::Moon(_)) {
                continue;
            }
            let Some(bytes) = state.load(key)? else { continue };
            let source = self.engine.vl1().source_of_stored(&bytes);
            match World::parse(&mut Reader::new(&bytes)) {
                Ok(world) => self.load_world(now, world, source),
                Err(error) => tracing::warn!(?key, %error, "ignored: not a world"),
            }
        }
        for world in planets {
            self.load_world(now, world, Source::BuiltIn);
        }
        Ok(())
    }

    /// Offers a planet or moon to VL1.
    fn offer_world(&mut self, now: Now, world: World, source: Source) -> Result<Accepted, WorldRefused> {
        self.engine.vl1_mut().load_world(now, world, source, &mut self.outbox.transmits)
    }

    fn load_world(&mut self, now: Now, world: World, source: Source) {
        let id = world.id;
        if let Err(error) = self.offer_world(now, world, source) {
            tracing::warn!(world = format_args!("{id:016x}"), %error, "world refused");
        }
    }

    /// Tells VL1 whose records there are, so that the cache is not asked for strangers.
    fn note_cached_peers(&mut self, state: &dyn StateStore) -> io::Result<()> {
        let cached = state.keys()?.into_iter().filter_map(|key| match key {
            StateKey::Peer(address) => Some(address),
            _ => None,
        });
        self.engine.vl1_mut().note_cached(cached);
        Ok(())
    }

    fn load_networks(&mut self, now: Now, state: &dyn StateStore) -> io::Result<()> {
        for key in state.keys()? {
            let StateKey::NetworkConfig(network) = key else { continue };
            let saved = state.load(key)?;
            let settings = state.load(StateKey::NetworkSettings(network))?;
            let settings = settings.map(|text| Settings::from_text(&text)).unwrap_or_default();
            self.engine.join(now, network, saved.as_deref(), settings, &mut self.outbox);
        }
        Ok(())
    }

    /// Lives until it is asked to stop, then removes what it made on the host and writes its peer cache.
    pub async fn run(mut self) {
        poll_fn(|cx| self.turn(cx)).await;
        self.shut_down().await;
    }

    async fn shut_down(&mut self) {
        let now = self.clock.now();
        self.engine.persist_peers();
        self.drain(now);
        self.let_go_of_dns().await;
        let networks: Vec<NetworkId> = self.ports.keys().copied().collect();
        for network in networks {
            self.remove_port(network);
        }
        if tokio::time::timeout(LAST_WRITES, self.write_out()).await.is_err() {
            tracing::error!("the disk takes too long; some state is not written");
        }
    }

    /// Until all state is on the disk, as far as it can be.
    async fn write_out(&mut self) {
        self.persistence.try_all_again();
        self.persistence.write_records();
        while self.persistence.is_at_work()
            && let Some(result) = self.results.recv().await
        {
            if let WorkResult::State(done) = result {
                self.handle_state(self.clock.now(), done);
                self.persistence.write_records();
            }
        }
    }

    /// Work that comes back every few seconds.
    fn housekeeping(&mut self, now: Now) {
        self.housekeeping_due = now.mono + HOUSEKEEPING;
        self.tend_ports(now);
        self.check_ports(now);
        self.scan_groups(now);
        if self.peers_discarded.pass(now.mono, OLD_PEERS) {
            self.persistence.discard_old_peers();
        }
        if self.rested.pass(now.mono, REST) {
            self.outbox.rest();
            self.incoming.trim();
        }
        self.persistence.write_records();
        self.persistence.try_again(now.mono);
        let retry = std::mem::take(&mut self.waiting_jobs);
        for job in retry {
            self.run_job(now, job);
        }
        let is_deaf = self.links.udp().next().is_none() && !self.interfaces.wish.ports.is_empty();
        if is_deaf || self.interfaces.is_wanting() {
            self.rebind(now);
        }
    }

    fn hand_in(&mut self, now: Now, input: Input<'_>) {
        self.engine.handle(now, input, &mut self.outbox);
    }
}
