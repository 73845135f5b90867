//! Answers to queries: memory that C holds until it gives it back.

use core::ffi::{c_char, c_void};
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

/// Something whose address C has. The pointers inside lead to what it owns itself.
struct Owned(#[expect(dead_code, reason = "kept alive, and dropped when given back")] Box<dyn Any>);

// SAFETY: an answer is written once, before C gets its address, and Rust only ever drops it.
unsafe impl Send for Owned {}

/// All answers that C holds, by address: giving one back twice, or something that is none, is found out.
static HELD: Mutex<BTreeMap<usize, Owned>> = Mutex::new(BTreeMap::new());

/// Lets C have an answer; the address is that of the boxed value.
pub(super) fn hold<T: Any>(mut answer: Box<T>) -> *mut c_void {
    let address: *mut c_void = core::ptr::from_mut(&mut *answer).cast();
    HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(address.addr(), Owned(answer));
    address
}

/// Lets C have text.
pub(super) fn hold_text(text: CString) -> *mut c_char {
    let address = text.into_raw();
    // SAFETY: it comes from `into_raw` just above; only the owner moves, the bytes stay where they are.
    let text = unsafe { CString::from_raw(address) };
    HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(address.addr(), Owned(Box::new(text)));
    address
}

/// C gives an answer back. NULL, and what is no answer, is ignored.
pub(super) fn give_back(address: *mut c_void) {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&address.addr());
    drop(held);
}
