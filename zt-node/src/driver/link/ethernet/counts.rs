//! Frames that had no effect, counted by name.

use std::sync::atomic::{AtomicU64, Ordering};
use zt_wire::raw_ethernet::BadFrame;

/// Why a frame had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It is shorter than its header.
    Short,
    /// It is of another protocol with this EtherType.
    Foreign,
    /// It is of another version.
    Version,
    /// It holds nothing.
    Empty,
    /// It says that it holds more than it does.
    Cut,
    /// It is longer than any datagram.
    Long,
    /// It comes from an address that stands for several stations.
    Source,
    /// It went to another station, and is seen here because of a mirror or a bridge.
    OtherStation,
    /// It went to all stations, for another node.
    OtherNode,
}

const NAMES: [(Dropped, &str); 9] = [
    (Dropped::Short, "ethernet-short"),
    (Dropped::Foreign, "ethernet-foreign"),
    (Dropped::Version, "ethernet-version"),
    (Dropped::Empty, "ethernet-empty"),
    (Dropped::Cut, "ethernet-cut"),
    (Dropped::Long, "ethernet-too-long"),
    (Dropped::Source, "ethernet-bad-source"),
    (Dropped::OtherStation, "ethernet-other-station"),
    (Dropped::OtherNode, "ethernet-other-node"),
];

impl From<BadFrame> for Dropped {
    fn from(bad: BadFrame) -> Self {
        match bad {
            BadFrame::Short => Self::Short,
            BadFrame::Foreign => Self::Foreign,
            BadFrame::Version(_) => Self::Version,
            BadFrame::Empty => Self::Empty,
            BadFrame::Cut => Self::Cut,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; NAMES.len()]);

impl Counts {
    pub(super) fn add(&self, why: Dropped) {
        if let Some(count) = self.0.get(why as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts that are not zero, in a fixed order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = NAMES.iter().zip(&self.0).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_count_of_its_own() {
        for (at, (why, name)) in NAMES.into_iter().enumerate() {
            assert_eq!(why as usize, at);
            let counts = Counts::default();
            counts.add(why);
            assert_eq!(counts.iter().collect::<Vec<_>>(), [(name, 1)]);
        }
    }
}
