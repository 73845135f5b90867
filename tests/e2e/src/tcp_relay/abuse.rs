//! A relay among people who mean it ill: an open proxy is looked for, an amplifier, and ways to fill its memory. A client that
//! behaves is served all the time.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use zt_tap::netns::{Namespace, Process};
use zt_wire::SoftwareVersion;
use zt_wire::tcp_relay::{write_datagram, write_greeting};

use crate::{Host, Lab, Program, wait_for};

const RELAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(44, 1, 1, 254), 443);
/// A node that answers every packet.
const NODE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(44, 1, 1, 1), 9993);
/// The machine of somebody who wants to have nothing to do with this.
const VICTIM: Ipv4Addr = Ipv4Addr::new(44, 1, 1, 9);
const VICTIM_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// Last bytes of the addresses of those who mean ill.
const SOURCES: std::ops::Range<u8> = 20..190;
/// Connections that one source gets at once.
const PER_SOURCE: usize = 64;
/// Memory for what waits for slow clients, as the relay is told, in MiB.
const QUEUES: u64 = 16;
const WAIT: Duration = Duration::from_secs(30);
/// An honest client is answered within this time.
const SERVED: Duration = Duration::from_secs(5);
/// Answers of full size that a slow client asks for, by hundreds.
const HUNDREDS: usize = 4;

/// See the module.
pub struct Abuse {
    _lab: Lab,
    relay: Process,
    crowd: Host,
    node: Counting,
    victim: [Counting; 4],
}

/// What the relay took and where its memory was.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident bytes now.
    pub now: u64,
    /// The most that there ever were.
    pub most: u64,
}

/// A UDP socket that counts what it gets, until it is dropped.
struct Counting {
    count: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Counting {
    /// `answer`: what becomes of a datagram.
    fn new(
        namespace: &Namespace,
        at: SocketAddrV4,
        answer: impl Fn(&UdpSocket, &[u8], SocketAddr) + Send + 'static,
    ) -> Result<Self> {
        let socket = namespace.run(|| UdpSocket::bind(at))??;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let (count, bytes, end) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, measured, ended) = (Arc::clone(&count), Arc::clone(&bytes), Arc::clone(&end));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !ended.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    measured.fetch_add(length, Ordering::Relaxed);
                    answer(&socket, &buffer[..length], from);
                }
            }
        });
        Ok(Self { count, bytes, end, thread: Some(thread) })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A packet from one node to another, of so many bytes, that nobody can open.
fn packet(to: u8, from: u8, hundreds: usize, len: usize) -> Vec<u8> {
    let mut packet = vec![0x55; len.max(40)];
    packet[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    packet[8..13].copy_from_slice(&[0x11, to, 0, 0, 1]);
    packet[13..18].copy_from_slice(&[0x22, from, 0, 0, 1]);
    packet[18] = 0x18;
    packet[30] = u8::try_from(hundreds).unwrap_or(u8::MAX);
    packet
}

/// Answers as a node does, in the eyes of somebody without keys; more often where that is asked for.
fn as_a_node(socket: &UdpSocket, packet: &[u8], from: SocketAddr) {
    let Some(hundreds) = packet.get(30).copied() else { return };
    let mut answer = vec![0x66; if hundreds == 0 { packet.len() } else { 1400 }];
    answer[..31].copy_from_slice(&packet[..31]);
    answer[8..13].copy_from_slice(&packet[13..18]);
    answer[13..18].copy_from_slice(&packet[8..13]);
    for _ in 0..usize::from(hundreds).max(1) * if hundreds == 0 { 1 } else { 100 } {
        let _ = socket.send_to(&answer, from);
    }
}

impl Abuse {
    /// Starts a relay, a node, and a victim. `None` where the machine offers no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new() -> Result<Option<Self>> {
        let Some(lab) = Lab::new("relay-abuse")? else { return Ok(None) };
        let Program::Ours(zt) = Program::ours()? else { return Err(anyhow!("not our program")) };
        let relay_host = lab.host("relay", &["44.1.1.254/24", "10.0.0.254/24"])?;
        let mut command = Command::new(zt);
        command.args(["--json", "relay", "--listen", "44.1.1.254:443", "--report", "1", "--log", "warn"]);
        command.args(["--memory", &QUEUES.to_string()]);
        let relay = relay_host.namespace().spawn(command)?;
        let node_host = lab.host("node", &["44.1.1.1/24"])?;
        let node = Counting::new(node_host.namespace(), NODE, as_a_node)?;
        let victim_host = lab.host("victim", &["44.1.1.9/24", "10.0.0.9/24"])?;
        let amplify = |socket: &UdpSocket, _: &[u8], from: SocketAddr| {
            for _ in 0..20 {
                let _ = socket.send_to(&[0x77; 1400], from);
            }
        };
        let at = |ip, port| SocketAddrV4::new(ip, port);
        let victim = [
            Counting::new(victim_host.namespace(), at(VICTIM, 53), amplify)?,
            Counting::new(victim_host.namespace(), at(VICTIM, 4000), amplify)?,
            Counting::new(victim_host.namespace(), at(VICTIM, 5000), |_, _, _| {})?,
            Counting::new(victim_host.namespace(), at(VICTIM_INSIDE, 9993), |_, _, _| {})?,
        ];
        let crowd = lab.host("crowd", &["44.1.1.2/24"])?;
        for last in SOURCES {
            crowd.add_address("eth0", &format!("44.1.1.{last}/24"))?;
        }
        let abuse = Self { _lab: lab, relay, crowd, node, victim };
        wait_for("the relay", WAIT, || abuse.served().map(Some).or(Ok(None)))?;
        Ok(Some(abuse))
    }

    /// A connection from an address of the crowd, as a stranger has it.
    fn connect(&self, last: u8) -> Result<TcpStream> {
        let open = || -> Result<TcpStream> {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::new(44, 1, 1, last), 0)).into())?;
            socket.connect_timeout(&SocketAddr::V4(RELAY).into(), SERVED)?;
            let stream: TcpStream = socket.into();
            stream.set_read_timeout(Some(SERVED))?;
            stream.set_write_timeout(Some(SERVED))?;
            Ok(stream)
        };
        self.crowd.namespace().run(open)?
    }

    /// The same, with a greeting.
    fn client(&self, last: u8) -> Result<TcpStream> {
        let mut stream = self.connect(last)?;
        let mut greeting = Vec::new();
        write_greeting(SoftwareVersion::new(1, 14, 1), &mut greeting);
        stream.write_all(&greeting)?;
        Ok(stream)
    }

    /// An honest client from an address of its own sends to the node, and gets its answer; how long that took.
    ///
    /// # Errors
    /// It does not.
    pub fn served(&self) -> Result<Duration> {
        let start = Instant::now();
        let mut stream = self.client(2)?;
        send(&mut stream, NODE, &packet(1, 1, 0, 100))?;
        let mut record = [0; 112];
        stream.read_exact(&mut record).context("an answer of the node")?;
        ensure!(record[..5] == [0x17, 3, 3, 0, 107], "{record:?}");
        Ok(start.elapsed())
    }

    /// What the relay refused by a name, by its last report.
    ///
    /// # Errors
    /// There is no report.
    pub fn refused(&self, name: &str) -> Result<u64> {
        Ok(self.report()?["refused"][name].as_u64().unwrap_or(0))
    }

    fn report(&self) -> Result<Value> {
        let lines = self.relay.output();
        let mut reports = lines.iter().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        reports.find(|report| report["connections"].is_u64()).context("a report of the relay")
    }

    fn wait_refused(&self, name: &str) -> Result<u64> {
        wait_for(name, WAIT, || Ok(Some(self.refused(name)?).filter(|count| *count > 0)))
    }

    /// Its memory.
    ///
    /// # Errors
    /// It does not run any more.
    pub fn memory(&self) -> Result<Memory> {
        let text = self.process()?;
        let kib = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).context("a line of memory")?;
            Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
        };
        Ok(Memory { now: kib("VmRSS")?, most: kib("VmHWM")? })
    }

    /// What the kernel says of the relay's process.
    ///
    /// # Errors
    /// It has ended.
    pub fn process(&self) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/status", self.relay.id()))?)
    }

    /// Somebody takes it for an open proxy. None of it arrives.
    ///
    /// # Errors
    /// Something did, or has no name.
    pub fn open_proxy(&self) -> Result<()> {
        let before = self.victim.each_ref().map(Counting::count);
        let mut stream = self.client(20)?;
        let at = |ip, port| SocketAddrV4::new(ip, port);
        for _ in 0..50 {
            let good = packet(9, 9, 0, 100);
            send(&mut stream, at(VICTIM, 53), &good)?;
            send(&mut stream, at(VICTIM_INSIDE, 9993), &good)?;
            send(&mut stream, at(Ipv4Addr::LOCALHOST, 9993), &good)?;
            send(&mut stream, at(Ipv4Addr::BROADCAST, 9993), &good)?;
            send(&mut stream, at(Ipv4Addr::new(224, 0, 0, 251), 5353), &good)?;
            send(&mut stream, at(VICTIM, 5000), b"GET / HTTP/1.1\r\n")?;
            send(&mut stream, at(VICTIM, 5000), &[7; 10])?;
        }
        for name in ["low-port", "forbidden-address", "not-a-packet", "too-short"] {
            self.wait_refused(name)?;
        }
        self.served()?;
        let after = self.victim.each_ref().map(Counting::count);
        ensure!(after == before, "{before:?} to {after:?}");
        Ok(())
    }

    /// Somebody has it send to a server that answers much, and nobody asked. Bytes of the attacker, those that reached the
    /// victim, and those that came back.
    ///
    /// # Errors
    /// More arrived, or came back, than may.
    pub fn amplifier(&self) -> Result<(usize, usize, usize)> {
        const PACKETS: usize = 2000;
        let (start, before) = (Instant::now(), self.victim[1].bytes());
        let mut stream = self.client(21)?;
        let datagram = packet(9, 9, 0, 100);
        for _ in 0..PACKETS {
            send(&mut stream, SocketAddrV4::new(VICTIM, 4000), &datagram)?;
        }
        self.wait_refused("unanswered")?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut back = 0;
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            back += length;
        }
        let reached = self.victim[1].bytes() - before;
        // Eight, then one a second.
        let most = (9 + start.elapsed().as_secs() as usize) * datagram.len();
        ensure!(reached <= most, "{reached} bytes reached the victim");
        ensure!(back == 0, "{back} bytes came back");
        self.served()?;
        Ok((PACKETS * datagram.len(), reached, back))
    }

    /// Many clients of many sources have it send to one address where nothing answers; how much did.
    ///
    /// # Errors
    /// More than all of them together may send.
    pub fn crowd_at_one(&self) -> Result<usize> {
        let (start, before) = (Instant::now(), self.victim[2].count());
        let mut streams = Vec::new();
        for last in SOURCES.take(20) {
            for _ in 0..10 {
                streams.push(self.client(last)?);
            }
        }
        for _ in 0..10 {
            for stream in &mut streams {
                send(stream, SocketAddrV4::new(VICTIM, 5000), &packet(9, 9, 0, 60))?;
            }
        }
        self.served()?;
        std::thread::sleep(Duration::from_millis(200));
        let reached = self.victim[2].count() - before;
        let most = 64 + 10 * (1 + start.elapsed().as_secs() as usize);
        ensure!(reached <= most, "{reached} of {} datagrams reached the victim", streams.len() * 10);
        Ok(reached)
    }

    /// Bytes that are no records, records that hold nothing or more than anything, and ends in the middle.
    ///
    /// # Errors
    /// Somebody else is not served by that, or it has no name.
    pub fn bad_records(&self) -> Result<()> {
        let mut longest = vec![0x17, 3, 3, 0xff, 0xff];
        longest.resize(5 + 65_535, 0x44);
        let first: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n\r\n", &[0x17, 3, 3, 0, 0], &longest, &[0x16, 3, 1, 2, 0, 1]];
        for bytes in first {
            let mut stream = self.connect(30)?;
            let _ = stream.write_all(bytes);
            let mut rest = Vec::new();
            // It is closed on: nothing is said.
            let _ = stream.read_to_end(&mut rest);
            ensure!(rest.is_empty(), "{rest:?}");
        }
        let mut stream = self.client(30)?;
        stream.write_all(&[0x17, 3, 3, 0, 0])?;
        stream.write_all(&longest)?;
        stream.write_all(&[0x17, 3, 3, 0, 7, 9, 44, 1, 1, 1, 0x27, 9])?;
        send(&mut stream, NODE, &packet(1, 3, 0, 100))?;
        let mut record = [0; 112];
        stream.read_exact(&mut record).context("an answer after bad records")?;
        for cut in [1, 4, 5, 6, 11, 50] {
            let mut whole = Vec::new();
            write_datagram(NODE, &packet(1, 4, 0, 100), &mut whole).map_err(|_| anyhow!("short enough"))?;
            let mut stream = self.client(31)?;
            stream.write_all(&whole[..cut])?;
        }
        for name in ["closed-not-a-record", "closed-no-greeting", "too-long", "bad-length", "address-type"] {
            self.wait_refused(name)?;
        }
        self.served().map(drop)
    }

    /// Clients have the node send them much, and read nothing of it.
    ///
    /// # Errors
    /// An honest client is not served meanwhile, or nothing has a name.
    pub fn slow_readers(&self) -> Result<usize> {
        let mut streams = Vec::new();
        for last in SOURCES.skip(60).take(8) {
            for number in 0..25 {
                let mut stream = self.client(last)?;
                send(&mut stream, NODE, &packet(1, number, HUNDREDS, 100))?;
                streams.push(stream);
            }
        }
        self.wait_refused("slow-client")?;
        self.served()?;
        Ok(streams.len())
    }

    /// So many connections that say nothing, from many sources; how many there were.
    ///
    /// # Errors
    /// An honest client is not served meanwhile.
    pub fn silent(&self, wanted: usize) -> Result<usize> {
        let limit = getrlimit(Resource::Nofile);
        let enough = limit.maximum.unwrap_or(u64::MAX).min(wanted as u64 + 1000);
        if limit.current.is_some_and(|current| current < enough) {
            setrlimit(Resource::Nofile, Rlimit { current: Some(enough), maximum: limit.maximum })?;
        }
        let wanted = wanted.min(usize::try_from(enough).unwrap_or(wanted).saturating_sub(500));
        let mut streams = Vec::new();
        for last in SOURCES.flat_map(|last| std::iter::repeat_n(last, PER_SOURCE)).take(wanted) {
            streams.extend(self.connect(last));
        }
        self.wait_refused("closed-gave-way")?;
        self.served()?;
        Ok(streams.len())
    }

    /// Datagrams that the node got.
    #[must_use]
    pub fn node_heard(&self) -> usize {
        self.node.count()
    }
}

/// Writes a datagram as a client does.
fn send(stream: &mut TcpStream, to: SocketAddrV4, datagram: &[u8]) -> Result<()> {
    let mut record = Vec::new();
    write_datagram(to, datagram, &mut record).map_err(|_| anyhow!("longer than a record"))?;
    Ok(stream.write_all(&record)?)
}
