//! A few engines and a wire between them: who is measured, and guests who come, are met and go, so that they are known.

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zt_crypto::{KeyPair, SecretIdentity, SeededEntropy, sign_world};
use zt_netconf::Settings;
use zt_netconf::controller::{Answer, Command};
use zt_node::engine::{Engine, EngineConfig, Input, Outbox, Output};
use zt_peer::{Endpoint, Job, JobDone, Link, LinkId, LinkKind, LinkRole, Source};
use zt_test_sim::{START_OF_TIME, drawn_identity};
use zt_wire::time::{Mono, Now};
use zt_wire::world::WorldKind;
use zt_wire::{Address, FrameBatch, InetAddress, Mac, NetworkId, Root, Signature, World};

/// The link that every engine has.
pub(crate) const LINK: LinkId = LinkId(1);
/// Root and controller.
pub(crate) const ROOT: usize = 0;
/// A node that is measured, where there is one.
pub(crate) const NODE: usize = 1;
/// Time on the wire. Short, so that the first guests are still known when the last ones come.
const HOP: Duration = Duration::from_micros(10);

/// One engine with what its driver would have.
pub(crate) struct Station {
    pub(crate) engine: Engine,
    pub(crate) outbox: Outbox,
    pub(crate) secret: Arc<SecretIdentity>,
    pub(crate) at: SocketAddr,
    due: Option<Mono>,
}

struct Train {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
    stride: usize,
}

/// A datagram that was caught on its way, to be received again and again.
pub(crate) struct Sealed {
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Sealed {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Engines, the time and the wire.
pub(crate) struct Town {
    pub(crate) now: Now,
    pub(crate) stations: Vec<Station>,
    planet: World,
    wire: VecDeque<Train>,
    arriving: Vec<u8>,
}

/// Where a guest is.
pub(crate) fn home(number: usize) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(number).expect("few guests").to_be_bytes();
    SocketAddr::from(([44, 16 + a, b, c], 9993))
}

/// Who a guest is.
pub(crate) fn guest(number: usize) -> Arc<SecretIdentity> {
    drawn_identity(0x5ca1_e000_0000 + number as u64)
}

impl Town {
    /// A root with a controller.
    pub(crate) fn new() -> Self {
        let now = Now { mono: Mono(1_000_000), unix_ms: START_OF_TIME };
        let (secret, at) = (drawn_identity(1), SocketAddr::from(([45, 0, 0, 1], 9993)));
        let planet = planet(&secret, at);
        let mut town = Self { now, stations: Vec::new(), planet, wire: VecDeque::new(), arriving: Vec::new() };
        town.open(secret, at, true);
        town
    }

    /// The same with a node beside it.
    pub(crate) fn with_node() -> Self {
        let mut town = Self::new();
        town.open(drawn_identity(2), SocketAddr::from(([45, 0, 0, 2], 9993)), false);
        town
    }

    /// Another engine; its number.
    pub(crate) fn open(&mut self, secret: Arc<SecretIdentity>, at: SocketAddr, controls: bool) -> usize {
        let entropy = |part: u64| Box::new(SeededEntropy::new(secret.address().as_u64() << 8 | part));
        let config = EngineConfig {
            identity: Arc::clone(&secret),
            vl1_entropy: entropy(1),
            vl2_entropy: entropy(2),
            controller_entropy: controls.then(|| entropy(3) as _),
            has_peer_cache: false,
            allow_loopback: false,
            ask_paths: false,
            ask_addresses: false,
            hear_messages: false,
        };
        let mut station =
            Station { engine: Engine::new(self.now, config), outbox: Outbox::new(), secret, at, due: None };
        let (vl1, out) = (station.engine.vl1_mut(), &mut station.outbox.transmits);
        vl1.load_world(self.now, self.planet.clone(), Source::BuiltIn, out).expect("a good planet");
        if controls {
            station.engine.start_controller();
        }
        let local = Endpoint::Ip(at);
        let link = Link { id: LINK, kind: LinkKind::Udp, rank: 0, local, mtu: 0, role: LinkRole::Full };
        station.engine.handle(self.now, Input::LinkUp(link), &mut station.outbox);
        self.stations.push(station);
        self.settle();
        self.stations.len() - 1
    }

    /// A guest comes, `does` something and goes. Those it met know it still.
    pub(crate) fn visit(&mut self, number: usize, does: impl FnOnce(&mut Self, usize)) {
        let at = self.open(guest(number), home(number), false);
        does(self, at);
        self.stations.pop();
        self.tick();
    }

    /// Timers of the root that are due. Those of the node would find out that guests are gone.
    fn tick(&mut self) {
        let root = &mut self.stations[ROOT];
        if root.due.is_some_and(|due| due <= self.now.mono) {
            root.engine.handle(self.now, Input::Timeout, &mut root.outbox);
        }
        self.settle();
    }

    /// Time passes for the root.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now.plus(span);
        while let Some(due) = self.stations[ROOT].due.filter(|due| *due <= end.mono) {
            self.now = self.now.plus(due.saturating_since(self.now.mono).max(Duration::from_micros(1)));
            self.tick();
        }
        self.now = end;
    }

    /// Carries everything until all are quiet.
    pub(crate) fn settle(&mut self) {
        (0..self.stations.len()).for_each(|number| self.drain(number));
        while let Some(mut train) = self.wire.pop_front() {
            self.now = self.now.plus(HOP);
            let Some(number) = self.stations.iter().position(|station| station.at == train.to) else { continue };
            let remote = Endpoint::Ip(train.from);
            let input = Input::Datagrams { link: LINK, remote, bytes: &mut train.bytes, stride: train.stride };
            let station = &mut self.stations[number];
            station.engine.handle(self.now, input, &mut station.outbox);
            self.drain(number);
        }
    }

    fn drain(&mut self, number: usize) {
        let station = &mut self.stations[number];
        station.poll(self.now);
        let mut packet = 0;
        while let Some(train) = station.outbox.transmits.train(packet, 64) {
            packet += train.packets;
            if let (Endpoint::Ip(to), None) = (train.path.remote, train.ttl) {
                let bytes = train.bytes.to_vec();
                self.wire.push_back(Train { from: station.at, to, bytes, stride: train.segment_size });
            }
        }
        station.outbox.transmits.clear();
    }

    /// The controller does something; commits are at once.
    pub(crate) fn command(&mut self, command: Command) -> Answer {
        let done = self.stations[ROOT].engine.controller_command(self.now, command);
        let answer = done.expect("a controller").expect("it does it").answer;
        self.settle();
        answer
    }

    pub(crate) fn join(&mut self, number: usize, network: NetworkId) {
        let station = &mut self.stations[number];
        station.engine.join(self.now, network, None, Settings::default(), &mut station.outbox);
        self.settle();
    }

    pub(crate) fn address(&self, number: usize) -> Address {
        self.stations[number].engine.address()
    }

    /// A frame of a station's host to a member.
    pub(crate) fn frame(&self, number: usize, network: NetworkId, to: Address, payload: &[u8]) -> FrameBatch {
        let mac = |address| Mac::for_member(address, network).0;
        let frame = [&mac(to)[..], &mac(self.address(number)), &0x0800_u16.to_be_bytes(), payload].concat();
        let mut batch = FrameBatch::new(1, 4096);
        batch.push(&frame).expect("made for it");
        batch
    }

    /// The host of a station sends a frame to a member.
    pub(crate) fn say(&mut self, number: usize, network: NetworkId, to: Address, payload: &[u8]) {
        let batch = self.frame(number, network, to, payload);
        let station = &mut self.stations[number];
        station.engine.handle(self.now, Input::Frames(network, &batch), &mut station.outbox);
        self.settle();
    }

    /// The host of a station sends frames; what comes of it leaves, and arrives nowhere.
    pub(crate) fn hand_in(&mut self, number: usize, network: NetworkId, frames: &FrameBatch) {
        let station = &mut self.stations[number];
        station.engine.handle(self.now, Input::Frames(network, frames), &mut station.outbox);
        station.poll(self.now);
        station.leave();
    }

    /// A datagram arrives, of which nothing comes yet.
    pub(crate) fn arrive(&mut self, number: usize, sealed: &Sealed) {
        self.arriving.clear();
        self.arriving.extend_from_slice(&sealed.bytes);
        let (remote, stride) = (Endpoint::Ip(sealed.from), sealed.bytes.len());
        let input = Input::Datagrams { link: LINK, remote, bytes: &mut self.arriving, stride };
        let station = &mut self.stations[number];
        station.engine.handle(self.now, input, &mut station.outbox);
    }

    /// The first datagram that a station sends to an address because of something, as it leaves; it arrives as well.
    pub(crate) fn sealed(
        &mut self,
        number: usize,
        to: SocketAddr,
        because: impl FnOnce(&mut Engine, Now, &mut Outbox),
    ) -> Option<Sealed> {
        let station = &mut self.stations[number];
        because(&mut station.engine, self.now, &mut station.outbox);
        self.drain(number);
        let train = self.wire.iter().find(|train| train.to == to);
        let sealed = train.map(|train| Sealed {
            from: train.from,
            bytes: train.bytes[..train.stride.min(train.bytes.len())].to_vec(),
        });
        self.settle();
        sealed
    }
}

impl Station {
    /// Does what the engine asks for, until it waits; packets are sealed, frames thrown away.
    pub(crate) fn poll(&mut self, now: Now) {
        self.due = loop {
            match self.engine.poll(now, &mut self.outbox) {
                Output::Wait(due) => break due,
                Output::Job(job) => {
                    let done = run(job, &self.secret);
                    self.engine.handle(now, Input::JobDone(done), &mut self.outbox);
                }
                Output::Commit { seq, .. } => self.engine.handle(now, Input::Committed(seq), &mut self.outbox),
                Output::Persist(_) | Output::Network(..) | Output::Event(_) | Output::Trace(_) => {}
            }
        };
        self.outbox.frames.values_mut().for_each(FrameBatch::clear);
        self.engine.seal(now, &mut self.outbox);
    }

    /// Everything leaves: the number of datagrams.
    pub(crate) fn leave(&mut self) -> usize {
        let (mut packet, mut datagrams) = (0, 0);
        while let Some(train) = self.outbox.transmits.train(packet, 64) {
            packet += train.packets;
            datagrams += black_box(train).segments;
        }
        self.outbox.transmits.clear();
        datagrams
    }

    /// When the engine wants to be called.
    pub(crate) const fn due(&self) -> Option<Mono> {
        self.due
    }
}

/// Without the validation of identities, which take a tenth of a second to make.
fn run(job: Job, secret: &SecretIdentity) -> JobDone {
    match job {
        Job::Admit { identity, .. } => Job::Admit { identity, validate: false },
        Job::Introduce { identity, packet, number, .. } => Job::Introduce { identity, packet, number, validate: false },
        other => other,
    }
    .run(secret)
}

fn planet(root: &SecretIdentity, at: SocketAddr) -> World {
    let key = KeyPair::generate(&mut SeededEntropy::new(7));
    let roots = vec![Root { identity: *root.identity(), endpoints: vec![InetAddress::from(at)] }];
    let mut world = World {
        kind: WorldKind::Planet,
        id: 7,
        timestamp: 1_700_000_000_000,
        update_key: *key.public_key(),
        signature: Signature([0; 96]),
        roots,
    };
    sign_world(&mut world, &key);
    world
}
