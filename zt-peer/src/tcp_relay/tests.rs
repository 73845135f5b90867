//! A server and what is tried on it.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::ops::ControlFlow;
use std::time::Duration;

use zt_wire::record::{Record, RecordReader};
use zt_wire::tcp_relay::{MAX_BODY, write_datagram, write_greeting};
use zt_wire::{Mono, SoftwareVersion};

use super::{Cause, ClientId, Limits, Server, Verdict};

const ROOT: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::new(44, 1, 1, 1), 9993);

fn t(ms: u64) -> Mono {
    Mono::from_millis(ms)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A packet between two nodes, with a payload of this length.
fn packet(from: u8, to: u8, payload: usize) -> Vec<u8> {
    let mut packet = vec![7; 28 + payload];
    packet[8..13].copy_from_slice(&[to; 5]);
    packet[13..18].copy_from_slice(&[from; 5]);
    packet
}

fn record(to: SocketAddrV4, datagram: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    write_datagram(to, datagram, &mut record).unwrap();
    record
}

/// A server and what clients say to it.
struct Lab {
    server: Server,
    sent: Vec<(SocketAddrV4, usize)>,
    closed: Vec<Cause>,
}

impl Lab {
    fn new(limits: Limits) -> Self {
        Self { server: Server::new(limits), sent: Vec::new(), closed: Vec::new() }
    }

    /// A client that has greeted.
    fn client(&mut self, now: Mono, from: &str) -> ClientId {
        let id = self.server.handle_connection(now, ip(from)).unwrap().id;
        let mut greeting = Vec::new();
        write_greeting(SoftwareVersion::new(1, 14, 1), &mut greeting);
        self.say(now, id, &mut greeting);
        id
    }

    fn say(&mut self, now: Mono, id: ClientId, stream: &mut [u8]) {
        let mut reader = RecordReader::new(MAX_BODY);
        let Self { server, sent, closed } = self;
        let read = reader.take(stream, &mut |record: Record<'_>| match server.handle_record(now, id, record) {
            Verdict::Done => ControlFlow::Continue(()),
            Verdict::Send(to, datagram) => {
                sent.push((to, datagram.len()));
                ControlFlow::Continue(())
            }
            Verdict::Close(cause) => {
                closed.push(cause);
                ControlFlow::Break(())
            }
        });
        assert_eq!(read, Ok(()));
        self.server.handle_inside(now, id, reader.is_inside());
    }

    fn send(&mut self, now: Mono, id: ClientId, to: SocketAddrV4, datagram: &[u8]) -> bool {
        let before = self.sent.len();
        self.say(now, id, &mut record(to, datagram));
        self.sent.len() > before
    }

    fn receive(&mut self, now: Mono, id: ClientId, from: SocketAddrV4, datagram: &[u8]) -> bool {
        self.server.handle_datagram(now, id, from.into(), datagram, datagram.len() + 12)
    }

    fn count(&self, cause: Cause) -> u64 {
        self.server.counts().of(cause)
    }
}

#[test]
fn who_answers_the_protocol_is_sent_to_and_nobody_else() {
    let mut lab = Lab::new(Limits::default());
    let id = lab.client(t(0), "10.0.0.1");
    let sent = (0..100).filter(|_| lab.send(t(0), id, ROOT, &packet(1, 9, 100))).count();
    assert_eq!((sent, lab.count(Cause::Unanswered)), (8, 92), "enough to find out");
    // An echo, an answer for somebody else, and one from somebody else.
    for (from, to) in [(1, 9), (9, 2), (8, 1)] {
        let passed = lab.receive(t(10), id, ROOT, &packet(from, to, 100));
        assert_eq!(passed, to == 1, "what is for the client is passed on all the same");
        assert!(!lab.send(t(10), id, ROOT, &packet(1, 9, 100)), "no answer: {from} to {to}");
    }
    assert!(lab.receive(t(20), id, ROOT, &packet(9, 1, 100)));
    let sent = (0..1000).filter(|_| lab.send(t(20), id, ROOT, &packet(1, 5, 1000))).count();
    assert_eq!(sent, 1000, "an answer");
    assert!(lab.send(t(120_000), id, ROOT, &packet(1, 5, 1000)), "heard lately");
    for _ in 0..8 {
        lab.send(t(120_021), id, ROOT, &packet(1, 5, 1000));
    }
    assert!(!lab.send(t(120_021), id, ROOT, &packet(1, 5, 1000)), "not heard any more");
}

#[test]
fn many_clients_together_send_no_more_to_who_does_not_answer() {
    let mut lab = Lab::new(Limits::default());
    let clients: Vec<ClientId> = (0..200).map(|n| lab.client(t(0), &format!("10.0.{n}.1"))).collect();
    let victim = |port| SocketAddrV4::new([8, 8, 8, 8].into(), port);
    let mut sent = 0;
    for (at, id) in clients.iter().enumerate() {
        sent += (0..8).filter(|n| lab.send(t(0), *id, victim(2000 + n), &packet(at as u8, 9, 100))).count();
    }
    assert_eq!(sent, 64);
    // A root that answered one of them is no victim: all may come at once, as after a restart of the server.
    assert!(lab.send(t(0), clients[0], ROOT, &packet(0, 9, 100)));
    assert!(lab.receive(t(1), clients[0], ROOT, &packet(9, 0, 100)));
    assert!(clients.iter().enumerate().all(|(at, id)| lab.send(t(1), *id, ROOT, &packet(at as u8, 9, 100))));
}

#[test]
fn what_is_not_of_the_protocol_or_goes_where_nothing_may_is_dropped_with_a_name() {
    let mut lab = Lab::new(Limits { allowed: vec!["10.9.0.0/16".parse().unwrap()], ..Limits::default() });
    let id = lab.client(t(0), "10.0.0.1");
    let whole = packet(1, 9, 40);
    let to = |text: &str| text.parse::<SocketAddrV4>().unwrap();
    for private in ["10.0.0.1:9993", "127.0.0.1:9993", "169.254.169.254:8080", "192.168.1.1:9993", "224.0.0.1:9993"] {
        assert!(!lab.send(t(0), id, to(private), &whole), "{private}");
    }
    assert_eq!(lab.count(Cause::ForbiddenAddress), 5);
    assert!(lab.send(t(0), id, to("10.9.1.1:9993"), &whole), "allowed");
    assert!(!lab.send(t(0), id, to("44.1.1.1:1024"), &whole) && !lab.send(t(0), id, to("44.1.1.1:53"), &whole));
    assert_eq!(lab.count(Cause::LowPort), 2);
    assert!(!lab.send(t(0), id, ROOT, &whole[..15]) && !lab.send(t(0), id, ROOT, &[]));
    assert_eq!(lab.count(Cause::TooShort), 2);
    assert!(!lab.send(t(0), id, ROOT, &whole[..27]) && !lab.send(t(0), id, ROOT, b"GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(lab.count(Cause::NotAPacket), 2);
    lab.say(t(0), id, &mut zt_wire::record::header(0));
    lab.say(t(0), id, &mut [0x17, 3, 3, 0, 5, 4, 1, 2, 3, 4]);
    assert_eq!(lab.count(Cause::BadLength), 2);
    let mut other = record(ROOT, &whole);
    other[5] = 6;
    lab.say(t(0), id, &mut other);
    assert_eq!(lab.count(Cause::AddressType), 1);
    let mut long = zt_wire::record::header(65_535).to_vec();
    long.resize(5 + 65_535, 4);
    lab.say(t(0), id, &mut long);
    assert_eq!(lab.count(Cause::TooLong), 1);
    let from = "10.0.0.9:9993".parse::<SocketAddr>().unwrap();
    assert!(!lab.server.handle_datagram(t(0), id, from, &packet(9, 1, 40), 80), "nor comes anything from there");
    assert!(!lab.receive(t(0), id, ROOT, &packet(9, 2, 40)));
    assert_eq!(lab.count(Cause::Uninvited), 1);
    assert!(lab.closed.is_empty(), "all that is no reason to close");
}

#[test]
fn who_does_not_greet_is_closed_and_gives_way() {
    let mut lab = Lab::new(Limits { clients: 40, clients_per_source: 40, ..Limits::default() });
    let id = lab.server.handle_connection(t(0), ip("10.0.0.1")).unwrap().id;
    lab.say(t(0), id, &mut record(ROOT, &packet(1, 9, 40)));
    assert_eq!(lab.closed, [Cause::NoGreeting]);
    lab.server.handle_closed(id);
    let greeted: Vec<ClientId> = (0..20).map(|_| lab.client(t(0), "10.0.0.2")).collect();
    // A flood of connections that say nothing.
    let mut gone = 0;
    for n in 0..10_000_u32 {
        let from = format!("10.{}.{}.{}", 1 + (n >> 16), (n >> 8) & 255, n & 255);
        let admitted = lab.server.handle_connection(t(1), ip(&from)).unwrap();
        assert!(admitted.instead_of.is_none_or(|id| !greeted.contains(&id)));
        gone += u64::from(admitted.instead_of.is_some());
    }
    assert_eq!((lab.server.len(), gone, lab.count(Cause::GaveWay)), (30, 9990, 9990));
    let id = lab.client(t(2), "10.0.0.3");
    assert!(lab.send(t(2), id, ROOT, &packet(1, 9, 40)), "a newcomer gets in");
    let mut late = 0;
    while let Some((id, cause)) = lab.server.poll_close(t(10_001)) {
        assert!(cause == Cause::LateGreeting && !greeted.contains(&id));
        late += 1;
    }
    assert_eq!((late, lab.server.len()), (9, 21), "one gave way to the newcomer");
}

#[test]
fn one_source_takes_no_places_from_others() {
    let mut lab = Lab::new(Limits { clients: 1000, clients_per_source: 4, ..Limits::default() });
    for _ in 0..4 {
        lab.client(t(0), "2001:db8::1");
    }
    assert_eq!(lab.server.handle_connection(t(0), ip("2001:db8::ffff")), Err(Cause::SourceFull), "the same /64");
    lab.client(t(0), "2001:db8:0:1::1");
    let id = lab.server.handle_connection(t(0), ip("10.0.0.1")).unwrap().id;
    lab.server.handle_closed(id);
    let taken = (0..100).filter(|_| {
        let admitted = lab.server.handle_connection(t(0), ip("10.0.0.1"));
        admitted.is_ok_and(|admitted| {
            lab.server.handle_closed(admitted.id);
            true
        })
    });
    assert_eq!(taken.count(), 3, "nor connects it again and again");
    assert_eq!(lab.count(Cause::SourcePace), 97);
    lab.client(t(500), "10.0.0.1");
}

#[test]
fn a_full_server_refuses_and_has_places_again() {
    let mut lab = Lab::new(Limits { clients: 3, ..Limits::default() });
    let ids: Vec<ClientId> = (0..3).map(|n| lab.client(t(0), &format!("10.0.0.{n}"))).collect();
    assert_eq!(lab.server.handle_connection(t(1), ip("10.0.1.1")), Err(Cause::Full));
    lab.server.handle_closed(ids[0]);
    lab.client(t(2), "10.0.1.1");
    assert_eq!((lab.server.len(), lab.count(Cause::Full)), (3, 1));
}

#[test]
fn a_slow_reader_loses_its_own_packets_and_is_closed() {
    let limits = Limits { queue: 10_000, memory: 15_000, rate: 0, ..Limits::default() };
    let mut lab = Lab::new(limits);
    let ids: Vec<ClientId> = (1..4).map(|n| lab.client(t(0), &format!("10.0.0.{n}"))).collect();
    for id in &ids {
        lab.send(t(0), *id, ROOT, &packet(1, 9, 100));
    }
    let pass =
        |lab: &mut Lab, at: usize| (0..20).filter(|_| lab.receive(t(10), ids[at], ROOT, &packet(9, 1, 972))).count();
    assert_eq!((pass(&mut lab, 0), lab.count(Cause::SlowClient)), (9, 11));
    assert_eq!((pass(&mut lab, 1), lab.count(Cause::MemoryFull)), (5, 15));
    assert_eq!(lab.server.queued(), 14 * 1012);
    lab.server.handle_written(t(20), ids[1], 5 * 1012);
    assert_eq!(pass(&mut lab, 2), 5, "there is room again");
    assert_eq!((lab.server.poll_close(t(10_000)), lab.server.deadline()), (None, Some(t(30_010))));
    lab.server.handle_written(t(20_000), ids[2], 1);
    assert_eq!(lab.server.poll_close(t(30_010)), Some((ids[0], Cause::Stalled)));
    assert_eq!(lab.server.poll_close(t(30_010)), None, "the others move");
    assert_eq!(lab.server.queued(), 5 * 1012 - 1);
}

#[test]
fn a_record_that_does_not_end_and_a_connection_without_traffic_are_closed() {
    let mut lab = Lab::new(Limits::default());
    let cut = lab.client(t(0), "10.0.0.1");
    let idle = lab.client(t(0), "10.0.0.2");
    let busy = lab.client(t(0), "10.0.0.3");
    let mut stream = record(ROOT, &packet(1, 9, 100));
    lab.say(t(1000), cut, &mut stream[..20]);
    lab.server.handle_inside(t(20_000), cut, true);
    assert_eq!(lab.server.poll_close(t(30_999)), None);
    assert_eq!(lab.server.poll_close(t(31_000)), Some((cut, Cause::CutRecord)), "however slowly more comes");
    assert!(lab.send(t(290_000), busy, ROOT, &packet(1, 9, 100)));
    assert_eq!(lab.server.poll_close(t(299_999)), None);
    assert_eq!(lab.server.poll_close(t(300_000)), Some((idle, Cause::Idle)));
    assert_eq!((lab.server.poll_close(t(300_000)), lab.server.deadline()), (None, Some(t(590_000))));
}

#[test]
fn a_source_sends_and_receives_no_more_than_its_rate() {
    let mut lab = Lab::new(Limits { rate: 100_000, ..Limits::default() });
    let ids = [lab.client(t(0), "10.0.0.1"), lab.client(t(0), "10.0.0.1"), lab.client(t(0), "10.0.0.2")];
    for id in ids {
        assert!(lab.send(t(0), id, ROOT, &packet(1, 9, 100)));
        assert!(lab.receive(t(0), id, ROOT, &packet(9, 1, 100)));
    }
    let (mut of_one, mut of_other) = (0, 0);
    for ms in 0..10_000 {
        let bytes = 972 + 28;
        of_one += [ids[0], ids[1]].iter().filter(|id| lab.send(t(ms), **id, ROOT, &packet(1, 9, 972))).count() * bytes;
        of_other += usize::from(lab.receive(t(ms), ids[2], ROOT, &packet(9, 1, 972))) * bytes;
        lab.server.handle_written(t(ms), ids[2], 2000);
    }
    for bytes in [of_one, of_other] {
        assert!((980_000..1_040_000).contains(&bytes), "ten seconds and what may be saved: {bytes}");
    }
}

#[test]
fn tables_stay_bounded_whatever_a_client_sends() {
    let mut lab = Lab::new(Limits::default());
    let id = lab.client(t(0), "10.0.0.1");
    for n in 0..2000_u32 {
        let to = SocketAddrV4::new((0x0808_0000 + n).into(), 2000);
        lab.send(t(u64::from(n) * 200), id, to, &packet(n as u8, 9, 40));
    }
    assert_eq!(lab.server.endpoints_of(id), (512, 0));
    let now = t(4_000_000);
    for n in 0..600_u32 {
        let (now, to) =
            (now + Duration::from_millis(200 * u64::from(n)), SocketAddrV4::new((0x0909_0000 + n).into(), 2000));
        lab.send(now, id, to, &packet(1, 9, 40));
        lab.receive(now, id, to, &packet(9, 1, 40));
    }
    let (known, answering) = lab.server.endpoints_of(id);
    assert!(known == 512 && answering > 400, "those that answer stay: {answering}");
}
