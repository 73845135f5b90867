//! The interfaces of a host: which addresses sockets are bound to (06 §5.1, §5.2), and news of them.

mod bindable;
mod cable;
mod filter;
mod memory;

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use zt_wire::{IpPrefix, Mac};

pub use bindable::{Bindable, Holder};
pub use cable::NoCable;
pub use filter::InterfaceFilter;
#[cfg(target_os = "linux")]
pub(crate) use filter::is_physical_scope;
pub use memory::MemoryInterfaces;

/// Tells what interfaces and addresses a host has, and when that changes.
///
/// Backends: the kernel of Linux (`LinuxInterfaces`, with the feature `tokio`) and memory ([`MemoryInterfaces`]).
pub trait InterfaceWatch: Send {
    /// Takes the news: ready when [`InterfaceWatch::view`] may be another than the last one, else the task is woken when
    /// it may be. News come in bursts, also of changes that do not matter, so wait a little and compare.
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// What is there now. [`HostView::bindable`] chooses from it.
    ///
    /// # Errors
    /// The host does not say.
    fn view(&mut self) -> io::Result<HostView>;
}

/// All that a host says of its interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostView {
    /// All interfaces.
    pub interfaces: Vec<Interface>,
    /// All addresses, in the host's order.
    pub addresses: Vec<InterfaceAddress>,
    /// Ways to the internet, the one that is used first, then others.
    pub uplinks: Vec<Uplink>,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its number on the host (in its network namespace).
    pub index: u32,
    /// Its name.
    pub name: String,
    /// MAC address; `None` for interfaces without one (or of another length).
    pub mac: Option<Mac>,
    /// Largest packet in bytes, without a link-layer header.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Nothing is at the other end of its cable, or it is down.
    pub unplugged: bool,
    /// Number of the interface below it (of a VLAN, MACVLAN, tunnel), or of the other end of a cable, on this host.
    pub lower: Option<u32>,
    /// Number of the bridge, bond or VRF that it is a port of.
    pub master: Option<u32>,
    /// That is a VRF.
    pub in_vrf: bool,
    /// It is one end of a cable within the host (veth).
    pub is_cable: bool,
    /// Outer addresses of a tunnel, both ends, as far as they are fixed.
    pub ends: Vec<IpAddr>,
}

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Number of the interface.
    pub index: u32,
    /// The address and the length of its prefix.
    pub cidr: IpPrefix,
    /// Whether it is for use.
    pub state: AddressState,
    /// A temporary (privacy) IPv6 address.
    pub is_temporary: bool,
    /// A second IPv4 address in the subnet of another.
    pub is_secondary: bool,
}

/// Whether an address is for use (RFC 4862).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AddressState {
    /// For use.
    #[default]
    Preferred,
    /// Not for use as a source any more, though still there.
    Deprecated,
    /// Not for use: duplicate detection goes on or failed.
    Tentative,
}

/// A route by which the internet can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Number of the interface.
    pub index: u32,
    /// Source address that the host takes for it.
    pub source: Option<IpAddr>,
}

/// One address of the host, and the interface that a socket is tied to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalAddress {
    /// Name of the interface, for SO_BINDTODEVICE.
    pub interface: String,
    /// Number of the interface.
    pub index: u32,
    /// The address and the length of its prefix.
    pub cidr: IpPrefix,
    /// MTU of the interface, in bytes of IP packets.
    pub mtu: u32,
}

impl InterfaceAddress {
    /// An address for use, with nothing special about it.
    #[must_use]
    pub fn new(index: u32, cidr: IpPrefix) -> Self {
        Self { index, cidr, state: AddressState::Preferred, is_temporary: false, is_secondary: false }
    }

    /// Not for use as a source yet or any more, or made to be forgotten: tentative, deprecated, failed duplicate
    /// detection, or a temporary (privacy) IPv6 address.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.state != AddressState::Preferred || self.is_temporary
    }
}
