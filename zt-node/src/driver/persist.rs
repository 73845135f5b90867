//! State on its way to and from the store: on a thread of its own, in order, so that no packet waits for a disk.
//!
//! One task is out at a time. Meanwhile a newer value takes the place of one that waits for the same key, and records of
//! peers gather apart: they are a cache, written when nothing else is and at most once a second. What waits is so bounded by
//! the number of keys, however slow the disk.

use super::jobs::Worker;
use super::{Control, Driver, WorkResult};
use crate::engine::Input;
use crate::state::{StateKey, StateStore};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use zt_netconf::Settings;
use zt_peer::JobDone;
use zt_wire::time::{Mono, Now};
use zt_wire::{Address, Gate, NetworkId, Parse as _, Reader, World};

/// Records of peers that may wait to be written; the cache does without further ones.
const MAX_RECORDS: usize = 8192;
/// Records written before other state gets its turn.
const RECORDS_AT_ONCE: usize = 64;
/// Records that may wait to be read; further ones count as unknown.
const MAX_READS: usize = 256;

/// What could not be written is tried again so often.
const AGAIN: Duration = Duration::from_secs(5);

/// What is done with the outcome of a write, between two packets.
type Then = Box<dyn FnOnce(&mut Control<'_>, io::Result<()>) + Send>;
/// What was stored for a network: its configuration, if it was known before, and its settings.
type Membership = (Option<Vec<u8>>, Settings);

/// Where a value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key(StateKey),
    /// A planet: the first lives in the stock layout's `planet`, further ones in files of their own.
    Planet(u64),
}

/// Something for the thread to do.
enum Task {
    Save { place: Place, value: Option<Vec<u8>>, writes: Vec<u64>, then: Option<Then> },
    Join { network: NetworkId, answer: Answer },
    LoadPeer(Address),
    SavePeers(BTreeMap<Address, Vec<u8>>),
    DiscardOldPeers,
}

/// Who waits for a membership.
type Answer = oneshot::Sender<io::Result<()>>;

/// What the thread did.
pub(super) enum StateDone {
    /// `kept`: what was not written and that nobody else takes care of.
    Saved {
        place: Place,
        kept: Option<Kept>,
        writes: Vec<u64>,
        then: Option<Then>,
        result: io::Result<()>,
    },
    Joined {
        network: NetworkId,
        answer: Answer,
        result: io::Result<Membership>,
    },
    Loaded(Address, Option<Vec<u8>>),
    Cached(io::Result<()>),
    Done,
}

/// A value, or that there is none any more.
type Kept = Option<Vec<u8>>;

/// What could not be written.
#[derive(Default)]
struct Trouble {
    /// Newest values, tried again until they are on the disk.
    again: VecDeque<(Place, Kept)>,
    /// What the disk said last, while it does not take them.
    said: Option<String>,
    tried: Gate,
    /// Records of peers were not written last time, which was told.
    cache: bool,
}

/// Somebody who waits until writes are on the disk.
struct Waiter {
    writes: std::ops::Range<u64>,
    left: u64,
    error: Option<io::Error>,
    sender: oneshot::Sender<io::Result<()>>,
}

/// What waits for the thread, and who waits for what.
#[derive(Default)]
pub(super) struct Persistence {
    worker: Option<Worker<Task>>,
    out: bool,
    tasks: VecDeque<Task>,
    reads: usize,
    records: BTreeMap<Address, Vec<u8>>,
    records_due: bool,
    next_write: u64,
    waiters: Vec<Waiter>,
    trouble: Trouble,
}

impl Persistence {
    /// Starts to work on a store.
    pub(super) fn open(&mut self, store: Box<dyn StateStore>, done: mpsc::UnboundedSender<WorkResult>) {
        let store = Mutex::new(store);
        self.worker = Some(Worker::new("zt-state", move |task: Task| {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = done.send(WorkResult::State(work(store.as_mut(), task)));
        }));
        self.pump();
    }

    /// Writes a value, or removes it.
    pub(super) fn save(&mut self, place: Place, value: Option<Vec<u8>>) {
        let write = self.count_write();
        self.trouble.again.retain(|(waits, _)| *waits != place);
        for task in self.tasks.iter_mut().rev() {
            match task {
                Task::Save { place: waits, value: older, writes, then: None } if *waits == place => {
                    *older = value;
                    writes.push(write);
                    return;
                }
                // What was said before a membership is read stays before it.
                Task::Join { .. } => break,
                _ => {}
            }
        }
        self.submit(Task::Save { place, value, writes: vec![write], then: None });
    }

    /// Writes a value and hands on the outcome.
    fn save_then(&mut self, key: StateKey, value: Vec<u8>, then: Then) {
        let writes = vec![self.count_write()];
        self.trouble.again.retain(|(waits, _)| *waits != Place::Key(key));
        self.submit(Task::Save { place: Place::Key(key), value: Some(value), writes, then: Some(then) });
    }

    fn count_write(&mut self) -> u64 {
        self.next_write += 1;
        self.next_write - 1
    }

    /// Remembers a peer, some time soon.
    pub(super) fn save_peer(&mut self, address: Address, record: Vec<u8>) {
        if self.records.len() < MAX_RECORDS || self.records.contains_key(&address) {
            self.records.insert(address, record);
        }
    }

    /// Reads the record of a peer; false when too many are waited for.
    #[must_use]
    pub(super) fn load_peer(&mut self, address: Address) -> bool {
        if self.reads >= MAX_READS {
            return false;
        }
        self.reads += 1;
        self.submit(Task::LoadPeer(address));
        true
    }

    pub(super) fn discard_old_peers(&mut self) {
        self.submit(Task::DiscardOldPeers);
    }

    /// The gathered records of peers may be written now.
    pub(super) fn write_records(&mut self) {
        self.records_due = true;
        self.pump();
    }

    /// Something is on its way.
    pub(super) fn is_at_work(&self) -> bool {
        self.out
    }

    /// What keeps state from the disk, in words; none if nothing does.
    pub(super) fn trouble(&self) -> Option<String> {
        let said = self.trouble.said.as_ref()?;
        Some(format!("state cannot be written: {said}; it is kept in memory and tried again until it is written"))
    }

    /// Tries again what could not be written: one value, and the others when the disk takes that.
    pub(super) fn try_again(&mut self, now: Mono) {
        if !self.trouble.again.is_empty() && self.trouble.tried.pass(now, AGAIN) {
            self.next_again();
        }
    }

    /// Tries all of it again, for the last time.
    pub(super) fn try_all_again(&mut self) {
        while self.next_again() {}
    }

    fn next_again(&mut self) -> bool {
        let Some((place, value)) = self.trouble.again.pop_front() else { return false };
        self.submit(Task::Save { place, value, writes: Vec::new(), then: None });
        true
    }

    /// Takes the outcome of a write. It is told when it becomes another, not with each value.
    fn note_saved(&mut self, place: Place, kept: Option<Kept>, result: &io::Result<()>) {
        match (result, kept) {
            (Ok(()), _) => {
                if !self.next_again() && self.trouble.said.take().is_some() {
                    tracing::info!("state is written again");
                }
            }
            (Err(error), Some(kept)) => {
                if self.trouble.said.replace(error.to_string()).is_none() {
                    tracing::error!(?place, %error, "cannot write state; it is kept and tried again");
                }
                let is_newer = |task: &Task| matches!(task, Task::Save { place: waits, .. } if *waits == place);
                if !self.tasks.iter().any(is_newer) {
                    self.trouble.again.push_back((place, kept));
                }
            }
            // Who waits for it hears why.
            (Err(_), None) => {}
        }
    }

    fn note_cached(&mut self, result: &io::Result<()>) {
        match result {
            Err(error) if !self.trouble.cache => {
                tracing::warn!(%error, "cannot write records of peers; that is told once until they are written again");
            }
            _ => {}
        }
        self.trouble.cache = result.is_err();
    }

    fn submit(&mut self, task: Task) {
        self.tasks.push_back(task);
        self.pump();
    }

    /// Hands the next task to the thread, if that has none.
    fn pump(&mut self) {
        let Some(worker) = self.worker.as_ref().filter(|_| !self.out) else { return };
        let task = match self.tasks.pop_front() {
            Some(task) => task,
            None if self.records_due && !self.records.is_empty() => {
                let rest = self.records.keys().nth(RECORDS_AT_ONCE).copied();
                let rest = rest.map_or_else(BTreeMap::new, |first| self.records.split_off(&first));
                Task::SavePeers(std::mem::replace(&mut self.records, rest))
            }
            None => {
                self.records_due = false;
                return;
            }
        };
        match worker.submit(task) {
            Ok(()) => self.out = true,
            // No thread can be started: tried again with the next task, at the latest in a second.
            Err(task) => self.tasks.push_front(task),
        }
    }

    /// Tells those who wait that writes were done, or why not.
    fn tell(&mut self, writes: &[u64], result: &io::Result<()>) {
        for waiter in &mut self.waiters {
            let mine = writes.iter().filter(|write| waiter.writes.contains(write)).count() as u64;
            waiter.left -= mine;
            if let (true, Err(error)) = (mine > 0, result) {
                waiter.error.get_or_insert_with(|| copy(error));
            }
        }
        for at in (0..self.waiters.len()).rev() {
            if self.waiters[at].left == 0 {
                let waiter = self.waiters.swap_remove(at);
                let _ = waiter.sender.send(waiter.error.map_or(Ok(()), Err));
            }
        }
    }
}

impl Driver {
    pub(super) fn handle_state(&mut self, now: Now, done: StateDone) {
        self.persistence.out = false;
        match done {
            StateDone::Saved { place, kept, writes, then, result } => {
                self.persistence.note_saved(place, kept, &result);
                self.persistence.tell(&writes, &result);
                if let Some(then) = then {
                    then(&mut Control::new(self, now), result);
                }
            }
            StateDone::Joined { network, answer, result } => {
                let joined = result.map(|(saved, settings)| {
                    self.engine.join(now, network, saved.as_deref(), settings, &mut self.outbox);
                });
                let _ = answer.send(joined);
            }
            StateDone::Loaded(address, record) => {
                self.persistence.reads -= 1;
                self.hand_in(now, Input::JobDone(JobDone::Loaded { address, record }));
            }
            StateDone::Cached(result) => self.persistence.note_cached(&result),
            StateDone::Done => {}
        }
        self.persistence.pump();
    }

    /// Reads a peer's record, off the packet loop.
    pub(super) fn load_peer(&mut self, now: Now, address: Address) {
        let waiting = self.persistence.records.get(&address).cloned();
        if waiting.is_some() || !self.persistence.load_peer(address) {
            self.hand_in(now, Input::JobDone(JobDone::Loaded { address, record: waiting }));
        }
    }
}

impl Control<'_> {
    /// Joins a network once its membership is on the disk, and then answers.
    pub(super) fn join(&mut self, network: NetworkId, answer: Answer) {
        if self.driver.engine.vl2().network(network).is_some() {
            let _ = answer.send(Ok(()));
            return;
        }
        // That it was left could not be noted, and is no longer true.
        let files = [StateKey::NetworkConfig(network), StateKey::NetworkSettings(network)].map(Place::Key);
        self.driver.persistence.trouble.again.retain(|(place, _)| !files.contains(place));
        self.driver.persistence.submit(Task::Join { network, answer });
    }

    /// Changes what the operator allows a network once that is on the disk, and then answers.
    pub(super) fn set_network_settings(
        &mut self,
        network: NetworkId,
        settings: Settings,
        answer: oneshot::Sender<io::Result<bool>>,
    ) {
        if self.driver.engine.vl2().network(network).is_none() {
            let _ = answer.send(Ok(false));
            return;
        }
        let text = settings.to_text();
        let then: Then = Box::new(move |control, result| {
            let engine = &mut control.driver.engine;
            let _ = answer.send(result.map(|()| engine.set_network_settings(network, settings)));
        });
        self.driver.persistence.save_then(StateKey::NetworkSettings(network), text, then);
    }

    /// Runs a call and answers when all that it left to write is on the disk.
    pub(super) fn keep<R>(
        &mut self,
        call: impl FnOnce(&mut Control<'_>) -> R,
        sender: oneshot::Sender<io::Result<()>>,
    ) -> R {
        let first = self.driver.persistence.next_write;
        let result = call(self);
        self.driver.drain(self.now);
        let writes = first..self.driver.persistence.next_write;
        if writes.is_empty() {
            let _ = sender.send(Ok(()));
        } else {
            let left = writes.end - writes.start;
            self.driver.persistence.waiters.push(Waiter { writes, left, error: None, sender });
        }
        result
    }
}

/// Does a task, on the thread.
fn work(store: &mut dyn StateStore, task: Task) -> StateDone {
    match task {
        Task::Save { place, value, writes, then } => {
            let key = match place {
                Place::Key(key) => key,
                Place::Planet(id) => planet_key(store, id),
            };
            let result = store.save(key, value.as_deref());
            let kept = (result.is_err() && then.is_none()).then_some(value);
            StateDone::Saved { place, kept, writes, then, result }
        }
        Task::Join { network, answer } => StateDone::Joined { network, answer, result: remember(store, network) },
        Task::LoadPeer(address) => StateDone::Loaded(address, store.load(StateKey::Peer(address)).unwrap_or_default()),
        Task::SavePeers(records) => {
            let failed =
                records.iter().filter_map(|(peer, record)| store.save(StateKey::Peer(*peer), Some(record)).err());
            StateDone::Cached(failed.reduce(|first, _| first).map_or(Ok(()), Err))
        }
        Task::DiscardOldPeers => {
            if let Err(error) = store.discard_old_peers() {
                tracing::warn!(%error, "cannot look for old records of peers");
            }
            StateDone::Done
        }
    }
}

/// Notes that a network is joined, with its settings, and gives what was known of it.
fn remember(store: &mut dyn StateStore, network: NetworkId) -> io::Result<Membership> {
    let (config, settings) = (StateKey::NetworkConfig(network), StateKey::NetworkSettings(network));
    let saved = store.load(config)?;
    let known = store.load(settings)?;
    if saved.is_none() {
        store.save(config, Some(b"\n"))?;
    }
    let Some(text) = known else {
        let settings_now = Settings::default();
        if let Err(error) = store.save(settings, Some(&settings_now.to_text())) {
            if saved.is_none() {
                let _ = store.save(config, None);
            }
            return Err(error);
        }
        return Ok((saved, settings_now));
    };
    Ok((saved, Settings::from_text(&text)))
}

/// Where a planet belongs.
fn planet_key(store: &dyn StateStore, id: u64) -> StateKey {
    let first = store.load(StateKey::Planet).ok().flatten();
    let first_id = first.map(|bytes| World::parse(&mut Reader::new(&bytes)).ok().map(|world| world.id));
    match first_id {
        // Also when the file is damaged: perhaps somebody can still read something in it.
        Some(other) if other != Some(id) => StateKey::ExtraPlanet(id),
        _ => StateKey::Planet,
    }
}

/// An error for several who wait.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
