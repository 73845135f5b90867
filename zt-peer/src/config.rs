//! What a [`Vl1`](crate::Vl1) is made from and told by the operator.

use std::net::SocketAddr;
use std::sync::Arc;

use zt_crypto::{Entropy, SecretIdentity};
use zt_wire::{Address, IpPrefix, SoftwareVersion};

/// Everything a node's VL1 needs at start.
pub struct Vl1Config {
    /// Who we are.
    pub identity: Arc<SecretIdentity>,
    /// Our software version. Peers of ours print it; nothing depends on it.
    pub version: SoftwareVersion,
    /// Source of packet IDs and of every random choice.
    pub entropy: Box<dyn Entropy + Send>,
    /// Addresses of peers that the cache knows (`peers.d`): a [`Job::LoadPeer`](crate::Job::LoadPeer) is made
    /// only when `true`; without a cache unknown peers are asked for at once.
    pub has_peer_cache: bool,
    /// Loopback addresses may be paths. For several nodes on one host in tests and demonstrations; other nodes never
    /// take such addresses (03 §8).
    pub allow_loopback: bool,
    /// The owner decides which addresses become paths (08 §A.4 `ZT_PathCheckFunction`): none does before
    /// [`Vl1::answer_path`](crate::Vl1::answer_path) allowed it, except the endpoints that worlds name for their roots.
    pub ask_paths: bool,
    /// The owner may know addresses of peers (08 §A.4 `ZT_PathLookupFunction`): it is asked by
    /// [`Vl1Event::AddressWanted`](crate::Vl1Event::AddressWanted).
    pub ask_addresses: bool,
    /// The owner wants the messages of peers ([`Vl1Event::UserMessage`](crate::Vl1Event::UserMessage),
    /// [`Vl1Event::RemoteTrace`](crate::Vl1Event::RemoteTrace)); `false`: they are not even decompressed.
    pub hear_messages: bool,
}

impl Vl1Config {
    /// Configuration without a peer cache and with version 0.1.0.
    pub fn new(identity: Arc<SecretIdentity>, entropy: Box<dyn Entropy + Send>) -> Self {
        let version = SoftwareVersion::new(0, 1, 0);
        Self {
            identity,
            version,
            entropy,
            has_peer_cache: false,
            allow_loopback: false,
            ask_paths: false,
            ask_addresses: false,
            hear_messages: true,
        }
    }
}

/// One `physical` entry of local.conf (03 §13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhysicalPrefix {
    /// The network; host bits do not count.
    pub prefix: IpPrefix,
    /// Trusted path ID; 0 = not trusted.
    pub trusted_path_id: u64,
    /// Datagram payload size; 0 = default, else clamped to 1400…10324.
    pub mtu: u16,
    /// Never use addresses in here as paths.
    pub blacklist: bool,
}

/// One `virtual` entry of local.conf: hints about a peer (06).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualPeer {
    /// The peer.
    pub address: Address,
    /// Addresses to try when there is no direct path.
    pub attempt: Vec<SocketAddr>,
    /// Prefixes never to be used for this peer.
    pub blacklist: Vec<IpPrefix>,
}

/// How a packet is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Try LZ4 on payloads above 64 bytes (02 §4).
    pub compress: bool,
    /// Remember the packet ID: an OK or ERROR will answer it.
    pub expect_reply: bool,
}
