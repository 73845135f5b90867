//! The host of a node of the ZT1 interface: its callbacks.

use super::abi::{
    ZT1_Node, ZT1_Node_Host, ZT1_STATUS_DESPERATION_CHANGE, ZT1_STATUS_OFFLINE, ZT1_STATUS_ONLINE, ZT1_StatusCallback,
    ZT1_VirtualPortConfig, ZT1_VirtualPortConfigCallback,
};
use super::results::PortAnswer;
use crate::zt1::{Host, PortImage, Status};
use core::ffi::{c_int, c_void};
use std::ptr;
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
