//! Poly1305 with a one-time key (01 §0), in three limbs of 44, 44 and 42 bits.
//!
//! The `poly1305` crate spends about a microsecond on preparing its vector code, more than most packets need in all;
//! this version has no set-up. The crate is the yardstick in tests and benchmark. No branch and no address depends
//! on a secret.

use zeroize::{Zeroize, ZeroizeOnDrop};

const LOW_44: u64 = (1 << 44) - 1;
const LOW_42: u64 = (1 << 42) - 1;
/// The bit behind a whole block, 2¹²⁸, seen from the highest limb.
const BEHIND_BLOCK: u64 = 1 << 40;

/// The 16-byte tag of `data` under the one-time key `r ‖ s`.
#[must_use]
pub fn poly1305(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    let mut sum = Sum::new(key);
    let (blocks, rest) = data.as_chunks::<16>();
    for block in blocks {
        sum.add(block, BEHIND_BLOCK);
    }
    if !rest.is_empty() {
        let mut block = [0; 16];
        block[..rest.len()].copy_from_slice(rest);
        block[rest.len()] = 1;
        sum.add(&block, 0);
    }
    sum.finish()
}

/// The polynomial so far, modulo 2¹³⁰ - 5.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Sum {
    r: [u64; 3],
    h: [u64; 3],
    s: u128,
}

impl Sum {
    fn new(key: &[u8; 32]) -> Self {
        let r = number(&key[..16]) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
        Self { r: limbs(r), h: [0; 3], s: number(&key[16..]) }
    }

    /// `h = (h + block) · r`, carried until every limb has a few bits of room again.
    #[inline(always)]
    fn add(&mut self, block: &[u8; 16], behind: u64) {
        let m = limbs(u128::from_le_bytes(*block));
        let h = [self.h[0] + m[0], self.h[1] + m[1], self.h[2] + (m[2] | behind)];
        let r = self.r;
        // A product past limb 2 comes back at limb 0 times 5; limb 2 is two bits short, hence times 20.
        let (r1, r2) = (r[1] * 20, r[2] * 20);
        let d0 = product(h[0], r[0]) + product(h[1], r2) + product(h[2], r1);
        let d1 = product(h[0], r[1]) + product(h[1], r[0]) + product(h[2], r2) + (d0 >> 44);
        let d2 = product(h[0], r[2]) + product(h[1], r[1]) + product(h[2], r[0]) + (d1 >> 44);
        let low = (d0 as u64 & LOW_44) + (d2 >> 42) as u64 * 5;
        self.h = [low & LOW_44, (d1 as u64 & LOW_44) + (low >> 44), d2 as u64 & LOW_42];
    }

    /// Reduces fully and adds `s`.
    fn finish(&self) -> [u8; 16] {
        let mut h = self.h;
        for _ in 0..2 {
            h[2] += h[1] >> 44;
            h[1] &= LOW_44;
            h[0] += (h[2] >> 42) * 5;
            h[2] &= LOW_42;
            h[1] += h[0] >> 44;
            h[0] &= LOW_44;
        }
        // h - (2¹³⁰ - 5); its sign tells whether h was below the modulus already.
        let g0 = h[0] + 5;
        let g1 = h[1] + (g0 >> 44);
        let g2 = (h[2] + (g1 >> 44)).wrapping_sub(1 << 42);
        let below = (g2 >> 63).wrapping_neg();
        let g = [g0 & LOW_44, g1 & LOW_44, g2];
        let n: [u64; 3] = core::array::from_fn(|i| h[i] & below | g[i] & !below);
        let number = u128::from(n[0]) | u128::from(n[1]) << 44 | u128::from(n[2]) << 88;
        number.wrapping_add(self.s).to_le_bytes()
    }
}

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[inline(always)]
fn limbs(n: u128) -> [u64; 3] {
    [n as u64 & LOW_44, (n >> 44) as u64 & LOW_44, (n >> 88) as u64]
}

fn number(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(bytes.try_into().expect("16 bytes"))
}

#[cfg(test)]
mod tests {
    use poly1305::universal_hash::KeyInit;

    use super::*;

    fn check(key: &[u8; 32], data: &[u8]) {
        let theirs: [u8; 16] = poly1305::Poly1305::new(key.into()).compute_unpadded(data).into();
        assert_eq!(poly1305(key, data), theirs, "{key:02x?} {data:02x?}");
    }

    #[test]
    fn rfc_8439_section_2_5_2() {
        let key = *b"\x85\xd6\xbe\x78\x57\x55\x6d\x33\x7f\x44\x52\xfe\x42\xd5\x06\xa8\
                     \x01\x03\x80\x8a\xfb\x0d\xb2\xfd\x4a\xbf\xf6\xaf\x41\x49\xf5\x1b";
        let tag = *b"\xa8\x06\x1d\xc1\x30\x51\x36\xc6\xc2\x2b\x8b\xaf\x0c\x01\x27\xa9";
        assert_eq!(poly1305(&key, b"Cryptographic Forum Research Group"), tag);
    }

    #[test]
    fn results_around_the_modulus_equal_the_crate() {
        // With r = 1 or 2 the sum can be put right below, at and above 2¹³⁰ - 5 and 2¹²⁸ (RFC 8439, A.3 #7–#11).
        for r in [0, 1, 2, 4, 0xff] {
            for s in [0, 0xff] {
                let mut key = [s; 32];
                key[..16].fill(0);
                key[0] = r;
                for first in [0, 1, 2, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff] {
                    for fill in [0, 1, 0xfe, 0xff] {
                        let mut data = [fill; 48];
                        data[0] = first;
                        for length in [0, 1, 15, 16, 17, 31, 32, 47, 48] {
                            check(&key, &data[..length]);
                        }
                        data[16] = first;
                        data[32..].fill(first);
                        check(&key, &data);
                    }
                }
            }
        }
    }

    #[test]
    fn extreme_keys_and_data_equal_the_crate_at_every_length() {
        let data = [0xff; 600];
        for length in 0..data.len() {
            check(&[0xff; 32], &data[..length]);
        }
    }
}
