//! Waiting for room in the buffer of a socket, if ever it is full.

use crate::driver::sys;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;

/// Sends at once, and asks the reactor about a socket only while that has no room.
///
/// A socket which the reactor watches for room all the time reports it after every datagram that has left: each time the
/// interface is done with one, or the receiver on the same host has it, this task would be woken for nothing.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The same socket under another descriptor, for what that is watched for can be different then.
    full: Option<AsyncFd<OwnedFd>>,
}

impl Room {
    /// What `send` says, which is one system call; pending while that would block.
    ///
    /// # Errors
    /// Those of `send`, and when a socket without room cannot be watched.
    pub(super) fn poll_send<T>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &impl AsFd,
        mut send: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let guard = match &self.full {
                Some(full) => Some(ready!(full.poll_write_ready(cx))?),
                None => None,
            };
            match send() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match guard {
                    Some(mut guard) => guard.clear_ready(),
                    None => self.full = Some(sys::watch_room(socket.as_fd().try_clone_to_owned()?)?),
                },
                result => {
                    self.full = None;
                    return Poll::Ready(result);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};
    use std::os::fd::{AsRawFd as _, RawFd};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn what_finds_no_room_is_sent_when_there_is_some() {
        runtime().block_on(async {
            let (ours, mut theirs) = UnixStream::pair().expect("sockets");
            ours.set_nonblocking(true).expect("an option");
            let (mut room, mut sent) = (Room::default(), 0);
            let mut send = |cx: &mut Context<'_>| {
                let polled = room.poll_send(cx, &ours, || (&ours).write(&[7; 4096]));
                polled.map(|count| count.expect("sent"))
            };
            while let Poll::Ready(count) = poll_fn(|cx| Poll::Ready(send(cx))).await {
                sent += count;
            }
            let reader = std::thread::spawn(move || {
                let mut received = Vec::new();
                theirs.read_to_end(&mut received).map(|_| received)
            });
            for _ in 0..100 {
                sent += poll_fn(&mut send).await;
            }
            assert!(room.full.is_none(), "nobody waits");
            drop(ours);
            assert_eq!(reader.join().expect("no panic").expect("read"), vec![7; sent]);
        });
    }

    #[test]
    fn a_socket_with_room_is_not_watched() {
        let (ours, theirs) = UnixDatagram::pair().expect("sockets");
        let (mut room, mut cx) = (Room::default(), Context::from_waker(std::task::Waker::noop()));
        // Without a reactor: none is asked.
        for _ in 0..10 {
            assert!(room.poll_send(&mut cx, &ours, || ours.send(b"x")).is_ready());
            theirs.recv(&mut [0; 8]).expect("received");
        }
        let refused = room.poll_send(&mut cx, &ours, || Err::<(), _>(io::Error::other("no")));
        assert!(matches!(refused, Poll::Ready(Err(_))));
    }

    /// What the reactors of this process watch this descriptor for, if they do.
    fn watched_for(fd: RawFd) -> Option<u32> {
        let watchers = std::fs::read_dir("/proc/self/fdinfo").expect("Linux has it");
        let lines = watchers.flatten().filter_map(|watcher| std::fs::read_to_string(watcher.path()).ok());
        lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).find_map(|line| {
            let mut words = line.split_whitespace();
            let is_it = words.next() == Some("tfd:") && words.next()?.parse() == Ok(fd);
            let events = words.nth(1).filter(|_| is_it)?;
            u32::from_str_radix(events, 16).ok()
        })
    }

    #[test]
    fn what_has_left_wakes_nobody() {
        runtime().block_on(async {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let socket = sys::register(socket).expect("registered");
            let (readable, writable) = (libc::EPOLLIN as u32, libc::EPOLLOUT as u32);
            let events = watched_for(socket.as_raw_fd()).expect("it is watched");
            assert_eq!(events & (readable | writable), readable);

            let full = sys::watch_room(socket.as_fd().try_clone_to_owned().expect("a descriptor")).expect("registered");
            let events = watched_for(full.as_raw_fd()).expect("it is watched");
            assert_eq!(events & (readable | writable), writable);
        });
    }
}
