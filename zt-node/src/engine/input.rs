//! What goes into the engine and what comes out.

use std::time::Duration;
use zt_crypto::{ArmorError, Suite};
use zt_netconf::Managed;
use zt_netconf::controller::Change;
use zt_netconf::trace::TraceRecord;
use zt_peer::{Endpoint, Job, JobDone, Link, LinkId, Ticket, Vl1Event};
use zt_wire::ether::EthernetRef;
use zt_wire::time::Mono;
use zt_wire::world::WorldKind;
use zt_wire::{Address, FrameBatch, IpPrefix, MulticastGroup, NetworkId};

/// One thing that happened.
pub enum Input<'a> {
    /// The interface of the host that a link is on, by name; before [`Input::LinkUp`].
    LinkInterface(LinkId, &'a str),
    /// A socket, or another way to send and receive, is there.
    LinkUp(Link),
    /// It is gone.
    LinkDown(LinkId),
    /// What carried a path has ended; its link is there still.
    PathDown {
        /// The link.
        link: LinkId,
        /// The other end.
        remote: Endpoint,
    },
    /// A path takes no datagrams above this size, in bytes of payload: found out by a send that was refused.
    PathMtu {
        /// The link.
        link: LinkId,
        /// The other end.
        remote: Endpoint,
        /// The size.
        size: u16,
    },
    /// A train of datagrams from one sender. They are opened in place.
    Datagrams {
        /// The link they came by.
        link: LinkId,
        /// Who sent them.
        remote: Endpoint,
        /// All of them, one after the other.
        bytes: &'a mut [u8],
        /// Length of each but the last, which may be shorter.
        stride: usize,
    },
    /// A packet that [`Engine::look`](super::Engine::look) named keys for and that someone has opened, on any thread.
    Opened {
        /// From the [`Open`](zt_peer::Open).
        ticket: Ticket,
        /// What [`Open::open`](zt_peer::Open::open) gave.
        opened: Result<Suite, ArmorError>,
        /// The opened packet.
        packet: &'a [u8],
    },
    /// Frames that the host sent into the port of a network.
    Frames(NetworkId, &'a FrameBatch),
    /// One frame that the host sent into the port of a network, its header already read.
    Frame(NetworkId, EthernetRef<'a>),
    /// The multicast groups that the host joined on the port of a network, all of them.
    Groups(NetworkId, &'a [MulticastGroup]),
    /// Result of an [`Output::Job`].
    JobDone(JobDone),
    /// The changes of an [`Output::Commit`] are durable.
    Committed(u64),
    /// The changes of an [`Output::Commit`] could not be kept.
    CommitFailed(u64),
    /// Nothing was handed in for so long because the host slept or the process was stopped: before all else, what is due
    /// among it. What waited in sockets is of another time, and best thrown away.
    Resumed(Duration),
    /// Records of the controller that others changed in its store, in the order in which they did.
    Changed(Vec<Change>),
    /// Addresses of the ports: never used as physical paths.
    OwnPrefixes(Vec<IpPrefix>),
    /// Prefixes that are routed through the ports: not tried as physical addresses, except what is nearer by a prefix of a
    /// physical interface, and peers that are heard there.
    Routed {
        /// Through the ports.
        through: Vec<IpPrefix>,
        /// On physical interfaces.
        on_link: Vec<IpPrefix>,
    },
    /// The time given by [`Output::Wait`] has come.
    Timeout,
}

/// One thing to do.
#[derive(Debug)]
pub enum Output {
    /// Slow work: run it anywhere and hand the result back.
    Job(Job),
    /// Make these changes of the controller durable, in order, then say so.
    Commit {
        /// Number to hand back.
        seq: u64,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Keep a value.
    Persist(Persist),
    /// The port of a network has to change.
    Network(NetworkId, NetworkChange),
    /// Something worth knowing.
    Event(Vl1Event),
    /// A member of a network of ours, or this node itself, tells what happened to it (04 §8).
    Trace(TraceRecord),
    /// Nothing more to do until the given time (`None`: until the next input).
    Wait(Option<Mono>),
}

/// A value to keep over a restart; `None` removes it.
#[derive(Debug)]
pub enum Persist {
    /// A planet or moon in binary form.
    World(WorldKind, u64, Option<Vec<u8>>),
    /// Configuration text of a joined network.
    NetworkConfig(NetworkId, Vec<u8>),
    /// Record of a peer.
    Peer(Address, Vec<u8>),
}

/// What has to happen with the port of a network.
#[derive(Debug)]
pub enum NetworkChange {
    /// Open or change it so that the host has just this.
    Configure(Managed),
    /// Close it and forget the network's files.
    Left,
}
