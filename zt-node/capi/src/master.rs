//! The network controller that a host makes and gives to a node, and where it keeps its networks.

use crate::lock::Mutex;
use crate::store::{DataStore, StoreFailed};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use zt_netconf::controller::{Change, Key, Record};

/// Object that names all others, as a store of named objects cannot list them.
const INDEX: &str = "controller.d/index";

/// A controller made by the host.
pub(crate) struct Master {
    /// Its own store; `None`: that of the node it is given to.
    own: Option<Arc<dyn DataStore>>,
    attached: Mutex<Option<Attached>>,
}

/// What is known once the controller belongs to a node.
struct Attached {
    store: Arc<dyn DataStore>,
    /// Handle of the node.
    node: usize,
    index: BTreeSet<Key>,
}

/// Why a controller cannot be given to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAttached {
    /// It belongs to another node, or the node has one.
    Taken,
    /// Its records cannot be read.
    Store,
    /// The node had a fault.
    Broken,
}

impl Master {
    /// A controller that keeps its networks in `own`, or else where its node keeps its objects.
    pub(crate) const fn new(own: Option<Arc<dyn DataStore>>) -> Self {
        Self { own, attached: Mutex::new(None) }
    }

    /// Gives the controller to a node, and reads its records: networks before their members.
    pub(crate) fn attach(&self, node: usize, store: Option<Arc<dyn DataStore>>) -> Result<Vec<Record>, NotAttached> {
        if self.node().is_some() {
            return Err(NotAttached::Taken);
        }
        let store = self.own.clone().or(store).unwrap_or_else(|| Arc::new(Memory::default()));
        let index = read_index(&*store).map_err(|_| NotAttached::Store)?;
        let mut records = Vec::new();
        for &key in &index {
            // Named in the index but not there: it was removed, and the process ended in between.
            if let Some(bytes) = store.get(&object_name(key)).map_err(|_| NotAttached::Store)? {
                let object = serde_json::from_slice::<Map<String, Value>>(&bytes).map_err(|_| NotAttached::Store)?;
                records.push(Record::from_json(key, object));
            }
        }
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        if attached.is_some() {
            return Err(NotAttached::Taken);
        }
        *attached = Some(Attached { store, node, index });
        drop(attached);
        Ok(records)
    }

    /// The node was deleted.
    pub(crate) fn detach(&self) {
        *self.attached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Handle of the node it serves.
    pub(crate) fn node(&self) -> Option<usize> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|attached| attached.node)
    }

    /// Makes changes durable. An object is written before the index names it, and struck from the index before it is
    /// removed, so that a crash in between loses nothing and leaves at most an object that nobody names.
    pub(crate) fn write(&self, changes: &[Change]) -> Result<(), StoreFailed> {
        let (store, mut index) = {
            let attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
            let attached = attached.as_ref().ok_or(StoreFailed)?;
            (Arc::clone(&attached.store), attached.index.clone())
        };
        let mut renamed = false;
        for change in changes {
            let key = change.key();
            match change.record() {
                Some(record) => {
                    let text = Value::Object(record.to_json()).to_string();
                    store.put(&object_name(key), Some(text.as_bytes()), true)?;
                    renamed |= index.insert(key);
                }
                None => renamed |= index.remove(&key),
            }
        }
        if renamed {
            store.put(INDEX, Some(index_text(&index).as_bytes()), true)?;
        }
        for change in changes.iter().filter(|change| change.record().is_none()) {
            store.put(&object_name(change.key()), None, true)?;
        }
        if let Some(attached) = self.attached.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            attached.index = index;
        }
        Ok(())
    }
}

fn object_name(key: Key) -> String {
    match key {
        Key::Network(network) => format!("controller.d/network/{network}.json"),
        Key::Member(network, member) => format!("controller.d/network/{network}/member/{member}.json"),
    }
}

fn index_text(index: &BTreeSet<Key>) -> String {
    let line = |key: &Key| match key {
        Key::Network(network) => format!("{network}\n"),
        Key::Member(network, member) => format!("{network} {member}\n"),
    };
    index.iter().map(line).collect()
}

fn read_index(store: &dyn DataStore) -> Result<BTreeSet<Key>, StoreFailed> {
    let bytes = store.get(INDEX)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|_| StoreFailed)?;
    let key = |line: &str| match line.split_once(' ') {
        None => line.parse().ok().map(Key::Network),
        Some((network, member)) => Some(Key::Member(network.parse().ok()?, member.parse().ok()?)),
    };
    text.lines().map(|line| key(line).ok_or(StoreFailed)).collect()
}

/// A store for controllers whose host wants nothing kept.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl DataStore for Memory {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed> {
        Ok(self.0.lock().map_err(|_| StoreFailed)?.get(name).cloned())
    }

    fn put(&self, name: &str, object: Option<&[u8]>, _secure: bool) -> Result<(), StoreFailed> {
        let mut objects = self.0.lock().map_err(|_| StoreFailed)?;
        match object {
            Some(bytes) => objects.insert(name.to_owned(), bytes.to_vec()),
            None => objects.remove(name),
        };
        Ok(())
    }

    fn list(&self, _folder: &str) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::{Address, NetworkId};

    fn record(key: Key, text: &str) -> Record {
        Record::from_json(key, serde_json::from_str(text).expect("an object"))
    }

    #[test]
    fn records_are_found_again_and_removed_ones_are_not() {
        let store: Arc<dyn DataStore> = Arc::new(Memory::default());
        let (network, member) = (NetworkId(0x1122_3344_5566_7788), Address::new(0x99_aabb_ccdd));
        let master = Master::new(Some(Arc::clone(&store)));
        assert_eq!(master.attach(1, None), Ok(vec![]));
        assert_eq!(master.attach(2, None), Err(NotAttached::Taken));
        let written = [
            record(Key::Network(network), r#"{"name":"lan"}"#),
            record(Key::Member(network, member), r#"{"authorized":true}"#),
        ];
        master.write(&written.clone().map(Change::put)).expect("written");
        let again = Master::new(Some(Arc::clone(&store)));
        assert_eq!(again.attach(3, None).expect("read"), written);
        let gone = Change::remove(written[1].key(), written[1].version());
        again.write(&[gone]).expect("removed");
        let last = Master::new(Some(store));
        assert_eq!(last.attach(4, None).expect("read"), written[..1]);
    }
}
