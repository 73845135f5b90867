//! Slow work beside the packet loop: identity validation, key agreement, commits of the controller's store.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// An idle worker ends after this time, so that an idle daemon has no thread it does not need.
const IDLE: Duration = Duration::from_secs(5);
/// Jobs that may wait; the engine bounds its own number below this.
const QUEUE: usize = 512;

/// One thread that executes jobs in order and lives only while there are some.
pub(super) struct Worker<J: Send + 'static> {
    name: &'static str,
    shared: Arc<Shared<J>>,
}

struct Shared<J> {
    run: Box<dyn Fn(J) + Send + Sync>,
    state: Mutex<State<J>>,
    wake: Condvar,
}

struct State<J> {
    queue: VecDeque<J>,
    running: bool,
}

impl<J: Send + 'static> Worker<J> {
    pub(super) fn new(name: &'static str, run: impl Fn(J) + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { queue: VecDeque::new(), running: false });
        Self { name, shared: Arc::new(Shared { run: Box::new(run), state, wake: Condvar::new() }) }
    }

    /// Hands in a job; the job comes back when the queue is full or no thread can be started.
    pub(super) fn submit(&self, job: J) -> Result<(), J> {
        let mut state = self.shared.lock();
        if state.queue.len() >= QUEUE {
            return Err(job);
        }
        state.queue.push_back(job);
        if !state.running {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name(self.name.to_owned()).spawn(move || shared.work()) {
                Ok(_) => state.running = true,
                Err(error) => {
                    tracing::warn!(%error, "cannot start a worker thread");
                    return Err(state.queue.pop_back().expect("pushed above"));
                }
            }
        }
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let state = self.lock();
            let (mut state, _) = self
                .wake
                .wait_timeout_while(state, IDLE, |state| state.queue.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let Some(job) = state.queue.pop_front() else {
                state.running = false;
                return;
            };
            drop(state);
            (self.run)(job);
        }
    }
}
