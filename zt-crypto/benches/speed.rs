//! Nanoseconds per operation: `cargo bench -p zt-crypto`, or with words to select lines: `… -- aes seal`.
//!
//! The work of AES is done by every back end that was looked at, so that the choice can be checked on any machine.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes::Aes256;

use aes::cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use poly1305::Poly1305;
use zt_crypto::primitives::aes::{Aes, Gmac};
use zt_crypto::primitives::memory_hard::memory_hard_digest;
use zt_crypto::primitives::poly::poly1305;
use zt_crypto::primitives::salsa::{Instructions, PacketStream};
use zt_crypto::{KeyPair, PeerKeys, SeededEntropy, SharedKey, Suite, verify};

/// Lengths of whole packets: the shortest, a small one, half of an Ethernet frame, one datagram, a full frame.
const SIZES: [usize; 6] = [28, 64, 128, 700, 1432, 2800];
const KEY: [u8; 32] = [7; 32];

/// Nanoseconds for each of [`SIZES`].
type Figures = [f64; SIZES.len()];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let bench = Bench { wanted };
    println!("AES by {}, GMAC by {}", Aes::new(&KEY).back_end(), Gmac::new(&KEY).back_end());
    println!("{:<34} {}", "ns per operation, packet bytes:", SIZES.map(|size| format!("{size:>9}")).concat());
    aes_back_ends(&bench);
    salsa_and_poly(&bench);
    whole_packets(&bench);
    asymmetric(&bench);
}

struct Bench {
    wanted: Vec<String>,
}

impl Bench {
    /// Prints one line, and gives its figures back: the work on a body that belongs to a packet of each size.
    fn sizes(&self, name: &str, mut work: impl FnMut(&mut [u8])) -> Option<Figures> {
        if !self.wants(name) {
            return None;
        }
        let figures = SIZES.map(|size| {
            let mut body = vec![3; size - 27];
            best(|| work(black_box(&mut body)))
        });
        println!("{name:<34} {}", figures.map(|figure| format!("{figure:>9.0}")).concat());
        Some(figures)
    }

    /// Prints how many times as fast the code that is used is as the other, where both were measured.
    fn ratio(&self, name: &str, used: Option<Figures>, other: Option<Figures>) {
        if let (Some(used), Some(other)) = (used, other) {
            let ratios = std::array::from_fn::<_, { SIZES.len() }, _>(|at| format!("{:>8.1}×", other[at] / used[at]));
            println!("{name:<34} {}", ratios.concat());
        }
    }

    fn once(&self, name: &str, work: impl FnMut()) {
        if self.wants(name) {
            println!("{name:<34} {:>9.0}", best(work));
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().all(|word| name.contains(word.as_str()))
    }
}

/// Nanoseconds of the best of some runs of a few milliseconds: others use this machine as well.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let rounds = (Duration::from_millis(2).as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 100_000) as u32;
    (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .fold(f64::MAX, f64::min)
}

fn aes_back_ends(bench: &Bench) {
    let (gmac, aes) = (Gmac::new(&KEY), Aes::new(&KEY));
    let (library_gmac, library_aes) = (Gmac::by_library(&KEY), Aes::by_library(&KEY));
    let used_gmac = bench.sizes("aes gmac, used", |body| {
        black_box(gmac.tag([1; 12], body));
    });
    let library = bench.sizes("aes gmac, aws-lc", |body| {
        black_box(library_gmac.tag([1; 12], body));
    });
    bench.ratio("aes gmac, times aws-lc", used_gmac, library);
    let block_cipher = Aes256::new(&KEY.into());
    let mut hash_key = [0; 16].into();
    block_cipher.encrypt_block(&mut hash_key);
    let ghash = GHash::new(&hash_key);
    bench.sizes("aes gmac, aes + ghash", |body| {
        let mut hash = ghash.clone();
        hash.update_padded(body);
        hash.update(&[[1; 16].into()]);
        let mut mask = [2; 16].into();
        block_cipher.encrypt_block(&mut mask);
        black_box((hash.finalize(), mask));
    });
    let used = bench.sizes("aes ctr, used", |body| aes.apply_counter([5; 16], body));
    let library = bench.sizes("aes ctr, aws-lc", |body| library_aes.apply_counter([5; 16], body));
    bench.ratio("aes ctr, times aws-lc", used, library);
    bench.sizes("aes ctr, aes + ctr", |body| {
        type Core<'k> = ctr::CtrCore<&'k Aes256, ctr::flavors::Ctr32BE>;
        Core::inner_iv_init(&block_cipher, &[5; 16].into()).apply_keystream_partial(body.into());
    });
}

fn salsa_and_poly(bench: &Bench) {
    let [salsa, _, salsa20] =
        [("used", Instructions::Best), ("avx2", Instructions::Avx2), ("salsa20", Instructions::Library)].map(
            |(name, instructions)| {
                bench.sizes(&format!("salsa20/12 packet, {name}"), |body| {
                    PacketStream::with(instructions, &KEY, &[1; 8]).apply(body);
                })
            },
        );
    bench.ratio("salsa20/12 packet, times salsa20", salsa, salsa20);
    let poly = bench.sizes("poly1305, used", |body| {
        black_box(poly1305(&KEY, body));
    });
    let by_crate = bench.sizes("poly1305, poly1305", |body| {
        black_box(Poly1305::new(&KEY.into()).compute_unpadded(body));
    });
    bench.ratio("poly1305, times poly1305", poly, by_crate);
    let sum = |one: Option<Figures>, other: Option<Figures>| {
        let (one, other) = (one?, other?);
        Some(std::array::from_fn::<_, { SIZES.len() }, _>(|at| one[at] + other[at]))
    };
    bench.ratio("salsa20/12 + poly1305, times both", sum(salsa, poly), sum(salsa20, by_crate));
}

fn whole_packets(bench: &Bench) {
    let keys = PeerKeys::new(SharedKey::from_bytes([9; 48]));
    for (name, suite) in [
        ("cipher 0, poly1305", Suite::Poly1305None),
        ("cipher 1, salsa20/12 + poly1305", Suite::Salsa2012Poly1305),
        ("cipher 3, aes-gmac-siv", Suite::AesGmacSiv),
    ] {
        let mut packet = Vec::new();
        bench.sizes(&format!("seal {name}"), |body| {
            packet.resize(27 + body.len(), 0);
            black_box(keys.seal(&mut packet, suite));
        });
        let (mut sealed, mut copy) = (Vec::new(), Vec::new());
        bench.sizes(&format!("open {name}"), |body| {
            if sealed.len() != 27 + body.len() {
                sealed = vec![0; 27 + body.len()];
                keys.seal(&mut sealed, suite);
            }
            // Opening destroys the sealed form: the copy, some 30 ns, is part of the figure.
            copy.clone_from(&sealed);
            black_box(keys.open(&mut copy)).expect("sealed above");
        });
    }
}

fn asymmetric(bench: &Bench) {
    let mut entropy = SeededEntropy::new(1);
    let (a, b) = (KeyPair::generate(&mut entropy), KeyPair::generate(&mut entropy));
    let signature = a.sign(b"message");
    bench.once("peer keys from a shared key", || drop(PeerKeys::new(SharedKey::from_bytes([9; 48]))));
    bench.once("agree", || drop(a.agree(b.public_key())));
    bench.once("sign", || {
        black_box(a.sign(b"message"));
    });
    bench.once("verify", || {
        black_box(verify(a.public_key(), b"message", &signature));
    });
    bench.once("memory-hard hash", || {
        black_box(memory_hard_digest(a.public_key()));
    });
}
