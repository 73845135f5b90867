//! One remote identity, and what is decided about it alone: its paths, how they are kept, proved and left, what it may make
//! us do.
//!
//! Nothing is sent here and nobody is asked: methods take what they need as values, and return what is to be done.

mod activity;
mod bonded;
mod detour;
mod gates;
mod greetings;
mod ledger;
mod paths;
mod software;
mod sought;
mod united;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{PeerKeys, Suite};
use zt_wire::packet::HEADER_LEN;
use zt_wire::{Address, Identity, Mono};

use crate::bond::Bond;
use crate::link::Path;
use crate::periods::Periods;
use crate::rate::{PEER_ACTIVITY, REST, ROOT_ASKED};
use crate::traffic::Latencies;

use activity::Activity;
use detour::Detour;
use gates::Gates;
use greetings::Greetings;
use ledger::Ledger;
use paths::Paths;
use software::Software;
use sought::Sought;
use united::United;

pub(crate) use paths::{Adopted, Dropped, PathProbe, Probe, Proof, RouteChange, Slot, Task, Way};
pub use software::PeerVersion;

/// A peer in memory: its identity was validated, its keys are agreed upon.
// What a root needs for each packet that it hands on comes first, so that it lies together.
#[repr(C)]
pub(crate) struct Peer {
    paths: Paths,
    united: United,
    identity: Identity,
    keys: Arc<PeerKeys>,
    software: Software,
    activity: Activity,
    /// `None`: it was always reached directly.
    detour: Option<Box<Detour>>,
    greetings: Greetings,
    gates: Gates,
    ledger: Ledger,
    sought: Sought,
    /// Its paths are used together.
    bond: Option<Box<Bond>>,
    /// How long its answers took; `None`: there was none.
    latencies: Option<Box<Latencies>>,
    /// Its record was emitted since it has a path.
    persisted: bool,
}

/// A packet of a peer that counts as received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) path: Path,
    /// Nobody relayed it.
    pub(crate) direct: bool,
    /// It is more than keep-alive.
    pub(crate) nontrivial: bool,
    pub(crate) hello: bool,
    /// It proved a relation to us (03 §1).
    pub(crate) trust: bool,
}

/// Where a packet was heard, as far as its sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    /// By a path of the peer. Inside: when it is to be looked at.
    Path(Option<Mono>),
    /// Directly, from where the peer has no path.
    Elsewhere,
    /// Over a root. Inside: the peer may have left the path in use, and is to be looked at now.
    Root(bool),
}

/// What a look at a peer asks for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Check {
    /// To be done in this order.
    pub(crate) tasks: Vec<Task>,
    /// When to look again.
    pub(crate) next: Option<Mono>,
    /// There is traffic with the peer, and no path for it: whoever knows an address may tell.
    pub(crate) pathless: bool,
}

/// What the round asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Send these, if there are any.
    Ask(Vec<PathProbe>),
    /// The same; and a HELLO to a root leaves by every link that has no path to it.
    AskAndLookAround(Vec<PathProbe>),
    /// No path of a root works: HELLO to all its addresses.
    TryRoot,
    /// A HELLO over another root.
    OverRoot,
}

/// How a root stands among others (03 §11.4): working paths before others, then by rank, latency and silence. The less the
/// better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    no_route: bool,
    rank: i32,
    silent: bool,
    cost: u64,
}

impl Peer {
    /// Reads what a packet of this peer needs of it, and does nothing with that but that the processor's caches have it then:
    /// something at each end of what lies together, and where it is kept apart.
    pub(crate) fn touch(&self) {
        let Self { paths, identity, activity, sought, persisted, .. } = self;
        let never = Mono::ZERO;
        black_box((paths.only(), identity.address, activity.is_active(never), sought.is_due(never, false), *persisted));
    }

    /// The same of its keys.
    pub(crate) fn touch_keys(&self) {
        self.keys.touch();
    }

    pub(crate) fn new(now: Mono, identity: Identity, keys: Arc<PeerKeys>) -> Self {
        Self {
            identity,
            keys,
            software: Software::default(),
            activity: Activity::new(now),
            paths: Paths::default(),
            detour: None,
            greetings: Greetings::default(),
            gates: Gates::new(),
            ledger: Ledger::default(),
            united: United::default(),
            sought: Sought::default(),
            bond: None,
            latencies: None,
            persisted: false,
        }
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) const fn address(&self) -> Address {
        self.identity.address
    }

    pub(crate) const fn keys(&self) -> &Arc<PeerKeys> {
        &self.keys
    }

    /// How packets to this peer are encrypted.
    pub(crate) fn suite(&self) -> Suite {
        self.software.suite()
    }

    pub(crate) const fn software(&self) -> &Software {
        &self.software
    }

    pub(crate) const fn software_mut(&mut self) -> &mut Software {
        &mut self.software
    }

    pub(crate) const fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) const fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(crate) const fn paths_mut(&mut self) -> &mut Paths {
        &mut self.paths
    }

    /// It answered a probe.
    pub(crate) fn took(&mut self, time: Duration) {
        self.latencies.get_or_insert_default().note(time);
    }

    /// How long its answers took.
    pub(crate) fn latencies(&self) -> Latencies {
        self.latencies.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn detour(&self) -> &Detour {
        self.detour.as_deref().unwrap_or(&Detour::NONE)
    }

    pub(crate) fn detour_mut(&mut self) -> &mut Detour {
        self.detour.get_or_insert_default()
    }

    pub(crate) const fn greetings_mut(&mut self) -> &mut Greetings {
        &mut self.greetings
    }

    pub(crate) const fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(crate) const fn gates_mut(&mut self) -> &mut Gates {
        &mut self.gates
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(crate) const fn united(&self) -> &United {
        &self.united
    }

    pub(crate) const fn united_mut(&mut self) -> &mut United {
        &mut self.united
    }

    pub(crate) const fn sought_mut(&mut self) -> &mut Sought {
        &mut self.sought
    }

    /// Takes account of a packet (03 §7.1).
    pub(crate) fn heard(&mut self, now: Mono, packet: &Heard) -> Whence {
        self.activity.heard(now, packet.nontrivial);
        if let Some(detour) = &mut self.detour {
            detour.heard();
        }
        if packet.trust {
            self.activity.trust(now);
        }
        if packet.direct {
            let known = self.paths.heard(now, packet.path, packet.nontrivial);
            return known.map_or(Whence::Elsewhere, Whence::Path);
        }
        let tells = packet.nontrivial || packet.hello;
        Whence::Root(tells && self.paths.came_over_root(now, packet.hello))
    }

    /// It was heard at an address that is no path of it, and that proves nothing. True: it is to be asked there. An `error`
    /// is not worth that.
    pub(crate) fn asks_elsewhere(&mut self, now: Mono, path: Path, error: bool) -> bool {
        // In a bond every port is a path: another uplink may be behind the same NAT (03 §15.1).
        let settled = self.bond.is_none() && self.paths.has_fresh_sibling(now, path);
        if settled {
            self.paths.note_candidate(now, path);
        }
        !settled && !error && self.gates.confirms(now, path)
    }

    /// Traffic goes to it.
    pub(crate) const fn sends_traffic(&mut self, now: Mono) {
        self.activity.sends(now);
    }

    /// It was heard lately or is wanted now.
    pub(crate) fn is_missed(&self, now: Mono) -> bool {
        self.activity.is_active(now) || self.activity.is_wanted(now)
    }

    /// In every round: of a peer that is silent only what is needed to hear it again stays in memory.
    pub(crate) fn rest(&mut self, now: Mono) {
        if self.activity.heard_within(now, REST) || self.activity.is_wanted(now) {
            return;
        }
        // A packet of it may be with a worker: then in the next round.
        if let Some(keys) = Arc::get_mut(&mut self.keys) {
            keys.rest();
        }
        self.gates.rest(now);
    }

    /// How it stands among the roots.
    pub(crate) fn standing(&self, now: Mono) -> Standing {
        let route = self.paths.route();
        let latency = route.and_then(Slot::latency);
        let latency = latency.map_or(u64::MAX, |l| u64::try_from(l.as_micros()).unwrap_or(u64::MAX));
        let silence = self.activity.last_heard().map_or(u64::MAX / 2, |t| now.millis_since(t)) / 61_000 + 1;
        Standing {
            no_route: route.is_none(),
            rank: route.map_or(i32::MAX, Slot::rank),
            silent: !self.activity.heard_within(now, PEER_ACTIVITY),
            cost: latency.saturating_mul(silence),
        }
    }

    /// Nobody listened for `time`.
    pub(crate) fn resume(&mut self, time: Duration) {
        self.activity.resume(time);
        self.greetings.hurry();
        self.gates.push_again();
    }

    /// How long it is until the peer would answer an ECHO by the way of its traffic.
    pub(crate) fn echo_wait(&self, now: Mono) -> Duration {
        let open = self.paths.gate_closed(now, self.software.echo_gate());
        open.map_or(Duration::ZERO, |open| open.saturating_since(now))
    }

    /// The peer is due: looks at each of its paths.
    pub(crate) fn check(&mut self, now: Mono) -> Check {
        let mut tasks = Vec::new();
        let wanted = self.activity.is_wanted(now);
        let next = self.paths.check(now, wanted, self.software.echo_gate(), &mut tasks);
        let next = next.into_iter().chain(self.tend_bond(now, &mut tasks)).min();
        Check { tasks, next, pathless: wanted && self.paths.route().is_none() }
    }

    /// For a root: whether it is to be tried now, because it has no path, and when it is to be looked at again.
    pub(crate) fn retry_root(&mut self, now: Mono) -> (bool, Option<Mono>) {
        if !self.paths.is_empty() {
            return (false, None);
        }
        let queued = self.activity.heard_within(now, ROOT_ASKED);
        self.greetings.retry_root(now, queued)
    }

    /// What the round does for a root.
    pub(crate) fn tend_root(&mut self, now: Mono, periods: &Periods, is_best: bool) -> Care {
        if self.paths.iter().all(Slot::is_suspected) {
            let neglected = self.greetings.is_root_neglected(now);
            return if neglected { Care::TryRoot } else { Care::Ask(Vec::new()) };
        }
        let full = self.greetings.is_due(now, periods.root_hello);
        let questions = self.keep_alive_every(now, periods.root_hello, periods.root_heartbeat(is_best));
        if full { Care::AskAndLookAround(questions) } else { Care::Ask(questions) }
    }

    /// What the round does for a node of the contact list: HELLO over a root while there is no path.
    pub(crate) fn tend_contact(&mut self, now: Mono, periods: &Periods) -> Care {
        if !self.paths.is_empty() {
            return Care::Ask(self.keep_alive(now, periods));
        }
        if !self.greetings.is_due(now, periods.contact_hello) {
            return Care::Ask(Vec::new());
        }
        self.greetings.greets(now);
        Care::OverRoot
    }

    /// What the round does for an active peer (03 §6.3).
    pub(crate) fn keep_alive(&mut self, now: Mono, periods: &Periods) -> Vec<PathProbe> {
        self.keep_alive_every(now, periods.hello, periods.heartbeat)
    }

    /// First contact with a root, or anew after it lost all paths. Returns when to look at it.
    pub(crate) fn greet_root(&mut self, now: Mono) -> Mono {
        self.greetings.greets(now);
        self.greetings.begin_tries(now)
    }

    /// An answer proved an address that is none of its paths yet.
    pub(crate) fn adopt(&mut self, now: Mono, proof: &Proof) -> Adopted {
        // Introductions of this peer are worth repeating: its address is another.
        self.united.moved(now);
        self.paths.adopt(now, proof)
    }

    /// The kind of probe that it understands (03 §6.1).
    pub(crate) fn understood(&self, kind: Probe) -> Probe {
        if self.software.understands_echo() { kind } else { Probe::Hello }
    }

    /// What to ask at an address where the peer was heard, and `credit` bytes may go (any number: `None`). HELLO also tells
    /// its version, ECHO is as short as any packet; `hello_len`: of a HELLO.
    pub(crate) fn confirmation(&self, hello_len: usize, credit: Option<usize>) -> Option<Probe> {
        let pays = |len| credit.is_none_or(|c| c >= len);
        let new = self.software.version().is_none();
        let old = !new && !self.software.understands_echo();
        if new && pays(hello_len) || old {
            return pays(hello_len).then_some(Probe::Hello);
        }
        pays(HEADER_LEN).then_some(Probe::Echo)
    }

    /// Whether there is something worth keeping about it for the first time: a proved path, and what software it runs.
    pub(crate) fn is_newly_known(&mut self) -> bool {
        let known = self.software.version().is_some() && !self.paths.is_empty();
        known && !std::mem::replace(&mut self.persisted, true)
    }

    fn keep_alive_every(&mut self, now: Mono, hello_every: Duration, heartbeat: Duration) -> Vec<PathProbe> {
        let full = self.greetings.is_due(now, hello_every);
        if full {
            self.greetings.greets(now);
        }
        self.paths.keep_alive(now, full, heartbeat)
    }
}

#[cfg(test)]
mod tests;
