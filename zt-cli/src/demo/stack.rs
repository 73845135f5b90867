//! A userspace TCP/IP stack (smoltcp) on the far end of an in-memory port.

use anyhow::{Context as _, Result, bail, ensure};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{icmp, tcp};
use smoltcp::time::Instant as StackTime;
use smoltcp::wire::{EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr};
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use zt_tap::Tap as _;
use zt_tap::channel::{ChannelTap, DEFAULT_CAPACITY};

/// Bytes of the send and receive windows. All of one window has to fit the queue of a port ([`DEFAULT_CAPACITY`] frames),
/// also in segments of the least MTU: what does not fit is lost, and this stack takes long to make up for it.
const WINDOW: usize = 64 << 10;
const _: () = assert!(WINDOW / 1220 < DEFAULT_CAPACITY / 2, "the window of a stack does not fit the queue of its port");

/// The far end of a port as a smoltcp device.
struct PortDevice(ChannelTap);

struct Received(Vec<u8>);
struct Sending<'a>(&'a mut ChannelTap);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        // There was room when the token was given; a port that is gone loses the frame, as an Ethernet does.
        let _ = self.0.try_send(&frame);
        result
    }
}

impl Device for PortDevice {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: StackTime) -> Option<(Received, Sending<'_>)> {
        // What is received may be answered at once.
        if !self.0.has_room() {
            return None;
        }
        let frame = self.0.try_recv().ok()?;
        Some((Received(frame), Sending(&mut self.0)))
    }

    fn transmit(&mut self, _now: StackTime) -> Option<Sending<'_>> {
        // The stack waits with what it has to send: a full queue is no reason to lose it.
        if !self.0.has_room() {
            return None;
        }
        Some(Sending(&mut self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(self.0.info().mtu) + 14;
        capabilities
    }
}

/// One host: a stack and its sockets.
pub(super) struct Stack {
    device: PortDevice,
    interface: Interface,
    sockets: SocketSet<'static>,
    start: Instant,
}

impl Stack {
    /// Puts a stack with one address on a port. The stack takes the MAC of the node's end of the port.
    pub(super) fn new(port: ChannelTap, mac: zt_wire::Mac, address: Ipv4Addr, prefix_len: u8, seed: u64) -> Self {
        let start = Instant::now();
        let mut device = PortDevice(port);
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac.0)));
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut device, StackTime::ZERO);
        interface.update_ip_addrs(|list| {
            // One address always fits: the list holds at least two.
            let _ = list.push(IpCidr::new(IpAddress::Ipv4(address), prefix_len));
        });
        Self { device, interface, sockets: SocketSet::new(Vec::new()), start }
    }

    /// Lets the stack work once; true when something moved.
    fn turn(&mut self) -> bool {
        let now = StackTime::from_micros(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX));
        self.interface.poll(now, &mut self.device, &mut self.sockets) != smoltcp::iface::PollResult::None
    }
}

/// Pings until a reply comes or the patience ends; the round trip of that reply.
pub(super) fn ping(from: &mut Stack, to: &mut Stack, target: Ipv4Addr, patience: Duration) -> Result<Duration> {
    const IDENT: u16 = 0x5a54;
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(IDENT)).map_err(|_| io::Error::other("icmp socket"))?;
    let handle = from.sockets.add(socket);
    let result = ping_loop(from, to, handle, target, IDENT, patience);
    from.sockets.remove(handle);
    result
}

fn ping_loop(
    from: &mut Stack,
    to: &mut Stack,
    handle: SocketHandle,
    target: Ipv4Addr,
    ident: u16,
    patience: Duration,
) -> Result<Duration> {
    let start = Instant::now();
    let mut sent: Vec<Instant> = Vec::new();
    while start.elapsed() < patience {
        if sent.last().is_none_or(|at| at.elapsed() > Duration::from_millis(200)) {
            let socket = from.sockets.get_mut::<icmp::Socket<'_>>(handle);
            let number = u16::try_from(sent.len()).unwrap_or(u16::MAX);
            let request = Icmpv4Repr::EchoRequest { ident, seq_no: number, data: b"ping over a virtual LAN" };
            let payload = socket.send(request.buffer_len(), IpAddress::Ipv4(target)).context("icmp queue")?;
            request.emit(&mut Icmpv4Packet::new_unchecked(payload), &phy::ChecksumCapabilities::default());
            sent.push(Instant::now());
        }
        let moved = from.turn() | to.turn();
        let socket = from.sockets.get_mut::<icmp::Socket<'_>>(handle);
        while let Ok((payload, _)) = socket.recv() {
            let packet = Icmpv4Packet::new_checked(payload).map_err(|_| io::Error::other("icmp reply"))?;
            let reply = Icmpv4Repr::parse(&packet, &phy::ChecksumCapabilities::default());
            if let Ok(Icmpv4Repr::EchoReply { seq_no, .. }) = reply
                && let Some(at) = sent.get(usize::from(seq_no))
            {
                return Ok(at.elapsed());
            }
        }
        pause(moved);
    }
    bail!("no reply within {} s", patience.as_secs())
}

/// Sends bytes over TCP from one stack to the other; the time until the last one arrived.
pub(super) fn transfer(from: &mut Stack, to: &mut Stack, target: Ipv4Addr, bytes: u64) -> Result<Duration> {
    const PORT: u16 = 5001;
    let socket = || {
        let mut socket =
            tcp::Socket::new(tcp::SocketBuffer::new(vec![0; WINDOW]), tcp::SocketBuffer::new(vec![0; WINDOW]));
        socket.set_nagle_enabled(false);
        socket
    };
    let server = to.sockets.add(socket());
    let client = from.sockets.add(socket());
    to.sockets.get_mut::<tcp::Socket<'_>>(server).listen(PORT).context("listen")?;
    let context = from.interface.context();
    let connecting = from.sockets.get_mut::<tcp::Socket<'_>>(client);
    connecting.connect(context, (IpAddress::Ipv4(target), PORT), 49_152).context("connect")?;
    let chunk = vec![0x5a_u8; 64 * 1024];
    let (start, mut sent, mut received) = (Instant::now(), 0_u64, 0_u64);
    let mut last = Instant::now();
    while received < bytes {
        let mut moved = from.turn() | to.turn();
        let sender = from.sockets.get_mut::<tcp::Socket<'_>>(client);
        while sender.can_send() && sent < bytes {
            let most = usize::try_from(bytes - sent).unwrap_or(usize::MAX).min(chunk.len());
            let taken = sender.send_slice(&chunk[..most]).context("send")?;
            sent += taken as u64;
            moved |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        let receiver = to.sockets.get_mut::<tcp::Socket<'_>>(server);
        while receiver.can_recv() {
            let taken = receiver.recv(|data| (data.len(), data.len())).context("receive")?;
            received += taken as u64;
            moved = true;
        }
        if moved {
            last = Instant::now();
        }
        ensure!(last.elapsed() < Duration::from_secs(15), "the transfer stopped after {received} of {bytes} bytes");
        pause(moved);
    }
    Ok(start.elapsed())
}

fn pause(moved: bool) {
    if !moved {
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_tap::TapInfo;
    use zt_tap::channel::pair;
    use zt_wire::Mac;

    /// A stack that makes more than a queue takes must wait, not lose it: its TCP would take seconds for each loss.
    #[test]
    fn a_window_larger_than_the_queue_loses_nothing() {
        let info = |number: u8| TapInfo { name: number.to_string(), mac: Mac([2, 0, 0, 0, 0, number]), mtu: 2800 };
        let (near, far) = pair(info(1), info(2), 4);
        let (one, two) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut from = Stack::new(near, Mac([2, 0, 0, 0, 0, 1]), one, 24, 1);
        let mut to = Stack::new(far, Mac([2, 0, 0, 0, 0, 2]), two, 24, 2);
        ping(&mut from, &mut to, two, Duration::from_secs(10)).expect("an answer");
        transfer(&mut from, &mut to, two, 4_000_000).expect("all bytes");
        assert_eq!((from.device.0.counts().full, to.device.0.counts().full), (0, 0));
    }
}
