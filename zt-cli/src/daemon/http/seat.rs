//! What a connection and the table of places know of each other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::Notify;

use super::places::{Admission, Origin, Places};
use super::refused::{Refusal, Refused};

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of a request is there yet.
    Waiting,
    /// A part of the head is there.
    Head,
    /// The head is there: the body is read, the answer is made.
    Answering,
    /// The answer is leaving.
    Sending,
    /// Its last byte is in the buffer.
    Flushing,
}

/// All seats.
#[derive(Debug, Default)]
pub(super) struct Seats {
    places: Mutex<Places>,
    taken: Mutex<BTreeMap<u64, Arc<Seat>>>,
    changed: Notify,
}

impl Seats {
    /// A seat for a connection, once another has given way if need be; none if its like has enough of them.
    pub(super) async fn take(
        self: &Arc<Self>,
        origin: Origin,
        address: IpAddr,
        refused: &Refused,
    ) -> Option<Arc<Seat>> {
        loop {
            let changed = self.changed.notified();
            let admission = lock(&self.places).admit(origin, address);
            match admission {
                Admission::Taken(id) => {
                    let seat = Arc::new(Seat {
                        id,
                        seats: Arc::clone(self),
                        phase: Mutex::new(Phase::Waiting),
                        go: AtomicBool::new(false),
                        left_body: AtomicBool::new(false),
                        waker: Mutex::new(None),
                    });
                    lock(&self.taken).insert(id, Arc::clone(&seat));
                    return Some(seat);
                }
                Admission::GiveWay(id) => {
                    let first = lock(&self.taken).get(&id).is_some_and(|seat| seat.ask_to_go());
                    if first {
                        refused.count(Refusal::GaveWay);
                    }
                }
                Admission::Full => {}
                Admission::Refused => {
                    refused.count(Refusal::NoPlace);
                    return None;
                }
            }
            changed.await;
        }
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    seats: Arc<Seats>,
    phase: Mutex<Phase>,
    go: AtomicBool,
    left_body: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Seat {
    pub(super) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    pub(super) fn enter(&self, phase: Phase) {
        *lock(&self.phase) = phase;
        match phase {
            Phase::Answering => {
                lock(&self.seats.places).works(self.id);
                // It was asked to go and found a request first: another has to.
                if self.go.swap(false, Ordering::Relaxed) {
                    self.seats.changed.notify_waiters();
                }
            }
            Phase::Waiting => {
                lock(&self.seats.places).waits(self.id);
                self.seats.changed.notify_waiters();
            }
            Phase::Head | Phase::Sending | Phase::Flushing => {}
        }
    }

    /// A request carried a right token.
    pub(super) fn is_known(&self) {
        lock(&self.seats.places).is_known(self.id);
    }

    /// The body of a request is not read, so this was its last.
    pub(super) fn leave_body(&self) {
        self.left_body.store(true, Ordering::Relaxed);
    }

    pub(super) fn left_a_body(&self) -> bool {
        self.left_body.load(Ordering::Relaxed)
    }

    /// The place is wanted by another; true when this is said for the first time.
    fn ask_to_go(&self) -> bool {
        let first = !self.go.swap(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
        first
    }

    /// The connection has nothing to do: should it go? Wakes the task when that changes.
    pub(super) fn should_go(&self, cx: &Context<'_>) -> bool {
        *lock(&self.waker) = Some(cx.waker().clone());
        self.go.load(Ordering::Relaxed) && matches!(self.phase(), Phase::Waiting | Phase::Head)
    }

    /// The place is free again when this value is gone, however the connection ends.
    pub(super) fn occupied(&self) -> Occupied<'_> {
        Occupied(self)
    }
}

/// A connection sits on its seat.
pub(super) struct Occupied<'a>(&'a Seat);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        let Seat { id, seats, .. } = self.0;
        lock(&seats.taken).remove(id);
        lock(&seats.places).leaves(*id);
        seats.changed.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
