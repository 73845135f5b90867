#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
#[cfg(feature = "controller")]
pub mod controller;
pub mod member;
pub mod rules;
pub mod trace;

#[doc(inline)]
pub use config::{ConfigError, NetworkConfig, NetworkType, SignOn};
#[doc(inline)]
pub use member::carrier::{Carrier, FrameVerdict, SendOptions, Verdict, Vl2Event};
#[doc(inline)]
pub use member::drop_reason::DropReason;
#[doc(inline)]
pub use member::managed::{Managed, ManagedDns, ManagedRoute, Obstacle, Settings, Withheld};
#[doc(inline)]
pub use member::membership::Member;
#[doc(inline)]
pub use member::network::why::{Missing, NoAnswer, Question, Standing, Why};
#[doc(inline)]
pub use member::network::{Authentication, Failure, Network, NetworkStatus};
#[doc(inline)]
pub use member::rule_counters::{Decisions, RuleCounters};
#[doc(inline)]
pub use member::vl2::{LocalAnswer, Vl2};
#[doc(inline)]
pub use member::{FrameCounts, MAX_PORT_MTU};
