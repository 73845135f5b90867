//! The C boundary: the only place of this crate with `unsafe`.

#![allow(unsafe_code, reason = "C calls in and is called")]

pub mod modern_abi;
pub mod seed_abi;
