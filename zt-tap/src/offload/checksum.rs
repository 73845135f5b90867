//! Sums of the Internet checksum (RFC 1071).

/// The sum of `bytes` as 16-bit words, folded; an odd last byte counts as the higher half of a word.
///
/// Words are added in this machine's byte order, which the sum does not mind, and put right at the end.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    // Eight lanes that do not wait for each other, of 32-bit words: none overflows in less than 16 GiB.
    let mut lanes = [0_u64; 8];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let (words, odd) = rest.as_chunks::<2>();
    let mut total: u64 = lanes.iter().map(|lane| u64::from(fold(*lane))).sum();
    total += words.iter().map(|word| u64::from(u16::from_ne_bytes(*word))).sum::<u64>();
    if let [last] = odd {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    u16::from_be(fold(total))
}

/// Adds carries back in until none is left.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
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

    fn plain(bytes: &[u8]) -> u16 {
        let words =
            bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |byte| u64::from(*byte)));
        fold(words.sum())
    }

    #[test]
    fn an_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
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
