//! Who is let in next: HELLOs of strangers and identities that a root named for them, waiting for the memory-hard
//! validation (01 §3.4).
//!
//! Deliberate: the reference lets in one stranger per /24 and two seconds, whatever else it has to do (02 §6.2, gate G1;
//! "Free choice" but for some limit). Here capacity decides. While nothing waits, anyone is judged at once. When more come
//! than can be judged, they wait in bounded queues in which sources take turns, and pass three steps:
//!
//! 1. *Check*: key agreement and the packet's MAC, a hundredth of a validation. Names that the peer cache vouches for
//!    are let in by this alone, before all others.
//! 2. *Challenge*: an ECHO, shorter than any HELLO, to where the HELLO came from. Every node answers it, for it knows us;
//!    who forged the sender's address never sees it.
//! 3. *Validation*: names that the layer above knows, then those who answered, then the others.
//!
//! So a flood of forged HELLOs costs checks, and newcomers wait for each other only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::PeerKeys;
use zt_wire::verb::{Message, OkBody, OkReply};
use zt_wire::{Address, Gate, Identity, Mono, Packet, PacketId, Verb};

use crate::drop_reason::DropReason;
use crate::fair_queue::{Added, FairQueue, GivesWay};
use crate::inbound::Ticket;
use crate::link::Path;

/// Most known names that wait.
const KNOWN_ROOM: usize = 256;
/// Most HELLOs that wait for their check.
const UNCHECKED_ROOM: usize = 1024;
/// Most that have not answered the challenge (yet): the oldest gives way.
const UNPROVED_ROOM: usize = 2048;
/// Most that have.
const PROVED_ROOM: usize = 4096;
/// Most HELLOs that wait for a record of the peer cache.
const LOADING_ROOM: usize = 64;
/// Of each room one source has at most this part: a NAT with many machines behind it needs a lot of places, and who
/// takes them from others gives way.
const SHARE: usize = 4;
/// Checks between two validations: they cost less than one together.
const CHECKS: usize = 64;
/// A HELLO that was not repeated for so long is not waited for by its sender any more.
const STALE: Duration = Duration::from_secs(20);
/// A judgement that does not come back is forgotten after this.
const LOST: Duration = Duration::from_secs(60);
/// The peer cache has this long to answer.
const LOADING: Duration = Duration::from_secs(2);
/// The challenge is repeated so often, when the HELLO is.
const CHALLENGE_AGAIN: Duration = Duration::from_millis(900);
/// Old entries are looked for so often.
const SWEEP: Duration = Duration::from_secs(1);
/// Longest packet that is tried as an answer to the challenge, which is empty.
const ANSWER_LEN: usize = 64;

/// Who takes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// All senders of a /24 of IPv4, of a /48 of IPv6, or one Ethernet address.
    Prefix(u64),
    /// All that a root relays by one path.
    Relay(Path),
}

/// A HELLO of somebody who is no peer.
pub(crate) struct Arrival<'a> {
    pub(crate) source: Source,
    pub(crate) ticket: Ticket,
    pub(crate) identity: Identity,
    pub(crate) packet: &'a [u8],
    pub(crate) case: Case,
    /// The layer above knows this identity: once its HELLO is checked it goes before strangers.
    pub(crate) known: bool,
}

/// What a HELLO is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Nobody we know.
    Stranger,
    /// The peer cache may know it.
    Cached,
    /// Its address belongs to another identity.
    Collision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for the peer cache, since then.
    Loading(Mono),
    /// In the queue for known names.
    Known,
    Unchecked,
    /// Its check is under way.
    Checking,
    /// Checked, and in the queue of names that the layer above knows.
    First,
    Unproved,
    Proved,
    /// Its validation is under way.
    Validating,
    /// The same identity is being validated already.
    Parked,
}

/// A HELLO that waits.
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) identity: Identity,
    /// Sealed, as it arrived.
    pub(crate) packet: Vec<u8>,
    pub(crate) keys: Option<Arc<PeerKeys>>,
    case: Case,
    source: Source,
    stage: Stage,
    challenge: Option<(PacketId, Mono)>,
    answered: bool,
    /// Where it answered the challenge itself, and when that was sent.
    pub(crate) proved: Option<(Path, Mono)>,
    vouched: bool,
    preferred: bool,
}

/// The next thing to do for somebody who waits.
pub(crate) enum Task {
    /// Judge a HELLO.
    Judge { number: u64, identity: Identity, packet: Vec<u8>, validate: bool },
    /// Validate an identity that a root named.
    Admit(Address),
}

/// What a judgement means.
pub(crate) enum Judgement {
    /// Nothing is to be done now.
    Nothing,
    /// The HELLO is worth nothing.
    Refused(DropReason),
    /// Another identity has the address.
    Collision(Box<Waiting>),
    /// Authentic: its sender is to be challenged.
    Authentic(u64),
    /// A valid identity: all its HELLOs.
    Valid(Vec<Waiting>),
}

#[derive(Clone, Copy, Debug)]
enum Queued {
    Hello(u64),
    Named(Address),
}

/// See the module.
pub(crate) struct Strangers {
    waiting: BTreeMap<u64, Waiting>,
    by_address: BTreeSet<(Address, u64)>,
    next_number: u64,
    known: FairQueue<Source, u64>,
    first: FairQueue<Source, u64>,
    unchecked: FairQueue<Source, u64>,
    unproved: FairQueue<Source, Queued>,
    proved: FairQueue<Source, Queued>,
    loading: usize,
    /// Named identities that gave way, to be taken.
    lost_names: Vec<Address>,
    /// HELLOs that gave way or waited in vain, since last asked.
    lost_hellos: u64,
    /// Checks that may go before the next validation.
    checks: usize,
    swept: Gate,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            by_address: BTreeSet::new(),
            next_number: 0,
            known: FairQueue::new(KNOWN_ROOM, GivesWay::Newest),
            first: FairQueue::new(KNOWN_ROOM, GivesWay::Newest),
            unchecked: FairQueue::new(UNCHECKED_ROOM, GivesWay::Newest),
            unproved: FairQueue::new(UNPROVED_ROOM, GivesWay::Oldest),
            proved: FairQueue::new(PROVED_ROOM, GivesWay::Newest),
            loading: 0,
            lost_names: Vec::new(),
            lost_hellos: 0,
            checks: CHECKS,
            swept: Gate::passed(Mono::ZERO),
        }
    }
}

impl Strangers {
    /// Takes a HELLO. `Some(number)`: challenge its sender.
    pub(crate) fn hello(&mut self, now: Mono, arrival: Arrival<'_>) -> Result<Option<u64>, DropReason> {
        let Arrival { source, ticket, identity, packet, case, known } = arrival;
        if self.swept.is_open(now, SWEEP) {
            self.expire(now);
        }
        if let Some(number) = self.numbers(identity.address).into_iter().find(|n| self.is_same(*n, source, &identity)) {
            return Ok(self.repeated(now, number, ticket, packet));
        }
        let stage = if case == Case::Cached && self.loading < LOADING_ROOM {
            self.loading += 1;
            Stage::Loading(now)
        } else {
            Stage::Unchecked
        };
        let number = self.next_number;
        self.next_number += 1;
        let waiting = Waiting {
            ticket,
            identity,
            packet: packet.to_vec(),
            keys: None,
            case,
            source,
            stage,
            challenge: None,
            answered: false,
            proved: None,
            vouched: false,
            preferred: known,
        };
        self.by_address.insert((identity.address, number));
        self.waiting.insert(number, waiting);
        if stage == Stage::Unchecked && self.put(number, Stage::Unchecked) == Some(number) {
            return Err(DropReason::HelloGate);
        }
        Ok(None)
    }

    /// Whether the peer cache is asked for this address already.
    pub(crate) fn is_loading(&self, address: Address) -> bool {
        self.numbers(address).iter().any(|n| matches!(self.waiting[n].stage, Stage::Loading(_)))
    }

    /// The peer cache answered: `vouched` is an identity that was validated before.
    pub(crate) fn loaded(&mut self, address: Address, vouched: Option<&Identity>) {
        for number in self.numbers(address) {
            let Some(w) = self.waiting.get_mut(&number) else { continue };
            w.vouched = vouched == Some(&w.identity);
            let (source, stage) = (w.source, if w.vouched { Stage::Known } else { Stage::Unchecked });
            match w.stage {
                Stage::Loading(_) => self.loading -= 1,
                Stage::Unchecked if w.vouched => _ = self.unchecked.remove(source, |n| *n == number),
                _ => continue,
            }
            self.put(number, stage);
        }
    }

    /// An identity that a root named for a packet of this source waits for its validation. False: there is no room.
    pub(crate) fn named(&mut self, source: Source, address: Address) -> bool {
        // What a root names exists, and came by it or is asked about: it is no forged sender's invention.
        let added = match source {
            Source::Relay(_) => self.proved.push(source, share(PROVED_ROOM, source), Queued::Named(address)),
            Source::Prefix(_) => self.unproved.push(source, share(UNPROVED_ROOM, source), Queued::Named(address)),
        };
        let refused = matches!(added, Added::Refused(_));
        if !refused {
            self.lose(added);
        }
        !refused
    }

    /// HELLOs that gave way or waited in vain, since last asked.
    pub(crate) fn take_lost_hellos(&mut self) -> u64 {
        std::mem::take(&mut self.lost_hellos)
    }

    /// The next named identity that gave way to others.
    pub(crate) fn poll_lost_name(&mut self) -> Option<Address> {
        self.lost_names.pop()
    }

    /// A root named this identity. True when a HELLO of it waits that was checked: it goes on with the proved ones.
    pub(crate) fn confirm(&mut self, identity: &Identity) -> bool {
        let mut numbers = self.numbers(identity.address).into_iter();
        let checked = |w: &Waiting| {
            w.identity == *identity
                && matches!(w.stage, Stage::First | Stage::Unproved | Stage::Proved | Stage::Validating)
        };
        let Some(number) = numbers.find(|n| checked(&self.waiting[n])) else { return false };
        if let Some(w) = self.waiting.get_mut(&number) {
            w.answered = true;
        }
        self.promote(number);
        true
    }

    /// The next task, when there is capacity for one. `wanted`: an identity that a root named is still to be admitted;
    /// `busy`: one is being validated.
    pub(crate) fn next(&mut self, wanted: impl Fn(Address) -> bool, busy: impl Fn(&Identity) -> bool) -> Option<Task> {
        loop {
            if self.checks > 0
                && let Some(task) = self.next_check(&busy)
            {
                return Some(task);
            }
            let first = self.first.pop().map(|(source, number)| (source, Queued::Hello(number)));
            let Some((_, queued)) = first.or_else(|| self.proved.pop()).or_else(|| self.unproved.pop()) else {
                if self.checks == CHECKS {
                    return None;
                }
                self.checks = CHECKS;
                continue;
            };
            let task = match queued {
                Queued::Hello(number) => self.begin(number, true, &busy),
                Queued::Named(address) => wanted(address).then_some(Task::Admit(address)),
            };
            if task.is_some() {
                self.checks = CHECKS;
                return task;
            }
        }
    }

    fn next_check(&mut self, busy: &impl Fn(&Identity) -> bool) -> Option<Task> {
        loop {
            let (_, number) = self.known.pop().or_else(|| self.unchecked.pop())?;
            let idle = self.known.is_empty()
                && self.unchecked.is_empty()
                && self.first.is_empty()
                && self.unproved.is_empty()
                && self.proved.is_empty();
            let stranger = self.waiting.get(&number).is_some_and(|w| !w.vouched && w.case != Case::Collision);
            // Nobody waits: both steps in one.
            if let Some(task) = self.begin(number, idle && stranger, busy) {
                self.checks -= 1;
                return Some(task);
            }
        }
    }

    fn begin(&mut self, number: u64, validate: bool, busy: &impl Fn(&Identity) -> bool) -> Option<Task> {
        let identity = self.waiting.get(&number)?.identity;
        let same = |n: &u64| self.waiting[n].stage == Stage::Validating && self.waiting[n].identity == identity;
        let parked = validate && (busy(&identity) || self.numbers(identity.address).iter().any(same));
        let w = self.waiting.get_mut(&number)?;
        if parked {
            w.stage = Stage::Parked;
            return None;
        }
        w.stage = if validate { Stage::Validating } else { Stage::Checking };
        Some(Task::Judge { number, identity, packet: w.packet.clone(), validate })
    }

    /// A judgement came back.
    pub(crate) fn judged(&mut self, number: u64, keys: Option<Arc<PeerKeys>>, valid: bool) -> Judgement {
        let Some(w) = self.waiting.get_mut(&number) else { return Judgement::Nothing };
        let validated = w.stage == Stage::Validating;
        let identity = w.identity;
        let Some(keys) = keys.filter(|_| valid || validated) else {
            return self.refuse(number, DropReason::BadMac);
        };
        w.keys = Some(keys);
        if w.case == Case::Collision {
            return self.remove(number).map_or(Judgement::Nothing, |w| Judgement::Collision(Box::new(w)));
        }
        if validated && !valid {
            self.take(&identity);
            return Judgement::Refused(DropReason::InvalidIdentity);
        }
        if validated || w.vouched {
            // The one that was judged first: it has the keys.
            let judged = self.remove(number);
            return Judgement::Valid(judged.into_iter().chain(self.take(&identity)).collect());
        }
        if w.preferred {
            self.put(number, Stage::First);
            return Judgement::Nothing;
        }
        self.put(number, Stage::Unproved);
        Judgement::Authentic(number)
    }

    /// A HELLO was forged: others of the same identity are judged by themselves.
    fn refuse(&mut self, number: u64, reason: DropReason) -> Judgement {
        if let Some(w) = self.remove(number) {
            for other in self.numbers(w.identity.address) {
                if self.waiting[&other].stage == Stage::Parked {
                    self.put(other, Stage::Unchecked);
                }
            }
        }
        Judgement::Refused(reason)
    }

    /// Whom to challenge for a HELLO, and with which keys.
    pub(crate) fn to_challenge(&self, number: u64) -> Option<(Ticket, Arc<PeerKeys>)> {
        let w = self.waiting.get(&number)?;
        Some((w.ticket, Arc::clone(w.keys.as_ref()?)))
    }

    /// The challenge left.
    pub(crate) fn challenged(&mut self, now: Mono, number: u64, packet: PacketId) {
        if let Some(w) = self.waiting.get_mut(&number) {
            w.challenge = Some((packet, now));
        }
    }

    /// Whether a packet of somebody who is no peer answers our challenge: it goes on with those who did.
    pub(crate) fn answers(&mut self, ticket: &Ticket, packet: &[u8]) -> bool {
        if packet.len() > ANSWER_LEN {
            return false;
        }
        let asked = |w: &Waiting| w.challenge.is_some() && (w.ticket.path == ticket.path || ticket.hops > 0);
        let mut numbers = self.numbers(ticket.from).into_iter();
        let Some(number) = numbers.find(|n| asked(&self.waiting[n]) && is_answer(&self.waiting[n], packet)) else {
            return false;
        };
        if let Some(w) = self.waiting.get_mut(&number) {
            let asked = w.challenge.take();
            w.proved = asked.filter(|_| ticket.hops == 0).map(|(_, at)| (ticket.path, at));
            w.answered = true;
        }
        self.promote(number);
        true
    }

    /// An identity became a peer: all HELLOs of it that wait.
    pub(crate) fn take(&mut self, identity: &Identity) -> Vec<Waiting> {
        let numbers = self.numbers(identity.address).into_iter();
        let same: Vec<u64> = numbers.filter(|n| self.waiting[n].identity == *identity).collect();
        same.into_iter().filter_map(|n| self.remove(n)).collect()
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Mono) {
        self.swept.note(now);
        let stale = |w: &Waiting| {
            let under_way = matches!(w.stage, Stage::Checking | Stage::Validating);
            now.saturating_since(w.ticket.arrived) >= if under_way { LOST } else { STALE }
        };
        let gone: Vec<u64> = self.waiting.iter().filter(|(_, w)| stale(w)).map(|(n, _)| *n).collect();
        self.lost_hellos += gone.len() as u64;
        for number in gone {
            self.remove(number);
        }
        if self.loading > 0 {
            let waits = |w: &Waiting| matches!(w.stage, Stage::Loading(t) if now.saturating_since(t) >= LOADING);
            let late: Vec<u64> = self.waiting.iter().filter(|(_, w)| waits(w)).map(|(n, _)| *n).collect();
            for number in late {
                self.loading -= 1;
                self.put(number, Stage::Unchecked);
            }
        }
    }

    /// A HELLO of somebody who waits already: it keeps its place, and the newest is answered. Before the check nobody
    /// knows whether it is the same sender's.
    fn repeated(&mut self, now: Mono, number: u64, ticket: Ticket, packet: &[u8]) -> Option<u64> {
        let w = self.waiting.get_mut(&number)?;
        let keys = w.keys.as_ref()?;
        let mut opened = packet.to_vec();
        if keys.open(&mut opened).is_err() {
            return None;
        }
        w.ticket = ticket;
        w.packet = packet.to_vec();
        let again = w.challenge.is_none_or(|(_, at)| now.saturating_since(at) >= CHALLENGE_AGAIN);
        if w.stage != Stage::Unproved {
            return None;
        }
        if w.answered {
            self.promote(number);
            return None;
        }
        again.then_some(number)
    }

    /// To those who answered, if there is room.
    fn promote(&mut self, number: u64) {
        let Some(w) = self.waiting.get_mut(&number).filter(|w| w.stage == Stage::Unproved) else { return };
        let source = w.source;
        match self.proved.push(source, share(PROVED_ROOM, source), Queued::Hello(number)) {
            Added::Refused(_) => return,
            added => self.lose(added),
        }
        self.unproved.remove(source, |q| matches!(q, Queued::Hello(n) if *n == number));
        if let Some(w) = self.waiting.get_mut(&number) {
            w.stage = Stage::Proved;
        }
    }

    /// Puts an entry into the queue of a stage; returns the number of the one that gave way, which is forgotten.
    fn put(&mut self, number: u64, stage: Stage) -> Option<u64> {
        let w = self.waiting.get_mut(&number)?;
        w.stage = stage;
        let source = w.source;
        let lost = match stage {
            Stage::Known => self.known.push(source, share(KNOWN_ROOM, source), number).lost(),
            Stage::First => self.first.push(source, share(KNOWN_ROOM, source), number).lost(),
            Stage::Unproved => {
                let added = self.unproved.push(source, share(UNPROVED_ROOM, source), Queued::Hello(number));
                self.lose(added);
                None
            }
            _ => self.unchecked.push(source, share(UNCHECKED_ROOM, source), number).lost(),
        };
        self.forget(lost?);
        self.lost_hellos += u64::from(lost != Some(number));
        lost
    }

    fn lose(&mut self, added: Added<Queued>) {
        match added.lost() {
            Some(Queued::Hello(number)) => {
                self.forget(number);
                self.lost_hellos += 1;
            }
            Some(Queued::Named(address)) => self.lost_names.push(address),
            None => {}
        }
    }

    /// Removes an entry that is in no queue any more.
    fn forget(&mut self, number: u64) -> Option<Waiting> {
        let w = self.waiting.remove(&number)?;
        self.by_address.remove(&(w.identity.address, number));
        Some(w)
    }

    /// Removes an entry and its place in a queue.
    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let w = self.forget(number)?;
        let hello = |q: &Queued| matches!(q, Queued::Hello(n) if *n == number);
        match w.stage {
            Stage::Loading(_) => self.loading -= 1,
            Stage::Known => _ = self.known.remove(w.source, |n| *n == number),
            Stage::First => _ = self.first.remove(w.source, |n| *n == number),
            Stage::Unchecked => _ = self.unchecked.remove(w.source, |n| *n == number),
            Stage::Unproved => _ = self.unproved.remove(w.source, hello),
            Stage::Proved => _ = self.proved.remove(w.source, hello),
            Stage::Checking | Stage::Validating | Stage::Parked => {}
        }
        Some(w)
    }

    fn numbers(&self, address: Address) -> Vec<u64> {
        self.by_address.range((address, 0)..=(address, u64::MAX)).map(|(_, n)| *n).collect()
    }

    fn is_same(&self, number: u64, source: Source, identity: &Identity) -> bool {
        self.waiting.get(&number).is_some_and(|w| w.source == source && w.identity == *identity)
    }
}

/// Places that a source may hold in a room.
const fn share(room: usize, source: Source) -> usize {
    match source {
        Source::Prefix(_) => room / SHARE,
        Source::Relay(_) => room / 2,
    }
}

fn is_answer(w: &Waiting, packet: &[u8]) -> bool {
    let (Some(keys), Some((asked, _))) = (&w.keys, w.challenge) else { return false };
    let mut opened = packet.to_vec();
    if keys.open(&mut opened).is_err() {
        return false;
    }
    let Ok(view) = Packet::new_checked(opened.as_slice()).map(Packet::opened) else { return false };
    view.verb() == Verb::OK
        && !view.is_compressed()
        && matches!(
            Message::parse(Verb::OK, view.payload()),
            Ok(Message::Ok(OkReply { in_re_packet, body: OkBody::Echo(_) })) if in_re_packet == asked
        )
}

#[cfg(test)]
mod tests;
