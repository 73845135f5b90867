//! The unsafe calls of this crate, and nothing else.

#[cfg(target_os = "linux")]
mod linux;
mod sum;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
pub use sum::sum;
