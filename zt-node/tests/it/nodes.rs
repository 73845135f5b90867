//! Running nodes with ports, hosts and state in memory.

use crate::rig::planet;
use serde_json::Value;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zt_crypto::SecretIdentity;
use zt_netconf::controller::{Change, Command, NetworkPatch, Pool, Record, Route};
use zt_node::driver::StateKey;
use zt_node::{ControllerStore, ControllerStoreError, Driver, Handle, MemoryState, NodeConfig, StateStore};
use zt_tap::channel::{ChannelTap, ChannelTaps};
use zt_tap::host::MemoryHost;
use zt_tap::{Applied, HostConfig, HostError, HostState, MemoryInterfaces};
use zt_wire::{IpPrefix, Mac, NetworkId, World};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// State that outlives its node, as a file would.
#[derive(Clone, Default)]
pub(crate) struct SharedState(Arc<Mutex<MemoryState>>);

impl StateStore for SharedState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        self.0.lock().expect("no panic inside").load(key)
    }
    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        self.0.lock().expect("no panic inside").save(key, value)
    }
    fn keys(&self) -> io::Result<Vec<StateKey>> {
        self.0.lock().expect("no panic inside").keys()
    }
}

/// A host that can be looked at.
#[derive(Clone, Default)]
pub(crate) struct SharedHost(Arc<Mutex<MemoryHost>>);

impl HostConfig for SharedHost {
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError> {
        self.0.lock().expect("no panic inside").apply(tap, desired)
    }
    fn remove(&mut self, tap: &str) -> Result<Applied, HostError> {
        self.0.lock().expect("no panic inside").remove(tap)
    }
}

impl SharedHost {
    pub(crate) fn addresses(&self, tap: &str) -> Vec<IpAddr> {
        let host = self.0.lock().expect("no panic inside");
        host.state(tap).map(|state| state.addresses.iter().map(|cidr| cidr.address()).collect()).unwrap_or_default()
    }
}

/// A store that keeps nothing, or refuses to.
pub(crate) struct Store {
    pub(crate) full: bool,
}

impl ControllerStore for Store {
    fn load(&mut self) -> Result<Vec<Record>, ControllerStoreError> {
        Ok(Vec::new())
    }
    fn commit(&mut self, _changes: &[Change]) -> Result<(), ControllerStoreError> {
        if self.full { Err(ControllerStoreError::failed("no space left on device")) } else { Ok(()) }
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) taps: ChannelTaps,
    pub(crate) host: SharedHost,
    pub(crate) state: SharedState,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

pub(crate) fn identity(line: usize) -> SecretIdentity {
    let text = include_str!("identities.txt").lines().nth(line).expect("that many");
    SecretIdentity::from_text(text).expect("a committed identity")
}

pub(crate) fn config(line: usize, world: &World, port: u16) -> (NodeConfig, ChannelTaps, SharedHost) {
    let (taps, host) = (ChannelTaps::new(), SharedHost::default());
    let mut config = NodeConfig::new(identity(line), Box::new(taps.clone()));
    config.planets = vec![world.clone()];
    config.ports = vec![port];
    config.bind = vec![LOOPBACK];
    config.allow_loopback = true;
    config.host = Box::new(host.clone());
    config.interfaces = Box::new(MemoryInterfaces::default());
    (config, taps, host)
}

pub(crate) fn start(line: usize, world: &World, port: u16, store: Option<Store>, state: SharedState) -> Node {
    let on = Box::new(state.clone());
    start_on(line, world, port, store, state, on)
}

/// As [`start`], with `state` reached by way of another store.
pub(crate) fn start_on(
    line: usize,
    world: &World,
    port: u16,
    store: Option<Store>,
    state: SharedState,
    on: Box<dyn StateStore>,
) -> Node {
    let (mut config, taps, host) = config(line, world, port);
    config.state = on;
    config.controller = store.map(|store| Box::new(store) as _);
    let (driver, handle) = Driver::new(config).expect("loopback can be bound");
    Node { handle, taps, host, state, task: tokio::task::spawn_local(driver.run()) }
}

/// A root with a controller on a free port.
pub(crate) fn start_root(full: bool) -> (Node, World) {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let at = socket.local_addr().expect("bound");
    drop(socket);
    let world = planet(&identity(0), at);
    (start(0, &world, at.port(), Some(Store { full }), SharedState::default()), world)
}

pub(crate) fn member(line: usize, world: &World) -> Node {
    start(line, world, 0, None, SharedState::default())
}

/// Runs a test on one thread, for at most 20 s.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let local = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("within 20 s") };
    local.block_on(&runtime.expect("a runtime"), limited);
}

/// Asks until it is so.
pub(crate) async fn until(what: impl AsyncFn() -> bool) {
    while !what().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Node {
    pub(crate) async fn online(&self) {
        until(async || self.handle.engine(|engine, _| engine.is_online()).await.expect("it runs")).await;
    }

    pub(crate) async fn join(&self, network: NetworkId) {
        self.handle.join(network).await.expect("it runs").expect("kept");
    }

    pub(crate) async fn status(&self) -> &'static str {
        let networks = self.handle.control(|control| control.networks()).await.expect("it runs");
        networks.first().map_or("NOT JOINED", |network| network.status.name())
    }

    pub(crate) async fn becomes(&self, status: &str) {
        until(async || self.status().await == status).await;
    }

    pub(crate) async fn port(&self) -> ChannelTap {
        poll_fn(|cx| self.taps.poll_take(cx)).await
    }

    pub(crate) async fn post(&self, path: String, body: Value) -> u16 {
        let request = self.handle.controller_api("POST".into(), path, body.to_string().into_bytes());
        request.await.expect("it runs").expect("a controller").status
    }

    /// A public network with IPv4 addresses.
    pub(crate) async fn network(&self) -> NetworkId {
        let network = NetworkId(identity(0).address().as_u64() << 24 | 0x77);
        let patch = NetworkPatch {
            private: Some(false),
            assign_v4: Some(true),
            routes: Some(vec![Route { target: IpPrefix::clamped([10, 9, 0, 0].into(), 24), via: None }]),
            pools: Some(vec![Pool { start: [10, 9, 0, 1].into(), end: [10, 9, 0, 99].into() }]),
            ..NetworkPatch::default()
        };
        self.handle.controller(Command::set_network(network, patch)).await.expect("it is stored");
        network
    }

    pub(crate) async fn stop(self) -> SharedState {
        self.handle.stop().await;
        self.task.await.expect("no panic");
        self.state
    }
}

pub(crate) fn frame(network: NetworkId, from: usize, to: usize, payload: &[u8]) -> Vec<u8> {
    let mac = |line| Mac::for_member(identity(line).address(), network).0;
    [&mac(to)[..], &mac(from), &0x0800_u16.to_be_bytes(), payload].concat()
}

/// Sends a frame, again and again, until the other port has it. A path is made on the way.
pub(crate) async fn carry(from: &mut ChannelTap, to: &mut ChannelTap, frame: &[u8]) {
    loop {
        from.try_send(frame).expect("the node takes frames");
        for _ in 0..20 {
            match to.try_recv() {
                Ok(got) if got == frame => return,
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// Both members in a new network of the root, which is its controller.
pub(crate) async fn both_join(root: &Node, alice: &Node, bob: &Node) -> NetworkId {
    alice.online().await;
    bob.online().await;
    let network = root.network().await;
    alice.join(network).await;
    bob.join(network).await;
    alice.becomes("OK").await;
    bob.becomes("OK").await;
    network
}
