//! The TCP relay as a client uses it (03 §16.2): a link of rank 1 that is there all the time, and has a connection only while
//! it is needed.
//!
//! The level of desperation tells when that is: VL1 raises it when nothing is heard by UDP, tries UDP on, and lowers it as
//! soon as that answers ([`Fallback`](zt_peer::tcp_relay::Fallback)). Then the link ends, and another one takes its place.

mod connection;
mod link;
#[cfg(test)]
mod tests;

use super::{LinkSource, NewLink};
use link::RelayLink;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use zt_peer::{Endpoint, LinkKind, LinkRole};
use zt_tap::LocalAddress;

/// Rank of a link that is a fallback, and of one that everything takes.
const FALLBACK: i32 = 1;
const FORCED: i32 = 0;

/// When the relay is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayUse {
    /// Never.
    Never,
    /// While UDP does not get through (`allowTcpFallbackRelay`).
    #[default]
    Fallback,
    /// As if it were UDP (`forceTcpRelay`): the node has no UDP ports then.
    Always,
}

/// Settings of the relay (06 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpRelaySettings {
    /// The server.
    pub server: SocketAddr,
    /// When it is used.
    pub used: RelayUse,
}

impl Default for TcpRelaySettings {
    fn default() -> Self {
        Self { server: (Ipv4Addr::new(204, 80, 128, 1), 443).into(), used: RelayUse::default() }
    }
}

/// What the source, its link and its handles know of one another.
#[derive(Debug, Default)]
struct Shared {
    settings: Mutex<TcpRelaySettings>,
    /// Counts changes of the settings.
    changes: AtomicU64,
    level: AtomicI32,
    locals: Mutex<Vec<LocalAddress>>,
    /// There is a link.
    is_open: AtomicBool,
    /// It is connected, and in use.
    is_active: AtomicBool,
}

impl Shared {
    fn settings(&self) -> TcpRelaySettings {
        *unpoisoned(&self.settings)
    }

    /// Addresses to connect from, of the family of the server.
    fn locals(&self, server: SocketAddr) -> Vec<LocalAddress> {
        let alike = |local: &&LocalAddress| local.cidr.is_ipv4() == server.is_ipv4();
        unpoisoned(&self.locals).iter().filter(alike).cloned().collect()
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the link of the relay: for [`NodeConfig::links`](crate::NodeConfig::links).
#[derive(Debug)]
pub struct TcpRelay {
    shared: Arc<Shared>,
}

/// Changes the settings of a [`TcpRelay`], and asks how it stands. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TcpRelayHandle {
    shared: Arc<Shared>,
}

impl TcpRelay {
    /// A source with these settings, and its handle.
    #[must_use]
    pub fn new(settings: TcpRelaySettings) -> (Self, TcpRelayHandle) {
        let shared = Arc::new(Shared { settings: Mutex::new(settings), ..Shared::default() });
        (Self { shared: Arc::clone(&shared) }, TcpRelayHandle { shared })
    }
}

impl TcpRelayHandle {
    /// Sets when and which relay is used. A node takes it up with its next turn: at once when this is called inside of
    /// [`Handle::control`](crate::Handle::control).
    pub fn set(&self, settings: TcpRelaySettings) {
        let before = std::mem::replace(&mut *unpoisoned(&self.shared.settings), settings);
        if before != settings {
            self.shared.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// Whether there is a connection to the relay that traffic takes (`tcpFallbackActive`, 06 §4.5).
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.shared.is_active.load(Ordering::Relaxed)
    }
}

impl LinkSource for TcpRelay {
    fn poll_link(&mut self, _cx: &mut Context<'_>) -> Poll<NewLink> {
        // It is asked in every turn, and a link ends in a turn.
        if self.shared.is_open.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let rank = match self.shared.settings().used {
            RelayUse::Never => return Poll::Pending,
            RelayUse::Fallback => FALLBACK,
            RelayUse::Always => FORCED,
        };
        Poll::Ready(NewLink {
            kind: LinkKind::Relay,
            rank,
            role: LinkRole::Full,
            local: Endpoint::Ip((Ipv4Addr::UNSPECIFIED, 0).into()),
            mtu: 0,
            io: Box::new(RelayLink::new(Arc::clone(&self.shared), rank)),
        })
    }

    fn handle_locals(&mut self, locals: &[LocalAddress]) {
        *unpoisoned(&self.shared.locals) = locals.to_vec();
    }

    fn handle_level(&mut self, level: i32) {
        self.shared.level.store(level, Ordering::Relaxed);
    }
}
