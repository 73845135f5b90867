//! The virtual ports: one TAP per configured network, and what the host should have on it.

use super::{Driver, StateKey};
use crate::engine::Input;
use std::collections::BTreeSet;
use std::io;
use zt_netconf::{Managed, Prefix};
use zt_tap::{Cidr, ETHERNET_HEADER_LEN, FrameBatch, HostRoute, HostState, Tap, TapSpec};
use zt_wire::time::Now;
use zt_wire::{MulticastGroup, NetworkId};

/// Frames read from a port before they are handed in.
const BATCH: usize = 64;

/// A port that is open.
pub(super) struct Port {
    pub(super) tap: Box<dyn Tap>,
    pub(super) incoming: FrameBatch,
    pub(super) host: HostState,
    groups: BTreeSet<MulticastGroup>,
}

impl Driver {
    /// Brings the port of a network to what its configuration asks for.
    pub(super) fn configure_port(&mut self, now: Now, network: NetworkId, managed: &Managed) {
        if !self.ports.contains_key(&network)
            && let Err(error) = self.open_port(network, managed)
        {
            let code = error.raw_os_error().unwrap_or(-999);
            // Tried again with each configuration, told once.
            if self.engine.vl2().network(network).is_some_and(|joined| joined.port_error() != Some(code)) {
                tracing::error!(%network, %error, "cannot open the virtual port; {}", advice(&error));
            }
            self.engine.set_port_error(network, Some(code));
            return;
        }
        let Some(port) = self.ports.get_mut(&network) else { return };
        let name = port.tap.info().name.clone();
        let desired = host_state(managed);
        match self.host.apply(&name, &desired) {
            Ok(applied) => {
                for (change, error) in applied.failed {
                    tracing::warn!(%network, device = name, ?change, %error, "the host refuses a setting");
                }
                let size = usize::from(mtu(managed)) + ETHERNET_HEADER_LEN;
                if port.incoming.frame_size() != size {
                    port.incoming = FrameBatch::with_headroom(BATCH, size, 0);
                }
                port.host = desired;
                self.engine.set_port_error(network, None);
            }
            Err(error) => {
                tracing::error!(%network, device = name, %error, "cannot configure the virtual port");
            }
        }
        self.own_prefixes_changed(now);
        self.scan_groups(now);
    }

    fn open_port(&mut self, network: NetworkId, managed: &Managed) -> io::Result<()> {
        let mut attempt = 0;
        let tap = loop {
            let name = self.device_name(network, attempt);
            match self.taps.open(&TapSpec { name, mac: managed.mac, mtu: mtu(managed) }) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 64 => attempt += 1,
                result => break result?,
            }
        };
        tracing::info!(%network, device = tap.info().name, "virtual port is up");
        let incoming = FrameBatch::with_headroom(BATCH, usize::from(mtu(managed)) + ETHERNET_HEADER_LEN, 0);
        let host = HostState::default();
        self.ports.insert(network, Port { tap, incoming, host, groups: BTreeSet::new() });
        Ok(())
    }

    /// Device name of 06 §8.1; `attempt` counts names that were taken.
    fn device_name(&self, network: NetworkId, attempt: u64) -> String {
        if attempt == 0
            && let Some(name) = self.device_names.get(&network)
        {
            return name.clone();
        }
        let number = (network.0 ^ (network.0 >> 24)).wrapping_add(attempt) & 0xff_ffff_ffff;
        let digit = |index: u32| {
            let value = (number >> (35 - 5 * index)) & 31;
            char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::try_from(value).expect("five bits")])
        };
        (0..8).map(digit).fold(String::from("zt"), |mut name, digit| {
            name.push(digit);
            name
        })
    }

    /// Removes a port with its addresses and routes.
    pub(super) fn close_port(&mut self, now: Now, network: NetworkId) {
        let Some(port) = self.ports.remove(&network) else { return };
        let name = port.tap.info().name.clone();
        if let Err(error) = self.host.remove(&name) {
            tracing::debug!(%network, device = name, %error, "cannot remove what was configured on the port");
        }
        self.outbox.frames.remove(&network);
        drop(port);
        self.own_prefixes_changed(now);
    }

    /// A device that vanished is opened again by the next configuration; until then the network has a port error.
    pub(super) fn port_failed(&mut self, now: Now, network: NetworkId, error: &io::Error) {
        tracing::error!(%network, %error, "the virtual port failed");
        self.close_port(now, network);
        self.engine.set_port_error(network, Some(error.raw_os_error().unwrap_or(-999)));
    }

    /// Compares the multicast groups that the host joined on each port with the last scan (06 §8.3).
    pub(super) fn scan_groups(&mut self, now: Now) {
        for (&network, port) in &mut self.ports {
            let mut groups: BTreeSet<MulticastGroup> =
                zt_tap::multicast_groups(&port.tap.info().name).unwrap_or_default().into_iter().collect();
            groups.extend(port.host.addresses.iter().map(|address| MulticastGroup::for_ip(address.address)));
            if groups != port.groups {
                let list: Vec<MulticastGroup> = groups.iter().copied().collect();
                port.groups = groups;
                self.engine.handle(now, Input::Groups(network, &list), &mut self.outbox);
            }
        }
    }

    /// Files of a network that was left.
    pub(super) fn forget_network(&mut self, network: NetworkId) {
        for key in [StateKey::NetworkConfig(network), StateKey::NetworkSettings(network)] {
            self.save(key, None);
        }
    }
}

/// What the operator can do about a port that cannot be opened.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "load the kernel module tun, or let this container have /dev/net/tun",
        io::ErrorKind::PermissionDenied => "run as root, or with the capability NET_ADMIN and access to /dev/net/tun",
        _ => "join the network again when the cause is removed",
    }
}

fn mtu(managed: &Managed) -> u16 {
    u16::try_from(managed.mtu).unwrap_or(10_000).clamp(1280, 10_000)
}

fn host_state(managed: &Managed) -> HostState {
    let cidr = |prefix: Prefix| Cidr { address: prefix.address, prefix_len: prefix.bits };
    HostState {
        mac: Some(managed.mac),
        mtu: Some(mtu(managed)),
        up: true,
        addresses: managed.addresses.iter().copied().map(cidr).collect(),
        routes: managed.routes.iter().map(|route| HostRoute::new(cidr(route.target), route.via)).collect(),
    }
}
