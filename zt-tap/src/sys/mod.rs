//! The unsafe calls of this crate, and nothing else.
#![expect(unsafe_code, reason = "system calls without a safe wrapper, and vector units")]

mod linux;
mod sum;

pub(crate) use linux::*;
pub(crate) use sum::sum;
