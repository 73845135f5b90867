//! VAES, VPCLMULQDQ, AVX2 and AVX-512.

mod aes;
mod salsa;
mod vector;

pub(in super::super) use aes::{VectorCounter, VectorGmac};
pub(super) use salsa::Level;
