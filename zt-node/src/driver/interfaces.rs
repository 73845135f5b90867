//! Which local addresses are bound, followed as interfaces come and go.

use super::{Driver, UdpLink, sys};
use crate::engine::Input;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole};
use zt_tap::{InterfaceFilter, InterfaceWatcher};
use zt_wire::time::Now;

/// Bindings beyond this number are not made (06 §5.1).
const MAX_BINDINGS: usize = 256;

/// The operating system's news about interfaces.
pub struct Interfaces {
    watcher: AsyncFd<InterfaceWatcher>,
}

impl Interfaces {
    fn new() -> io::Result<Self> {
        Ok(Self { watcher: sys::register_watcher(InterfaceWatcher::new()?)? })
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
        if self.bind.is_empty() {
            self.interfaces = Some(Interfaces::new()?);
        }
        let wanted = self.wanted();
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            if let Err(error) = self.bind_one(now, address, interface.as_deref()) {
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
        self.interfaces = if addresses.is_empty() { Some(Interfaces::new()?) } else { None };
        self.bind = addresses;
        Ok(())
    }

    /// Brings sockets in step with the addresses of this host.
    pub(super) fn rebind(&mut self, now: Now) {
        let wanted = self.wanted();
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|socket| wanted.iter().any(|(address, _)| matches(*address, socket.local, &self.udp_ports)));
        self.sockets = kept;
        let mut failed = Vec::new();
        for (address, interface) in wanted {
            let bound = self.sockets.iter().any(|socket| {
                socket.local.ip() == address.ip() && (socket.local.port() == address.port() || address.port() == 0)
            });
            if !bound && let Err(error) = self.bind_one(now, address, interface.as_deref()) {
                failed.push((address, error));
            }
        }
        self.report_unbound(failed);
        for socket in gone {
            tracing::info!(local = %socket.local, "address is gone");
            self.hand_in(now, Input::LinkDown(socket.id));
        }
        self.drain(now);
    }

    /// Remembers what to try again, and says once what an operator should know: that somebody else has the port, or that
    /// an address of the settings is not there. An address that is still being checked comes by itself.
    fn report_unbound(&mut self, failed: Vec<(SocketAddr, io::Error)>) {
        for (address, error) in &failed {
            let telling = error.kind() == io::ErrorKind::AddrInUse || self.interfaces.is_none();
            if telling && !self.unbound.contains(address) {
                tracing::warn!(%address, %error, "cannot bind; tried again every second");
            } else {
                tracing::debug!(%address, %error, "cannot bind yet");
            }
        }
        self.unbound = failed.into_iter().map(|(address, _)| address).collect();
    }

    fn wanted(&mut self) -> Vec<(SocketAddr, Option<String>)> {
        let addresses: Vec<(IpAddr, Option<String>)> = match &mut self.interfaces {
            None => self.bind.iter().map(|&ip| (ip, None)).collect(),
            Some(interfaces) => {
                let mut filter = InterfaceFilter {
                    own_taps: self.ports.values().map(|port| port.tap.info().name.clone()).collect::<BTreeSet<_>>(),
                    excluded_blocks: self.excluded_blocks.clone(),
                    ..InterfaceFilter::default()
                };
                filter.excluded_prefixes.extend(self.interface_blacklist.iter().cloned());
                let found = interfaces.watcher.get_mut().bindable_addresses(&filter).unwrap_or_else(|error| {
                    tracing::warn!(%error, "cannot list the addresses of this host");
                    Vec::new()
                });
                found.into_iter().map(|local| (local.cidr.address, Some(local.interface))).collect()
            }
        };
        let ports = &self.udp_ports;
        addresses
            .into_iter()
            .flat_map(|(ip, name)| ports.iter().map(move |&port| (SocketAddr::new(ip, port), name.clone())))
            .take(MAX_BINDINGS)
            .collect()
    }

    fn bind_one(&mut self, now: Now, address: SocketAddr, interface: Option<&str>) -> io::Result<()> {
        let id = LinkId(self.next_link);
        let socket = UdpLink::bind(id, address, interface)?;
        self.next_link += 1;
        tracing::info!(local = %socket.local, "listening");
        let link =
            Link { id, kind: LinkKind::Udp, rank: 0, local: Endpoint::Ip(socket.local), mtu: 0, role: LinkRole::Full };
        self.sockets.push(socket);
        self.hand_in(now, Input::LinkUp(link));
        Ok(())
    }
}

/// Whether a bound socket is one that is wanted: port 0 stands for whatever port was given.
fn matches(wanted: SocketAddr, bound: SocketAddr, ports: &[u16]) -> bool {
    wanted.ip() == bound.ip()
        && (wanted.port() == bound.port() || (wanted.port() == 0 && !ports.contains(&bound.port())))
}
