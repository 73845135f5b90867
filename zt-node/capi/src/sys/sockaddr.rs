//! Socket addresses of C.

use libc::{AF_INET, AF_INET6, AF_PACKET, sockaddr_in, sockaddr_in6, sockaddr_ll, sockaddr_storage};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use zt_peer::Endpoint;
use zt_wire::{InetAddress, Mac};

/// A storage of zeros: no address.
pub(super) fn none() -> sockaddr_storage {
    // SAFETY: the structure is plain integers, for which all zeros is a value.
    unsafe { core::mem::zeroed() }
}

/// Views a storage as the structure that its family says.
fn view<T: Copy>(storage: &sockaddr_storage) -> T {
    const { assert!(size_of::<T>() <= size_of::<sockaddr_storage>()) };
    // SAFETY: T is one of the socket address structures: plain integers, no larger than the storage (asserted), and
    // read without regard to alignment.
    unsafe { core::ptr::from_ref(storage).cast::<T>().read_unaligned() }
}

/// Puts a structure at the start of a storage of zeros.
fn stored<T: Copy>(address: T) -> sockaddr_storage {
    const { assert!(size_of::<T>() <= size_of::<sockaddr_storage>()) };
    let mut storage = none();
    // SAFETY: as in `view`, the other way round.
    unsafe { core::ptr::from_mut(&mut storage).cast::<T>().write_unaligned(address) };
    storage
}

/// The address of a peer: IPv4, IPv6 or Ethernet; `None` for anything else.
pub(super) fn endpoint(storage: &sockaddr_storage) -> Option<Endpoint> {
    if i32::from(storage.ss_family) == AF_PACKET {
        let address: sockaddr_ll = view(storage);
        let mac = address.sll_addr.first_chunk::<6>().filter(|_| address.sll_halen == 6)?;
        return Some(Endpoint::Mac(Mac(*mac)));
    }
    socket_addr(storage).map(Endpoint::Ip)
}

/// An IP address with a port.
pub(super) fn socket_addr(storage: &sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        AF_INET => {
            let address: sockaddr_in = view(storage);
            let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        AF_INET6 => {
            let address: sockaddr_in6 = view(storage);
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            // A zone means something only on one link, and addresses told in packets have none.
            let zone = if ip.is_unicast_link_local() { address.sin6_scope_id } else { 0 };
            Some(SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, zone).into())
        }
        _ => None,
    }
}

/// A peer's address for C.
pub(super) fn of_endpoint(endpoint: &Endpoint) -> sockaddr_storage {
    match endpoint {
        Endpoint::Ip(address) => of_socket_addr(address),
        Endpoint::Mac(mac) => {
            let mut address: sockaddr_ll = view(&none());
            address.sll_family = family(AF_PACKET);
            address.sll_halen = 6;
            address.sll_addr[..6].copy_from_slice(&mac.0);
            stored(address)
        }
    }
}

/// An IP address and port for C.
pub(super) fn of_socket_addr(address: &SocketAddr) -> sockaddr_storage {
    match address {
        SocketAddr::V4(v4) => {
            let mut address: sockaddr_in = view(&none());
            address.sin_family = family(AF_INET);
            address.sin_port = v4.port().to_be();
            address.sin_addr.s_addr = v4.ip().to_bits().to_be();
            stored(address)
        }
        SocketAddr::V6(v6) => {
            let mut address: sockaddr_in6 = view(&none());
            address.sin6_family = family(AF_INET6);
            address.sin6_port = v6.port().to_be();
            address.sin6_addr.s6_addr = v6.ip().octets();
            address.sin6_scope_id = v6.scope_id();
            stored(address)
        }
    }
}

/// An assigned address, whose port is its prefix length, for C.
pub(super) fn of_inet(address: &InetAddress) -> sockaddr_storage {
    address.socket_addr().map_or_else(none, |address| of_socket_addr(&address))
}

fn family(number: i32) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).expect("families are small numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_c_and_back() {
        for text in ["10.1.2.3:9993", "[2001:db8::1]:443", "[fe80::1%7]:5"] {
            let endpoint = Endpoint::Ip(text.parse().expect("an address"));
            assert_eq!(super::endpoint(&of_endpoint(&endpoint)), Some(endpoint), "{text}");
        }
        let mac = Endpoint::Mac(Mac([2, 1, 2, 3, 4, 5]));
        assert_eq!(endpoint(&of_endpoint(&mac)), Some(mac));
        assert_eq!(endpoint(&none()), None);
    }
}
