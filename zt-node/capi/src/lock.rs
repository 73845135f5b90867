//! The locks of this library: those of std, or with the feature `helgrind` those of the C library.

#[cfg(feature = "helgrind")]
pub(crate) use crate::sys::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(feature = "helgrind"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock};
