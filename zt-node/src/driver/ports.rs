//! The virtual ports: one TAP per configured network, and what the host should have on it.
//!
//! A network decides about its own values only: MAC, MTU and "up" are set when the port is opened, and the MTU again when
//! that of the network changes. What the operator does with the device in between stays.

use super::claims::{Share, share_out, without_effect};
use super::dns::PortDns;
use super::persist::Place;
use super::turn::FRAMES;
use super::{Driver, StateKey};
use crate::engine::Input;
use crate::status::{DropReason, WithheldStatus};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use zt_netconf::{MAX_PORT_MTU, Managed, ManagedRoute, Obstacle, Withheld};
use zt_tap::{Change, HostError, HostRoute, HostState, Tap, TapCounts, TapSpec};
use zt_wire::batch::MAX_FRAME_LEN;
use zt_wire::time::Now;
use zt_wire::{FrameBatch, MulticastGroup, NetworkId};

/// Names tried for one device (06 §8.1).
const NAMES: u64 = 64;
/// How often a port that could not be had is tried for again.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is made sure that ports have what they should have (04 §10.3).
const CHECK: Duration = Duration::from_secs(30);
/// It takes no more of the time than one part of so many.
const CHECK_SHARE: u32 = 100;
/// Most managed addresses and routes of a network that the log names as not used.
const TOLD: usize = 4;
/// Error code of a port without one of the system's (06 §8.2).
const NO_CODE: i32 = -999;

/// A port that is open.
pub(super) struct Port {
    pub(super) tap: Box<dyn Tap>,
    /// What it has, as far as the host takes it.
    pub(super) host: HostState,
    pub(super) dns: PortDns,
    /// What its network wants.
    wanted: HostState,
    /// Routes that other networks have.
    yielded: Vec<(HostRoute, NetworkId)>,
    /// What the settings keep from the host.
    withheld: Vec<Withheld>,
    /// What the host refused last.
    refused: Vec<(Change, HostError)>,
    /// That, as it was told last.
    told: Vec<(Change, HostError)>,
    groups: BTreeSet<MulticastGroup>,
    /// Why it has not the name that the operator asked for.
    pub(super) name_problem: Option<String>,
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

/// Room for frames just read, of ports that cannot show them where they are: as long as any network's frames get, so that it fits whatever MTU a device has.
pub(super) fn incoming() -> FrameBatch {
    FrameBatch::with_headroom(FRAMES, MAX_FRAME_LEN, 0)
}

impl Driver {
    /// Brings the port of a network to what its configuration asks for.
    pub(super) fn configure_port(&mut self, now: Now, network: NetworkId, managed: &Managed) {
        if !self.ports.contains_key(&network)
            && let Err(error) = self.open_port(network, managed)
        {
            let code = error.raw_os_error().unwrap_or(NO_CODE);
            // Tried again with each configuration and from time to time, told once. What helps is told with the status.
            if self.engine.vl2().network(network).is_some_and(|joined| joined.port_error() != Some(code)) {
                tracing::error!(%network, %error, "cannot open the virtual port");
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
        port.wanted = host_state(managed);
        port.withhold(network, &managed.withheld);
        self.settle_ports(now, |other| other == network);
        if let Some(port) = self.ports.get_mut(&network) {
            port.dns.want(self.dns.as_mut(), &name, managed.dns.as_ref());
        }
        self.own_prefixes_changed(now);
        self.scan_groups(now);
    }

    /// Gives each port its share of what the networks want: those that `must` be looked at, and those whose share changed.
    fn settle_ports(&mut self, now: Now, must: impl Fn(NetworkId) -> bool) {
        let mut shares = share_out(self.ports.iter().map(|(&network, port)| (network, &port.wanted)));
        let changed = |network: &NetworkId, share: &Share| {
            let port = self.ports.get(network);
            must(*network) || port.is_some_and(|port| port.host != share.state || port.yielded != share.yielded)
        };
        shares.retain(|network, share| changed(network, share));
        // A higher number gives up what a lower one takes, so it goes first; what it takes over is free when the lower ones
        // have had their turn.
        for (&network, share) in shares.iter().rev() {
            self.apply_share(now, network, share);
        }
        for (network, share) in &shares {
            let refused = self.ports.get(network).map(|port| port.refused.as_slice()).unwrap_or_default();
            if refused.iter().any(|(_, error)| *error == HostError::Exists) && shares.len() > 1 {
                self.apply_share(now, *network, share);
            }
        }
        for (&network, port) in &mut self.ports {
            port.tell(network);
        }
    }

    fn apply_share(&mut self, now: Now, network: NetworkId, share: &Share) {
        let Some(port) = self.ports.get_mut(&network) else { return };
        let name = port.tap.info().name.clone();
        let up = (!port.is_set_up).then_some(true);
        match self.host.apply(&name, &HostState { up, ..share.state.clone() }) {
            Ok(applied) => {
                port.is_set_up = true;
                port.is_up |= up == Some(true);
                port.refused = applied.failed;
                port.host = share.state.clone();
                port.yielded.clone_from(&share.yielded);
                self.engine.set_port_error(network, None);
            }
            Err(error) => self.unconfigurable(now, network, &name, error),
        }
    }

    /// Somebody may have taken away what a port should have: it comes back (04 §10.3).
    pub(super) fn check_ports(&mut self, now: Now) {
        if self.ports_checked <= now.mono {
            self.settle_ports(now, |_| true);
            // A router may have a million routes, among which the kernel looks for ours.
            let after = self.clock.now().mono;
            self.ports_checked = after + CHECK.max(after.saturating_since(now.mono) * CHECK_SHARE);
        }
    }

    /// What of a network has no effect on this host.
    pub(super) fn without_effect(&self, network: NetworkId) -> Vec<WithheldStatus> {
        let port = self.ports.get(&network);
        let outside = self.interfaces.outside();
        port.map(|port| without_effect(&port.wanted, &port.yielded, &port.refused, outside)).unwrap_or_default()
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
        let wish = self.device_names.get(&network);
        let mut name_problem = None;
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for name in names {
            result = self.taps.open(&TapSpec { name: name.clone(), mac: managed.mac, mtu: mtu(managed) });
            match &result {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput) => {
                    tracing::warn!(%network, name, %error, "the virtual port cannot have this name; the next is tried");
                    if wish == Some(&name) {
                        name_problem = Some(format!("devicemap asks for the name {name}: {error}"));
                    }
                }
                _ => break,
            }
        }
        let tap = result?;
        tracing::info!(%network, device = tap.info().name, "virtual port is up");
        self.ports.insert(network, Port { name_problem, ..Port::new(tap) });
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

    /// Removes a port with its addresses and routes. Another network may have the routes now.
    pub(super) fn close_port(&mut self, now: Now, network: NetworkId) {
        if self.remove_port(network) {
            self.settle_ports(now, |_| false);
            self.own_prefixes_changed(now);
        }
    }

    pub(super) fn remove_port(&mut self, network: NetworkId) -> bool {
        let Some(mut port) = self.ports.remove(&network) else { return false };
        port.dns.want(self.dns.as_mut(), "", None);
        let name = port.tap.info().name.clone();
        if let Err(error) = self.host.remove(&name) {
            tracing::debug!(%network, device = name, %error, "cannot remove what was configured on the port");
        }
        self.outbox.frames.remove(&network);
        self.lost_frames.closed = add(self.lost_frames.closed, port.tap.counts());
        true
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

impl Port {
    fn new(tap: Box<dyn Tap>) -> Self {
        Self {
            tap,
            host: HostState::default(),
            dns: PortDns::default(),
            wanted: HostState::default(),
            yielded: Vec::new(),
            withheld: Vec::new(),
            refused: Vec::new(),
            told: Vec::new(),
            groups: BTreeSet::new(),
            name_problem: None,
            is_set_up: false,
            is_up: false,
            addresses: Vec::new(),
        }
    }

    /// Says once what the settings keep from the host. That something waits until the node is online is no news.
    fn withhold(&mut self, network: NetworkId, withheld: &[Withheld]) {
        let news = |item: &&Withheld| !matches!(item, Withheld::Route(_, _, Obstacle::Offline));
        let withheld: Vec<Withheld> = withheld.iter().filter(news).copied().collect();
        if self.withheld != withheld {
            for item in withheld.iter().take(TOLD) {
                match item {
                    Withheld::Address(address, why) => tracing::info!(%network, %address, %why, "not used"),
                    Withheld::Route(route, via, why) => tracing::info!(%network, %route, ?via, %why, "not used"),
                }
            }
            if withheld.len() > TOLD {
                tracing::info!(%network, count = withheld.len(), "not used; `zt networks --routes` shows all");
            }
            self.withheld = withheld;
        }
    }

    /// Says once what the host refuses.
    fn tell(&mut self, network: NetworkId) {
        if self.refused != self.told {
            for (change, error) in self.refused.iter().filter(|refused| !self.told.contains(refused)) {
                tracing::warn!(%network, device = self.tap.info().name, ?change, %error, "the host refuses a setting");
            }
            self.told.clone_from(&self.refused);
        }
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
        routes: managed.routes.iter().map(route).collect(),
        ..HostState::default()
    }
}

/// Deliberate: the source address counts (04 §10.3), which the reference sets without effect (06 §7.3).
fn route(managed: &ManagedRoute) -> HostRoute {
    HostRoute { source: Some(managed.source), ..HostRoute::new(managed.target, managed.via) }
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
