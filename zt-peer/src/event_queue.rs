//! Events that wait for the owner. What it must learn and what strangers may cause do not share a queue:
//!
//! * **State** (online, paths, worlds, records …) is never lost: of what concerns the same thing only the latest waits, so
//!   there is never more than there are things.
//! * **Questions** to the owner are bounded; they are asked again by themselves.
//! * **Messages** of peers are bounded in number and bytes, one for a packet; what finds no room is counted. Without
//!   somebody who listens there are none.

use std::collections::{BTreeMap, VecDeque};

use zt_wire::{Address, WorldKind};

use crate::drop_reason::DropReason;
use crate::event::Vl1Event;

/// Most questions that wait.
const MAX_QUESTIONS: usize = 256;
/// Most messages that wait, and their bytes.
const MAX_MESSAGES: usize = 256;
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What an event of state is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Online,
    Collision,
    Level,
    World(u8, u64),
    Record(Address),
    Identity(Address),
    Reach(Address),
    Route(Address),
    Confirming(Address),
    Surface,
}

impl About {
    /// `None`: it is no state.
    const fn of(event: &Vl1Event) -> Option<Self> {
        Some(match event {
            Vl1Event::Online(_) => Self::Online,
            Vl1Event::IdentityCollision => Self::Collision,
            Vl1Event::LevelChanged(_) => Self::Level,
            Vl1Event::WorldUpdated { kind, id, .. } | Vl1Event::WorldRemoved { kind, id } => {
                Self::World(matches!(kind, WorldKind::Planet) as u8, *id)
            }
            Vl1Event::PersistPeer { address, .. } => Self::Record(*address),
            Vl1Event::IdentityLearned(address) => Self::Identity(*address),
            Vl1Event::PeerUp(address) | Vl1Event::PeerDown(address) => Self::Reach(*address),
            Vl1Event::PathChanged { peer, .. } => Self::Route(*peer),
            Vl1Event::ConfirmingPath { peer, .. } => Self::Confirming(*peer),
            Vl1Event::SurfaceChanged { .. } => Self::Surface,
            Vl1Event::UserMessage { .. }
            | Vl1Event::RemoteTrace { .. }
            | Vl1Event::Pong { .. }
            | Vl1Event::PathQuestion { .. }
            | Vl1Event::AddressWanted { .. } => return None,
        })
    }
}

/// Events in the order in which they happened, within each kind.
#[derive(Default)]
pub(crate) struct Events {
    state: BTreeMap<u64, Vl1Event>,
    about: BTreeMap<About, u64>,
    next: u64,
    questions: VecDeque<Vl1Event>,
    messages: VecDeque<Vl1Event>,
    message_bytes: usize,
}

impl Events {
    /// Adds an event; names what was lost, if it was.
    pub(crate) fn push(&mut self, event: Vl1Event) -> Option<DropReason> {
        match (About::of(&event), &event) {
            (Some(about), _) => {
                self.note(about, event);
                None
            }
            (None, Vl1Event::PathQuestion { .. } | Vl1Event::AddressWanted { .. }) => {
                let room = self.questions.len() < MAX_QUESTIONS;
                if room {
                    self.questions.push_back(event);
                }
                (!room).then_some(DropReason::QuestionsFull)
            }
            (None, _) => {
                let bytes = message_len(&event);
                let room = self.messages.len() < MAX_MESSAGES && self.message_bytes + bytes <= MAX_MESSAGE_BYTES;
                if room {
                    self.message_bytes += bytes;
                    self.messages.push_back(event);
                }
                (!room).then_some(DropReason::MessagesFull)
            }
        }
    }

    fn note(&mut self, about: About, event: Vl1Event) {
        let waiting = self.about.insert(about, self.next).and_then(|at| self.state.remove(&at));
        let event = match (waiting, event) {
            (Some(Vl1Event::PathChanged { from, .. }), Vl1Event::PathChanged { peer, to, .. }) => {
                Vl1Event::PathChanged { peer, from, to }
            }
            (_, event) => event,
        };
        self.state.insert(self.next, event);
        self.next += 1;
    }

    /// Takes the next event: state first.
    pub(crate) fn pop(&mut self) -> Option<Vl1Event> {
        if let Some((at, event)) = self.state.pop_first() {
            if let Some(about) = About::of(&event).filter(|about| self.about.get(about) == Some(&at)) {
                self.about.remove(&about);
            }
            return Some(event);
        }
        if let Some(question) = self.questions.pop_front() {
            return Some(question);
        }
        let message = self.messages.pop_front()?;
        self.message_bytes -= message_len(&message);
        Some(message)
    }
}

fn message_len(event: &Vl1Event) -> usize {
    match event {
        Vl1Event::UserMessage { data, .. } => data.len(),
        Vl1Event::RemoteTrace { body, .. } => body.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize) -> Vl1Event {
        Vl1Event::UserMessage { from: Address::new(5), type_id: 70_000, data: vec![0; len] }
    }

    fn all(mut e: Events) -> Vec<Vl1Event> {
        std::iter::from_fn(move || e.pop()).collect()
    }

    #[test]
    fn no_number_of_messages_displaces_state() {
        let mut e = Events::default();
        let lost = (0..100_000).filter(|_| e.push(message(10)) == Some(DropReason::MessagesFull)).count();
        assert_eq!(lost, 100_000 - MAX_MESSAGES);
        assert_eq!(e.push(Vl1Event::Online(true)), None);
        assert_eq!(e.push(Vl1Event::IdentityCollision), None);
        let all = all(e);
        assert_eq!(all[..2], [Vl1Event::Online(true), Vl1Event::IdentityCollision]);
        assert_eq!(all.len(), 2 + MAX_MESSAGES);
    }

    #[test]
    fn messages_are_bounded_in_bytes_as_well_and_room_comes_back() {
        let mut e = Events::default();
        let taken = (0..1_000).filter(|_| e.push(message(10_000)).is_none()).count();
        assert!(taken * 10_000 <= MAX_MESSAGE_BYTES && taken > 100);
        while e.pop().is_some() {}
        assert_eq!((e.message_bytes, e.push(message(10_000))), (0, None));
    }

    #[test]
    fn of_one_thing_the_latest_waits_in_the_order_of_what_happened() {
        let (a, b) = (Address::new(5), Address::new(6));
        let record = |n| Vl1Event::PersistPeer { address: a, record: vec![n] };
        let mut e = Events::default();
        for n in 0..200u8 {
            e.push(Vl1Event::Online(n % 2 == 0));
            e.push(record(n));
            e.push(Vl1Event::PeerUp(b));
            e.push(Vl1Event::PeerDown(b));
        }
        assert_eq!(e.state.len(), 3);
        assert_eq!(all(e), [Vl1Event::Online(false), record(199), Vl1Event::PeerDown(b)]);
    }

    #[test]
    fn a_path_that_changed_twice_changed_from_the_first_to_the_last() {
        let path = |n| crate::Path {
            link: crate::LinkId(n),
            remote: crate::Endpoint::Ip(std::net::SocketAddr::from(([10, 0, 0, 1], 9993))),
        };
        let change = |from, to| Vl1Event::PathChanged { peer: Address::new(5), from, to };
        let mut e = Events::default();
        e.push(change(None, Some(path(1))));
        e.push(change(Some(path(1)), Some(path(2))));
        assert_eq!(all(e), [change(None, Some(path(2)))]);
    }

    #[test]
    fn questions_are_bounded() {
        let mut e = Events::default();
        let ask = |n| Vl1Event::AddressWanted { peer: Address::new(n) };
        let lost = (0..1_000).filter(|n| e.push(ask(*n)) == Some(DropReason::QuestionsFull)).count();
        assert_eq!((lost, all(e).len()), (1_000 - MAX_QUESTIONS, MAX_QUESTIONS));
    }
}
