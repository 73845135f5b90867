//! Nodes of both interfaces, called as C calls them.

#![expect(unsafe_code, unreachable_pub, reason = "the functions under measurement are C's; a module of a benchmark")]

mod zt;
mod zt1;

pub use zt::ZtNode;
pub use zt1::{CNode, Packet, Store, wire};

use core::ffi::c_uint;
use std::net::SocketAddr;
use std::ptr;

/// Bytes of the heap in use.
pub fn heap() -> usize {
    // SAFETY: reads counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// An IPv4 address of C.
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    if i32::from(storage.ss_family) != libc::AF_INET {
        return None;
    }
    // SAFETY: the family says that it is one.
    let v4: libc::sockaddr_in = unsafe { ptr::from_ref(storage).cast::<libc::sockaddr_in>().read() };
    Some((u32::from_be(v4.sin_addr.s_addr).to_be_bytes(), u16::from_be(v4.sin_port)).into())
}

/// An IPv4 address for C.
fn storage(address: SocketAddr) -> libc::sockaddr_storage {
    let SocketAddr::V4(address) = address else { panic!("IPv4 only") };
    // SAFETY: plain integers.
    let mut storage: libc::sockaddr_storage = unsafe { core::mem::zeroed() };
    // SAFETY: the storage is large enough and aligned for every socket address.
    let v4 = unsafe { &mut *ptr::from_mut(&mut storage).cast::<libc::sockaddr_in>() };
    v4.sin_family = libc::AF_INET as u16;
    v4.sin_port = address.port().to_be();
    v4.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    storage
}

fn length(bytes: &[u8]) -> c_uint {
    c_uint::try_from(bytes.len()).expect("short")
}
