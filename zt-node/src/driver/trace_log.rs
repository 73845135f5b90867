//! The last traces of members, kept for whoever asks.

use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;
use zt_netconf::trace::TraceRecord;

/// Most traces that are kept, and their bytes.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 2 << 20;

/// A trace with its place in the order of arrival.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptTrace {
    /// Counts from 1 since the node's start.
    pub number: u64,
    /// The trace.
    pub record: TraceRecord,
}

/// Traces in the order of arrival; the oldest make room.
pub(super) struct TraceLog {
    kept: VecDeque<Arc<KeptTrace>>,
    bytes: usize,
    /// Number of the newest.
    newest: watch::Sender<u64>,
}

impl TraceLog {
    pub(super) fn new() -> Self {
        Self { kept: VecDeque::new(), bytes: 0, newest: watch::channel(0).0 }
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    pub(super) fn add(&mut self, record: TraceRecord) {
        let number = *self.newest.borrow() + 1;
        self.bytes += record.size();
        self.kept.push_back(Arc::new(KeptTrace { number, record }));
        while self.kept.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.record.size();
        }
        self.newest.send_replace(number);
    }

    /// Those that came after a number, oldest first.
    pub(super) fn after(&self, number: u64) -> Vec<Arc<KeptTrace>> {
        let from = self.kept.partition_point(|kept| kept.number <= number);
        self.kept.range(from..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::Address;

    #[test]
    fn the_oldest_make_room_and_numbers_go_on() {
        let record = |text: &[u8]| TraceRecord::read(1, Address::new(0x12_3456_789a), text).expect("a trace");
        let mut log = TraceLog::new();
        let watch = log.watch();
        for _ in 0..1_500 {
            log.add(record(b"event=2000"));
        }
        assert_eq!((*watch.borrow(), log.kept.len()), (1_500, 1_000));
        let numbers: Vec<u64> = log.after(1_497).iter().map(|kept| kept.number).collect();
        assert_eq!(numbers, [1_498, 1_499, 1_500]);
        assert_eq!(log.after(0).first().map(|kept| kept.number), Some(501));
        assert!(log.after(9_999).is_empty());
        let long = [b"event=2006\nx=".to_vec(), vec![b'x'; 9_900]].concat();
        for _ in 0..1_000 {
            log.add(record(&long));
        }
        assert!(log.bytes <= MOST_BYTES && log.bytes == log.kept.iter().map(|kept| kept.record.size()).sum::<usize>());
    }
}
