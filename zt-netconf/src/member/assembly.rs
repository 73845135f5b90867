//! Puts a configuration together from its chunks (04 §2.5).

/// Updates put together at the same time.
const SLOTS: usize = 3;
/// Most chunks of one update.
const CHUNKS: usize = 474;
/// The text must be shorter than this.
pub(crate) const TEXT_LIMIT: usize = 484_520;

/// One chunk whose origin was verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// Which update it belongs to.
    pub(crate) update: u64,
    /// Tells chunks of one update apart.
    pub(crate) key: u64,
    /// Length of the whole text.
    pub(crate) total: usize,
    /// Where the data belongs.
    pub(crate) position: usize,
    /// Part of the text.
    pub(crate) data: &'a [u8],
    /// True when it came as an answer to a request of ours.
    pub(crate) answer: bool,
}

/// What a chunk did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// More chunks are needed.
    Incomplete,
    /// The text is complete.
    Complete {
        /// Dictionary text.
        text: Vec<u8>,
        /// True when every chunk came as an answer to a request of ours.
        answer: bool,
    },
    /// The chunk does not fit.
    Refused,
}

#[derive(Debug, Default)]
struct Slot {
    update: u64,
    keys: Vec<u64>,
    data: Vec<u8>,
    received: usize,
    activity: u32,
    answer: bool,
}

/// Assembly of the updates of one network.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    slots: [Slot; SLOTS],
}

impl Assembly {
    /// True when this chunk was stored before.
    pub(crate) fn is_duplicate(&self, update: u64, key: u64) -> bool {
        self.slots.iter().any(|slot| slot.activity > 0 && slot.update == update && slot.keys.contains(&key))
    }

    /// Stores a verified chunk.
    pub(crate) fn store(&mut self, chunk: Chunk<'_>) -> Stored {
        let end = chunk.position.saturating_add(chunk.data.len());
        if end > chunk.total || chunk.total >= TEXT_LIMIT {
            return Stored::Refused;
        }
        let slot = self.slot(chunk.update);
        if slot.activity == 0 || slot.update != chunk.update {
            *slot = Slot { update: chunk.update, data: vec![0; chunk.total], answer: true, ..Slot::default() };
        }
        slot.activity = slot.activity.saturating_add(1);
        if slot.keys.len() >= CHUNKS || slot.data.len() != chunk.total {
            return Stored::Refused;
        }
        slot.keys.push(chunk.key);
        slot.data[chunk.position..end].copy_from_slice(chunk.data);
        // Quirk (04 §2.5): completeness is the sum of lengths; only the controller can make chunks overlap.
        slot.received += chunk.data.len();
        slot.answer &= chunk.answer;
        if slot.received < chunk.total {
            return Stored::Incomplete;
        }
        Stored::Complete { text: core::mem::take(&mut slot.data), answer: slot.answer }
    }

    /// The slot of an update, else the least used one.
    fn slot(&mut self, update: u64) -> &mut Slot {
        let found = self.slots.iter().position(|slot| slot.activity > 0 && slot.update == update);
        let index = found.unwrap_or_else(|| {
            let least = (0..SLOTS).min_by_key(|index| self.slots[*index].activity);
            least.expect("there is at least one slot")
        });
        &mut self.slots[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(update: u64, position: usize, data: &[u8], total: usize) -> Chunk<'_> {
        Chunk { update, key: update << 32 | position as u64, total, position, data, answer: true }
    }

    #[test]
    fn chunks_in_any_order_give_the_text() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.store(chunk(1, 3, b"def", 6)), Stored::Incomplete);
        assert!(assembly.is_duplicate(1, 1 << 32 | 3));
        let complete = assembly.store(Chunk { answer: false, ..chunk(1, 0, b"abc", 6) });
        assert_eq!(complete, Stored::Complete { text: b"abcdef".to_vec(), answer: false });
        assert!(assembly.is_duplicate(1, 1 << 32), "a repeated chunk of a complete update stays known");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.store(chunk(1, 1, b"abc", 3)), Stored::Refused);
        assert_eq!(assembly.store(chunk(1, usize::MAX, b"abc", 3)), Stored::Refused);
        assert_eq!(assembly.store(chunk(1, 0, b"a", TEXT_LIMIT)), Stored::Refused);
        assert_eq!(assembly.store(chunk(1, 0, b"a", 3)), Stored::Incomplete);
        assert_eq!(assembly.store(chunk(1, 0, b"a", 4)), Stored::Refused, "another total");
    }

    #[test]
    fn a_fourth_update_takes_the_least_used_slot() {
        let mut assembly = Assembly::default();
        for update in 1..=3 {
            for position in 0..update as usize {
                assembly.store(chunk(update, position, b"x", 10));
            }
        }
        assembly.store(chunk(4, 0, b"x", 10));
        assert!(!assembly.is_duplicate(1, 1 << 32));
        assert!(assembly.is_duplicate(2, 2 << 32) && assembly.is_duplicate(3, 3 << 32));
    }
}
