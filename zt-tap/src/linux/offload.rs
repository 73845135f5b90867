//! The offload side of a TAP device: long frames from and to the kernel.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use zt_wire::FrameBatch;
use zt_wire::batch::MAX_FRAME_LEN;

use super::tap::is_too_long;
use crate::offload::{Cut, HEADER_LEN, Offloads, Plan, Run, TapOffloads, VnetHeader};
use crate::{TapCounts, sys};

/// Longest frame the kernel hands over: an IP packet of 64 KiB, with its Ethernet header and VLAN tags.
const LONGEST: usize = 65_535 + 14 + 8;
/// Parts of a frame that is written: the header before it, its headers, the payload of each frame of a run.
const PARTS: usize = 2 + 64;

/// A device whose frames have a header for what is left to do with them.
pub(super) struct Super {
    /// What the kernel leaves to us.
    offloads: Offloads,
    /// What we leave to the kernel, less when it refused once.
    joins: Offloads,
    /// What was read, as long as not all of it was given out.
    left: Option<Left>,
    /// The last read found nothing more.
    is_drained: bool,
    plan: Plan,
    write: Write,
}

/// A frame of the kernel's, of which some is to be given out.
struct Left {
    cut: Cut,
    buffer: Vec<u8>,
    len: usize,
}

thread_local! {
    /// Room for what is read. Devices share it, so that one more costs nothing while it rests: each has a buffer of its own
    /// only as long as something is left in it.
    static ROOM: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}
/// Buffers that a thread keeps.
const KEPT: usize = 2;

fn take_room() -> Vec<u8> {
    ROOM.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; LONGEST])
}

fn give_back(buffer: Vec<u8>) {
    ROOM.with_borrow_mut(|room| {
        if room.len() < KEPT {
            room.push(buffer);
        }
    });
}

/// The system call that writes a frame in parts; another one in tests.
type Write = fn(&OwnedFd, &[IoSlice<'_>]) -> Result<usize, Errno>;

/// A batch of frames on its way to a device.
struct Writing<'a> {
    fd: &'a OwnedFd,
    write: Write,
    counts: &'a mut TapCounts,
    /// Length of the longest frame.
    limit: usize,
    batch: &'a FrameBatch,
}

impl fmt::Debug for Super {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Super").field("offloads", &self.offloads).field("joins", &self.joins).finish_non_exhaustive()
    }
}

impl Super {
    /// Agrees with the kernel on the most it can do, up to `most`.
    pub(super) fn negotiate(fd: &OwnedFd, most: Offloads) -> Self {
        let levels = [Offloads::All, Offloads::Tcp, Offloads::Checksums];
        let can = |level: &Offloads| *level <= most && sys::set_tap_offloads(fd.as_fd(), *level).is_ok();
        // Without any, the headers before frames are there and say nothing.
        let offloads = levels.into_iter().find(can).unwrap_or(Offloads::None);
        Self {
            offloads,
            joins: offloads,
            left: None,
            is_drained: false,
            plan: Plan::default(),
            write: |fd, parts| rustix::io::writev(fd, parts),
        }
    }

    pub(super) fn offloads(&self) -> TapOffloads {
        TapOffloads { from_host: self.offloads, to_host: self.joins }
    }

    /// Whether nothing was left when frames were last read.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// As [`LinuxTap::try_recv`](super::LinuxTap::try_recv).
    pub(super) fn try_recv(
        &mut self,
        fd: &OwnedFd,
        counts: &mut TapCounts,
        batch: &mut FrameBatch,
    ) -> io::Result<usize> {
        let most = batch.room();
        let limit = batch.frame_size();
        self.read_frames(fd, counts, (most, limit), &mut |frame| {
            let pushed = batch.push(frame);
            debug_assert!(pushed.is_ok(), "there is room for so many of that length");
        })
    }

    /// As [`LinuxTap::try_frames`](super::LinuxTap::try_frames).
    pub(super) fn try_frames(
        &mut self,
        fd: &OwnedFd,
        counts: &mut TapCounts,
        most: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<usize> {
        self.read_frames(fd, counts, (most, MAX_FRAME_LEN), each)
    }

    /// Reads up to `most` frames, and counts those that are longer than `limit`.
    fn read_frames(
        &mut self,
        fd: &OwnedFd,
        counts: &mut TapCounts,
        (most, limit): (usize, usize),
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<usize> {
        let mut count = self.show(counts, (most, limit), each);
        self.is_drained = false;
        while count < most {
            match self.read(fd) {
                Ok(true) => count += self.show(counts, (most - count, limit), each),
                Ok(false) => counts.refused += 1,
                Err(Errno::INTR) => {}
                Err(error) if count > 0 => {
                    self.is_drained = error == Errno::AGAIN;
                    break;
                }
                // The device exists but is down: nothing comes until it is up, which wakes a poll.
                Err(Errno::IO) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }

    /// Shows what is left of the frame that was read, segment by segment, `most` of them.
    fn show(&mut self, counts: &mut TapCounts, (most, limit): (usize, usize), each: &mut dyn FnMut(&[u8])) -> usize {
        let mut shown = 0;
        let Some(Left { cut, buffer, len }) = &mut self.left else { return 0 };
        while !cut.is_done() {
            if shown == most {
                return shown;
            }
            let frame = cut.next(&mut buffer[..*len]);
            if frame.len() <= limit {
                each(frame);
                shown += 1;
            } else {
                counts.too_long += 1;
            }
        }
        if let Some(left) = self.left.take() {
            give_back(left.buffer);
        }
        shown
    }

    /// Reads one frame of the kernel's; false when it is not to be understood.
    fn read(&mut self, fd: &OwnedFd) -> Result<bool, Errno> {
        let mut header = [0; HEADER_LEN];
        let mut buffer = take_room();
        let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(&mut buffer)];
        let read = rustix::io::readv(fd, &mut parts);
        let len = read.map(|read| read.checked_sub(HEADER_LEN).filter(|len| *len <= buffer.len()));
        let cut = len.map(|len| {
            let (len, header) = (len?, VnetHeader::from_bytes(&header)?);
            Some((Cut::new(&header, &buffer[..len]).ok()?, len))
        });
        match cut {
            Ok(Some((cut, len))) => {
                self.left = Some(Left { cut, buffer, len });
                Ok(true)
            }
            other => {
                give_back(buffer);
                other.map(|_| false)
            }
        }
    }

    /// As [`LinuxTap::try_send`](super::LinuxTap::try_send): joined frames may overtake those of other flows, so all are
    /// taken or none.
    pub(super) fn try_send(
        &mut self,
        fd: &OwnedFd,
        counts: &mut TapCounts,
        limit: usize,
        batch: &FrameBatch,
    ) -> io::Result<usize> {
        let mut writing = Writing { fd, write: self.write, counts, limit, batch };
        if self.joins < Offloads::Tcp {
            return writing.singles(0..batch.len());
        }
        let mut plan = std::mem::take(&mut self.plan);
        plan.make(batch, self.joins == Offloads::All);
        let sent = self.send_runs(&mut writing, &plan);
        self.plan = plan;
        sent
    }

    fn send_runs(&mut self, writing: &mut Writing<'_>, plan: &Plan) -> io::Result<usize> {
        let mut sent = 0;
        let all = writing.batch.len();
        for run in plan.runs() {
            match self.send_run(writing, plan, run) {
                Ok(()) => sent += run.count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => {
                    // Some of what comes later in the batch has left. A device whose queue is full loses frames.
                    writing.counts.full += (all - sent) as u64;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn send_run(&mut self, writing: &mut Writing<'_>, plan: &Plan, run: &Run) -> io::Result<()> {
        match writing.joined(plan, run) {
            None => {}
            Some(Ok(())) => return Ok(()),
            // This kernel does not take such frames after all, or not any more: one by one then, from now on.
            Some(Err(Errno::INVAL)) => {
                self.joins = if self.joins == Offloads::All { Offloads::Tcp } else { Offloads::Checksums };
            }
            // No room for a frame of this length now.
            Some(Err(Errno::NOMEM | Errno::NOBUFS)) => {}
            Some(Err(error)) => {
                fate(error)?;
                writing.counts.refused += run.count as u64;
                return Ok(());
            }
        }
        let taken = writing.singles(plan.frames(run))?;
        writing.counts.full += (run.count - taken) as u64;
        Ok(())
    }
}

impl Writing<'_> {
    /// Writes a run of several frames as one; `None` for what is to be written one by one.
    fn joined(&self, plan: &Plan, run: &Run) -> Option<Result<(), Errno>> {
        let headers = plan.headers(run, self.batch)?;
        let first = self.batch.frame(run.first)?;
        if is_too_long(first.bytes, self.limit) {
            return None;
        }
        let vnet = headers.vnet.to_bytes();
        let mut parts = [IoSlice::new(&[]); PARTS];
        parts[0] = IoSlice::new(&vnet);
        parts[1] = IoSlice::new(headers.bytes());
        let payloads = plan.frames(run).filter_map(|index| self.batch.frame(index)?.bytes.get(Plan::payload_at(run)..));
        for (part, payload) in parts[2..].iter_mut().zip(payloads) {
            *part = IoSlice::new(payload);
        }
        Some((self.write)(self.fd, &parts[..2 + run.count]).map(drop))
    }

    /// Writes frames one by one and returns how many the kernel took or refused.
    fn singles(&mut self, frames: impl IntoIterator<Item = usize>) -> io::Result<usize> {
        let complete = VnetHeader::default().to_bytes();
        let mut taken = 0;
        for frame in frames.into_iter().filter_map(|index| self.batch.frame(index)) {
            if is_too_long(frame.bytes, self.limit) {
                self.counts.too_long += 1;
            } else if let Err(error) = (self.write)(self.fd, &[IoSlice::new(&complete), IoSlice::new(frame.bytes)]) {
                match fate(error) {
                    Ok(()) => self.counts.refused += 1,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => return Ok(taken),
                    Err(error) => return Err(error),
                }
            }
            taken += 1;
        }
        Ok(taken)
    }
}

/// Whether a frame that was not written is lost, or must be written later, or the device is gone.
fn fate(error: Errno) -> io::Result<()> {
    match error {
        Errno::AGAIN | Errno::INTR => Err(io::ErrorKind::WouldBlock.into()),
        Errno::BADFD => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use zt_wire::ether;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    /// The device of a test: what is written to one socket is read from the other, frame by frame.
    fn device() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).expect("a pair of sockets")
    }

    fn all(write: Write) -> Super {
        Super {
            offloads: Offloads::All,
            joins: Offloads::All,
            left: None,
            is_drained: false,
            plan: Plan::default(),
            write,
        }
    }

    fn is_joined(parts: &[IoSlice<'_>]) -> bool {
        // The second byte of the header before a frame is the kind of segmentation.
        parts[0][1] != 0
    }

    /// Five segments of one TCP stream over IPv4.
    fn stream() -> FrameBatch {
        let mut batch = FrameBatch::new(8, 2000);
        for at in 0..5u8 {
            let mut frame = vec![at; 14 + 40 + 1000];
            frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00]);
            let ip = &mut frame[14..];
            let length = 1040_u16.to_be_bytes();
            ip[..12].copy_from_slice(&[0x45, 0, length[0], length[1], 0, at, 0x40, 0, 64, 6, 0, 0]);
            ip[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            let sum = ether::checksum(&ip[..20], 0).to_be_bytes();
            ip[10..12].copy_from_slice(&sum);
            ip[20..24].copy_from_slice(&[0, 1, 0, 2]);
            ip[24..28].copy_from_slice(&(u32::from(at) * 1000).to_be_bytes());
            ip[28..40].copy_from_slice(&[0, 0, 0, 9, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
            let [from, to] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
            let sum = ether::transport_checksum(from, to, 6, &ip[20..]).to_be_bytes();
            ip[36..38].copy_from_slice(&sum);
            batch.push(&frame).expect("there is room");
        }
        batch
    }

    /// What was written to the device: the kind of segmentation, and the frame.
    fn written(device: &OwnedFd) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        let mut buffer = [0; 70_000];
        while let Ok(length) = rustix::io::read(device, &mut buffer) {
            frames.push((buffer[1], buffer[HEADER_LEN..length].to_vec()));
        }
        frames
    }

    fn sends(device: &mut Super, socket: &OwnedFd, batch: &FrameBatch) -> TapCounts {
        let mut counts = TapCounts::default();
        assert_eq!(device.try_send(socket, &mut counts, 2000, batch).expect("taken"), batch.len());
        counts
    }

    fn singly(batch: &FrameBatch) -> Vec<(u8, Vec<u8>)> {
        batch.iter().map(|frame| (0, frame.bytes.to_vec())).collect()
    }

    #[test]
    fn a_kernel_that_takes_no_long_frames_any_more_gets_each_by_itself_and_misses_none() {
        let ((ours, theirs), batch) = (device(), stream());
        let mut device = all(|fd, parts| rustix::io::writev(fd, parts));
        sends(&mut device, &ours, &batch);
        assert_eq!(written(&theirs).len(), 1, "all in one");
        device.write = |fd, parts| if is_joined(parts) { Err(Errno::INVAL) } else { rustix::io::writev(fd, parts) };
        for joins in [Offloads::Tcp, Offloads::Checksums, Offloads::Checksums] {
            assert_eq!(sends(&mut device, &ours, &batch), TapCounts::default());
            assert_eq!(written(&theirs), singly(&batch));
            assert_eq!(device.offloads(), TapOffloads { from_host: Offloads::All, to_host: joins });
        }
    }

    #[test]
    fn a_long_frame_that_finds_no_room_goes_as_several() {
        let ((ours, theirs), batch) = (device(), stream());
        let mut device =
            all(|fd, parts| if is_joined(parts) { Err(Errno::NOBUFS) } else { rustix::io::writev(fd, parts) });
        assert_eq!(sends(&mut device, &ours, &batch), TapCounts::default());
        assert_eq!(written(&theirs), singly(&batch));
        device.write = |fd, parts| rustix::io::writev(fd, parts);
        sends(&mut device, &ours, &batch);
        assert_eq!(written(&theirs).len(), 1, "together again");
    }

    #[test]
    fn devices_share_their_room_and_a_thread_keeps_little_of_it() {
        let taken: Vec<_> = (0..KEPT + 3).map(|_| take_room()).collect();
        assert!(taken.iter().all(|buffer| buffer.len() == LONGEST));
        taken.into_iter().for_each(give_back);
        assert_eq!(ROOM.with_borrow(Vec::len), KEPT);
        let _one = take_room();
        assert_eq!(ROOM.with_borrow(Vec::len), KEPT - 1, "it is used again");
    }

    #[test]
    fn frames_that_a_device_refuses_altogether_are_counted() {
        let ((ours, theirs), batch) = (device(), stream());
        let mut device = all(|_, _| Err(Errno::IO));
        assert_eq!(sends(&mut device, &ours, &batch), TapCounts { refused: 5, ..TapCounts::default() });
        assert_eq!(written(&theirs), []);
    }
}
