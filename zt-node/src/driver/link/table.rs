//! All links of a node, each with what waits for it.

use super::queue::Queue;
use super::udp::{self, UdpLink, UdpOffloads};
use super::{LinkIo, LinkSource, NewLink, Outgoing, Received, SendError, Share, UnsentCounts};
use crate::driver::ready::{Knock, ReadySet};
use crate::driver::trace;
use crate::status::{Traffic, UdpOffloadStatus, Unsent};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path, Train};
use zt_tap::{HostView, InterfaceFilter, LocalAddress};
use zt_wire::Lane;
use zt_wire::time::Mono;

/// Open links of one source: who connects to us takes no more memory than that.
const MOST_OF_A_SOURCE: usize = 64;
/// Who says nothing for so long may have lost its connections: to NATs on the way, or at the other end.
const CONNECTIONS_DIE: Duration = Duration::from_secs(30);
/// Trains that are tried in one call.
const TOGETHER: usize = 32;
/// Of the room that links share to receive in, what others than UDP sockets use.
const SOURCED: usize = 512 << 10;

/// All links of a node.
pub(in crate::driver) struct Links {
    open: Vec<OpenLink>,
    next: u32,
    udp_offloads: UdpOffloads,
    /// That buffers of sockets are small is said once.
    told_of_buffers: bool,
    sources: Vec<Box<dyn LinkSource>>,
    /// What the sources were told.
    locals: Vec<LocalAddress>,
    buffer: Box<[u8]>,
    /// Something waits in a queue.
    is_backlogged: bool,
    /// The links of sources, which are few.
    sourced: Vec<LinkId>,
    /// UDP sockets that were woken: a host may have hundreds, and one or two that have something.
    ready: Arc<ReadySet>,
    /// UDP sockets to be looked at in the next round.
    due: Vec<LinkId>,
    /// Links of sources to be looked at in the next round.
    due_sourced: Vec<LinkId>,
    tally: Tally,
}

/// Which links are looked at.
#[derive(Clone, Copy)]
pub(in crate::driver) enum Whose {
    /// UDP sockets of ours.
    Sockets,
    /// Those of sources.
    Sources,
}

/// What sending and receiving count and learn.
#[derive(Default)]
struct Tally {
    traffic: Traffic,
    unsent: UnsentCounts,
    narrow: Vec<(Path, u16)>,
    moved: Vec<Link>,
    /// A link has ended, and that is not told yet.
    has_ended: bool,
}

/// A link, and what waits for it.
struct OpenLink {
    line: Line,
    queue: Queue,
    /// Number of the source that opened it.
    source: Option<usize>,
}

/// A link and what carries it.
struct Line {
    link: Link,
    io: Io,
    /// Why it ended, until that is told.
    ended: Option<io::Error>,
}

/// The kinds of links.
enum Io {
    /// A UDP socket of ours: it comes and goes with the addresses of this host. With what wakes it.
    Udp(Box<UdpLink>, Bell),
    /// From a source.
    Sourced(Box<dyn LinkIo>),
}

/// What wakes a socket, and nothing else.
struct Bell {
    knock: Arc<Knock>,
    waker: Waker,
}

/// A link that is no more.
pub(in crate::driver) struct Ended {
    pub(in crate::driver) link: Link,
    pub(in crate::driver) error: io::Error,
}

impl Io {
    fn io(&mut self) -> &mut dyn LinkIo {
        match self {
            Self::Udp(udp, _) => udp.as_mut(),
            Self::Sourced(io) => io.as_mut(),
        }
    }

    /// As [`LinkIo::poll_receive`], with what came together, where that is known; a socket wakes the task with its own waker.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        all: &mut dyn FnMut(&mut [Received<'_>]),
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(udp, Bell { knock, waker }) => {
                knock.look();
                udp.poll_receive_together(&mut Context::from_waker(waker), buffer, all)
            }
            Self::Sourced(io) => io.poll_receive(cx, &mut buffer[..SOURCED], &mut |one| all(&mut [one])),
        }
    }

    fn udp(&self) -> Option<&UdpLink> {
        match self {
            Self::Udp(udp, _) => Some(udp),
            Self::Sourced(_) => None,
        }
    }
}

impl Bell {
    /// Of a new socket, which is to be looked at.
    fn new(link: LinkId, ready: &Arc<ReadySet>) -> Self {
        let knock = Knock::new(link.0 as usize, ready);
        let waker = Waker::from(Arc::clone(&knock));
        waker.wake_by_ref();
        Self { knock, waker }
    }
}

impl Links {
    pub(in crate::driver) fn new(sources: Vec<Box<dyn LinkSource>>, udp_offloads: UdpOffloads) -> Self {
        Self {
            open: Vec::new(),
            next: 1,
            udp_offloads,
            told_of_buffers: false,
            sources,
            locals: Vec::new(),
            buffer: vec![0; udp::BUFFER].into_boxed_slice(),
            is_backlogged: false,
            sourced: Vec::new(),
            ready: Arc::default(),
            due: Vec::new(),
            due_sourced: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Datagrams and bytes since start.
    pub(in crate::driver) fn traffic(&self) -> Traffic {
        self.tally.traffic
    }

    /// Datagrams that did not leave.
    pub(in crate::driver) fn unsent(&self) -> UnsentCounts {
        self.tally.unsent
    }

    /// What all UDP sockets have of the kernel; `None` when there is none.
    pub(in crate::driver) fn udp_offload(&self, now: Mono) -> Option<UdpOffloadStatus> {
        self.udp().next()?;
        let buffers = self.udp().filter_map(UdpLink::buffers);
        let [receive_buffer, send_buffer] = buffers.fold([usize::MAX; 2], |[a, b], [c, d]| [a.min(c), b.min(d)]);
        Some(UdpOffloadStatus {
            level: UdpOffloads {
                send: self.udp().all(|socket| socket.offloads().send),
                receive: self.udp().all(|socket| socket.offloads().receive),
            }
            .name(),
            refusing: self.udp().map(|socket| socket.refusing(now)).sum(),
            receive_buffer,
            send_buffer,
        })
    }

    /// The UDP sockets.
    pub(in crate::driver) fn udp(&self) -> impl Iterator<Item = &UdpLink> {
        self.open.iter().filter_map(|open| open.line.io.udp())
    }

    /// The UDP sockets that are tied to some interfaces, by number.
    pub(in crate::driver) fn on_interfaces(&self, interfaces: &BTreeSet<u32>) -> Vec<Link> {
        let is_on = |open: &&OpenLink| {
            let tied = open.line.io.udp().and_then(|udp| udp.interface.as_ref());
            tied.is_some_and(|interface| interfaces.contains(&interface.index))
        };
        self.open.iter().filter(is_on).map(|open| open.line.link).collect()
    }

    /// Binds a UDP socket.
    pub(in crate::driver) fn bind(&mut self, local: SocketAddr, interface: Option<LocalAddress>) -> io::Result<Link> {
        let udp = UdpLink::bind(local, interface, self.udp_offloads)?;
        if let Some([receive, send]) = udp.small_buffers().filter(|_| !self.told_of_buffers) {
            self.told_of_buffers = true;
            tracing::info!(
                receive,
                send,
                "buffers of UDP sockets are small, so bursts are lost; raise net.core.rmem_max and net.core.wmem_max to 4194304, \
                 or permit CAP_NET_ADMIN"
            );
        }
        let (local, mtu) = (Endpoint::Ip(udp.local), udp.mtu());
        let link = Link { id: self.next_id(), kind: LinkKind::Udp, rank: 0, role: LinkRole::Full, local, mtu };
        let bell = Bell::new(link.id, &self.ready);
        self.insert(link, Io::Udp(Box::new(udp), bell), None);
        Ok(link)
    }

    /// Notes what became of the interface of a UDP socket. The link, if it is another by that.
    pub(in crate::driver) fn set_interface(&mut self, local: SocketAddr, interface: &LocalAddress) -> Option<Link> {
        for Line { link, io, .. } in self.open.iter_mut().map(|open| &mut open.line) {
            if let Io::Udp(udp, _) = io
                && udp.local == local
                && udp.interface.as_ref() != Some(interface)
            {
                udp.set_interface(interface.clone());
                let before = std::mem::replace(&mut link.mtu, udp.mtu());
                return (link.mtu != before).then_some(*link);
            }
        }
        None
    }

    /// Closes the UDP sockets that are not to stay.
    pub(in crate::driver) fn close_udp(&mut self, mut stays: impl FnMut(&UdpLink) -> bool) -> Vec<Link> {
        let mut closed = Vec::new();
        for at in (0..self.open.len()).rev() {
            if self.open[at].line.io.udp().is_some_and(|udp| !stays(udp)) {
                closed.push(self.remove(at).link);
            }
        }
        closed.reverse();
        closed
    }

    /// The next link that a source has opened.
    pub(in crate::driver) fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<Link> {
        for number in 0..self.sources.len() {
            let of_it = self.open.iter().filter(|open| open.source == Some(number)).count();
            if of_it < MOST_OF_A_SOURCE
                && let Poll::Ready(new) = self.sources[number].poll_link(cx)
            {
                let NewLink { kind, rank, role, local, mtu, io } = new;
                let link = Link { id: self.next_id(), kind, rank, role, local, mtu };
                self.sourced.push(link.id);
                self.due_sourced.push(link.id);
                self.insert(link, Io::Sourced(io), Some(number));
                return Poll::Ready(link);
            }
        }
        Poll::Pending
    }

    /// A link that has ended, once.
    pub(in crate::driver) fn take_ended(&mut self) -> Option<Ended> {
        if !self.tally.has_ended {
            return None;
        }
        let Some(at) = self.open.iter().position(|open| open.line.ended.is_some()) else {
            self.tally.has_ended = false;
            return None;
        };
        let Line { link, ended, .. } = self.remove(at);
        Some(Ended { link, error: ended? })
    }

    /// A path whose connection has ended, once.
    pub(in crate::driver) fn take_path_down(&mut self) -> Option<Path> {
        for at in 0..self.sourced.len() {
            let link = self.sourced[at];
            if let Some(remote) = self.line(link).and_then(|line| line.io.io().take_path_down()) {
                return Some(Path { link, remote });
            }
        }
        None
    }

    /// Paths that take no datagrams above a size: learnt since the last call.
    pub(in crate::driver) fn take_path_mtus(&mut self) -> Vec<(Path, u16)> {
        std::mem::take(&mut self.tally.narrow)
    }

    /// Links by which others see us elsewhere: since the last call.
    pub(in crate::driver) fn take_moved(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.tally.moved)
    }

    /// Tells the sources by which addresses of this host others are reached, when they are others than before.
    pub(in crate::driver) fn set_locals(&mut self, locals: Vec<LocalAddress>) {
        if self.locals != locals {
            self.sources.iter_mut().for_each(|source| source.handle_locals(&locals));
            self.locals = locals;
        }
    }

    /// Tells the sources what the host has.
    pub(in crate::driver) fn set_host(&mut self, host: &HostView, filter: &InterfaceFilter) {
        self.sources.iter_mut().for_each(|source| source.handle_host(host, filter));
    }

    /// The interface of the host that carries a link of a source.
    pub(in crate::driver) fn interface(&self, link: LinkId) -> Option<&str> {
        match &self.open[self.place(link)?].line.io {
            Io::Sourced(io) => io.interface(),
            Io::Udp(..) => None,
        }
    }

    /// Tells the sources the level of desperation.
    pub(in crate::driver) fn set_level(&mut self, level: i32) {
        self.sources.iter_mut().for_each(|source| source.handle_level(level));
    }

    /// The host slept, or the process was stopped. What waits in UDP sockets is of another time: it is thrown away, and counted in
    /// reads. Answers to questions of long ago would take the place of those that are asked now.
    pub(in crate::driver) fn resume(&mut self, time: Duration) -> usize {
        let Self { open, buffer, .. } = self;
        let mut discarded = 0;
        for open in open {
            match &mut open.line.io {
                Io::Udp(udp, _) => discarded += udp.discard(buffer),
                Io::Sourced(io) if time >= CONNECTIONS_DIE => io.handle_resume(),
                Io::Sourced(_) => {}
            }
        }
        discarded
    }

    /// A new turn: links of sources are looked at, woken or not. What they are told by others wakes nobody.
    pub(in crate::driver) fn begin_turn(&mut self) {
        self.due_sourced.clone_from(&self.sourced);
    }

    /// Receives by links that are due, those sockets among them that were woken; true when there was something.
    pub(in crate::driver) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        whose: Whose,
        mut all: impl FnMut(LinkId, &mut [Received<'_>]),
    ) -> bool {
        let mut due = std::mem::take(self.due_of(whose));
        if let Whose::Sockets = whose {
            self.ready.take(cx.waker(), |key| due.extend(u32::try_from(key).map(LinkId)));
        }
        due.retain(|link| self.receive(cx, *link, &mut all));
        let progress = !due.is_empty();
        *self.due_of(whose) = due;
        progress
    }

    const fn due_of(&mut self, whose: Whose) -> &mut Vec<LinkId> {
        match whose {
            Whose::Sockets => &mut self.due,
            Whose::Sources => &mut self.due_sourced,
        }
    }

    /// Receives by one link; true when there was something, and may be more.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        link: LinkId,
        all: &mut impl FnMut(LinkId, &mut [Received<'_>]),
    ) -> bool {
        let Some(at) = self.place(link) else { return false };
        let Line { link, io, ended } = &mut self.open[at].line;
        if ended.is_some() {
            return false;
        }
        let traffic = &mut self.tally.traffic;
        let mut take = |together: &mut [Received<'_>]| {
            for received in together.iter_mut() {
                received.stride = received.stride.max(1);
                traffic.datagrams_in += received.bytes.len().div_ceil(received.stride) as u64;
                traffic.came(link.kind, received.bytes.len() as u64);
                trace::datagrams("in", link.local, received.remote, received.bytes, received.stride);
            }
            all(link.id, together);
        };
        match io.poll_receive(cx, &mut self.buffer, &mut take) {
            Poll::Ready(result) => {
                *ended = result.err();
                self.tally.has_ended |= ended.is_some();
                true
            }
            Poll::Pending => false,
        }
    }

    /// The most datagrams of a train that all UDP sockets take in one call.
    pub(in crate::driver) fn max_segments(&self) -> usize {
        self.udp().map(UdpLink::max_segments).min().unwrap_or(usize::MAX)
    }

    /// Sends trains, each as [`Links::send`] does, in their order: those that follow each other by one UDP socket leave in as
    /// few calls as can be.
    pub(in crate::driver) fn send_all<'a>(
        &mut self,
        now: Mono,
        cx: &mut Context<'_>,
        share: Share,
        trains: impl Iterator<Item = Train<'a>>,
    ) {
        let mut trains = trains.peekable();
        while let Some(first) = trains.next() {
            let follows = |next: &Train<'_>| next.path.link == first.path.link && !next.spam && !first.spam;
            let Some(second) = trains.next_if(follows) else {
                self.send(now, cx, &first, share);
                continue;
            };
            let mut run = [first; TOGETHER];
            run[1] = second;
            let mut count = 2;
            while count < TOGETHER
                && let Some(next) = trains.next_if(follows)
            {
                run[count] = next;
                count += 1;
            }
            let mut rest = &run[..count];
            while let [first, others @ ..] = rest {
                match self.send_together(now, cx, rest) {
                    0 => {
                        self.send(now, cx, first, share);
                        rest = others;
                    }
                    sent => rest = &rest[sent..],
                }
            }
        }
    }

    /// Sends the first of some trains by one link in one call, if that is a UDP socket and nothing waits for it; how many left.
    fn send_together(&mut self, now: Mono, cx: &mut Context<'_>, trains: &[Train<'_>]) -> usize {
        let [first, _, ..] = trains else { return 0 };
        let Some(open) = self.open.iter().find(|open| open.line.link.id == first.path.link) else { return 0 };
        let OpenLink { line: Line { link, io: Io::Udp(udp, _), ended: None }, queue, .. } = open else { return 0 };
        if !queue.is_empty() {
            return 0;
        }
        let mut all = [outgoing(first); TOGETHER];
        all.iter_mut().zip(trains).for_each(|(all, train)| *all = outgoing(train));
        let sent = udp.send_together(now, cx, &all[..trains.len().min(TOGETHER)]);
        all[..sent].iter().for_each(|train| self.tally.sent(link, train));
        sent
    }

    /// Sends a train by its link, and with the spam flag by every link for first contact whose rank is not above that of
    /// its own (08 §B.5). What a link does not take at once waits in its queue; what finds no room there is lost.
    pub(in crate::driver) fn send(&mut self, now: Mono, cx: &mut Context<'_>, train: &Train<'_>, share: Share) {
        let Path { link, remote } = train.path;
        let outgoing = outgoing(train);
        let Some(at) = self.place(link) else {
            self.tally.unsent.add(Unsent::NoLink, outgoing.count());
            return;
        };
        if !train.spam {
            self.send_by(at, now, cx, &outgoing, (train.lane, share));
            return;
        }
        let rank = self.open[at].line.link.rank;
        for other in 0..self.open.len() {
            let Link { role, rank: its, local, .. } = self.open[other].line.link;
            let spread = role != LinkRole::AnswerOnly && its <= rank && local.same_family(&remote);
            if other == at || spread {
                self.send_by(other, now, cx, &outgoing, (train.lane, share));
            }
        }
    }

    fn send_by(
        &mut self,
        at: usize,
        now: Mono,
        cx: &mut Context<'_>,
        train: &Outgoing<'_>,
        (lane, share): (Lane, Share),
    ) {
        let OpenLink { line, queue, .. } = &mut self.open[at];
        let done = if queue.is_empty() { line.offer(now, cx, train, &mut self.tally) } else { 0 };
        let rest = train.after(done);
        if !rest.bytes.is_empty() {
            let lost = queue.push(&rest, lane, share);
            self.tally.unsent.add(Unsent::QueueFull, lost);
            self.is_backlogged = true;
        }
    }

    /// Sends what waits, as far as the links take it.
    pub(in crate::driver) fn send_waiting(&mut self, now: Mono, cx: &mut Context<'_>) {
        if !std::mem::take(&mut self.is_backlogged) {
            return;
        }
        for OpenLink { line, queue, .. } in &mut self.open {
            while let Some(train) = queue.front() {
                let (count, done) = (train.count(), line.offer(now, cx, &train, &mut self.tally));
                queue.consume(done);
                if done < count {
                    self.is_backlogged = true;
                    break;
                }
            }
        }
    }

    /// Lets links of sources write out what they hold themselves.
    pub(in crate::driver) fn write_out(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.sourced.len() {
            let Some(at) = self.place(self.sourced[at]) else { continue };
            let line = &mut self.open[at].line;
            line.write_out(cx, &mut self.tally);
            if line.io.io().take_moved() {
                self.tally.moved.push(line.link);
            }
        }
    }

    /// Where a link is: they are in the order of their numbers.
    fn place(&self, link: LinkId) -> Option<usize> {
        self.open.binary_search_by_key(&link, |open| open.line.link.id).ok()
    }

    fn line(&mut self, link: LinkId) -> Option<&mut Line> {
        let at = self.place(link)?;
        Some(&mut self.open[at].line)
    }

    fn next_id(&mut self) -> LinkId {
        let id = LinkId(self.next);
        self.next += 1;
        id
    }

    fn insert(&mut self, link: Link, io: Io, source: Option<usize>) {
        let line = Line { link, io, ended: None };
        self.open.push(OpenLink { line, queue: Queue::default(), source });
    }

    /// Takes a link out; what waited for it is lost.
    fn remove(&mut self, at: usize) -> Line {
        let OpenLink { line, queue, .. } = self.open.remove(at);
        self.sourced.retain(|link| *link != line.link.id);
        self.tally.unsent.add(Unsent::LinkGone, queue.len());
        line
    }
}

/// A train as links see it.
fn outgoing<'a>(train: &Train<'a>) -> Outgoing<'a> {
    let Train { bytes, segment_size: segment, ttl, dont_fragment, .. } = *train;
    Outgoing { remote: train.path.remote, bytes, segment, ttl, dont_fragment }
}

impl Tally {
    /// Counts datagrams that left.
    fn sent(&mut self, link: &Link, sent: &Outgoing<'_>) {
        self.traffic.datagrams_out += sent.count() as u64;
        self.traffic.left(link.kind, sent.bytes.len() as u64);
        trace::datagrams("out", link.local, sent.remote, sent.bytes, sent.segment);
    }
}

impl Line {
    /// Hands datagrams to the link until it takes no more, and returns how many are dealt with: sent, or counted as lost.
    fn offer(&mut self, now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>, tally: &mut Tally) -> usize {
        let Self { link, io, ended } = self;
        let io = io.io();
        let mut done = 0;
        while ended.is_none() {
            let rest = train.after(done);
            let left = rest.count();
            if left == 0 {
                return done;
            }
            let polled = io.poll_send(now, cx, &rest);
            let path = |(remote, size)| (Path { link: link.id, remote }, size);
            tally.narrow.extend(io.take_path_mtu().map(path));
            match polled {
                Poll::Pending => return done,
                Poll::Ready(Ok(count)) => {
                    let sent = rest.first(count.clamp(1, left));
                    tally.sent(link, &sent);
                    done += sent.count();
                }
                Poll::Ready(Err(SendError::Unsent { datagrams, cause })) => {
                    let lost = datagrams.clamp(1, left);
                    tally.unsent.add(cause, lost);
                    done += lost;
                }
                Poll::Ready(Err(SendError::Ended(error))) => {
                    *ended = Some(error);
                    tally.has_ended = true;
                }
            }
        }
        tally.unsent.add(Unsent::LinkGone, train.count() - done);
        train.count()
    }

    /// Lets a link with a buffer of its own write it out. UDP has none.
    fn write_out(&mut self, cx: &mut Context<'_>, tally: &mut Tally) {
        if let Io::Sourced(io) = &mut self.io
            && self.ended.is_none()
            && let Poll::Ready(Err(error)) = io.poll_flush(cx)
        {
            self.ended = Some(error);
            tally.has_ended = true;
        }
    }
}

#[cfg(test)]
mod tests;
