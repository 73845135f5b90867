//! Copies of frames that came by several paths (broadcast): the first one counts.

use zt_wire::PacketId;

/// Frames that are remembered: those of some hundred milliseconds at ten thousand a second.
const REMEMBERED: usize = 4096;

/// IDs of frames that came, each in the place that it gives itself; newer ones take the places of older ones. What it says
/// to be a copy is one; what came long ago may be taken for new.
#[derive(Debug, Default)]
pub(super) struct Duplicates(Vec<PacketId>);

impl Duplicates {
    /// Whether a frame came before. It has come now.
    pub(super) fn seen(&mut self, id: PacketId) -> bool {
        if self.0.is_empty() {
            self.0.resize(REMEMBERED, PacketId(0));
        }
        let place = (id.0 >> 8) as usize % REMEMBERED;
        std::mem::replace(&mut self.0[place], id) == id && id != PacketId(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_copy_is_known_and_memory_is_bounded() {
        let mut duplicates = Duplicates::default();
        let id = |n: u64| PacketId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        assert!((0..100).all(|n| !duplicates.seen(id(n)) && duplicates.seen(id(n))));
        assert!((1000..20_000).all(|n| !duplicates.seen(id(n))), "no frame is taken for another");
        assert_eq!(duplicates.0.len(), REMEMBERED);
    }
}
