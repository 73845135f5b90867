//! Randomness as an argument.

use zeroize::Zeroizing;

use crate::primitives::salsa::{BLOCK, Salsa12};
use crate::primitives::sha::hash512;

/// A source of random bytes. In production it is the operating system's generator: secrets and packet IDs come
/// from here (01 §11). Tests and simulations use [`SeededEntropy`].
pub trait Entropy {
    /// Fills all of `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);

    /// A number that may be any `u64` with equal chance.
    fn next_u64(&mut self) -> u64 {
        let mut bytes = Zeroizing::new([0; 8]);
        self.fill(&mut bytes[..]);
        u64::from_be_bytes(*bytes)
    }

    /// A number from 0 to `n - 1`, each with equal chance; 0 when `n` is 0.
    fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Numbers from the incomplete last run of n values would make small results more likely.
        let fair = u64::MAX - (u64::MAX % n + 1) % n;
        loop {
            let number = self.next_u64();
            if number <= fair {
                return number % n;
            }
        }
    }
}

impl<E: Entropy + ?Sized> Entropy for &mut E {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<E: Entropy + ?Sized> Entropy for Box<E> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// The same bytes for the same seed, on every machine. For tests and simulations: **not secret**.
pub struct SeededEntropy {
    stream: Salsa12,
    block: [u8; BLOCK],
    used: usize,
}

impl SeededEntropy {
    /// Starts the sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let digest = hash512(&seed.to_be_bytes());
        let key: [u8; 32] = digest[..32].try_into().expect("32 of 64 bytes");
        let nonce: [u8; 8] = digest[32..40].try_into().expect("8 of 64 bytes");
        Self { stream: Salsa12::new(&key, &nonce), block: [0; BLOCK], used: BLOCK }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == BLOCK {
                self.block = self.stream.next_block();
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }
}
