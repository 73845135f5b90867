//! The traits: a port for frames, and what opens ports.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll, ready};

use zt_wire::{FrameBatch, Mac, MulticastGroup};

use crate::offload::TapOffloads;

/// What a port is: its name on the host, its MAC address and its MTU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapInfo {
    /// Name on the host, for instance `ztr5b5rxh2`; any text for ports that are not devices.
    pub name: String,
    /// MAC address of the port.
    pub mac: Mac,
    /// Longest payload of a frame, in bytes, without the 14-byte Ethernet header: what the port was
    /// opened with, or what [`Tap::set_mtu`] set last. The host may have made another of it; see
    /// [`Tap::observe`].
    pub mtu: u16,
}

/// What the host has made of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortState {
    /// Longest payload of a frame in bytes.
    pub mtu: u32,
    /// Frames can pass.
    pub up: bool,
    /// IP addresses on the port, whoever put them there.
    pub addresses: Vec<IpAddr>,
}

/// Frames that a port lost, by cause, in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TapCounts {
    /// Longer than the port takes or gives: header, VLAN tags and MTU.
    pub too_long: u64,
    /// Refused by the host, as frames shorter than a header or while a device is down.
    pub refused: u64,
    /// The other side took nothing for too long: its queue was full.
    pub full: u64,
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
/// stack, a program). Four methods make a port, the others have a default; nothing here needs a runtime.
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

    /// As [`Tap::poll_recv`], for an owner that is done with each frame before it sees the next: shows `each` at most `most`
    /// frames, where they lie if the port can do so. `room` is for ports that cannot, and bounds what they give.
    ///
    /// # Errors
    /// As [`Tap::poll_recv`].
    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut FrameBatch,
        most: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let _ = most;
        room.clear();
        let count = ready!(self.poll_recv(cx, room))?;
        room.iter().for_each(|frame| each(frame.bytes));
        Poll::Ready(Ok(count))
    }

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

    /// Asks what the host has made of the port: takes frames up to its MTU from now on if that is larger
    /// than the one set here, and calls the port by the name it has now. Cheap enough for once a second.
    ///
    /// # Errors
    /// The port is gone, or the host does not answer.
    fn observe(&mut self) -> io::Result<PortState> {
        Ok(PortState { mtu: self.info().mtu.into(), up: true, ..PortState::default() })
    }

    /// Multicast groups that the host listens to on the port (06 §8.3), in any order. Those of the addresses on the port
    /// ([`MulticastGroup::for_ip`]) need not be among them. Cheap enough for once a second.
    ///
    /// # Errors
    /// The host does not say; what it said before holds.
    fn multicast_groups(&mut self) -> io::Result<Vec<MulticastGroup>> {
        Ok(Vec::new())
    }

    /// Frames lost so far. Ports that lose none need not say so.
    fn counts(&self) -> TapCounts {
        TapCounts::default()
    }

    /// What the port and a kernel leave to each other; `None` for ports that are no devices.
    fn offloads(&self) -> Option<TapOffloads> {
        None
    }
}

impl<T: Tap + ?Sized> Tap for Box<T> {
    fn info(&self) -> &TapInfo {
        (**self).info()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut FrameBatch) -> Poll<io::Result<usize>> {
        (**self).poll_recv(cx, batch)
    }

    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut FrameBatch,
        most: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        (**self).poll_frames(cx, room, most, each)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &FrameBatch) -> Poll<io::Result<usize>> {
        (**self).poll_send(cx, batch)
    }

    fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        (**self).set_mtu(mtu)
    }

    fn observe(&mut self) -> io::Result<PortState> {
        (**self).observe()
    }

    fn multicast_groups(&mut self) -> io::Result<Vec<MulticastGroup>> {
        (**self).multicast_groups()
    }

    fn counts(&self) -> TapCounts {
        (**self).counts()
    }

    fn offloads(&self) -> Option<TapOffloads> {
        (**self).offloads()
    }
}

/// What opens ports: one per joined network.
pub trait TapFactory: Send + Sync {
    /// Opens a port.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] without the right to make devices,
    /// [`io::ErrorKind::NotFound`] without TAP support on this host,
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it may be,
    /// [`io::ErrorKind::InvalidInput`] when no port can have this name.
    fn open(&self, spec: &TapSpec) -> io::Result<Box<dyn Tap>>;
}
