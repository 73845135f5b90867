//! One call of the host: what it needs, and how what comes of it reaches the host.

use super::sockets::Changes;
use super::{Event, Failure, Node, Operation, State, StateKind, Thread};
use crate::clock::millis_until;
use crate::machine::Machine;
use crate::shared::{Broken, Call, Core};
use std::sync::PoisonError;
use zt_node::engine::{Input, NetworkChange, Outbox, Output, Persist};
use zt_peer::{Endpoint, Look, Place, Vl1Event};
use zt_wire::Address;
use zt_wire::verb::RemoteTrace;

/// Workspaces kept for calls to come: as many as threads are usually inside.
const KEPT: usize = 8;
/// Rounds in which the host's answers may cause new questions within one call.
const ROUNDS: usize = 64;
/// Dictionaries of one packet that are told. Peers send one; somebody can put thousands in.
const TRACES: usize = 8;
/// Longest time until the next call of background tasks, milliseconds (08 §A.5).
const LONGEST_WAIT: u64 = 5_000;

/// When the node has to be called again, in the host's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(pub(crate) i64);

/// Buffers of one call, used again by the next.
pub(super) struct Workspace {
    pub(super) outbox: Outbox,
    pub(super) packet: Vec<u8>,
    pub(super) assembled: Vec<u8>,
    pub(super) todo: Vec<Output>,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self { outbox: Outbox::listing(), packet: Vec::new(), assembled: Vec::new(), todo: Vec::new() }
    }
}

impl Node {
    pub(super) fn workspace(&self) -> Workspace {
        let kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(Workspace::new)
    }

    pub(super) fn put_back(&self, work: Workspace) {
        let mut kept = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(work);
        }
    }

    /// Does something with the machine, then all that comes of it.
    pub(super) fn with_machine<R>(
        &self,
        thread: Thread,
        act: impl FnOnce(&mut Machine, &mut Outbox) -> R,
    ) -> Result<Deadline, Failure> {
        let mut work = self.workspace();
        let result = self.act(act, &mut work).and_then(|()| self.finish(thread, &mut work));
        self.put_back(work);
        result
    }

    fn act<R>(&self, act: impl FnOnce(&mut Machine, &mut Outbox) -> R, work: &mut Workspace) -> Result<(), Failure> {
        let mut machine = self.core.lock()?;
        act(&mut machine, &mut work.outbox);
        machine.drain(&mut work.outbox, &mut work.todo);
        Ok(())
    }

    /// Takes a packet in: it is opened between two short locks.
    pub(super) fn take_packet(
        &self,
        now: i64,
        socket: i64,
        remote: Endpoint,
        bytes: &[u8],
        work: &mut Workspace,
    ) -> Result<(), Failure> {
        let ipv6 = remote.socket_addr().is_some_and(|address| address.is_ipv6());
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let (link, Changes { up, down }) = sockets.link_of(socket, ipv6);
        drop(sockets);
        let Workspace { outbox, packet, assembled, todo } = work;
        packet.clear();
        packet.extend_from_slice(bytes);
        let mut machine = self.core.lock()?;
        let now = machine.clock.at(now);
        if let Some(down) = down {
            machine.handle(now, Input::LinkDown(down), outbox);
        }
        if let Some(up) = up {
            machine.handle(now, Input::LinkUp(up), outbox);
        }
        let look = machine.engine.look(now, link, remote, packet, assembled, outbox);
        if let Look::Open(open) = look {
            drop(machine);
            let packet = match open.place {
                Place::Datagram => packet,
                Place::Assembled => assembled,
            };
            let opened = open.open(packet);
            machine = self.core.lock()?;
            machine.handle(now, Input::Opened { ticket: open.ticket, opened, packet }, outbox);
        }
        machine.drain(outbox, todo);
        Ok(())
    }

    /// Asks the controller, in a call of its own.
    pub(super) fn ask_controller<R>(
        &self,
        ask: impl FnOnce(&Core, &mut Call<'_>, &dyn Fn(Address) -> Option<Vec<u8>>) -> Result<R, Broken>,
    ) -> Result<R, Failure> {
        let thread = Thread(core::ptr::null_mut());
        let load = |address| self.load_peer(thread, address);
        let mut work = self.workspace();
        let mut call = Call::with(&mut work.outbox, std::mem::take(&mut work.todo));
        let answer = ask(&self.core, &mut call, &load);
        work.todo = call.todo;
        let finished = self.finish(thread, &mut work);
        self.put_back(work);
        let answer = answer?;
        finished?;
        Ok(answer)
    }

    fn load_peer(&self, thread: Thread, address: Address) -> Option<Vec<u8>> {
        self.host.state_get(thread, StateKind::Peer, address.as_u64())
    }

    /// Does all that came of a call, until nothing is left, and says when to call again.
    pub(super) fn finish(&self, thread: Thread, work: &mut Workspace) -> Result<Deadline, Failure> {
        let load = |address| self.load_peer(thread, address);
        let mut call = Call::with(&mut work.outbox, std::mem::take(&mut work.todo));
        let mut deadline = Deadline(i64::MAX);
        for _ in 0..ROUNDS {
            while self.core.work(&mut call, &load)? {}
            self.flush(thread, call.outbox)?;
            let todo = std::mem::take(&mut call.todo);
            let idle = todo.is_empty();
            for output in todo {
                self.perform(thread, &mut call, output)?;
            }
            let mut machine = self.core.lock()?;
            let now = machine.clock.now();
            machine.drain(call.outbox, &mut call.todo);
            let wait = machine.due(now).map_or(LONGEST_WAIT, |due| millis_until(now, due)).clamp(1, LONGEST_WAIT);
            deadline = Deadline(now.unix_ms.saturating_add(wait.cast_signed()));
            if idle && call.todo.is_empty() && call.outbox.transmits.is_empty() {
                break;
            }
        }
        work.todo = call.todo;
        Ok(deadline)
    }

    /// Sends what is to be sent and delivers what is to be delivered.
    fn flush(&self, thread: Thread, outbox: &mut Outbox) -> Result<(), Failure> {
        if !outbox.transmits.is_empty() {
            outbox.transmits.seal();
            let mut machine = self.core.lock()?;
            let now = machine.clock.now();
            machine.engine.vl1_mut().handle_sealed(now, &mut outbox.transmits);
            drop(machine);
            for transmit in outbox.transmits.iter() {
                let Some(remote) = transmit.path.remote.socket_addr() else { continue };
                let socket = self.socket_of(&transmit.path);
                for datagram in transmit.datagrams() {
                    self.host.send(thread, socket, &remote, datagram, transmit.ttl.unwrap_or(0));
                }
            }
            outbox.transmits.clear();
        }
        if let Some(list) = &mut outbox.list {
            for frame in list.frames() {
                if let Some(port) = self.port(frame.network) {
                    self.host.frame(thread, &port, frame, list.payload(frame));
                }
            }
            list.clear();
        }
        Ok(())
    }

    /// Tells the host, or asks it, one thing.
    fn perform(&self, thread: Thread, call: &mut Call<'_>, output: Output) -> Result<(), Failure> {
        match output {
            Output::Persist(persist) => self.persist(thread, &persist)?,
            Output::Network(network, NetworkChange::Configure(_)) => {
                if let Some(port) = self.port(network) {
                    self.core.lock()?.announce_groups(network, call.outbox);
                    self.report(thread, &port);
                }
            }
            Output::Network(network, NetworkChange::Left) => {
                let port = self.ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
                if let Some(port) = port {
                    self.end_port(thread, &port, Operation::Destroy);
                }
            }
            Output::Event(event) => self.tell(thread, call, event)?,
            _ => {}
        }
        Ok(())
    }

    fn persist(&self, thread: Thread, persist: &Persist) -> Result<(), Failure> {
        let left = matches!(persist, Persist::NetworkConfig(network, _) if !self.core.lock()?.is_joined(*network));
        if !left {
            State { host: &*self.host, thread }.keep(persist);
        }
        Ok(())
    }

    fn tell(&self, thread: Thread, call: &mut Call<'_>, event: Vl1Event) -> Result<(), Failure> {
        match event {
            Vl1Event::Online(online) => self.host.event(thread, Event::Online(online)),
            Vl1Event::IdentityCollision => self.host.event(thread, Event::Collision),
            Vl1Event::UserMessage { from, type_id, data } => {
                self.host.event(thread, Event::UserMessage { from, type_id, data: &data });
            }
            Vl1Event::RemoteTrace { from, body } => {
                for dictionary in (RemoteTrace { body: &body }).dictionaries().take(TRACES) {
                    self.host.event(thread, Event::RemoteTrace { from, dictionary: dictionary.as_bytes() });
                }
            }
            Vl1Event::PathQuestion { peer, path } => {
                let Some(remote) = path.remote.socket_addr() else { return Ok(()) };
                let allowed = self.host.check_path(thread, peer, self.socket_of(&path), &remote);
                let mut machine = self.core.lock()?;
                let now = machine.clock.now();
                machine.engine.vl1_mut().answer_path(now, peer, path, allowed, &mut call.outbox.transmits);
            }
            Vl1Event::AddressWanted { peer } => {
                if let Some(remote) = self.host.look_up(thread, peer) {
                    let mut machine = self.core.lock()?;
                    let now = machine.clock.now();
                    let remote = Endpoint::Ip(remote);
                    machine.engine.vl1_mut().try_address(now, peer, remote, &mut call.outbox.transmits);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
