//! Ciphers on the vector units of processors, chosen while running; nothing here is called on a processor without them.
//!
//! The unsafe code of this crate is here and is of two kinds: calls of functions that need a processor feature, made
//! through values that exist only where it was found, and loads and stores of whole vectors through references.

mod salsa;

#[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
#[path = "aarch64/mod.rs"]
mod units;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod units;
#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little", target_feature = "neon")
)))]
#[path = "absent.rs"]
mod units;

pub(super) use salsa::VectorSalsa12;
pub(super) use units::{VectorCounter, VectorGmac};
