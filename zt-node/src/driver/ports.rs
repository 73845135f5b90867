//! The virtual ports: one TAP per configured network, and what the host should have on it.
//!
//! A network decides about its own values only: MAC, MTU and "up" are set when the port is opened, and the MTU again when
//! that of the network changes. What the operator does with the device in between stays.

use super::dns::PortDns;
use super::persist::Place;
use super::{Driver, StateKey};
use crate::engine::Input;
use crate::status::DropReason;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use zt_netconf::{MAX_PORT_MTU, Managed};
use zt_tap::{HostError, HostRoute, HostState, Tap, TapCounts, TapSpec};
use zt_wire::batch::MAX_FRAME_LEN;
use zt_wire::time::Now;
use zt_wire::{FrameBatch, MulticastGroup, NetworkId};

/// Frames read from a port before they are handed in.
const BATCH: usize = 64;
/// Names tried for one device (06 §8.1).
const NAMES: u64 = 64;
/// How often a port that could not be had is tried for again.
const RETRY: Duration = Duration::from_secs(5);
/// Error code of a port without one of the system's (06 §8.2).
const NO_CODE: i32 = -999;

/// A port that is open.
pub(super) struct Port {
    pub(super) tap: Box<dyn Tap>,
    pub(super) host: HostState,
    pub(super) dns: PortDns,
    groups: BTreeSet<MulticastGroup>,
    /// The host was told once that the device is to be up; from then on that is the operator's business.
    is_set_up: bool,
    /// As last seen.
    is_up: bool,
    /// IP addresses on the port as last seen, also those that the operator or a DHCP client put there.
    addresses: Vec<IpAddr>,
}

/// Frames that were lost at ports, also at those that are closed by now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LostFrames {
    /// There was no port.
    pub(super) no_port: u64,
    closed: TapCounts,
}

/// The buffer for frames just read: as long as any network's frames get, so that it fits whatever MTU a device has.
pub(super) fn incoming() -> FrameBatch {
    FrameBatch::with_headroom(BATCH, MAX_FRAME_LEN, 0)
}

impl Driver {
    /// Brings the port of a network to what its configuration asks for.
    pub(super) fn configure_port(&mut self, now: Now, network: NetworkId, managed: &Managed) {
        if !self.ports.contains_key(&network)
            && let Err(error) = self.open_port(network, managed)
        {
            let code = error.raw_os_error().unwrap_or(NO_CODE);
            // Tried again with each configuration and from time to time, told once.
            if self.engine.vl2().network(network).is_some_and(|joined| joined.port_error() != Some(code)) {
                tracing::error!(%network, %error, "cannot open the virtual port; {}", advice(&error));
            }
            self.engine.set_port_error(network, Some(code));
            return;
        }
        let Some(port) = self.ports.get_mut(&network) else { return };
        // It may have another name by now. That it is gone is said by what follows.
        let _ = port.tap.observe();
        let name = port.tap.info().name.clone();
        if port.tap.info().mtu != mtu(managed)
            && let Err(error) = port.tap.set_mtu(mtu(managed))
        {
            tracing::warn!(%network, device = name, mtu = mtu(managed), %error, "the host refuses the MTU of the network");
        }
        let desired = host_state(managed);
        let up = (!port.is_set_up).then_some(true);
        match self.host.apply(&name, &HostState { up, ..desired.clone() }) {
            Ok(applied) => {
                for (change, error) in applied.failed {
                    tracing::warn!(%network, device = name, ?change, %error, "the host refuses a setting");
                }
                port.is_set_up = true;
                port.is_up |= up == Some(true);
                port.host = desired;
                port.dns.want(self.dns.as_mut(), &name, managed.dns.as_ref());
                self.engine.set_port_error(network, None);
            }
            Err(error) => self.unconfigurable(now, network, &name, error),
        }
        self.own_prefixes_changed(now);
        self.scan_groups(now);
    }

    /// A network whose port has not what it should have is not OK.
    fn unconfigurable(&mut self, now: Now, network: NetworkId, device: &str, error: HostError) {
        let code = error.code().unwrap_or(NO_CODE);
        if self.engine.vl2().network(network).is_some_and(|joined| joined.port_error() != Some(code)) {
            tracing::error!(%network, device, %error, "cannot configure the virtual port");
        }
        if error == HostError::NoSuchDevice {
            self.close_port(now, network);
        }
        self.engine.set_port_error(network, Some(code));
    }

    fn open_port(&mut self, network: NetworkId, managed: &Managed) -> io::Result<()> {
        let wished = self.device_names.get(&network).cloned();
        let names = wished.into_iter().chain((0..NAMES).map(|number| device_name(network, number)));
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for name in names {
            result = self.taps.open(&TapSpec { name: name.clone(), mac: managed.mac, mtu: mtu(managed) });
            match &result {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput) => {
                    tracing::warn!(%network, name, %error, "the virtual port cannot have this name; the next is tried");
                }
                _ => break,
            }
        }
        let tap = result?;
        tracing::info!(%network, device = tap.info().name, "virtual port is up");
        let (host, dns, groups) = (HostState::default(), PortDns::default(), BTreeSet::new());
        self.ports
            .insert(network, Port { tap, host, dns, groups, is_set_up: false, is_up: false, addresses: Vec::new() });
        Ok(())
    }

    /// Looks what became of the ports: one that was set up again by hand gets back what it lost with that, one that
    /// could not be had may be had now.
    pub(super) fn tend_ports(&mut self, now: Now) {
        let (mut revived, mut others) = (Vec::new(), Vec::new());
        for (&network, port) in &mut self.ports {
            // A device that is gone is noticed where frames are read.
            let Ok(state) = port.tap.observe() else { continue };
            if state.up && !port.is_up {
                revived.push(network);
            }
            port.is_up = state.up;
            let given = |ip: &IpAddr| port.host.addresses.iter().any(|managed| managed.address() == *ip);
            others.push((network, state.addresses.iter().copied().filter(|ip| !given(ip)).collect()));
            port.addresses = state.addresses;
        }
        for (network, addresses) in others {
            self.engine.set_port_addresses(network, addresses);
        }
        if self.ports_tried.pass(now.mono, RETRY) {
            let failed = |network: &&zt_netconf::Network| network.port_error().is_some();
            revived.extend(self.engine.vl2().networks().filter(failed).map(zt_netconf::Network::id));
        }
        for network in revived {
            self.engine.configure(network);
        }
        self.drain(now);
    }

    /// Frames lost between the engine and the host, by reason.
    pub(super) fn port_drops(&self) -> impl Iterator<Item = (DropReason, u64)> + use<> {
        let mut sum = self.lost_frames.closed;
        for port in self.ports.values() {
            sum = add(sum, port.tap.counts());
        }
        let named = [
            (DropReason::PortQueueFull, self.outbox.overflow + sum.full),
            (DropReason::PortFrameTooLong, sum.too_long),
            (DropReason::PortFrameRefused, sum.refused),
            (DropReason::NoPort, self.lost_frames.no_port),
        ];
        named.into_iter().filter(|(_, count)| *count > 0)
    }

    /// Removes a port with its addresses and routes.
    pub(super) fn close_port(&mut self, now: Now, network: NetworkId) {
        let Some(mut port) = self.ports.remove(&network) else { return };
        port.dns.want(self.dns.as_mut(), "", None);
        let name = port.tap.info().name.clone();
        if let Err(error) = self.host.remove(&name) {
            tracing::debug!(%network, device = name, %error, "cannot remove what was configured on the port");
        }
        self.outbox.frames.remove(&network);
        self.lost_frames.closed = add(self.lost_frames.closed, port.tap.counts());
        drop(port);
        self.own_prefixes_changed(now);
    }

    /// A device that vanished is opened again by the next configuration; until then the network has a port error.
    pub(super) fn port_failed(&mut self, now: Now, network: NetworkId, error: &io::Error) {
        tracing::error!(%network, %error, "the virtual port failed");
        self.close_port(now, network);
        self.engine.set_port_error(network, Some(error.raw_os_error().unwrap_or(NO_CODE)));
    }

    /// Compares the multicast groups that the host joined on each port with the last scan (06 §8.3).
    pub(super) fn scan_groups(&mut self, now: Now) {
        for (&network, port) in &mut self.ports {
            let mut groups: BTreeSet<MulticastGroup> = match port.tap.multicast_groups() {
                Ok(groups) => groups.into_iter().collect(),
                Err(error) => {
                    tracing::debug!(%network, %error, "cannot read the multicast groups of the port");
                    continue;
                }
            };
            // Who looks for any address on the port has to be heard (04 §7.4), also for one that a DHCP server behind a
            // bridge gave.
            let managed = port.host.addresses.iter().map(|address| address.address());
            groups.extend(managed.chain(port.addresses.iter().copied()).map(MulticastGroup::for_ip));
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
            self.persistence.save(Place::Key(key), None);
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

/// MTU of the port: that of the network, but never so much that frames of that length fit no packet. Nobody would tell the
/// host why they are lost.
fn mtu(managed: &Managed) -> u16 {
    u16::try_from(managed.mtu.clamp(1280, MAX_PORT_MTU)).expect("clamped to four digits")
}

/// Device name of 06 §8.1; `number` counts names that were taken.
fn device_name(network: NetworkId, number: u64) -> String {
    let number = (network.0 ^ (network.0 >> 24)).wrapping_add(number) & 0xff_ffff_ffff;
    let digit = |index: u32| {
        let value = (number >> (35 - 5 * index)) & 31;
        char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::try_from(value).expect("five bits")])
    };
    "zt".chars().chain((0..8).map(digit)).collect()
}

fn add(a: TapCounts, b: TapCounts) -> TapCounts {
    TapCounts { too_long: a.too_long + b.too_long, refused: a.refused + b.refused, full: a.full + b.full }
}

/// Addresses and routes: MAC and MTU are set where the port is opened, or its network's MTU changes.
fn host_state(managed: &Managed) -> HostState {
    HostState {
        addresses: managed.addresses.clone(),
        routes: managed.routes.iter().map(|route| HostRoute::new(route.target, route.via)).collect(),
        ..HostState::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference() {
        for (network, name) in [
            (0x4ab9_28c5_faf0_1900, "ztr5b5rxh2"),
            (0x4ab9_28c5_fabd_ee0f, "ztr5bzkk7v"),
            (0x4ab9_28c5_fa0f_0f0f, "ztr5bspsxv"),
            (0x4ab9_28c5_fa87_a369, "ztr5b26zut"),
        ] {
            assert_eq!(device_name(NetworkId(network), 0), name);
        }
        assert_eq!(device_name(NetworkId(0x4ab9_28c5_faf0_1900), 1), "ztr5b5rxh3");
    }
}
