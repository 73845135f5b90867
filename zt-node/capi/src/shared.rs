//! A machine behind its lock, and the work that both interfaces do alike once the lock is open again.

use crate::lock::{Condvar, Mutex, MutexGuard};
use crate::machine::{JOBS_PER_CALL, Machine};
use crate::master::{Master, NotAttached};
use crate::store::DataStore;
use std::sync::{Arc, PoisonError};
use zt_netconf::controller::{Answer, ApiOutcome, Change, Command, CommandError};
use zt_node::engine::{Input, Outbox, Output};
use zt_peer::{Job, JobDone};
use zt_wire::Address;

/// An earlier call ended in a fault of this library while it held the node: nothing about the node is certain any
/// more, and it answers nothing but its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// One node's machine, for any thread.
pub(crate) struct Core {
    machine: Mutex<Machine>,
    master: Mutex<Option<Arc<Master>>>,
    commits: Mutex<Commits>,
    committed: Condvar,
}

/// Commits are written in their order by one thread at a time, without any lock held.
#[derive(Default)]
struct Commits {
    /// The thread that writes.
    writer: Option<usize>,
    /// Numbers of commits that failed lately.
    failed: Vec<u64>,
    /// The last one that was tried.
    last: u64,
}

/// A number that no other living thread has. The threads are the host's, so nothing of std is set up for them.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| core::ptr::from_ref(place).addr())
}

/// Commits that failed and whose answers may still be waited for.
const FAILED: usize = 64;

/// What one call of the host has in hand.
pub(crate) struct Call<'a> {
    pub(crate) outbox: &'a mut Outbox,
    /// What is still to be done for the host.
    pub(crate) todo: Vec<Output>,
    jobs: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(outbox: &'a mut Outbox) -> Self {
        Self::with(outbox, Vec::new())
    }

    /// A call that begins with something to do.
    pub(crate) fn with(outbox: &'a mut Outbox, todo: Vec<Output>) -> Self {
        Self { outbox, todo, jobs: JOBS_PER_CALL }
    }
}

impl Core {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine: Mutex::new(machine),
            master: Mutex::new(None),
            commits: Mutex::default(),
            committed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, Machine>, Broken> {
        self.machine.lock().map_err(|_| Broken)
    }

    /// The machine also after a fault: for deleting the node.
    pub(crate) fn lock_anyhow(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn master(&self) -> Option<Arc<Master>> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the node, which C knows as `handle`, a controller. Unless that has a store of its own, it lives in `store`.
    pub(crate) fn give_master(
        &self,
        master: &Arc<Master>,
        handle: usize,
        store: Option<Arc<dyn DataStore>>,
    ) -> Result<(), NotAttached> {
        // Claimed first: reading the records calls the host, who may call here again, and other threads may, too.
        let mut place = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return Err(NotAttached::Taken);
        }
        *place = Some(Arc::clone(master));
        drop(place);
        let started = master.attach(handle, store).and_then(|records| {
            self.lock().map_err(|Broken| NotAttached::Broken)?.start_controller(records);
            Ok(())
        });
        if started.is_err() {
            *self.master.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        started
    }

    /// Does the slow work that is there: jobs, reading records of peers, writing commits. What comes of it is added to
    /// the call. True when something was done.
    pub(crate) fn work(
        &self,
        call: &mut Call<'_>,
        load_peer: &dyn Fn(Address) -> Option<Vec<u8>>,
    ) -> Result<bool, Broken> {
        let mut progress = self.load_peers(call, load_peer)?;
        while call.jobs > 0 {
            let mut machine = self.lock()?;
            let Some(job) = machine.next_job() else { break };
            let secret = Arc::clone(machine.engine.vl1().secret());
            drop(machine);
            let done = job.run(&secret);
            self.hand_in(call, Input::JobDone(done))?;
            call.jobs -= 1;
            progress = true;
        }
        progress |= self.write_commits(call)?;
        Ok(progress)
    }

    /// Does something with the machine; what comes of it is added to the call.
    pub(crate) fn act<R>(
        &self,
        call: &mut Call<'_>,
        act: impl FnOnce(&mut Machine, &mut Outbox) -> R,
    ) -> Result<R, Broken> {
        let mut machine = self.lock()?;
        let result = act(&mut machine, call.outbox);
        machine.drain(call.outbox, &mut call.todo);
        Ok(result)
    }

    /// Hands an input in at the time of the latest call.
    fn hand_in(&self, call: &mut Call<'_>, input: Input<'_>) -> Result<(), Broken> {
        self.act(call, |machine, outbox| machine.handle(machine.clock.now(), input, outbox))
    }

    fn load_peers(&self, call: &mut Call<'_>, load_peer: &dyn Fn(Address) -> Option<Vec<u8>>) -> Result<bool, Broken> {
        let wanted: Vec<Address> = call
            .todo
            .iter()
            .filter_map(|output| match output {
                Output::Job(Job::LoadPeer { address }) => Some(*address),
                _ => None,
            })
            .collect();
        call.todo.retain(|output| !matches!(output, Output::Job(_)));
        for address in &wanted {
            let record = load_peer(*address);
            self.hand_in(call, Input::JobDone(JobDone::Loaded { address: *address, record }))?;
        }
        Ok(!wanted.is_empty())
    }

    /// Writes commits while there are some, unless somebody else already does.
    fn write_commits(&self, call: &mut Call<'_>) -> Result<bool, Broken> {
        let mut progress = false;
        while let Some((seq, changes)) = self.begin_commit()? {
            let written = self.master().is_some_and(|master| master.write(&changes).is_ok());
            let input = if written { Input::Committed(seq) } else { Input::CommitFailed(seq) };
            let handed_in = self.hand_in(call, input);
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.writer = None;
            commits.last = seq;
            if !written {
                if commits.failed.len() >= FAILED {
                    commits.failed.remove(0);
                }
                commits.failed.push(seq);
            }
            drop(commits);
            self.committed.notify_all();
            handed_in?;
            progress = true;
        }
        Ok(progress)
    }

    fn begin_commit(&self) -> Result<Option<(u64, Vec<Change>)>, Broken> {
        let mut machine = self.lock()?;
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if commits.writer.is_some() {
            return Ok(None);
        }
        let next = machine.next_commit();
        if next.is_some() {
            commits.writer = Some(this_thread());
        }
        Ok(next)
    }

    /// Executes a call of the controller's interface (document 05); the answer is given when what it depends on is
    /// durable. Outputs that are not slow work stay in `call`.
    pub(crate) fn request(
        &self,
        call: &mut Call<'_>,
        load_peer: &dyn Fn(Address) -> Option<Vec<u8>>,
        (method, path, body): (&str, &str, &[u8]),
    ) -> Result<ApiOutcome, Broken> {
        let outcome =
            self.act(call, |machine, _| machine.engine.controller_api(machine.clock.now(), method, path, body))?;
        let outcome = outcome.unwrap_or(ApiOutcome { status: 404, body: None, commit: None });
        if self.is_written(call, load_peer, outcome.commit)? {
            Ok(outcome)
        } else {
            Ok(ApiOutcome::not_stored("the data store failed"))
        }
    }

    /// Executes a command of the controller, as [`Self::request`] does.
    pub(crate) fn command(
        &self,
        call: &mut Call<'_>,
        load_peer: &dyn Fn(Address) -> Option<Vec<u8>>,
        command: Command,
    ) -> Result<Result<Answer, Refused>, Broken> {
        let answered = self.act(call, |machine, _| machine.engine.controller_command(machine.clock.now(), command))?;
        let answered = match answered {
            None => return Ok(Err(Refused::NoController)),
            Some(Err(error)) => return Ok(Err(Refused::Command(error))),
            Some(Ok(answered)) => answered,
        };
        if self.is_written(call, load_peer, answered.commit)? {
            Ok(Ok(answered.answer))
        } else {
            Ok(Err(Refused::NotStored))
        }
    }

    /// Does what work there is until a commit was tried; true when it is durable, or when there is none.
    fn is_written(
        &self,
        call: &mut Call<'_>,
        load_peer: &dyn Fn(Address) -> Option<Vec<u8>>,
        commit: Option<u64>,
    ) -> Result<bool, Broken> {
        loop {
            while self.work(call, load_peer)? {}
            match commit.map_or(Waited::Done(true), |seq| self.wait_for(seq)) {
                Waited::Done(written) => return Ok(written),
                Waited::Nobody => {}
            }
        }
    }

    /// Waits until somebody else's writing of a commit ends. From within the store's own callbacks there is nothing to
    /// wait for: that commit comes later.
    fn wait_for(&self, seq: u64) -> Waited {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        while commits.last < seq {
            match commits.writer {
                None => return Waited::Nobody,
                Some(writer) if writer == this_thread() => return Waited::Done(false),
                Some(_) => commits = self.committed.wait(commits).unwrap_or_else(PoisonError::into_inner),
            }
        }
        Waited::Done(!commits.failed.contains(&seq))
    }
}

/// Why a command to the controller is not executed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The node has no controller.
    NoController,
    /// The controller refuses it.
    Command(CommandError),
    /// The store did not take what it would change.
    NotStored,
}

/// How waiting for a commit ended.
enum Waited {
    /// It was tried; true when it is durable.
    Done(bool),
    /// Nobody writes it: do it.
    Nobody,
}
