//! The interfaces of a host: which addresses sockets are bound to (06 §5.1, §5.2), and news of them.

mod bindable;
mod filter;

use crate::host::Cidr;

pub use bindable::{Bindable, Holder, HostView, Uplink};
pub use filter::InterfaceFilter;
pub(crate) use filter::is_physical_scope;

/// One address of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalAddress {
    /// Name of the interface, for SO_BINDTODEVICE.
    pub interface: String,
    /// Number of the interface.
    pub index: u32,
    /// The address and the length of its prefix.
    pub cidr: Cidr,
    /// MTU of the interface, in bytes of IP packets.
    pub mtu: u32,
}
