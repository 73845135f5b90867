//! The C boundary: the only place of this crate with `unsafe`.
//!
//! A function here checks what C gave it, turns it into values, calls the safe code and turns the answer back. No panic
//! leaves it: a fault of ours becomes an error code.

#![expect(unsafe_code, reason = "C calls in and is called")]

mod arrays;
mod controllers;
mod function_store;
mod pointers;
#[cfg(feature = "helgrind")]
mod pthread_locks;
mod results;
mod sockaddr;
pub mod zt;
pub mod zt1;

pub(crate) use arrays::Arrays;
use core::ffi::c_uint;
#[cfg(feature = "helgrind")]
pub(crate) use pthread_locks::{Condvar, Mutex, MutexGuard, RwLock};

/// Longest payload of UDP, and longest frame of any network (08 §A.1), bytes.
const MAX_PACKET: c_uint = 65_535;
const MAX_FRAME: c_uint = zt::abi::ZT_MAX_MTU;

/// Version of this library.
const VERSION: (i32, i32, i32) = {
    const fn number(text: &str) -> i32 {
        let (bytes, mut at, mut n) = (text.as_bytes(), 0, 0);
        while at < bytes.len() {
            n = n * 10 + (bytes[at] - b'0') as i32;
            at += 1;
        }
        n
    }
    (
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
};
