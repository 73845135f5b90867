//! The kernel's TAP devices, its network configuration and its list of interfaces.

#[cfg(feature = "tokio")]
mod async_tap;
mod multicast;
pub mod netlink;
mod tap;
mod watch;

#[cfg(feature = "tokio")]
pub use async_tap::{AsyncTap, LinuxTaps};
pub use tap::LinuxTap;
pub use watch::InterfaceWatcher;

pub use crate::host::LinuxHost;
