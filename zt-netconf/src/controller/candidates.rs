//! Nodes that asked to be members and that nobody has authorised or touched: the administrator sees them, up to a number.

use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::Address;

/// Most records that strangers may leave in one network by asking (05 §12). When one more comes, the one that asked
/// longest ago gives way: newcomers are always seen, and who goes on asking stays.
pub(super) const MAX_CANDIDATES: usize = 4096;

/// When a candidate was heard last. Those of an earlier run are older than all that asked in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    /// Made at this time of the clock, by an earlier run.
    Before(i64),
    /// Number of the request.
    Asked(u64),
}

/// The candidates of one network in the order in which they were heard.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    heard: BTreeMap<Address, Heard>,
    order: BTreeSet<(Heard, Address)>,
    requests: u64,
}

impl Candidates {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heard.len()
    }

    /// Adds a candidate that was made at a time of the clock, if it is not there.
    pub(super) fn add(&mut self, address: Address, created: i64) {
        if !self.heard.contains_key(&address) {
            self.put(address, Heard::Before(created));
        }
    }

    /// A candidate asks.
    pub(super) fn asked(&mut self, address: Address) {
        if self.heard.contains_key(&address) {
            self.requests += 1;
            self.put(address, Heard::Asked(self.requests));
        }
    }

    /// It is none any more.
    pub(super) fn remove(&mut self, address: Address) {
        if let Some(heard) = self.heard.remove(&address) {
            self.order.remove(&(heard, address));
        }
    }

    /// The one to be forgotten, when there are too many.
    pub(super) fn in_excess(&self) -> Option<Address> {
        let first = self.order.first().filter(|_| self.heard.len() > MAX_CANDIDATES)?;
        Some(first.1)
    }

    fn put(&mut self, address: Address, heard: Heard) {
        self.remove(address);
        self.heard.insert(address, heard);
        self.order.insert((heard, address));
    }
}
