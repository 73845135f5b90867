//! What a store holds, and how it changes.

use std::sync::Arc;

use zt_wire::ident::{Address, NetworkId};

use super::member::Member;
use super::network::Network;

/// Names one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A network.
    Network(NetworkId),
    /// A member of a network.
    Member(NetworkId, Address),
}

impl Key {
    /// The network the record belongs to.
    #[must_use]
    pub fn network(self) -> NetworkId {
        match self {
            Self::Network(n) | Self::Member(n, _) => n,
        }
    }
}

/// Names one state of a record; later ones are greater. A record that was removed and made again begins with revision 1 as the first one did, but
/// was made at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// When the record was made, Unix milliseconds.
    pub made: i64,
    /// Number of the change.
    pub revision: u64,
}

/// One record of the store. [`Network::to_json`] and [`Member::to_json`] are the form of 05 §2 and §3, for stores that
/// keep text.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A network.
    Network(Arc<Network>),
    /// A member of a network.
    Member(Arc<Member>),
}

impl Record {
    /// Which record it is.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Network(network) => Key::Network(network.id),
            Self::Member(member) => Key::Member(member.network, member.address),
        }
    }

    /// Which state of it this is.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::Network(network) => network.record_version(),
            Self::Member(member) => member.record_version(),
        }
    }
}

impl From<Network> for Record {
    fn from(network: Network) -> Self {
        Self::Network(Arc::new(network))
    }
}

impl From<Member> for Record {
    fn from(member: Member) -> Self {
        Self::Member(Arc::new(member))
    }
}

/// One record to write or to remove.
///
/// A change is whole: a store that nobody else writes to does what it says. One that others write to makes it only if the
/// stored record still is the one that it was made from ([`replaces`](Self::replaces)), and if no commit that it was built on
/// was refused ([`built_on`](Self::built_on)); else two controllers would undo each other's work.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The record is to be as given.
    Put {
        /// The record.
        record: Record,
        /// The record that it was made from; `None`: there was none.
        replaces: Option<Version>,
        /// For a member: when its network was made.
        within: Option<i64>,
        /// Number of the commit that wrote that record, or the network around it, and is not decided yet.
        built_on: Option<u64>,
    },
    /// The record is to be gone. The removal of a network comes with one change for each of its members that is known
    /// here; a store that others write to removes all that it has.
    Remove {
        /// Which record.
        key: Key,
        /// The record that is removed.
        replaces: Version,
        /// For a member: when its network was made.
        within: Option<i64>,
        /// As with `Put`.
        built_on: Option<u64>,
    },
}

impl Change {
    /// A record that somebody put there, whatever was there before.
    #[must_use]
    pub fn put(record: impl Into<Record>) -> Self {
        Self::Put { record: record.into(), replaces: None, within: None, built_on: None }
    }

    /// The removal of a record.
    #[must_use]
    pub fn remove(key: Key, replaces: Version) -> Self {
        Self::Remove { key, replaces, within: None, built_on: None }
    }

    /// Which record it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Put { record, .. } => record.key(),
            Self::Remove { key, .. } => *key,
        }
    }

    /// The record afterwards; `None`: it is gone.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Put { record, .. } => Some(record),
            Self::Remove { .. } => None,
        }
    }

    /// Number of the undecided commit that this change was built on: if that is refused, this is to be refused, too.
    #[must_use]
    pub fn built_on(&self) -> Option<u64> {
        match self {
            Self::Put { built_on, .. } | Self::Remove { built_on, .. } => *built_on,
        }
    }

    /// For a member: when its network was made. A network that was removed and made again is another one.
    #[must_use]
    pub fn within(&self) -> Option<i64> {
        match self {
            Self::Put { within, .. } | Self::Remove { within, .. } => *within,
        }
    }

    pub(super) fn set_within(&mut self, made: Option<i64>) {
        match self {
            Self::Put { within, .. } | Self::Remove { within, .. } => *within = made,
        }
    }

    pub(super) fn set_built_on(&mut self, commit: Option<u64>) {
        match self {
            Self::Put { built_on, .. } | Self::Remove { built_on, .. } => *built_on = commit,
        }
    }

    /// The stored record must be this one for the change to be right; `None`: there must be none. The network of a member must
    /// be there, made at the time of [`within`](Self::within).
    #[must_use]
    pub fn replaces(&self) -> Option<Version> {
        match self {
            Self::Put { replaces, .. } => *replaces,
            Self::Remove { replaces, .. } => Some(*replaces),
        }
    }
}
