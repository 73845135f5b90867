//! Sums of the Internet checksum (RFC 1071).

pub(super) use crate::sys::sum;
use zt_wire::ether::fold;

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
