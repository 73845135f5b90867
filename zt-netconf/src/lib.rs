#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod adhoc;
pub mod carrier;
pub mod config;
#[cfg(feature = "controller")]
pub mod controller;
pub mod credentials;
pub mod drop_reason;
pub mod managed;
pub mod membership;
pub mod network;
pub mod rules;
pub mod vl2;

mod asked;
mod bridge;
mod chunks;
mod exchange;
mod frame;
mod multicast;
mod neighbor;
mod request;
mod shares;
mod subscriptions;

#[doc(inline)]
pub use carrier::{Carrier, FrameVerdict, SendOptions, Verdict, Vl2Event};
#[doc(inline)]
pub use config::{ConfigError, NetworkConfig, NetworkType, SignOn};
#[doc(inline)]
pub use drop_reason::DropReason;
pub use frame::MAX_PORT_MTU;
#[doc(inline)]
pub use managed::{Managed, ManagedDns, ManagedRoute, Prefix, Settings};
#[doc(inline)]
pub use membership::Member;
#[doc(inline)]
pub use network::{Authentication, Failure, Network, NetworkStatus};
pub use request::Version;
#[doc(inline)]
pub use rules::UnsupportedRule;
#[doc(inline)]
pub use vl2::{LocalAnswer, Vl2};
