//! What C hands us, read with care.

use core::ffi::{CStr, c_char, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest text that C may give us, bytes.
const MAX_TEXT: usize = 4096;

/// Runs the body of a function that C called: a panic becomes `fault`.
pub(super) fn guard<R>(fault: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fault)
}

/// Bytes of the caller; `None` for NULL with a length.
///
/// # Safety
/// `data` is NULL or points to `len` readable bytes that nobody writes during `'a`.
pub(super) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    if data.is_null() || isize::try_from(len).is_err() {
        return None;
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    Some(unsafe { core::slice::from_raw_parts(data.cast(), len) })
}

/// Structures of the caller; `None` for NULL with a count, or a misaligned pointer.
///
/// # Safety
/// `first` is NULL or points to `count` initialised structures that nobody writes during `'a`.
pub(super) unsafe fn structures<'a, T>(first: *const T, count: usize) -> Option<&'a [T]> {
    if count == 0 {
        return Some(&[]);
    }
    if first.is_null() || !first.is_aligned() {
        return None;
    }
    // SAFETY: not NULL and aligned; the caller vouches for the rest.
    Some(unsafe { core::slice::from_raw_parts(first, count) })
}

/// One structure of the caller.
///
/// # Safety
/// As [`structures`] with a count of 1.
pub(super) unsafe fn structure<'a, T>(at: *const T) -> Option<&'a T> {
    // SAFETY: the same contract.
    unsafe { structures(at, 1) }.and_then(<[T]>::first)
}

/// Text of the caller; `None` for NULL, text that is no UTF-8, and text longer than anything we use.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that nobody writes during `'a`.
pub(super) unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller vouches for the terminator.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    (bytes.len() <= MAX_TEXT).then(|| core::str::from_utf8(bytes).ok()).flatten()
}

/// Writes through a pointer of the caller; false for NULL.
///
/// # Safety
/// `place` is NULL or writable and aligned.
pub(super) unsafe fn put<T>(place: *mut T, value: T) -> bool {
    if place.is_null() || !place.is_aligned() {
        return false;
    }
    // SAFETY: not NULL and aligned; the caller vouches for the rest. Nothing is read or dropped.
    unsafe { place.write(value) };
    true
}

/// Copies bytes into a buffer of the caller; false when it is NULL or too small.
///
/// # Safety
/// `buffer` is NULL or has room for `cap` bytes.
pub(super) unsafe fn copy_out(bytes: &[u8], buffer: *mut c_void, cap: c_ulong) -> bool {
    if buffer.is_null() || bytes.len() as c_ulong > cap {
        return false;
    }
    // SAFETY: not NULL and large enough by the caller's word; our own bytes do not overlap with it.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
    true
}

/// Text for an array of C: cut to fit, always terminated.
pub(super) fn char_array<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let mut end = text.len().min(N - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in array.iter_mut().zip(text.as_bytes().get(..end).unwrap_or_default()) {
        *to = from.cast_signed() as c_char;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_terminated() {
        let array: [c_char; 4] = char_array("aä€");
        assert_eq!(array.map(|c| c as u8), [b'a', 0xc3, 0xa4, 0]);
        assert_eq!(char_array::<3>("ab€").map(|c| c as u8), [b'a', b'b', 0]);
    }

    #[test]
    fn null_with_a_length_is_no_slice() {
        // SAFETY: NULL is allowed.
        unsafe {
            assert_eq!(bytes(core::ptr::null(), 1), None);
            assert_eq!(bytes(core::ptr::null(), 0), Some(&[][..]));
            assert_eq!(bytes(c"x".as_ptr().cast(), usize::MAX), None);
            assert!(structures::<u64>(core::ptr::null(), 3).is_none());
            assert!(!put(core::ptr::null_mut::<u32>(), 1));
        }
    }

    #[test]
    fn a_panic_becomes_the_fault() {
        assert_eq!(guard(7, || panic!("a fault of this test")), 7);
    }
}
