//! Sums of the Internet checksum (RFC 1071).

pub(super) use crate::sys::sum;
use zt_wire::ether::fold;

/// Copies `from` to `to`, which is as long, and returns the sum.
///
/// One pass that does both was tried and is no faster: what was just copied is at hand.
pub(super) fn copy_sum(from: &[u8], to: &mut [u8]) -> u16 {
    to.copy_from_slice(from);
    sum(from)
}

/// The sum of two sums.
pub(super) fn add(a: u16, b: u16) -> u16 {
    fold(u64::from(a) + u64::from(b))
}

/// A sum without a part that it has.
pub(super) fn subtract(a: u16, b: u16) -> u16 {
    add(a, !b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_added_can_be_taken_away(a: u16, b: u16) {
            // Zero has two forms, and a sum of anything but zeros is never the first.
            let back = subtract(add(a, b), b);
            prop_assert!(back == a || (back == 0xffff && a == 0) || (back == 0 && a == 0xffff));
        }
    }
}
