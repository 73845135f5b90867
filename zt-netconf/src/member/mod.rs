//! The member's side of a network: one [`Vl2`](vl2::Vl2) with all networks that a node has joined (04).

pub mod adhoc;
pub mod carrier;
pub mod credentials;
pub mod drop_reason;
pub mod managed;
pub mod membership;
pub mod network;
pub mod rule_counters;
pub mod vl2;

mod asked;
mod assembly;
mod authorised;
mod bridge;
mod contact;
mod events;
mod frame_counts;
mod gather;
mod groups;
mod held;
mod neighbor;
mod outgoing;
mod pending;
mod request;
mod shared;
mod shares;
mod subscriptions;
mod sweep;
mod trace;

pub use frame_counts::FrameCounts;
pub use network::frame::MAX_PORT_MTU;
