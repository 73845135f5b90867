//! Slow work that leaves the machine and comes back as an input.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zt_crypto::{PeerKeys, SecretIdentity, validate};
use zt_wire::{Address, Identity};

/// Most names of our own that wait for their validation.
const MAX_OURS: usize = 256;
/// Most records of the peer cache asked for at a time.
const MAX_LOADS: usize = 256;
/// Jobs handed out at a time: one that runs, and one behind it so that a worker is never idle. All others wait here,
/// where it can still be decided who is next. Roots do not wait.
const AT_ONCE: usize = 2;

/// Work for any thread: [`Job::run`], then [`Vl1::handle_job`](crate::Vl1::handle_job).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Job {
    /// Check that an identity fits its address (tens of milliseconds) and agree on keys with it.
    Admit {
        /// Identity from a world, a root's answer or the peer cache.
        identity: Identity,
        /// Whether to validate; not needed for what the peer cache vouches for.
        validate: bool,
    },
    /// A stranger's HELLO: agree on keys, check the packet's MAC, and only then the identity (02 §6.2 steps 4–6).
    Introduce {
        /// Identity inside the HELLO.
        identity: Identity,
        /// The packet as it arrived.
        packet: Vec<u8>,
        /// Correlates the result with the arrival.
        number: u64,
        /// Whether to validate: not for known names, to answer a collision, and while others wait.
        validate: bool,
    },
    /// Read a peer's record from the cache: the owner does this, [`Job::run`] cannot.
    LoadPeer {
        /// Whose.
        address: Address,
    },
}

/// Result of a [`Job`].
#[derive(Clone)]
#[non_exhaustive]
pub enum JobDone {
    /// Result of [`Job::Admit`]; `keys` is `None` for an identity that is not valid.
    Admitted {
        /// The identity.
        identity: Identity,
        /// Keys with it.
        keys: Option<Arc<PeerKeys>>,
    },
    /// Result of [`Job::Introduce`].
    Introduced {
        /// The identity.
        identity: Identity,
        /// Keys with it, when the packet was authentic.
        keys: Option<Arc<PeerKeys>>,
        /// Whether the identity is valid (as far as that was asked).
        valid: bool,
        /// The packet, opened.
        packet: Vec<u8>,
        /// As in the job.
        number: u64,
    },
    /// Result of [`Job::LoadPeer`].
    Loaded {
        /// Whose.
        address: Address,
        /// The record, if there is one.
        record: Option<Vec<u8>>,
    },
}

impl Job {
    /// Does the work. [`Job::LoadPeer`] gives "no record" here; owners with a cache do it themselves.
    pub fn run(self, secret: &SecretIdentity) -> JobDone {
        match self {
            Self::Admit { identity, validate: wanted } => {
                let valid = !wanted || validate(&identity);
                JobDone::Admitted { identity, keys: if valid { agree(secret, &identity) } else { None } }
            }
            Self::Introduce { identity, mut packet, number, validate: wanted } => {
                let keys = agree(secret, &identity).filter(|keys| keys.open(&mut packet).is_ok());
                let valid = keys.is_some() && (!wanted || validate(&identity));
                JobDone::Introduced { identity, keys, valid, packet, number }
            }
            Self::LoadPeer { address } => JobDone::Loaded { address, record: None },
        }
    }
}

fn agree(secret: &SecretIdentity, identity: &Identity) -> Option<Arc<PeerKeys>> {
    secret.agree(identity).map(|key| Arc::new(PeerKeys::new(key)))
}

/// A job that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnderWay {
    Admit(Address),
    Introduce(u64),
}

/// Jobs waiting to be taken. Work for known names goes before work for strangers, who wait in
/// [`Strangers`](super::strangers::Strangers).
#[derive(Default)]
pub(crate) struct JobQueue {
    loads: VecDeque<Address>,
    roots: VecDeque<Address>,
    ours: VecDeque<Address>,
    /// `true`: a housekeeping has seen it already.
    under_way: BTreeMap<UnderWay, bool>,
}

impl JobQueue {
    /// Asks the peer cache. False when there are too many.
    pub(crate) fn load(&mut self, address: Address) -> bool {
        let room = self.loads.len() < MAX_LOADS;
        if room {
            self.loads.push_back(address);
        }
        room
    }

    /// For roots: before everything else. There are as many as worlds name.
    pub(crate) fn admit_root(&mut self, address: Address) {
        self.roots.push_back(address);
    }

    /// For names that we want to know ourselves. False when there are too many.
    pub(crate) fn admit(&mut self, address: Address) -> bool {
        let room = self.ours.len() < MAX_OURS;
        if room {
            self.ours.push_back(address);
        }
        room
    }

    /// The next record to be read.
    pub(crate) fn next_load(&mut self) -> Option<Address> {
        self.loads.pop_front()
    }

    /// The next root, or while there is capacity the next name of ours.
    pub(crate) fn next_named(&mut self) -> Option<Address> {
        let root = self.roots.pop_front();
        root.or_else(|| if self.is_full() { None } else { self.ours.pop_front() })
    }

    /// Whether there is no capacity for one more: roots do not ask for it.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.len() >= AT_ONCE
    }

    /// A job is handed out; false: it is already.
    pub(crate) fn begin(&mut self, job: UnderWay) -> bool {
        self.under_way.insert(job, false).is_none()
    }

    /// A job came back.
    pub(crate) fn done(&mut self, job: UnderWay) {
        self.under_way.remove(&job);
    }

    pub(crate) fn is_under_way(&self, job: UnderWay) -> bool {
        self.under_way.contains_key(&job)
    }

    /// Whether the admission of an address is under way, or among our own.
    pub(crate) fn holds(&self, address: Address) -> bool {
        self.is_under_way(UnderWay::Admit(address)) || self.ours.contains(&address)
    }

    /// Jobs that do not come back do not block others for ever: they are given up at the second housekeeping.
    pub(crate) fn expire(&mut self) {
        self.under_way.retain(|_, seen| !std::mem::replace(seen, true));
    }
}
