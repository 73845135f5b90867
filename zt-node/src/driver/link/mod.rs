//! Links: what carries the datagrams of a node.
//!
//! A kind of link is a [`LinkIo`]: the node's own UDP sockets, or what a [`LinkSource`] opens while the node runs. Each link
//! has a queue of its own (`queue`), so that one which is full or dies stops no other.

mod ethernet;
mod queue;
mod refusals;
mod table;
mod tcp_relay;
mod udp;
mod unsent;

pub use ethernet::{Ethernet, EthernetHandle, EthernetPort};
pub(super) use queue::Share;
pub(super) use table::{Ended, Links, Whose};
pub use tcp_relay::{RelayUse, TcpRelay, TcpRelayHandle, TcpRelaySettings};
pub use udp::UdpOffloads;
pub(super) use unsent::UnsentCounts;

use crate::status::Unsent;
use std::io;
use std::task::{Context, Poll};
use thiserror::Error;
use zt_peer::{Endpoint, LinkKind, LinkRole};
use zt_tap::{HostView, InterfaceFilter, LocalAddress};
use zt_wire::time::Mono;

/// What carries the datagrams of one link: a socket, a connection, a cable. Datagrams arrive whole or not at all, in any
/// order; a stream frames them, and closes itself over what is no frame.
///
/// All methods are called from the node's one task. The link has ended when one of them says so, and is dropped then: a
/// source that connects again leaves something in it whose drop it notices.
pub trait LinkIo: Send {
    /// Receives what is there, up to an amount that leaves others their turn, and hands it to `each`. Ready when there was
    /// something, and there may be more; pending when there was nothing: the task is woken when there is. `buffer` is room
    /// that a link without one of its own may use, at least 64 KiB.
    ///
    /// # Errors
    /// The link has ended. What concerns single datagrams is no error.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>>;

    /// Sends datagrams of a train, from the first on, and returns how many: at least one, or the call is pending and the
    /// task is woken when there is room. A link with a buffer of its own may take what it cannot yet write, but little: what
    /// waits in the node's queue is bounded, and counted when it is lost.
    ///
    /// # Errors
    /// As [`SendError`] says.
    fn poll_send(&mut self, now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>>;

    /// Writes what was taken and has not left: called in every turn of the node, the task being woken when more can leave.
    /// Links that send at once have nothing to do.
    ///
    /// # Errors
    /// The link has ended.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// The interface of the host that carries the link, if it is one.
    fn interface(&self) -> Option<&str> {
        None
    }

    /// Of a link that carries several connections, the other end of one that has ended since the last call: what goes there
    /// has to find another way.
    fn take_path_down(&mut self) -> Option<Endpoint> {
        None
    }

    /// A path that takes no datagrams above a size, in bytes of payload, when sending taught so since the last call.
    fn take_path_mtu(&mut self) -> Option<(Endpoint, u16)> {
        None
    }

    /// The host slept, or the process was stopped, for half a minute or more: a connection may be dead although nothing says so, and is
    /// made anew.
    fn handle_resume(&mut self) {}

    /// True, once, when others see the node elsewhere by this link than before, as after it connected again: roots and
    /// active peers are greeted by it at once.
    fn take_moved(&mut self) -> bool {
        false
    }
}

/// What opens links while the node runs: it listens, connects, and connects again.
///
/// VL1 is told of every link when it opens and when it ends, and greets by a new one whom it looks for. So a source that
/// connects again does so at a pace of its own.
pub trait LinkSource: Send {
    /// The next link that is open, or pending; the task is woken when there is one. Not called while as many links of this
    /// source are open as may be.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<NewLink>;

    /// Takes the addresses of this host by which others are reached without passing through the node's own ports, best
    /// first: told before the first link is asked for, and when they change. What connects from none of them may find its
    /// own tunnel in its way.
    fn handle_locals(&mut self, locals: &[LocalAddress]) {
        let _ = locals;
    }

    /// Takes what the host has, after each look at its interfaces. `filter`: which are the node's own ports.
    fn handle_host(&mut self, host: &HostView, filter: &InterfaceFilter) {
        let _ = (host, filter);
    }

    /// Takes the level of desperation when it changes: the worst rank of links that first contact uses, 0 at first
    /// ([`Vl1::level`](zt_peer::Vl1::level)). Links of a higher rank carry what was heard by them, and nothing new.
    fn handle_level(&mut self, level: i32) {
        let _ = level;
    }
}

/// A link that has opened.
pub struct NewLink {
    /// What carries it.
    pub kind: LinkKind,
    /// Preference: lower is tried first, 0 as UDP. See [`Link::rank`](zt_peer::Link::rank).
    pub rank: i32,
    /// What it may be used for.
    pub role: LinkRole,
    /// Local address.
    pub local: Endpoint,
    /// Largest datagram payload in bytes; 0 = the default of 1432 (02 §1).
    pub mtu: u16,
    /// What sends and receives.
    pub io: Box<dyn LinkIo>,
}

/// A train of datagrams to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Where to.
    pub remote: Endpoint,
    /// All of them, one after the other.
    pub bytes: &'a [u8],
    /// Length of each but the last, which may be shorter.
    pub segment: usize,
    /// IPv4 time to live in place of the system's default (02 §6.8). For links that have none it means nothing.
    pub ttl: Option<u8>,
    /// It must arrive as it is or not at all. Links whose datagrams nobody fragments need not look.
    pub dont_fragment: bool,
}

/// A train of datagrams from one sender. They are opened in place.
#[derive(Debug)]
pub struct Received<'a> {
    /// Who sent them.
    pub remote: Endpoint,
    /// All of them, one after the other.
    pub bytes: &'a mut [u8],
    /// Length of each but the last, which may be shorter.
    pub stride: usize,
}

/// Why nothing was sent.
#[derive(Debug, Error)]
pub enum SendError {
    /// The first datagrams of the train cannot be sent to where they go: they are lost, counted by their cause, and the
    /// link goes on with what follows.
    #[error("{datagrams} datagrams cannot be sent: {cause}")]
    Unsent {
        /// How many, at least one.
        datagrams: usize,
        /// Why.
        cause: Unsent,
    },
    /// The link has ended.
    #[error("the link has ended: {0}")]
    Ended(#[source] io::Error),
}

impl<'a> Outgoing<'a> {
    /// Each datagram by itself.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment.max(1))
    }

    /// Number of datagrams.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.segment.max(1))
    }

    /// The first datagrams alone.
    fn first(&self, datagrams: usize) -> Self {
        Self { bytes: &self.bytes[..self.offset(datagrams)], ..*self }
    }

    /// What follows the first datagrams.
    fn after(&self, datagrams: usize) -> Self {
        Self { bytes: &self.bytes[self.offset(datagrams)..], ..*self }
    }

    fn offset(&self, datagrams: usize) -> usize {
        datagrams.saturating_mul(self.segment.max(1)).min(self.bytes.len())
    }
}
