//! What the machine tells its owner, and views of its state.

use std::sync::Arc;
use std::time::Duration;

use zt_wire::Address;
use zt_wire::Identity;
use zt_wire::Scope;
use zt_wire::WorldKind;

use crate::bond::{BondTemplate, BondedPath};
use crate::link::Path;
use crate::peer::PeerVersion;

/// Something the owner may want to know or must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vl1Event {
    /// A root answers (or none does any more).
    Online(bool),
    /// A peer can be reached directly.
    PeerUp(Address),
    /// A peer cannot be reached directly any more.
    PeerDown(Address),
    /// Traffic to a peer takes another way; `None` = over a root.
    PathChanged {
        /// The peer.
        peer: Address,
        /// Where its traffic went.
        from: Option<Path>,
        /// Where its traffic goes.
        to: Option<Path>,
    },
    /// A peer was heard where it has no path, and was asked whether it is there (03 §7.1).
    ConfirmingPath {
        /// The peer.
        peer: Address,
        /// Where it was heard.
        path: Path,
    },
    /// A root says that our external address changed: paths of that scope were asked at once (03 §9).
    SurfaceChanged {
        /// The root.
        by: Address,
        /// The path it was heard by.
        path: Path,
        /// The scope.
        scope: Scope,
    },
    /// An identity that was asked for is there.
    IdentityLearned(Address),
    /// A planet or moon was accepted: keep its bytes.
    WorldUpdated {
        /// Planet or moon.
        kind: WorldKind,
        /// World ID.
        id: u64,
        /// Binary form (01 §10.1).
        bytes: Vec<u8>,
    },
    /// A world is no longer used: its file can go.
    WorldRemoved {
        /// Planet or moon.
        kind: WorldKind,
        /// World ID.
        id: u64,
    },
    /// Keep this about a peer (03 §12, format version 2).
    PersistPeer {
        /// The peer.
        address: Address,
        /// The record.
        record: Vec<u8>,
    },
    /// A root says that another identity owns our address: this identity is unusable (02 §6.5).
    IdentityCollision,
    /// A peer sent USER_MESSAGE (02 §6.20).
    UserMessage {
        /// The peer.
        from: Address,
        /// Type ID.
        type_id: u64,
        /// Bytes after the type ID.
        data: Vec<u8>,
    },
    /// A peer sent REMOTE_TRACE (02 §6.21). One event for a packet, however many dictionaries are in it.
    RemoteTrace {
        /// The peer.
        from: Address,
        /// Its body: read it with [`RemoteTrace::dictionaries`](zt_wire::verb::RemoteTrace::dictionaries).
        body: Vec<u8>,
    },
    /// A peer answered what [`Vl1::ping`](crate::Vl1::ping) asked.
    Pong {
        /// The peer.
        peer: Address,
        /// What the question was given.
        token: u64,
        /// The path by which the answer came: the peer's own, or that of the root that relayed it.
        path: Path,
        /// A root relayed the answer.
        relayed: bool,
        /// Time from the question to the answer.
        round_trip: Duration,
    },
    /// The worst rank of links that first contact may use is another (08 §B.5): see [`Vl1::level`](crate::Vl1::level).
    LevelChanged(i32),
    /// May this become a path of the peer? Answer by [`Vl1::answer_path`](crate::Vl1::answer_path). Only with
    /// [`Vl1Config::ask_paths`](crate::Vl1Config::ask_paths).
    PathQuestion {
        /// The peer.
        peer: Address,
        /// The path.
        path: Path,
    },
    /// There is no direct path to a peer that is wanted: an address may be given by
    /// [`Vl1::try_address`](crate::Vl1::try_address). Only with
    /// [`Vl1Config::ask_addresses`](crate::Vl1Config::ask_addresses); at most once in 10 s for a peer.
    AddressWanted {
        /// The peer.
        peer: Address,
    },
}

/// What a peer is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// An ordinary node.
    Leaf,
    /// A root of a moon.
    Moon,
    /// A root of a planet.
    Planet,
}

/// One peer, as shown to people and to the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Its identity.
    pub identity: Identity,
    /// What it speaks and runs, once told.
    pub version: Option<PeerVersion>,
    /// Best round trip of its direct paths.
    pub latency: Option<Duration>,
    /// What it is to us.
    pub role: Role,
    /// Time since anything valid came from it, relayed or not.
    pub last_heard: Option<Duration>,
    /// Direct paths, best first.
    pub paths: Vec<PathView>,
    /// Its paths are used together.
    pub bond: Option<BondView>,
    /// The root through which its packets come when they do not come directly.
    pub relay: Option<Address>,
}

/// The bond of a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct BondView {
    /// What holds for it.
    pub template: Arc<BondTemplate>,
    /// Ways to the peer that work.
    pub alive: usize,
    /// Ways to the peer at all: paths between the same two addresses are one.
    pub total: usize,
}

/// One direct path of a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PathView {
    /// Link and remote address.
    pub path: Path,
    /// Time since something was sent on it.
    pub last_sent: Option<Duration>,
    /// Time since something valid came by it.
    pub last_heard: Option<Duration>,
    /// Measured round trip.
    pub latency: Option<Duration>,
    /// Traffic takes this path.
    pub preferred: bool,
    /// Our probes on it are unanswered.
    pub suspected: bool,
    /// Not expired and not suspected.
    pub is_active: bool,
    /// Rank of its link.
    pub rank: i32,
    /// Time since the last HELLO or ECHO of ours on it.
    pub last_probe: Option<Duration>,
    /// The peer was heard on it before we sent anything there.
    pub heard_first: bool,
    /// Largest datagram in bytes that packets to the peer are cut for.
    pub mtu: u16,
    /// Trusted path ID configured for the remote address; 0 = none.
    pub trusted_path_id: u64,
    /// Its part in the bond.
    pub bonded: Option<BondedPath>,
}
