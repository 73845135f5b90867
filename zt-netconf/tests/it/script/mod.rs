//! The rule language.

mod errors;
#[cfg(feature = "controller")]
mod explain;
mod limits;
