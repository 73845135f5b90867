//! Ports in memory: two ends, each a [`Tap`].

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{ETHERNET_HEADER_LEN, FrameBatch, Offload, PushError, Tap, TapFactory, TapInfo, TapSpec};

/// Frames that wait in each direction of a pair made by [`ChannelTaps`].
pub const DEFAULT_CAPACITY: usize = 256;

/// One end of a pair in memory; what is sent here is received at the other end.
///
/// Holds at most `capacity` frames in each direction: a sender with a full queue is pending until
/// the receiver takes some, so nothing is lost. When one end is dropped the other still receives
/// what was sent, then gets [`io::ErrorKind::BrokenPipe`].
#[derive(Debug)]
pub struct ChannelTap {
    info: TapInfo,
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
    frames: VecDeque<(Vec<u8>, Offload)>,
    /// Buffers of frames that were received, for the next ones sent.
    spare: Vec<Vec<u8>>,
    closed: bool,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// Two ends that are connected: `near` usually goes to a node, `far` to the program or stack that
/// wants a port. Each direction holds at most `capacity` frames (at least one).
#[must_use]
pub fn pair(near: TapInfo, far: TapInfo, capacity: usize) -> (ChannelTap, ChannelTap) {
    let one = Queue::new(capacity);
    let two = Queue::new(capacity);
    (
        ChannelTap { info: near, inbox: Arc::clone(&one), outbox: Arc::clone(&two) },
        ChannelTap { info: far, inbox: two, outbox: one },
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

    /// Sends one frame without a task. A frame longer than MTU + 14 is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the queue is full, [`io::ErrorKind::BrokenPipe`] when the
    /// other end is gone.
    pub fn try_send(&mut self, frame: &[u8]) -> io::Result<()> {
        let mut state = self.outbox.lock();
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.frames.len() >= self.outbox.capacity {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if frame.len() <= usize::from(self.info.mtu) + ETHERNET_HEADER_LEN {
            state.append(frame, Offload::default());
            wake(&mut state.receiver);
        }
        Ok(())
    }
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
                Err(PushError::TooLong) => {}
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
        let limit = usize::from(self.info.mtu) + ETHERNET_HEADER_LEN;
        let mut state = self.outbox.lock();
        if state.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut taken = 0;
        for frame in batch.iter() {
            if frame.bytes.len() <= limit {
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

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.info.mtu = mtu;
        Ok(())
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
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity: capacity.max(1), state: Mutex::default() })
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
