//! The host of a node of the ZT interface: its callbacks.

use super::abi::*;
use super::results;
use crate::machine::Wishes;
use crate::sys::sockaddr;
use crate::zt::{Event, Host, NetworkImage, Operation, Port, StateKind, Thread};
use core::ffi::{c_int, c_uint, c_void};
use std::ffi::CString;
use std::net::SocketAddr;
use std::ptr;
use zt_node::engine::ListedFrame;
use zt_wire::Address;

/// Longest state object that is read: a configuration (04 §2.5); everything else is far smaller.
const LARGE: usize = 512 << 10;
const SMALL: usize = 16 << 10;

/// The callbacks given to `ZT_Node_new`, with what each of them gets.
pub(super) struct Callbacks {
    node: usize,
    user: *mut c_void,
    functions: ZT_Node_Callbacks,
}

// SAFETY: the user pointer is only handed back to the host, whose functions must be callable from every thread that
// calls the node (08 §A.6).
unsafe impl Send for Callbacks {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    /// `None` when a required function is missing, or the version is another.
    pub(super) fn new(node: usize, user: *mut c_void, functions: ZT_Node_Callbacks) -> Option<Self> {
        let complete = functions.version == 0
            && functions.statePutFunction.is_some()
            && functions.stateGetFunction.is_some()
            && functions.wirePacketSendFunction.is_some()
            && functions.virtualNetworkFrameFunction.is_some()
            && functions.virtualNetworkConfigFunction.is_some()
            && functions.eventCallback.is_some();
        complete.then_some(Self { node, user, functions })
    }

    fn node(&self) -> *mut ZT_Node {
        ptr::without_provenance_mut(self.node)
    }
}

fn state_type(kind: StateKind) -> ZT_StateObjectType {
    match kind {
        StateKind::IdentityPublic => ZT_STATE_OBJECT_IDENTITY_PUBLIC,
        StateKind::IdentitySecret => ZT_STATE_OBJECT_IDENTITY_SECRET,
        StateKind::Planet => ZT_STATE_OBJECT_PLANET,
        StateKind::Moon => ZT_STATE_OBJECT_MOON,
        StateKind::Peer => ZT_STATE_OBJECT_PEER,
        StateKind::NetworkConfig => ZT_STATE_OBJECT_NETWORK_CONFIG,
    }
}

fn length(bytes: &[u8]) -> c_uint {
    c_uint::try_from(bytes.len()).unwrap_or(0)
}

impl Host for Callbacks {
    fn state_put(&self, thread: Thread, kind: StateKind, id: u64, object: Option<&[u8]>) {
        let Some(put) = self.functions.statePutFunction else { return };
        let id = [id, 0];
        let (data, len) = object
            .map_or((ptr::null(), -1), |object| (object.as_ptr(), c_int::try_from(object.len()).unwrap_or(c_int::MAX)));
        // SAFETY: a callback of the type the header says; id and data live during the call.
        unsafe { put(self.node(), self.user, thread.0, state_type(kind), id.as_ptr(), data.cast(), len) };
    }

    fn state_get(&self, thread: Thread, kind: StateKind, id: u64) -> Option<Vec<u8>> {
        let get = self.functions.stateGetFunction?;
        let id = [id, 0];
        let mut buffer = vec![0u8; if kind == StateKind::NetworkConfig { LARGE } else { SMALL }];
        let (place, cap) = (buffer.as_mut_ptr(), length(&buffer));
        // SAFETY: a callback of the type the header says; id and the buffer of `cap` bytes live during the call.
        let read = unsafe { get(self.node(), self.user, thread.0, state_type(kind), id.as_ptr(), place.cast(), cap) };
        // More than there was room for is a lie: then nothing of it is used.
        let read = usize::try_from(read).ok().filter(|read| *read <= buffer.len())?;
        buffer.truncate(read);
        Some(buffer)
    }

    fn send(&self, thread: Thread, socket: i64, remote: &SocketAddr, bytes: &[u8], ttl: u8) -> bool {
        let Some(send) = self.functions.wirePacketSendFunction else { return false };
        let remote = sockaddr::of_socket_addr(remote);
        let (data, len) = (bytes.as_ptr().cast(), length(bytes));
        // SAFETY: a callback of the type the header says; address and data live during the call.
        let sent = unsafe { send(self.node(), self.user, thread.0, socket, &raw const remote, data, len, ttl.into()) };
        sent == 0
    }

    fn frame(&self, thread: Thread, port: &Port, frame: &ListedFrame, payload: &[u8]) {
        let Some(deliver) = self.functions.virtualNetworkFrameFunction else { return };
        let (source, destination) = (frame.source.as_u64(), frame.destination.as_u64());
        let (data, len) = (payload.as_ptr().cast(), length(payload));
        let (nwid, nuptr, kind) = (frame.network.0, port.pointer_place(), frame.ethertype.into());
        // SAFETY: a callback of the type the header says; the payload and the place of the host's pointer live during
        // the call.
        unsafe {
            deliver(self.node(), self.user, thread.0, nwid, nuptr, source, destination, kind, 0, data, len);
        }
    }

    fn port(&self, thread: Thread, port: &Port, operation: Operation, image: &NetworkImage) -> i32 {
        let Some(configure) = self.functions.virtualNetworkConfigFunction else { return 0 };
        let operation = match operation {
            Operation::Up => ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_UP,
            Operation::Update => ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_CONFIG_UPDATE,
            Operation::Down => ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DOWN,
            Operation::Destroy => ZT_VIRTUAL_NETWORK_CONFIG_OPERATION_DESTROY,
        };
        let config = results::network(image);
        let (nwid, nuptr) = (port.network().0, port.pointer_place());
        // SAFETY: a callback of the type the header says; configuration and the place of the host's pointer live during
        // the call.
        unsafe { configure(self.node(), self.user, thread.0, nwid, nuptr, operation, &raw const *config) }
    }

    fn event(&self, thread: Thread, event: Event<'_>) {
        match event {
            Event::Up => self.plain_event(thread, ZT_EVENT_UP, ptr::null()),
            Event::Online(true) => self.plain_event(thread, ZT_EVENT_ONLINE, ptr::null()),
            Event::Online(false) => self.plain_event(thread, ZT_EVENT_OFFLINE, ptr::null()),
            Event::Collision => self.plain_event(thread, ZT_EVENT_FATAL_ERROR_IDENTITY_COLLISION, ptr::null()),
            Event::Trace(text) => {
                let text = CString::new(text).unwrap_or_default();
                self.plain_event(thread, ZT_EVENT_TRACE, text.as_ptr().cast());
            }
            Event::UserMessage { from, type_id, data } => {
                let message = ZT_UserMessage {
                    origin: from.as_u64(),
                    typeId: type_id,
                    data: data.as_ptr().cast(),
                    length: length(data),
                };
                self.plain_event(thread, ZT_EVENT_USER_MESSAGE, (&raw const message).cast());
            }
            Event::RemoteTrace { from, dictionary } => {
                // The host may write into it, and finds its end by a NUL.
                let mut text = dictionary.to_vec();
                text.push(0);
                let trace =
                    ZT_RemoteTrace { origin: from.as_u64(), len: length(&text), data: text.as_mut_ptr().cast() };
                self.plain_event(thread, ZT_EVENT_REMOTE_TRACE, (&raw const trace).cast());
            }
        }
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            ask_paths: self.functions.pathCheckFunction.is_some(),
            ask_addresses: self.functions.pathLookupFunction.is_some(),
            hear_messages: true,
        }
    }

    fn check_path(&self, thread: Thread, peer: Address, socket: i64, remote: &SocketAddr) -> bool {
        let Some(check) = self.functions.pathCheckFunction else { return true };
        let remote = sockaddr::of_socket_addr(remote);
        // SAFETY: a callback of the type the header says; the address lives during the call.
        unsafe { check(self.node(), self.user, thread.0, peer.as_u64(), socket, &raw const remote) != 0 }
    }

    fn look_up(&self, thread: Thread, peer: Address) -> Option<SocketAddr> {
        let look_up = self.functions.pathLookupFunction?;
        let mut result = sockaddr::none();
        // SAFETY: a callback of the type the header says; the place for the result lives during the call.
        let found = unsafe { look_up(self.node(), self.user, thread.0, peer.as_u64(), -1, &raw mut result) };
        (found != 0).then(|| sockaddr::socket_addr(&result)).flatten()
    }
}

impl Callbacks {
    fn plain_event(&self, thread: Thread, event: ZT_Event, meta: *const c_void) {
        let Some(callback) = self.functions.eventCallback else { return };
        // SAFETY: a callback of the type the header says; what meta points to lives during the call.
        unsafe { callback(self.node(), self.user, thread.0, event, meta) };
    }
}
