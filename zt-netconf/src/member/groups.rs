//! The groups this node listens to on a network (04 §7.4).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::MulticastGroup;
use zt_wire::time::Mono;

/// How long a group of a host bridged behind us is kept.
const BRIDGED: Duration = Duration::from_millis(1_200_000);
/// Most groups of hosts bridged behind us.
const MOST_BRIDGED: usize = 4096;
/// Most groups taken from the port.
const MOST_OF_PORT: usize = 4096;

/// Groups of the port, and of hosts bridged behind us.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    port: BTreeSet<MulticastGroup>,
    bridged: BTreeMap<MulticastGroup, Mono>,
}

impl Groups {
    /// True when a host at the port, or behind us, listens to the group.
    pub(crate) fn contains(&self, group: MulticastGroup) -> bool {
        self.port.contains(&group) || self.bridged.contains_key(&group)
    }

    /// All of them, each once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = MulticastGroup> + '_ {
        let bridged = self.bridged.keys().filter(|group| !self.port.contains(group));
        self.port.iter().chain(bridged).copied()
    }

    /// Takes the groups of the port.
    pub(crate) fn set_port(&mut self, groups: &[MulticastGroup]) {
        self.port = groups.iter().copied().take(MOST_OF_PORT).collect();
    }

    /// Notes a group of a host behind us; false when there is no place for one more.
    pub(crate) fn note_bridged(&mut self, now: Mono, group: MulticastGroup) -> bool {
        let room = self.bridged.len() < MOST_BRIDGED || self.bridged.contains_key(&group);
        if room {
            self.bridged.insert(group, now);
        }
        room
    }

    /// Forgets what hosts behind us have not used for long.
    pub(crate) fn expire(&mut self, now: Mono) {
        self.bridged.retain(|_, seen| now.saturating_since(*seen) < BRIDGED);
    }
}
