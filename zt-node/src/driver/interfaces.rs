//! Which local addresses are bound, followed as interfaces come and go.

use super::{Driver, UdpLink, sys};
use crate::engine::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;
use zt_peer::LinkId;
use zt_tap::{Cidr, Holder, HostView, InterfaceFilter, InterfaceWatcher, LocalAddress};
use zt_wire::Scope;
use zt_wire::time::Now;

/// Bindings beyond this number are not made (06 §5.1). Only `settings.bind` can ask for so many.
const MAX_BINDINGS: usize = 256;

/// An address to bind, and where the host has it.
type Wanted = (SocketAddr, Option<LocalAddress>);

/// The operating system's news about interfaces.
pub struct Interfaces {
    watcher: AsyncFd<InterfaceWatcher>,
    /// Numbers of addresses that were left out, by interface, as they were told last.
    left_out: BTreeMap<String, usize>,
    /// Addresses of the settings that are on ports of ours, as they were told last.
    refused: BTreeSet<IpAddr>,
    /// Prefixes on our ports and what rides on them.
    inside: Vec<Cidr>,
    /// Prefixes on the other interfaces.
    outside: Vec<Cidr>,
}

impl Interfaces {
    fn new() -> io::Result<Self> {
        Ok(Self {
            watcher: sys::register_watcher(InterfaceWatcher::new()?)?,
            left_out: BTreeMap::new(),
            refused: BTreeSet::new(),
            inside: Vec::new(),
            outside: Vec::new(),
        })
    }

    /// Consumes news; true when bindable addresses may have changed.
    pub(super) fn poll_changed(&mut self, cx: &mut Context<'_>) -> bool {
        let mut changed = false;
        while let Poll::Ready(Ok(mut guard)) = self.watcher.poll_read_ready_mut(cx) {
            changed |= guard.get_inner_mut().take_events().unwrap_or(true);
            guard.clear_ready();
        }
        changed
    }
}

impl Driver {
    /// Binds for the first time.
    pub(super) fn rebind_at_start(&mut self, now: Now) -> io::Result<()> {
        self.watch()?;
        let wanted = self.wanted(now);
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            if let Err(error) = self.bind_one(now, address, interface) {
                failed.push((address, error));
            }
        }
        match failed.first() {
            Some((address, error)) if self.sockets.is_empty() => {
                Err(io::Error::new(error.kind(), format!("cannot bind UDP {address}: {error}")))
            }
            _ => {
                self.report_unbound(failed);
                Ok(())
            }
        }
    }

    /// Changes which addresses are wanted.
    pub(super) fn set_bind(&mut self, addresses: Vec<IpAddr>) -> io::Result<()> {
        self.bind = addresses;
        self.watch()
    }

    /// Follows the interfaces. Where that is not possible, addresses that the operator names can be bound all the same.
    fn watch(&mut self) -> io::Result<()> {
        if self.interfaces.is_none() {
            match Interfaces::new() {
                Ok(interfaces) => self.interfaces = Some(interfaces),
                Err(error) if self.bind.is_empty() => return Err(error),
                Err(error) => tracing::warn!(%error, "cannot follow the interfaces; sockets are not tied to them"),
            }
        }
        Ok(())
    }

    /// Brings sockets in step with the addresses of this host.
    pub(super) fn rebind(&mut self, now: Now) {
        let wanted = self.wanted(now);
        let ports = std::mem::take(&mut self.udp_ports);
        let stays = |socket: &UdpLink, (address, interface): &Wanted| {
            matches(*address, socket.local, &ports) && socket.is_tied_like(interface.as_ref())
        };
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|socket| wanted.iter().any(|wanted| stays(socket, wanted)));
        self.udp_ports = ports;
        self.sockets = kept;
        // First: an address that moved to another interface is bound again.
        for socket in gone {
            tracing::info!(local = %socket.local, "no longer listening: the address is gone or belongs to another interface");
            self.hand_in(now, Input::LinkDown(socket.id));
        }
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            let bound = self.sockets.iter().position(|socket| {
                socket.local.ip() == address.ip() && (socket.local.port() == address.port() || address.port() == 0)
            });
            match (bound, interface) {
                (None, interface) => {
                    if let Err(error) = self.bind_one(now, address, interface) {
                        failed.push((address, error));
                    }
                }
                (Some(at), Some(interface)) if self.sockets[at].interface.as_ref() != Some(&interface) => {
                    let before = self.sockets[at].link();
                    self.sockets[at].set_interface(interface);
                    let link = self.sockets[at].link();
                    if link != before {
                        self.hand_in(now, Input::LinkUp(link));
                    }
                }
                _ => {}
            }
        }
        self.report_unbound(failed);
        self.drain(now);
    }

    /// Remembers what to try again, and says once what an operator should know: that somebody else has the port, or that
    /// an address of the settings is not there. An address that is still being checked comes by itself.
    fn report_unbound(&mut self, failed: Vec<(SocketAddr, io::Error)>) {
        for (address, error) in &failed {
            let telling = error.kind() == io::ErrorKind::AddrInUse || !self.bind.is_empty();
            if telling && !self.unbound.contains(address) {
                tracing::warn!(%address, %error, "cannot bind; tried again every second");
            } else {
                tracing::debug!(%address, %error, "cannot bind yet");
            }
        }
        self.unbound = failed.into_iter().map(|(address, _)| address).collect();
    }

    /// What to bind, best first; tells the engine what leads through our own ports.
    fn wanted(&mut self, now: Now) -> Vec<Wanted> {
        let mut addresses = self.wanted_addresses();
        self.own_prefixes_changed(now);
        // An address that two interfaces have is bound on the better one.
        let mut seen = BTreeSet::new();
        addresses.retain(|(ip, _)| seen.insert(*ip));
        // All addresses on the primary port first: that is the order in which peers are told, and they try eight.
        let all = self.udp_ports.iter().flat_map(|&port| addresses.iter().map(move |(ip, held)| (*ip, port, held)));
        all.map(|(ip, port, held)| (SocketAddr::new(ip, port), held.clone())).take(MAX_BINDINGS).collect()
    }

    fn wanted_addresses(&mut self) -> Vec<(IpAddr, Option<LocalAddress>)> {
        let mut filter = InterfaceFilter {
            own_taps: self.ports.values().map(|port| port.tap.info().name.clone()).collect(),
            own_routes: self.ports.values().flat_map(|port| port.host.routes.iter().map(|r| r.target)).collect(),
            excluded_blocks: self.excluded_blocks.clone(),
            ..InterfaceFilter::default()
        };
        filter.excluded_prefixes.extend(self.interface_blacklist.iter().cloned());
        let Some(interfaces) = &mut self.interfaces else { return self.bind.iter().map(|&ip| (ip, None)).collect() };
        let view = match interfaces.watcher.get_mut().view() {
            Ok(view) => view,
            Err(error) => {
                tracing::warn!(%error, "cannot list the addresses of this host");
                if !self.sockets.is_empty() {
                    return self.sockets.iter().map(|s| (s.local.ip(), s.interface.clone())).collect();
                }
                HostView::default()
            }
        };
        let mut found = view.bindable(&filter);
        interfaces.inside = std::mem::take(&mut found.inside);
        interfaces.outside = std::mem::take(&mut found.outside);
        let left_out = std::mem::take(&mut found.left_out);
        if self.bind.is_empty() {
            tell_left_out(&mut interfaces.left_out, left_out);
            return found.addresses.into_iter().map(|local| (local.cidr.address, Some(local))).collect();
        }
        let mut wanted = Vec::new();
        let mut refused = BTreeSet::new();
        for &ip in &self.bind {
            match view.holder(ip, &filter) {
                // Of every interface: tied to each, or routes would lead some packets into our own ports.
                _ if ip.is_unspecified() => {
                    let before = wanted.len();
                    let all = found.addresses.iter().filter(|local| local.cidr.address.is_ipv4() == ip.is_ipv4());
                    wanted.extend(all.map(|local| (local.cidr.address, Some(local.clone()))));
                    if wanted.len() == before {
                        wanted.push((ip, None));
                    }
                }
                Holder::Nowhere => wanted.push((ip, None)),
                Holder::Inside => drop(refused.insert(ip)),
                Holder::Interface(local) => wanted.push((ip, Some(local))),
            }
        }
        for ip in refused.difference(&interfaces.refused) {
            tracing::warn!(address = %ip, "settings.bind: not bound, the address is on one of our own networks");
        }
        interfaces.refused = refused;
        wanted
    }

    /// Tells the engine which addresses lie inside our own networks, or are reached through them.
    pub(super) fn own_prefixes_changed(&mut self, now: Now) {
        let plain = |cidr: &Cidr| (cidr.network().address, cidr.prefix_len);
        let managed = self.ports.values().flat_map(|port| port.host.addresses.iter());
        let inside = self.interfaces.iter().flat_map(|interfaces| interfaces.inside.iter());
        let mut own: Vec<_> = managed.chain(inside).map(plain).collect();
        let routes = self.ports.values().flat_map(|port| port.host.routes.iter());
        let mut through: Vec<_> = routes.map(|route| route.target).filter(is_private).map(|c| plain(&c)).collect();
        let mut on_link: Vec<_> = self.interfaces.iter().flat_map(|i| i.outside.iter()).map(plain).collect();
        for list in [&mut own, &mut through, &mut on_link] {
            list.sort_unstable();
            list.dedup();
        }
        let told = [own, through, on_link];
        if self.told_prefixes != told {
            self.told_prefixes.clone_from(&told);
            let [own, through, on_link] = told;
            self.hand_in(now, Input::OwnPrefixes(own));
            self.hand_in(now, Input::Routed { through, on_link });
        }
    }

    fn bind_one(&mut self, now: Now, address: SocketAddr, interface: Option<LocalAddress>) -> io::Result<()> {
        let socket = UdpLink::bind(LinkId(self.next_link), address, interface)?;
        self.next_link += 1;
        tracing::info!(local = %socket.local, "listening");
        let link = socket.link();
        self.sockets.push(socket);
        self.hand_in(now, Input::LinkUp(link));
        Ok(())
    }
}

/// Whether a routed prefix is one that nobody has outside. Public addresses, default routes among them, are reached by our
/// sockets where they are, whatever is routed: they are tied to interfaces.
fn is_private(prefix: &Cidr) -> bool {
    [prefix.network().address, prefix.last()]
        .into_iter()
        .all(|ip| matches!(Scope::of(ip), Scope::Private | Scope::Shared))
}

/// Says what is not bound, once, and again when it is other interfaces.
fn tell_left_out(told: &mut BTreeMap<String, usize>, left_out: BTreeMap<String, usize>) {
    if !left_out.is_empty() && !left_out.keys().eq(told.keys()) {
        let list: Vec<String> = left_out.iter().map(|(interface, count)| format!("{interface}: {count}")).collect();
        tracing::warn!(
            left_out = list.join(", "),
            "this host has more addresses than are useful: the first of each interface are bound; to choose others, name \
             them in settings.bind of local.conf"
        );
    }
    *told = left_out;
}

/// Whether a bound socket is one that is wanted: port 0 stands for whatever port was given.
fn matches(wanted: SocketAddr, bound: SocketAddr, ports: &[u16]) -> bool {
    wanted.ip() == bound.ip()
        && (wanted.port() == bound.port() || (wanted.port() == 0 && !ports.contains(&bound.port())))
}
