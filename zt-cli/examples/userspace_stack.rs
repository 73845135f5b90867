//! A userspace TCP/IP stack (smoltcp) as the host behind a node: no TAP device, no privileges.
//!
//! ```sh
//! cargo run -p zt-cli --example userspace_stack
//! ```
//!
//! This is what another program does to bring a stack of its own: it implements the traits [`Tap`], [`TapFactory`] and
//! [`HostConfig`]; neither zt-tap nor zt-node knows of it. Two nodes meet over loopback, one of them also the root
//! and the controller, and one stack pings the other over the virtual LAN.

#![expect(clippy::print_stdout, reason = "a program for people")]

use anyhow::{Context as _, Result, anyhow};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::icmp;
use smoltcp::time::Instant as StackTime;
use smoltcp::wire::{EthernetAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use zt_crypto::{KeyPair, SecretIdentity, sign_world};
use zt_netconf::controller::{Command, NetworkPatch, Pool, Route};
use zt_node::OsEntropy;
use zt_node::{ControllerStore, Driver, Forgetful, Handle, NodeConfig};
use zt_tap::{Applied, HostConfig, HostError, HostState, Tap, TapFactory, TapInfo, TapSpec};
use zt_wire::{FrameBatch, InetAddress, IpPrefix, NetworkId, Root, Signature, World, WorldKind};

// ---- The port: a stack instead of a device -------------------------------------------------------------------------

/// Frames between the node and the stack.
struct Cable {
    to_stack: VecDeque<Vec<u8>>,
    to_node: VecDeque<Vec<u8>>,
    mtu: usize,
}

/// Frames that wait for the node; the stack sends no more meanwhile.
const WAITING: usize = 64;

struct Received(Vec<u8>);
struct Sending<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Cable {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: StackTime) -> Option<(Received, Sending<'_>)> {
        let frame = self.to_stack.pop_front()?;
        Some((Received(frame), Sending(&mut self.to_node)))
    }

    fn transmit(&mut self, _now: StackTime) -> Option<Sending<'_>> {
        (self.to_node.len() < WAITING).then_some(Sending(&mut self.to_node))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + 14;
        capabilities
    }
}

/// A stack with its sockets.
struct Stack {
    cable: Cable,
    interface: Interface,
    sockets: SocketSet<'static>,
    start: Instant,
    /// The node, while it waits for frames.
    node: Option<Waker>,
}

impl Stack {
    fn new(spec: &TapSpec) -> Self {
        let mtu = usize::from(spec.mtu);
        let mut cable = Cable { to_stack: VecDeque::new(), to_node: VecDeque::new(), mtu };
        let config = Config::new(EthernetAddress(spec.mac.0).into());
        let interface = Interface::new(config, &mut cable, StackTime::ZERO);
        Self { cable, interface, sockets: SocketSet::new(Vec::new()), start: Instant::now(), node: None }
    }

    fn now(&self) -> StackTime {
        StackTime::from_micros(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// Lets the stack work, and wakes the node if that made frames for it.
    fn work(&mut self) {
        let now = self.now();
        self.interface.poll(now, &mut self.cable, &mut self.sockets);
        if !self.cable.to_node.is_empty()
            && let Some(node) = self.node.take()
        {
            node.wake();
        }
    }
}

/// A stack that the node and the program share.
#[derive(Clone)]
struct Shared(Arc<Mutex<Stack>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node's side of a stack.
struct StackTap {
    info: TapInfo,
    stack: Shared,
    /// When the stack has something to do by itself: repeat an ARP request, a segment.
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Tap for StackTap {
    fn info(&self) -> &TapInfo {
        &self.info
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        let mut stack = self.stack.lock();
        loop {
            stack.work();
            let mut count = 0;
            while !batch.is_full()
                && let Some(frame) = stack.cable.to_node.pop_front()
            {
                // A frame above the MTU is lost, as on any Ethernet.
                count += usize::from(batch.push(&frame).is_ok());
            }
            if count > 0 || batch.is_full() {
                return Poll::Ready(Ok(count));
            }
            stack.node = Some(cx.waker().clone());
            let now = stack.now();
            let Stack { interface, sockets, .. } = &mut *stack;
            let Some(delay) = interface.poll_delay(now, sockets) else { return Poll::Pending };
            self.timer.as_mut().reset(tokio::time::Instant::now() + Duration::from_micros(delay.total_micros()));
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_send(&mut self, _cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        let mut stack = self.stack.lock();
        stack.cable.to_stack.extend(batch.iter().map(|frame| frame.bytes.to_vec()));
        stack.work();
        Poll::Ready(Ok(batch.len()))
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        self.stack.lock().cable.mtu = usize::from(mtu);
        Ok(())
    }
}

/// All stacks of a node, by port name. One clone opens ports, one configures them, one stays with the program.
#[derive(Clone, Default)]
struct Stacks(Arc<Mutex<BTreeMap<String, Shared>>>);

impl Stacks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TapFactory for Stacks {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        let stack = Shared(Arc::new(Mutex::new(Stack::new(spec))));
        self.lock().insert(spec.name.clone(), stack.clone());
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Ok(Box::new(StackTap { info: spec.clone().into(), stack, timer }))
    }
}

/// The controller's addresses go to the stack as they would to a kernel.
impl HostConfig for Stacks {
    fn apply(&mut self, tap: &str, desired: &HostState) -> Result<Applied, HostError> {
        if let Some(shared) = self.lock().get(tap) {
            // This stack was built for IPv4 only.
            let addresses = desired.addresses.iter().filter_map(|cidr| match cidr.address() {
                IpAddr::V4(address) => Some(IpCidr::new(IpAddress::Ipv4(address), cidr.bits())),
                IpAddr::V6(_) => None,
            });
            shared.lock().interface.update_ip_addrs(|list| {
                list.clear();
                // What does not fit into the stack's list is left out.
                list.extend(addresses.take(list.capacity()));
            });
        }
        Ok(Applied::default())
    }

    fn remove(&mut self, tap: &str) -> Result<Applied, HostError> {
        self.lock().remove(tap);
        Ok(Applied::default())
    }
}

// ---- The program ---------------------------------------------------------------------------------------------------

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let round_trip = tokio::task::LocalSet::new().block_on(&runtime, ping_over_two_nodes())?;
    println!("reply over the virtual LAN after {:.1} ms", round_trip.as_secs_f64() * 1e3);
    Ok(())
}

async fn ping_over_two_nodes() -> Result<Duration> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let at = UdpSocket::bind((loopback, 0))?.local_addr()?;
    let first = SecretIdentity::generate(&mut OsEntropy);
    let network = NetworkId(first.address().as_u64() << 24 | 1);
    let planet = planet(&first, at);
    let (root, root_stacks) = start(first, &planet, at, Some(Box::new(Forgetful)))?;
    let second = SecretIdentity::generate(&mut OsEntropy);
    let (member, member_stacks) = start(second, &planet, SocketAddr::new(loopback, 0), None)?;

    let patch = NetworkPatch {
        private: Some(false),
        assign_v4: Some(true),
        routes: Some(vec![Route { target: IpPrefix::clamped([10, 11, 12, 0].into(), 24), via: None }]),
        pools: Some(vec![Pool { start: [10, 11, 12, 1].into(), end: [10, 11, 12, 99].into() }]),
        ..NetworkPatch::default()
    };
    root.controller(Command::set_network(network, patch)).await?;
    for node in [&root, &member] {
        node.join(network).await??;
    }
    let (_, target) = configured(&root_stacks).await?;
    let (stack, own) = configured(&member_stacks).await?;
    println!("{own} pings {target}");
    let result = ping(&stack, target).await;
    root.stop().await;
    member.stop().await;
    result
}

fn start(
    identity: SecretIdentity,
    planet: &World,
    at: SocketAddr,
    controller: Option<Box<dyn ControllerStore>>,
) -> Result<(Handle, Stacks)> {
    let stacks = Stacks::default();
    let mut config = NodeConfig::new(identity, Box::new(stacks.clone()));
    config.host = Box::new(stacks.clone());
    config.planets = vec![planet.clone()];
    config.bind = vec![at.ip()];
    config.ports = vec![at.port()];
    config.allow_loopback = true;
    config.controller = controller;
    let (driver, handle) = Driver::new(config)?;
    tokio::task::spawn_local(driver.run());
    Ok((handle, stacks))
}

/// A signed planet with one root.
fn planet(root: &SecretIdentity, at: SocketAddr) -> World {
    let key = KeyPair::generate(&mut OsEntropy);
    let roots = vec![Root { identity: *root.identity(), endpoints: vec![InetAddress::from(at)] }];
    let (update_key, signature) = (*key.public_key(), Signature([0; 96]));
    let mut world = World { kind: WorldKind::Planet, id: 1, timestamp: 1, update_key, signature, roots };
    sign_world(&mut world, &key);
    world
}

/// The stack of a node, once the controller's address is on it.
async fn configured(stacks: &Stacks) -> Result<(Shared, Ipv4Addr)> {
    for _ in 0..1000 {
        let stack = stacks.lock().values().next().cloned();
        if let Some(stack) = stack {
            let address = stack.lock().interface.ipv4_addr();
            if let Some(address) = address {
                return Ok((stack, address));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(anyhow!("no address from the controller"))
}

/// Sends a ping every 200 ms until one is answered.
async fn ping(stack: &Shared, target: Ipv4Addr) -> Result<Duration> {
    const IDENT: u16 = 0x5a54;
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(IDENT)).context("an ICMP socket")?;
    let handle = stack.lock().sockets.add(socket);
    let mut sent = Vec::new();
    while sent.len() < 50 {
        {
            let mut stack = stack.lock();
            let socket = stack.sockets.get_mut::<icmp::Socket<'_>>(handle);
            let seq_no = u16::try_from(sent.len()).unwrap_or(u16::MAX);
            let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no, data: b"over a virtual LAN" };
            let space = socket.send(request.buffer_len(), IpAddress::Ipv4(target)).context("the ICMP queue")?;
            request.emit(&mut Icmpv4Packet::new_unchecked(space), &ChecksumCapabilities::default());
            sent.push(Instant::now());
            stack.work();
        }
        for _ in 0..200 {
            if let Some(answered) = reply(&mut stack.lock(), handle)
                && let Some(at) = sent.get(usize::from(answered))
            {
                return Ok(at.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    Err(anyhow!("no reply from {target}"))
}

/// Number of the ping that was answered, if one was.
fn reply(stack: &mut Stack, handle: smoltcp::iface::SocketHandle) -> Option<u16> {
    let (payload, _) = stack.sockets.get_mut::<icmp::Socket<'_>>(handle).recv().ok()?;
    match Icmpv4Repr::parse(&Icmpv4Packet::new_checked(payload).ok()?, &ChecksumCapabilities::default()) {
        Ok(Icmpv4Repr::EchoReply { seq_no, .. }) => Some(seq_no),
        _ => None,
    }
}

#[test]
fn the_ping_is_answered() {
    main().expect("a reply");
}
