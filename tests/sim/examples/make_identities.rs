//! Prints the identities that the simulator uses: `cargo run --release -p zt-test-sim --example make_identities`.
//!
//! Making an identity takes some tenths of a second, so they are committed. Their secrets are known to everybody.
#![expect(clippy::print_stdout, reason = "a program for people")]

use zt_crypto::{SecretIdentity, SeededEntropy};

fn main() {
    for number in 0..125u64 {
        println!("{}", SecretIdentity::generate(&mut SeededEntropy::new(0x5eed_0000 + number)).to_text().as_str());
    }
}
