//! One remote identity: version, liveness, and its direct paths.

mod gates;
mod ledger;
mod paths;
mod software;
mod united;

use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{PeerKeys, Suite};
use zt_wire::Identity;
use zt_wire::{Address, Gate, Mono};

use crate::link::{Endpoint, Path};
use crate::rate::{CONFIRM, ECHO_ANSWER, HELLO_DRIFT_MS, PEER_ACTIVITY, PUSH_BREAKER, PUSH_GAP, TRUST};
use crate::wire::expect::Spread;

use gates::PathGate;
use ledger::Ledger;
use united::United;

pub(crate) use ledger::{SHORT_ANSWER, take};
pub(crate) use paths::{MAX_SLOTS, Slot, choice as path_choice, liveness};
pub(crate) use software::Version;

/// Most addresses remembered for a peer that lost its paths.
const MAX_REMEMBERED: usize = 8;
/// Most addresses tried that are remembered per peer.
const MAX_TRIED: usize = 16;

pub(crate) struct Peer {
    pub(crate) identity: Identity,
    pub(crate) keys: Arc<PeerKeys>,
    pub(crate) version: Option<Version>,
    /// It has sealed something with AES: it is of protocol 12.
    pub(crate) proved_aes: bool,
    /// Time in the latest HELLO, and when that came.
    hello_clock: Option<(i64, Mono)>,
    pub(crate) slots: Vec<Slot>,
    /// Index of the slot that traffic takes; `None` = over a root.
    pub(crate) route: Option<usize>,
    pub(crate) created: Mono,
    pub(crate) last_receive: Option<Mono>,
    pub(crate) last_nontrivial: Option<Mono>,
    pub(crate) last_traffic_out: Option<Mono>,
    /// First traffic sent over a root since anything was heard.
    pub(crate) unheard_relayed: Option<Mono>,
    /// Last ERROR that named a frame of ours.
    pub(crate) frame_error: Gate,
    pub(crate) last_relay_question: Gate,
    pub(crate) last_full_hello: Gate,
    pub(crate) last_push: Gate,
    pub(crate) trust: Option<Mono>,
    /// Root through which its packets came last when they did not come directly.
    pub(crate) via: Option<Address>,
    /// Addresses it had: tried again when there is no path.
    pub(crate) remembered: Vec<Endpoint>,
    /// When this peer is to be looked at ([`crate::peer_table::PeerTable`] keeps it in order).
    pub(crate) due: Mono,
    pub(crate) root_tries: usize,
    pub(crate) last_root_try: Option<Mono>,
    pub(crate) hello_turn: u32,
    pub(crate) last_memorised: Gate,
    pub(crate) whois_answered: Gate,
    pub(crate) error_sent: Gate,
    /// Its record was emitted since it has a path.
    pub(crate) persisted: bool,
    /// Its primary port, as it told: it outlives a restart, others are drawn anew.
    pub(crate) primary_port: Option<u16>,
    /// An address it was heard from while another port of the same host was fresh: tried when that one is in doubt.
    pub(crate) candidate: Option<(Path, Mono)>,
    /// When the owner was asked for an address.
    pub(crate) last_address_wanted: Gate,
    /// Where we sent to before we heard anything from there.
    pub(crate) tried: Vec<(Path, Spread)>,
    /// What it sent, as far as that pays for something.
    pub(crate) ledger: Ledger,
    /// HELLOs and ECHOs that confirm an unknown path (03 §7.1).
    pub(crate) confirming: PathGate,
    /// ECHOs answered.
    pub(crate) echoes: PathGate,
    /// Introductions followed.
    pub(crate) introduced: PathGate,
    /// With whom it was brought together lately.
    pub(crate) united: United,
    pushes: (u32, Gate),
}

impl Peer {
    pub(crate) fn new(now: Mono, identity: Identity, keys: Arc<PeerKeys>) -> Self {
        Self {
            identity,
            keys,
            version: None,
            proved_aes: false,
            hello_clock: None,
            slots: Vec::new(),
            route: None,
            created: now,
            last_receive: None,
            last_nontrivial: None,
            last_traffic_out: None,
            unheard_relayed: None,
            frame_error: Gate::OPEN,
            last_relay_question: Gate::OPEN,
            last_full_hello: Gate::OPEN,
            last_push: Gate::OPEN,
            trust: None,
            via: None,
            remembered: Vec::new(),
            due: Mono::FAR,
            root_tries: 0,
            last_root_try: None,
            hello_turn: 0,
            last_memorised: Gate::OPEN,
            whois_answered: Gate::OPEN,
            error_sent: Gate::OPEN,
            persisted: false,
            primary_port: None,
            candidate: None,
            last_address_wanted: Gate::OPEN,
            tried: Vec::new(),
            ledger: Ledger::default(),
            confirming: PathGate::new(CONFIRM),
            echoes: PathGate::new(ECHO_ANSWER),
            introduced: PathGate::new(CONFIRM),
            united: United::default(),
            pushes: (0, Gate::OPEN),
        }
    }

    /// How packets to this peer are encrypted (01 §5.5).
    pub(crate) fn suite(&self) -> Suite {
        if self.version.is_some_and(|v| v.protocol >= 12) { Suite::AesGmacSiv } else { Suite::Salsa2012Poly1305 }
    }

    pub(crate) fn understands_echo(&self) -> bool {
        self.version.is_some_and(|v| v.understands_echo())
    }

    pub(crate) fn slot(&self, path: Path) -> Option<usize> {
        self.slots.iter().position(|s| s.path == path)
    }

    /// The slot that traffic takes.
    pub(crate) fn route_slot(&self) -> Option<&Slot> {
        self.slots.get(self.route?)
    }

    /// Whether a slot leads to the port that outlives a restart of the peer.
    pub(crate) fn is_primary(&self, slot: &Slot) -> bool {
        let port = slot.path.remote.socket_addr().map(|a| a.port());
        port.is_some() && port == self.primary_port
    }

    pub(crate) fn is_trusted(&self, now: Mono) -> bool {
        self.trust.is_some_and(|t| now.saturating_since(t) < TRUST)
    }

    pub(crate) fn is_active(&self, now: Mono) -> bool {
        self.last_nontrivial.is_some_and(|t| now.saturating_since(t) < PEER_ACTIVITY)
    }

    pub(crate) fn heard_within(&self, now: Mono, time: Duration) -> bool {
        self.last_receive.is_some_and(|t| now.saturating_since(t) < time)
    }

    /// Whether there is traffic with this peer right now.
    pub(crate) fn is_wanted(&self, now: Mono) -> bool {
        let fresh = |t: Option<Mono>| t.is_some_and(|t| now.saturating_since(t) < Duration::from_secs(10));
        fresh(self.last_traffic_out) || fresh(self.last_nontrivial)
    }

    /// Keeps an address for later.
    pub(crate) fn remember(&mut self, remote: Endpoint) {
        if !self.remembered.contains(&remote) {
            if self.remembered.len() == MAX_REMEMBERED {
                self.remembered.remove(0);
            }
            self.remembered.push(remote);
        }
    }

    /// Notes that we send to an address where the peer was not heard.
    pub(crate) fn note_tried(&mut self, path: Path, spread: Spread) {
        if self.slot(path).is_none() && !self.tried.contains(&(path, spread)) {
            if self.tried.len() == MAX_TRIED {
                self.tried.remove(0);
            }
            self.tried.push((path, spread));
        }
    }

    /// Breaker of PUSH_DIRECT_PATHS (02 §6.17): whether the content of one received now counts.
    pub(crate) fn may_push(&mut self, now: Mono) -> bool {
        let (count, last) = self.pushes;
        let soon = last.since(now).is_some_and(|passed| passed <= PUSH_GAP);
        let count = if soon { count.saturating_add(1) } else { 0 };
        self.pushes = (count, Gate::passed(now));
        count < PUSH_BREAKER
    }

    /// Whether a HELLO is plausible (safer point 2): its time has not gone back beyond drift, and it does not take a
    /// peer that proved AES back to older ciphers. A peer that truly went back answers a challenge.
    pub(crate) fn judge_hello(&self, now: Mono, unix_ms: i64, protocol: u8) -> bool {
        let downgrade = self.proved_aes && protocol < 12;
        let back = self.hello_clock.is_some_and(|(latest, at)| {
            let passed = i64::try_from(now.millis_since(at)).unwrap_or(i64::MAX);
            unix_ms < latest.saturating_add(passed).saturating_sub(HELLO_DRIFT_MS)
        });
        !downgrade && !back
    }

    /// Takes over what a plausible HELLO says.
    pub(crate) fn accept_hello(&mut self, now: Mono, unix_ms: i64, version: Version) {
        let later = self.hello_clock.is_none_or(|(latest, at)| {
            let passed = i64::try_from(now.millis_since(at)).unwrap_or(i64::MAX);
            unix_ms > latest.saturating_add(passed)
        });
        if later {
            self.hello_clock = Some((unix_ms, now));
        }
        self.version = Some(version);
    }

    /// Takes over what an answer to a question of ours says. `challenged`: it proves that the peer went back.
    pub(crate) fn accept_answer(&mut self, version: Version, challenged: bool) {
        if version.protocol < 12 {
            self.proved_aes = false;
        }
        if challenged {
            self.hello_clock = None;
        }
        self.version = Some(version);
    }
}

#[cfg(test)]
mod tests {
    //! Safer point 2.

    use zt_crypto::SharedKey;

    use super::*;

    fn peer() -> Peer {
        let identity = Identity { address: Address::new(5), public_key: [0; 64] };
        Peer::new(Mono::ZERO, identity, Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48]))))
    }

    const V12: Version = Version { protocol: 12, major: 1, minor: 14, revision: 1 };
    const V9: Version = Version { protocol: 9, major: 1, minor: 2, revision: 12 };

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn a_hello_from_before_is_not_believed() {
        let mut p = peer();
        assert!(p.judge_hello(t(0), 1_000_000, 12));
        p.accept_hello(t(0), 1_000_000, V12);
        assert!(p.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS, 12));
        assert!(!p.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS - 1, 12));
        // A HELLO within drift does not wind the clock back step by step.
        p.accept_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS, V12);
        assert!(!p.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS - 1, 12));
    }

    #[test]
    fn a_peer_that_proved_aes_is_not_taken_back_except_by_its_answer() {
        let mut p = peer();
        p.accept_hello(t(0), 1_000_000, V12);
        p.proved_aes = true;
        assert!(!p.judge_hello(t(1), 1_000_001, 9));
        p.accept_answer(V9, true);
        assert_eq!(p.suite(), Suite::Salsa2012Poly1305);
        assert!(p.judge_hello(t(2), 5, 9));
    }

    #[test]
    fn pushes_have_a_breaker() {
        let mut p = peer();
        assert_eq!((0..12).filter(|i| p.may_push(t(i * 10))).count(), 8);
        assert!(p.may_push(t(60_000)));
    }
}
