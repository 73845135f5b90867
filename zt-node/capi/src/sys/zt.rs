//! The functions of `ZeroTierOne.h`; what each does is said there.

pub mod abi;
pub mod controller;
mod host;
mod results;

use self::abi::*;
use self::host::Callbacks;
use self::results::{NetworksAnswer, PeersAnswer};
use super::controllers;
use super::function_store::FunctionStore;
use super::pointers::{bytes, guard, put, structure};
use super::results::{give_back, hold};
use super::sockaddr;
use super::{MAX_FRAME, MAX_PACKET};
use crate::lock::Mutex;
use crate::master::Master;
use crate::registry::{Table, reserve};
use crate::store::DataStore;
use crate::zt::{Deadline, Failure, Node, Thread};
use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use libc::sockaddr_storage;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use zeroize::Zeroize as _;
use zt_wire::ether::EthernetRef;
use zt_wire::{Address, InetAddress, IpPrefix, Mac, MulticastGroup, NetworkId};

static NODES: Table<Node> = Table::new();
/// Texts of the identities of living nodes.
static IDENTITIES: Mutex<BTreeMap<usize, Identities>> = Mutex::new(BTreeMap::new());

/// Public and secret identity of a node, as C reads them while the node lives.
struct Identities {
    public: CString,
    secret: CString,
}

impl Drop for Identities {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.secret).into_bytes();
        bytes.zeroize();
    }
}

fn code(failure: Failure) -> ZT_ResultCode {
    match failure {
        Failure::Store => ZT_RESULT_FATAL_ERROR_DATA_STORE_FAILED,
        Failure::Internal => ZT_RESULT_FATAL_ERROR_INTERNAL,
        Failure::NetworkNotFound => ZT_RESULT_ERROR_NETWORK_NOT_FOUND,
        Failure::BadParameter => ZT_RESULT_ERROR_BAD_PARAMETER,
    }
}

/// Runs what a function does and gives its result as a code.
fn answer(body: impl FnOnce() -> Result<(), Failure>) -> ZT_ResultCode {
    guard(ZT_RESULT_FATAL_ERROR_INTERNAL, || body().map_or_else(code, |()| ZT_RESULT_OK))
}

fn find(node: *mut ZT_Node) -> Result<Arc<Node>, Failure> {
    NODES.get(node.addr()).ok_or(Failure::BadParameter)
}

/// Brings the host's deadline forward, if the node has to be called sooner. It never sleeps longer than it meant to.
///
/// # Safety
/// `place` is NULL or points to an integer that other threads only read or write as a whole.
unsafe fn bring_forward(place: *mut i64, deadline: Deadline) {
    if !place.is_null() && place.is_aligned() {
        // SAFETY: not NULL and aligned; the caller vouches for the rest. Hosts hand the same place in from all their
        // threads, so that of two calls at once the sooner deadline must win.
        unsafe { AtomicI64::from_ptr(place) }.fetch_min(deadline.0, Ordering::Relaxed);
    }
}

/// Makes a node (08 §A.5).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_new(
    node: *mut *mut ZT_Node,
    uptr: *mut c_void,
    tptr: *mut c_void,
    callbacks: *const ZT_Node_Callbacks,
    now: i64,
) -> ZT_ResultCode {
    answer(|| {
        // SAFETY: the header's contract for each pointer.
        let (placed, callbacks) = unsafe { (put(node, ptr::null_mut()), structure(callbacks)) };
        let callbacks = *callbacks.filter(|_| placed).ok_or(Failure::BadParameter)?;
        let handle = reserve();
        // 08 §A.5: a version that we do not know is an internal error.
        let missing = if callbacks.version == 0 { Failure::BadParameter } else { Failure::Internal };
        let host = Callbacks::new(handle, uptr, callbacks).ok_or(missing)?;
        let made = Arc::new(Node::new(Thread(tptr), now, Box::new(host))?);
        let (public, secret) = made.identity_texts()?;
        let texts = Identities {
            public: CString::new(public).unwrap_or_default(),
            secret: CString::new(secret.as_str()).unwrap_or_default(),
        };
        IDENTITIES.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, texts);
        NODES.insert(handle, Arc::clone(&made));
        // SAFETY: it was writable above.
        unsafe { put(node, ptr::without_provenance_mut(handle)) };
        made.announce(Thread(tptr));
        Ok(())
    })
}

/// Deletes a node (08 §A.5). NULL and handles that are none are ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_delete(node: *mut ZT_Node) {
    guard((), || {
        if let Some(removed) = NODES.remove(node.addr()) {
            removed.close(Thread(ptr::null_mut()));
            IDENTITIES.lock().unwrap_or_else(PoisonError::into_inner).remove(&node.addr());
        }
    });
}

/// Takes one UDP payload (08 §A.5).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_processWirePacket(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    now: i64,
    local_socket: i64,
    remote_address: *const sockaddr_storage,
    packet_data: *const c_void,
    packet_length: c_uint,
    deadline: *mut i64,
) -> ZT_ResultCode {
    answer(|| {
        let node = find(node)?;
        if packet_length > MAX_PACKET {
            return Err(Failure::BadParameter);
        }
        // SAFETY: the header's contract for each pointer; the length is plausible.
        let (remote, packet) = unsafe { (structure(remote_address), bytes(packet_data, packet_length as usize)) };
        let (remote, packet) = remote.zip(packet).ok_or(Failure::BadParameter)?;
        // A packet from an address that this node cannot answer is no packet.
        let Some(remote) = sockaddr::socket_addr(remote) else { return Ok(()) };
        let due = node.wire_packet(Thread(tptr), now, local_socket, remote.into(), packet)?;
        // SAFETY: the header's contract.
        unsafe { bring_forward(deadline, due) };
        Ok(())
    })
}

/// Takes one frame (08 §A.5).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_processVirtualNetworkFrame(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    now: i64,
    nwid: u64,
    source_mac: u64,
    dest_mac: u64,
    ether_type: c_uint,
    vlan_id: c_uint,
    frame_data: *const c_void,
    frame_length: c_uint,
    deadline: *mut i64,
) -> ZT_ResultCode {
    answer(|| {
        let node = find(node)?;
        if frame_length > MAX_FRAME {
            return Err(Failure::BadParameter);
        }
        // SAFETY: the header's contract; the length is plausible.
        let payload = unsafe { bytes(frame_data, frame_length as usize) }.ok_or(Failure::BadParameter)?;
        // Frames with a VLAN tag, and types that are none, are not carried.
        let Some(ethertype) = u16::try_from(ether_type).ok().filter(|_| vlan_id == 0) else { return Ok(()) };
        let (destination, source) = (Mac::from_u64(dest_mac), Mac::from_u64(source_mac));
        let frame = EthernetRef { destination, source, ethertype, payload };
        let due = node.frame(Thread(tptr), now, NetworkId(nwid), frame)?;
        // SAFETY: the header's contract.
        unsafe { bring_forward(deadline, due) };
        Ok(())
    })
}

/// Does what is due (08 §A.5).
///
/// # Safety
/// `deadline` is NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_processBackgroundTasks(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    now: i64,
    deadline: *mut i64,
) -> ZT_ResultCode {
    answer(|| {
        let node = find(node)?;
        if deadline.is_null() || !deadline.is_aligned() {
            return Err(Failure::BadParameter);
        }
        let due = node.background(Thread(tptr), now)?;
        // SAFETY: not NULL and aligned; the header's contract for the rest. As a whole, for threads that share it.
        unsafe { AtomicI64::from_ptr(deadline) }.store(due.0, Ordering::Relaxed);
        Ok(())
    })
}

/// Joins a network (08 §A.5).
///
/// # Safety
/// `uptr` and `tptr` are the host's own and not followed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_join(
    node: *mut ZT_Node,
    nwid: u64,
    uptr: *mut c_void,
    tptr: *mut c_void,
) -> ZT_ResultCode {
    answer(|| find(node)?.join(Thread(tptr), NetworkId(nwid), uptr))
}

/// Leaves a network (08 §A.5).
///
/// # Safety
/// `uptr` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_leave(
    node: *mut ZT_Node,
    nwid: u64,
    uptr: *mut *mut c_void,
    tptr: *mut c_void,
) -> ZT_ResultCode {
    answer(|| {
        if let Some(pointer) = find(node)?.leave(Thread(tptr), NetworkId(nwid))? {
            // SAFETY: the header's contract.
            unsafe { put(uptr, pointer) };
        }
        Ok(())
    })
}

fn group(mac: u64, adi: c_ulong) -> MulticastGroup {
    // Only 32 bits of it exist (08 §A.3).
    MulticastGroup { mac: Mac::from_u64(mac), adi: adi as u32 }
}

/// Subscribes to a multicast group (08 §A.5).
///
/// # Safety
/// `tptr` is the host's own and not followed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_multicastSubscribe(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    nwid: u64,
    multicast_group: u64,
    multicast_adi: c_ulong,
) -> ZT_ResultCode {
    answer(|| find(node)?.subscribe(Thread(tptr), NetworkId(nwid), group(multicast_group, multicast_adi), true))
}

/// Ends a subscription (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_multicastUnsubscribe(
    node: *mut ZT_Node,
    nwid: u64,
    multicast_group: u64,
    multicast_adi: c_ulong,
) -> ZT_ResultCode {
    let group = group(multicast_group, multicast_adi);
    answer(|| find(node)?.subscribe(Thread(ptr::null_mut()), NetworkId(nwid), group, false))
}

/// Wants a moon (08 §A.5).
///
/// # Safety
/// `tptr` is the host's own and not followed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_orbit(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    moon_world_id: u64,
    moon_seed: u64,
) -> ZT_ResultCode {
    answer(|| find(node)?.orbit(Thread(tptr), moon_world_id, Address::new(moon_seed)))
}

/// Forgets a moon (08 §A.5).
///
/// # Safety
/// `tptr` is the host's own and not followed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_deorbit(node: *mut ZT_Node, tptr: *mut c_void, moon_world_id: u64) -> ZT_ResultCode {
    answer(|| find(node)?.deorbit(Thread(tptr), moon_world_id))
}

/// Own address, or 0 (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_address(node: *mut ZT_Node) -> u64 {
    guard(0, || find(node).and_then(|node| node.address()).map_or(0, Address::as_u64))
}

/// Fills the state of a node (08 §A.5).
///
/// # Safety
/// `status` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_status(node: *mut ZT_Node, status: *mut ZT_NodeStatus) {
    guard((), || {
        let Ok(found) = find(node) else { return };
        let (Ok(address), Ok(online)) = (found.address(), found.is_online()) else { return };
        let identities = IDENTITIES.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(texts) = identities.get(&node.addr()) else { return };
        let value = ZT_NodeStatus {
            address: address.as_u64(),
            publicIdentity: texts.public.as_ptr(),
            secretIdentity: texts.secret.as_ptr(),
            online: online.into(),
        };
        // SAFETY: the header's contract.
        unsafe { put(status, value) };
    });
}

/// All peers, or NULL (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_peers(node: *mut ZT_Node) -> *mut ZT_PeerList {
    guard(ptr::null_mut(), || {
        let Ok(found) = find(node) else { return ptr::null_mut() };
        let Ok((now, views)) = found.peers() else { return ptr::null_mut() };
        hold(Box::new(PeersAnswer::new(now, &views, |path| found.socket_of(&path.path)))).cast()
    })
}

/// The configuration of a network, or NULL (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_networkConfig(node: *mut ZT_Node, nwid: u64) -> *mut ZT_VirtualNetworkConfig {
    guard(ptr::null_mut(), || {
        let image = find(node).and_then(|node| node.network(NetworkId(nwid))).ok().flatten();
        image.map_or(ptr::null_mut(), |image| hold(results::network(&image)).cast())
    })
}

/// All networks, or NULL (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_networks(node: *mut ZT_Node) -> *mut ZT_VirtualNetworkList {
    guard(ptr::null_mut(), || {
        let images = find(node).and_then(|node| node.networks());
        images.map_or(ptr::null_mut(), |images| hold(Box::new(NetworksAnswer::new(&images))).cast())
    })
}

/// Gives an answer back (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_freeQueryResult(_node: *mut ZT_Node, query_result: *mut c_void) {
    guard((), || give_back(query_result));
}

/// Tells peers of a local address (08 §A.5).
///
/// # Safety
/// `addr` is NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_addLocalInterfaceAddress(node: *mut ZT_Node, addr: *const sockaddr_storage) -> c_int {
    guard(0, || {
        // SAFETY: the header's contract.
        let address = unsafe { structure(addr) }.and_then(sockaddr::socket_addr);
        let (Some(address), Ok(node)) = (address, find(node)) else { return 0 };
        node.add_local(address).is_ok_and(|added| added).into()
    })
}

/// Forgets the local addresses (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_clearLocalInterfaceAddresses(node: *mut ZT_Node) {
    guard((), || {
        let _ = find(node).and_then(|node| node.clear_local());
    });
}

/// Sends a message to a peer (08 §A.5).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_sendUserMessage(
    node: *mut ZT_Node,
    tptr: *mut c_void,
    dest: u64,
    type_id: u64,
    data: *const c_void,
    len: c_uint,
) -> c_int {
    guard(0, || {
        if len > MAX_FRAME {
            return 0;
        }
        // SAFETY: the header's contract; the length is plausible.
        let (Some(data), Ok(node)) = (unsafe { bytes(data, len as usize) }, find(node)) else { return 0 };
        node.user_message(Thread(tptr), Address::new(dest), type_id, data).is_ok_and(|sent| sent).into()
    })
}

/// Lets a node serve networks with a `ZT_Controller` (08 §A.5).
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Node_setNetconfMaster(node: *mut ZT_Node, netconf_master_instance: *mut c_void) {
    guard((), || {
        let (Ok(found), Some(master)) = (find(node), controllers::get(netconf_master_instance)) else { return };
        let _ = found.set_master(node.addr(), &master);
    });
}

/// Settings of a physical network (08 §A.5).
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Node_setPhysicalPathConfiguration(
    node: *mut ZT_Node,
    path_network: *const sockaddr_storage,
    path_config: *const ZT_PhysicalPathConfiguration,
) -> ZT_ResultCode {
    answer(|| {
        let node = find(node)?;
        // SAFETY: the header's contract for each pointer.
        let (network, settings) = unsafe { (structure(path_network), structure(path_config)) };
        let network = match network.map(sockaddr::socket_addr) {
            None => None,
            Some(Some(address)) => {
                Some(IpPrefix::try_from(InetAddress::from(address)).map_err(|_| Failure::BadParameter)?)
            }
            Some(None) => return Err(Failure::BadParameter),
        };
        let mtu = |mtu: c_int| match u32::try_from(mtu) {
            Ok(1..) => u16::try_from(mtu.clamp(ZT_MIN_PHYSMTU as c_int, ZT_MAX_PHYSMTU as c_int)).unwrap_or(0),
            _ => 0,
        };
        node.set_physical(network, settings.map(|settings| (settings.trustedPathId, mtu(settings.mtu))))
    })
}

/// The version of the stock core whose interface this is; each pointer may be NULL (08 §A.5).
///
/// # Safety
/// Pointers are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_version(major: *mut c_int, minor: *mut c_int, revision: *mut c_int) {
    let version = zt_node::engine::COMPATIBLE_VERSION;
    // SAFETY: the header's contract.
    unsafe {
        put(major, version.major.into());
        put(minor, version.minor.into());
        put(revision, version.revision.into());
    }
}

/// Makes a controller. Addition.
///
/// # Safety
/// `store` is NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Controller_new(store: *const ZT_Controller_Store) -> *mut ZT_Controller {
    guard(ptr::null_mut(), || {
        // SAFETY: the header's contract.
        let own = match unsafe { structure(store) } {
            None => None,
            Some(store) => match FunctionStore::new(store.user, store.get, store.put) {
                Some(store) => Some(Arc::new(store) as Arc<dyn DataStore>),
                None => return ptr::null_mut(),
            },
        };
        controllers::insert(Master::new(own))
    })
}

/// Deletes a controller; a node that has it goes on serving its networks. Addition.
#[unsafe(no_mangle)]
pub extern "C" fn ZT_Controller_delete(controller: *mut ZT_Controller) -> ZT_ResultCode {
    answer(|| if controllers::remove(controller) { Ok(()) } else { Err(Failure::BadParameter) })
}

/// Executes a call of the controller's interface (document 05). Addition.
///
/// # Safety
/// Pointers are NULL or as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ZT_Controller_request(
    controller: *mut ZT_Controller,
    method: *const c_char,
    path: *const c_char,
    body: *const c_void,
    body_length: c_ulong,
    answer: *mut *mut c_char,
) -> c_int {
    let ask = |node, method: &str, path: &str, body: &[u8]| NODES.get(node)?.request(method, path, body).ok();
    // SAFETY: the header's contract, handed on.
    unsafe { controllers::request(controller, (method, path), (body, body_length), answer, ask) }
}
