//! Sizes of datagrams: what a path carries is used, and what vanishes on it is noticed.

use std::time::Duration;

use zt_test_sim::{Lab, Narrow, NodeId, Place, Sim, StreamId, Traffic};

/// A whole frame of the usual network, 2800.
const FULL: usize = 2700;
const EVERY: Duration = Duration::from_millis(20);

/// Two members by interfaces of such payloads, direct, and full frames each way.
struct Two {
    lab: Lab,
    a: NodeId,
    b: NodeId,
    ping: StreamId,
}

impl Two {
    fn new(name: &str, seed: u64, payload: [u16; 2]) -> Self {
        let mut lab = Lab::with(name, seed, &[Place::Public, Place::Public], |sim: &mut Sim| {
            for (member, payload) in [NodeId(2), NodeId(3)].into_iter().zip(payload) {
                let iface = sim.node(member).uses[0].iface;
                sim.internet.set_payload(iface, payload);
            }
        });
        lab.make_direct();
        let (a, b) = (lab.members[0], lab.members[1]);
        let ping = lab.sim.ping(a, b, lab.network, EVERY, u32::MAX);
        lab.sim.set_size(ping, FULL);
        Self { lab, a, b, ping }
    }

    fn narrow(&mut self, link: Option<Narrow>) {
        let machine = |id: NodeId, sim: &Sim| sim.node(id).machine;
        let (a, b) = (machine(self.a, &self.lab.sim), machine(self.b, &self.lab.sim));
        self.lab.sim.internet.narrow(a, b, link);
        self.lab.sim.internet.narrow(b, a, link);
    }

    fn run(&mut self, seconds: u64) {
        self.lab.sim.run_for(Duration::from_secs(seconds));
    }

    fn used(&self) -> [u16; 2] {
        let used = |from, to| self.lab.sim.direct(from, to).map_or(0, |path| path.mtu);
        [used(self.a, self.b), used(self.b, self.a)]
    }

    fn outage_after(&self, time: u64) -> Duration {
        self.lab.sim.result(self.ping).outage_after(time).expect("it heals")
    }
}

fn silent(payload: usize) -> Option<Narrow> {
    Some(Narrow { payload, fragments: false })
}

#[test]
fn on_a_wide_cable_frames_travel_whole() {
    let mut two = Two::new("jumbo", 201, [8972, 8972]);
    two.run(3);
    assert_eq!(two.used(), [8972, 8972]);
    let (a, b) = (two.a, two.b);
    two.lab.sim.captured = Some(Vec::new());
    two.run(10);
    let captured = two.lab.sim.captured.take().expect("capturing");
    let mine = |id: NodeId| two.lab.sim.node(id).uses[0].iface;
    let long = captured.iter().filter(|c| [mine(a), mine(b)].contains(&c.iface) && c.bytes.len() > 600);
    let (whole, rest): (Vec<_>, Vec<_>) = long.partition(|c| c.bytes.len() > FULL);
    println!("jumbo: {} frames whole, {} other long datagrams", whole.len(), rest.len());
    assert!(whole.len() >= 990 && rest.is_empty(), "{} {}", whole.len(), rest.len());
}

#[test]
fn nothing_is_lost_for_long_when_a_path_becomes_narrow_in_silence() {
    for (number, (before, after)) in
        [(8972, 1472), (8972, 1252), (1472, 1372), (1472, 1252), (1472, 580)].into_iter().enumerate()
    {
        let mut two = Two::new("shrink", 210 + number as u64, [before, before]);
        two.run(5);
        assert_eq!(two.used(), [before; 2]);
        let at = two.lab.sim.time();
        two.narrow(silent(after));
        two.run(15);
        let outage = two.outage_after(at);
        println!("{before} to {after}: lost for {outage:?}, then {:?}", two.used());
        assert!(outage <= Duration::from_secs(3), "{outage:?}");
        assert!(two.used().iter().all(|used| *used <= after as u16 && after as u16 - used < 32), "{:?}", two.used());
        let at = two.lab.sim.time();
        two.narrow(None);
        two.run(310);
        assert_eq!(two.used(), [before; 2], "wide again, and noticed");
        assert_eq!(two.outage_after(at), Duration::ZERO, "larger sizes are tried beside the traffic");
    }
}

#[test]
fn a_path_that_is_narrow_from_the_start_is_no_black_hole() {
    for (number, payload) in [1472, 1400, 1252].into_iter().enumerate() {
        let mut two = Two::new("narrow", 220 + number as u64, [8972, 8972]);
        two.narrow(silent(payload));
        let at = two.lab.sim.time();
        two.run(10);
        let outage = two.outage_after(at);
        println!("{payload} from the start: lost for {outage:?}, then {:?}", two.used());
        assert!(outage <= Duration::from_secs(3), "{outage:?}");
    }
}

#[test]
fn where_routers_fragment_nothing_is_lost_and_pieces_become_what_fits() {
    let mut two = Two::new("fragmenting", 230, [1472, 1472]);
    two.run(5);
    let at = two.lab.sim.time();
    two.narrow(Some(Narrow { payload: 1252, fragments: true }));
    two.run(15);
    assert_eq!(two.outage_after(at), Duration::ZERO);
    assert_eq!(two.used(), [1252; 2]);
}

#[test]
fn loss_and_one_direction_alone_confuse_nobody() {
    let mut two = Two::new("one-way", 240, [8972, 8972]);
    two.lab.sim.end(two.ping);
    two.run(20);
    let to = two.lab.sim.ip4(two.b, two.lab.network).expect("an address");
    let stream = two.lab.sim.stream(two.a, two.lab.network, to, Traffic::OneWay, EVERY, u32::MAX);
    two.lab.sim.set_size(stream, FULL);
    two.run(10);
    assert_eq!(two.used()[0], 8972);
    let at = two.lab.sim.time();
    two.narrow(silent(1472));
    two.run(10);
    let outage = two.lab.sim.result(stream).outage_after(at).expect("it heals");
    println!("one way only: lost for {outage:?}");
    assert!(outage <= Duration::from_secs(3));
    two.narrow(None);
    two.lab.sim.internet.weather.loss = 0.05;
    two.run(320);
    let (from, to) = (two.lab.sim.time() - 200_000_000, two.lab.sim.time() - 1_000_000);
    let (sent, got) = two.lab.sim.result(stream).between(from, to);
    println!("5 % loss: {got} of {sent} arrived, at {:?}", two.used());
    assert!(got * 100 >= sent * 88, "{got} of {sent}");
}
