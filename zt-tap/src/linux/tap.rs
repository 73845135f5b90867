use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use tun::AbstractDevice;
use zt_wire::batch::vlan_tags_len;
use zt_wire::ether::ETHERNET_HEADER_LEN;
use zt_wire::{FrameBatch, MulticastGroup};

use super::multicast;
use super::netlink::{LinkChange, Netlink};
use super::offload::Super;
use crate::offload::{Offloads, TapOffloads};
use crate::{PortState, TapCounts, TapInfo, TapSpec, sys};

/// A TAP device of Linux (06 §8.2): non-blocking, without packet information, closed on exec,
/// gone when dropped.
///
/// This type knows no runtime: poll its descriptor and call [`LinuxTap::try_recv`] and
/// [`LinuxTap::try_send`]. With the feature `tokio`, `AsyncTap` puts it behind
/// the [`Tap`](crate::Tap) trait.
#[derive(Debug)]
pub struct LinuxTap {
    fd: OwnedFd,
    info: TapInfo,
    /// Number of the device, which stays when it is given another name.
    index: u32,
    /// Frames up to this payload go to the host: the MTU set here, or the device's if that is larger.
    longest: usize,
    counts: TapCounts,
    /// Of a device whose frames have a header for what is left to do with them.
    long: Option<Super>,
    /// The last read found nothing more.
    is_drained: bool,
    /// Of the namespace in which the device is.
    netlink: Netlink,
}

impl LinuxTap {
    /// Makes a device in the network namespace of the calling thread and sets its MAC and MTU; it
    /// is up when [`HostConfig::apply`](crate::HostConfig::apply) sets it up.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] without the right to make devices,
    /// [`io::ErrorKind::NotFound`] without `/dev/net/tun`,
    /// [`io::ErrorKind::AlreadyExists`] when the name belongs to another device, of whatever kind,
    /// [`io::ErrorKind::InvalidInput`] for names that no device can have.
    pub fn open(spec: &TapSpec) -> io::Result<Self> {
        Self::open_with(spec, Offloads::All)
    }

    /// As [`LinuxTap::open`], with no more offload than asked for; see [`LinuxTap::offloads`] for what the kernel gave.
    ///
    /// # Errors
    /// As [`LinuxTap::open`].
    pub fn open_with(spec: &TapSpec, most: Offloads) -> io::Result<Self> {
        check_name(&spec.name)?;
        let mut netlink = Netlink::open()?;
        // The kernel would attach us to a persistent device that somebody else made (06 §8.1).
        if netlink.link(&spec.name)?.is_some() {
            return Err(taken());
        }
        let has_headers = most != Offloads::None;
        let device = match create(&spec.name, has_headers) {
            // Somebody was faster: the kernel's words differ with what it is that has the name.
            Err(_) if netlink.link(&spec.name)?.is_some() => return Err(taken()),
            device => device?,
        };
        let name = device.tun_name().map_err(open_error)?;
        let fd = sys::owned_fd(device);
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        let index = netlink.require_link(&name)?.index;
        let long = has_headers.then(|| Super::negotiate(&fd, most));
        let mut tap = Self {
            fd,
            index,
            info: TapInfo { name, ..TapInfo::from(spec.clone()) },
            longest: spec.mtu.into(),
            counts: TapCounts::default(),
            long,
            is_drained: false,
            netlink,
        };
        tap.change(&LinkChange { mac: Some(spec.mac), mtu: Some(spec.mtu.into()), ..LinkChange::default() })?;
        Ok(tap)
    }

    /// Name, MAC and MTU.
    #[must_use]
    pub fn info(&self) -> &TapInfo {
        &self.info
    }

    /// Frames not taken so far.
    #[must_use]
    pub fn counts(&self) -> TapCounts {
        self.counts
    }

    /// What the kernel and this device leave to each other.
    #[must_use]
    pub fn offloads(&self) -> TapOffloads {
        let none = TapOffloads { from_host: Offloads::None, to_host: Offloads::None };
        self.long.as_ref().map_or(none, Super::offloads)
    }

    /// Whether the device had nothing left when frames were last read.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.long.as_ref().map_or(self.is_drained, Super::is_drained)
    }

    /// Changes the MTU of the device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.change(&LinkChange { mtu: Some(mtu.into()), ..LinkChange::default() })?;
        self.info.mtu = mtu;
        self.longest = mtu.into();
        Ok(())
    }

    /// Asks the kernel what became of the device; see [`Tap::observe`](crate::Tap::observe).
    ///
    /// # Errors
    /// Of the kernel: `ENODEV` when the device is gone.
    pub fn observe(&mut self) -> io::Result<PortState> {
        let link = self.netlink.link_at(self.index)?;
        self.longest = usize::from(self.info.mtu).max(usize::try_from(link.mtu).unwrap_or(usize::MAX));
        if link.name != self.info.name {
            self.info.name = link.name;
        }
        let addresses = self.netlink.addresses(Some(self.index))?;
        let addresses = addresses.into_iter().map(|address| address.cidr.address()).collect();
        Ok(PortState { mtu: link.mtu, up: link.up, addresses })
    }

    /// Multicast groups of the device; see [`Tap::multicast_groups`](crate::Tap::multicast_groups).
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn multicast_groups(&self) -> io::Result<Vec<MulticastGroup>> {
        multicast::groups_of(self.index)
    }

    /// Shows frames that the host sends to `each`, one by one, at most `most` of them or what is waiting, and returns how many
    /// those were: at least one. A long frame is cut where it was read, without a copy. `room`: for what a device without long
    /// frames gives, and bounds how much that is.
    ///
    /// # Errors
    /// As [`LinuxTap::try_recv`].
    pub fn try_frames(&mut self, room: &mut FrameBatch, most: usize, each: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        if let Some(long) = &mut self.long {
            return long.try_frames(&self.fd, &mut self.counts, most, each);
        }
        room.clear();
        let count = self.try_recv(room)?;
        room.iter().for_each(|frame| each(frame.bytes));
        Ok(count)
    }

    /// Appends waiting frames to `batch` until it is full or none is left, and returns how many.
    /// A frame that is longer than a slot is counted and dropped.
    // Deliberate (06 §8.2): what is cut is wrong at the other end, and nobody would know why.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none was waiting; anything else means the device is gone.
    pub fn try_recv(&mut self, batch: &mut FrameBatch) -> io::Result<usize> {
        if let Some(long) = &mut self.long {
            return long.try_recv(&self.fd, &mut self.counts, batch);
        }
        let mut count = 0;
        self.is_drained = false;
        loop {
            let read = batch.push_with(|slot| {
                let read = match self.read(slot) {
                    Err(Errno::INTR) => self.read(slot),
                    read => read,
                };
                match read {
                    Ok(len) if len > slot.len() => Err(None),
                    read => read.map_err(Some),
                }
            });
            match read {
                None => return Ok(count),
                Some(Ok(())) => count += 1,
                Some(Err(None)) => self.counts.too_long += 1,
                Some(Err(error)) if count > 0 => {
                    self.is_drained = error == Some(Errno::AGAIN);
                    return Ok(count);
                }
                // The device exists but is down: nothing comes until it is up, which wakes a poll.
                Some(Err(Some(Errno::IO))) => return Err(io::ErrorKind::WouldBlock.into()),
                Some(Err(Some(error))) => return Err(error.into()),
            }
        }
    }

    /// Hands frames to the kernel, from the first on, and returns how many it took; frames it
    /// refuses or that are longer than header, VLAN tags and MTU count as taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when not even one was taken; anything else means the device
    /// is gone.
    pub fn try_send(&mut self, batch: &FrameBatch) -> io::Result<usize> {
        let limit = self.longest + ETHERNET_HEADER_LEN;
        if let Some(long) = &mut self.long {
            return long.try_send(&self.fd, &mut self.counts, limit, batch);
        }
        let mut taken = 0;
        for frame in batch.iter() {
            if is_too_long(frame.bytes, limit) {
                self.counts.too_long += 1;
                taken += 1;
                continue;
            }
            match rustix::io::write(&self.fd, frame.bytes) {
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) if taken > 0 => return Ok(taken),
                Err(Errno::INTR) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error @ (Errno::AGAIN | Errno::BADFD)) => return Err(error.into()),
                Err(_) => self.counts.refused += 1,
            }
            taken += 1;
        }
        Ok(taken)
    }

    /// Reads one frame; the length is above that of the slot when it did not fit.
    fn read(&self, slot: &mut [u8]) -> Result<usize, Errno> {
        let mut more = [0];
        rustix::io::readv(&self.fd, &mut [IoSliceMut::new(slot), IoSliceMut::new(&mut more)])
    }

    fn change(&mut self, change: &LinkChange) -> io::Result<()> {
        self.netlink.change_link(self.index, change)
    }
}

impl AsFd for LinuxTap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for LinuxTap {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Whether a frame is longer than header, VLAN tags and MTU.
pub(super) fn is_too_long(frame: &[u8], limit: usize) -> bool {
    frame.len() > limit + vlan_tags_len(frame)
}

fn create(name: &str, has_headers: bool) -> io::Result<tun::Device> {
    let mut wanted = tun::Configuration::default();
    wanted.tun_name(name).layer(tun::Layer::L2);
    wanted.platform_config(|platform| {
        // Address, MTU and state are set by netlink, so that a lack of rights has one place.
        platform.ensure_root_privileges(false).vnet_hdr(has_headers);
    });
    tun::create(&wanted).map_err(open_error)
}

/// Longest name of a device (IFNAMSIZ without the end).
const MAX_NAME_LEN: usize = 15;

/// The kernel's rules for names; `%` would make it choose a number.
fn check_name(name: &str) -> io::Result<()> {
    let why = if name.is_empty() {
        "a device name cannot be empty"
    } else if name.len() > MAX_NAME_LEN {
        "a device name has at most 15 bytes"
    } else if matches!(name, "." | "..") || name.contains(|c: char| "/:%".contains(c) || c.is_whitespace() || c == '\0')
    {
        "not a device name"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "the name belongs to another device")
}

fn open_error(error: tun::Error) -> io::Error {
    match error {
        tun::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
