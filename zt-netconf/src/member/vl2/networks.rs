//! The joined networks, and which of them has something to do: no call walks through all of them.

use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::NetworkId;
use zt_wire::time::Mono;

use crate::member::network::Network;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    table: BTreeMap<NetworkId, Joined>,
    /// When each is due, but for those that were lent out since.
    due: BTreeSet<(Mono, NetworkId)>,
    /// Those that were lent out to be changed: when they are due may be another time now.
    lent: Vec<NetworkId>,
}

#[derive(Debug)]
struct Joined {
    network: Network,
    /// As in `due` of the table; [`Mono::FAR`] = it is not there.
    due: Mono,
    lent: bool,
}

impl Networks {
    pub(crate) fn get(&self, id: &NetworkId) -> Option<&Network> {
        self.table.get(id).map(|joined| &joined.network)
    }

    pub(crate) fn get_mut(&mut self, id: &NetworkId) -> Option<&mut Network> {
        let joined = self.table.get_mut(id)?;
        if !joined.lent {
            joined.lent = true;
            self.lent.push(*id);
        }
        Some(&mut joined.network)
    }

    pub(crate) fn contains_key(&self, id: &NetworkId) -> bool {
        self.table.contains_key(id)
    }

    /// In order of ID.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Network> {
        self.table.values().map(|joined| &joined.network)
    }

    /// In order of ID. For what concerns all of them, and is seldom.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Network> {
        let Self { table, lent, .. } = self;
        table.iter_mut().map(|(id, joined)| {
            if !joined.lent {
                joined.lent = true;
                lent.push(*id);
            }
            &mut joined.network
        })
    }

    /// Adds one that is not there.
    pub(crate) fn insert(&mut self, id: NetworkId, network: Network) {
        self.table.insert(id, Joined { network, due: Mono::FAR, lent: true });
        self.lent.push(id);
    }

    pub(crate) fn remove(&mut self, id: &NetworkId) -> Option<Network> {
        let joined = self.table.remove(id)?;
        self.due.remove(&(joined.due, *id));
        Some(joined.network)
    }

    /// Notes when those are due that were lent out.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = self.lent.pop() {
            let Some(joined) = self.table.get_mut(&id).filter(|joined| joined.lent) else { continue };
            joined.lent = false;
            let (due, _) = joined.network.next_timeout();
            if due != joined.due {
                self.due.remove(&(joined.due, id));
                self.due.insert((due, id));
                joined.due = due;
            }
        }
    }

    /// Those that are due, in order of ID; of many those that are due longest.
    pub(crate) fn due(&mut self, now: Mono, most: usize) -> Vec<NetworkId> {
        self.settle();
        let due = self.due.iter().take_while(|(at, _)| *at <= now).take(most);
        let mut due: Vec<_> = due.map(|(_, id)| *id).collect();
        due.sort_unstable();
        due
    }

    /// When one is due, and why.
    pub(crate) fn next_timeout(&self) -> Option<(Mono, &'static str)> {
        let first = self.due.iter().find(|(_, id)| self.table.get(id).is_some_and(|joined| !joined.lent));
        let ids = first.map(|(_, id)| id).into_iter().chain(&self.lent);
        ids.filter_map(|id| self.get(id)).map(Network::next_timeout).min_by_key(|(at, _)| *at)
    }
}
