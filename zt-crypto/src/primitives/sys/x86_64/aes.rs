//! AES-256 and GHASH on two blocks per instruction: VAES and VPCLMULQDQ on 256-bit registers.
//!
//! On the processors that have them (since 2019) these registers encrypt as many bytes per cycle as those of 512 bits,
//! and every processor with VAES has them.
//!
//! GHASH is computed on bit-reflected values with keys multiplied by x beforehand, sixteen blocks under one reduction
//! (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode").

use core::arch::x86_64::{
    __m128i, __m256i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aesimc_si128,
    _mm_aeskeygenassist_si128, _mm_clmulepi64_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_shuffle_epi32, _mm_slli_si128, _mm_xor_si128, _mm256_add_epi32, _mm256_aesenc_epi128, _mm256_aesenclast_epi128,
    _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_clmulepi64_epi128, _mm256_extracti128_si256,
    _mm256_set_epi32, _mm256_set_m128i, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_xor_si256,
    _mm256_zextsi128_si256,
};
use std::arch::is_x86_feature_detected;
use std::hint::black_box;

use zeroize::Zeroize;

use super::vector::{load16, load32, store16, store32};

/// The round keys of AES-256.
type RoundKeys = [__m128i; 15];

/// Round keys in a line of the processor's caches.
const LINE: usize = 4;
/// Blocks that share one reduction of GHASH.
const STRIDE: usize = 16;
/// x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1, reflected, without its highest term.
const POLYNOMIAL: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;
/// Block number → bytes in the other order.
const REVERSE: [u8; 16] = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

/// Whether there is every feature that a function of this file is compiled for: a hypervisor may hide the older ones.
fn detected() -> bool {
    is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("pclmulqdq")
}

/// GMAC under one key. A value exists only where the processor has the instructions.
pub(in super::super::super) struct VectorGmac {
    keys: RoundKeys,
    /// H¹⁶ to H¹, each times x, and a zero, so that any last pair can be read.
    powers: [__m128i; STRIDE + 1],
}

impl VectorGmac {
    /// Reads all of it, so that it is in a cache.
    pub(in super::super::super) fn touch(&self) {
        self.keys.iter().step_by(LINE).chain(self.powers.iter().step_by(LINE)).for_each(|one| _ = black_box(*one));
    }

    pub(in super::super::super) const NAME: &str = "VAES and VPCLMULQDQ";

    /// Expands the key; `None` on other processors.
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
        self.powers.zeroize();
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

    pub(in super::super::super) const NAME: &str = "VAES";

    /// Expands the key; `None` on other processors.
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

/// XOR of a word with those before it, as the key schedule asks.
#[target_feature(enable = "aes,avx2")]
fn smear(word: __m128i) -> __m128i {
    let word = _mm_xor_si128(word, _mm_slli_si128::<4>(word));
    _mm_xor_si128(word, _mm_slli_si128::<8>(word))
}

#[target_feature(enable = "aes,avx2")]
fn even_key<const ROUND: i32>(before: __m128i, last: __m128i) -> __m128i {
    let mixed = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<ROUND>(last));
    _mm_xor_si128(smear(before), mixed)
}

#[target_feature(enable = "aes,avx2")]
fn odd_key(before: __m128i, last: __m128i) -> __m128i {
    let mixed = _mm_shuffle_epi32::<0xaa>(_mm_aeskeygenassist_si128::<0>(last));
    _mm_xor_si128(smear(before), mixed)
}

#[target_feature(enable = "aes,avx2")]
fn expand(key: &[u8; 32]) -> RoundKeys {
    let (low, high) = key.split_at(16);
    let mut keys = [_mm_setzero_si128(); 15];
    keys[0] = load16(low.try_into().expect("16 bytes"));
    keys[1] = load16(high.try_into().expect("16 bytes"));
    keys[2] = even_key::<1>(keys[0], keys[1]);
    keys[3] = odd_key(keys[1], keys[2]);
    keys[4] = even_key::<2>(keys[2], keys[3]);
    keys[5] = odd_key(keys[3], keys[4]);
    keys[6] = even_key::<4>(keys[4], keys[5]);
    keys[7] = odd_key(keys[5], keys[6]);
    keys[8] = even_key::<8>(keys[6], keys[7]);
    keys[9] = odd_key(keys[7], keys[8]);
    keys[10] = even_key::<16>(keys[8], keys[9]);
    keys[11] = odd_key(keys[9], keys[10]);
    keys[12] = even_key::<32>(keys[10], keys[11]);
    keys[13] = odd_key(keys[11], keys[12]);
    keys[14] = even_key::<64>(keys[12], keys[13]);
    keys
}

#[target_feature(enable = "aes,avx2")]
fn expand_counter(key: &[u8; 32]) -> VectorCounter {
    let keys = expand(key);
    let mut inverse = keys;
    inverse.reverse();
    for key in &mut inverse[1..14] {
        *key = _mm_aesimc_si128(*key);
    }
    VectorCounter { keys, inverse }
}

#[inline]
#[target_feature(enable = "aes,avx2")]
fn encrypt(keys: &RoundKeys, block: __m128i) -> __m128i {
    let mut state = _mm_xor_si128(block, keys[0]);
    for key in &keys[1..14] {
        state = _mm_aesenc_si128(state, *key);
    }
    _mm_aesenclast_si128(state, keys[14])
}

#[inline]
#[target_feature(enable = "aes,avx2")]
fn decrypt(inverse: &RoundKeys, block: __m128i) -> __m128i {
    let mut state = _mm_xor_si128(block, inverse[0]);
    for key in &inverse[1..14] {
        state = _mm_aesdec_si128(state, *key);
    }
    _mm_aesdeclast_si128(state, inverse[14])
}

/// Encrypts `2 N` counter blocks and moves the counter on.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn key_stream<const N: usize>(keys: &RoundKeys, counter: &mut __m256i) -> [__m256i; N] {
    let reverse = _mm256_broadcastsi128_si256(load16(&REVERSE));
    let two = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
    let first = _mm256_broadcastsi128_si256(keys[0]);
    let mut state = [_mm256_setzero_si256(); N];
    for block in &mut state {
        *block = _mm256_xor_si256(_mm256_shuffle_epi8(*counter, reverse), first);
        *counter = _mm256_add_epi32(*counter, two);
    }
    for key in &keys[1..14] {
        let key = _mm256_broadcastsi128_si256(*key);
        for block in &mut state {
            *block = _mm256_aesenc_epi128(*block, key);
        }
    }
    let last = _mm256_broadcastsi128_si256(keys[14]);
    for block in &mut state {
        *block = _mm256_aesenclast_epi128(*block, last);
    }
    state
}

/// XORs `2 N` blocks of key stream over at most as many bytes of data.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn xor_stream<const N: usize>(keys: &RoundKeys, counter: &mut __m256i, data: &mut [u8]) {
    let stream = key_stream::<N>(keys, counter);
    let (pairs, rest) = data.as_chunks_mut::<32>();
    for (pair, stream) in pairs.iter_mut().zip(&stream) {
        *pair = store32(_mm256_xor_si256(load32(pair), *stream));
    }
    if let Some(stream) = stream.get(pairs.len()).filter(|_| !rest.is_empty()) {
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        let last = store32(_mm256_xor_si256(load32(&last), *stream));
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[target_feature(enable = "vaes,avx2")]
fn apply_counter(keys: &RoundKeys, start: [u8; 16], data: &mut [u8]) {
    let start = _mm256_broadcastsi128_si256(_mm_shuffle_epi8(load16(&start), load16(&REVERSE)));
    let mut counter = _mm256_add_epi32(start, _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0));
    let (whole, rest) = data.as_chunks_mut::<256>();
    for part in whole {
        xor_stream::<8>(keys, &mut counter, part);
    }
    match rest.len() {
        0 => {}
        1..=32 => xor_stream::<1>(keys, &mut counter, rest),
        33..=64 => xor_stream::<2>(keys, &mut counter, rest),
        65..=128 => xor_stream::<4>(keys, &mut counter, rest),
        _ => xor_stream::<8>(keys, &mut counter, rest),
    }
}

/// A product, or a sum of products, before its reduction.
#[derive(Clone, Copy)]
struct Wide {
    low: __m128i,
    middle: __m128i,
    high: __m128i,
}

/// Takes a product modulo the polynomial of GHASH.
#[inline]
#[target_feature(enable = "pclmulqdq,avx2")]
fn reduce(product: Wide) -> __m128i {
    let polynomial = _mm_set_epi64x((POLYNOMIAL >> 64) as i64, POLYNOMIAL as i64);
    let folded = _mm_clmulepi64_si128::<0x10>(product.low, polynomial);
    let middle = _mm_xor_si128(_mm_xor_si128(product.middle, _mm_shuffle_epi32::<0x4e>(product.low)), folded);
    let folded = _mm_clmulepi64_si128::<0x10>(middle, polynomial);
    _mm_xor_si128(_mm_xor_si128(product.high, _mm_shuffle_epi32::<0x4e>(middle)), folded)
}

#[target_feature(enable = "pclmulqdq,avx2")]
fn multiply(a: __m128i, b: __m128i) -> __m128i {
    reduce(Wide {
        low: _mm_clmulepi64_si128::<0x00>(a, b),
        middle: _mm_xor_si128(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b)),
        high: _mm_clmulepi64_si128::<0x11>(a, b),
    })
}

#[target_feature(enable = "aes,vpclmulqdq,avx2")]
fn expand_gmac(key: &[u8; 32]) -> VectorGmac {
    let keys = expand(key);
    let hash_key = u128::from_be_bytes(store16(encrypt(&keys, _mm_setzero_si128())));
    // Times x: what falls out at the top comes back as the polynomial, without a branch on the secret.
    let times_x = hash_key << 1 ^ (0u128.wrapping_sub(hash_key >> 127) & POLYNOMIAL);
    let first = _mm_set_epi64x((times_x >> 64) as i64, times_x as i64);
    let mut powers = [_mm_setzero_si128(); STRIDE + 1];
    powers[STRIDE - 1] = first;
    for at in (0..STRIDE - 1).rev() {
        powers[at] = multiply(powers[at + 1], first);
    }
    VectorGmac { keys, powers }
}

/// Adds blocks, at most [`STRIDE`], to the hash: those of `pairs`, of which the last may be half a pair.
#[inline]
#[target_feature(enable = "vpclmulqdq,avx2")]
fn absorb(hash: __m128i, powers: &[__m128i], pairs: &[[u8; 32]]) -> __m128i {
    let reverse = _mm256_broadcastsi128_si256(load16(&REVERSE));
    let zero = _mm256_setzero_si256();
    let (mut low, mut middle, mut high) = (zero, zero, zero);
    let mut carried = _mm256_zextsi128_si256(hash);
    for (pair, power) in pairs.iter().zip(powers.chunks_exact(2)) {
        let block = _mm256_xor_si256(_mm256_shuffle_epi8(load32(pair), reverse), carried);
        carried = zero;
        let power = _mm256_set_m128i(power[1], power[0]);
        low = _mm256_xor_si256(low, _mm256_clmulepi64_epi128::<0x00>(block, power));
        middle = _mm256_xor_si256(middle, _mm256_clmulepi64_epi128::<0x01>(block, power));
        middle = _mm256_xor_si256(middle, _mm256_clmulepi64_epi128::<0x10>(block, power));
        high = _mm256_xor_si256(high, _mm256_clmulepi64_epi128::<0x11>(block, power));
    }
    reduce(Wide { low: fold(low), middle: fold(middle), high: fold(high) })
}

/// The sum of both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn fold(pair: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(pair), _mm256_extracti128_si256::<1>(pair))
}

#[target_feature(enable = "vaes,vpclmulqdq,avx2")]
fn gmac(key: &VectorGmac, nonce: [u8; 12], message: &[u8]) -> [u8; 16] {
    let (whole, rest) = message.as_chunks::<{ 16 * STRIDE }>();
    let mut hash = _mm_setzero_si128();
    for part in whole {
        hash = absorb(hash, &key.powers[..STRIDE], part.as_chunks::<32>().0);
    }
    // What is left, padded, then the block of lengths: 1 to 17 blocks.
    let mut tail = [[0; 32]; STRIDE / 2 + 1];
    let bytes = tail.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    let blocks = rest.len().div_ceil(16);
    bytes[16 * blocks..16 * blocks + 8].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let blocks = blocks + 1;
    let first = if blocks > STRIDE { STRIDE } else { blocks };
    hash = absorb(hash, &key.powers[STRIDE - first..], &tail[..first.div_ceil(2)]);
    if blocks > STRIDE {
        hash = absorb(hash, &key.powers[STRIDE - 1..], &tail[STRIDE / 2..]);
    }
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(&nonce);
    counter[15] = 1;
    let mask = encrypt(&key.keys, load16(&counter));
    store16(_mm_xor_si128(_mm_shuffle_epi8(hash, load16(&REVERSE)), mask))
}
