//! Controllers that C programs hold, of either interface.

use super::pointers::{bytes, guard, put, text};
use super::results::hold_text;
use crate::master::Master;
use crate::registry::{Table, reserve};
use core::ffi::{c_char, c_int, c_ulong, c_void};
use std::ffi::CString;
use std::ptr;
use std::sync::Arc;

static CONTROLLERS: Table<Master> = Table::new();

/// Longest body of a request, bytes.
const MAX_BODY: usize = 1 << 20;

/// Lets C have a controller.
pub(super) fn insert(master: Master) -> *mut c_void {
    let handle = reserve();
    CONTROLLERS.insert(handle, Arc::new(master));
    ptr::without_provenance_mut(handle)
}

pub(super) fn get(handle: *mut c_void) -> Option<Arc<Master>> {
    CONTROLLERS.get(handle.addr())
}

/// Ends a handle; false when it is none.
pub(super) fn remove(handle: *mut c_void) -> bool {
    CONTROLLERS.remove(handle.addr()).is_some()
}

/// Executes a call of the controller's interface (document 05) by its node, whose handle `ask` gets: the HTTP status,
/// or 0 when no node has the controller or a parameter cannot be used.
///
/// # Safety
/// Pointers are NULL or as the headers say.
pub(super) unsafe fn request(
    controller: *mut c_void,
    (method, path): (*const c_char, *const c_char),
    (body, body_length): (*const c_void, c_ulong),
    answer: *mut *mut c_char,
    ask: impl FnOnce(usize, &str, &str, &[u8]) -> Option<(u16, String)>,
) -> c_int {
    guard(0, || {
        // SAFETY: the caller's promise for each pointer.
        let (method, path, body) = unsafe {
            put(answer, ptr::null_mut());
            // A length that is none must not even be looked at as bytes.
            let length = usize::try_from(body_length).ok().filter(|length| *length <= MAX_BODY);
            (text(method), text(path), length.and_then(|length| bytes(body, length)))
        };
        let (Some(method), Some(path), Some(body)) = (method, path, body) else { return 0 };
        let node = get(controller).and_then(|master| master.node());
        let Some((status, json)) = node.and_then(|node| ask(node, method, path, body)) else { return 0 };
        if !answer.is_null() {
            // SAFETY: the caller's promise.
            unsafe { put(answer, hold_text(CString::new(json).unwrap_or_default())) };
        }
        status.into()
    })
}
