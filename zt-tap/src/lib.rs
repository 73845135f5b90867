#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod channel;
pub mod host;
#[cfg(target_os = "linux")]
pub mod interfaces;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod middleware;
#[cfg(all(target_os = "linux", feature = "netns"))]
pub mod netns;
pub mod null;
#[cfg(target_os = "linux")]
mod sys;
mod tap;

#[doc(inline)]
pub use host::{Applied, Change, Cidr, HostConfig, HostError, HostRoute, HostState, ParseCidrError};
#[cfg(target_os = "linux")]
#[doc(inline)]
pub use interfaces::{Bindable, Holder, HostView, InterfaceFilter, LocalAddress};
#[cfg(all(target_os = "linux", feature = "tokio"))]
#[doc(inline)]
pub use linux::{AsyncTap, LinuxTaps};
#[cfg(target_os = "linux")]
#[doc(inline)]
pub use linux::{InterfaceWatcher, LinuxHost, LinuxTap};
pub use tap::{PortState, Tap, TapCounts, TapFactory, TapInfo, TapSpec};
