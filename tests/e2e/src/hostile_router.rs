//! A router that lies, floods, drips and leads elsewhere when it is asked to map a port: what it says about itself is held
//! against what roots see, and nothing of it costs the node more than a little.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use zt_tap::netns::Namespace;

use crate::port_mapping::Scene;

/// Where it listens: for PCP and NAT-PMP, for searches, and with its description.
const PORTS: [u16; 3] = [5351, 1900, 5000];
const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// Its own address outside, and one that is somebody else's.
const TRUE: Ipv4Addr = Ipv4Addr::new(44, 1, 1, 11);
const FALSE: Ipv4Addr = Ipv4Addr::new(44, 1, 1, 200);
/// What is counted against a node in this time.
const WATCH: Duration = Duration::from_secs(2);

/// What the router does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mood {
    /// Answers nothing.
    Silent,
    /// Grants by PCP, for ever, an address that is not its own.
    Lies,
    /// Grants by PCP its own address with port 40,000, for one second.
    OtherPort,
    /// Answers questions by PCP with hundreds of broken answers.
    Floods,
    /// Answers searches with a place that is not at the router.
    LeadsElsewhere,
    /// Has a description that comes byte by byte.
    Drips,
    /// Has a description without an end.
    Endless,
}

const MOODS: [Mood; 7] =
    [Mood::Silent, Mood::Lies, Mood::OtherPort, Mood::Floods, Mood::LeadsElsewhere, Mood::Drips, Mood::Endless];

/// The router: what it does, and what came to it.
#[derive(Debug, Default)]
struct Router {
    mood: AtomicU32,
    end: AtomicBool,
    packets: AtomicUsize,
    requests: AtomicUsize,
    /// Bytes of a description that went out.
    described: AtomicUsize,
}

impl Router {
    fn mood(&self) -> Mood {
        let mood = self.mood.load(Ordering::Relaxed);
        MOODS.into_iter().find(|known| *known as u32 == mood).unwrap_or(Mood::Silent)
    }

    fn set(&self, mood: Mood) {
        self.mood.store(mood as u32, Ordering::Relaxed);
        for count in [&self.packets, &self.requests, &self.described] {
            count.store(0, Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Serves one of the UDP ports until the end.
    fn serve_udp(&self, socket: &UdpSocket, port: u16) {
        let mut buffer = [0; 1500];
        while !self.is_over() {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            self.packets.fetch_add(1, Ordering::Relaxed);
            let asked = &buffer[..len];
            if port == PORTS[0] {
                self.answer_pcp(asked, socket, from);
            } else if let Some(place) = self.place() {
                let _ = socket.send_to(format!("HTTP/1.1 200 OK\r\nLocation: {place}\r\n\r\n").as_bytes(), from);
            }
        }
    }

    fn answer_pcp(&self, asked: &[u8], socket: &UdpSocket, from: SocketAddr) {
        if asked.len() != 60 || asked[0] != 2 {
            return;
        }
        let (ip, port, seconds) = match self.mood() {
            Mood::Lies => (FALSE, 9993_u16, u32::MAX),
            Mood::OtherPort => (TRUE, 40_000, 1),
            Mood::Floods => {
                for step in 0..300 {
                    let mut broken = asked.to_vec();
                    broken[1] |= 0x80;
                    broken.truncate(step % 61);
                    broken.extend(vec![0xa5; (step * 7) % 1200]);
                    let at = step % 40;
                    if let Some(byte) = broken.get_mut(at) {
                        *byte ^= 0x55;
                    }
                    let _ = socket.send_to(&broken, from);
                }
                return;
            }
            _ => return,
        };
        let seconds = if asked[4..8] == [0; 4] { 0 } else { seconds };
        let mut answer = asked.to_vec();
        answer[1] |= 0x80;
        answer[4..8].copy_from_slice(&seconds.to_be_bytes());
        answer[8..24].fill(0);
        answer[42..44].copy_from_slice(&port.to_be_bytes());
        answer[44..60].copy_from_slice(&ip.to_ipv6_mapped().octets());
        let _ = socket.send_to(&answer, from);
    }

    fn place(&self) -> Option<String> {
        match self.mood() {
            // The root, which listens there with its interface.
            Mood::LeadsElsewhere => Some("http://44.1.1.1:9993/description.xml".to_owned()),
            Mood::Drips | Mood::Endless => Some(format!("http://{LAN}:{}/description.xml", PORTS[2])),
            _ => None,
        }
    }

    fn serve_http(&self, listener: &TcpListener) {
        scope(|threads| {
            while !self.is_over() {
                match listener.accept() {
                    Ok((stream, _)) => _ = threads.spawn(move || self.describe(stream)),
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        });
    }

    fn describe(&self, mut stream: TcpStream) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let _ = (stream.set_nonblocking(false), stream.set_write_timeout(Some(Duration::from_secs(1))));
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<root>");
        let drips = self.mood() == Mood::Drips;
        let part = vec![b'x'; if drips { 1 } else { 4096 }];
        while !self.is_over() && self.described.load(Ordering::Relaxed) < 50_000_000 {
            if stream.write_all(&part).is_err() {
                return;
            }
            self.described.fetch_add(part.len(), Ordering::Relaxed);
            if drips {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn udp(namespace: &Namespace, port: u16) -> Result<UdpSocket> {
    let socket = namespace.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)))??;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

/// Shows what these moods of the router come to. `None` where the machine has no namespaces.
///
/// # Errors
/// The first mood that harms the node or its peers.
pub fn endured(moods: &[Mood], step: &mut dyn FnMut(&str, Duration)) -> Result<Option<()>> {
    let Some(scene) = Scene::new(&format!("map-hostile-{}", moods.len()))? else { return Ok(None) };
    let namespace = scene.router.namespace();
    let [pcp, search] = [udp(namespace, PORTS[0])?, udp(namespace, PORTS[1])?];
    let http = namespace.run(|| TcpListener::bind((LAN, PORTS[2])))??;
    http.set_nonblocking(true)?;
    let router = Router::default();
    scope(|threads| {
        let (router, pcp, search, http) = (&router, &pcp, &search, &http);
        threads.spawn(move || router.serve_udp(pcp, PORTS[0]));
        threads.spawn(move || router.serve_udp(search, PORTS[1]));
        threads.spawn(move || router.serve_http(http));
        let done = play(&scene, router, moods, step);
        router.end.store(true, Ordering::Relaxed);
        done
    })?;
    Ok(Some(()))
}

fn play(scene: &Scene, router: &Router, moods: &[Mood], step: &mut dyn FnMut(&str, Duration)) -> Result<()> {
    for mood in moods.iter().copied() {
        let start = Instant::now();
        let failed = scene.said("maps no port");
        router.set(mood);
        scene.set_enabled(true)?;
        match mood {
            Mood::Lies => {
                let mapping = scene.wait_mapping("a mapping", |mapping| !mapping.is_null())?;
                ensure!(mapping["external"] == "44.1.1.200/9993" && mapping["offered"] == false, "{mapping}");
                watch(scene)?;
                ensure!(scene.mapping()?["offered"] == false, "peers are told what no root has seen");
                ensure!(!scene.is_direct()?, "nothing leads here");
            }
            Mood::OtherPort => {
                let mapping = scene.wait_mapping("a mapping", |mapping| !mapping.is_null())?;
                ensure!(mapping["external"] == "44.1.1.11/40000", "{mapping}");
                let before = router.packets.load(Ordering::Relaxed);
                watch(scene)?;
                let packets = router.packets.load(Ordering::Relaxed) - before;
                ensure!(packets <= 2, "a mapping of a second was renewed {packets} times in {WATCH:?}");
            }
            _ => {
                // It is over within bounds of time, whatever comes.
                scene.a.wait(&format!("the end of {mood:?}"), Duration::from_secs(25), || {
                    scene.ping()?;
                    Ok((scene.said("maps no port") > failed).then_some(()))
                })?;
                ensure!(scene.mapping()?.is_null(), "{mood:?} mapped something");
                let before = counts(router);
                watch(scene)?;
                ensure!(counts(router) == before, "{mood:?} is asked again at once");
                check(mood, before, router.described.load(Ordering::Relaxed))?;
            }
        }
        scene.set_enabled(false)?;
        scene.wait_mapping("the end of the mapping", serde_json::Value::is_null)?;
        step(&format!("{mood:?}"), start.elapsed());
    }
    Ok(())
}

fn counts(router: &Router) -> [usize; 2] {
    [&router.packets, &router.requests].map(|count| count.load(Ordering::Relaxed))
}

fn check(mood: Mood, [packets, requests]: [usize; 2], described: usize) -> Result<()> {
    ensure!(packets <= 20, "{packets} packets to a router that maps nothing");
    let wanted = usize::from(matches!(mood, Mood::Drips | Mood::Endless));
    ensure!(requests == wanted, "{requests} connections to it");
    // What is read is 64 KiB; the rest waited in buffers of the kernel.
    ensure!(described < 8_000_000, "{described} bytes of a description were taken");
    Ok(())
}

/// Traffic of the member goes on all the while.
fn watch(scene: &Scene) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < WATCH {
        let once = scene.a_host.ping_once(scene.b_address, Duration::from_secs(1));
        ensure!(once?.is_some(), "a ping was lost");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
