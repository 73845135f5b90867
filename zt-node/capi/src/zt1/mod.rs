//! The ZT1 interface (08 §B.1–B.3): one call is one turn of the core, packets and frames in, packets and frames out.
//!
//! Everything here is safe Rust on plain values; [`crate::sys`] turns it into C.

mod levels;
mod port;
mod query;
mod turn;

pub(crate) use levels::level_of;
use port::PortState;
pub(crate) use port::{PortImage, PortStatus};
pub(crate) use query::{NetworkView, NodeView, PathKind, PathView, PeerView};
pub(crate) use turn::{FrameIn, Turn, WireIn};

use crate::lock::Mutex;
use crate::machine::{Machine, Wishes, saved_network};
use crate::master::{Master, NotAttached};
use crate::shared::{Broken, Call, Core};
use crate::store::{self, DataStore, NoIdentity, StoreFailed};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zt_node::StateKey;
use zt_node::engine::{NetworkChange, Outbox, Output, Persist};
use zt_peer::Vl1Event;
use zt_wire::{Address, Gate, Mono, MulticastGroup, NetworkId};

/// Why a call did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Somebody else has our address.
    Collision,
    /// The data store failed, or what it holds is no identity.
    Store,
    /// Something given cannot be used.
    BadParameter,
    /// Somebody is inside `run`.
    Busy,
    /// Not a member of that network.
    NetworkNotFound,
    /// A fault of this library.
    Internal,
}

impl From<Broken> for Failure {
    fn from(_: Broken) -> Self {
        Self::Internal
    }
}

impl From<StoreFailed> for Failure {
    fn from(_: StoreFailed) -> Self {
        Self::Store
    }
}

impl From<NotAttached> for Failure {
    fn from(reason: NotAttached) -> Self {
        match reason {
            NotAttached::Taken => Self::BadParameter,
            NotAttached::Store => Self::Store,
            NotAttached::Broken => Self::Internal,
        }
    }
}

impl From<NoIdentity> for Failure {
    fn from(_: NoIdentity) -> Self {
        // 08 §B.5: the "internal" of ZT has no equal here and becomes this one.
        Self::Store
    }
}

/// What a node tells its host about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A root answers.
    Online,
    /// No root answers.
    Offline,
    /// The level of desperation is another.
    Desperation(i32),
}

/// The callbacks of the host. Called with no lock held.
pub(crate) trait Host: Send + Sync {
    /// The port of a network was made, changed or (`None`) deleted.
    fn port(&self, network: NetworkId, image: Option<&PortImage>);
    /// The node's state changed.
    fn status(&self, status: Status);
}

/// The clock of a node that has to read it itself.
struct SystemClock {
    started: Instant,
    unix_ms: u64,
}

impl SystemClock {
    fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), unix_ms: u64::try_from(unix.as_millis()).unwrap_or(0) }
    }

    /// Milliseconds since 1970, but steady when somebody sets the clock.
    fn now(&self) -> u64 {
        self.unix_ms.saturating_add(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// One node of the ZT1 interface.
pub(crate) struct Node {
    core: Core,
    store: Arc<dyn DataStore>,
    host: Box<dyn Host>,
    clock: Option<SystemClock>,
    /// Handed out by `run`; only one caller is inside.
    turn: Mutex<Turn>,
    /// What calls between two turns left for the next one.
    between: Mutex<Between>,
    ports: Mutex<BTreeMap<NetworkId, PortState>>,
    collided: AtomicBool,
    unsaved: Mutex<Unsaved>,
}

/// Objects that the store refused, by name, and when they were offered last.
#[derive(Default)]
struct Unsaved {
    objects: BTreeMap<String, Option<Vec<u8>>>,
    offered: Gate,
}

/// Packets, and things to tell the host, that wait for the next turn.
struct Between {
    outbox: Outbox,
    todo: Vec<Output>,
}

/// Objects that wait for a store that works again.
const UNSAVED: usize = 1024;
/// How often they are offered.
const OFFER_AGAIN: Duration = Duration::from_secs(1);

impl Node {
    /// Makes a node from its store: loads or makes the identity, loads the planet and, as far as the store can list
    /// them, moons. `now`: milliseconds of the host's clock; `None`: the node reads the system's.
    pub(crate) fn new(now: Option<u64>, store: Arc<dyn DataStore>, host: Box<dyn Host>) -> Result<Self, Failure> {
        let clock = now.is_none().then(SystemClock::new);
        let start = now.unwrap_or_else(|| clock.as_ref().map_or(0, SystemClock::now));
        let identity = store::identity(&&*store)?;
        let planet = store.get(&StateKey::Planet.name())?;
        let mut machine = Machine::new(millis(start), Arc::new(identity), Wishes::default());
        let mut outbox = Outbox::listing();
        let now = machine.clock.now();
        for link in levels::links_at_start() {
            machine.handle(now, zt_node::Input::LinkUp(link), &mut outbox);
        }
        // A planet that cannot be read is not replaced by the public one: better no root than a stranger.
        let _ = machine.load_planet(planet.as_deref(), &mut outbox);
        for name in store.list("moons.d") {
            let bytes = store.get(&format!("moons.d/{name}"))?.unwrap_or_default();
            let _ = machine.load_stored(&bytes, &mut outbox);
        }
        let mut todo = Vec::new();
        machine.drain(&mut outbox, &mut todo);
        Ok(Self {
            core: Core::new(machine),
            store,
            host,
            clock,
            turn: Mutex::new(Turn::new()),
            between: Mutex::new(Between { outbox, todo }),
            ports: Mutex::default(),
            collided: AtomicBool::new(false),
            unsaved: Mutex::default(),
        })
    }

    /// Joins the networks whose configurations the store lists.
    pub(crate) fn join_saved(&self) -> Result<(), Failure> {
        for name in self.store.list("networks.d") {
            if let Some(StateKey::NetworkConfig(id)) = StateKey::of_name(&format!("networks.d/{name}")) {
                self.join(id)?;
            }
        }
        Ok(())
    }

    /// Time of the system's clock, for a node that was made without one of the host.
    pub(crate) fn system_time(&self) -> Option<u64> {
        self.clock.as_ref().map(SystemClock::now)
    }

    /// Joins a network; on return that is durable.
    pub(crate) fn join(&self, network: NetworkId) -> Result<(), Failure> {
        let saved = saved_network(&*self.store, network)?;
        self.between_turns(|core, call| {
            Ok(core.act(call, |machine, outbox| machine.join(network, saved.as_deref(), outbox))?)
        })
    }

    /// Leaves a network; on return its configuration is gone.
    pub(crate) fn leave(&self, network: NetworkId) -> Result<(), Failure> {
        let joined = self.between_turns(|core, call| Ok(core.act(call, |machine, _| machine.leave(network))?))?;
        self.store.put(&StateKey::NetworkConfig(network).name(), None, false)?;
        if joined { Ok(()) } else { Err(Failure::NetworkNotFound) }
    }

    /// The host subscribes to a group, or ends that.
    pub(crate) fn subscribe(&self, network: NetworkId, group: MulticastGroup, wanted: bool) -> Result<(), Failure> {
        let joined = self.between_turns(|core, call| {
            Ok(core.act(call, |machine, outbox| machine.subscribe(network, group, wanted, outbox))?)
        })?;
        if joined { Ok(()) } else { Err(Failure::NetworkNotFound) }
    }

    /// The host says what became of the port of a network.
    pub(crate) fn set_port(&self, network: NetworkId, device: String, error: i32) -> Result<(), Failure> {
        let joined = self.between_turns(|core, call| {
            Ok(core.act(call, |machine, _| {
                machine.engine.set_port_error(network, (error != 0).then_some(error));
                machine.is_joined(network)
            })?)
        })?;
        if !joined {
            return Err(Failure::NetworkNotFound);
        }
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.entry(network).or_default().set_device(device);
        Ok(())
    }

    /// Lets the node serve networks with this controller.
    pub(crate) fn enable_master(&self, handle: usize, master: &Arc<Master>) -> Result<(), Failure> {
        Ok(self.core.give_master(master, handle, Some(Arc::clone(&self.store)))?)
    }

    /// The node is being deleted: its controller is free for another, the records of its peers are kept.
    pub(crate) fn close(&self) {
        let mut outbox = Outbox::listing();
        let mut call = Call::new(&mut outbox);
        let mut machine = self.core.lock_anyhow();
        machine.engine.persist_peers();
        machine.drain(call.outbox, &mut call.todo);
        drop(machine);
        for output in call.todo {
            if let Output::Persist(persist) = output {
                self.persist(&persist);
            }
        }
        self.retry_unsaved(Mono::FAR);
        if let Some(master) = self.core.master() {
            master.detach();
        }
    }

    /// Executes a call of the controller's interface: status and body.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, String), Failure> {
        let outcome = self.between_turns(|core, call| {
            let load = |address| self.load_peer(address);
            core.request(call, &load, (method, path, body)).map_err(Failure::from)
        })?;
        Ok((outcome.status, outcome.body.unwrap_or_default()))
    }

    /// Does something outside of a turn. What is to be kept is kept at once; what is to be sent and told waits for the
    /// next turn.
    fn between_turns<R>(&self, act: impl FnOnce(&Core, &mut Call<'_>) -> Result<R, Failure>) -> Result<R, Failure> {
        let mut outbox = Outbox::listing();
        let mut call = Call::new(&mut outbox);
        let result = act(&self.core, &mut call);
        let load = |address| self.load_peer(address);
        while self.core.work(&mut call, &load)? {}
        let (keep, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut call.todo).into_iter().partition(|output| matches!(output, Output::Persist(_)));
        let mut kept = true;
        for output in keep {
            if let Output::Persist(persist) = output {
                kept &= self.persist(&persist);
            }
        }
        let mut between = self.between.lock().map_err(|_| Failure::Internal)?;
        between.outbox.transmits.append(&mut outbox.transmits);
        between.todo.extend(later);
        match result {
            Ok(_) if !kept => Err(Failure::Store),
            result => result,
        }
    }

    fn load_peer(&self, address: Address) -> Option<Vec<u8>> {
        self.store.get(&StateKey::Peer(address).name()).ok().flatten()
    }

    /// Keeps an object, or remembers to try again. False when it is not kept.
    fn persist(&self, persist: &Persist) -> bool {
        let first_planet = match (self.core.lock(), persist) {
            // Left in the meantime: its object was removed.
            (Ok(machine), Persist::NetworkConfig(network, _)) if !machine.is_joined(*network) => return true,
            (Ok(machine), _) => machine.first_planet,
            (Err(Broken), _) => return false,
        };
        let (name, bytes) = store::object_of(persist, first_planet);
        let kept = self.store.put(&name, bytes, false).is_ok();
        let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        if kept {
            unsaved.objects.remove(&name);
        } else if unsaved.objects.len() < UNSAVED {
            unsaved.objects.insert(name, bytes.map(<[u8]>::to_vec));
        }
        kept
    }

    /// Offers what could not be kept once more, from time to time. True when nothing is left.
    fn retry_unsaved(&self, now: Mono) -> bool {
        let waiting = {
            let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
            if unsaved.objects.is_empty() || !unsaved.offered.pass(now, OFFER_AGAIN) {
                return unsaved.objects.is_empty();
            }
            std::mem::take(&mut unsaved.objects)
        };
        let mut all = true;
        for (name, bytes) in waiting {
            if self.store.put(&name, bytes.as_deref(), false).is_err() {
                all = false;
                let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
                unsaved.objects.entry(name).or_insert(bytes);
            }
        }
        all
    }

    /// Tells the host, or keeps, one thing. False when it was to be kept and was not.
    fn perform(&self, call: &mut Call<'_>, output: Output) -> Result<bool, Failure> {
        match output {
            Output::Persist(persist) => return Ok(self.persist(&persist)),
            Output::Network(network, NetworkChange::Configure(_)) => self.configure_port(call, network)?,
            Output::Network(network, NetworkChange::Left) => {
                let known = self.ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
                if known.is_some_and(|port| port.is_told()) {
                    self.host.port(network, None);
                }
            }
            Output::Event(Vl1Event::Online(true)) => self.host.status(Status::Online),
            Output::Event(Vl1Event::Online(false)) => self.host.status(Status::Offline),
            Output::Event(Vl1Event::LevelChanged(level)) => self.host.status(Status::Desperation(level)),
            Output::Event(Vl1Event::IdentityCollision) => self.collided.store(true, Ordering::Relaxed),
            _ => {}
        }
        Ok(true)
    }

    /// Tells the host of a port, if that differs from what it was told last.
    fn configure_port(&self, call: &mut Call<'_>, network: NetworkId) -> Result<(), Failure> {
        let mut machine = self.core.lock()?;
        let Some(status) = machine.engine.network(network) else { return Ok(()) };
        let image = PortImage::of(&status);
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let port = ports.entry(network).or_default();
        if port.tell(&image) {
            drop(ports);
            machine.announce_groups(network, call.outbox);
            drop(machine);
            self.host.port(network, Some(&image));
        }
        Ok(())
    }
}

/// Milliseconds of a host's clock as the engine takes them.
fn millis(now: u64) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}
