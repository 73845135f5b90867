//! The HTTP interface of the controller (05 §1 to §3): what its JSON says, and how it is spelled.

mod api;
pub(super) mod coerce;
mod error;
mod member;
mod network;
mod strict;

pub use api::ApiOutcome;
