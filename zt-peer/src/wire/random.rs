//! Random numbers for packet IDs and choices.

use zt_crypto::Entropy;
use zt_wire::PacketId;

/// Drawn at once: a call of the system for each few hundred packets.
const BLOCK: usize = 4096;

/// Random numbers, drawn from the source in blocks.
pub(crate) struct Random {
    source: Box<dyn Entropy + Send>,
    block: Box<[u8; BLOCK]>,
    used: usize,
}

impl Random {
    pub(crate) fn new(source: Box<dyn Entropy + Send>) -> Self {
        Self { source, block: Box::new([0; BLOCK]), used: BLOCK }
    }

    pub(crate) fn packet_id(&mut self) -> PacketId {
        PacketId(self.next_u64())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let Some(bytes) = self.block.get(self.used..).and_then(|b| b.first_chunk::<8>()) else {
            self.source.fill(&mut self.block[..]);
            self.used = 0;
            return self.next_u64();
        };
        let n = u64::from_be_bytes(*bytes);
        self.used += 8;
        n
    }

    /// An index below `n` (0 when `n` is 0).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            return 0;
        }
        usize::try_from(self.next_u64() % (n as u64)).expect("below a usize")
    }
}
