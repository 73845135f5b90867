//! The owner's say about paths, and addresses it knows (08 §A.4 `ZT_PathCheckFunction`, `ZT_PathLookupFunction`).
//!
//! The machine calls nobody: it asks by an event and goes on when the answer is given back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zt_wire::{Address, Mono, Now};

use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::link::{Endpoint, Path};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::vl1::Vl1;

/// Most questions and answers remembered; the oldest give way.
const MAX_CONSENTS: usize = 4096;
/// An answer holds for this long.
const VALID: Duration = Duration::from_secs(60);
/// A question is repeated after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Addresses of a peer are asked for so often.
pub(crate) const ADDRESS_AGAIN: Duration = Duration::from_secs(10);

type Key = (Address, Path);

#[derive(Clone, Copy, Debug)]
struct Consent {
    /// When it was asked or answered last.
    at: Mono,
    answer: Option<bool>,
    /// The peer was heard there when it was asked.
    heard: bool,
}

/// How the owner stands to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Refused,
    /// To be asked now.
    Ask,
    /// Was asked just now.
    Asked,
}

/// Questions about paths and their answers.
#[derive(Default)]
pub(crate) struct Consents {
    table: BTreeMap<Key, Consent>,
    order: VecDeque<Key>,
}

impl Consents {
    fn judge(&mut self, now: Mono, key: Key, heard: bool) -> Verdict {
        if let Some(c) = self.table.get_mut(&key) {
            let age = now.saturating_since(c.at);
            match c.answer {
                Some(true) if age < VALID => return Verdict::Allowed,
                Some(false) if age < VALID => return Verdict::Refused,
                None if age < ASK_AGAIN => return Verdict::Asked,
                _ => *c = Consent { at: now, answer: None, heard },
            }
            return Verdict::Ask;
        }
        self.insert(key, Consent { at: now, answer: None, heard });
        Verdict::Ask
    }

    /// Takes an answer. If a question waited for it: whether the peer had been heard there.
    fn answer(&mut self, now: Mono, key: Key, allowed: bool) -> Option<bool> {
        if let Some(c) = self.table.get_mut(&key) {
            let waited = c.answer.is_none().then_some(c.heard);
            c.at = now;
            c.answer = Some(allowed);
            return waited;
        }
        self.insert(key, Consent { at: now, answer: Some(allowed), heard: false });
        None
    }

    fn insert(&mut self, key: Key, consent: Consent) {
        while self.table.len() >= MAX_CONSENTS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.table.remove(&oldest);
        }
        self.table.insert(key, consent);
        self.order.push_back(key);
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.table.retain(|_, c| now.saturating_since(c.at) < VALID);
        let table = &self.table;
        self.order.retain(|key| table.contains_key(key));
    }
}

impl Vl1 {
    /// The answer to a [`Vl1Event::PathQuestion`]; it holds for a minute, and may be given unasked. Allowed: what
    /// waited for it goes on with a HELLO there. Refused: a path in use is dropped. The endpoints that worlds name for
    /// their roots are not asked about and cannot be refused.
    pub fn answer_path(&mut self, now: Now, peer: Address, path: Path, allowed: bool, out: &mut Transmits) {
        let waited = self.consents.answer(now.mono, (peer, path), allowed);
        let Some(id) = self.peers.id(peer) else { return };
        let known = self.peers.get(id).slot(path).is_some();
        if allowed {
            if let Some(heard) = waited
                && !known
                && self.may_be_path(peer, &path.remote)
            {
                if heard {
                    self.confirm(now, id, path, out);
                } else {
                    self.greet(now, id, path, false, out);
                }
            }
        } else if known && !self.is_named(peer, &path.remote) {
            let before = self.peers.get(id).route_slot().map(|s| s.path);
            self.drop_slots(id, |s| s.path == path);
            self.choose_after_loss(now, id, before, out);
            self.note_root(now);
        }
    }

    /// Tries an address for a known peer by a HELLO, as far as the path policy lets it: the answer to a
    /// [`Vl1Event::AddressWanted`], or a hint at any other time.
    pub fn try_address(&mut self, now: Now, peer: Address, remote: Endpoint, out: &mut Transmits) {
        let Some(id) = self.peers.id(peer) else { return };
        if !self.may_be_path(peer, &remote) {
            self.drops.add(DropReason::UnusablePath);
            return;
        }
        for path in self.paths_to(remote) {
            if !self.works(id, path) {
                self.greet(now, id, path, false, out);
            }
        }
    }

    /// A world names this endpoint for the peer.
    pub(crate) fn is_named(&self, peer: Address, remote: &Endpoint) -> bool {
        self.roots.upstream(peer).is_some_and(|u| u.endpoints.contains(remote))
    }

    /// Whether a peer may be asked on a path that is none of its yet: not on one that would lead through our own networks,
    /// wherever it was learnt, and as the owner says. `heard`: the peer was heard there.
    pub(crate) fn consents(&mut self, now: Mono, id: PeerId, path: Path, heard: bool) -> bool {
        let peer = self.peers.get(id);
        let known = peer.slot(path).is_some() || self.is_named(peer.identity.address, &path.remote);
        if !known && self.policy.leads_inside(&path.remote, heard) {
            self.drops.add(DropReason::UnusablePath);
            return false;
        }
        self.owner_consents(now, id, path, heard)
    }

    /// Whether the owner lets a path be one of the peer's; asks when that is not known. `heard`: the peer was heard
    /// there.
    pub(crate) fn owner_consents(&mut self, now: Mono, id: PeerId, path: Path, heard: bool) -> bool {
        let peer = self.peers.get(id);
        let address = peer.identity.address;
        if !self.ask_paths || peer.slot(path).is_some() || self.is_named(address, &path.remote) {
            return true;
        }
        match self.consents.judge(now, (address, path), heard) {
            Verdict::Allowed => return true,
            Verdict::Ask => self.event(Vl1Event::PathQuestion { peer: address, path }),
            Verdict::Refused => self.drops.add(DropReason::UnusablePath),
            Verdict::Asked => {}
        }
        false
    }

    /// Whether [`Vl1::want_address`] would ask.
    pub(crate) fn may_want_address(&self, now: Mono, id: PeerId) -> bool {
        let last = self.peers.get(id).last_address_wanted;
        self.ask_addresses && last.is_none_or(|t| now.saturating_since(t) >= ADDRESS_AGAIN)
    }

    /// There is no direct path to a peer that is wanted: the owner may know an address.
    pub(crate) fn want_address(&mut self, now: Mono, id: PeerId) {
        if self.may_want_address(now, id) {
            let peer = self.peers.get_mut(id);
            peer.last_address_wanted = Some(now);
            let peer = peer.identity.address;
            self.event(Vl1Event::AddressWanted { peer });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkId;

    fn key(n: u32) -> Key {
        let remote = Endpoint::Ip(std::net::SocketAddr::from((n.to_be_bytes(), 9993)));
        (Address::new(5), Path { link: LinkId(1), remote })
    }

    const T: Mono = Mono(60_000_000);

    #[test]
    fn a_question_is_asked_once_a_second_and_its_answer_holds_for_a_minute() {
        let mut c = Consents::default();
        assert_eq!(c.judge(T, key(1), true), Verdict::Ask);
        assert_eq!(c.judge(T, key(1), true), Verdict::Asked);
        assert_eq!(c.judge(T + ASK_AGAIN, key(1), false), Verdict::Ask);
        assert_eq!(c.answer(T, key(1), true), Some(false));
        assert_eq!(c.answer(T, key(1), true), None, "nothing waits any more");
        assert_eq!(c.judge(T, key(1), true), Verdict::Allowed);
        assert_eq!(c.judge(T + VALID, key(1), true), Verdict::Ask);
        assert_eq!(c.answer(T, key(2), false), None);
        assert_eq!(c.judge(T, key(2), true), Verdict::Refused);
    }

    #[test]
    fn memory_is_bounded() {
        let mut c = Consents::default();
        for n in 0..10_000 {
            assert_eq!(c.judge(T, key(n), true), Verdict::Ask);
        }
        assert!(c.table.len() <= MAX_CONSENTS && c.order.len() <= MAX_CONSENTS);
        assert_eq!(c.judge(T, key(9_999), true), Verdict::Asked);
        c.expire(T + VALID);
        assert!(c.table.is_empty() && c.order.is_empty());
    }
}
