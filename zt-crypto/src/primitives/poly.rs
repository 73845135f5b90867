//! Poly1305 with a one-time key (01 §0).
//!
//! Each packet has a key of its own, so that what a vector version prepares per key costs more than it saves. On
//! 64-bit processors four blocks are multiplied by four powers of the key under one reduction, in three limbs of 44,
//! 44 and 42 bits: no vectors, half the time of the `poly1305` crate. Others use the crate.

/// The 16-byte tag of `data` under the one-time key `r ‖ s`.
#[must_use]
pub fn poly1305(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    #[cfg(target_pointer_width = "64")]
    return limbs::tag(key, data);
    #[cfg(not(target_pointer_width = "64"))]
    by_library(key, data)
}

/// The same by the `poly1305` crate.
#[cfg(not(target_pointer_width = "64"))]
fn by_library(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
    use poly1305::Poly1305;
    use poly1305::universal_hash::KeyInit;

    Poly1305::new(key.into()).compute_unpadded(data).into()
}

#[cfg(target_pointer_width = "64")]
mod limbs {
    use zeroize::Zeroize;

    const LOW_44: u64 = (1 << 44) - 1;
    const LOW_42: u64 = (1 << 42) - 1;
    /// 2¹²⁸ in the third limb: what stands above each whole block.
    const ABOVE: u64 = 1 << 40;

    /// A number modulo 2¹³⁰ − 5: limbs of 44, 44 and 42 bits, the second at most a few bits above.
    type Number = [u64; 3];
    /// The same before carries are handed on.
    type Sums = [u128; 3];

    pub(super) fn tag(key: &[u8; 32], data: &[u8]) -> [u8; 16] {
        let ([low, high], [pad_low, pad_high]) = (words(&key[..16]), words(&key[16..]));
        let r = split(low & 0x0fff_fffc_0fff_ffff, high & 0x0fff_fffc_0fff_fffc, 0);
        let mut sum = [0; 3];
        let (fours, rest) = data.as_chunks::<64>();
        if !fours.is_empty() {
            let r2 = carried(product(r, r));
            let (r3, r4) = (carried(product(r2, r)), carried(product(r2, r2)));
            let mut powers = [r4, r3, r2, r];
            for four in fours {
                let mut blocks = [0, 16, 32, 48].map(|at| number(&four[at..at + 16], ABOVE));
                blocks[0] = plus(blocks[0], sum);
                let products: [Sums; 4] = core::array::from_fn(|at| product(blocks[at], powers[at]));
                sum = carried(core::array::from_fn(|limb| products.iter().map(|product| product[limb]).sum()));
            }
            powers.zeroize();
        }
        let (blocks, rest) = rest.as_chunks::<16>();
        for block in blocks {
            sum = carried(product(plus(sum, number(block, ABOVE)), r));
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 1;
            sum = carried(product(plus(sum, number(&last, 0)), r));
        }
        let pad = u128::from(pad_low) | u128::from(pad_high) << 64;
        reduced(sum).wrapping_add(pad).to_le_bytes()
    }

    fn words(bytes: &[u8]) -> [u64; 2] {
        [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")))
    }

    #[inline(always)]
    fn number(block: &[u8], above: u64) -> Number {
        let [low, high] = words(block);
        split(low, high, above)
    }

    #[inline(always)]
    fn split(low: u64, high: u64, above: u64) -> Number {
        [low & LOW_44, (low >> 44 | high << 20) & LOW_44, high >> 24 | above]
    }

    #[inline(always)]
    fn plus(a: Number, b: Number) -> Number {
        [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
    }

    /// `a · b`; what reaches 2¹³⁰ comes back times 5, and 2¹³² (the fourth limb) times 20.
    #[inline(always)]
    fn product(a: Number, b: Number) -> Sums {
        let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let (b1, b2) = (b[1] * 20, b[2] * 20);
        [
            times(a[0], b[0]) + times(a[1], b2) + times(a[2], b1),
            times(a[0], b[1]) + times(a[1], b[0]) + times(a[2], b2),
            times(a[0], b[2]) + times(a[1], b[1]) + times(a[2], b[0]),
        ]
    }

    /// Hands carries on. Four products of limbs of 46 and 50 bits stay far below 2¹²⁸.
    #[inline(always)]
    fn carried(sums: Sums) -> Number {
        let first = sums[0];
        let second = sums[1] + (first >> 44);
        let third = sums[2] + (second >> 44);
        let back = (first as u64 & LOW_44) + (third >> 42) as u64 * 5;
        [back & LOW_44, (second as u64 & LOW_44) + (back >> 44), third as u64 & LOW_42]
    }

    /// The number below 2¹³⁰ − 5, without its bits from 2¹²⁸ on; in constant time.
    fn reduced(mut sum: Number) -> u128 {
        for _ in 0..2 {
            sum[2] += sum[1] >> 44;
            sum[1] &= LOW_44;
            sum[0] += (sum[2] >> 42) * 5;
            sum[2] &= LOW_42;
            sum[1] += sum[0] >> 44;
            sum[0] &= LOW_44;
        }
        // Plus 5: reaches 2¹³⁰ exactly when the number is not below the modulus.
        let low = sum[0] + 5;
        let middle = sum[1] + (low >> 44);
        let top = sum[2] + (middle >> 44);
        let over = 0u64.wrapping_sub(top >> 42);
        let chosen = |below: u64, above: u64| (below & !over) | (above & over);
        let [a, b, c] = [chosen(sum[0], low & LOW_44), chosen(sum[1], middle & LOW_44), chosen(sum[2], top & LOW_42)];
        u128::from(a) | u128::from(b) << 44 | u128::from(c) << 88
    }
}
