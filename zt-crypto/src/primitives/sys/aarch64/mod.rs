//! NEON, which every such processor has, and the cryptographic extension of ARMv8, which most have.
#![expect(unsafe_code, reason = "vector instructions are behind run-time detection that the compiler cannot see")]

mod aes;
mod salsa;
mod vector;

pub(in super::super) use aes::{VectorCounter, VectorGmac};
pub(super) use salsa::Level;
