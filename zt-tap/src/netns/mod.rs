//! Network namespaces for demos and tests: hosts, switches and NATs on one machine.
//!
//! Everything is done by system calls and netlink; only NAT and filter rules are given to the
//! program `nft`. Namespaces have no names: they live as long as somebody holds them or runs in
//! them, so nothing is left behind.

mod nat;
mod packet;
mod ping;
mod process;
mod traffic;
mod user;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::Duration;
use zt_wire::IpPrefix;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

pub use nat::{Masquerade, NatBox};
pub use packet::PacketSocket;
pub use ping::{PingOptions, Pinger};
pub use process::Process;
pub use traffic::{TcpSink, Transfer};
pub use user::UserNamespace;

use crate::host::HostRoute;
use crate::interfaces::InterfaceAddress;
use crate::linux::netlink::{LinkChange, Netlink};
use crate::sys;

/// A network namespace: an IP stack of its own.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// A namespace with nothing in it but the loopback device, which is up. IPv6 addresses are
    /// usable at once (no duplicate detection).
    ///
    /// # Errors
    /// `EPERM` without the right to make namespaces (see [`UserNamespace`]).
    pub fn new() -> io::Result<Self> {
        let fd = on_thread(|| {
            sys::unshare(UnshareFlags::NEWNET)?;
            open_current()
        })??;
        let namespace = Self { fd };
        namespace.set_up("lo", true)?;
        for scope in ["all", "default"] {
            // Saves a second per link-local address; without it things only take longer.
            let _ = namespace.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0");
        }
        Ok(namespace)
    }

    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// When `/proc` is missing.
    pub fn current() -> io::Result<Self> {
        Ok(Self { fd: open_current()? })
    }

    /// Runs `work` in this namespace, on a thread of its own, and waits for it. Sockets and devices
    /// made there belong to the namespace and may be used from any thread afterwards.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_thread(|| {
            self.enter()?;
            Ok(work())
        })?
    }

    /// Moves the calling thread into this namespace, for good.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter(&self) -> io::Result<()> {
        rustix::thread::move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// Makes the child of `command` start in this namespace.
    ///
    /// # Errors
    /// When the descriptor cannot be copied.
    pub fn enter_on_spawn(&self, command: &mut Command) -> io::Result<()> {
        sys::enter_on_spawn(command, self.fd.try_clone()?);
        Ok(())
    }

    /// Starts a program in this namespace; see [`Process`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, mut command: Command) -> io::Result<Process> {
        self.enter_on_spawn(&mut command)?;
        Process::spawn(command)
    }

    /// A netlink socket in this namespace.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn netlink(&self) -> io::Result<Netlink> {
        self.run(Netlink::open)?
    }

    /// Sets a device up or down.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn set_up(&self, device: &str, up: bool) -> io::Result<()> {
        self.change(device, &LinkChange { up: Some(up), ..LinkChange::default() })
    }

    /// Changes a device.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn change(&self, device: &str, change: &LinkChange) -> io::Result<()> {
        self.with_device(device, |netlink, index| netlink.change_link(index, change))
    }

    /// Adds an address to a device; it is usable when this returns (if the device is up).
    ///
    /// # Errors
    /// `ENODEV`, `EEXIST`, or of the kernel.
    pub fn add_address(&self, device: &str, cidr: IpPrefix) -> io::Result<()> {
        let up = self.with_device(device, |netlink, index| {
            netlink.add_address(index, cidr)?;
            Ok(netlink.require_link(device)?.up)
        })?;
        if up && let IpAddr::V6(address) = cidr.address() {
            // The kernel joins the group of the address in the background; a neighbour that asks
            // before waits a second for its next try.
            let group = solicited_node(address);
            self.run(|| {
                for _ in 0..ADDRESS_CHECKS {
                    let groups = std::fs::read_to_string("/proc/thread-self/net/igmp6")?;
                    if groups.lines().any(|line| line.contains(device) && line.contains(&group)) {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(())
            })?
        } else {
            Ok(())
        }
    }

    /// Removes an address from a device.
    ///
    /// # Errors
    /// `ENODEV`, `EADDRNOTAVAIL`, or of the kernel.
    pub fn delete_address(&self, device: &str, cidr: IpPrefix) -> io::Result<()> {
        self.with_device(device, |netlink, index| netlink.delete_address(index, cidr))
    }

    /// Addresses of a device, link-local ones included.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn addresses(&self, device: &str) -> io::Result<Vec<InterfaceAddress>> {
        self.with_device(device, |netlink, index| netlink.addresses(Some(index)))
    }

    /// Adds a route through a device.
    ///
    /// # Errors
    /// `ENODEV`, `EEXIST`, or of the kernel.
    pub fn add_route(&self, device: &str, route: &HostRoute) -> io::Result<()> {
        self.with_device(device, |netlink, index| netlink.add_route(index, route))
    }

    /// Removes a route through a device.
    ///
    /// # Errors
    /// `ENODEV`, `ESRCH`, or of the kernel.
    pub fn delete_route(&self, device: &str, route: &HostRoute) -> io::Result<()> {
        self.with_device(device, |netlink, index| netlink.delete_route(index, route))
    }

    /// A cable: a pair of Ethernet devices, `device` here and `other_device` in `other`, both up.
    ///
    /// # Errors
    /// `EEXIST` when a name is taken; else of the kernel.
    pub fn connect(&self, device: &str, other: &Self, other_device: &str) -> io::Result<()> {
        self.netlink()?.add_veth(device, other_device, other.fd.as_fd())?;
        self.set_up(device, true)?;
        other.set_up(other_device, true)
    }

    /// A switch: a bridge device, which is up.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken; else of the kernel.
    pub fn add_bridge(&self, name: &str) -> io::Result<()> {
        self.netlink()?.add_bridge(name)?;
        self.set_up(name, true)
    }

    /// A VXLAN with one other end, on top of a device; it is up.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken; else of the kernel.
    pub fn add_vxlan(&self, name: &str, lower: &str, ends: [Ipv4Addr; 2]) -> io::Result<()> {
        self.with_device(lower, |netlink, index| netlink.add_vxlan(name, index, ends))?;
        self.set_up(name, true)
    }

    /// Sets the MTU of a device.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn set_mtu(&self, device: &str, mtu: u32) -> io::Result<()> {
        self.change(device, &LinkChange { mtu: Some(mtu), ..LinkChange::default() })
    }

    /// Plugs a device into a bridge.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn join_bridge(&self, device: &str, bridge: &str) -> io::Result<()> {
        let bridge = self.netlink()?.require_link(bridge)?.index;
        self.change(device, &LinkChange { bridge: Some(bridge), ..LinkChange::default() })
    }

    /// Deletes a device; of a pair the other one goes too.
    ///
    /// # Errors
    /// `ENODEV`, or of the kernel.
    pub fn delete_device(&self, device: &str) -> io::Result<()> {
        self.with_device(device, Netlink::delete_link)
    }

    /// Writes a setting below `/proc/sys`, for instance `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When it does not exist or must not be written.
    pub fn sysctl(&self, path: &str, value: &str) -> io::Result<()> {
        self.run(|| std::fs::write(format!("/proc/sys/{path}"), value))?
    }

    /// Lets the namespace forward packets between its devices, both families.
    ///
    /// # Errors
    /// When the setting must not be written.
    pub fn forward(&self) -> io::Result<()> {
        self.sysctl("net/ipv4/ip_forward", "1")?;
        self.sysctl("net/ipv6/conf/all/forwarding", "1")
    }

    fn with_device<T>(&self, device: &str, act: impl FnOnce(&mut Netlink, u32) -> io::Result<T>) -> io::Result<T> {
        let mut netlink = self.netlink()?;
        let index = netlink.require_link(device)?.index;
        act(&mut netlink, index)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How often an address that is not usable yet is looked at, every 2 ms.
const ADDRESS_CHECKS: usize = 500;

/// The multicast group in which neighbours ask for `address`, as the kernel prints it.
fn solicited_node(address: Ipv6Addr) -> String {
    format!("ff0200000000000000000001ff{:06x}", address.to_bits() & 0xff_ffff)
}

fn open_current() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/proc/thread-self/ns/net", flags, Mode::empty())?)
}

/// Runs `work` on a thread that ends with it, so that what it changes about its thread stays there.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
