//! Credentials that need several packets: the further ones wait for their turn (04 §5.6).

use core::time::Duration;
use std::collections::BTreeMap;

use zt_wire::ident::Address;
use zt_wire::time::Mono;

/// Time between two packets of one push: a receiver takes one a second.
// Free choice (04 §5.6): the reference sends them back to back, and its receivers drop all but the first.
const APART: Duration = Duration::from_millis(1_200);

/// The part of a push that a member gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its number; the first one left at once.
    pub(crate) number: usize,
    /// The configuration whose credentials are pushed.
    pub(crate) generation: u64,
    due: Mono,
}

/// Whom the rest of a push is owed. At most one part for each record of a member.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    owed: BTreeMap<Address, Part>,
}

impl Parts {
    /// Notes the part of a push that comes next; what was owed before is not.
    pub(crate) fn owe(&mut self, now: Mono, to: Address, number: usize, generation: u64) {
        self.owed.insert(to, Part { number, generation, due: now + APART });
    }

    /// Notes that nothing more is owed.
    pub(crate) fn clear(&mut self, to: Address) {
        self.owed.remove(&to);
    }

    /// Takes one part that is due.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<(Address, Part)> {
        let (to, part) = self.owed.iter().find(|(_, part)| part.due <= now)?;
        let due = (*to, *part);
        self.owed.remove(&due.0);
        Some(due)
    }

    /// When the next part is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.owed.values().map(|part| part.due).min()
    }
}
