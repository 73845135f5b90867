//! Slow work that leaves the machine and comes back as an input.

use std::collections::VecDeque;
use std::sync::Arc;

use zt_crypto::{PeerKeys, SecretIdentity, validate};
use zt_wire::{Address, Identity, Now};

use crate::transmit::Transmits;
use crate::vl1::Vl1;

/// Most jobs waiting or running for strangers' HELLOs at any time.
pub(crate) const MAX_STRANGER_JOBS: usize = 16;
/// Most other jobs waiting at any time.
pub(crate) const MAX_JOBS: usize = 256;

/// Work for any thread: [`Job::run`], then [`Vl1::handle_job`](crate::Vl1::handle_job).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Job {
    /// Check that an identity fits its address (tens of milliseconds) and agree on keys with it.
    Admit {
        /// Identity from a world, a root's answer or the peer cache.
        identity: Identity,
    },
    /// A stranger's HELLO: agree on keys, check the packet's MAC, and only then the identity (02 §6.2 steps 4–6).
    Introduce {
        /// Identity inside the HELLO.
        identity: Identity,
        /// The packet as it arrived.
        packet: Vec<u8>,
        /// Correlates the result with the arrival.
        number: u64,
        /// Whether to validate; not needed to answer a collision.
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
            Self::Admit { identity } => {
                let keys = if validate(&identity) { agree(secret, &identity) } else { None };
                JobDone::Admitted { identity, keys }
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

/// Jobs waiting to be taken. Work for known names goes before work for strangers.
#[derive(Default)]
pub(crate) struct JobQueue {
    ours: VecDeque<Job>,
    strangers: VecDeque<Job>,
}

impl JobQueue {
    /// False when there are too many.
    pub(crate) fn push(&mut self, job: Job) -> bool {
        let (queue, limit) = match job {
            Job::Introduce { .. } => (&mut self.strangers, MAX_STRANGER_JOBS),
            _ => (&mut self.ours, MAX_JOBS),
        };
        let room = queue.len() < limit;
        if room {
            queue.push_back(job);
        }
        room
    }

    /// For roots: before everything else.
    pub(crate) fn push_urgent(&mut self, job: Job) -> bool {
        let room = self.ours.len() < 2 * MAX_JOBS;
        if room {
            self.ours.push_front(job);
        }
        room
    }

    pub(crate) fn pop(&mut self) -> Option<Job> {
        self.ours.pop_front().or_else(|| self.strangers.pop_front())
    }
}

impl Vl1 {
    /// Takes the next job.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop()
    }

    /// The result of a job.
    pub fn handle_job(&mut self, now: Now, done: JobDone, out: &mut Transmits) {
        match done {
            JobDone::Admitted { identity, keys } => self.admitted(now, identity, keys, out),
            JobDone::Introduced { identity, keys, valid, packet, number } => {
                let judged = Judged { number, identity, keys, valid };
                self.introduced(now, judged, &packet, out);
            }
            JobDone::Loaded { address, record } => self.loaded(now, address, record.as_deref(), out),
        }
    }
}

/// Result of [`Job::Introduce`] without the packet.
pub(crate) struct Judged {
    pub(crate) number: u64,
    pub(crate) identity: Identity,
    pub(crate) keys: Option<Arc<PeerKeys>>,
    pub(crate) valid: bool,
}
