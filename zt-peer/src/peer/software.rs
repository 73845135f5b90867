//! What software a peer runs, as far as it may be believed.

use std::time::Duration;

use zt_crypto::Suite;
use zt_wire::{Mono, SoftwareVersion, When};

use crate::rate::{ECHO_ANSWER, ECHO_ANSWER_OLD, ECHO_MARGIN, HELLO_DRIFT_MS};

/// What a peer's software speaks and is, as it told us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerVersion {
    /// Version of the protocol.
    pub protocol: u8,
    /// Version of the software.
    pub software: SoftwareVersion,
}

impl PeerVersion {
    /// ECHO is understood (03 §6.1).
    fn understands_echo(&self) -> bool {
        self.protocol >= 5 && self.software != SoftwareVersion::new(1, 1, 0)
    }

    /// AES-GMAC-SIV is understood (02 §5).
    const fn understands_aes(&self) -> bool {
        self.protocol >= 12
    }
}

/// A peer's version and what it proved of it (safer point 2).
#[derive(Debug, Default)]
pub(crate) struct Software {
    version: Option<PeerVersion>,
    /// It has sealed something with AES: it is of protocol 12.
    proved_aes: bool,
    /// Time in the latest HELLO, and when that came.
    hello_clock: (i64, When),
}

impl Software {
    /// As it told, or as it was told before a restart of ours.
    pub(crate) const fn version(&self) -> Option<PeerVersion> {
        self.version
    }

    /// How packets to this peer are encrypted (01 §5.5).
    pub(crate) fn suite(&self) -> Suite {
        if self.version.is_some_and(|v| v.understands_aes()) { Suite::AesGmacSiv } else { Suite::Salsa2012Poly1305 }
    }

    pub(crate) fn understands_echo(&self) -> bool {
        self.version.is_some_and(|v| v.understands_echo())
    }

    /// It answers one ECHO on a path in this time (02 §6.11); old software, one at all.
    pub(crate) fn echo_gate(&self) -> Duration {
        let recent = self.version.is_some_and(|v| v.understands_aes());
        if recent { ECHO_ANSWER + ECHO_MARGIN } else { ECHO_ANSWER_OLD + ECHO_MARGIN }
    }

    /// The version is remembered from before a restart, so that AES can be used at once (03 §12).
    pub(crate) const fn recall(&mut self, version: PeerVersion) {
        self.version = Some(version);
    }

    /// It sealed a packet with AES.
    pub(crate) const fn prove_aes(&mut self) {
        self.proved_aes = true;
    }

    /// Whether a HELLO is plausible (safer point 2): its time has not gone back beyond drift, and it does not take a
    /// peer that proved AES back to older ciphers. A peer that truly went back answers a challenge.
    pub(crate) fn judge_hello(&self, now: Mono, unix_ms: i64, protocol: u8) -> bool {
        let downgrade = self.proved_aes && protocol < 12;
        let back =
            self.hello_clock().is_some_and(|clock| unix_ms < expected(clock, now).saturating_sub(HELLO_DRIFT_MS));
        !downgrade && !back
    }

    /// Takes over what a plausible HELLO says.
    pub(crate) fn accept_hello(&mut self, now: Mono, unix_ms: i64, version: PeerVersion) {
        if self.hello_clock().is_none_or(|clock| unix_ms > expected(clock, now)) {
            self.hello_clock = (unix_ms, When::at(now));
        }
        self.version = Some(version);
    }

    /// Takes over what an answer to a question of ours says. `challenged`: it proves that the peer went back.
    pub(crate) const fn accept_answer(&mut self, version: PeerVersion, challenged: bool) {
        if !version.understands_aes() {
            self.proved_aes = false;
        }
        if challenged {
            self.hello_clock = (0, When::NEVER);
        }
        self.version = Some(version);
    }

    /// What the peer's clock shows now, milliseconds since 1970, by its latest HELLO.
    pub(crate) fn clock(&self, now: Mono) -> Option<i64> {
        self.hello_clock().map(|clock| expected(clock, now))
    }

    fn hello_clock(&self) -> Option<(i64, Mono)> {
        let (unix_ms, came) = self.hello_clock;
        Some((unix_ms, came.get()?))
    }
}

/// What the peer's clock shows now.
fn expected((latest, at): (i64, Mono), now: Mono) -> i64 {
    latest.saturating_add(i64::try_from(now.millis_since(at)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    //! Safer point 2.

    use super::*;

    const V12: PeerVersion = PeerVersion { protocol: 12, software: SoftwareVersion::new(1, 14, 1) };
    const V9: PeerVersion = PeerVersion { protocol: 9, software: SoftwareVersion::new(1, 2, 12) };

    fn t(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    #[test]
    fn a_hello_from_before_is_not_believed() {
        let mut s = Software::default();
        assert!(s.judge_hello(t(0), 1_000_000, 12));
        s.accept_hello(t(0), 1_000_000, V12);
        assert!(s.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS, 12));
        assert!(!s.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS - 1, 12));
        // A HELLO within drift does not wind the clock back step by step.
        s.accept_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS, V12);
        assert!(!s.judge_hello(t(100_000), 1_100_000 - HELLO_DRIFT_MS - 1, 12));
    }

    #[test]
    fn a_peer_that_proved_aes_is_not_taken_back_except_by_its_answer() {
        let mut s = Software::default();
        s.accept_hello(t(0), 1_000_000, V12);
        s.prove_aes();
        assert!(!s.judge_hello(t(1), 1_000_001, 9));
        s.accept_answer(V9, true);
        assert_eq!(s.suite(), Suite::Salsa2012Poly1305);
        assert!(s.judge_hello(t(2), 5, 9));
    }
}
