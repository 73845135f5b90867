#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod channel;
pub mod dns;
pub mod host;
pub mod interfaces;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod middleware;
#[cfg(all(target_os = "linux", feature = "netns"))]
pub mod netns;
pub mod null;
pub mod offload;
mod sys;
mod tap;

#[doc(inline)]
pub use dns::{DnsConfig, DnsError, DnsOutcome, LinkDns, MemoryDns, NoDns, Resolver};
#[doc(inline)]
pub use host::{Applied, Change, HostConfig, HostError, HostRoute, HostState};
#[doc(inline)]
pub use interfaces::{
    Bindable, Holder, HostView, InterfaceFilter, InterfaceWatch, LocalAddress, MemoryInterfaces, NoCable,
};
#[cfg(all(target_os = "linux", feature = "tokio"))]
#[doc(inline)]
pub use linux::{AsyncTap, LinuxInterfaces, LinuxTaps};
#[cfg(target_os = "linux")]
#[doc(inline)]
pub use linux::{InterfaceWatcher, LinuxHost, LinuxTap};
#[cfg(all(target_os = "linux", feature = "dns"))]
#[doc(inline)]
pub use linux::{LinuxDns, ResolverPlaces};
#[doc(inline)]
pub use offload::{Offloads, TapOffloads};
pub use tap::{PortState, Tap, TapCounts, TapFactory, TapInfo, TapSpec};
