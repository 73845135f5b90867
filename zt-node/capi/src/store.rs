//! The data store of a node: named objects (08 §B.5), kept by the host or as files under a home folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use zt_crypto::SecretIdentity;
use zt_node::engine::Persist;
use zt_node::state::{create_folder, write_atomically};
use zt_node::{OsEntropy, StateKey};
use zt_wire::world::WorldKind;

/// Longest object that is read: a configuration has at most 484,520 bytes (04 §2.5).
pub(crate) const MAX_OBJECT: usize = 1 << 20;

/// Name of the secret identity.
pub(crate) const IDENTITY_SECRET: &str = "identity.secret";
/// Name of the public identity.
pub(crate) const IDENTITY_PUBLIC: &str = "identity.public";

/// Name of a world. The first planet has the name of old; `first` is its ID.
pub(crate) fn world_name(kind: WorldKind, id: u64, first: Option<u64>) -> String {
    match kind {
        WorldKind::Moon => StateKey::Moon(id).name(),
        _ if first.is_none_or(|first| first == id) => StateKey::Planet.name(),
        _ => StateKey::ExtraPlanet(id).name(),
    }
}

/// The data store did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreFailed;

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data store failed")
    }
}

/// Named objects that outlive the process. A write that returns is durable.
pub(crate) trait DataStore: Send + Sync {
    /// The object, if there is one, of at most [`MAX_OBJECT`] bytes.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed>;
    /// Replaces (`None`: removes) an object. `secure`: only the owner may read it.
    fn put(&self, name: &str, object: Option<&[u8]>, secure: bool) -> Result<(), StoreFailed>;
    /// Names in a folder (`networks.d`), as far as the store can tell.
    fn list(&self, folder: &str) -> Vec<String>;
}

/// Objects as files under a home folder.
pub(crate) struct Folder {
    home: PathBuf,
}

impl Folder {
    /// Uses `home`, and makes it if it is not there.
    pub(crate) fn open(home: PathBuf) -> Result<Self, StoreFailed> {
        create_folder(&home).map_err(|_| StoreFailed)?;
        Ok(Self { home })
    }

    /// Never outside of the home folder, whatever the name.
    fn path(&self, name: &str) -> Result<PathBuf, StoreFailed> {
        let safe = !name.contains("..") && !name.contains('\\') && !name.starts_with('/') && !name.is_empty();
        if safe { Ok(self.home.join(name)) } else { Err(StoreFailed) }
    }
}

impl DataStore for Folder {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed> {
        let path = self.path(name)?;
        match fs::metadata(&path) {
            Ok(file) if file.len() > MAX_OBJECT as u64 => Err(StoreFailed),
            Ok(_) => fs::read(&path).map(Some).map_err(|_| StoreFailed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(StoreFailed),
        }
    }

    fn put(&self, name: &str, object: Option<&[u8]>, secure: bool) -> Result<(), StoreFailed> {
        let path = self.path(name)?;
        match object {
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreFailed),
                _ => Ok(()),
            },
            Some(bytes) => {
                create_folder(path.parent().unwrap_or(&self.home)).map_err(|_| StoreFailed)?;
                write_atomically(&path, bytes, if secure { 0o600 } else { 0o644 }).map_err(|_| StoreFailed)
            }
        }
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = self.path(folder).and_then(|path| fs::read_dir(path).map_err(|_| StoreFailed)) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort_unstable();
        names
    }
}

/// The object in which the store keeps what the engine wants to outlive the process: its name and, unless it is to be
/// removed, its bytes.
pub(crate) fn object_of(persist: &Persist, first_planet: Option<u64>) -> (String, Option<&[u8]>) {
    match persist {
        Persist::World(kind, id, bytes) => (world_name(*kind, *id, first_planet), bytes.as_deref()),
        Persist::NetworkConfig(network, text) => (StateKey::NetworkConfig(*network).name(), Some(text)),
        Persist::Peer(address, record) => (StateKey::Peer(*address).name(), Some(record)),
    }
}

/// Why a node has no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoIdentity {
    /// The store failed.
    Store,
    /// What is stored is no identity.
    Damaged,
}

/// The part of a store that holds an identity.
pub(crate) trait IdentityStore {
    /// The object, if there is one.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed>;
    /// Replaces an object.
    fn put(&self, name: &str, object: &[u8], secure: bool) -> Result<(), StoreFailed>;
}

impl IdentityStore for &dyn DataStore {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed> {
        DataStore::get(*self, name)
    }

    fn put(&self, name: &str, object: &[u8], secure: bool) -> Result<(), StoreFailed> {
        DataStore::put(*self, name, Some(object), secure)
    }
}

/// The identity of the store, or a new one, which is stored: the secret one first.
pub(crate) fn identity(store: &impl IdentityStore) -> Result<SecretIdentity, NoIdentity> {
    let identity = match store.get(IDENTITY_SECRET).map_err(|_| NoIdentity::Store)? {
        Some(bytes) => {
            let text = std::str::from_utf8(&bytes).map_err(|_| NoIdentity::Damaged)?;
            SecretIdentity::from_text(text.trim()).map_err(|_| NoIdentity::Damaged)?
        }
        None => {
            let identity = SecretIdentity::generate(&mut OsEntropy);
            store.put(IDENTITY_SECRET, identity.to_text().as_bytes(), true).map_err(|_| NoIdentity::Store)?;
            identity
        }
    };
    let public = identity.identity().to_string();
    let stored = store.get(IDENTITY_PUBLIC).map_err(|_| NoIdentity::Store)?;
    if stored.as_deref().map(<[u8]>::trim_ascii) != Some(public.as_bytes()) {
        store.put(IDENTITY_PUBLIC, public.as_bytes(), false).map_err(|_| NoIdentity::Store)?;
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_the_home_folder() {
        let home = std::env::temp_dir().join(format!("ztcore-store-{}", std::process::id()));
        let folder = Folder::open(home.clone()).expect("a folder");
        for name in ["../x", "/etc/passwd", "a/../../x", "a\\x", ""] {
            assert_eq!(folder.put(name, Some(b"x"), false), Err(StoreFailed), "{name}");
            assert_eq!(folder.get(name), Err(StoreFailed), "{name}");
        }
        folder.put("networks.d/1.conf", Some(b"x"), true).expect("written");
        assert_eq!(folder.get("networks.d/1.conf"), Ok(Some(b"x".to_vec())));
        assert_eq!(folder.list("networks.d"), ["1.conf"]);
        folder.put("networks.d/1.conf", None, true).expect("removed");
        assert_eq!(folder.get("networks.d/1.conf"), Ok(None));
        fs::remove_dir_all(home).expect("removed");
    }
}
