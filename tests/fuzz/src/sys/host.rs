//! The host's side: stores that may fail, and callbacks that may call back.

use super::{DEPTH, call, scripted};
use libc::{c_char, c_int, c_long, c_uint, c_ulong, c_void, sockaddr_storage};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use ztcore::sys::{zt, zt::abi as zt_abi, zt1, zt1::abi as zt1_abi};

/// A datagram on its way.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) to: sockaddr_storage,
    pub(super) level: i32,
    pub(super) bytes: Vec<u8>,
}

/// What belongs to one node.
#[derive(Default)]
pub(super) struct Host {
    pub(super) objects: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Datagrams that it sent, newest last.
    pub(super) sent: RefCell<VecDeque<Wire>>,
    /// Its callbacks are obeyed; a host of the fuzzer's own nodes has a script.
    pub(super) is_scripted: Cell<bool>,
}

impl Host {
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        self.objects.borrow_mut().insert(name.as_bytes().to_vec(), bytes.to_vec());
    }

    pub(super) fn user(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }
}

/// # Safety
/// `user` is that of a host that lives.
unsafe fn host<'a>(user: *mut c_void) -> &'a Host {
    // SAFETY: the caller's promise.
    unsafe { &*user.cast::<Host>() }
}

impl Host {
    /// The next word of the script, if this host follows one.
    fn next(&self) -> u8 {
        if self.is_scripted.get() { scripted() } else { 0 }
    }
}

/// Functions of the ZT1 interface.
pub(super) fn zt1_host(host: &Host) -> zt1_abi::ZT1_Node_Host {
    zt1_abi::ZT1_Node_Host {
        user: host.user(),
        dataStoreGet: Some(get),
        dataStorePut: Some(put),
        portConfig: Some(zt1_port),
        status: Some(zt1_status),
    }
}

/// Functions of the ZT interface.
pub(super) fn zt_callbacks(with_paths: bool) -> zt_abi::ZT_Node_Callbacks {
    zt_abi::ZT_Node_Callbacks {
        version: 0,
        statePutFunction: Some(state_put),
        stateGetFunction: Some(state_get),
        wirePacketSendFunction: Some(send),
        virtualNetworkFrameFunction: Some(frame),
        virtualNetworkConfigFunction: Some(configure),
        eventCallback: Some(event),
        pathCheckFunction: if with_paths { Some(check) } else { None },
        pathLookupFunction: if with_paths { Some(look_up) } else { None },
    }
}

pub(super) unsafe extern "C" fn get(
    user: *mut c_void,
    name: *const c_char,
    buf: *mut c_void,
    cap: c_ulong,
    start: c_ulong,
    total: *mut c_ulong,
) -> c_long {
    // SAFETY: the library's promise.
    let (host, name) = unsafe { (host(user), CStr::from_ptr(name)) };
    let fault = host.next();
    call_back_zt1(host, fault);
    let objects = host.objects.borrow();
    let object = objects.get(name.to_bytes());
    let rest = object.and_then(|bytes| bytes.get(start as usize..));
    let mut given = rest.map_or(-1, |rest| rest.len().min(cap as usize) as c_long);
    let mut whole = object.map_or(0, |bytes| bytes.len() as c_ulong);
    match fault {
        248 => return -2,
        249 => return -1,
        250 => given = given.min(1),
        251 => whole = c_ulong::MAX,
        252 => return cap as c_long + 1,
        253 => return c_long::MAX,
        254 => whole = 1,
        255 => return -77,
        _ => {}
    }
    // SAFETY: the library's buffer has room for `cap` bytes.
    unsafe {
        *total = whole;
        if let Some(rest) = rest {
            std::ptr::copy_nonoverlapping(rest.as_ptr(), buf.cast(), given as usize);
        }
    }
    given
}

pub(super) unsafe extern "C" fn put(
    user: *mut c_void,
    name: *const c_char,
    data: *const c_void,
    len: c_ulong,
    _secure: c_int,
) -> c_int {
    // SAFETY: the library's promise.
    let (host, name) = unsafe { (host(user), CStr::from_ptr(name)) };
    let fault = host.next();
    call_back_zt1(host, fault);
    if fault >= 250 {
        return c_int::from(fault) - 260;
    }
    keep(host, name.to_bytes(), data, len as usize);
    0
}

fn keep(host: &Host, name: &[u8], data: *const c_void, len: usize) {
    let mut objects = host.objects.borrow_mut();
    if data.is_null() {
        objects.remove(name);
    } else {
        // SAFETY: the library's promise: that many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
        objects.insert(name.to_vec(), bytes.to_vec());
    }
}

fn state_name(kind: c_uint, id: *const u64) -> String {
    // SAFETY: the library's promise: two numbers.
    let (number, zero) = unsafe { (*id, *id.add(1)) };
    assert_eq!(zero, 0);
    if kind <= zt_abi::ZT_STATE_OBJECT_PLANET { kind.to_string() } else { format!("{kind}/{number:x}") }
}

unsafe extern "C" fn state_put(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    kind: c_uint,
    id: *const u64,
    data: *const c_void,
    len: c_int,
) {
    // SAFETY: the library's promise.
    let host = unsafe { host(uptr) };
    let word = host.next();
    call_back(node, host, word);
    if word < 250 {
        keep(host, state_name(kind, id).as_bytes(), data, usize::try_from(len).unwrap_or(0));
    }
}

unsafe extern "C" fn state_get(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    kind: c_uint,
    id: *const u64,
    buf: *mut c_void,
    cap: c_uint,
) -> c_int {
    // SAFETY: the library's promise.
    let host = unsafe { host(uptr) };
    let word = host.next();
    call_back(node, host, word);
    match word {
        250 => return -1,
        251 => return c_int::MIN,
        252 => return c_int::MAX,
        253 => return cap as c_int + 1,
        254 => return cap as c_int,
        255 => return 0,
        _ => {}
    }
    let objects = host.objects.borrow();
    let Some(bytes) = objects.get(state_name(kind, id).as_bytes()) else { return -1 };
    if bytes.len() > cap as usize {
        return -1;
    }
    // SAFETY: the library's buffer has room for `cap` bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buf.cast(), bytes.len()) };
    bytes.len() as c_int
}

/// Datagrams of one host that are kept.
const SENT: usize = 64;

pub(super) fn keep_sent(host: &Host, wire: Wire) {
    let mut sent = host.sent.borrow_mut();
    if sent.len() >= SENT {
        sent.pop_front();
    }
    sent.push_back(wire);
}

unsafe extern "C" fn send(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    _socket: i64,
    to: *const sockaddr_storage,
    data: *const c_void,
    len: c_uint,
    _ttl: c_uint,
) -> c_int {
    // SAFETY: the library's promise.
    let (host, to, bytes) = unsafe { (host(uptr), *to, std::slice::from_raw_parts(data.cast::<u8>(), len as usize)) };
    keep_sent(host, Wire { to, level: 0, bytes: bytes.to_vec() });
    let word = host.next();
    call_back(node, host, word);
    c_int::from(word >= 250)
}

unsafe extern "C" fn frame(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    _nwid: u64,
    nuptr: *mut *mut c_void,
    _from: u64,
    _to: u64,
    _kind: c_uint,
    _vlan: c_uint,
    data: *const c_void,
    len: c_uint,
) {
    super::look_at(data.cast::<u8>(), len as usize);
    // SAFETY: the library's promise.
    let host = unsafe {
        *nuptr = data.cast_mut();
        host(uptr)
    };
    call_back(node, host, host.next());
}

unsafe extern "C" fn configure(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    nwid: u64,
    nuptr: *mut *mut c_void,
    _op: c_uint,
    config: *const zt_abi::ZT_VirtualNetworkConfig,
) -> c_int {
    // SAFETY: the library's promise.
    let host = unsafe {
        assert_eq!((*config).nwid, nwid);
        *nuptr = uptr;
        host(uptr)
    };
    let word = host.next();
    call_back(node, host, word);
    if word >= 240 { c_int::from(word) } else { 0 }
}

unsafe extern "C" fn event(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    _event: c_uint,
    _meta: *const c_void,
) {
    // SAFETY: the library's promise.
    let host = unsafe { host(uptr) };
    call_back(node, host, host.next());
}

unsafe extern "C" fn check(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    _peer: u64,
    _socket: i64,
    _remote: *const sockaddr_storage,
) -> c_int {
    // SAFETY: the library's promise.
    let host = unsafe { host(uptr) };
    let word = host.next();
    call_back(node, host, word);
    c_int::from(word < 250)
}

unsafe extern "C" fn look_up(
    node: *mut c_void,
    uptr: *mut c_void,
    _tptr: *mut c_void,
    _peer: u64,
    _family: c_int,
    result: *mut sockaddr_storage,
) -> c_int {
    // SAFETY: the library's promise.
    let host = unsafe { host(uptr) };
    let word = host.next();
    call_back(node, host, word);
    // SAFETY: a place for the answer.
    unsafe { *result = super::stage::ipv4(10, word, 9993) };
    c_int::from(word >= 128)
}

unsafe extern "C" fn zt1_port(
    user: *mut c_void,
    node: *mut c_void,
    nwid: u64,
    config: *const zt1_abi::ZT1_VirtualPortConfig,
) {
    // SAFETY: the library's promise.
    let host = unsafe { host(user) };
    if !config.is_null() {
        // SAFETY: the same.
        let config = unsafe { *config };
        assert_eq!(config.networkId, nwid);
        super::look_at(config.assignedAddresses, config.assignedAddressCount as usize);
    }
    call_back_zt1_node(node, host, host.next());
}

unsafe extern "C" fn zt1_status(
    user: *mut c_void,
    node: *mut c_void,
    _code: c_uint,
    _text: *const c_char,
    _extra: *const c_void,
) {
    // SAFETY: the library's promise.
    let host = unsafe { host(user) };
    call_back_zt1_node(node, host, host.next());
}

/// Runs something inside a callback, not too deep.
fn nested(host: &Host, act: impl FnOnce()) {
    if host.is_scripted.get() && DEPTH.get() < 3 {
        DEPTH.set(DEPTH.get() + 1);
        act();
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// A call from within a store of the ZT1 interface, which is not told its node.
fn call_back_zt1(host: &Host, word: u8) {
    if (200..240).contains(&word) {
        nested(host, || super::zt1_calls::from_within(std::ptr::null_mut(), word));
    }
}

fn call_back_zt1_node(node: *mut c_void, host: &Host, word: u8) {
    if word >= 100 {
        nested(host, || super::zt1_calls::from_within(node, word));
    }
}

/// A call of the ZT interface from within its callbacks.
fn call_back(node: *mut c_void, host: &Host, word: u8) {
    if !(100..240).contains(&word) {
        return;
    }
    nested(host, || {
        let network = 0x77_0000_0000 | u64::from(word & 7);
        let mut deadline = i64::MAX;
        let null = std::ptr::null_mut();
        match word % 12 {
            0 => _ = call!(zt::ZT_Node_join(node, network, null, null)),
            1 => _ = call!(zt::ZT_Node_leave(node, network, null.cast(), null)),
            2 => _ = call!(zt::ZT_Node_processBackgroundTasks(node, null, 0, &raw mut deadline)),
            3 => {
                let peers = call!(zt::ZT_Node_peers(node));
                call!(zt::ZT_Node_freeQueryResult(node, peers.cast()));
            }
            4 => {
                let networks = call!(zt::ZT_Node_networks(node));
                call!(zt::ZT_Node_freeQueryResult(node, networks.cast()));
            }
            5 => _ = call!(zt::ZT_Node_sendUserMessage(node, null, u64::from(word), 1, null, 0)),
            6 => _ = call!(zt::ZT_Node_orbit(node, null, u64::from(word), 0)),
            7 => _ = call!(zt::ZT_Node_deorbit(node, null, u64::from(word))),
            8 => call!(zt::ZT_Node_clearLocalInterfaceAddresses(node)),
            9 => _ = call!(zt::ZT_Node_multicastSubscribe(node, null, network, u64::from(word), 1)),
            10 => {
                let from = super::stage::ipv4(10, word, 9993);
                let data = [word; 40];
                let (from, data) = (&raw const from, data.as_ptr().cast());
                call!(zt::ZT_Node_processWirePacket(node, null, 0, 3, from, data, 40, null.cast()));
            }
            _ => _ = call!(zt1::ZT1_Node_join(node, network)),
        }
    });
}
