//! VAES, VPCLMULQDQ, AVX2 and AVX-512.
#![expect(unsafe_code, reason = "vector instructions are behind run-time detection that the compiler cannot see")]

mod aes;
mod salsa;
mod vector;

pub(in super::super) use aes::{VectorCounter, VectorGmac};
pub(super) use salsa::Level;
