//! One node: an engine with what its driver has, as values.

use crate::host::Host;
use crate::internet::{IfaceId, MachineId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::controller::{Key, Record};
use zt_node::engine::{Engine, EngineConfig, Outbox};
use zt_peer::{BondConfig, LinkId, LinkKind, Vl1Event};
use zt_wire::time::{Mono, Now};
use zt_wire::world::WorldKind;
use zt_wire::{Address, NetworkId};

/// Unix milliseconds at the start of every run.
pub const START_OF_TIME: i64 = 1_760_000_000_000;

/// A node, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A link of a running engine.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Its number in the engine.
    pub link: LinkId,
    /// The interface.
    pub iface: IfaceId,
    /// Local address and port.
    pub local: SocketAddr,
    /// What the engine was told about it.
    pub kind: LinkKind,
}

/// How a node uses an interface: one link for each address of it.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The interface.
    pub iface: IfaceId,
    /// What the engine is told about the links.
    pub kind: LinkKind,
    /// Rank of the links.
    pub rank: i32,
    /// Local port.
    pub port: u16,
}

/// What survives a restart.
#[derive(Default)]
pub struct Store {
    /// Planets and moons.
    pub worlds: BTreeMap<(WorldKind, u64), Vec<u8>>,
    /// Joined networks with their configuration, once there is one.
    pub networks: BTreeMap<NetworkId, Option<Vec<u8>>>,
    /// Peer records.
    pub peers: BTreeMap<Address, Vec<u8>>,
    /// Records of the controller.
    pub controller: BTreeMap<Key, Record>,
    /// Commits fail while this is set: the disk is full.
    pub full: bool,
}

/// Slow work that a node has under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Jobs handed out and not back.
    pub now: usize,
    /// Most of them at one time.
    pub most: usize,
    /// All that were ever run.
    pub total: u64,
    /// Those for strangers among them.
    pub strangers: u64,
    /// Those that validated an identity.
    pub validations: u64,
}

/// A node of the simulation.
pub struct Node {
    /// Name in messages.
    pub name: String,
    /// The computer it runs on.
    pub machine: MachineId,
    /// Identity.
    pub secret: Arc<SecretIdentity>,
    /// The engine, while the node runs.
    pub engine: Option<Engine>,
    pub(crate) outbox: Outbox,
    /// Interfaces.
    pub uses: Vec<Use>,
    /// Links of the engine.
    pub bound: Vec<Bound>,
    pub(crate) next_link: u32,
    /// Counts restarts, so that results of older runs are not handed in.
    pub(crate) epoch: u32,
    pub(crate) due: Option<Mono>,
    pub(crate) spin: (u64, u32),
    pub(crate) mono_offset: u64,
    /// Difference of its clock to the world's, in milliseconds.
    pub unix_offset: i64,
    /// Since when it sleeps, or was stopped: no timer runs.
    pub(crate) asleep: Option<u64>,
    /// What its operator says about bonds.
    pub bonding: BondConfig,
    /// Names of its interfaces, of those that have one.
    pub interfaces: BTreeMap<IfaceId, String>,
    /// Is a controller too.
    pub is_controller: bool,
    pub(crate) worker_free: u64,
    /// Slow work.
    pub work: Work,
    /// What survives a restart.
    pub store: Store,
    /// The host behind each port.
    pub hosts: BTreeMap<NetworkId, Host>,
    /// Events of VL1 with their time.
    pub events: Vec<(u64, Vl1Event)>,
    /// Traces of members, and of the node for itself.
    pub traces: Vec<zt_netconf::trace::TraceRecord>,
    /// Datagrams sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that arrived.
    pub received: u64,
    /// When it was started last.
    pub started: u64,
    /// When it first was online after that.
    pub online_at: Option<u64>,
}

impl Node {
    pub(crate) fn new(name: &str, machine: MachineId, secret: Arc<SecretIdentity>) -> Self {
        Self {
            name: name.to_owned(),
            machine,
            secret,
            engine: None,
            outbox: Outbox::new(),
            uses: Vec::new(),
            bound: Vec::new(),
            next_link: 0,
            epoch: 0,
            due: None,
            spin: (0, 0),
            mono_offset: 1_000_000 * (1 + machine.0 as u64 * 7919),
            unix_offset: 0,
            asleep: None,
            bonding: BondConfig::default(),
            interfaces: BTreeMap::new(),
            is_controller: false,
            worker_free: 0,
            work: Work::default(),
            store: Store::default(),
            hosts: BTreeMap::new(),
            events: Vec::new(),
            traces: Vec::new(),
            sent: 0,
            sent_bytes: 0,
            received: 0,
            started: 0,
            online_at: None,
        }
    }

    /// The node's time at a time of the world.
    #[must_use]
    pub fn now(&self, world: u64) -> Now {
        Now { mono: Mono(world + self.mono_offset), unix_ms: START_OF_TIME + (world / 1000) as i64 + self.unix_offset }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.secret.address()
    }

    /// The running engine.
    ///
    /// # Panics
    /// When the node does not run.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the node does not run")
    }

    /// The running engine, to change; [`Sim::touch`](crate::Sim::touch) afterwards.
    ///
    /// # Panics
    /// When the node does not run.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the node does not run")
    }

    pub(crate) fn make_engine(&self, seed: u64, now: Now) -> Engine {
        let chance = |part: u64| Box::new(SeededEntropy::new(seed ^ (part << 56) ^ u64::from(self.epoch) << 40));
        Engine::new(
            now,
            EngineConfig {
                identity: Arc::clone(&self.secret),
                vl1_entropy: chance(1),
                vl2_entropy: chance(2),
                controller_entropy: self.is_controller.then(|| chance(3) as _),
                has_peer_cache: true,
                allow_loopback: false,
                ask_paths: false,
                ask_addresses: false,
                hear_messages: true,
            },
        )
    }

    /// Which addresses are bound for which use.
    pub(crate) fn bound_locals(&self) -> BTreeSet<SocketAddr> {
        self.bound.iter().map(|bound| bound.local).collect()
    }

    /// All names of drops with their counts.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<String, u64> {
        self.engine
            .as_ref()
            .map(|engine| engine.drops().into_iter().map(|(reason, count)| (reason.to_string(), count)).collect())
            .unwrap_or_default()
    }
}
