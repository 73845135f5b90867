//! The kernel's TAP devices, its network configuration and its list of interfaces.

#[cfg(feature = "tokio")]
mod async_tap;
mod bindable;
mod multicast;
pub mod netlink;
mod tap;
mod watch;

#[cfg(feature = "tokio")]
pub use async_tap::{AsyncTap, LinuxTaps};
pub use bindable::{Bindable, Holder, HostView, Uplink};
pub use tap::LinuxTap;
pub use watch::{InterfaceFilter, InterfaceWatcher, LocalAddress};

pub use crate::host::LinuxHost;
