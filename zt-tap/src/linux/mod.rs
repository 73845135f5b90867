//! The kernel's TAP devices, its network configuration and its list of interfaces.

#[cfg(feature = "tokio")]
mod async_tap;
#[cfg(feature = "tokio")]
mod async_watch;
#[cfg(feature = "dns")]
mod dns;
mod multicast;
pub mod netlink;
mod offload;
mod tap;
mod watch;

#[cfg(feature = "tokio")]
pub use async_tap::{AsyncTap, LinuxTaps};
#[cfg(feature = "tokio")]
pub use async_watch::LinuxInterfaces;
#[cfg(feature = "dns")]
pub use dns::{LinuxDns, ResolverPlaces};
pub use tap::LinuxTap;
pub use watch::InterfaceWatcher;

pub use crate::host::LinuxHost;
