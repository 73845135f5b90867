//! One interface that is in use.

use super::sys::{self, Arrived, BATCH};
use super::{Dropped, Shared, Station, unpoisoned};
use crate::driver::link::unsent::cause;
use crate::driver::link::{LinkIo, Outgoing, Received, SendError};
use crate::status::Unsent;
use socket2::Socket;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use zt_peer::Endpoint;
use zt_wire::time::Mono;
use zt_wire::{Address, raw_ethernet};

/// Frames begin at multiples of this.
const ALIGNED: usize = 64;
/// Room for a frame of the usual size, on any interface.
const LEAST_ROOM: usize = 1536;

/// See the module.
pub(super) struct EthernetLink {
    shared: Arc<Shared>,
    own: Address,
    name: String,
    station: Station,
    /// Room for one frame: frames that are longer than ours may be come from elsewhere. The less, the more of them stay in
    /// the caches of the processor.
    room: usize,
    /// The plan that was looked at.
    seen: u64,
    io: AsyncFd<Socket>,
}

impl EthernetLink {
    pub(super) fn open(shared: Arc<Shared>, own: Address, name: &str, station: Station) -> io::Result<Self> {
        let io = sys::register(sys::open(station.index)?)?;
        unpoisoned(&shared.open).insert(name.to_owned(), station);
        let seen = shared.plans.load(Ordering::Acquire);
        let room = (usize::from(station.most) + raw_ethernet::HEADER_LEN).next_multiple_of(ALIGNED).max(LEAST_ROOM);
        Ok(Self { shared, own, name: name.to_owned(), station, room, seen, io })
    }

    /// Whether the interface is still to be used, and still the same.
    fn is_planned(&mut self) -> bool {
        let plan = self.shared.plans.load(Ordering::Acquire);
        if plan == self.seen {
            return true;
        }
        self.seen = plan;
        unpoisoned(&self.shared.plan).get(&self.name) == Some(&self.station)
    }
}

/// The datagram of a frame that is for us.
fn datagram<'a>(own: Address, arrived: &Arrived, payload: &'a mut [u8]) -> Result<&'a mut [u8], Dropped> {
    if arrived.other_station {
        return Err(Dropped::OtherStation);
    }
    if arrived.source.is_multicast() {
        return Err(Dropped::Source);
    }
    if arrived.cut {
        return Err(Dropped::Long);
    }
    let datagram = raw_ethernet::datagram(payload)?;
    // Nobody hands on what all have heard.
    if arrived.to_all && raw_ethernet::addressee(datagram) != Some(own) {
        return Err(Dropped::OtherNode);
    }
    Ok(datagram)
}

/// The interface is gone or down.
fn is_end(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO | libc::EBADF))
}

impl LinkIo for EthernetLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        each: &mut dyn FnMut(Received<'_>),
    ) -> Poll<io::Result<()>> {
        if !self.is_planned() {
            return Poll::Ready(Err(io::Error::other("the interface is not used any more")));
        }
        let mut arrived = [Arrived::default(); BATCH];
        loop {
            let mut guard = ready!(self.io.poll_read_ready(cx))?;
            match guard.try_io(|io| sys::receive(io.get_ref(), buffer, self.room, &mut arrived)) {
                Err(_would_block) => {}
                Ok(Err(error)) if is_end(&error) => return Poll::Ready(Err(error)),
                // The moment's, not the interface's.
                Ok(Err(_)) => return Poll::Ready(Ok(())),
                Ok(Ok(count)) => {
                    for (arrived, room) in arrived.iter().zip(buffer.chunks_exact_mut(self.room)).take(count) {
                        let payload = room.get_mut(..arrived.len).unwrap_or_default();
                        match datagram(self.own, arrived, payload) {
                            Ok(bytes) => {
                                let (remote, stride) = (Endpoint::Mac(arrived.source), bytes.len());
                                each(Received { remote, bytes, stride });
                            }
                            Err(why) => self.shared.counts.add(why),
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    fn poll_send(&mut self, _now: Mono, cx: &mut Context<'_>, train: &Outgoing<'_>) -> Poll<Result<usize, SendError>> {
        let unsent = |datagrams, cause| Poll::Ready(Err(SendError::Unsent { datagrams, cause }));
        let Endpoint::Mac(to) = train.remote else { return unsent(train.count(), Unsent::NoRoute) };
        loop {
            let mut guard = match ready!(self.io.poll_write_ready(cx)) {
                Ok(guard) => guard,
                Err(error) => return Poll::Ready(Err(SendError::Ended(error))),
            };
            match guard.try_io(|io| sys::send(io.get_ref(), self.station.index, to, train)) {
                Err(_would_block) => {}
                Ok(Ok(count)) => return Poll::Ready(Ok(count)),
                Ok(Err(error)) if is_end(&error) => return Poll::Ready(Err(SendError::Ended(error))),
                // The interface does not take it: for a probe of what is taken, that is an answer as good as none.
                Ok(Err(error)) if train.dont_fragment && cause(&error) == Unsent::TooLong => return Poll::Ready(Ok(1)),
                Ok(Err(error)) => return unsent(1, cause(&error)),
            }
        }
    }

    fn interface(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Drop for EthernetLink {
    fn drop(&mut self) {
        unpoisoned(&self.shared.open).remove(&self.name);
        self.shared.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::Mac;

    #[test]
    fn frames_of_others_have_names() {
        let ours = Arrived { source: Mac([2; 6]), len: 0, cut: false, to_all: false, other_station: false };
        let good = [&raw_ethernet::header(40)[..], &[7; 60]].concat();
        let judged = |arrived: Arrived, payload: &[u8]| {
            datagram(Address::new(5), &arrived, &mut payload.to_vec()).map(|bytes| bytes.len())
        };
        assert_eq!(judged(ours, &good), Ok(40));
        assert_eq!(judged(ours, &[0; 60]), Err(Dropped::Foreign));
        assert_eq!(judged(ours, &[]), Err(Dropped::Short));
        assert_eq!(judged(ours, &good[..43]), Err(Dropped::Cut));
        assert_eq!(judged(ours, &[0x5a, 1, 0, 0, 9]), Err(Dropped::Empty));
        assert_eq!(judged(ours, &[0x5a, 9, 0, 1, 9]), Err(Dropped::Version));
        assert_eq!(judged(Arrived { cut: true, ..ours }, &good), Err(Dropped::Long));
        assert_eq!(judged(Arrived { source: Mac::BROADCAST, ..ours }, &good), Err(Dropped::Source));
        assert_eq!(judged(Arrived { other_station: true, ..ours }, &good), Err(Dropped::OtherStation));
        assert_eq!(judged(Arrived { to_all: true, ..ours }, &good), Err(Dropped::OtherNode));
    }
}
