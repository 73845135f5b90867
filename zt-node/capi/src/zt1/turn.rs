//! One turn of the core: `run` (08 §B.5).

use super::levels::{link, link_of, links_at_start};
use super::{Failure, Node, millis};
use crate::clock::millis_until;
use crate::lock::MutexGuard;
use crate::shared::Call;
use crate::sys::Arrays;
use std::sync::{PoisonError, TryLockError};
use zt_node::engine::{Input, Outbox, Output};
use zt_peer::{Endpoint, LinkId};
use zt_wire::ether::EthernetRef;
use zt_wire::{Mac, NetworkId};

/// Longest wait that is told, milliseconds.
const LONGEST_WAIT: u64 = 60_000;
/// Rounds in which the host's answers may cause new questions within one turn.
const ROUNDS: usize = 64;

/// A packet that the host received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireIn<'a> {
    pub(crate) remote: Endpoint,
    pub(crate) level: i32,
    pub(crate) bytes: &'a [u8],
}

/// A frame that the host's port gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameIn<'a> {
    pub(crate) network: NetworkId,
    pub(crate) source: Mac,
    pub(crate) destination: Mac,
    pub(crate) ethertype: u16,
    pub(crate) payload: &'a [u8],
}

/// What a turn needs and leaves: the caller reads the arrays until the next turn.
pub(crate) struct Turn {
    pub(crate) outbox: Outbox,
    pub(crate) arrays: Arrays,
    links: Vec<LinkId>,
    packet: Vec<u8>,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            outbox: Outbox::listing(),
            arrays: Arrays::default(),
            links: links_at_start().map(|link| link.id).collect(),
            packet: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.arrays.clear();
        self.outbox.transmits.clear();
        if let Some(list) = &mut self.outbox.list {
            list.clear();
        }
    }
}

/// How a turn ended.
pub(crate) struct Ended<'a> {
    /// Packets and frames are in here.
    pub(crate) turn: MutexGuard<'a, Turn>,
    /// Milliseconds until the node must be called again, at least 1.
    pub(crate) wait: u64,
    /// Something went wrong beside.
    pub(crate) failure: Option<Failure>,
}

impl Node {
    /// Takes packets and frames, does what is due, and leaves packets and frames in the turn.
    pub(crate) fn run<'i>(
        &self,
        now: u64,
        wires: impl Iterator<Item = WireIn<'i>>,
        frames: impl Iterator<Item = FrameIn<'i>>,
    ) -> Result<Ended<'_>, Failure> {
        let mut guard = match self.turn.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::WouldBlock) => return Err(Failure::Busy),
            Err(TryLockError::Poisoned(_)) => return Err(Failure::Internal),
        };
        let turn = &mut *guard;
        turn.clear();
        let todo = self.take_between(turn);
        let mut call = Call::with(&mut turn.outbox, todo);
        self.take_inputs(now, &mut turn.links, &mut turn.packet, wires, frames, &mut call)?;
        let kept = self.perform_all(&mut call)?;
        let more = !self.between.lock().unwrap_or_else(PoisonError::into_inner).todo.is_empty();
        let mut machine = self.core.lock()?;
        let now = machine.clock.now();
        machine.engine.seal(now, call.outbox);
        let wait = if more { Some(now.mono) } else { machine.due(now) };
        let wait = wait.map_or(LONGEST_WAIT, |due| millis_until(now, due)).clamp(1, LONGEST_WAIT);
        drop(machine);
        turn.arrays.fill(&turn.outbox);
        let failure = if self.collided.load(std::sync::atomic::Ordering::Relaxed) {
            Some(Failure::Collision)
        } else {
            (!kept).then_some(Failure::Store)
        };
        Ok(Ended { turn: guard, wait, failure })
    }

    /// What was decided between the turns leaves first.
    fn take_between(&self, turn: &mut Turn) -> Vec<Output> {
        let mut between = self.between.lock().unwrap_or_else(PoisonError::into_inner);
        turn.outbox.transmits.append(&mut between.outbox.transmits);
        std::mem::take(&mut between.todo)
    }

    fn take_inputs<'i>(
        &self,
        now: u64,
        links: &mut Vec<LinkId>,
        packet: &mut Vec<u8>,
        wires: impl Iterator<Item = WireIn<'i>>,
        frames: impl Iterator<Item = FrameIn<'i>>,
        call: &mut Call<'_>,
    ) -> Result<(), Failure> {
        let mut machine = self.core.lock()?;
        let now = machine.clock.at(millis(now));
        for wire in wires {
            let id = link_of(wire.level, &wire.remote);
            if !links.contains(&id) {
                links.push(id);
                machine.handle(now, Input::LinkUp(link(wire.level, &wire.remote)), call.outbox);
            }
            // Packets are opened in place, and the host's buffer is the host's.
            packet.clear();
            packet.extend_from_slice(wire.bytes);
            let stride = packet.len();
            let input = Input::Datagrams { link: id, remote: wire.remote, bytes: packet, stride };
            machine.handle(now, input, call.outbox);
        }
        for FrameIn { network, source, destination, ethertype, payload } in frames {
            let frame = EthernetRef { destination, source, ethertype, payload };
            machine.handle(now, Input::Frame(network, frame), call.outbox);
        }
        machine.handle_time(now, call.outbox);
        machine.drain(call.outbox, &mut call.todo);
        Ok(())
    }

    /// Does what the engine wants done until nothing is left. False when something could not be kept.
    fn perform_all(&self, call: &mut Call<'_>) -> Result<bool, Failure> {
        let mut kept = self.retry_unsaved(self.core.lock()?.clock.now().mono);
        let load = |address| self.load_peer(address);
        for _ in 0..ROUNDS {
            while self.core.work(call, &load)? {}
            if call.todo.is_empty() {
                break;
            }
            for output in std::mem::take(&mut call.todo) {
                kept &= self.perform(call, output)?;
            }
            self.core.lock()?.drain(call.outbox, &mut call.todo);
        }
        // Whatever is left is first in the next turn.
        let left = std::mem::take(&mut call.todo);
        self.between.lock().unwrap_or_else(PoisonError::into_inner).todo.extend(left);
        Ok(kept)
    }
}
