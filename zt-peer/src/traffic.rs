//! What was sent and received, counted: by verb, by error code, and by peer. Plain numbers, found by an index.

use std::time::Duration;

use zt_wire::Address;
use zt_wire::verb::{ErrorCode, Verb};

/// Verbs that fit a packet's five bits.
const VERBS: usize = 32;

/// Codes that have a counter; others share that of code 0, which no ERROR has.
const CODES: usize = 16;

/// Packets by verb, and ERRORs by code, in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    verbs: [u64; VERBS],
    codes: [u64; CODES],
}

impl PacketCounts {
    pub(crate) const fn new() -> Self {
        Self { verbs: [0; VERBS], codes: [0; CODES] }
    }

    pub(crate) const fn count(&mut self, verb: Verb) {
        self.verbs[verb.0 as usize % VERBS] += 1;
    }

    pub(crate) fn count_error(&mut self, code: ErrorCode) {
        self.codes[Some(usize::from(code.0)).filter(|code| *code < CODES).unwrap_or(0)] += 1;
    }

    /// Packets of a verb.
    #[must_use]
    pub fn of(&self, verb: Verb) -> u64 {
        self.verbs[usize::from(verb.0) % VERBS]
    }

    /// ERRORs with a code.
    #[must_use]
    pub fn errors(&self, code: ErrorCode) -> u64 {
        self.codes.get(usize::from(code.0)).copied().unwrap_or(0)
    }
}

/// Packets of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Sent to it, over whomever.
    pub sent: u64,
    /// Received from it and opened.
    pub received: u64,
    /// Received in its name and not to be opened or read.
    pub errors: u64,
}

/// How long answers to probes took, by classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    classes: [u32; Self::BOUNDS.len() + 1],
    sum: u64,
}

impl Latencies {
    /// Milliseconds up to which a class reaches; the last one has no bound (06 §10).
    pub const BOUNDS: [u64; 10] = [1, 3, 6, 10, 30, 60, 100, 300, 600, 1000];

    pub(crate) fn note(&mut self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let class = Self::BOUNDS.iter().position(|bound| millis <= *bound).unwrap_or(Self::BOUNDS.len());
        self.classes[class] = self.classes[class].saturating_add(1);
        self.sum = self.sum.saturating_add(millis);
    }

    /// How many answers there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.classes.iter().map(|class| u64::from(*class)).sum()
    }

    /// Milliseconds that they took together.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Each bound, and how many took no longer.
    pub fn up_to(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let within = self.classes.iter().scan(0, |sum, class| {
            *sum += u64::from(*class);
            Some(*sum)
        });
        Self::BOUNDS.into_iter().zip(within)
    }
}

/// What was counted of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTraffic {
    /// Its address.
    pub address: Address,
    /// Packets.
    pub packets: PeerCounts,
    /// Answers of it.
    pub latencies: Latencies,
    /// Paths that work.
    pub alive: usize,
    /// Paths that do not answer.
    pub dead: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_in_the_class_of_their_bound() {
        let mut latencies = Latencies::default();
        for millis in [0, 1, 2, 3, 59, 60, 61, 1000, 1001, 90_000] {
            latencies.note(Duration::from_millis(millis));
        }
        let up_to: Vec<u64> = latencies.up_to().map(|(_, count)| count).collect();
        assert_eq!(up_to, [2, 4, 4, 4, 4, 6, 7, 7, 7, 8]);
        assert_eq!((latencies.count(), latencies.sum()), (10, 92_187));
    }

    #[test]
    fn any_verb_and_any_code_has_a_place() {
        let mut counts = PacketCounts::new();
        for number in 0..=u8::MAX {
            counts.count(Verb(number));
            counts.count_error(ErrorCode(number));
        }
        assert_eq!((counts.of(Verb::HELLO), counts.errors(ErrorCode::OBJ_NOT_FOUND)), (8, 1));
        assert_eq!(counts.errors(ErrorCode(200)), 0);
    }
}
