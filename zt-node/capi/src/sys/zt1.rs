//! The functions of `zt1/ZeroTierOne.h`; what each does is said there.

pub mod abi;
mod host;
mod results;

use self::abi::*;
use self::host::{FullHost, PlainHost, node_pointer};
use self::results::{NetworksAnswer, PeersAnswer, PortAnswer};
use super::controllers;
use super::function_store::FunctionStore;
use super::pointers::{bytes, copy_out, guard, put, structure, structures, text};
use super::results::{give_back, hold};
use super::sockaddr;
use super::{MAX_FRAME, MAX_PACKET};
use crate::lock::Mutex;
use crate::master::Master;
use crate::planet;
use crate::registry::{Table, reserve};
use crate::store::Folder;
use crate::zt1::{Failure, FrameIn, Node, WireIn};
use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::ffi::{CStr, OsStr};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::{Arc, PoisonError};
use zeroize::Zeroizing;
use zt_crypto::SecretIdentity;
use zt_node::OsEntropy;
use zt_wire::{Identity, Mac, MulticastGroup, NetworkId};

static NODES: Table<Node> = Table::new();
/// The node that `ZT1_Node_run` means: the last one that `ZT1_Node_new` made.
static IMPLICIT: Mutex<Option<usize>> = Mutex::new(None);

/// Longest text of a secret identity with its NUL (01 §3.2), bytes.
const MAX_IDENTITY: c_ulong = 271;
/// Packets or frames in one call: more is a mistake of the host.
const MAX_COUNT: c_uint = 1 << 20;

fn code(failure: Failure) -> ZT1_ReturnValue {
    match failure {
        Failure::Collision => ZT1_FATAL_ERROR_IDENTITY_COLLISION,
        Failure::Store => ZT1_FATAL_ERROR_DATA_STORE_NOT_WRITABLE,
        Failure::BadParameter => ZT1_ERROR_BAD_PARAMETER,
        Failure::Busy => ZT1_ERROR_BUSY,
        Failure::NetworkNotFound => ZT1_ERROR_NETWORK_NOT_FOUND,
        Failure::Internal => ZT1_ERROR_INTERNAL,
    }
}

/// Runs what a function does and gives its result as a code.
fn answer(body: impl FnOnce() -> Result<(), Failure>) -> ZT1_ReturnValue {
    guard(ZT1_ERROR_INTERNAL, || body().map_or_else(code, |()| ZT1_OK))
}

fn find(node: *mut ZT1_Node) -> Result<Arc<Node>, Failure> {
    NODES.get(node.addr()).ok_or(Failure::BadParameter)
}

/// Makes a node whose state is in the files of a folder, in time of the system's clock (08 §B.3).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_new(
    node: *mut *mut ZT1_Node,
    home_path: *const c_char,
    port_config_callback: *mut ZT1_VirtualPortConfigCallback,
    status_callback: *mut ZT1_StatusCallback,
) -> ZT1_ReturnValue {
    answer(|| {
        // SAFETY: the header's contract for each pointer.
        let (placed, home, port, status) = unsafe {
            let placed = put(node, ptr::null_mut());
            let home = (!home_path.is_null()).then(|| CStr::from_ptr(home_path));
            // Quirk (08 §B.3): pointers to function pointers. NULL on either level means: no callback.
            (placed, home, structure(port_config_callback), structure(status_callback))
        };
        let home = home.filter(|home| placed && !home.is_empty()).ok_or(Failure::BadParameter)?;
        let store = Folder::open(OsStr::from_bytes(home.to_bytes()).into())?;
        let host = PlainHost { port: port.copied().flatten(), status: status.copied().flatten() };
        let made = Arc::new(Node::new(None, Arc::new(store), Box::new(host))?);
        made.join_saved()?;
        let handle = reserve();
        NODES.insert(handle, made);
        *IMPLICIT.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        // SAFETY: it was writable above.
        unsafe { put(node, node_pointer(handle)) };
        Ok(())
    })
}

/// Makes a node whose state and clock are the host's. Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_newWithStore(
    node: *mut *mut ZT1_Node,
    now: u64,
    host: *const ZT1_Node_Host,
) -> ZT1_ReturnValue {
    answer(|| {
        // SAFETY: the header's contract for each pointer.
        let (placed, host) = unsafe { (put(node, ptr::null_mut()), structure(host)) };
        let callbacks = *host.filter(|_| placed).ok_or(Failure::BadParameter)?;
        let store = FunctionStore::new(callbacks.user, callbacks.dataStoreGet, callbacks.dataStorePut)
            .ok_or(Failure::BadParameter)?;
        let handle = reserve();
        let host = FullHost { callbacks, handle };
        NODES.insert(handle, Arc::new(Node::new(Some(now), Arc::new(store), Box::new(host))?));
        // SAFETY: it was writable above.
        unsafe { put(node, node_pointer(handle)) };
        Ok(())
    })
}

/// Deletes a node. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_delete(node: *mut ZT1_Node) -> ZT1_ReturnValue {
    answer(|| {
        let removed = NODES.remove(node.addr()).ok_or(Failure::BadParameter)?;
        let mut implicit = IMPLICIT.lock().unwrap_or_else(PoisonError::into_inner);
        if *implicit == Some(node.addr()) {
            *implicit = None;
        }
        drop(implicit);
        removed.close();
        Ok(())
    })
}

/// Lets a node serve networks (08 §B.3).
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_enableNetconfMaster(node: *mut ZT1_Node, instance: *mut c_void) -> ZT1_ReturnValue {
    answer(|| {
        let master = controllers::get(instance).ok_or(Failure::BadParameter)?;
        find(node)?.enable_master(node.addr(), &master)
    })
}

/// One turn of the node that was made last, in time of the system's clock (08 §B.3).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_run(
    input_wire_messages: *const ZT1_WireMessage,
    input_wire_message_count: c_uint,
    input_lan_frames: *const ZT1_VirtualLanFrame,
    input_lan_frame_count: c_uint,
    output_wire_messages: *mut *const ZT1_WireMessage,
    output_wire_message_count: *mut c_uint,
    output_lan_frames: *mut *const ZT1_VirtualLanFrame,
    output_lan_frame_count: *mut c_uint,
    max_next_interval: *mut c_ulong,
) -> ZT1_ReturnValue {
    let implicit = *IMPLICIT.lock().unwrap_or_else(PoisonError::into_inner);
    let node = implicit.and_then(|handle| NODES.get(handle));
    let (Some(handle), Some(now)) = (implicit, node.and_then(|node| node.system_time())) else {
        return ZT1_ERROR_BAD_PARAMETER;
    };
    // SAFETY: the header's contract, handed on.
    unsafe {
        ZT1_Node_runAt(
            node_pointer(handle),
            now,
            input_wire_messages,
            input_wire_message_count,
            input_lan_frames,
            input_lan_frame_count,
            output_wire_messages,
            output_wire_message_count,
            output_lan_frames,
            output_lan_frame_count,
            max_next_interval,
        )
    }
}

/// One turn of a node, at the host's time. Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_runAt(
    node: *mut ZT1_Node,
    now: u64,
    input_wire_messages: *const ZT1_WireMessage,
    input_wire_message_count: c_uint,
    input_lan_frames: *const ZT1_VirtualLanFrame,
    input_lan_frame_count: c_uint,
    output_wire_messages: *mut *const ZT1_WireMessage,
    output_wire_message_count: *mut c_uint,
    output_lan_frames: *mut *const ZT1_VirtualLanFrame,
    output_lan_frame_count: *mut c_uint,
    max_next_interval: *mut c_ulong,
) -> ZT1_ReturnValue {
    answer(|| {
        let handle = node.addr();
        let node = find(node)?;
        let outputs = Outputs {
            output_wire_messages,
            output_wire_message_count,
            output_lan_frames,
            output_lan_frame_count,
            max_next_interval,
        };
        // SAFETY: the header's contract, handed on.
        unsafe {
            turn(
                (&node, handle),
                now,
                (input_wire_messages, input_wire_message_count),
                (input_lan_frames, input_lan_frame_count),
                &outputs,
            )
        }
    })
}

/// Where a turn puts what it gives.
struct Outputs {
    output_wire_messages: *mut *const ZT1_WireMessage,
    output_wire_message_count: *mut c_uint,
    output_lan_frames: *mut *const ZT1_VirtualLanFrame,
    output_lan_frame_count: *mut c_uint,
    max_next_interval: *mut c_ulong,
}

impl Outputs {
    /// Fills all of it; false when a pointer is NULL.
    ///
    /// # Safety
    /// Each pointer is NULL or writable.
    unsafe fn put(&self, wires: &[ZT1_WireMessage], frames: &[ZT1_VirtualLanFrame], wait: u64) -> bool {
        let count = |len| c_uint::try_from(len).unwrap_or(0);
        // SAFETY: the caller's promise.
        unsafe {
            put(self.output_wire_messages, if wires.is_empty() { ptr::null() } else { wires.as_ptr() })
                & put(self.output_wire_message_count, count(wires.len()))
                & put(self.output_lan_frames, if frames.is_empty() { ptr::null() } else { frames.as_ptr() })
                & put(self.output_lan_frame_count, count(frames.len()))
                & put(self.max_next_interval, wait as c_ulong)
        }
    }
}

/// Checks the inputs, runs a turn, and says where its outputs are.
///
/// # Safety
/// Pointers are NULL or as the header says of `ZT1_Node_run`.
unsafe fn turn(
    (node, handle): (&Node, usize),
    now: u64,
    (wires, wire_count): (*const ZT1_WireMessage, c_uint),
    (frames, frame_count): (*const ZT1_VirtualLanFrame, c_uint),
    outputs: &Outputs,
) -> Result<(), Failure> {
    // Whatever happens below, the host finds no arrays of old.
    // SAFETY: the caller's promise.
    if !unsafe { outputs.put(&[], &[], 1) } || wire_count > MAX_COUNT || frame_count > MAX_COUNT {
        return Err(Failure::BadParameter);
    }
    // SAFETY: the caller's promise.
    let (wires, frames) = unsafe { (structures(wires, wire_count as usize), structures(frames, frame_count as usize)) };
    let (wires, frames) = wires.zip(frames).ok_or(Failure::BadParameter)?;
    let is_wire =
        |wire: &ZT1_WireMessage| wire.packetLength <= MAX_PACKET && readable(wire.packetData, wire.packetLength);
    let is_frame =
        |frame: &ZT1_VirtualLanFrame| frame.frameLength <= MAX_FRAME && readable(frame.frameData, frame.frameLength);
    if !wires.iter().all(is_wire) || !frames.iter().all(is_frame) {
        return Err(Failure::BadParameter);
    }
    // SAFETY: not NULL where there is a length, of a plausible length (both above), and the caller's promise for the rest.
    let ended = node.run(now, wires.iter().filter_map(|wire| unsafe { wire_in(wire) }), {
        // SAFETY: the same.
        frames.iter().filter_map(|frame| unsafe { frame_in(frame) })
    })?;
    if NODES.get(handle).is_none() {
        // A callback deleted the node: it goes with this call, and its arrays with it.
        return Err(Failure::BadParameter);
    }
    let arrays = &ended.turn.arrays;
    // SAFETY: the caller's promise.
    unsafe { outputs.put(arrays.wires(), arrays.frames(), ended.wait) };
    ended.failure.map_or(Ok(()), Err)
}

fn readable(data: *const c_void, length: c_uint) -> bool {
    length == 0 || !data.is_null()
}

/// A packet from an address that this node cannot answer is no packet.
///
/// # Safety
/// `packetData` points to `packetLength` bytes.
unsafe fn wire_in<'a>(wire: &ZT1_WireMessage) -> Option<WireIn<'a>> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(wire.packetData, wire.packetLength as usize) }?;
    Some(WireIn { remote: sockaddr::endpoint(&wire.remoteAddress)?, level: wire.desperation, bytes })
}

/// Frames with a VLAN tag, and types that are none, are not carried.
///
/// # Safety
/// `frameData` points to `frameLength` bytes.
unsafe fn frame_in<'a>(frame: &ZT1_VirtualLanFrame) -> Option<FrameIn<'a>> {
    // SAFETY: the caller's promise.
    let payload = unsafe { bytes(frame.frameData, frame.frameLength as usize) }?;
    let ethertype = u16::try_from(frame.etherType).ok().filter(|_| frame.vlanId == 0)?;
    Some(FrameIn {
        network: NetworkId(frame.networkId),
        source: Mac::from_u64(frame.sourceMac),
        destination: Mac::from_u64(frame.destMac),
        ethertype,
        payload,
    })
}

/// Joins a network. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_join(node: *mut ZT1_Node, nwid: u64) -> ZT1_ReturnValue {
    answer(|| find(node)?.join(NetworkId(nwid)))
}

/// Leaves a network. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_leave(node: *mut ZT1_Node, nwid: u64) -> ZT1_ReturnValue {
    answer(|| find(node)?.leave(NetworkId(nwid)))
}

/// The host says what became of a port. Addition.
///
/// # Safety
/// `device` is NULL or text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_setPort(
    node: *mut ZT1_Node,
    nwid: u64,
    device: *const c_char,
    error: c_int,
) -> ZT1_ReturnValue {
    answer(|| {
        // SAFETY: the header's contract.
        let name = unsafe { text(device) };
        if name.is_none() && !device.is_null() {
            return Err(Failure::BadParameter);
        }
        find(node)?.set_port(NetworkId(nwid), name.unwrap_or_default().to_owned(), error)
    })
}

/// Subscribes to a multicast group. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_multicastSubscribe(node: *mut ZT1_Node, nwid: u64, group: u64, adi: u32) -> ZT1_ReturnValue {
    answer(|| find(node)?.subscribe(NetworkId(nwid), MulticastGroup { mac: Mac::from_u64(group), adi }, true))
}

/// Ends a subscription. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_multicastUnsubscribe(
    node: *mut ZT1_Node,
    nwid: u64,
    group: u64,
    adi: u32,
) -> ZT1_ReturnValue {
    answer(|| find(node)?.subscribe(NetworkId(nwid), MulticastGroup { mac: Mac::from_u64(group), adi }, false))
}

/// Fills the state of a node. Addition.
///
/// # Safety
/// `status` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_Node_status(node: *mut ZT1_Node, status: *mut ZT1_Node_Status) -> ZT1_ReturnValue {
    answer(|| {
        let view = find(node)?.status()?;
        // SAFETY: the header's contract.
        let placed = unsafe { put(status, results::status(&view)) };
        if placed { Ok(()) } else { Err(Failure::BadParameter) }
    })
}

/// All peers, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_peers(node: *mut ZT1_Node) -> *mut ZT1_Node_PeerList {
    guard(ptr::null_mut(), || {
        let views = find(node).and_then(|node| node.peers());
        views.map_or(ptr::null_mut(), |views| hold(Box::new(PeersAnswer::new(&views))).cast())
    })
}

/// All networks, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_networks(node: *mut ZT1_Node) -> *mut ZT1_Node_NetworkList {
    guard(ptr::null_mut(), || {
        let views = find(node).and_then(|node| node.networks());
        views.map_or(ptr::null_mut(), |views| hold(Box::new(NetworksAnswer::new(&views))).cast())
    })
}

/// The port of a network, or NULL. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_networkConfig(node: *mut ZT1_Node, nwid: u64) -> *mut ZT1_VirtualPortConfig {
    guard(ptr::null_mut(), || {
        let image = find(node).and_then(|node| node.network_config(NetworkId(nwid))).ok().flatten();
        image.map_or(ptr::null_mut(), |image| hold(Box::new(PortAnswer::new(&image))).cast())
    })
}

/// Gives an answer back. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_Node_freeQueryResult(result: *mut c_void) {
    guard((), || give_back(result));
}

/// Makes a network controller, which keeps its networks in the store of the node it is given to. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_NetconfMaster_new() -> *mut ZT1_NetconfMaster {
    guard(ptr::null_mut(), || controllers::insert(Master::new(None)))
}

/// Deletes a controller; a node that has it goes on serving its networks. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT1_NetconfMaster_delete(master: *mut ZT1_NetconfMaster) -> ZT1_ReturnValue {
    answer(|| if controllers::remove(master) { Ok(()) } else { Err(Failure::BadParameter) })
}

/// Executes a call of the controller's interface (document 05). Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_NetconfMaster_request(
    master: *mut ZT1_NetconfMaster,
    method: *const c_char,
    path: *const c_char,
    body: *const c_void,
    body_length: c_ulong,
    answer: *mut *mut c_char,
) -> c_int {
    let ask = |node, method: &str, path: &str, body: &[u8]| NODES.get(node)?.request(method, path, body).ok();
    // SAFETY: the header's contract, handed on.
    unsafe { controllers::request(master, (method, path), (body, body_length), answer, ask) }
}

/// Makes an identity. Addition.
///
/// # Safety
/// `secret` is NULL or has room for `cap` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_newIdentity(secret: *mut c_char, cap: c_ulong) -> ZT1_ReturnValue {
    answer(|| {
        if secret.is_null() || cap < MAX_IDENTITY {
            return Err(Failure::BadParameter);
        }
        let text = SecretIdentity::generate(&mut OsEntropy).to_text();
        let bytes = Zeroizing::new([text.as_bytes(), &[0]].concat());
        // SAFETY: the header's contract.
        let written = unsafe { copy_out(&bytes, secret.cast(), cap) };
        if written { Ok(()) } else { Err(Failure::BadParameter) }
    })
}

/// Makes a planet: its length, or −1. Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_newPlanet(
    now: u64,
    roots: *const ZT1_PlanetRoot,
    root_count: c_uint,
    planet: *mut c_void,
    cap: c_ulong,
) -> c_long {
    guard(-1, || {
        if root_count as usize > zt_wire::world::MAX_ROOTS {
            return -1;
        }
        // SAFETY: the header's contract for each pointer.
        let roots: Option<Vec<_>> = unsafe {
            let roots = structures(roots, root_count as usize).unwrap_or_default();
            roots.iter().map(|root| planet_root(root)).collect()
        };
        let Some(bytes) = roots.and_then(|roots| planet::make(now, roots)) else { return -1 };
        // SAFETY: the header's contract.
        let written = unsafe { copy_out(&bytes, planet, cap) };
        if written { c_long::try_from(bytes.len()).unwrap_or(-1) } else { -1 }
    })
}

/// # Safety
/// Pointers are NULL or as the header says.
unsafe fn planet_root(root: &ZT1_PlanetRoot) -> Option<(Identity, Vec<SocketAddr>)> {
    if root.endpointCount as usize > zt_wire::world::MAX_ENDPOINTS {
        return None;
    }
    // SAFETY: the caller's promise.
    let (text, endpoints) = unsafe { (text(root.identity)?, structures(root.endpoints, root.endpointCount as usize)?) };
    let endpoints: Option<Vec<SocketAddr>> = endpoints.iter().map(sockaddr::socket_addr).collect();
    Some((planet::identity(text)?, endpoints?))
}

/// Version of this library; each pointer may be NULL. Addition.
///
/// # Safety
/// Pointers are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT1_version(major: *mut c_int, minor: *mut c_int, revision: *mut c_int) {
    let (a, b, c) = super::VERSION;
    // SAFETY: the header's contract.
    unsafe {
        put(major, a);
        put(minor, b);
        put(revision, c);
    }
}
