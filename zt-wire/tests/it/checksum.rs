//! Sums of the Internet checksum against the plainest way to make them.

use proptest::collection::vec;
use proptest::prelude::*;
use zt_wire::ether::{checksum, fold, sum_words};

fn plain_fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn plain_sum(bytes: &[u8]) -> u16 {
    let word = |word: &[u8]| u64::from(word[0]) << 8 | word.get(1).map_or(0, |byte| u64::from(*byte));
    plain_fold(bytes.chunks(2).map(word).sum())
}

#[test]
fn every_length_and_alignment() {
    let bytes: Vec<u8> = (0..300_u32).map(|n| (n * 167 % 253) as u8 ^ 0xa5).collect();
    for start in 0..9 {
        for end in start..bytes.len() {
            assert_eq!(sum_words(&bytes[start..end]), plain_sum(&bytes[start..end]), "{start}..{end}");
        }
    }
}

#[test]
fn the_greatest_and_the_least_words() {
    for len in (0..100).chain([65_534, 65_535]) {
        assert_eq!(sum_words(&vec![0xff; len]), plain_sum(&vec![0xff; len]), "{len}");
        assert_eq!(sum_words(&vec![0; len]), 0, "{len}");
    }
    assert_eq!(checksum(&[], 0), 0xffff);
    // Of the two forms of zero, only a sum of nothing but zeros is the first.
    for sum in [0, 1, 0xffff, 0x1_0000, 0xffff_0000, 0xffff_ffff, 1 << 32, u64::MAX - 1, u64::MAX] {
        assert_eq!(fold(sum), plain_fold(sum), "{sum:x}");
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..3000)) {
        prop_assert_eq!(sum_words(&bytes), plain_sum(&bytes));
    }

    #[test]
    fn any_carries(sum: u64) {
        prop_assert_eq!(fold(sum), plain_fold(sum));
    }
}
