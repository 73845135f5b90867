//! Rules: what may pass (04 §6).

pub mod eval;
pub mod words;

pub use eval::{Decision, FrameFacts, UnsupportedRule, evaluate, first_unsupported};
