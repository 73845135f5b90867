//! Handles that C programs hold: numbers in the shape of pointers, looked up and never followed. A handle that was
//! deleted, or was never one, is found missing instead of being used.

use crate::lock::RwLock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

/// The next number of any table, so that a handle of one kind is none of another. Never given twice.
static NEXT: AtomicUsize = AtomicUsize::new(0x1000);
/// Distance of handles: as if they were addresses of objects.
const STEP: usize = 0x10;

/// A number for something that is about to exist.
pub(crate) fn reserve() -> usize {
    NEXT.fetch_add(STEP, Ordering::Relaxed)
}

/// The living objects of one kind.
pub(crate) struct Table<T> {
    live: RwLock<BTreeMap<usize, Arc<T>>>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { live: RwLock::new(BTreeMap::new()) }
    }

    /// Lets `handle` name an object.
    pub(crate) fn insert(&self, handle: usize, object: Arc<T>) {
        self.live.write().unwrap_or_else(PoisonError::into_inner).insert(handle, object);
    }

    /// The object of a handle, if it lives.
    pub(crate) fn get(&self, handle: usize) -> Option<Arc<T>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(&handle).map(Arc::clone)
    }

    /// Ends a handle. The object lives on until nobody is inside it.
    pub(crate) fn remove(&self, handle: usize) -> Option<Arc<T>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner).remove(&handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_found_until_it_is_removed_and_never_given_again() {
        let table = Table::new();
        let (first, second) = (reserve(), reserve());
        assert_ne!(first, second);
        table.insert(first, Arc::new(1));
        assert_eq!(table.get(first).as_deref(), Some(&1));
        assert!(table.get(second).is_none());
        assert!(table.remove(first).is_some());
        assert!(table.remove(first).is_none(), "deleted twice");
        assert!(table.get(first).is_none());
    }
}
