use super::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use zt_wire::Mac;

/// A link in memory, shared with the test.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Datagrams that it takes before it is full.
    room: usize,
    is_dead: bool,
    sent: Vec<Vec<u8>>,
    ttl: Option<u8>,
    /// Datagrams to this remote are refused.
    refuses: Option<Endpoint>,
}

impl Fake {
    fn with_room(room: usize) -> Self {
        let fake = Self::default();
        fake.state().room = room;
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic inside")
    }

    /// The first byte of everything that was sent.
    fn sent(&self) -> Vec<u8> {
        self.state().sent.iter().map(|bytes| bytes[0]).collect()
    }
}

impl LinkIo for Fake {
    fn poll_receive(
        &mut self,
        _cx: &mut Context<'_>,
        _buffer: &mut [u8],
        _each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        if self.state().is_dead { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Pending }
    }

    fn poll_send(&mut self, _now: Mono, _cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        let mut state = self.state();
        if state.is_dead {
            return Poll::Ready(Err(SendError::Ended(io::ErrorKind::BrokenPipe.into())));
        }
        if state.refuses == Some(train.remote) {
            return Poll::Ready(Err(SendError::Unsent { datagrams: 1, cause: Unsent::NoRoute }));
        }
        let count = state.room.min(train.count());
        if count == 0 {
            return Poll::Pending;
        }
        state.room -= count;
        state.ttl = train.ttl;
        state.sent.extend(train.datagrams().take(count).map(<[u8]>::to_vec));
        Poll::Ready(Ok(count))
    }
}

/// Links that are given one after the other.
struct Given(VecDeque<NewLink>);

impl LinkSource for Given {
    fn poll_link(&mut self, _cx: &mut Context<'_>) -> Poll<NewLink> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn v4(last: u8) -> Endpoint {
    Endpoint::Ip(SocketAddr::from(([192, 0, 2, last], 9993)))
}

fn new_link(io: &Fake) -> NewLink {
    let (kind, role, local) = (LinkKind::TcpOut, LinkRole::Full, v4(1));
    NewLink { kind, rank: 0, role, local, mtu: 0, io: Box::new(io.clone()) }
}

fn opened(news: Vec<NewLink>) -> Links {
    let mut links = Links::new(vec![Box::new(Given(news.into()))], UdpOffloads::default());
    while links.poll_opened(&mut cx()).is_ready() {}
    links
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn train(link: u32, bytes: &[u8], segment: usize) -> Train<'_> {
    let path = Path { link: LinkId(link), remote: v4(2) };
    let segments = bytes.len().div_ceil(segment);
    let (ttl, spam, dont_fragment) = (None, false, false);
    Train { path, bytes, segment_size: segment, ttl, spam, dont_fragment, lane: Lane::USUAL, segments, packets: 1 }
}

fn send(links: &mut Links, train: &Train<'_>) {
    links.send(Mono::ZERO, &mut cx(), train, Share::Frames);
}

fn unsent(links: &Links) -> Vec<(String, u64)> {
    links.unsent().iter().map(|(reason, count)| (reason.to_string(), count)).collect()
}

#[test]
fn a_full_link_stops_no_other() {
    let (full, free) = (Fake::with_room(2), Fake::with_room(usize::MAX));
    let mut links = opened(vec![new_link(&full), new_link(&free)]);
    let mut bytes = vec![0; 10 * 1000];
    for round in 0..100 {
        bytes.chunks_mut(1000).for_each(|datagram| datagram[0] = round);
        send(&mut links, &train(1, &bytes, 1000));
        send(&mut links, &train(2, &bytes, 1000));
        assert_eq!(free.sent().len(), 10 * (usize::from(round) + 1), "at once, whatever the other does");
    }
    // What waits is bounded, and what found no room is counted.
    let waiting = links.open[0].queue.len();
    assert_eq!(unsent(&links), [("link-queue-full".to_owned(), 1000 - 2 - waiting as u64)]);
    assert_eq!(full.sent().len(), 2);
    // It takes some again, in order, and then the rest.
    full.state().room = 5;
    links.send_waiting(Mono::ZERO, &mut cx());
    assert_eq!(full.sent(), [0; 7]);
    full.state().room = usize::MAX;
    links.send_waiting(Mono::ZERO, &mut cx());
    assert_eq!(full.sent().len(), 2 + waiting);
    assert!(full.sent().is_sorted(), "in the order in which they were decided");
    send(&mut links, &train(1, &[200; 100], 100));
    assert_eq!(full.sent().last(), Some(&200), "at once again");
    assert_eq!(links.traffic().datagrams_out as usize, full.sent().len() + free.sent().len());
}

#[test]
fn frames_leave_room_for_what_keeps_paths_alive() {
    let mut links = opened(vec![new_link(&Fake::with_room(0))]);
    let bytes = vec![1; 60_000];
    (0..100).for_each(|_| send(&mut links, &train(1, &bytes, 1000)));
    let before = (links.open[0].queue.len(), unsent(&links));
    links.send(Mono::ZERO, &mut cx(), &train(1, &bytes[..200], 200), Share::All);
    assert_eq!((links.open[0].queue.len(), unsent(&links)), (before.0 + 1, before.1));
}

#[test]
fn a_dead_link_stops_no_other() {
    let (dying, free) = (Fake::with_room(1), Fake::with_room(usize::MAX));
    let mut links = opened(vec![new_link(&dying), new_link(&free)]);
    send(&mut links, &train(1, &[1; 50], 10));
    dying.state().is_dead = true;
    links.send_waiting(Mono::ZERO, &mut cx());
    send(&mut links, &train(1, &[2; 30], 10));
    send(&mut links, &train(2, &[3; 30], 10));
    assert_eq!(free.sent(), [3; 3]);
    let ended = links.take_ended().expect("it died");
    assert_eq!((ended.link.id, ended.error.kind()), (LinkId(1), io::ErrorKind::BrokenPipe));
    assert!(links.take_ended().is_none(), "told once");
    assert_eq!(Arc::strong_count(&dying.0), 1, "it is dropped");
    send(&mut links, &train(1, &[4; 20], 10));
    assert_eq!(unsent(&links), [("link-gone".to_owned(), 7), ("no-link".to_owned(), 2)]);
}

#[test]
fn a_link_that_dies_where_it_is_read_is_told() {
    let dying = Fake::with_room(0);
    let mut links = opened(vec![new_link(&dying)]);
    send(&mut links, &train(1, &[1; 20], 10));
    assert!(!links.poll_receive(&mut cx(), Whose::Sources, |_, _| {}));
    dying.state().is_dead = true;
    links.begin_turn();
    assert!(links.poll_receive(&mut cx(), Whose::Sources, |_, _| {}));
    assert!(links.take_ended().is_some());
    assert_eq!(unsent(&links), [("link-gone".to_owned(), 2)]);
}

#[test]
fn a_datagram_that_cannot_be_sent_costs_no_other() {
    let fake = Fake::with_room(usize::MAX);
    fake.state().refuses = Some(v4(9));
    let mut links = opened(vec![new_link(&fake)]);
    let lost = Train { path: Path { link: LinkId(1), remote: v4(9) }, ..train(1, &[1; 20], 10) };
    send(&mut links, &lost);
    send(&mut links, &Train { ttl: Some(2), ..train(1, &[2; 10], 10) });
    assert_eq!((fake.sent(), fake.state().ttl), (vec![2], Some(2)));
    assert_eq!(unsent(&links), [("send-no-route".to_owned(), 2)]);
}

#[test]
fn spam_leaves_by_every_link_up_to_its_rank() {
    let fakes: Vec<Fake> = (0..6).map(|_| Fake::with_room(usize::MAX)).collect();
    let new = |at: usize, rank, role, local| NewLink { rank, role, local, ..new_link(&fakes[at]) };
    let mac = Endpoint::Mac(Mac([2, 0, 0, 0, 0, 1]));
    let mut links = opened(vec![
        new(0, 0, LinkRole::Full, v4(1)),
        new(1, 1, LinkRole::Full, v4(1)),
        new(2, 2, LinkRole::Full, v4(1)),
        new(3, 0, LinkRole::AnswerOnly, v4(1)),
        new(4, -1, LinkRole::Wildcard, v4(1)),
        new(5, 0, LinkRole::Full, mac),
    ]);
    send(&mut links, &Train { spam: true, ..train(2, &[7; 10], 10) });
    let sent: Vec<_> = fakes.iter().map(|fake| fake.sent().len()).collect();
    assert_eq!(sent, [1, 1, 0, 0, 1, 0]);
    // A full one among them waits alone.
    fakes[0].state().room = 0;
    send(&mut links, &Train { spam: true, ..train(2, &[8; 10], 10) });
    let sent: Vec<_> = fakes.iter().map(|fake| fake.sent().len()).collect();
    assert_eq!(sent, [1, 2, 0, 0, 2, 0]);
}

#[test]
fn a_source_has_only_so_many_links_open() {
    let fakes: Vec<Fake> = (0..MOST_OF_A_SOURCE + 1).map(|_| Fake::default()).collect();
    let mut links = opened(fakes.iter().map(new_link).collect());
    assert_eq!(links.open.len(), MOST_OF_A_SOURCE);
    fakes[3].state().is_dead = true;
    links.poll_receive(&mut cx(), Whose::Sources, |_, _| {});
    assert_eq!(links.take_ended().map(|ended| ended.link.id), Some(LinkId(4)));
    let Poll::Ready(link) = links.poll_opened(&mut cx()) else { panic!("a place is free") };
    assert_eq!(link.id, LinkId(MOST_OF_A_SOURCE as u32 + 1), "numbers are not used again");
}

#[tokio::test]
async fn trains_of_one_socket_leave_in_order_and_are_counted() {
    let receivers = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let mut links = Links::new(Vec::new(), UdpOffloads::default());
    let link = links.bind("127.0.0.1:0".parse().expect("an address"), None).expect("a socket").id;
    let bytes: Vec<u8> = (0..200).collect();
    // More than one call takes, to both in turn, with one by a link that is not there among them.
    let trains: Vec<Train<'_>> = (0..70)
        .map(|at| {
            let remote = Endpoint::Ip(receivers[at % 2].local_addr().expect("bound"));
            let link = if at == 40 { LinkId(99) } else { link };
            Train { path: Path { link, remote }, ..train(0, &bytes[at..at + 30], 20) }
        })
        .collect();
    // A new socket is not known to be writable before it was waited for: what came before waits.
    links.send_all(Mono::ZERO, &mut cx(), Share::Frames, trains.iter().take(3).copied());
    while links.traffic().datagrams_out < 6 {
        tokio::task::yield_now().await;
        links.send_waiting(Mono::ZERO, &mut cx());
    }
    links.send_all(Mono::ZERO, &mut cx(), Share::Frames, trains.iter().skip(3).copied());
    assert_eq!((links.traffic().datagrams_out, links.traffic().bytes_out), (2 * 69, 30 * 69));
    assert_eq!(unsent(&links), [("no-link".to_owned(), 2)]);
    for (at, train) in trains.iter().enumerate().filter(|(at, _)| *at != 40) {
        for datagram in train.bytes.chunks(20) {
            let mut buffer = [0; 100];
            receivers[at % 2].set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let length = receivers[at % 2].recv(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..length], datagram, "train {at}");
        }
    }
}
