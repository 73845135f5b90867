#![doc = include_str!("../README.md")]

mod cable;
mod dice;
mod dissect;
mod fixtures;
mod flow;
mod host;
mod idle;
mod internet;
mod nat;
mod node;
mod office;
mod pcap;
pub mod reference;
pub mod scene;
mod setup;
mod sim;
mod stream;

pub use dice::Dice;
pub use fixtures::{count as identity_count, drawn_identity, identity, identity_with};
pub use flow::{Demand, FLOW_MESSAGE, Flow, FlowNumber};
pub use host::{Heard, Host, Mark};
pub use idle::{Idle, Said};
pub use internet::{
    Arrival, Carriage, INTERNET, IfaceId, Internet, MachineId, Narrow, NatId, SegmentId, Uplink, Weather,
};
pub use nat::{Depends, Nat, NatKind, Ports};
pub use node::{Bound, Node, NodeId, START_OF_TIME, Store, Use, Work};
pub use setup::{Lab, PORT, Place};
pub use sim::{AGREEMENT, Captured, Sim, VALIDATION};
pub use stream::{Stream, StreamId, Traffic};
