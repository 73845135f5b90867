//! Tables that are looked through in parts, and what one call may do: packets wait for nobody who has thousands of members.

use std::collections::BTreeMap;

use zt_wire::time::Mono;

/// Entries that a part looks at.
pub(crate) const LOOKS: usize = 256;

/// What one call may still do, counted in messages; the rest follows in the next.
#[derive(Debug)]
pub(crate) struct Effort {
    left: usize,
}

impl Effort {
    /// Messages of one call. A message costs some five microseconds, where the caches hold nothing of the member.
    pub(crate) const CALL: usize = 64;

    pub(crate) const fn of_a_call() -> Self {
        Self { left: Self::CALL }
    }

    pub(crate) const fn spend(&mut self, messages: usize) {
        self.left = self.left.saturating_sub(messages);
    }

    pub(crate) const fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// What becomes of an entry that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It stays.
    Stays,
    /// It goes.
    Goes,
    /// It is looked at in the next part, and all behind it.
    Later,
}

/// A look at each entry of a table in turn, in order of its keys.
#[derive(Debug)]
pub(crate) struct Sweep<K> {
    at: At<K>,
    /// Since when the next part is due.
    since: Mono,
}

#[derive(Debug)]
enum At<K> {
    Over,
    First,
    From(K),
}

impl<K> Default for Sweep<K> {
    fn default() -> Self {
        Self::over()
    }
}

impl<K> Sweep<K> {
    /// One that has not begun.
    pub(crate) const fn over() -> Self {
        Self { at: At::Over, since: Mono::ZERO }
    }
}

impl<K: Ord + Copy> Sweep<K> {
    /// Begins, or begins anew.
    pub(crate) fn begin(&mut self, now: Mono) {
        *self = Self { at: At::First, since: now };
    }

    /// Since when the next part is due; `None`: it is over.
    pub(crate) const fn due(&self) -> Option<Mono> {
        match self.at {
            At::Over => None,
            At::First | At::From(_) => Some(self.since),
        }
    }

    /// Looks at the next entries; those that went.
    pub(crate) fn part<V>(
        &mut self,
        table: &mut BTreeMap<K, V>,
        mut look: impl FnMut(&K, &mut V) -> Look,
    ) -> Vec<(K, V)> {
        let rest = match self.at {
            At::Over => return Vec::new(),
            At::First => table.range_mut(..),
            At::From(key) => table.range_mut(key..),
        };
        self.at = At::Over;
        let mut gone = Vec::new();
        for (looked, (key, value)) in rest.enumerate() {
            let what = if looked == LOOKS { Look::Later } else { look(key, value) };
            match what {
                Look::Stays => {}
                Look::Goes => gone.push(*key),
                Look::Later => {
                    self.at = At::From(*key);
                    break;
                }
            }
        }
        gone.into_iter().filter_map(|key| table.remove_entry(&key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_looked_at_once_and_no_part_looks_at_more_than_its_share() {
        let mut table: BTreeMap<usize, usize> = (0..3 * LOOKS + 5).map(|n| (n, 0)).collect();
        let mut sweep = Sweep::default();
        assert_eq!(sweep.due(), None);
        sweep.begin(Mono(7));
        let (mut parts, mut gone) = (0, 0);
        while sweep.due() == Some(Mono(7)) {
            let mut looked = 0;
            let went = sweep.part(&mut table, |key, seen| {
                looked += 1;
                *seen += 1;
                if key % 3 == 0 { Look::Goes } else { Look::Stays }
            });
            assert!(looked <= LOOKS && went.iter().all(|(key, seen)| key % 3 == 0 && *seen == 1));
            (parts, gone) = (parts + 1, gone + went.len());
        }
        assert_eq!((parts, gone), (4, LOOKS + 2));
        assert!(table.iter().all(|(key, seen)| key % 3 != 0 && *seen == 1));
    }

    #[test]
    fn it_goes_on_where_it_was_told_to() {
        let mut table: BTreeMap<u32, ()> = (0..9).map(|n| (n, ())).collect();
        let mut sweep = Sweep::default();
        sweep.begin(Mono::ZERO);
        let mut seen = Vec::new();
        while sweep.due().is_some() {
            let mut room = 4;
            sweep.part(&mut table, |key, ()| {
                if room == 0 {
                    return Look::Later;
                }
                room -= 1;
                seen.push(*key);
                // What goes meanwhile is not missed.
                if *key == 3 { Look::Goes } else { Look::Stays }
            });
            table.remove(&4);
        }
        assert_eq!(seen, [0, 1, 2, 3, 5, 6, 7, 8]);
    }
}
