//! State that outlives the process, as named values.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use zt_wire::{Address, NetworkId};

pub use crate::file_state::FileState;
pub use crate::files::{create_folder, is_temporary, write_atomically};

/// Name of one stored value (06 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKey {
    /// The planet of the stock layout: file `planet`.
    Planet,
    /// A further planet, by world ID: file `planets.d/<16 hex>.planet`.
    ExtraPlanet(u64),
    /// A moon, by world ID: file `moons.d/<16 hex>.moon`.
    Moon(u64),
    /// Configuration dictionary of a joined network: file `networks.d/<16 hex>.conf`.
    NetworkConfig(NetworkId),
    /// Local settings of a network: file `networks.d/<16 hex>.local.conf`.
    NetworkSettings(NetworkId),
    /// Cached peer: file `peers.d/<10 hex>.peer`.
    Peer(Address),
}

impl StateKey {
    /// Its file, relative to the home folder.
    pub(crate) fn file(self) -> PathBuf {
        match self {
            Self::Planet => "planet".into(),
            Self::ExtraPlanet(id) => format!("planets.d/{id:016x}.planet").into(),
            Self::Moon(id) => format!("moons.d/{id:016x}.moon").into(),
            Self::NetworkConfig(id) => format!("networks.d/{id}.conf").into(),
            Self::NetworkSettings(id) => format!("networks.d/{id}.local.conf").into(),
            Self::Peer(address) => format!("peers.d/{address}.peer").into(),
        }
    }
}

/// Where a node keeps its state. Implemented by [`FileState`] for daemons and [`MemoryState`] for embedders.
pub trait StateStore: Send {
    /// The stored value, if there is one.
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>>;
    /// Replaces (or with `None` removes) a value; on return it is durable. Records of peers are a cache: they need not be, and
    /// a store may forget some.
    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()>;
    /// All keys present, in order.
    fn keys(&self) -> io::Result<Vec<StateKey>>;
    /// Forgets records of peers that were not written for so long that they are worth nothing (30 days, 03 §12);
    /// returns how many. Stores without times keep theirs.
    fn discard_old_peers(&mut self) -> io::Result<usize> {
        Ok(0)
    }
}

/// State in memory only.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(BTreeMap<StateKey, Vec<u8>>);

impl StateStore for MemoryState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&key).cloned())
    }

    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        match value {
            Some(value) => self.0.insert(key, value.to_vec()),
            None => self.0.remove(&key),
        };
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<StateKey>> {
        Ok(self.0.keys().copied().collect())
    }
}
