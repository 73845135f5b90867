//! What one client, one source and all of them may take of a server.

use std::time::Duration;

use zt_wire::IpPrefix;

/// Bounds of a [`Server`](super::Server).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub clients: usize,
    /// Of one source: an IPv4 address, or a /64 of IPv6.
    pub clients_per_source: usize,
    /// Bytes that wait for one client. What finds no room is lost: a slow client drops its own packets.
    pub queue: usize,
    /// Bytes that wait for all clients.
    pub memory: usize,
    /// Bytes per second of one source in each direction; 0 = as many as there are.
    pub rate: u64,
    /// A connection without traffic is closed after this.
    pub idle: Duration,
    /// Prefixes that may be sent to beside the addresses of the Internet.
    pub allowed: Vec<IpPrefix>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 4096,
            clients_per_source: 64,
            queue: 128 << 10,
            memory: 256 << 20,
            rate: 12_500_000,
            idle: Duration::from_secs(300),
            allowed: Vec::new(),
        }
    }
}
