//! Answers to queries: memory that C holds until it gives it back.

use crate::lock::Mutex;
use core::ffi::{c_char, c_void};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::PoisonError;

/// Something whose address C has, and what drops it. Rust keeps nothing but the address: C may write where the header
/// lets it.
struct Held {
    address: *mut c_void,
    free: unsafe fn(*mut c_void),
}

// SAFETY: what C holds is written before C gets its address, and Rust does nothing with it but drop it, once.
unsafe impl Send for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the address is of the kind that `free` expects, and nothing else drops it.
        unsafe { (self.free)(self.address) };
    }
}

/// All answers that C holds, by address: giving one back twice, or something that is none, is found out.
static HELD: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());

fn keep(held: Held) -> *mut c_void {
    let address = held.address;
    HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(address.addr(), held);
    address
}

/// Lets C have an answer; the address is that of the boxed value.
pub(super) fn hold<T>(answer: Box<T>) -> *mut c_void {
    unsafe fn free<T>(address: *mut c_void) {
        // SAFETY: the caller gives what `hold` made of such a box.
        drop(unsafe { Box::from_raw(address.cast::<T>()) });
    }
    keep(Held { address: Box::into_raw(answer).cast(), free: free::<T> })
}

/// Lets C have text.
pub(super) fn hold_text(text: CString) -> *mut c_char {
    unsafe fn free(address: *mut c_void) {
        // SAFETY: the caller gives what `hold_text` made of such a string.
        drop(unsafe { CString::from_raw(address.cast()) });
    }
    keep(Held { address: text.into_raw().cast(), free }).cast()
}

/// C gives an answer back. NULL, and what is no answer, is ignored.
pub(super) fn give_back(address: *mut c_void) {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&address.addr());
    drop(held);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_answer_is_dropped_once() {
        let shared = Arc::new(());
        let address = hold(Box::new(Arc::clone(&shared)));
        assert_eq!(Arc::strong_count(&shared), 2);
        give_back(address);
        give_back(address);
        give_back(core::ptr::null_mut());
        give_back((&raw const shared).cast_mut().cast());
        assert_eq!(Arc::strong_count(&shared), 1);
        let text = hold_text(c"hello".to_owned());
        give_back(text.cast());
    }
}
