//! Which of many connections have something to do: a turn costs what is ready, not what is open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The keys of connections that were woken.
#[derive(Debug, Default)]
pub struct ReadySet {
    any: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    keys: Vec<usize>,
    task: Option<Waker>,
}

/// Wakes one connection.
#[derive(Debug)]
pub struct Knock {
    key: usize,
    is_ready: AtomicBool,
    set: Arc<ReadySet>,
}

impl ReadySet {
    /// Hands over the keys that are ready; the task is woken when there are more.
    pub fn take(&self, task: &Waker, each: impl FnMut(usize)) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.task.as_ref().is_some_and(|before| before.will_wake(task)) {
            inner.task = Some(task.clone());
        }
        if self.any.swap(false, Ordering::Relaxed) {
            inner.keys.drain(..).for_each(each);
        }
    }
}

impl Knock {
    /// A connection with a key, which has not been woken yet.
    #[must_use]
    pub fn new(key: usize, set: &Arc<ReadySet>) -> Arc<Self> {
        Arc::new(Self { key, is_ready: AtomicBool::new(false), set: Arc::clone(set) })
    }

    /// The connection is looked at now: what happens from here on counts again.
    pub fn look(&self) {
        self.is_ready.store(false, Ordering::Release);
    }
}

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut inner = self.set.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.keys.push(self.key);
        self.set.any.store(true, Ordering::Relaxed);
        let task = inner.task.clone();
        drop(inner);
        if let Some(task) = task {
            task.wake();
        }
    }
}
