//! Objects kept by functions of C.

use super::zt1::abi::{ZT1_DataStoreGetFunction, ZT1_DataStorePutFunction};
use crate::store::{DataStore, MAX_OBJECT, StoreFailed};
use core::ffi::{c_ulong, c_void};
use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A data store of two C functions: a node's of the ZT1 interface, and a controller's of either.
pub(super) struct FunctionStore {
    user: AtomicPtr<c_void>,
    get: ZT1_DataStoreGetFunction,
    put: ZT1_DataStorePutFunction,
}

impl FunctionStore {
    /// `None` when a function is missing.
    pub(super) fn new(user: *mut c_void, get: ZT1_DataStoreGetFunction, put: ZT1_DataStorePutFunction) -> Option<Self> {
        (get.is_some() && put.is_some()).then_some(Self { user: AtomicPtr::new(user), get, put })
    }

    fn user(&self) -> *mut c_void {
        self.user.load(Ordering::Relaxed)
    }
}

impl DataStore for FunctionStore {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFailed> {
        let get = self.get.ok_or(StoreFailed)?;
        let name = CString::new(name).map_err(|_| StoreFailed)?;
        let mut object: Vec<u8> = Vec::new();
        let mut buffer = vec![0u8; 16 << 10];
        loop {
            let mut total: c_ulong = 0;
            let (cap, start) = (buffer.len() as c_ulong, object.len() as c_ulong);
            // SAFETY: a function of the type the header says; name, buffer (of `cap` bytes) and total live during it.
            let read =
                unsafe { get(self.user(), name.as_ptr(), buffer.as_mut_ptr().cast(), cap, start, &raw mut total) };
            let read = match (read, object.is_empty()) {
                (-1, true) => return Ok(None),
                (read, _) => usize::try_from(read).map_err(|_| StoreFailed)?,
            };
            object.extend_from_slice(buffer.get(..read).ok_or(StoreFailed)?);
            let total = usize::try_from(total).unwrap_or(usize::MAX);
            if object.len() > MAX_OBJECT || total > MAX_OBJECT {
                return Err(StoreFailed);
            }
            if read == 0 || object.len() >= total {
                return Ok(Some(object));
            }
        }
    }

    fn put(&self, name: &str, object: Option<&[u8]>, secure: bool) -> Result<(), StoreFailed> {
        let put = self.put.ok_or(StoreFailed)?;
        let name = CString::new(name).map_err(|_| StoreFailed)?;
        // An object that is there must not look like one that is to be deleted.
        let (data, length) = object.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
        // SAFETY: a function of the type the header says; name and data live during it.
        let result = unsafe { put(self.user(), name.as_ptr(), data.cast(), length as c_ulong, secure.into()) };
        if result == 0 { Ok(()) } else { Err(StoreFailed) }
    }

    fn list(&self, _folder: &str) -> Vec<String> {
        Vec::new()
    }
}
