//! AES-256 and GHASH by the cryptographic extension of ARMv8 (AESE, PMULL), eight blocks at a time.
//!
//! GHASH is computed on bit-reflected values with keys multiplied by x beforehand, eight blocks under one reduction
//! (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode"), with
//! three multiplications for each block (Karatsuba): here they are the scarce ones.

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vdupq_n_u8, vdupq_n_u32, veorq_u8, vextq_u8,
    vgetq_lane_u32, vgetq_lane_u64, vmull_high_p64, vmull_p64, vreinterpretq_p64_u8, vreinterpretq_u8_p128,
    vreinterpretq_u8_u32, vreinterpretq_u32_u8, vreinterpretq_u64_u8, vrev64q_u8, vsetq_lane_u32,
};
use std::arch::is_aarch64_feature_detected;
use std::hint::black_box;

use zeroize::Zeroize;

use super::vector::{load16, store16};

/// The round keys of AES-256.
type RoundKeys = [uint8x16_t; 15];

/// Round keys in a line of the processor's caches.
const LINE: usize = 4;
/// Blocks that share one reduction of GHASH.
const STRIDE: usize = 8;
/// x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1, reflected, without its highest term.
const POLYNOMIAL: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;

fn detected() -> bool {
    is_aarch64_feature_detected!("aes") && is_aarch64_feature_detected!("pmull")
}

/// GMAC under one key. A value exists only where the processor has the instructions.
pub(in super::super::super) struct VectorGmac {
    keys: RoundKeys,
    /// H⁸ to H¹, each times x.
    powers: [Power; STRIDE],
}

/// A power of the hash key, and the sum of its halves.
#[derive(Clone, Copy)]
struct Power {
    whole: uint8x16_t,
    halves: u64,
}

impl VectorGmac {
    /// Reads all of it, so that it is in a cache.
    pub(in super::super::super) fn touch(&self) {
        self.keys
            .iter()
            .step_by(LINE)
            .chain(self.powers.iter().step_by(LINE / 2).map(|power| &power.whole))
            .for_each(|one| _ = black_box(*one));
    }

    pub(in super::super::super) const NAME: &str = "ARMv8 AES and PMULL";

    /// Expands the key; `None` on processors without the extension.
    pub(in super::super::super) fn new(key: &[u8; 32]) -> Option<Self> {
        // SAFETY: the features were just found.
        detected().then(|| unsafe { expand_gmac(key) })
    }

    /// The 16-byte tag of `message` under a 12-byte nonce.
    pub(in super::super::super) fn tag(&self, nonce: [u8; 12], message: &[u8]) -> [u8; 16] {
        // SAFETY: `self` was made by `new`, which found the features.
        unsafe { gmac(self, nonce, message) }
    }
}

impl Drop for VectorGmac {
    fn drop(&mut self) {
        self.keys.zeroize();
        for power in &mut self.powers {
            power.whole.zeroize();
            power.halves.zeroize();
        }
    }
}

/// AES-256 in counter mode and block by block. A value exists only where the processor has the instructions.
pub(in super::super::super) struct VectorCounter {
    keys: RoundKeys,
    inverse: RoundKeys,
}

impl VectorCounter {
    /// As [`VectorGmac::touch`].
    pub(in super::super::super) fn touch(&self) {
        self.keys.iter().chain(&self.inverse).step_by(LINE).for_each(|key| _ = black_box(*key));
    }

    pub(in super::super::super) const NAME: &str = "ARMv8 AES";

    /// Expands the key; `None` on processors without the extension.
    pub(in super::super::super) fn new(key: &[u8; 32]) -> Option<Self> {
        // SAFETY: the features were just found.
        detected().then(|| unsafe { expand_counter(key) })
    }

    /// Encrypts one block.
    pub(in super::super::super) fn encrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        // SAFETY: `self` was made by `new`, which found the features.
        unsafe { store16(encrypt(&self.keys, load16(&block))) }
    }

    /// Decrypts one block.
    pub(in super::super::super) fn decrypt_block(&self, block: [u8; 16]) -> [u8; 16] {
        // SAFETY: `self` was made by `new`, which found the features.
        unsafe { store16(decrypt(&self.inverse, load16(&block))) }
    }

    /// XORs the key stream over `data`; the last four bytes of `start` count up.
    pub(in super::super::super) fn apply(&self, start: [u8; 16], data: &mut [u8]) {
        // SAFETY: `self` was made by `new`, which found the features.
        unsafe { apply_counter(&self.keys, start, data) }
    }
}

impl Drop for VectorCounter {
    fn drop(&mut self) {
        self.keys.zeroize();
        self.inverse.zeroize();
    }
}

/// The four bytes of a word, each through the S-box.
#[target_feature(enable = "aes")]
fn substitute(word: u32) -> u32 {
    // With the same word in each column the turning of rows, which the instruction does too, changes nothing.
    let columns = vreinterpretq_u8_u32(vdupq_n_u32(word));
    vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vaeseq_u8(columns, vdupq_n_u8(0))))
}

#[target_feature(enable = "aes")]
fn expand(key: &[u8; 32]) -> RoundKeys {
    let mut bytes = [[0; 16]; 15];
    let words = bytes.as_flattened_mut().as_chunks_mut::<4>().0;
    words[..8].copy_from_slice(key.as_chunks().0);
    for at in 8..words.len() {
        let mut word = u32::from_le_bytes(words[at - 1]);
        match at % 8 {
            0 => word = substitute(word).rotate_right(8) ^ 1 << (at / 8 - 1),
            4 => word = substitute(word),
            _ => {}
        }
        words[at] = (word ^ u32::from_le_bytes(words[at - 8])).to_le_bytes();
    }
    let keys = core::array::from_fn(|at| load16(&bytes[at]));
    bytes.zeroize();
    keys
}

#[target_feature(enable = "aes")]
fn expand_counter(key: &[u8; 32]) -> VectorCounter {
    let keys = expand(key);
    let mut inverse = keys;
    inverse.reverse();
    for key in &mut inverse[1..14] {
        *key = vaesimcq_u8(*key);
    }
    VectorCounter { keys, inverse }
}

#[inline]
#[target_feature(enable = "aes")]
fn encrypt(keys: &RoundKeys, block: uint8x16_t) -> uint8x16_t {
    let [block] = encrypt_all(keys, [block]);
    block
}

/// Encrypts several blocks, each round of all of them before the next.
#[inline]
#[target_feature(enable = "aes")]
fn encrypt_all<const N: usize>(keys: &RoundKeys, mut blocks: [uint8x16_t; N]) -> [uint8x16_t; N] {
    for key in &keys[..13] {
        for block in &mut blocks {
            *block = vaesmcq_u8(vaeseq_u8(*block, *key));
        }
    }
    for block in &mut blocks {
        *block = veorq_u8(vaeseq_u8(*block, keys[13]), keys[14]);
    }
    blocks
}

#[inline]
#[target_feature(enable = "aes")]
fn decrypt(inverse: &RoundKeys, mut block: uint8x16_t) -> uint8x16_t {
    for key in &inverse[..13] {
        block = vaesimcq_u8(vaesdq_u8(block, *key));
    }
    veorq_u8(vaesdq_u8(block, inverse[13]), inverse[14])
}

/// XORs `N` blocks of key stream, from counter `first` on, over at most as many bytes of data.
#[inline]
#[target_feature(enable = "aes")]
fn xor_stream<const N: usize>(keys: &RoundKeys, start: uint8x16_t, first: u32, data: &mut [u8]) {
    let mut stream = [start; N];
    for (at, block) in (0..).zip(&mut stream) {
        let number = first.wrapping_add(at);
        *block = vreinterpretq_u8_u32(vsetq_lane_u32::<3>(number.swap_bytes(), vreinterpretq_u32_u8(start)));
    }
    let stream = encrypt_all(keys, stream);
    let (blocks, rest) = data.as_chunks_mut::<16>();
    for (block, stream) in blocks.iter_mut().zip(&stream) {
        *block = store16(veorq_u8(load16(block), *stream));
    }
    if let Some(stream) = stream.get(blocks.len()).filter(|_| !rest.is_empty()) {
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        let last = store16(veorq_u8(load16(&last), *stream));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[target_feature(enable = "aes")]
fn apply_counter(keys: &RoundKeys, start: [u8; 16], data: &mut [u8]) {
    let [.., a, b, c, d] = start;
    let mut number = u32::from_be_bytes([a, b, c, d]);
    let start = load16(&start);
    let (whole, rest) = data.as_chunks_mut::<128>();
    for part in whole {
        xor_stream::<8>(keys, start, number, part);
        number = number.wrapping_add(8);
    }
    match rest.len() {
        0 => {}
        1..=16 => xor_stream::<1>(keys, start, number, rest),
        17..=32 => xor_stream::<2>(keys, start, number, rest),
        33..=64 => xor_stream::<4>(keys, start, number, rest),
        _ => xor_stream::<8>(keys, start, number, rest),
    }
}

/// A product, or a sum of products, before its reduction.
#[derive(Clone, Copy)]
struct Wide {
    low: uint8x16_t,
    /// Of the sums of halves: what stands in the middle, and `low` and `high` once more.
    halves: uint8x16_t,
    high: uint8x16_t,
}

#[inline]
#[target_feature(enable = "aes")]
fn low_half(x: uint8x16_t) -> u64 {
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(x))
}

/// Both halves change places.
#[inline]
#[target_feature(enable = "aes")]
fn swapped(x: uint8x16_t) -> uint8x16_t {
    vextq_u8::<8>(x, x)
}

/// The sum of both halves.
#[inline]
#[target_feature(enable = "aes")]
fn folded(x: uint8x16_t) -> u64 {
    low_half(veorq_u8(x, swapped(x)))
}

/// The bytes in the other order.
#[inline]
#[target_feature(enable = "aes")]
fn reversed(x: uint8x16_t) -> uint8x16_t {
    swapped(vrev64q_u8(x))
}

#[inline]
#[target_feature(enable = "aes")]
fn product(block: uint8x16_t, power: Power) -> Wide {
    Wide {
        low: vreinterpretq_u8_p128(vmull_p64(low_half(block), low_half(power.whole))),
        halves: vreinterpretq_u8_p128(vmull_p64(folded(block), power.halves)),
        high: vreinterpretq_u8_p128(vmull_high_p64(vreinterpretq_p64_u8(block), vreinterpretq_p64_u8(power.whole))),
    }
}

/// Takes a product modulo the polynomial of GHASH.
#[inline]
#[target_feature(enable = "aes")]
fn reduce(product: Wide) -> uint8x16_t {
    let fold = |x| vreinterpretq_u8_p128(vmull_p64(low_half(x), (POLYNOMIAL >> 64) as u64));
    let middle = veorq_u8(product.halves, veorq_u8(product.low, product.high));
    let middle = veorq_u8(veorq_u8(middle, swapped(product.low)), fold(product.low));
    veorq_u8(veorq_u8(product.high, swapped(middle)), fold(middle))
}

#[target_feature(enable = "aes")]
fn expand_gmac(key: &[u8; 32]) -> VectorGmac {
    let keys = expand(key);
    let hash_key = u128::from_be_bytes(store16(encrypt(&keys, vdupq_n_u8(0))));
    // Times x: what falls out at the top comes back as the polynomial, without a branch on the secret.
    let times_x = hash_key << 1 ^ (0u128.wrapping_sub(hash_key >> 127) & POLYNOMIAL);
    let power = |whole| Power { whole, halves: folded(whole) };
    let first = power(load16(&times_x.to_le_bytes()));
    let mut powers = [first; STRIDE];
    for at in (0..STRIDE - 1).rev() {
        powers[at] = power(reduce(product(powers[at + 1].whole, first)));
    }
    VectorGmac { keys, powers }
}

/// Adds blocks, as many as there are powers, to the hash.
#[inline]
#[target_feature(enable = "aes")]
fn absorb(hash: uint8x16_t, powers: &[Power], blocks: &[[u8; 16]]) -> uint8x16_t {
    let zero = vdupq_n_u8(0);
    let mut sum = Wide { low: zero, halves: zero, high: zero };
    let mut carried = hash;
    for (block, power) in blocks.iter().zip(powers) {
        let term = product(veorq_u8(reversed(load16(block)), carried), *power);
        carried = zero;
        sum.low = veorq_u8(sum.low, term.low);
        sum.halves = veorq_u8(sum.halves, term.halves);
        sum.high = veorq_u8(sum.high, term.high);
    }
    reduce(sum)
}

#[target_feature(enable = "aes")]
fn gmac(key: &VectorGmac, nonce: [u8; 12], message: &[u8]) -> [u8; 16] {
    let (whole, rest) = message.as_chunks::<{ 16 * STRIDE }>();
    let mut hash = vdupq_n_u8(0);
    for part in whole {
        hash = absorb(hash, &key.powers, part.as_chunks().0);
    }
    // What is left, padded, then the block of lengths: 1 to 9 blocks.
    let mut tail = [[0; 16]; STRIDE + 1];
    tail.as_flattened_mut()[..rest.len()].copy_from_slice(rest);
    let blocks = rest.len().div_ceil(16);
    tail[blocks][..8].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let blocks = blocks + 1;
    let first = if blocks > STRIDE { STRIDE } else { blocks };
    hash = absorb(hash, &key.powers[STRIDE - first..], &tail[..first]);
    if blocks > STRIDE {
        hash = absorb(hash, &key.powers[STRIDE - 1..], &tail[STRIDE..]);
    }
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(&nonce);
    counter[15] = 1;
    store16(veorq_u8(reversed(hash), encrypt(&key.keys, load16(&counter))))
}
