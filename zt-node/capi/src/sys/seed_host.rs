//! The host of a node of the seed's interface: its callbacks and its data store.

use super::seed_abi::{
    ZT1_DataStoreGetFunction, ZT1_DataStorePutFunction, ZT1_Node, ZT1_Node_Host, ZT1_STATUS_DESPERATION_CHANGE,
    ZT1_STATUS_OFFLINE, ZT1_STATUS_ONLINE, ZT1_StatusCallback, ZT1_VirtualPortConfig, ZT1_VirtualPortConfigCallback,
};
use super::seed_results::PortAnswer;
use crate::seed::{Host, PortImage, Status};
use crate::store::{DataStore, MAX_OBJECT, StoreFailed};
use core::ffi::{c_int, c_ulong, c_void};
use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use zt_wire::NetworkId;

/// The callbacks given to `ZT1_Node_new`: without user pointer and node.
pub(super) struct PlainHost {
    pub(super) port: ZT1_VirtualPortConfigCallback,
    pub(super) status: ZT1_StatusCallback,
}

/// The callbacks given to `ZT1_Node_newWithStore`.
pub(super) struct FullHost {
    pub(super) callbacks: ZT1_Node_Host,
    pub(super) handle: usize,
}

// SAFETY: the structure is a user pointer, which only the host follows, and functions that the header requires to be
// callable from whatever thread calls the node.
unsafe impl Send for FullHost {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for FullHost {}

/// The pointer that C knows a node by.
pub(super) fn node_pointer(handle: usize) -> *mut ZT1_Node {
    ptr::without_provenance_mut(handle)
}

impl Host for PlainHost {
    fn port(&self, network: NetworkId, image: Option<&PortImage>) {
        let Some(callback) = self.port else { return };
        with_port(image, |config| {
            // SAFETY: a callback of the type the header says; `config` is NULL or lives during the call.
            unsafe { callback(network.0, config) }
        });
    }

    fn status(&self, status: Status) {
        let Some(callback) = self.status else { return };
        with_status(status, |code, text, extra| {
            // SAFETY: a callback of the type the header says; text and level live during the call.
            unsafe { callback(code, text, extra) }
        });
    }
}

impl Host for FullHost {
    fn port(&self, network: NetworkId, image: Option<&PortImage>) {
        let Some(callback) = self.callbacks.portConfig else { return };
        with_port(image, |config| {
            // SAFETY: a callback of the type the header says; `config` is NULL or lives during the call.
            unsafe { callback(self.callbacks.user, node_pointer(self.handle), network.0, config) }
        });
    }

    fn status(&self, status: Status) {
        let Some(callback) = self.callbacks.status else { return };
        with_status(status, |code, text, extra| {
            // SAFETY: a callback of the type the header says; text and level live during the call.
            unsafe { callback(self.callbacks.user, node_pointer(self.handle), code, text, extra) }
        });
    }
}

fn with_port(image: Option<&PortImage>, call: impl FnOnce(*const ZT1_VirtualPortConfig)) {
    match image {
        Some(image) => {
            let answer = PortAnswer::new(image);
            call(&raw const answer.config);
        }
        None => call(ptr::null()),
    }
}

fn with_status(status: Status, call: impl FnOnce(u32, *const core::ffi::c_char, *const c_void)) {
    match status {
        Status::Online => call(ZT1_STATUS_ONLINE, c"online: a root answers".as_ptr(), ptr::null()),
        Status::Offline => call(ZT1_STATUS_OFFLINE, c"offline: no root answers".as_ptr(), ptr::null()),
        Status::Desperation(level) => {
            let level: c_int = level;
            let text = if level > 0 { c"no answer by better links" } else { c"UDP works" };
            call(ZT1_STATUS_DESPERATION_CHANGE, text.as_ptr(), (&raw const level).cast());
        }
    }
}

/// A data store of two C functions: the seed's, and a controller's of either interface.
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
