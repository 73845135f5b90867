//! A host without a kernel: TCP, UDP and ICMP of each network in this process, behind the traits that TAP devices are behind.
//!
//! `segment`, `flow`, `wire` and `stack` are pure: frames and time in, frames out. `port` is the loop around them: what a node
//! opens in place of devices, and what connections and datagrams are read and written by. docs/userspace.md says what it is for.

mod flow;
mod port;
mod segment;
mod stack;
mod wire;

pub use port::{Port, PortDns, Ports, TcpListener, TcpStream, UdpSocket};
pub use stack::{Connection, Stack, StackCounts, StackError};
