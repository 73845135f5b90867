use super::*;
use smoltcp::socket::tcp::State;

/// Microseconds from one stack to the other.
const WAY: i64 = 500;

/// Two stacks on a wire that loses frames, with a clock of its own.
struct Scene {
    stacks: [Stack; 2],
    /// Frames on their way to each stack, and when they are there.
    flying: [VecDeque<(i64, Vec<u8>)>; 2],
    /// Which frames are lost, by their number.
    loses: Box<dyn FnMut(u64) -> bool>,
    /// Microseconds that a frame takes the wire, and frames that wait for it at most.
    pace: (i64, usize),
    free_at: [i64; 2],
    frames: u64,
    lost: u64,
    now: i64,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Scene {
    fn new(mtu: u16, loses: impl FnMut(u64) -> bool + 'static) -> Self {
        let stacks = [1, 2].map(|number: u8| {
            let mut stack = Stack::new(Mac([2, 0, 0, 0, 0, number]), mtu, number.into());
            let addresses = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
            let addresses = addresses.iter().map(|text| text.parse().expect("a prefix")).collect();
            let left = stack.set_host(&HostState { addresses, ..HostState::default() });
            assert_eq!(left, (vec![], vec![]));
            stack
        });
        Self {
            stacks,
            flying: [VecDeque::new(), VecDeque::new()],
            loses: Box::new(loses),
            pace: (0, usize::MAX),
            free_at: [0; 2],
            frames: 0,
            lost: 0,
            now: 0,
        }
    }

    /// Goes on to the next thing that happens.
    fn step(&mut self) {
        let now = self.now;
        for from in 0..2 {
            let to = 1 - from;
            let Self { stacks, flying, loses, pace, free_at, frames, lost, .. } = self;
            stacks[from].poll_frames(now, 64, &mut |frame| {
                *frames += 1;
                let waiting = (free_at[from] - now).max(0) / pace.0.max(1);
                if loses(*frames) || waiting as usize >= pace.1 {
                    *lost += 1;
                    return;
                }
                free_at[from] = free_at[from].max(now) + pace.0;
                flying[to].push_back((free_at[from] + WAY, frame.to_vec()));
            });
        }
        for to in 0..2 {
            while self.flying[to].front().is_some_and(|(at, _)| *at <= now) {
                let (_, frame) = self.flying[to].pop_front().expect("looked at");
                assert!(self.stacks[to].handle_frame(now, &frame), "the stack takes frames while its queue is short");
            }
        }
        let mut next = self.flying.iter().filter_map(|flying| flying.front().map(|(at, _)| *at)).min();
        for stack in &mut self.stacks {
            next = next.into_iter().chain(stack.poll_at(now)).min();
        }
        self.now = next.unwrap_or(now + 1000).max(now + 1);
    }

    /// Sends so many bytes from the first stack to the second; how many microseconds that took.
    fn transfer(&mut self, target: IpAddr, bytes: usize) -> i64 {
        self.stacks[1].listen(80).expect("a free port");
        let client = self.stacks[0].connect(self.now, SocketAddr::new(target, 80)).expect("a connection");
        let (begin, mut sent, mut received, mut server) = (self.now, 0, 0, None);
        let data: Vec<u8> = (0..=250).cycle().take(251 * 64).collect();
        while received < bytes {
            self.step();
            assert!(self.now - begin < 3_600_000_000, "{received} of {bytes} bytes within an hour, {} lost", self.lost);
            let socket = self.stacks[0].tcp(client);
            while socket.can_send() && sent < bytes {
                let from = sent % 251;
                let most = (bytes - sent).min(data.len() - from);
                sent += socket.send_slice(&data[from..from + most]).expect("an open connection");
            }
            server = server.or_else(|| self.stacks[1].accept(80));
            let Some(server) = server else { continue };
            let socket = self.stacks[1].tcp(server);
            while socket.can_recv() {
                received += socket
                    .recv(|bytes| {
                        assert!(bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == (received + at) % 251));
                        (bytes.len(), bytes.len())
                    })
                    .expect("an open connection");
            }
        }
        let took = self.now - begin;
        self.stacks[0].release(client);
        self.stacks[1].release(server.expect("it took bytes"));
        self.stacks[1].stop_listening(80);
        took
    }
}

/// Numbers that look random and are the same each time.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

#[test]
fn a_connection_is_made_used_and_forgotten_over_ipv4_and_ipv6() {
    for target in ["10.0.0.2", "fd00::2"] {
        let mut scene = Scene::new(2800, |_| false);
        scene.transfer(ip(target), 300_000);
        let end = scene.now + 15_000_000;
        while scene.now < end {
            scene.step();
        }
        assert_eq!(scene.stacks.map(|stack| stack.connections()), [0, 0], "{target}");
    }
}

#[test]
fn a_wire_that_loses_one_frame_of_fifty_carries_on() {
    for (seed, mtu) in [(1, 2800), (2, 1400), (3, 1280)] {
        let mut next = random(seed);
        let mut scene = Scene::new(mtu, move |_| next().is_multiple_of(50));
        let took = scene.transfer(ip("10.0.0.2"), 20_000_000);
        assert!(scene.lost > 100, "{} lost", scene.lost);
        assert!(took < 30_000_000, "20 MB took {} ms at an MTU of {mtu}", took / 1000);
    }
}

/// What made transfers stop for good: many losses in one window, which smoltcp makes up for with one second each, then two,
/// four, eight.
#[test]
fn bursts_of_losses_do_not_stop_a_transfer() {
    let mut scene = Scene::new(2800, |number| number % 700 >= 640);
    let took = scene.transfer(ip("fd00::2"), 20_000_000);
    assert!(scene.lost > 500, "{} lost", scene.lost);
    assert!(took < 30_000_000, "20 MB took {} ms", took / 1000);
}

#[test]
fn a_narrow_wire_is_filled_and_not_flooded() {
    // A frame takes 22.4 us at 1 Gbit/s, and 200 may wait.
    let mut scene = Scene::new(2800, |_| false);
    scene.pace = (22, 200);
    let took = scene.transfer(ip("10.0.0.2"), 100_000_000);
    let rate = 100_000_000 * 8 / took;
    assert!(rate > 600, "{rate} Mbit/s of 1000");
    assert!(scene.lost * 50 < scene.frames, "{} of {} frames lost", scene.lost, scene.frames);
}

#[test]
fn a_port_without_a_listener_refuses() {
    let mut scene = Scene::new(2800, |_| false);
    let client = scene.stacks[0].connect(0, SocketAddr::new(ip("10.0.0.2"), 81)).expect("a connection");
    while scene.stacks[0].tcp(client).state() != State::Closed {
        scene.step();
        assert!(scene.now < 1_000_000, "an answer comes at once");
    }
    assert!(scene.stacks[0].was_answered(client));
}

#[test]
fn who_floods_with_handshakes_takes_no_more_than_the_places_of_handshakes() {
    let mut scene = Scene::new(2800, |_| false);
    scene.stacks[1].listen(80).expect("a free port");
    // The first frames of connections whose answers never come back.
    for _ in 0..200 {
        scene.stacks[0].connect(0, SocketAddr::new(ip("10.0.0.2"), 80)).expect("a connection");
    }
    while scene.now < 4_000_000 {
        scene.step();
        scene.flying[0].retain(|(_, frame)| frame[12..14] == [8, 6]);
    }
    assert_eq!(scene.stacks[1].connections(), MOST_HALF_OPEN);
    assert!(scene.stacks[1].counts().no_place >= 100);
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let mut next = random(7);
    let mut scene = Scene::new(2800, |_| false);
    scene.stacks[1].listen(80).expect("a free port");
    let mut frames = Vec::new();
    scene.stacks[0].connect(0, SocketAddr::new(ip("fd00::2"), 80)).expect("a connection");
    for _ in 0..20 {
        scene.step();
        frames.extend(scene.flying.iter().flatten().map(|(_, frame)| frame.clone()));
    }
    for round in 0..20_000 {
        let mut frame = frames[round % frames.len()].clone();
        for _ in 0..1 + next() % 4 {
            let at = next() as usize % frame.len();
            frame[at] = next() as u8;
        }
        frame.truncate(frame.len() - (next() as usize % 8).min(frame.len()));
        scene.stacks[1].handle_frame(scene.now, &frame);
        scene.stacks[1].poll_frames(scene.now, 64, &mut |_| ());
    }
    assert!(scene.stacks[1].connections() <= MOST_CONNECTIONS);
    assert!(scene.stacks[1].counts().bad_checksum > 0);
}

#[test]
fn the_longest_prefix_says_where_an_address_is_reached() {
    let mut stack = Stack::new(Mac([2, 0, 0, 0, 0, 9]), 2800, 9);
    let prefix = |text: &str| -> IpPrefix { text.parse().expect("a prefix") };
    let state = HostState {
        addresses: vec![prefix("10.1.2.3/24"), prefix("fd00::9/64")],
        routes: vec![
            HostRoute::new(prefix("10.1.0.0/16"), None),
            HostRoute::new(prefix("192.168.7.0/24"), Some(ip("10.1.2.1"))),
            HostRoute::new(prefix("172.16.0.0/12"), None),
        ],
        ..HostState::default()
    };
    let (addresses, routes) = stack.set_host(&state);
    assert_eq!(addresses, vec![]);
    assert_eq!(routes, vec![HostRoute::new(prefix("172.16.0.0/12"), None)], "on the link, but of no address");
    assert_eq!(stack.reach(ip("10.1.2.9")), Some(24));
    assert_eq!(stack.reach(ip("10.1.99.9")), Some(16));
    assert_eq!(stack.reach(ip("192.168.7.1")), Some(24));
    assert_eq!(stack.reach(ip("172.16.0.1")), None);
    assert_eq!(stack.reach(ip("fd00::1")), Some(64));
}
