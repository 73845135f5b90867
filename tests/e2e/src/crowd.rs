//! Many members that speak by streams, in one process: each has an identity, a connection and keys of its own, and says to
//! the root what a member says that has just come.

mod dress;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::{ControlFlow, Range};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zt_crypto::{KeyPair, PeerKeys, SecretIdentity, SeededEntropy};
use zt_wire::tunnel::{Arrived, Stream};
use zt_wire::verb::{Message, OkBody, OkEcho, OkReply};
use zt_wire::{Address, Identity, Packet, PacketId};

use crate::attacks::packets::Forge;
use crate::{Host, wait_for};
use dress::Wire;
pub use dress::{Dress, Settings};

/// A seed of a key pair and its address, one a line; see `examples/make_crowd.rs`.
const MEMBERS: &str = include_str!("crowd/members.txt");
/// Addresses that members connect from, one each: `10.77.A.B`.
const BLOCK: [u8; 2] = [10, 77];
/// A question without an answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// Packets that each member sends before those are waited for.
const AT_ONCE: usize = 4;
/// A connection says something so often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Read from a connection at once.
const READ: usize = 64 << 10;
/// How long a connection may take.
const CONNECTED_IN: Duration = Duration::from_secs(10);

/// Members that are connected.
pub struct Crowd {
    forge: Forge,
    members: Vec<Member>,
    buffer: Vec<u8>,
}

struct Member {
    secret: SecretIdentity,
    keys: PeerKeys,
    wire: Box<dyn Wire>,
    stream: Stream,
    out: Vec<u8>,
    /// It said something last.
    spoke: Instant,
    /// The root answered its HELLO.
    is_met: bool,
    /// Packets of its neighbour that came.
    came: usize,
    /// It reads nothing.
    is_slow: bool,
    has_ended: bool,
}

/// Gives a machine the addresses that members connect from.
///
/// # Errors
/// The machine refuses them.
pub fn settle(host: &Host) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["route", "add", "local", &format!("{}.{}.0.0/16", BLOCK[0], BLOCK[1]), "dev", "lo"]);
    let (status, text) = host.run(command, Duration::from_secs(5))?;
    ensure!(status.success(), "ip route: {status}: {text}");
    Ok(())
}

/// The address that a member of this number connects from.
#[must_use]
pub fn address(number: usize) -> Ipv4Addr {
    let [high, low] = u16::try_from(number).unwrap_or(0).to_be_bytes();
    // One network of 24 bits each, as far as they go.
    Ipv4Addr::new(BLOCK[0], BLOCK[1], low, 1 + high)
}

/// Opens a TCP connection from one of the block's addresses.
///
/// # Errors
/// It is refused.
pub fn open(number: usize, to: SocketAddr, buffer: Option<usize>) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer)?;
    }
    socket.bind(&SocketAddr::from((address(number), 0)).into())?;
    socket.connect_timeout(&to.into(), CONNECTED_IN)?;
    Ok(socket.into())
}

/// Raises the limit of open files of this process as far as it goes for so many connections; how many there can be.
#[must_use]
pub fn allow_connections(wanted: usize) -> usize {
    const OTHERS: u64 = 256;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = wanted as u64 + OTHERS;
    let raised = maximum.map_or(needed, |maximum| needed.min(maximum));
    if current.is_some_and(|current| current < raised) {
        // It stays as it is where that is refused.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    usize::try_from(limit.saturating_sub(OTHERS)).map_or(wanted, |most| most.min(wanted))
}

impl Crowd {
    /// Nobody yet. `root`: whom they will speak to.
    #[must_use]
    pub fn new(root: Identity) -> Self {
        Self {
            forge: Forge::new(root, Vec::new(), zt_wire::NetworkId::default()),
            members: Vec::new(),
            buffer: vec![0; READ],
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Opens `count` further connections from a machine. The kernel takes little ahead for narrow ones.
    ///
    /// # Errors
    /// The listener refuses one.
    pub fn connect(
        &mut self,
        host: &Host,
        to: SocketAddr,
        dress: &Settings,
        count: usize,
        is_narrow: bool,
    ) -> Result<()> {
        for _ in 0..count {
            let number = self.members.len();
            let secret = identity(number)?;
            let keys = PeerKeys::new(secret.agree(&self.forge.victim).context("the root's key")?);
            let buffer = is_narrow.then_some(4096);
            let stream = host.namespace().run(|| open(number, to, buffer))?;
            let stream = stream.with_context(|| format!("connection {number}"))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(CONNECTED_IN))?;
            let wire = dress::put_on(stream.try_clone()?, dress).with_context(|| format!("handshake {number}"))?;
            stream.set_nonblocking(true)?;
            let (stream, out) = (dress.dress.stream(), Vec::new());
            let (is_met, came, is_slow, has_ended, spoke) = (false, 0, false, false, Instant::now());
            self.members.push(Member { secret, keys, wire, stream, out, spoke, is_met, came, is_slow, has_ended });
            // Those before it are not to be taken for gone.
            let _ = self.turn()?;
        }
        Ok(())
    }

    /// Everybody says HELLO until the root has answered.
    ///
    /// # Errors
    /// Somebody has no answer in time.
    pub fn meet(&mut self, patience: Duration) -> Result<()> {
        let mut asked: Option<Instant> = None;
        wait_for("answers to all HELLOs", patience, || {
            if asked.is_none_or(|at| at.elapsed() >= AGAIN) {
                for member in self.members.iter_mut().filter(|member| !member.is_met) {
                    let hello = self.forge.hello_of(&member.secret, &member.keys);
                    member.send(&hello);
                }
                asked = Some(Instant::now());
            }
            let _ = self.turn()?;
            Ok(self.members.iter().all(|member| member.is_met).then_some(()))
        })
    }

    /// Those in `from` send packets of `size` bytes through the root to members `to` places further, `count` each.
    ///
    /// # Errors
    /// A connection ended.
    pub fn send(&mut self, from: Range<usize>, to: usize, count: usize, size: usize) -> Result<()> {
        let all = self.members.len();
        for _ in 0..count {
            for number in from.clone() {
                let target = self.members[(number + to) % all].secret.address();
                let packet = self.forge.relayed(self.members[number].secret.address(), target, size);
                self.members[number].send(&packet);
            }
            let _ = self.turn()?;
        }
        Ok(())
    }

    /// As [`Crowd::send`], and waits until all are there; the part of them that did not come.
    ///
    /// A few of each member at a time: what all of them send at once may be more than the root keeps for one that is read a
    /// moment later, and is then lost by right.
    ///
    /// # Errors
    /// A connection ended.
    pub fn exchange(&mut self, from: Range<usize>, to: usize, count: usize, size: usize) -> Result<f64> {
        let wanted = from.len() * count;
        let mut came = 0;
        for first in (0..count).step_by(AT_ONCE) {
            let part = AT_ONCE.min(count - first);
            let before = self.came();
            self.send(from.clone(), to, part, size)?;
            self.await_packets(before + from.len() * part)?;
            came += self.came() - before;
        }
        Ok(1.0 - came as f64 / wanted.max(1) as f64)
    }

    /// Packets that came to all of them so far.
    fn came(&self) -> usize {
        self.members.iter().map(|member| member.came).sum()
    }

    /// Moves what can be moved until so many packets came, or none comes any more.
    fn await_packets(&mut self, wanted: usize) -> Result<()> {
        let mut last = Instant::now();
        while self.came() < wanted && last.elapsed() < AGAIN {
            if self.turn()? {
                last = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Those in `who` read nothing any more.
    pub fn rest(&mut self, who: Range<usize>) {
        self.members[who].iter_mut().for_each(|member| member.is_slow = true);
    }

    /// All read again.
    pub fn wake(&mut self) {
        self.members.iter_mut().for_each(|member| member.is_slow = false);
    }

    /// Moves what can be moved; whether anything came.
    fn turn(&mut self) -> Result<bool> {
        let mut progress = false;
        for (number, member) in self.members.iter_mut().enumerate() {
            progress |= member.turn(&mut self.forge, &mut self.buffer);
            ensure!(!member.has_ended, "connection {number} has ended");
        }
        Ok(progress)
    }
}

impl Member {
    fn send(&mut self, packet: &[u8]) {
        self.stream.put(std::iter::once(packet), || [1, 2, 3, 4], &mut self.out);
    }

    fn turn(&mut self, forge: &mut Forge, buffer: &mut [u8]) -> bool {
        if self.out.is_empty() && self.spoke.elapsed() >= KEEP_ALIVE {
            self.stream.put_alive(|| [1, 2, 3, 4], &mut self.out);
        }
        while !self.out.is_empty() {
            self.spoke = Instant::now();
            match self.wire.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.has_ended = true;
                    return false;
                }
            }
        }
        let mut progress = false;
        while !self.is_slow && !self.has_ended {
            let read = match self.wire.read(buffer) {
                Ok(read) if read > 0 => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => {
                    self.has_ended = true;
                    break;
                }
            };
            progress = true;
            let (mut echoes, own) = (Vec::new(), self.secret.address());
            let Self { keys, stream, is_met, came, .. } = self;
            let taken = stream.take(&mut buffer[..read], &mut |arrived| {
                if let Arrived::Datagram(bytes) = arrived {
                    match read_packet(bytes, own, keys) {
                        Some(Came::FromMember) => *came += 1,
                        Some(Came::Met) => *is_met = true,
                        Some(Came::Echo(id, data)) => echoes.push((id, data)),
                        None => {}
                    }
                }
                ControlFlow::Continue(())
            });
            for (in_re_packet, data) in echoes {
                let answer = OkReply { in_re_packet, body: OkBody::Echo(OkEcho { data: &data }) };
                let packet = forge.sealed_of(own, &self.keys, &answer);
                self.send(&packet);
            }
            self.has_ended |= taken.is_err();
        }
        progress
    }
}

/// What a packet for a member is.
enum Came {
    /// Another member's.
    FromMember,
    /// The root's answer to HELLO.
    Met,
    /// The root asks for this.
    Echo(PacketId, Vec<u8>),
}

fn read_packet(bytes: &mut [u8], own: Address, keys: &PeerKeys) -> Option<Came> {
    let packet = Packet::new_checked(&*bytes).ok()?;
    if packet.destination() != own || packet.is_fragmented() {
        return None;
    }
    if packet.hops() > 0 {
        return Some(Came::FromMember);
    }
    let id = packet.id();
    keys.open(bytes).ok()?;
    let opened = Packet::new_checked(&*bytes).ok()?.opened();
    match Message::parse(opened.verb(), opened.payload()).ok()? {
        Message::Ok(OkReply { body: OkBody::Hello(_), .. }) => Some(Came::Met),
        Message::Echo(echo) => Some(Came::Echo(id, echo.data.to_vec())),
        _ => None,
    }
}

fn identity(number: usize) -> Result<SecretIdentity> {
    let line = MEMBERS.lines().nth(number).context("the crowd has not so many members")?;
    let (seed, address) = line.split_once(' ').context("a seed and an address")?;
    let keys = KeyPair::generate(&mut SeededEntropy::new(u64::from_str_radix(seed, 16)?));
    let address = address.parse().ok().context("an address")?;
    let identity = Identity { address, public_key: *keys.public_key() };
    Ok(SecretIdentity::from_parts(identity, keys.secret_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_members_have_the_addresses_of_their_keys() {
        for number in [0, 1, MEMBERS.lines().count() - 1] {
            let secret = identity(number).expect("a line of the file");
            assert!(zt_crypto::validate(secret.identity()), "{number}");
        }
    }
}
