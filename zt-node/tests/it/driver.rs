//! Drivers over loopback.

use crate::nodes::{
    LOOPBACK, SharedState, both_join, carry, config, frame, identity, member, run, start, start_on, start_root, until,
};
use crate::rig::planet;
use serde_json::json;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use zt_netconf::controller::{Command, CommandError, NetworkPatch};
use zt_node::driver::{StartError, StateKey, Stopped};
use zt_node::{ControllerError, Driver, StateStore};
use zt_tap::{HostView, InterfaceWatch, MemoryInterfaces};
use zt_wire::{Mac, MulticastGroup, NetworkId};

/// A disk on which nothing is written or read until it is let go; it counts who waits.
#[derive(Clone, Default)]
struct StuckState {
    kept: SharedState,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    closed: bool,
    waiting: usize,
}

impl StuckState {
    fn close(&self) {
        self.gate.0.lock().expect("no panic inside").closed = true;
    }

    fn open(&self) {
        self.gate.0.lock().expect("no panic inside").closed = false;
        self.gate.1.notify_all();
    }

    fn waiting(&self) -> usize {
        self.gate.0.lock().expect("no panic inside").waiting
    }

    fn pass(&self) {
        let mut gate = self.gate.0.lock().expect("no panic inside");
        gate.waiting += 1;
        let mut gate = self.gate.1.wait_while(gate, |gate| gate.closed).expect("no panic inside");
        gate.waiting -= 1;
    }
}

impl StateStore for StuckState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        self.pass();
        self.kept.load(key)
    }
    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        self.pass();
        self.kept.save(key, value)
    }
    fn keys(&self) -> io::Result<Vec<StateKey>> {
        self.kept.keys()
    }
}

#[test]
fn two_members_on_loopback_exchange_frames() {
    run(async {
        let (root, world) = start_root(false);
        let (alice, bob) = (member(1, &world), member(2, &world));
        let network = both_join(&root, &alice, &bob).await;
        let (mut near, mut far) = (alice.port().await, bob.port().await);
        carry(&mut near, &mut far, &frame(network, 1, 2, &[1; 60])).await;
        carry(&mut far, &mut near, &frame(network, 2, 1, &[2; 2800])).await;
    });
}

#[test]
fn a_peer_that_nobody_spoke_to_answers_a_ping_and_silence_is_told() {
    run(async {
        let (root, world) = start_root(false);
        let (alice, bob) = (member(1, &world), member(2, &world));
        let (own, other) = (identity(1).identity().address, identity(2).identity().address);
        let patience = Duration::from_secs(1);
        // Until both are online there is nobody who knows where the other is.
        until(async || alice.handle.ping(other, patience).await.expect("it runs").expect("an address").is_some()).await;
        let pong = alice.handle.ping(other, patience).await.expect("it runs").expect("an address").expect("an answer");
        assert!(pong.round_trip > Duration::ZERO);
        assert!(alice.handle.ping(own, patience).await.expect("it runs").is_err(), "our own address");
        bob.handle.stop().await;
        bob.task.await.expect("it ended");
        let silence = alice.handle.ping(other, Duration::from_millis(300)).await.expect("it runs").expect("an address");
        assert_eq!(silence, None);
        drop(root);
    });
}

#[test]
fn groups_of_a_port_are_those_that_its_host_says() {
    run(async {
        let (root, world) = start_root(false);
        let alice = member(1, &world);
        let network = root.network().await;
        alice.join(network).await;
        let mut port = alice.port().await;
        let group = MulticastGroup::new(Mac([1, 0, 0x5e, 9, 9, 9]));
        let listens = async || {
            let networks = alice.handle.control(|control| control.networks()).await.expect("it runs");
            networks.first().is_some_and(|network| network.groups.contains(&group))
        };
        assert!(!listens().await);
        port.set_multicast_groups(vec![group]);
        until(listens).await;
        port.set_multicast_groups(Vec::new());
        until(async || !listens().await).await;
    });
}

#[test]
fn stopping_removes_ports_and_addresses() {
    run(async {
        let (root, world) = start_root(false);
        let alice = member(1, &world);
        let network = root.network().await;
        alice.join(network).await;
        let mut port = alice.port().await;
        let (name, host, handle) = (zt_tap::Tap::info(&port).name.clone(), alice.host.clone(), alice.handle.clone());
        until(async || host.addresses(&name).len() == 1).await;
        alice.stop().await;
        assert_eq!(host.addresses(&name), Vec::<IpAddr>::new());
        while port.try_recv().is_ok() {}
        assert_eq!(port.try_send(&[0; 60]).map_err(|e| e.kind()), Err(io::ErrorKind::BrokenPipe));
        assert_eq!(handle.engine(|engine, _| engine.is_online()).await, Err(Stopped));
    });
}

#[test]
fn a_restarted_member_remembers_its_network_and_its_peers() {
    run(async {
        let (root, world) = start_root(false);
        let alice = member(1, &world);
        let network = root.network().await;
        alice.join(network).await;
        alice.becomes("OK").await;
        let state = alice.stop().await;
        let keys = state.keys().expect("in memory");
        assert!(keys.contains(&StateKey::NetworkConfig(network)), "{keys:?}");
        assert!(keys.contains(&StateKey::Peer(identity(0).address())), "{keys:?}");

        // With the root gone the configuration of before is in force at once.
        root.stop().await;
        let again = start(1, &world, 0, None, state);
        again.becomes("OK").await;
        let port = again.port().await;
        until(async || again.host.addresses(&zt_tap::Tap::info(&port).name).len() == 1).await;

        // What is left is not remembered.
        assert!(again.handle.control(move |control| control.leave(network)).await.expect("it runs"));
        let state = again.stop().await;
        assert!(!state.keys().expect("in memory").contains(&StateKey::NetworkConfig(network)));
    });
}

#[test]
fn packets_do_not_wait_for_the_disk() {
    run(async {
        let (root, world) = start_root(false);
        let disk = StuckState::default();
        let alice = start_on(1, &world, 0, None, disk.kept.clone(), Box::new(disk.clone()));
        let bob = member(2, &world);
        let network = both_join(&root, &alice, &bob).await;
        // From here on her disk does nothing: bob is looked for in the cache, newcomers and another network are kept.
        disk.close();
        let other = NetworkId(network.0 + 1);
        let handle = alice.handle.clone();
        let joining = tokio::task::spawn_local(async move { handle.join(other).await });
        until(async || disk.waiting() > 0).await;
        let (mut near, mut far) = (alice.port().await, bob.port().await);
        carry(&mut far, &mut near, &frame(network, 2, 1, &[2; 1400])).await;
        carry(&mut near, &mut far, &frame(network, 1, 2, &[1; 60])).await;
        let joined = alice.handle.control(|control| control.networks().len()).await.expect("it runs");
        assert_eq!((joined, joining.is_finished()), (1, false), "not joined before that is written");
        let handle = alice.handle.clone();
        let leaving = tokio::task::spawn_local(async move { handle.keep(move |control| control.leave(network)).await });
        until(async || alice.handle.control(|control| control.networks().is_empty()).await.expect("it runs")).await;
        assert!(!leaving.is_finished(), "not left before that is written");
        // All is done in order once it works again, and a stop waits for it.
        disk.open();
        joining.await.expect("no panic").expect("it runs").expect("kept");
        let (left, kept) = leaving.await.expect("no panic").expect("it runs");
        assert!(left && kept.is_ok());
        let keys = alice.stop().await.keys().expect("in memory");
        assert!(keys.contains(&StateKey::NetworkConfig(other)) && !keys.contains(&StateKey::NetworkConfig(network)));
        assert!(keys.contains(&StateKey::NetworkSettings(other)), "settings are kept from the start: {keys:?}");
        assert!(keys.contains(&StateKey::Peer(identity(2).address())), "the cache is written at the end: {keys:?}");
    });
}

/// A disk that is full.
struct FullState;

impl StateStore for FullState {
    fn load(&self, _key: StateKey) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn save(&mut self, _key: StateKey, _value: Option<&[u8]>) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn keys(&self) -> io::Result<Vec<StateKey>> {
        Ok(Vec::new())
    }
}

#[test]
fn what_cannot_be_written_is_told_to_who_asked() {
    run(async {
        let (root, world) = start_root(false);
        let alice = start_on(1, &world, 0, None, SharedState::default(), Box::new(FullState));
        alice.online().await;
        let network = root.network().await;
        let refused = alice.handle.join(network).await.expect("it runs").expect_err("a full disk");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(alice.status().await, "NOT JOINED");
        let planet = world.id;
        let (removed, kept) = alice.handle.keep(move |control| control.remove_planet(planet)).await.expect("it runs");
        assert!(removed);
        assert_eq!(kept.expect_err("a full disk").kind(), io::ErrorKind::StorageFull);
        // What writes nothing is answered at once.
        let ((), kept) = alice.handle.keep(|_| ()).await.expect("it runs");
        kept.expect("nothing to write");
    });
}

#[test]
fn other_ports_are_bound_while_it_runs() {
    run(async {
        let (root, world) = start_root(false);
        let alice = member(1, &world);
        alice.online().await;
        let listening = async || -> Vec<SocketAddr> {
            let status = alice.handle.control(|control| control.status()).await.expect("it runs");
            status.listening_on.iter().filter_map(|at| at.socket_addr()).collect()
        };
        let before = listening().await;
        assert_eq!(before.len(), 1);
        let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let set = alice.handle.control(move |control| control.set_bind(vec![LOOPBACK, second], vec![0])).await;
        set.expect("it runs").expect("bound");
        let after = listening().await;
        assert!(after.iter().any(|at| at.ip() == second), "{after:?}");
        // The old socket is closed when its address is not wanted any more, and the node stays online by the new one.
        let set = alice.handle.control(move |control| control.set_bind(vec![second], vec![0])).await;
        set.expect("it runs").expect("bound");
        let after = listening().await;
        assert!(after.iter().all(|at| at.ip() == second) && !after.is_empty(), "{after:?}");
        let free = before.first().copied().expect("one");
        UdpSocket::bind(free).expect("the old port is free again");
        let network = root.network().await;
        alice.join(network).await;
        alice.becomes("OK").await;
    });
}

#[test]
fn a_full_store_gives_no_answer() {
    run(async {
        let (root, world) = start_root(true);
        let alice = member(1, &world);
        let network = NetworkId(identity(0).address().as_u64() << 24 | 0x77);
        let status = root.post(format!("/controller/network/{network}"), json!({"private": false})).await;
        assert_ne!(status, 200, "what cannot be kept is not acknowledged");
        let make = Command::set_network(network, NetworkPatch::default());
        assert_eq!(root.handle.controller(make).await, Err(ControllerError::NotStored));
        alice.online().await;
        alice.join(network).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_ne!(alice.status().await, "OK");
    });
}

#[test]
fn a_controller_is_told_by_types_and_says_what_is_wrong() {
    run(async {
        let (root, world) = start_root(false);
        let network = root.network().await;
        let alice = member(1, &world);
        let address = identity(1).address();
        let private = NetworkPatch { private: Some(true), ..NetworkPatch::default() };
        root.handle.controller(Command::set_network(network, private)).await.expect("stored");
        alice.online().await;
        alice.join(network).await;
        alice.becomes("ACCESS_DENIED").await;
        root.handle.controller(Command::authorize(network, address, true)).await.expect("stored");
        alice.becomes("OK").await;
        let record = root.handle.controller(Command::GetMember(network, address)).await.expect("there");
        assert_eq!(record.into_member().expect("a member").ips.len(), 1);
        let tiny = NetworkPatch { mtu: Some(68), ..NetworkPatch::default() };
        let refused = root.handle.controller(Command::set_network(network, tiny)).await.expect_err("too small");
        assert_eq!(refused.to_string(), "mtu: 68 is no whole number from 1280 to 10000");
        let unknown = NetworkId(1);
        let refused = root.handle.controller(Command::GetNetwork(unknown)).await;
        assert_eq!(refused, Err(ControllerError::Refused(CommandError::NoNetwork(unknown))));
        let none = alice.handle.controller(Command::ListNetworks).await;
        assert_eq!(none, Err(ControllerError::NoController));
    });
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    run(async {
        let taken = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        let at = taken.local_addr().expect("bound");
        let (config, ..) = config(1, &planet(&identity(0), at), at.port());
        let error = Driver::new(config).map(|_| ()).expect_err("the port is taken");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(matches!(error, StartError::Bind { address, .. } if address == at), "{error:?}");
    });
}

/// A host that does not say what interfaces it has.
struct Blind;

impl InterfaceWatch for Blind {
    fn poll_changed(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
    fn view(&mut self) -> io::Result<HostView> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn addresses_by_name_are_bound_where_interfaces_cannot_be_listed() {
    run(async {
        let (root, world) = start_root(false);
        let start = |bind| {
            let (mut config, ..) = config(1, &world, 0);
            config.interfaces = Box::new(Blind);
            config.bind = bind;
            Driver::new(config)
        };
        let error = start(Vec::new()).map(|_| ()).expect_err("nothing to bind");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let (driver, handle) = start(vec![LOOPBACK]).expect("loopback can be bound");
        let task = tokio::task::spawn_local(driver.run());
        until(async || handle.engine(|engine, _| engine.is_online()).await.expect("it runs")).await;
        let all = handle.control(|control| control.set_bind(Vec::new(), vec![0])).await.expect("it runs");
        assert_eq!(all.map_err(|error| error.kind()), Err(io::ErrorKind::PermissionDenied));
        let online = handle.engine(|engine, _| engine.is_online()).await.expect("it runs");
        assert!(online, "what was bound stays");
        handle.stop().await;
        task.await.expect("no panic");
        drop(root);
    });
}

#[test]
fn news_of_interfaces_are_looked_at() {
    run(async {
        let (_root, world) = start_root(false);
        let (mut config, ..) = config(1, &world, 0);
        let interfaces = MemoryInterfaces::default();
        config.interfaces = Box::new(interfaces.clone());
        let (driver, _handle) = Driver::new(config).expect("loopback can be bound");
        tokio::task::spawn_local(driver.run());
        assert_eq!(interfaces.views(), 1);
        interfaces.set(HostView::default());
        until(async || interfaces.views() == 2).await;
    });
}
