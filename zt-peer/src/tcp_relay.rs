//! The TCP relay (03 §16): datagrams of who has no UDP, carried in a TCP connection to a server that sends them as UDP.
//!
//! [`Fallback`] decides for a client when a connection is made and left, [`Server`] decides for a server who may connect and
//! what is forwarded. Neither knows a [`Vl1`](crate::Vl1), neither opens a packet: a relay has no keys.

mod cause;
mod client;
mod endpoints;
mod fallback;
mod limits;
mod server;
mod sources;
#[cfg(test)]
mod tests;

pub use cause::{Cause, Counts};
pub use fallback::{Fallback, Phase};
pub use limits::Limits;
pub use server::{Admitted, ClientId, Server, Verdict};
