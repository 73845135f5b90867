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

    fn plain(bytes: &[u8]) -> u16 {
        let words =
            bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |byte| u64::from(*byte)));
        fold(words.sum())
    }

    #[test]
    fn an_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn every_length_and_alignment() {
        let bytes: Vec<u8> = (0..700_u32).map(|n| (n * 167 % 253) as u8 ^ 0xa5).collect();
        for start in 0..33 {
            for end in start..bytes.len() {
                assert_eq!(sum(&bytes[start..end]), plain(&bytes[start..end]), "{start}..{end}");
            }
        }
        // The most that lanes can come to.
        assert_eq!(sum(&[0xff; 65_535]), plain(&[0xff; 65_535]));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(sum(&bytes), plain(&bytes));
        }

        #[test]
        fn what_is_added_can_be_taken_away(a: u16, b: u16) {
            // Zero has two forms, and a sum of anything but zeros is never the first.
            let back = subtract(add(a, b), b);
            prop_assert!(back == a || (back == 0xffff && a == 0) || (back == 0 && a == 0xffff));
        }
    }
}
