//! What software a peer runs, as far as it may be believed.

use zt_crypto::Suite;
use zt_wire::Mono;

use crate::rate::HELLO_DRIFT_MS;

/// Version of a peer's software, as it told us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) protocol: u8,
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) revision: u16,
}

impl Version {
    /// ECHO is understood (03 §6.1).
    fn understands_echo(&self) -> bool {
        self.protocol >= 5 && (self.major, self.minor, self.revision) != (1, 1, 0)
    }
}

/// A peer's version and what it proved of it (safer point 2).
#[derive(Debug, Default)]
pub(crate) struct Software {
    version: Option<Version>,
    /// It has sealed something with AES: it is of protocol 12.
    proved_aes: bool,
    /// Time in the latest HELLO, and when that came.
    hello_clock: Option<(i64, Mono)>,
}

impl Software {
    /// As it told, or as it was told before a restart of ours.
    pub(crate) const fn version(&self) -> Option<Version> {
        self.version
    }

    /// How packets to this peer are encrypted (01 §5.5).
    pub(crate) fn suite(&self) -> Suite {
        if self.version.is_some_and(|v| v.protocol >= 12) { Suite::AesGmacSiv } else { Suite::Salsa2012Poly1305 }
    }

    pub(crate) fn understands_echo(&self) -> bool {
        self.version.is_some_and(|v| v.understands_echo())
    }

    /// The version is remembered from before a restart, so that AES can be used at once (03 §12).
    pub(crate) const fn recall(&mut self, version: Version) {
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
        let back = self.hello_clock.is_some_and(|clock| unix_ms < expected(clock, now).saturating_sub(HELLO_DRIFT_MS));
        !downgrade && !back
    }

    /// Takes over what a plausible HELLO says.
    pub(crate) fn accept_hello(&mut self, now: Mono, unix_ms: i64, version: Version) {
        if self.hello_clock.is_none_or(|clock| unix_ms > expected(clock, now)) {
            self.hello_clock = Some((unix_ms, now));
        }
        self.version = Some(version);
    }

    /// Takes over what an answer to a question of ours says. `challenged`: it proves that the peer went back.
    pub(crate) const fn accept_answer(&mut self, version: Version, challenged: bool) {
        if version.protocol < 12 {
            self.proved_aes = false;
        }
        if challenged {
            self.hello_clock = None;
        }
        self.version = Some(version);
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

    const V12: Version = Version { protocol: 12, major: 1, minor: 14, revision: 1 };
    const V9: Version = Version { protocol: 9, major: 1, minor: 2, revision: 12 };

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
