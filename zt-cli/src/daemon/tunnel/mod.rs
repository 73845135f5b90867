//! Links in streams: TCP that passes as TLS, TLS, and WebSockets (docs/tcp.md).
//!
//! What decides has no socket: `target`, `proxy`, `plan`, `admission`, `upgrade`, and the codec in [`zt_wire::tunnel`]. What
//! has one is a short loop: `accept` and `connect` until datagrams flow, `streams` from then on, for many connections at once;
//! `listen` and `dial` are the links, [`TunnelSource`] opens them.

mod accept;
mod admission;
mod connect;
mod counts;
mod dial;
mod keeper;
mod listen;
mod plan;
pub mod proxy;
mod streams;
pub mod target;
mod tls;
mod upgrade;
mod wire;

pub use admission::Bounds;
pub use counts::Counts;
pub use keeper::{Keeper, SIDECAR};
pub use tls::TlsError;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Sleep;
use zt_node::driver::{LinkIo, LinkSource, NewLink, Outgoing, Received, SendError};
use zt_peer::{Endpoint, LinkKind, LinkRole};
use zt_tap::LocalAddress;
use zt_wire::time::Mono;
use zt_wire::{Address, IpPrefix};

use super::home::Home;
use crate::descriptors;
use dial::{DialLink, Told};
use listen::{Doors, ListenLink};
use plan::{Plan, Rank, Root};
use proxy::Proxies;
use target::Target;

/// A listener that cannot be had is tried again so often.
const RETRY: Duration = Duration::from_secs(5);
/// Descriptors of this process besides those of connections that are open: half-open ones, the HTTP interface, sockets, files.
const OWN_DESCRIPTORS: u64 = 1024;

/// `tcp` of `local.conf`, with what the command line adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSettings {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// How many may connect.
    pub bounds: Bounds,
    /// Certificate and key of TLS, in files; else this node makes its own.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpPrefix>,
    /// Whether roots are tried by streams when nothing else works.
    pub connect: bool,
    /// The proxy that leads out; `None`: as the environment says.
    pub proxy: Option<Proxies>,
    /// Where roots are reached by streams.
    pub roots: BTreeMap<Address, Vec<Target>>,
}

impl Default for TcpSettings {
    fn default() -> Self {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        Self {
            listen: Vec::new(),
            bounds: Bounds::default(),
            tls: None,
            trusted_proxies: loopback.map(IpPrefix::host).to_vec(),
            connect: true,
            proxy: None,
            roots: BTreeMap::new(),
        }
    }
}

/// What is open, and what opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Listen(SocketAddr),
    Dial(Rank, bool),
}

type Names = Arc<Mutex<BTreeSet<Name>>>;

/// The tunnels of a node, as the daemon sees them.
#[derive(Clone)]
pub struct Tunnels {
    doors: Arc<Doors>,
    told: Arc<Told>,
    bound: Arc<Mutex<BTreeMap<SocketAddr, TcpListener>>>,
    environment: Proxies,
    /// Something is to be opened, perhaps.
    changed: Arc<AtomicBool>,
    /// How many connections there can be, as it was told last.
    said_possible: Arc<AtomicUsize>,
}

impl Tunnels {
    /// Nothing listens yet. `environment`: the proxy of the environment.
    #[must_use]
    pub fn new(environment: Proxies) -> Self {
        let (doors, told, bound, changed, said_possible) = Default::default();
        Self { doors, told, bound, environment, changed, said_possible }
    }

    /// Counts of what was of no use.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.doors.counts
    }

    /// What the driver opens the links with.
    #[must_use]
    pub fn source(&self) -> TunnelSource {
        TunnelSource {
            tunnels: self.clone(),
            names: Names::default(),
            retry: Box::pin(tokio::time::sleep(Duration::ZERO)),
            failed: BTreeMap::new(),
        }
    }

    /// Binds what is to listen, before the node starts.
    ///
    /// # Errors
    /// An address that cannot be had.
    pub fn bind(&self, settings: &TcpSettings) -> Result<(), (SocketAddr, io::Error)> {
        for &address in &settings.listen {
            let listener = wire::listen(address).map_err(|error| (address, error))?;
            self.bound.lock().unwrap_or_else(PoisonError::into_inner).insert(address, listener);
        }
        Ok(())
    }

    /// Takes over settings. The node takes them up with its next turn.
    ///
    /// # Errors
    /// TLS cannot be offered; all else is taken over.
    pub fn apply(&self, settings: &TcpSettings, home: &Home) -> Result<(), TlsError> {
        self.doors.admission.set_bounds(self.possible(settings));
        self.doors.set_proxies(settings.trusted_proxies.clone());
        self.doors.set_open_at(settings.listen.clone());
        self.changed.store(true, Ordering::Release);
        let shown = match &settings.tls {
            _ if settings.listen.is_empty() => None,
            Some((certificate, key)) => Some(tls::from_files(certificate, key)?),
            None => Some(tls::of_home(home)?),
        };
        let pin = shown.as_ref().map(|shown| shown.pin);
        if self.doors.set_tls(shown) != pin
            && let Some(pin) = pin
        {
            let pin: String = pin.iter().map(|byte| format!("{byte:02x}")).collect();
            tracing::info!(%pin, "TLS is offered to TCP; members may pin its key with #sha256= and this number");
        }
        Ok(())
    }

    /// The bounds, as far as this process may have so many connections.
    fn possible(&self, settings: &TcpSettings) -> Bounds {
        let wanted = settings.bounds.most;
        if settings.listen.is_empty() {
            return settings.bounds;
        }
        let most = descriptors::most_connections(wanted, 1, OWN_DESCRIPTORS).max(1);
        if self.said_possible.swap(most, Ordering::Relaxed) != most && most < wanted {
            tracing::warn!(
                wanted,
                possible = most,
                "settings.tcp.maxConnections: the limit of open files is too low; raise it with `ulimit -n` or LimitNOFILE"
            );
        }
        Bounds { most, ..settings.bounds }
    }

    /// Takes over where roots are.
    pub fn set_roots(&self, settings: &TcpSettings, roots: &[(Address, Vec<SocketAddr>)]) {
        let root = |(address, endpoints): &(Address, Vec<SocketAddr>)| Root {
            endpoints: endpoints.clone(),
            targets: settings.roots.get(address).cloned().unwrap_or_default(),
        };
        let roots = if settings.connect { roots.iter().map(root).collect() } else { Vec::new() };
        let proxies = settings.proxy.clone().unwrap_or_else(|| self.environment.clone());
        self.told.set_plan(Plan { roots, proxies });
        self.changed.store(true, Ordering::Release);
    }
}

/// Opens the links.
pub struct TunnelSource {
    tunnels: Tunnels,
    names: Names,
    retry: Pin<Box<Sleep>>,
    failed: BTreeMap<SocketAddr, String>,
}

/// A link, and its name until it is gone.
struct Named {
    link: Box<dyn LinkIo>,
    name: Name,
    names: Names,
    changed: Arc<AtomicBool>,
}

impl Drop for Named {
    fn drop(&mut self) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        self.changed.store(true, Ordering::Release);
    }
}

impl TunnelSource {
    /// What is to be open and is not.
    fn missing(&self) -> Vec<Name> {
        let open = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = self.tunnels.told.plan();
        let dials = Rank::ALL.into_iter().flat_map(|rank| [(rank, true), (rank, false)]);
        let dials = dials.filter(|(rank, is_ipv4)| plan.wants(*rank, *is_ipv4)).map(|(rank, v4)| Name::Dial(rank, v4));
        let listens = self.tunnels.doors.open_at().into_iter().map(Name::Listen);
        listens.chain(dials).filter(|name| !open.contains(name)).collect()
    }

    fn open(&mut self, name: Name) -> Option<NewLink> {
        let changed = Arc::clone(&self.tunnels.changed);
        let names = Arc::clone(&self.names);
        let named = |link: Box<dyn LinkIo>| Box::new(Named { link, name, names, changed });
        let unspecified = |is_ipv4: bool| match is_ipv4 {
            true => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            false => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let new = match name {
            Name::Dial(rank, is_ipv4) => {
                let Tunnels { told, doors, .. } = &self.tunnels;
                let link = DialLink::new(rank, is_ipv4, Arc::clone(told), doors.counts.clone());
                let kind = if rank == Rank::Tcp { LinkKind::TcpOut } else { LinkKind::WebSocket };
                let local = Endpoint::Ip(unspecified(is_ipv4));
                NewLink { kind, rank: rank as i32, role: LinkRole::Full, local, mtu: 0, io: named(Box::new(link)) }
            }
            Name::Listen(address) => {
                let listener = self.listener(address)?;
                let local = Endpoint::Ip(listener.local_addr().unwrap_or(address));
                let link = ListenLink::new(address, listener, Arc::clone(&self.tunnels.doors));
                let (kind, role, rank) = (LinkKind::TcpIn, LinkRole::AnswerOnly, Rank::Tcp as i32);
                NewLink { kind, rank, role, local, mtu: 0, io: named(Box::new(link)) }
            }
        };
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        Some(new)
    }

    fn listener(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let bound = self.tunnels.bound.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        let listener = bound.map_or_else(|| wire::listen(address), Ok);
        match listener {
            Ok(listener) => {
                self.failed.remove(&address);
                Some(listener)
            }
            Err(error) => {
                let said = error.to_string();
                if self.failed.insert(address, said.clone()) != Some(said) {
                    tracing::error!(%address, %error, "settings.tcp.listen: cannot listen there; tried again every 5 s");
                }
                None
            }
        }
    }
}

impl LinkSource for TunnelSource {
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<NewLink> {
        let mut due = self.tunnels.changed.swap(false, Ordering::AcqRel);
        if !self.failed.is_empty() && self.retry.as_mut().poll(cx).is_ready() {
            due = true;
        }
        if !due {
            return Poll::Pending;
        }
        for name in self.missing() {
            if let Some(new) = self.open(name) {
                // There may be another.
                self.tunnels.changed.store(true, Ordering::Release);
                return Poll::Ready(new);
            }
        }
        if !self.failed.is_empty() {
            self.retry.as_mut().reset(tokio::time::Instant::now() + RETRY);
            if self.retry.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    fn handle_locals(&mut self, locals: &[LocalAddress]) {
        self.tunnels.told.set_locals(locals.iter().map(|local| local.cidr.address()).collect());
    }

    fn handle_level(&mut self, level: i32) {
        self.tunnels.told.set_level(level);
    }
}

impl LinkIo for Named {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        self.link.poll_receive(cx, buffer, each)
    }

    fn poll_send(&mut self, now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        self.link.poll_send(now, cx, train)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_flush(cx)
    }

    fn take_path_down(&mut self) -> Option<Endpoint> {
        self.link.take_path_down()
    }

    fn handle_resume(&mut self) {
        self.link.handle_resume();
    }

    fn take_moved(&mut self) -> bool {
        self.link.take_moved()
    }
}

#[cfg(test)]
mod tests;
