//! The host's state objects, by kind and number (08 §A.4), under the names of the data store.

use super::{Host, Thread};
use crate::store::{IDENTITY_PUBLIC, IDENTITY_SECRET, IdentityStore, StoreFailed};
use zt_node::engine::Persist;
use zt_wire::world::WorldKind;

/// Kind of a state object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    IdentityPublic,
    IdentitySecret,
    Planet,
    Moon,
    Peer,
    NetworkConfig,
}

/// The state of a host during one call.
pub(crate) struct State<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) thread: Thread,
}

impl State<'_> {
    pub(super) fn planet(&self) -> Option<Vec<u8>> {
        self.host.state_get(self.thread, StateKind::Planet, 0)
    }

    /// Keeps what the engine wants to outlive the process.
    pub(super) fn keep(&self, persist: &Persist) {
        let (kind, id, bytes) = match persist {
            Persist::World(WorldKind::Moon, id, bytes) => (StateKind::Moon, *id, bytes.as_deref()),
            Persist::World(_, id, bytes) => (StateKind::Planet, *id, bytes.as_deref()),
            Persist::NetworkConfig(network, text) => (StateKind::NetworkConfig, network.0, Some(text.as_slice())),
            Persist::Peer(address, record) => (StateKind::Peer, address.as_u64(), Some(record.as_slice())),
        };
        self.host.state_put(self.thread, kind, id, bytes);
    }
}

/// The two objects of an identity. Its number is the address, at the start of the text.
impl IdentityStore for State<'_> {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed> {
        Ok(self.host.state_get(self.thread, kind_of(name)?, 0))
    }

    fn put(&self, name: &str, object: &[u8], _secure: bool) -> Result<(), StoreFailed> {
        let address = object.get(..10).and_then(|digits| std::str::from_utf8(digits).ok());
        let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(StoreFailed)?;
        self.host.state_put(self.thread, kind_of(name)?, address, Some(object));
        Ok(())
    }
}

fn kind_of(name: &str) -> Result<StateKind, StoreFailed> {
    match name {
        IDENTITY_SECRET => Ok(StateKind::IdentitySecret),
        IDENTITY_PUBLIC => Ok(StateKind::IdentityPublic),
        _ => Err(StoreFailed),
    }
}
