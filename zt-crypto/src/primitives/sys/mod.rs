//! Ciphers on the vector units of processors, chosen while running; nothing here is called on a processor without them.
//!
//! The unsafe code of this crate is here and is of two kinds: calls of functions that need a processor feature, made
//! through values that exist only where it was found, and loads and stores of whole vectors through references.
#![expect(unsafe_code, reason = "vector instructions are behind run-time detection that the compiler cannot see")]

mod salsa;
mod x86_64;

pub(super) use salsa::VectorSalsa12;
pub(super) use x86_64::{VectorCounter, VectorGmac};
