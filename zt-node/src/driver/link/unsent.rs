//! Datagrams that did not leave, counted by cause.

use crate::status::{DropReason, Unsent};
use std::io;

/// What an error of the host says of one destination.
pub(super) fn cause(error: &io::Error) -> Unsent {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN) => Unsent::NoRoute,
        Some(libc::EPERM | libc::EACCES) => Unsent::Forbidden,
        Some(libc::ENOBUFS | libc::ENOMEM) => Unsent::NoMemory,
        Some(libc::EMSGSIZE) => Unsent::TooLong,
        Some(libc::EADDRNOTAVAIL | libc::ENODEV | libc::ENXIO) => Unsent::AddressGone,
        _ => Unsent::Failed,
    }
}

/// Datagrams that did not leave, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::driver) struct UnsentCounts([u64; Unsent::ALL.len()]);

impl UnsentCounts {
    pub(super) fn add(&mut self, cause: Unsent, datagrams: usize) {
        if let Some(count) = self.0.get_mut(cause as usize) {
            *count += datagrams as u64;
        }
    }

    /// Counts that are not zero, in a fixed order.
    pub(in crate::driver) fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + use<> {
        let counts = Unsent::ALL.into_iter().zip(self.0);
        counts.filter(|(_, count)| *count > 0).map(|(cause, count)| (DropReason::Unsent(cause), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_count_of_its_own() {
        for (at, cause) in Unsent::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at);
            let mut counts = UnsentCounts::default();
            counts.add(cause, at + 1);
            assert_eq!(counts.iter().collect::<Vec<_>>(), [(DropReason::Unsent(cause), at as u64 + 1)]);
        }
    }
}
