#![doc = include_str!("../README.md")]

mod api;
pub mod attacks;
pub mod bench;
pub mod c_cut;
pub mod c_host;
pub mod c_scene;
mod cable;
mod checks;
pub mod crowd;
mod daemon;
pub mod fronts;
mod home;
pub mod hostile_router;
mod lab;
pub mod load;
pub mod mtu_table;
pub mod nats;
pub mod path_size;
pub mod port_mapping;
mod program;
pub mod rig;
pub mod roles;
pub mod rules;
pub mod sent;
pub mod streams;
pub mod tcp_relay;
pub mod uplinks;

pub use api::Api;
pub use cable::Cable;
pub use checks::{Ping, multicast, tcp, udp, wait_for};
pub use daemon::Daemon;
pub use home::Home;
pub use lab::{Cut, Host, Lab, Nat, Switch};
pub use program::{Options, Program};
pub use zt_tap::netns::{Masquerade, Namespace, Transfer};
pub use zt_wire::IpPrefix;
