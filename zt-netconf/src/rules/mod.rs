//! Rules: what may pass (04 §6).
//!
//! A [`Policy`] is compiled once for a configuration, a [`PeerPolicy`] once for the record of another member. A verdict
//! is then a walk through compact tables: nothing is allocated, and each header of a frame is looked for once at most.

mod auth;
pub mod cases;
mod classes;
pub mod diff;
mod explain;
mod facts;
mod fields;
mod policy;
mod program;
mod run;
pub mod script;
mod transport;
pub mod trial;
mod verdict;
pub mod words;

pub use explain::{Explanation, RULE_LOG_LEN, Step, TableTrace, TagTrace};
pub use facts::FrameFacts;
pub use policy::{PeerPolicy, Policy};
pub use verdict::{By, Copies, Decision, FrameCopy, Verdict};

#[cfg(test)]
mod tests;
