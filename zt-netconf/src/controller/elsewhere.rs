//! Changes that somebody else made in the store: another controller, or a tool beside it.
//!
//! They are in the store already, so taking one in writes nothing: members are told, and that is all. A change of a record
//! that a commit of ours is on its way for waits until that is decided. Either our commit was first, then theirs was made
//! from ours and comes after it; or theirs was, then the store refuses our commit ([`Change::replaces`]), ours is taken
//! back with all that was built on it, and theirs comes in its place.

use std::sync::Arc;

use zt_wire::time::Now;

use super::member::Member;
use super::record::{Change, Key, Record, Version};
use super::{Controller, Decision, Effect};

impl Controller {
    /// Takes a change that was made elsewhere. Changes of one network come in the order in which the store made them; those
    /// that this controller made itself do not come. What is of before the record that we hold is ignored, as is what makes
    /// no difference (`false`). Nothing is written. Before [`start`](Self::start) this is
    /// [`load`](Self::load).
    pub fn handle_change(&mut self, now: Now, change: Change) -> bool {
        if !self.ready {
            return match change {
                Change::Put { record, .. } => self.load(record),
                Change::Remove { key, .. } => self.unload(key),
            };
        }
        if self.is_undecided(&change) {
            self.elsewhere.push_back(change);
            return true;
        }
        match change {
            Change::Put { record: Record::Network(new), .. } => {
                let held = self.networks.get(&new.id).map(|n| n.network());
                if held.is_some_and(|h| h.same_as(&new) || new.record_version() < h.record_version()) {
                    return false;
                }
                let id = new.id;
                self.put_network(id, Some(new));
                self.perform(now, Effect::PushNetwork(id));
                true
            }
            Change::Put { record: Record::Member(new), within, .. } => self.take_member(now, new, within),
            Change::Remove { key, replaces, .. } => self.take_removal(now, key, replaces),
        }
    }

    /// Takes in what waited for commits that are decided now.
    pub(super) fn take_waiting(&mut self, now: Now) {
        for change in std::mem::take(&mut self.elsewhere) {
            self.handle_change(now, change);
        }
    }

    /// A commit of ours is under way that the change may collide with, or an earlier change waits for one.
    fn is_undecided(&self, change: &Change) -> bool {
        let key = change.key();
        let whole = Key::Network(key.network());
        let collides = |waiting: Key| waiting == key || waiting == whole || key == Key::Network(waiting.network());
        self.journal.undecided(key).is_some() || self.elsewhere.iter().any(|waiting| collides(waiting.key()))
    }

    fn take_member(&mut self, now: Now, new: Arc<Member>, within: Option<i64>) -> bool {
        let (id, address) = (new.network, new.address);
        let Some(state) = self.networks.get_mut(&id) else { return false };
        // Of a network that is gone, and made again since.
        if within.is_some_and(|made| made != state.network().creation_time) {
            return false;
        }
        let held = state.member(address);
        if held.is_some_and(|h| h.same_as(&new) || new.record_version() < h.record_version()) {
            return false;
        }
        let effects = Self::news_of_member(held.map(|h| &**h), &new, true);
        self.stamps.remember_member(&new);
        state.set_member(address, Some(new));
        for effect in effects {
            self.perform(now, effect);
        }
        true
    }

    fn take_removal(&mut self, now: Now, key: Key, gone: Version) -> bool {
        let state = self.networks.get(&key.network());
        let held = state.and_then(|state| match key {
            Key::Network(_) => Some(state.network().record_version()),
            Key::Member(_, address) => state.member(address).map(|m| m.record_version()),
        });
        // What was made again since is not what is gone.
        if held.is_none_or(|held| held > gone) {
            return false;
        }
        match key {
            Key::Network(id) => {
                let Some(state) = self.networks.remove(&id) else { return false };
                let authorized = state.members().filter(|m| m.authorized).map(|m| m.address).collect();
                self.perform(now, Effect::Dissolve(id, authorized));
                self.perform(now, Effect::Tell(Decision::Removed(id)));
                true
            }
            Key::Member(id, address) => {
                let gone = self.networks.get_mut(&id).and_then(|n| n.set_member(address, None));
                let Some(gone) = gone else { return false };
                for effect in Self::news_of_removal(&gone) {
                    self.perform(now, effect);
                }
                true
            }
        }
    }
}
