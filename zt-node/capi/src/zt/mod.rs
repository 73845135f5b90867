//! The ZT interface (08 part A): a call per packet, callbacks for what comes of it, any thread.
//!
//! Three short locks a packet at most: to look, to take in what was opened, to note what was sealed. Ciphers and the
//! callbacks run with none held. Everything here is safe Rust on plain values; [`crate::sys`] turns it into C.

mod call;
mod image;
mod port;
mod sockets;
mod state;

pub(crate) use call::Deadline;
pub(crate) use image::{NetworkImage, RouteImage};
pub(crate) use port::{Operation, Port};
pub(crate) use state::{State, StateKind};

use crate::lock::Mutex;
use crate::machine::{Machine, Wishes};
use crate::master::{Master, NotAttached};
use crate::shared::{Broken, Core, Refused};
use crate::store::{self, NoIdentity};
use call::Workspace;
use core::ffi::c_void;
use sockets::Sockets;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use zeroize::Zeroizing;
use zt_netconf::controller::{Answer, Command};
use zt_node::engine::{Input, Outbox};
use zt_peer::{Endpoint, PhysicalPrefix, SendOptions};
use zt_wire::ether::EthernetRef;
use zt_wire::verb::UserMessage;
use zt_wire::{Address, IpPrefix, MulticastGroup, NetworkId, Scope};

/// The pointer that a caller gives and finds again in the callbacks of this call (08 §A.4, `tptr`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread(pub(crate) *mut c_void);

/// Why a call did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The store failed.
    Store,
    /// A fault of this library, or an identity that is none.
    Internal,
    /// Not a member of that network.
    NetworkNotFound,
    /// Something given cannot be used.
    BadParameter,
}

impl From<Broken> for Failure {
    fn from(_: Broken) -> Self {
        Self::Internal
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
    fn from(reason: NoIdentity) -> Self {
        match reason {
            NoIdentity::Store => Self::Store,
            NoIdentity::Damaged => Self::Internal,
        }
    }
}

/// What a node tells its host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// The node is there.
    Up,
    /// A root answers, or none does any more.
    Online(bool),
    /// Another identity owns our address.
    Collision,
    /// A word to people.
    Trace(&'a str),
    /// A peer sent a message.
    UserMessage { from: Address, type_id: u64, data: &'a [u8] },
    /// A peer sent a trace.
    RemoteTrace { from: Address, dictionary: &'a [u8] },
}

/// The callbacks of the host. Called with no lock held.
pub(crate) trait Host: Send + Sync {
    fn state_put(&self, thread: Thread, kind: StateKind, id: u64, object: Option<&[u8]>);
    fn state_get(&self, thread: Thread, kind: StateKind, id: u64) -> Option<Vec<u8>>;
    /// `socket` −1: any or all. `ttl` 0: default.
    fn send(&self, thread: Thread, socket: i64, remote: &SocketAddr, bytes: &[u8], ttl: u8) -> bool;
    fn frame(&self, thread: Thread, port: &Port, frame: &zt_node::engine::ListedFrame, payload: &[u8]);
    /// What the host made of it: 0 = well.
    fn port(&self, thread: Thread, port: &Port, operation: Operation, image: &NetworkImage) -> i32;
    fn event(&self, thread: Thread, event: Event<'_>);
    /// What the host wants to be asked.
    fn wishes(&self) -> Wishes;
    fn check_path(&self, thread: Thread, peer: Address, socket: i64, remote: &SocketAddr) -> bool;
    fn look_up(&self, thread: Thread, peer: Address) -> Option<SocketAddr>;
}

/// Most local addresses that are told to peers.
const LOCAL_ADDRESSES: usize = 64;
/// Settings of physical networks that are kept (08 §A.1, ZT_MAX_CONFIGURABLE_PATHS).
const PHYSICAL: usize = 32;
/// Subscriptions that a configuration shows (08 §A.1, ZT_MAX_MULTICAST_SUBSCRIPTIONS).
const SHOWN_GROUPS: usize = 1024;

/// One node of the ZT interface.
pub(crate) struct Node {
    core: Core,
    host: Box<dyn Host>,
    workspaces: Mutex<Vec<Workspace>>,
    ports: Mutex<BTreeMap<NetworkId, Arc<Port>>>,
    sockets: Mutex<Sockets>,
    local: Mutex<BTreeSet<SocketAddr>>,
    physical: Mutex<BTreeMap<IpPrefix, PhysicalPrefix>>,
}

impl Node {
    /// Makes a node from the host's state: loads or makes the identity, loads the planet.
    pub(crate) fn new(thread: Thread, now: i64, host: Box<dyn Host>) -> Result<Self, Failure> {
        let state = State { host: &*host, thread };
        let identity = store::identity(&state)?;
        let planet = state.planet();
        let mut machine = Machine::new(now, Arc::new(identity), host.wishes());
        let mut outbox = Outbox::listing();
        let start = machine.clock.now();
        for link in sockets::wildcards() {
            machine.handle(start, Input::LinkUp(link), &mut outbox);
        }
        let planet = machine.load_planet(planet.as_deref(), &mut outbox);
        let node = Self {
            core: Core::new(machine),
            host,
            workspaces: Mutex::default(),
            ports: Mutex::default(),
            sockets: Mutex::default(),
            local: Mutex::default(),
            physical: Mutex::default(),
        };
        node.put_back(Workspace { outbox, ..Workspace::new() });
        if planet.is_err() {
            node.host.event(thread, Event::Trace("the stored planet is damaged and not used: this node has no root"));
        }
        Ok(node)
    }

    /// The host is told that the node is there, once it can be called.
    pub(crate) fn announce(&self, thread: Thread) {
        self.host.event(thread, Event::Up);
    }

    /// The node is being deleted: its ports go down, the records of its peers are kept.
    pub(crate) fn close(&self, thread: Thread) {
        let ports = std::mem::take(&mut *self.ports.lock().unwrap_or_else(PoisonError::into_inner));
        for port in ports.values() {
            self.end_port(thread, port, Operation::Down);
        }
        let _ = self.with_machine(thread, |machine, _| machine.engine.persist_peers());
        if let Some(master) = self.core.master() {
            master.detach();
        }
    }

    /// Takes one UDP payload from the host.
    pub(crate) fn wire_packet(
        &self,
        thread: Thread,
        now: i64,
        socket: i64,
        remote: Endpoint,
        bytes: &[u8],
    ) -> Result<Deadline, Failure> {
        let mut work = self.workspace();
        let result =
            self.take_packet(now, socket, remote, bytes, &mut work).and_then(|()| self.finish(thread, &mut work));
        self.put_back(work);
        result
    }

    /// Takes one frame from the port of a network.
    pub(crate) fn frame(
        &self,
        thread: Thread,
        now: i64,
        network: NetworkId,
        frame: EthernetRef<'_>,
    ) -> Result<Deadline, Failure> {
        let mut joined = false;
        let deadline = self.with_machine(thread, |machine, outbox| {
            let now = machine.clock.at(now);
            joined = machine.is_joined(network);
            if joined {
                machine.handle(now, Input::Frame(network, frame), outbox);
            }
        })?;
        if joined { Ok(deadline) } else { Err(Failure::NetworkNotFound) }
    }

    /// Does what is due.
    pub(crate) fn background(&self, thread: Thread, now: i64) -> Result<Deadline, Failure> {
        self.with_machine(thread, |machine, outbox| {
            let now = machine.clock.at(now);
            machine.handle_time(now, outbox);
        })
    }

    /// Joins a network; `pointer` is the host's for it.
    pub(crate) fn join(&self, thread: Thread, network: NetworkId, pointer: *mut c_void) -> Result<(), Failure> {
        let saved = self.host.state_get(thread, StateKind::NetworkConfig, network.0);
        self.with_machine(thread, |machine, outbox| {
            if machine.is_joined(network) {
                return;
            }
            // Under the machine's lock, so that whoever sees the network joined finds its port.
            let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
            ports.insert(network, Arc::new(Port::new(network, pointer)));
            drop(ports);
            machine.join(network, saved.as_deref(), outbox);
        })?;
        Ok(())
    }

    /// Leaves a network and gives the host's pointer back, if it was joined.
    pub(crate) fn leave(&self, thread: Thread, network: NetworkId) -> Result<Option<*mut c_void>, Failure> {
        let port = self.port(network);
        self.with_machine(thread, |machine, _| machine.leave(network))?;
        self.host.state_put(thread, StateKind::NetworkConfig, network.0, None);
        Ok(port.map(|port| port.pointer()))
    }

    /// Subscribes to a group, or ends that.
    pub(crate) fn subscribe(
        &self,
        thread: Thread,
        network: NetworkId,
        group: MulticastGroup,
        wanted: bool,
    ) -> Result<(), Failure> {
        let mut joined = false;
        self.with_machine(thread, |machine, outbox| joined = machine.subscribe(network, group, wanted, outbox))?;
        if joined { Ok(()) } else { Err(Failure::NetworkNotFound) }
    }

    /// Wants a moon, which `root` gives if it is not stored.
    pub(crate) fn orbit(&self, thread: Thread, world: u64, root: Address) -> Result<(), Failure> {
        let stored = self.host.state_get(thread, StateKind::Moon, world);
        self.with_machine(thread, |machine, outbox| {
            let now = machine.clock.now();
            let root = (!root.is_reserved()).then_some(root);
            machine.engine.vl1_mut().orbit(now, world, root, &mut outbox.transmits);
            if let Some(moon) = stored {
                let _ = machine.load_stored(&moon, outbox);
            }
        })?;
        Ok(())
    }

    /// Forgets a moon.
    pub(crate) fn deorbit(&self, thread: Thread, world: u64) -> Result<(), Failure> {
        self.with_machine(thread, |machine, outbox| {
            let now = machine.clock.now();
            machine.engine.vl1_mut().deorbit(now, world, &mut outbox.transmits);
        })?;
        Ok(())
    }

    /// Tells peers of a local address. True when it is usable and new.
    pub(crate) fn add_local(&self, address: SocketAddr) -> Result<bool, Failure> {
        let usable =
            matches!(Scope::of(address.ip()), Scope::PseudoPrivate | Scope::Global | Scope::Shared | Scope::Private);
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        let added = usable && address.port() != 0 && local.len() < LOCAL_ADDRESSES && local.insert(address);
        let all = local.iter().copied().collect();
        drop(local);
        self.core.lock()?.engine.vl1_mut().set_mappings(all);
        Ok(added)
    }

    /// Tells peers of no local address any more.
    pub(crate) fn clear_local(&self) -> Result<(), Failure> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.core.lock()?.engine.vl1_mut().set_mappings(Vec::new());
        Ok(())
    }

    /// Sends a message to a peer. False when it cannot be sent to anybody.
    pub(crate) fn user_message(&self, thread: Thread, to: Address, type_id: u64, data: &[u8]) -> Result<bool, Failure> {
        let mut sent = false;
        self.with_machine(thread, |machine, outbox| {
            let now = machine.clock.now();
            let message = UserMessage { type_id, data };
            let vl1 = machine.engine.vl1_mut();
            sent = vl1.send(now, to, &message, SendOptions::default(), &mut outbox.transmits).is_ok();
        })?;
        Ok(sent)
    }

    /// Settings of a physical network: `None` forgets them; without a network all are forgotten.
    pub(crate) fn set_physical(&self, network: Option<IpPrefix>, settings: Option<(u64, u16)>) -> Result<(), Failure> {
        let mut physical = self.physical.lock().unwrap_or_else(PoisonError::into_inner);
        match (network, settings) {
            (None, _) => physical.clear(),
            (Some(network), None) => {
                physical.remove(&network);
            }
            (Some(prefix), Some((trusted_path_id, mtu))) => {
                physical.insert(prefix, PhysicalPrefix { prefix, trusted_path_id, mtu, blacklist: false });
                // Quirk (08 §A.5): the last ones in the order of addresses are dropped.
                while physical.len() > PHYSICAL {
                    physical.pop_last();
                }
            }
        }
        let all = physical.values().copied().collect();
        drop(physical);
        self.core.lock()?.engine.vl1_mut().set_physical(all);
        Ok(())
    }

    /// Lets the node serve networks with this controller.
    pub(crate) fn set_master(&self, handle: usize, master: &Arc<Master>) -> Result<(), Failure> {
        Ok(self.core.give_master(master, handle, None)?)
    }

    /// Executes a call of the controller's interface: status and body.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<(u16, String), Failure> {
        let outcome = self.ask_controller(|core, call, load| core.request(call, load, (method, path, body)))?;
        Ok((outcome.status, outcome.body.unwrap_or_default()))
    }

    /// Executes a command of the controller.
    pub(crate) fn command(&self, command: Command) -> Result<Result<Answer, Refused>, Failure> {
        self.ask_controller(|core, call, load| core.command(call, load, command))
    }

    /// Own public and secret identity as text.
    pub(crate) fn identity_texts(&self) -> Result<(String, Zeroizing<String>), Failure> {
        let machine = self.core.lock()?;
        let secret = machine.engine.vl1().secret();
        Ok((secret.identity().to_string(), secret.to_text()))
    }

    pub(crate) fn address(&self) -> Result<Address, Failure> {
        Ok(self.core.lock()?.engine.address())
    }

    pub(crate) fn is_online(&self) -> Result<bool, Failure> {
        Ok(self.core.lock()?.engine.is_online())
    }

    /// All peers, ordered by address, and the host's time at which that is so.
    pub(crate) fn peers(&self) -> Result<(i64, Vec<zt_peer::PeerView>), Failure> {
        let machine = self.core.lock()?;
        let now = machine.clock.now();
        Ok((now.unix_ms, machine.engine.vl1().peers(now)))
    }

    /// The host's number of the socket of a path.
    pub(crate) fn socket_of(&self, path: &zt_peer::Path) -> i64 {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).socket_of(path.link)
    }

    pub(crate) fn network(&self, network: NetworkId) -> Result<Option<NetworkImage>, Failure> {
        Ok(self.core.lock()?.engine.vl2().network(network).map(|joined| NetworkImage::of(joined, SHOWN_GROUPS)))
    }

    pub(crate) fn networks(&self) -> Result<Vec<NetworkImage>, Failure> {
        let machine = self.core.lock()?;
        Ok(machine.engine.vl2().networks().map(|joined| NetworkImage::of(joined, SHOWN_GROUPS)).collect())
    }
}
