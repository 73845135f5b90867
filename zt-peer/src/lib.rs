#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod desperation;
mod drop_reason;
mod event;
mod expect;
mod fast_map;
mod hello;
mod inbound;
mod job;
mod link;
mod links;
mod liveness;
mod path_choice;
mod path_consent;
mod path_policy;
mod peer;
mod peer_table;
mod pending;
mod probing;
mod push_paths;
mod rate;
mod reassembly;
mod receive;
mod relay;
mod rendezvous;
mod roots;
mod round;
mod self_awareness;
mod send;
mod snapshot;
mod transmit;
mod view;
mod vl1;
mod whois;
mod worlds;

pub use config::{PhysicalPrefix, SendOptions, SoftwareVersion, VirtualPeer, Vl1Config};
pub use drop_reason::DropReason;
pub use event::{PathView, PeerView, Role, Vl1Event};
pub use inbound::{Inbound, Look, Open, Outcome, Place, Receipt, Received, ReplyTo, Scratch, Ticket};
pub use job::{Job, JobDone};
pub use link::{Endpoint, Link, LinkId, LinkKind, LinkRole, Path};
pub use roots::{Accepted, MAX_MOONS, MAX_PLANETS, Source, WorldRefused};
pub use send::SendError;
pub use transmit::{Train, Transmit, Transmits};
pub use vl1::Vl1;
