//! VL1 through its public interface only: nodes in one process under a virtual clock.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and prints its seed and figures")]

mod bonding;
mod contact;
mod embedding;
mod hostile;
mod levels;
mod net;
mod recovery;
mod reflection;
mod siblings;
mod streams;
mod worlds;
