//! Locks of the C library in the shape of std's. Helgrind knows what happens before what by watching these; locks of
//! std are a few instructions and a system call, which tell it nothing, so that it would report every access under them.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

/// An object of the C library that must stay where it is: made when it is used first.
struct Placed<T>(AtomicPtr<T>);

impl<T> Placed<T> {
    const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn get(&self, initial: T) -> *mut T {
        let there = self.0.load(Ordering::Acquire);
        if !there.is_null() {
            return there;
        }
        let made = Box::into_raw(Box::new(initial));
        match self.0.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(there) => {
                // SAFETY: made just above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                there
            }
        }
    }

    /// Takes it away, if it was made.
    fn take(&mut self) -> Option<Box<T>> {
        let there = core::mem::replace(self.0.get_mut(), ptr::null_mut());
        // SAFETY: from `Box::into_raw` in `get`, and no longer known to anybody.
        (!there.is_null()).then(|| unsafe { Box::from_raw(there) })
    }
}

/// As [`std::sync::Mutex`].
pub(crate) struct Mutex<T> {
    raw: Placed<libc::pthread_mutex_t>,
    poisoned: UnsafeCell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, that which holds the lock.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { raw: Placed::new(), poisoned: UnsafeCell::new(false), value: UnsafeCell::new(value) }
    }

    fn raw(&self) -> *mut libc::pthread_mutex_t {
        self.raw.get(libc::PTHREAD_MUTEX_INITIALIZER)
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        // SAFETY: initialised, and it stays where it is.
        let result = unsafe { libc::pthread_mutex_lock(self.raw()) };
        assert_eq!(result, 0, "a lock can be taken");
        self.guard()
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        // SAFETY: initialised, and it stays where it is.
        match unsafe { libc::pthread_mutex_trylock(self.raw()) } {
            0 => self.guard().map_err(TryLockError::Poisoned),
            _ => Err(TryLockError::WouldBlock),
        }
    }

    /// The lock is held.
    fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = MutexGuard { mutex: self, panicking: std::thread::panicking() };
        // SAFETY: only whoever holds the lock reads or writes it.
        if unsafe { *self.poisoned.get() } { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        if let Some(mut raw) = self.raw.take() {
            // SAFETY: initialised, and nobody holds it: there is no other reference.
            unsafe { libc::pthread_mutex_destroy(&raw mut *raw) };
        }
    }
}

/// As [`std::sync::MutexGuard`].
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    panicking: bool,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the lock is held until the last line, by this thread.
        unsafe {
            if !self.panicking && std::thread::panicking() {
                *self.mutex.poisoned.get() = true;
            }
            libc::pthread_mutex_unlock(self.mutex.raw());
        }
    }
}

/// As [`std::sync::RwLock`], but for one reader at a time.
pub(crate) struct RwLock<T>(Mutex<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn read(&self) -> LockResult<MutexGuard<'_, T>> {
        self.0.lock()
    }

    pub(crate) fn write(&self) -> LockResult<MutexGuard<'_, T>> {
        self.0.lock()
    }
}

/// As [`std::sync::Condvar`].
pub(crate) struct Condvar(Placed<libc::pthread_cond_t>);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(Placed::new())
    }

    fn raw(&self) -> *mut libc::pthread_cond_t {
        self.0.get(libc::PTHREAD_COND_INITIALIZER)
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        // SAFETY: both are initialised and stay where they are; the guard says that the lock is held.
        let result = unsafe { libc::pthread_cond_wait(self.raw(), guard.mutex.raw()) };
        assert_eq!(result, 0, "one can wait");
        let mutex = guard.mutex;
        core::mem::forget(guard);
        mutex.guard()
    }

    pub(crate) fn notify_all(&self) {
        // SAFETY: initialised, and it stays where it is.
        unsafe { libc::pthread_cond_broadcast(self.raw()) };
    }
}

impl Drop for Condvar {
    fn drop(&mut self) {
        if let Some(mut raw) = self.0.take() {
            // SAFETY: initialised, and nobody waits: there is no other reference.
            unsafe { libc::pthread_cond_destroy(&raw mut *raw) };
        }
    }
}
