//! Where a packet stands while a link is full.

use crate::ether::EthernetRef;
use crate::flow::FlowId;

/// The queue that a packet waits in: its bucket (ACTION_PRIORITY, 04 §6.4) and its flow. Packets of one lane keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// 0 leaves first, 8 last.
    pub bucket: u8,
    /// Which flow, of those that share a bucket fairly.
    pub flow: u8,
}

impl Lane {
    /// Number of buckets.
    pub const BUCKETS: usize = 9;
    /// Of what no rule gives another one: the middle, which is also what the reference makes of a number that is none.
    pub const USUAL: Self = Self { bucket: 4, flow: 0 };

    /// The lane of a flow; a bucket that does not exist is the usual one.
    pub const fn new(bucket: u8, flow: u8) -> Self {
        let bucket = if (bucket as usize) < Self::BUCKETS { bucket } else { Self::USUAL.bucket };
        Self { bucket, flow }
    }
}

/// A number of the flow of a frame: of all frames between two ports of two hosts (see [`FlowId`]).
pub fn flow_of(frame: &EthernetRef<'_>) -> u8 {
    FlowId::of(frame).short()
}

impl Default for Lane {
    fn default() -> Self {
        Self::USUAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_does_not_exist_is_the_usual_one() {
        assert_eq!((Lane::new(9, 3).bucket, Lane::new(8, 3).bucket), (4, 8));
    }
}
