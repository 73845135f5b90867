//! Ports in memory: two ends, each a [`Tap`].

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use zt_wire::batch::{Offload, PushError, vlan_tags_len};
use zt_wire::ether::ETHERNET_HEADER_LEN;
use zt_wire::{FrameBatch, MulticastGroup};

use crate::{PortState, Tap, TapCounts, TapFactory, TapInfo, TapSpec};

/// Frames that wait in each direction of a pair made by [`ChannelTaps`]. A stack behind a port must not
/// have more on the way to itself than fits here: its receive window in frames stays below this.
pub const DEFAULT_CAPACITY: usize = 256;

/// One end of a pair in memory; what is sent here is received at the other end.
///
/// Holds at most `capacity` frames in each direction: a sender with a full queue is pending until
/// the receiver takes some, so nothing is lost. What is lost for its length is in
/// [`ChannelTap::counts`](Tap::counts). When one end is dropped the other still receives
/// what was sent, then gets [`io::ErrorKind::BrokenPipe`].
#[derive(Debug)]
pub struct ChannelTap {
    info: TapInfo,
    counts: TapCounts,
    inbox: Arc<Queue>,
    outbox: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Longest payload of a frame.
    mtu: u16,
    frames: VecDeque<(Vec<u8>, Offload)>,
    /// Buffers of frames that were received, for the next ones sent.
    spare: Vec<Vec<u8>>,
    closed: bool,
    /// Multicast groups that the receiver listens to.
    groups: Vec<MulticastGroup>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// Two ends that are connected: `near` usually goes to a node, `far` to the program or stack that
/// wants a port. Each direction holds at most `capacity` frames (at least one).
#[must_use]
pub fn pair(near: TapInfo, far: TapInfo, capacity: usize) -> (ChannelTap, ChannelTap) {
    let one = Queue::new(capacity, far.mtu);
    let two = Queue::new(capacity, near.mtu);
    (
        ChannelTap { info: near, counts: TapCounts::default(), inbox: Arc::clone(&one), outbox: Arc::clone(&two) },
        ChannelTap { info: far, counts: TapCounts::default(), inbox: two, outbox: one },
    )
}

impl ChannelTap {
    /// The next frame waiting, without a task: for programs with a loop of their own.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none waits, [`io::ErrorKind::BrokenPipe`] when the other
    /// end is gone too.
    pub fn try_recv(&mut self) -> io::Result<Vec<u8>> {
        let mut state = self.inbox.lock();
        match state.frames.pop_front() {
            Some((frame, _)) => {
                wake(&mut state.sender);
                Ok(frame)
            }
            None if state.closed => Err(io::ErrorKind::BrokenPipe.into()),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether [`ChannelTap::try_send`] has room for a frame. A stack asks before it makes one: a frame
    /// that it throws away instead is a loss to its TCP, and a full queue is no reason for one.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outbox.lock().frames.len() < self.outbox.capacity
    }

    /// Says which multicast groups this end listens to, in place of those before: the other end sees them in
    /// [`Tap::multicast_groups`].
    pub fn set_multicast_groups(&mut self, groups: Vec<MulticastGroup>) {
        self.inbox.lock().groups = groups;
    }

    /// Sends one frame without a task. A frame longer than header, VLAN tags and MTU is dropped and
    /// counted.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the queue is full, which is counted: the frame is lost unless
    /// the caller keeps it. [`io::ErrorKind::BrokenPipe`] when the
    /// other end is gone.
    pub fn try_send(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut state = self.outbox.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.frames.len() >= self.outbox.capacity {
            self.counts.full += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if fits(frame, state.mtu) {
            state.append(frame, Offload::default());
            wake(&mut state.receiver);
        } else {
            self.counts.too_long += 1;
        }
        Ok(())
    }
}

fn fits(frame: &[u8], mtu: u16) -> bool {
    frame.len() <= usize::from(mtu) + ETHERNET_HEADER_LEN + vlan_tags_len(frame)
}

impl Tap for ChannelTap {
    fn info(&self) -> &TapInfo {
        &self.info
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        if batch.is_full() {
            return Poll::Ready(Ok(0));
        }
        let mut state = self.inbox.lock();
        let mut count = 0;
        while let Some((frame, offload)) = state.frames.pop_front() {
            match batch.push_with_offload(&frame, offload) {
                Ok(()) => count += 1,
                Err(PushError::TooLong) => self.counts.too_long += 1,
                Err(PushError::Full) => {
                    state.frames.push_front((frame, offload));
                    break;
                }
            }
            state.recycle(frame);
        }
        if count > 0 {
            wake(&mut state.sender);
            return Poll::Ready(Ok(count));
        }
        if state.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        keep(&mut state.receiver, cx);
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        if batch.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut state = self.outbox.lock();
        if state.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut taken = 0;
        for frame in batch.iter() {
            if !fits(frame.bytes, state.mtu) {
                self.counts.too_long += 1;
            } else {
                if state.frames.len() >= self.outbox.capacity {
                    break;
                }
                state.append(frame.bytes, frame.offload);
            }
            taken += 1;
        }
        if taken == 0 {
            keep(&mut state.sender, cx);
            return Poll::Pending;
        }
        wake(&mut state.receiver);
        Poll::Ready(Ok(taken))
    }

    /// Of both ends: the other sees it in [`Tap::observe`].
    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        self.inbox.lock().mtu = mtu;
        self.outbox.lock().mtu = mtu;
        Ok(())
    }

    fn observe(&mut self) -> io::Result<PortState> {
        let state = self.outbox.lock();
        self.info.mtu = state.mtu;
        Ok(PortState { mtu: state.mtu.into(), up: !state.closed, ..PortState::default() })
    }

    fn multicast_groups(&mut self) -> io::Result<Vec<MulticastGroup>> {
        Ok(self.outbox.lock().groups.clone())
    }

    fn counts(&self) -> TapCounts {
        self.counts
    }
}

impl Drop for ChannelTap {
    fn drop(&mut self) {
        for queue in [&self.inbox, &self.outbox] {
            let mut state = queue.lock();
            state.closed = true;
            wake(&mut state.receiver);
            wake(&mut state.sender);
        }
    }
}

impl Queue {
    fn new(capacity: usize, mtu: u16) -> Arc<Self> {
        let state = State { mtu, ..State::default() };
        Arc::new(Self { capacity: capacity.max(1), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave the queue half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, frame: &[u8], offload: Offload) {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        self.frames.push_back((buffer, offload));
    }

    fn recycle(&mut self, frame: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(frame);
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn keep(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

/// Buffers kept for reuse in each direction.
const MAX_SPARE: usize = 32;

/// A factory whose ports are in memory; the far end of each waits in [`ChannelTaps::take`].
///
/// Clones share the waiting ends: give one clone to a node and keep the other.
#[derive(Debug, Clone, Default)]
pub struct ChannelTaps {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    ends: BTreeMap<String, ChannelTap>,
    wakers: Vec<Waker>,
}

impl ChannelTaps {
    /// A factory without ports.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The far end of the port that was opened under `name`, once.
    #[must_use]
    pub fn take(&self, name: &str) -> Option<ChannelTap> {
        self.lock().ends.remove(name)
    }

    /// The far end of any port that was opened (the first by name), once.
    #[must_use]
    pub fn take_any(&self) -> Option<ChannelTap> {
        self.lock().ends.pop_first().map(|(_, end)| end)
    }

    /// As [`ChannelTaps::take_any`], waiting for one.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<ChannelTap> {
        let mut waiting = self.lock();
        if let Some((_, end)) = waiting.ends.pop_first() {
            return Poll::Ready(end);
        }
        if !waiting.wakers.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TapFactory for ChannelTaps {
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>> {
        let info = TapInfo::from(spec.clone());
        let mut waiting = self.lock();
        if waiting.ends.contains_key(&spec.name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (near, far) = pair(info.clone(), info, DEFAULT_CAPACITY);
        waiting.ends.insert(spec.name.clone(), far);
        for waker in waiting.wakers.drain(..) {
            waker.wake();
        }
        Ok(Box::new(near))
    }
}
