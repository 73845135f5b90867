use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use tun::AbstractDevice;

use super::netlink::{LinkChange, Netlink};
use crate::{ETHERNET_HEADER_LEN, FrameBatch, TapInfo, TapSpec, sys};

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
    counts: TapCounts,
    /// Of the namespace in which the device is.
    netlink: Netlink,
}

/// Frames a device did not take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TapCounts {
    /// Longer than MTU + 14 bytes.
    pub too_long: u64,
    /// Refused by the kernel, as frames shorter than a header or while the device is down.
    pub refused: u64,
}

impl LinuxTap {
    /// Makes a device in the network namespace of the calling thread and sets its MAC and MTU; it
    /// is up when [`HostConfig::apply`](crate::HostConfig::apply) sets it up.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] without the right to make devices,
    /// [`io::ErrorKind::NotFound`] without `/dev/net/tun`,
    /// [`io::ErrorKind::ResourceBusy`] when the name belongs to another device,
    /// [`io::ErrorKind::InvalidInput`] for names that are empty or longer than 15 bytes.
    pub fn open(spec: &TapSpec) -> io::Result<Self> {
        if spec.name.is_empty() || spec.name.len() > MAX_NAME_LEN || spec.name.contains('%') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a device name"));
        }
        let mut wanted = tun::Configuration::default();
        wanted.tun_name(&spec.name).layer(tun::Layer::L2);
        wanted.platform_config(|platform| {
            // Address, MTU and state are set by netlink, so that a lack of rights has one place.
            platform.ensure_root_privileges(false);
        });
        let device = tun::create(&wanted).map_err(open_error)?;
        let name = device.tun_name().map_err(open_error)?;
        let fd = sys::owned_fd(device);
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        let mut tap = Self {
            fd,
            info: TapInfo { name, ..TapInfo::from(spec.clone()) },
            counts: TapCounts::default(),
            netlink: Netlink::open()?,
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

    /// Changes the MTU of the device.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.change(&LinkChange { mtu: Some(mtu.into()), ..LinkChange::default() })?;
        self.info.mtu = mtu;
        Ok(())
    }

    /// Appends waiting frames to `batch` until it is full or none is left, and returns how many.
    /// A frame that is longer than a slot is cut (06 §8.2).
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none was waiting; anything else means the device is gone.
    pub fn try_recv(&self, batch: &mut FrameBatch) -> io::Result<usize> {
        let mut count = 0;
        loop {
            let read = batch.push_with(|slot| match rustix::io::read(&self.fd, &mut *slot) {
                Err(Errno::INTR) => rustix::io::read(&self.fd, slot),
                read => read,
            });
            match read {
                None => return Ok(count),
                Some(Ok(())) => count += 1,
                Some(Err(_)) if count > 0 => return Ok(count),
                // The device exists but is down: nothing comes until it is up, which wakes a poll.
                Some(Err(Errno::IO)) => return Err(io::ErrorKind::WouldBlock.into()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Hands frames to the kernel, from the first on, and returns how many it took; frames it
    /// refuses or that are longer than MTU + 14 count as taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when not even one was taken; anything else means the device
    /// is gone.
    pub fn try_send(&mut self, batch: &FrameBatch) -> io::Result<usize> {
        let limit = usize::from(self.info.mtu) + ETHERNET_HEADER_LEN;
        let mut taken = 0;
        for frame in batch.iter() {
            if frame.bytes.len() > limit {
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

    fn change(&mut self, change: &LinkChange) -> io::Result<()> {
        let link = self.netlink.require_link(&self.info.name)?;
        self.netlink.change_link(link.index, change)
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

/// Longest name of a device (IFNAMSIZ without the end).
const MAX_NAME_LEN: usize = 15;

fn open_error(error: tun::Error) -> io::Error {
    match error {
        tun::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
