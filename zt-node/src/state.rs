//! State that outlives the process, as named values.

use std::collections::BTreeMap;
use std::io;
use zt_wire::{Address, NetworkId};

pub use crate::file_state::FileState;
pub use crate::files::{create_folder, is_temporary, write_atomically, write_cache};

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
    /// Folders below a home that hold keys.
    pub const FOLDERS: [&'static str; 4] = ["planets.d", "moons.d", "networks.d", "peers.d"];

    /// Its name: the path of its file, relative to the home folder (06 §2).
    pub fn name(self) -> String {
        match self {
            Self::Planet => "planet".to_owned(),
            Self::ExtraPlanet(id) => format!("planets.d/{id:016x}.planet"),
            Self::Moon(id) => format!("moons.d/{id:016x}.moon"),
            Self::NetworkConfig(id) => format!("networks.d/{id}.conf"),
            Self::NetworkSettings(id) => format!("networks.d/{id}.local.conf"),
            Self::Peer(address) => format!("peers.d/{address}.peer"),
        }
    }

    /// The key that has this name. Names that [`StateKey::name`] does not give are nobody's: they belong to other software,
    /// or to people.
    pub fn of_name(name: &str) -> Option<Self> {
        let key = if let Some((folder, file)) = name.split_once('/') {
            let (stem, ending) = file.split_once('.')?;
            let number = u64::from_str_radix(stem, 16).ok()?;
            match (folder, ending) {
                ("planets.d", "planet") => Self::ExtraPlanet(number),
                ("moons.d", "moon") => Self::Moon(number),
                ("networks.d", "conf") => Self::NetworkConfig(NetworkId(number)),
                ("networks.d", "local.conf") => Self::NetworkSettings(NetworkId(number)),
                ("peers.d", "peer") => Self::Peer(Address::new(number)),
                _ => return None,
            }
        } else {
            Self::Planet
        };
        (key.name() == name).then_some(key)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_name_and_other_names_are_nobodys() {
        let network = NetworkId(0x8056_c2e2_1c00_0001);
        let keys = [
            StateKey::Planet,
            StateKey::ExtraPlanet(7),
            StateKey::Moon(8),
            StateKey::NetworkConfig(network),
            StateKey::NetworkSettings(network),
            StateKey::Peer(Address::new(9)),
        ];
        for key in keys {
            assert_eq!(StateKey::of_name(&key.name()), Some(key));
        }
        let others =
            ["", "identity.secret", "networks.d/x.conf", "networks.d/.8056c2e21c000001.conf.0a.tmp", "moons.d/8.moon"];
        for name in others.into_iter().chain(["peers.d/0000000009", "peers.d/000000000000000009.peer", "moons.d"]) {
            assert_eq!(StateKey::of_name(name), None, "{name}");
        }
    }
}
