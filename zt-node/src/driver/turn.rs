//! The one loop: wait for one thing, hand it to the engine, drain, perform.

use super::link::{Ended, Received, Share, Whose};
use super::ports::Port;
use super::trace::At;
use super::{Control, Driver};
use crate::engine::{Input, Output};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;
use zt_peer::{LinkKind, Path};
use zt_wire::time::{Mono, Now};
use zt_wire::{EthernetRef, FrameBatch, NetworkId};

/// Rounds in one poll before other tasks get their turn.
const ROUNDS: usize = 32;
/// Frames for one port from which on they are written before more datagrams are looked at: a train of the usual MTU has 22.
const MANY: usize = 20;
/// Frames that are read of one port in a round.
pub(super) const FRAMES: usize = 64;

impl Driver {
    /// One poll of the node: ready when it was asked to stop. No link, however full, ends it for the others.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for round in 0..ROUNDS {
            let now = self.clock.now();
            let mut progress = self.poll_wakefulness(cx, now);
            progress |= self.poll_packets(cx, now);
            if round == 0 {
                self.links.begin_turn();
            }
            progress |= self.poll_calls(cx, now);
            progress |= self.poll_results(cx, now);
            progress |= self.poll_interfaces(cx, now);
            progress |= self.poll_timer(cx, now);
            progress |= self.poll_opened(cx, now);
            progress |= self.poll_links(cx, now, Whose::Sources);
            self.poll_dns(cx);
            self.drain(now);
            progress |= self.flush(cx, now);
            self.write_frames(cx, now);
            if self.stop {
                return Poll::Ready(());
            }
            if !progress {
                return Poll::Pending;
            }
        }
        // There is more, but other tasks of this thread have a right to a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What most turns are for, before all that a turn looks after as well: after a pause nothing of that is in the processor's
    /// caches, and a packet that came alone would wait until it is.
    fn poll_packets(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = self.poll_links(cx, now, Whose::Sockets);
        if progress {
            self.write_frames(cx, now);
        }
        // What links and timers led to leaves before frames are read: then the outbox holds nothing but frames below, and they
        // take no more than their share of a link that is full.
        self.send(cx, now, Share::All);
        if self.poll_ports(cx, now) {
            progress = true;
            self.send(cx, now, Share::Frames);
        }
        progress
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
            // It became due since the clock was read: another turn, with a newer time.
            self.armed = None;
            cx.waker().wake_by_ref();
        }
    }

    fn poll_opened(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        while let Poll::Ready(link) = self.links.poll_opened(cx) {
            tracing::debug!(id = link.id.0, kind = ?link.kind, local = %At(link.local), "a link is open");
            if let Some(name) = self.links.interface(link.id).map(str::to_owned) {
                self.hand_in(now, Input::LinkInterface(link.id, &name));
            }
            self.hand_in(now, Input::LinkUp(link));
            progress = true;
        }
        progress
    }

    /// Receives from those links.
    fn poll_links(&mut self, cx: &mut Context<'_>, now: Now, whose: Whose) -> bool {
        let mut failed = Vec::new();
        let Self { links, engine, outbox, ports, lost_frames, .. } = self;
        let take = |link, together: &mut [Received<'_>]| {
            engine.foresee(together.iter().flat_map(|received| received.bytes.chunks(received.stride)));
            for Received { remote, bytes, stride } in together {
                let (remote, stride) = (*remote, *stride);
                engine.handle(now, Input::Datagrams { link, remote, bytes, stride }, outbox);
                // A train's frames are written while they are in the cache, and before more come than a network's queue
                // holds. What cannot be written now is tried again at the end of the round, with a waker that counts.
                if outbox.frames.values().any(|batch| batch.len() >= MANY) {
                    let mut cx = Context::from_waker(Waker::noop());
                    failed.extend(write_frames(ports, &mut outbox.frames, &mut lost_frames.no_port, &mut cx));
                }
            }
        };
        let progress = links.poll_receive(cx, whose, take);
        for (network, error) in failed {
            self.port_failed(now, network, &error);
        }
        progress
    }

    fn poll_ports(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut progress = false;
        let mut failed = Vec::new();
        let Self { engine, outbox, ports, incoming, .. } = self;
        for (&network, port) in ports {
            // So many frames of each port in a round: a busy port makes neither another nor the links wait. Each is sealed at
            // once, while it is in the processor's nearest cache.
            let mut each = |frame: &[u8]| {
                if let Ok(frame) = EthernetRef::new_checked(frame) {
                    engine.handle(now, Input::Frame(network, frame), outbox);
                    engine.seal(now, outbox);
                }
            };
            match port.tap.poll_frames(cx, incoming, FRAMES, &mut each) {
                Poll::Ready(Ok(_)) => progress = true,
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

    /// Sends what is in the outbox and lets links write out what they hold; true when that is news for the engine.
    fn flush(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        self.send(cx, now, Share::All);
        self.links.write_out(cx);
        self.hear_of_links(now)
    }

    /// Seals what is in the outbox and gives it to the links, after what waits there.
    fn send(&mut self, cx: &mut Context<'_>, now: Now, share: Share) {
        self.links.send_waiting(now.mono, cx);
        if self.outbox.transmits.is_empty() {
            return;
        }
        self.engine.seal(now, &mut self.outbox);
        let Self { links, outbox, .. } = self;
        let limit = links.max_segments();
        let mut packets = 0;
        let trains = std::iter::from_fn(|| {
            let train = outbox.transmits.train(packets, limit)?;
            packets += train.packets;
            Some(train)
        });
        links.send_all(now.mono, cx, share, trains);
        outbox.transmits.clear();
    }

    /// What sending and receiving taught about links.
    fn hear_of_links(&mut self, now: Now) -> bool {
        let mut news = false;
        for (Path { link, remote }, size) in self.links.take_path_mtus() {
            self.hand_in(now, Input::PathMtu { link, remote, size });
            news = true;
        }
        for link in self.links.take_moved() {
            self.hand_in(now, Input::LinkUp(link));
            news = true;
        }
        while let Some(Path { link, remote }) = self.links.take_path_down() {
            self.hand_in(now, Input::PathDown { link, remote });
            news = true;
        }
        while let Some(Ended { link, error }) = self.links.take_ended() {
            if link.kind != LinkKind::Udp {
                // Connections come and go.
                tracing::debug!(id = link.id.0, kind = ?link.kind, local = %At(link.local), %error, "a link has ended");
            } else {
                tracing::warn!(id = link.id.0, local = %At(link.local), %error, "a socket has ended");
                // A socket ends when its address or interface goes: what took its place is bound at once, not with the next look.
                self.interfaces.look_again(now);
            }
            self.hand_in(now, Input::LinkDown(link.id));
            news = true;
        }
        news
    }

    fn write_frames(&mut self, cx: &mut Context<'_>, now: Now) {
        let Self { ports, outbox, lost_frames, .. } = self;
        let failed = write_frames(ports, &mut outbox.frames, &mut lost_frames.no_port, cx);
        for (network, error) in failed {
            self.port_failed(now, network, &error);
        }
    }
}

/// Writes what waits for the ports; those that are gone.
fn write_frames(
    ports: &mut BTreeMap<NetworkId, Port>,
    frames: &mut BTreeMap<NetworkId, FrameBatch>,
    no_port: &mut u64,
    cx: &mut Context<'_>,
) -> Vec<(NetworkId, io::Error)> {
    let mut failed = Vec::new();
    for (network, batch) in frames {
        let Some(port) = ports.get_mut(network) else {
            // The port was closed, or could not be had, while these were on their way to it.
            *no_port += batch.len() as u64;
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
    failed
}
