//! A node of the ZT1 interface, called as C calls it.

use super::{address, length, storage};
use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::net::SocketAddr;
use std::ptr;
use ztcore::sys::zt1::abi::*;
use ztcore::sys::zt1::*;

/// The host's objects, by name.
pub type Store = BTreeMap<String, Vec<u8>>;

/// A node with the store it lives in.
pub struct CNode {
    node: *mut ZT1_Node,
    _store: Box<Store>,
}

/// A packet that the node gave, as a kernel would copy it.
#[derive(Clone)]
pub struct Packet {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// What a turn gave.
pub struct Given {
    wires: *const ZT1_WireMessage,
    wire_count: c_uint,
    pub frames: usize,
}

impl CNode {
    pub fn new(now: u64, store: Store) -> Self {
        let mut store = Box::new(store);
        let host = ZT1_Node_Host {
            user: ptr::from_mut(&mut *store).cast(),
            dataStoreGet: Some(get),
            dataStorePut: Some(put),
            portConfig: None,
            status: None,
        };
        let mut node = ptr::null_mut();
        // SAFETY: places and host live during the call, the store as long as the node.
        assert_eq!(unsafe { ZT1_Node_newWithStore(&raw mut node, now, &raw const host) }, ZT1_OK);
        Self { node, _store: store }
    }

    /// Serves a public network.
    pub fn serve(&self, network: u64) {
        let master = ZT1_NetconfMaster_new();
        assert_eq!(ZT1_Node_enableNetconfMaster(self.node, master), ZT1_OK);
        let path = std::ffi::CString::new(format!("/controller/network/{network:016x}")).expect("no NUL");
        let body = br#"{"private": false}"#;
        // SAFETY: all of it lives during the call.
        let status = unsafe {
            ZT1_NetconfMaster_request(
                master,
                c"POST".as_ptr(),
                path.as_ptr(),
                body.as_ptr().cast(),
                body.len() as c_ulong,
                ptr::null_mut(),
            )
        };
        assert_eq!(status, 200);
    }

    pub fn join(&self, network: u64) {
        assert_eq!(ZT1_Node_join(self.node, network), ZT1_OK);
    }

    /// One turn.
    pub fn run(&self, now: u64, wires: &[ZT1_WireMessage], frames: &[ZT1_VirtualLanFrame]) -> Given {
        let (mut out_wires, mut wire_count, mut out_frames, mut frame_count, mut wait) =
            (ptr::null(), 0, ptr::null(), 0, 0);
        // SAFETY: inputs and places live during the call.
        let result = unsafe {
            ZT1_Node_runAt(
                self.node,
                now,
                wires.as_ptr(),
                wires.len() as c_uint,
                frames.as_ptr(),
                frames.len() as c_uint,
                &raw mut out_wires,
                &raw mut wire_count,
                &raw mut out_frames,
                &raw mut frame_count,
                &raw mut wait,
            )
        };
        assert_eq!(result, ZT1_OK);
        Given { wires: out_wires, wire_count, frames: frame_count as usize }
    }
}

impl Drop for CNode {
    fn drop(&mut self) {
        ZT1_Node_delete(self.node);
    }
}

impl Given {
    /// How many packets.
    pub fn packets(&self) -> usize {
        self.wire_count as usize
    }

    /// The packets, copied. Only until the next turn.
    pub fn copy(&self) -> Vec<Packet> {
        if self.wire_count == 0 {
            return Vec::new();
        }
        // SAFETY: the arrays of a turn live until the next one.
        let wires = unsafe { std::slice::from_raw_parts(self.wires, self.packets()) };
        let copy = |wire: &ZT1_WireMessage| {
            // SAFETY: the same.
            let bytes = unsafe { std::slice::from_raw_parts(wire.packetData.cast(), wire.packetLength as usize) };
            Some(Packet { to: address(&wire.remoteAddress)?, bytes: bytes.to_vec() })
        };
        wires.iter().filter_map(copy).collect()
    }
}

/// A packet that came by UDP; `bytes` must outlive its use.
pub fn wire(from: SocketAddr, bytes: &[u8]) -> ZT1_WireMessage {
    ZT1_WireMessage {
        remoteAddress: storage(from),
        desperation: 0,
        spam: 0,
        packetData: bytes.as_ptr().cast(),
        packetLength: length(bytes),
    }
}

unsafe extern "C" fn get(
    user: *mut c_void,
    name: *const c_char,
    buf: *mut c_void,
    cap: c_ulong,
    start: c_ulong,
    total: *mut c_ulong,
) -> c_long {
    // SAFETY: the user pointer is the store, the rest as the header says.
    let (store, name) = unsafe { (&*user.cast::<Store>(), CStr::from_ptr(name)) };
    let Some(object) = store.get(name.to_str().unwrap_or_default()) else { return -1 };
    let rest = object.get(start as usize..).unwrap_or_default();
    let count = rest.len().min(cap as usize);
    // SAFETY: the buffer has `cap` bytes.
    unsafe {
        ptr::copy_nonoverlapping(rest.as_ptr(), buf.cast(), count);
        total.write(object.len() as c_ulong);
    }
    count as c_long
}

unsafe extern "C" fn put(
    user: *mut c_void,
    name: *const c_char,
    data: *const c_void,
    len: c_ulong,
    _secure: c_int,
) -> c_int {
    // SAFETY: the user pointer is the store, the rest as the header says.
    let (store, name) = unsafe { (&mut *user.cast::<Store>(), CStr::from_ptr(name)) };
    let name = name.to_str().unwrap_or_default().to_owned();
    if data.is_null() {
        store.remove(&name);
    } else {
        // SAFETY: as the header says.
        let object = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) };
        store.insert(name, object.to_vec());
    }
    0
}
