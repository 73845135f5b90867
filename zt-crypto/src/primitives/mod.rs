//! The building blocks, thin over the crates that implement them; useful alone for tests and tools.

pub mod aes;
pub mod agreement;
pub mod kbkdf;
pub mod memory_hard;
pub mod poly;
pub mod salsa;
pub mod sha;
pub mod signature;
mod sys;
