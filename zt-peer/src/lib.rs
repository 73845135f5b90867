#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod address_index;
mod bond;
mod config;
mod directory;
mod drop_reason;
mod event;
mod event_queue;
mod fair_queue;
mod fast_map;
mod inbound;
mod link;
mod links;
mod outgoing;
mod path_proof;
mod path_uses;
mod peer;
mod peer_table;
mod periods;
mod rate;
mod relay_choice;
mod roots;
mod schedule;
mod self_awareness;
mod snapshot;
mod surface;
mod sys;
pub mod tcp_relay;
mod traffic;
mod transmit;
mod vl1;
mod waiting;
mod wire;

pub use bond::{BondConfig, BondLink, BondPolicy, BondTemplate, BondedPath, IpPreference, QualityLimits, Reselect};
pub use config::{PhysicalPrefix, SendOptions, VirtualPeer, Vl1Config};
pub use directory::job::{Job, JobDone};
pub use drop_reason::DropReason;
pub use event::{BondView, PathView, PeerView, Role, Vl1Event};
pub use inbound::{Inbound, Look, Open, Outcome, Place, Received, ReplyTo, Scratch, Ticket};
pub use link::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path};
pub use outgoing::SendError;
pub use peer::PeerVersion;
pub use roots::{Accepted, MAX_MOONS, MAX_PLANETS, Source, WorldRefused};
pub use traffic::{Latencies, PacketCounts, PeerCounts, PeerTraffic};
pub use transmit::{Train, Transmit, Transmits};
pub use vl1::{BondMtuError, Vl1};
