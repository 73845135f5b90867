//! Who is who: how identities become known (03 §5, 02 §6.2 and §6.7).
//!
//! An address that is wanted is looked up in the peer cache, then at the roots. What they tell, and who introduces itself by
//! a HELLO, is validated before use; that is slow work, which leaves as a [`Job`]. This machine knows who is asked for,
//! who waits, and whose turn is next. It sends nothing and knows no peers: it says what is to be asked, and gives back who
//! may come in.

pub(crate) mod job;
pub(crate) mod strangers;
#[cfg(test)]
mod tests;
pub(crate) mod whois;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{PeerKeys, SecretIdentity};
use zt_wire::{Address, Gates, Identity, Mono, PacketId};

use crate::drop_reason::DropReason;
use crate::fast_map::FastMap;
use crate::inbound::Ticket;
use crate::rate::LOAD_FOR_HELLO;
use crate::snapshot::PeerRecord;
use job::{Job, JobQueue, UnderWay};
use strangers::{Arrival, Case, Judgement, Source, Strangers, Task, Waiting};
use whois::{Asker, WhoisTable};

/// Most addresses remembered of those that the peer cache has a record of.
const MAX_CACHED: usize = 1 << 17;
/// Most identities that the layer above knows.
const MAX_KNOWN: usize = 1 << 17;
/// Jobs that do not come back are forgotten after this.
const JOB_PATIENCE: Duration = Duration::from_secs(60);

/// Identity whose validation and key agreement is a job.
pub(crate) struct Admission {
    pub(crate) identity: Identity,
    /// From the peer cache.
    pub(crate) record: Option<PeerRecord>,
    /// We vouched for that record ourselves: no validation.
    pub(crate) vouched: bool,
    /// The root that told it.
    pub(crate) via: Option<Address>,
    pub(crate) since: Mono,
}

/// The answer of the peer cache.
pub(crate) enum Loaded {
    /// Nobody waits for it.
    Nothing,
    /// It has no record: the roots are to be asked.
    Unknown,
    /// It has one.
    Found(Asker, Box<Admission>),
}

/// What became of an identity whose job came back.
pub(crate) enum Admitted {
    /// It was given up meanwhile.
    Nothing,
    /// It does not fit its address.
    Invalid,
    /// It may come in.
    Valid(Box<Admission>),
}

/// See the module.
pub(crate) struct Directory {
    /// The owner keeps records of peers.
    has_cache: bool,
    /// Who has such a record, if the owner told.
    cached: Option<BTreeSet<Address>>,
    /// Records read because of HELLOs.
    load_gate: Gates<Address>,
    whois: WhoisTable,
    admissions: BTreeMap<Address, Admission>,
    strangers: Strangers,
    /// Identities that the layer above knows.
    known: FastMap<Address, u64>,
    jobs: JobQueue,
}

impl Directory {
    /// `has_cache`: the owner answers [`Job::LoadPeer`].
    pub(crate) fn new(has_cache: bool) -> Self {
        Self {
            has_cache,
            cached: None,
            load_gate: Gates::new(LOAD_FOR_HELLO, 4096),
            whois: WhoisTable::default(),
            admissions: BTreeMap::new(),
            strangers: Strangers::default(),
            known: FastMap::default(),
            jobs: JobQueue::default(),
        }
    }

    /// The addresses that the peer cache has a record of.
    pub(crate) fn note_cached(&mut self, addresses: impl IntoIterator<Item = Address>) {
        self.cached = Some(addresses.into_iter().take(MAX_CACHED).collect());
    }

    /// A record goes to the cache.
    pub(crate) fn note_persisted(&mut self, address: Address) {
        if let Some(cached) = self.cached.as_mut().filter(|c| c.len() < MAX_CACHED) {
            cached.insert(address);
        }
    }

    /// The layer above knows this identity: when more come than can be judged it goes before strangers.
    pub(crate) fn note_known(&mut self, identity: &Identity) {
        if self.known.len() < MAX_KNOWN || self.known.contains_key(&identity.address) {
            self.known.insert(identity.address, mark(identity));
        }
    }

    fn is_known(&self, identity: &Identity) -> bool {
        self.known.get(&identity.address) == Some(&mark(identity))
    }

    /// Whether an identity of this address is about to be let in.
    pub(crate) fn is_admitting(&self, address: Address) -> bool {
        self.admissions.contains_key(&address)
    }

    /// Somebody wants to know an address. `Some(tries)`: the roots are to be asked, for so many were tried before.
    pub(crate) fn ask(&mut self, now: Mono, address: Address, asker: Asker) -> Option<u32> {
        let tries = self.whois.ask(now, address, asker)?;
        let cached = self.has_cache && self.cached.as_ref().is_none_or(|c| c.contains(&address));
        if tries == 0 && cached && self.jobs.load(address) {
            self.whois.note_loading(address);
            return None;
        }
        Some(tries)
    }

    /// Who asks for an address.
    pub(crate) fn asker(&self, address: Address) -> Option<Asker> {
        self.whois.asker(address)
    }

    /// The peer cache answered.
    pub(crate) fn loaded(&mut self, now: Mono, address: Address, bytes: Option<&[u8]>, own: &SecretIdentity) -> Loaded {
        let record = bytes.and_then(|bytes| PeerRecord::parse(bytes).ok()).filter(|r| r.identity.address == address);
        let vouched = record.as_ref().zip(bytes).is_some_and(|(r, bytes)| r.is_vouched(own, bytes));
        self.strangers.loaded(address, record.as_ref().map(|r| &r.identity).filter(|_| vouched));
        let Some(asker) = self.whois.loaded(address) else { return Loaded::Nothing };
        match record {
            Some(record) => {
                let identity = record.identity;
                let admission = Admission { identity, record: Some(record), vouched, via: None, since: now };
                Loaded::Found(asker, Box::new(admission))
            }
            None => Loaded::Unknown,
        }
    }

    /// Safer point 4: identities are validated before use, whoever tells them; but not again when we did so before.
    /// `root`: a world names this very identity.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) fn admit(&mut self, asker: Asker, admission: Admission, root: bool) -> Result<(), DropReason> {
        let identity = admission.identity;
        let address = identity.address;
        if self.is_admitting(address) {
            return Ok(());
        }
        let admitted = if root {
            self.jobs.admit_root(address);
            true
        } else if asker == Asker::Own || admission.vouched || self.is_known(&identity) {
            self.jobs.admit(address)
        } else if let Asker::Stranger(source) = asker {
            // Its HELLO waits already: it is known to be no invention now.
            if self.strangers.confirm(&identity) {
                return Ok(());
            }
            self.strangers.named(source, address)
        } else {
            false
        };
        if admitted {
            self.admissions.insert(address, admission);
        }
        self.forget_lost_names();
        if admitted { Ok(()) } else { Err(DropReason::TooManyJobs) }
    }

    /// Names that gave way to others are asked for again while somebody waits for them.
    fn forget_lost_names(&mut self) {
        while let Some(address) = self.strangers.poll_lost_name() {
            self.admissions.remove(&address);
        }
    }

    /// HELLOs that gave way to others or waited in vain, since last asked.
    pub(crate) fn take_lost_hellos(&mut self) -> u64 {
        self.strangers.take_lost_hellos()
    }

    /// A HELLO by somebody we do not know, or (`collision`) under the address of another peer: it waits for its turn to be
    /// judged. `Some(number)`: challenge its sender.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn hello(
        &mut self,
        now: Mono,
        source: Source,
        ticket: Ticket,
        identity: Identity,
        packet: &[u8],
        collision: bool,
    ) -> Result<Option<u64>, DropReason> {
        let case = if collision {
            Case::Collision
        } else if self.may_be_cached(now, identity.address) {
            Case::Cached
        } else {
            Case::Stranger
        };
        let known = self.is_known(&identity);
        let challenge = self.strangers.hello(now, Arrival { source, ticket, identity, packet, case, known });
        self.forget_lost_names();
        challenge
    }

    /// Whether the peer cache is being asked for the sender of a HELLO, or may be.
    fn may_be_cached(&mut self, now: Mono, address: Address) -> bool {
        if self.strangers.is_loading(address) {
            return true;
        }
        let listed = self.cached.as_ref().is_some_and(|c| c.contains(&address));
        listed && self.load_gate.pass(now, address) && self.jobs.load(address)
    }

    /// Whom to challenge for a HELLO, and with which keys.
    pub(crate) fn to_challenge(&self, number: u64) -> Option<(Ticket, Arc<PeerKeys>)> {
        self.strangers.to_challenge(number)
    }

    /// The challenge left.
    pub(crate) fn challenged(&mut self, now: Mono, number: u64, packet: PacketId) {
        self.strangers.challenged(now, number, packet);
    }

    /// Whether a packet of somebody who is no peer answers our challenge.
    pub(crate) fn answers(&mut self, ticket: &Ticket, packet: &[u8]) -> bool {
        self.strangers.answers(ticket, packet)
    }

    /// The judgement about a stranger's HELLO came back.
    pub(crate) fn judged(
        &mut self,
        number: u64,
        identity: &Identity,
        keys: Option<Arc<PeerKeys>>,
        valid: bool,
    ) -> Judgement {
        self.jobs.done(UnderWay::Introduce(number));
        let judgement = self.strangers.judged(number, keys, valid);
        if matches!(judgement, Judgement::Authentic(_)) {
            self.join_named(identity);
        }
        self.forget_lost_names();
        judgement
    }

    /// A HELLO of this identity was found authentic: if a root named it too, that one need not wait for itself.
    fn join_named(&mut self, identity: &Identity) {
        let address = identity.address;
        let named = self.admissions.get(&address).is_some_and(|a| a.identity == *identity);
        if named && !self.jobs.holds(address) && self.strangers.confirm(identity) {
            self.admissions.remove(&address);
        }
    }

    /// Validation and key agreement came back: `valid` tells whether there are keys.
    pub(crate) fn admitted(&mut self, identity: &Identity, valid: bool) -> Admitted {
        self.jobs.done(UnderWay::Admit(identity.address));
        match self.admissions.remove(&identity.address) {
            Some(admission) if admission.identity != *identity => Admitted::Nothing,
            None => Admitted::Nothing,
            Some(_) if !valid => {
                self.strangers.take(identity);
                Admitted::Invalid
            }
            Some(admission) => Admitted::Valid(Box::new(admission)),
        }
    }

    /// An identity became a peer: nobody need ask for it any more. Gives its HELLOs that wait.
    pub(crate) fn arrived(&mut self, identity: &Identity) -> Vec<Waiting> {
        self.whois.arrived(identity.address);
        self.strangers.take(identity)
    }

    /// The next job: records of the cache, roots, then a few of the others at a time.
    pub(crate) fn poll_job(&mut self) -> Option<Job> {
        if let Some(address) = self.jobs.next_load() {
            return Some(Job::LoadPeer { address });
        }
        while let Some(address) = self.jobs.next_named() {
            if let Some(job) = self.begin(address) {
                return Some(job);
            }
        }
        while !self.jobs.is_full() {
            let (admissions, jobs) = (&self.admissions, &self.jobs);
            let wanted = |a| admissions.contains_key(&a);
            let busy = |i: &Identity| {
                let same = admissions.get(&i.address).is_some_and(|a| a.identity == *i);
                same && jobs.is_under_way(UnderWay::Admit(i.address))
            };
            match self.strangers.next(wanted, busy)? {
                Task::Judge { number, identity, packet, validate } => {
                    self.jobs.begin(UnderWay::Introduce(number));
                    return Some(Job::Introduce { identity, packet, number, validate });
                }
                Task::Admit(address) => {
                    if let Some(job) = self.begin(address) {
                        return Some(job);
                    }
                }
            }
        }
        None
    }

    fn begin(&mut self, address: Address) -> Option<Job> {
        let admission = self.admissions.get(&address)?;
        let fresh = self.jobs.begin(UnderWay::Admit(address));
        fresh.then_some(Job::Admit { identity: admission.identity, validate: !admission.vouched })
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Mono) {
        self.whois.expire(now);
        self.strangers.expire(now);
        self.jobs.expire();
        self.load_gate.expire(now);
        self.admissions.retain(|_, a| now.saturating_since(a.since) < JOB_PATIENCE);
    }
}

/// Tells identities of one address apart, as far as it is about who goes first.
fn mark(identity: &Identity) -> u64 {
    u64::from_be_bytes(*identity.public_key.first_chunk().expect("64 bytes"))
}
