//! The one loop: wait for one thing, hand it to the engine, drain, perform.

use super::link::udp::{Outgoing, Tally, UdpLink};
use super::{Control, Driver, Sent, trace};
use crate::engine::{Input, Output};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Instant;
use zt_peer::{Endpoint, Path};
use zt_wire::time::{Mono, Now};

/// Rounds in one poll before other tasks get their turn.
const ROUNDS: usize = 32;

impl Driver {
    /// One poll of the node: ready when it was asked to stop.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            let mut progress = self.poll_calls(cx, now);
            progress |= self.poll_results(cx, now);
            progress |= self.poll_interfaces(cx, now);
            progress |= self.poll_timer(cx, now);
            if self.flush(cx, now) {
                progress |= self.poll_sockets(cx, now);
                self.drain(now);
                progress |= self.flush(cx, now) && self.poll_ports(cx, now);
            }
            self.drain(now);
            self.flush(cx, now);
            self.write_frames(cx, now);
            if self.stop {
                return Poll::Ready(());
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_calls(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        while let Poll::Ready(Some(call)) = self.calls.poll_recv(cx) {
            call(&mut Control::new(self, now));
            progress = true;
        }
        progress
    }

    fn poll_results(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        while let Poll::Ready(Some(result)) = self.results.poll_recv(cx) {
            self.handle_result(now, result);
            progress = true;
        }
        progress
    }

    fn poll_interfaces(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let due = self.interfaces.poll_due(now, cx);
        if due {
            self.rebind(now);
            let after = self.clock.now().mono;
            self.interfaces.rest(now.mono, after);
        }
        due
    }

    /// Arms the timer for the earliest deadline and hands an expired one in.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let due = self.engine_due.into_iter().chain(self.interfaces.due).fold(self.housekeeping_due, Mono::min);
        let mut expired = false;
        if self.engine_due.is_some_and(|due| due <= now.mono) {
            self.engine.handle(now, Input::Timeout, &mut self.outbox);
            self.engine_due = None;
            expired = true;
        }
        if self.housekeeping_due <= now.mono {
            self.housekeeping(now);
            expired = true;
        }
        if !expired {
            self.arm(cx, due);
        }
        expired
    }

    fn arm(&mut self, cx: &mut Context<'_>, due: Mono) {
        if self.armed != Some(due) {
            self.sleep.as_mut().reset(Instant::from_std(self.clock.instant(due)));
            self.armed = Some(due);
        }
        if Pin::new(&mut self.sleep).poll(cx).is_ready() {
            self.armed = None;
            cx.waker().wake_by_ref();
        }
    }

    fn poll_sockets(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        let Self { sockets, buffers, engine, outbox, traffic, .. } = self;
        for socket in sockets.iter() {
            let result = socket.poll_receive(cx, buffers, |train| {
                traffic.datagrams_in += train.bytes.len().div_ceil(train.stride) as u64;
                traffic.bytes_in += train.bytes.len() as u64;
                trace::datagrams("in", socket.local, train.remote, train.bytes, train.stride);
                let remote = Endpoint::Ip(train.remote);
                engine.handle(
                    now,
                    Input::Datagrams { link: train.link, remote, bytes: train.bytes, stride: train.stride },
                    outbox,
                );
            });
            match result {
                Poll::Ready(Ok(_)) => progress = true,
                Poll::Ready(Err(error)) => tracing::warn!(local = %socket.local, %error, "cannot receive"),
                Poll::Pending => {}
            }
        }
        progress
    }

    fn poll_ports(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        let mut failed = Vec::new();
        for (&network, port) in &mut self.ports {
            self.incoming.clear();
            match port.tap.poll_recv(cx, &mut self.incoming) {
                Poll::Ready(Ok(_)) => {
                    progress = true;
                    self.engine.handle(now, Input::Frames(network, &self.incoming), &mut self.outbox);
                }
                Poll::Ready(Err(error)) => failed.push((network, error)),
                Poll::Pending => {}
            }
        }
        for (network, error) in failed {
            self.port_failed(now, network, &error);
        }
        progress
    }

    /// Takes all outputs of the engine and performs them.
    pub(super) fn drain(&mut self, now: Now) {
        loop {
            match self.engine.poll(now, &mut self.outbox) {
                Output::Wait(due) => {
                    self.engine_due = due;
                    break;
                }
                output => self.perform(now, output),
            }
        }
    }

    /// Seals and sends what is in the outbox; false while a socket is full.
    fn flush(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        if self.outbox.transmits.is_empty() {
            return true;
        }
        self.engine.seal(now, &mut self.outbox);
        let mut narrow = Vec::new();
        let done = self.send_trains(cx, now, &mut narrow);
        for (path, size) in narrow {
            self.hand_in(now, Input::PathMtu { link: path.link, remote: path.remote, size });
        }
        done
    }

    fn send_trains(&mut self, cx: &mut Context<'_>, now: Now, narrow: &mut Vec<(Path, u16)>) -> bool {
        let Self { sockets, traffic, unsent, outbox, sent, .. } = self;
        let limit = sockets.iter().map(UdpLink::max_segments).min().unwrap_or(1);
        while let Some(train) = outbox.transmits.train(sent.packets, limit) {
            if let Endpoint::Ip(remote) = train.path.remote
                && let Some(socket) = sockets.iter_mut().find(|socket| socket.id == train.path.link)
            {
                let outgoing = Outgoing { remote, bytes: train.bytes, segment: train.segment_size, ttl: train.ttl };
                let mut learnt = None;
                let tally = Tally { traffic, unsent, narrow: &mut learnt };
                let polled = socket.poll_train(cx, now.mono, &outgoing, &mut sent.datagrams, tally);
                narrow.extend(learnt.map(|size| (train.path, size)));
                if polled.is_pending() {
                    return false;
                }
            }
            sent.packets += train.packets;
            sent.datagrams = 0;
        }
        *sent = Sent::default();
        outbox.transmits.clear();
        true
    }

    fn write_frames(&mut self, cx: &mut Context<'_>, now: Now) {
        let mut failed = Vec::new();
        for (network, batch) in &mut self.outbox.frames {
            let Some(port) = self.ports.get_mut(network) else {
                self.lost_frames.no_port += batch.len() as u64;
                batch.clear();
                continue;
            };
            while !batch.is_empty() {
                match port.tap.poll_send(cx, batch) {
                    Poll::Ready(Ok(count)) => batch.consume(count),
                    Poll::Ready(Err(error)) => {
                        failed.push((*network, error));
                        batch.clear();
                    }
                    Poll::Pending => break,
                }
            }
        }
        for (network, error) in failed {
            self.port_failed(now, network, &error);
        }
    }
}
