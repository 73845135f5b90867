//! Prints the members of the crowd: `cargo run --release -p zt-test-e2e --example make_crowd > tests/e2e/src/crowd/members.txt`.
//!
//! A line is the seed of a key pair and the address that its memory-hard hash gives; finding one takes some tenths of a second.
#![expect(clippy::print_stdout, reason = "a program for people")]

use zt_crypto::{KeyPair, SeededEntropy, derive_address};

fn main() {
    let address = |seed: u64| derive_address(KeyPair::generate(&mut SeededEntropy::new(seed)).public_key());
    for (seed, address) in (0xc40_0000..).filter_map(|seed| Some((seed, address(seed)?))).take(520) {
        println!("{seed:x} {address}");
    }
}
