//! A node of the ZT interface.

use super::{Packet, Store, address, length, storage};
use core::ffi::{c_int, c_uint, c_void};
use std::net::SocketAddr;
use std::ptr;
use ztcore::sys::zt::abi::*;
use ztcore::sys::zt::*;

/// What the callbacks of a node fill.
#[derive(Default)]
struct Given {
    store: Store,
    packets: Vec<Packet>,
    frames: usize,
}

/// A node with what its callbacks fill.
pub struct ZtNode {
    node: *mut ZT_Node,
    given: *mut Given,
}

impl ZtNode {
    pub fn new(now: i64, store: Store) -> Self {
        let given = Box::into_raw(Box::new(Given { store, ..Given::default() }));
        let callbacks = ZT_Node_Callbacks {
            version: 0,
            statePutFunction: Some(state_put),
            stateGetFunction: Some(state_get),
            wirePacketSendFunction: Some(send),
            virtualNetworkFrameFunction: Some(deliver),
            virtualNetworkConfigFunction: Some(configure),
            eventCallback: Some(event),
            pathCheckFunction: None,
            pathLookupFunction: None,
        };
        let mut node = ptr::null_mut();
        // SAFETY: places and callbacks live during the call, what the callbacks fill as long as the node.
        let made = unsafe { ZT_Node_new(&raw mut node, given.cast(), ptr::null_mut(), &raw const callbacks, now) };
        assert_eq!(made, ZT_RESULT_OK);
        Self { node, given }
    }

    /// Serves a public network.
    pub fn serve(&self, network: u64) {
        let path = std::ffi::CString::new(format!("/controller/network/{network:016x}")).expect("no NUL");
        let body = br#"{"private": false}"#;
        // SAFETY: all of it lives during the calls.
        let status = unsafe {
            let controller = ZT_Controller_new(ptr::null());
            ZT_Node_setNetconfMaster(self.node, controller);
            ZT_Controller_request(
                controller,
                c"POST".as_ptr(),
                path.as_ptr(),
                body.as_ptr().cast(),
                body.len() as u64,
                ptr::null_mut(),
            )
        };
        assert_eq!(status, 200);
    }

    pub fn join(&self, network: u64) {
        // SAFETY: no pointers.
        assert_eq!(unsafe { ZT_Node_join(self.node, network, ptr::null_mut(), ptr::null_mut()) }, ZT_RESULT_OK);
    }

    pub fn background(&self, now: i64) {
        let mut deadline = 0;
        // SAFETY: the place lives during the call.
        unsafe { ZT_Node_processBackgroundTasks(self.node, ptr::null_mut(), now, &raw mut deadline) };
    }

    pub fn packet(&self, now: i64, from: SocketAddr, bytes: &[u8]) {
        let (from, mut deadline) = (storage(from), i64::MAX);
        // SAFETY: all of it lives during the call.
        let result = unsafe {
            ZT_Node_processWirePacket(
                self.node,
                ptr::null_mut(),
                now,
                7,
                &raw const from,
                bytes.as_ptr().cast(),
                length(bytes),
                &raw mut deadline,
            )
        };
        assert_eq!(result, ZT_RESULT_OK);
    }

    pub fn frame(&self, now: i64, network: u64, (source, destination): (u64, u64), payload: &[u8]) {
        let mut deadline = i64::MAX;
        // SAFETY: all of it lives during the call.
        unsafe {
            ZT_Node_processVirtualNetworkFrame(
                self.node,
                ptr::null_mut(),
                now,
                network,
                source,
                destination,
                0x0800,
                0,
                payload.as_ptr().cast(),
                length(payload),
                &raw mut deadline,
            )
        };
    }

    /// Packets that the node sent since the last call.
    pub fn packets(&self) -> Vec<Packet> {
        // SAFETY: the callbacks do not run now.
        std::mem::take(unsafe { &mut (*self.given).packets })
    }

    /// Frames that the node delivered since the last call.
    pub fn frames(&self) -> usize {
        // SAFETY: the callbacks do not run now.
        std::mem::take(unsafe { &mut (*self.given).frames })
    }
}

impl Drop for ZtNode {
    fn drop(&mut self) {
        ZT_Node_delete(self.node);
        // SAFETY: made by `new`, and the node that used it is gone.
        drop(unsafe { Box::from_raw(self.given) });
    }
}

unsafe extern "C" fn state_put(
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: ZT_StateObjectType,
    _: *const u64,
    _: *const c_void,
    _: c_int,
) {
}

unsafe extern "C" fn state_get(
    _: *mut c_void,
    user: *mut c_void,
    _: *mut c_void,
    kind: ZT_StateObjectType,
    _: *const u64,
    buf: *mut c_void,
    cap: c_uint,
) -> c_int {
    let name = match kind {
        ZT_STATE_OBJECT_IDENTITY_SECRET => "identity.secret",
        ZT_STATE_OBJECT_PLANET => "planet",
        _ => return -1,
    };
    // SAFETY: the user pointer is what the callbacks fill.
    let given = unsafe { &*user.cast::<Given>() };
    let Some(object) = given.store.get(name).filter(|object| object.len() <= cap as usize) else { return -1 };
    // SAFETY: the buffer has `cap` bytes.
    unsafe { ptr::copy_nonoverlapping(object.as_ptr(), buf.cast(), object.len()) };
    c_int::try_from(object.len()).unwrap_or(-1)
}

unsafe extern "C" fn send(
    _: *mut c_void,
    user: *mut c_void,
    _: *mut c_void,
    _: i64,
    remote: *const libc::sockaddr_storage,
    data: *const c_void,
    len: c_uint,
    _: c_uint,
) -> c_int {
    // SAFETY: the user pointer is what the callbacks fill, the rest as the header says.
    let (given, remote, bytes) =
        unsafe { (&mut *user.cast::<Given>(), &*remote, std::slice::from_raw_parts(data.cast::<u8>(), len as usize)) };
    if let Some(to) = address(remote) {
        given.packets.push(Packet { to, bytes: bytes.to_vec() });
    }
    0
}

unsafe extern "C" fn deliver(
    _: *mut c_void,
    user: *mut c_void,
    _: *mut c_void,
    _: u64,
    _: *mut *mut c_void,
    _: u64,
    _: u64,
    _: c_uint,
    _: c_uint,
    _: *const c_void,
    _: c_uint,
) {
    // SAFETY: the user pointer is what the callbacks fill.
    unsafe { (*user.cast::<Given>()).frames += 1 };
}

unsafe extern "C" fn configure(
    _: *mut c_void,
    _: *mut c_void,
    _: *mut c_void,
    _: u64,
    _: *mut *mut c_void,
    _: ZT_VirtualNetworkConfigOperation,
    _: *const ZT_VirtualNetworkConfig,
) -> c_int {
    0
}

unsafe extern "C" fn event(_: *mut c_void, _: *mut c_void, _: *mut c_void, _: ZT_Event, _: *const c_void) {}
