//! The traits: a port for frames, and what opens ports.

use std::io;
use std::task::{Context, Poll};

use zt_wire::Mac;

use crate::FrameBatch;

/// What a port is: its name on the host, its MAC address and its MTU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapInfo {
    /// Name on the host, for instance `ztr5b5rxh2`; any text for ports that are not devices.
    pub name: String,
    /// MAC address of the port.
    pub mac: Mac,
    /// Longest payload of a frame, in bytes, without the 14-byte Ethernet header.
    pub mtu: u16,
}

/// What port is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapSpec {
    /// Preferred name. A factory may refuse it when it is taken.
    pub name: String,
    /// MAC address of the port.
    pub mac: Mac,
    /// Longest payload of a frame, in bytes, without the 14-byte Ethernet header.
    pub mtu: u16,
}

impl From<TapSpec> for TapInfo {
    fn from(spec: TapSpec) -> Self {
        Self { name: spec.name, mac: spec.mac, mtu: spec.mtu }
    }
}

/// A port of a virtual Ethernet: batches of frames in, batches of frames out.
///
/// The side that holds the `Tap` is the network; the other side is a host (a kernel, a userspace
/// stack, a program). Four methods make a port; nothing here needs a runtime.
pub trait Tap: Send {
    /// Name, MAC and MTU.
    fn info(&self) -> &TapInfo;

    /// Appends frames that the host sends to `batch` until it is full or none is waiting, and
    /// returns how many were appended: at least one, or the call is pending and the task is woken
    /// when a frame comes. A batch that is full already gets `Ready(Ok(0))`.
    ///
    /// # Errors
    /// The port is gone (device deleted, other end dropped); it will not come back.
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>>;

    /// Hands frames of `batch` to the host, from the first on, and returns how many it took; the
    /// caller then [consumes](FrameBatch::consume) that many. At least one is taken, or the call
    /// is pending and the task is woken when there is room. Frames the host cannot take (longer
    /// than MTU + 14, or refused by it) count as taken: Ethernet may lose frames. An empty batch
    /// gets `Ready(Ok(0))`.
    ///
    /// # Errors
    /// The port is gone (device deleted, other end dropped); it will not come back.
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>>;

    /// Changes the MTU.
    ///
    /// # Errors
    /// The host refuses it.
    fn set_mtu(&mut self, mtu: u16) -> io::Result<()>;
}

impl<T: Tap + ?Sized> Tap for Box<T> {
    fn info(&self) -> &TapInfo {
        (**self).info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        (**self).poll_recv(cx, batch)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        (**self).poll_send(cx, batch)
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        (**self).set_mtu(mtu)
    }
}

/// What opens ports: one per joined network.
pub trait TapFactory: Send + Sync {
    /// Opens a port.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] without the right to make devices,
    /// [`io::ErrorKind::NotFound`] without TAP support on this host,
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken.
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>>;
}
