//! Address resolution: which group an ARP request goes to, and answers to neighbour solicitations (04 §7.2, §7.6).

use std::net::IpAddr;

use zt_wire::IpPrefix;
use zt_wire::ether::{ETHERTYPE_ARP, neighbor_advertisement};
use zt_wire::ident::{Address, Mac, MulticastGroup, NetworkId};
use zt_wire::inet::InetAddress;

/// The group that receives an ARP request: (broadcast, ADI = queried address). `None` when it is no IPv4 request.
pub(crate) fn arp_group(ethertype: u16, payload: &[u8]) -> Option<MulticastGroup> {
    if ethertype != ETHERTYPE_ARP || payload.len() < 28 {
        return None;
    }
    // Quirk (04 §7.2): the hardware type and the high byte of the operation are not looked at.
    if payload[2..6] != [0x08, 0x00, 6, 4] || payload[7] != 1 {
        return None;
    }
    let adi = u32::from_be_bytes([payload[24], payload[25], payload[26], payload[27]]);
    Some(MulticastGroup { mac: Mac::BROADCAST, adi })
}

/// A neighbour advertisement made on behalf of a member.
pub(crate) struct Advertisement {
    /// MAC of the member.
    pub(crate) source: Mac,
    /// IPv6 packet.
    pub(crate) payload: [u8; 72],
}

/// Answers a neighbour solicitation whose target holds a member's address (04 §7.6). `None`: an ordinary frame.
pub(crate) fn emulate_ndp(
    network: NetworkId,
    own: Address,
    addresses: &[InetAddress],
    payload: &[u8],
) -> Option<Advertisement> {
    if payload.len() < 64 || payload[6] != 58 || payload[40] != 0x87 {
        return None;
    }
    let mut target = [0u8; 16];
    target.copy_from_slice(&payload[48..64]);
    let (assigned, member) = addresses.iter().find_map(|address| {
        let prefix = IpPrefix::try_from(*address).ok()?;
        let IpAddr::V6(ip) = prefix.address() else { return None };
        Some((ip, embedded(network, prefix, ip.octets(), target)?))
    })?;
    let member = Address::from_bytes(member);
    if member == own || member == Address::NIL {
        return None;
    }
    let source = Mac::for_member(member, network);
    Some(Advertisement { source, payload: neighbor_advertisement(target.into(), assigned, source) })
}

/// The member address inside `target` when it lies in the same derived prefix as our own address.
fn embedded(network: NetworkId, prefix: IpPrefix, own: [u8; 16], target: [u8; 16]) -> Option<[u8; 5]> {
    let at = match prefix.bits() {
        NetworkId::RFC4193_BITS if own[0] == 0xfd && own[9] == 0x99 && own[10] == 0x93 => 11,
        NetworkId::SIXPLANE_BITS if own[0] == 0xfc && own[1..5] == network.folded().to_be_bytes() => 5,
        _ => return None,
    };
    if !prefix.contains(target.into()) {
        return None;
    }
    target[at..at + 5].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    const NET: NetworkId = NetworkId(0x8056_c2e2_1c00_0001);

    fn solicitation(target: Ipv6Addr) -> [u8; 72] {
        let mut p = [0u8; 72];
        p[0] = 0x60;
        p[6] = 58;
        p[40] = 0x87;
        p[48..64].copy_from_slice(&target.octets());
        p
    }

    #[test]
    fn arp_requests_go_to_the_group_of_the_address() {
        let mut arp = [0u8; 28];
        arp[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        arp[24..].copy_from_slice(&[10, 1, 2, 3]);
        assert_eq!(arp_group(0x0806, &arp).map(|g| g.adi), Some(0x0a01_0203));
        assert_eq!(arp_group(0x0800, &arp), None);
        assert_eq!(arp_group(0x0806, &arp[..27]), None);
        arp[7] = 2;
        assert_eq!(arp_group(0x0806, &arp), None);
    }

    #[test]
    fn solicitations_of_derived_addresses_are_answered() {
        let (own, peer) = (Address::new(0x7f_2cb3_dbe7), Address::new(0xdf_a68a_e067));
        let plane: Ipv6Addr = "fc9c:56c2:e37f:2cb3:dbe7::1".parse().expect("an address");
        let target: Ipv6Addr = "fc9c:56c2:e3df:a68a:e067::77".parse().expect("an address");
        let mine = [InetAddress::V6(plane, 40)];
        let answer = emulate_ndp(NET, own, &mine, &solicitation(target)).expect("an answer");
        assert_eq!(answer.source, Mac::for_member(peer, NET));
        assert_eq!(answer.payload[8..24], target.octets());
        assert_eq!(answer.payload[24..40], plane.octets());
        assert_eq!(answer.payload[66..72], answer.source.0);
        assert!(emulate_ndp(NET, own, &mine, &solicitation(plane)).is_none(), "own address");
        assert!(emulate_ndp(NET, own, &[InetAddress::V6(plane, 41)], &solicitation(target)).is_none());
        assert!(emulate_ndp(NET, own, &mine, &solicitation(target)[..63]).is_none());
    }

    #[test]
    fn rfc4193_targets_need_the_network_id() {
        let own = Address::new(0x7f_2cb3_dbe7);
        let mine: Ipv6Addr = "fd80:56c2:e21c:0:199:937f:2cb3:dbe7".parse().expect("an address");
        let target: Ipv6Addr = "fd80:56c2:e21c:0:199:93df:a68a:e067".parse().expect("an address");
        let other: Ipv6Addr = "fd80:56c2:e21c:0:299:93df:a68a:e067".parse().expect("an address");
        let mine = [InetAddress::V6(mine, 88)];
        assert!(emulate_ndp(NET, own, &mine, &solicitation(target)).is_some());
        assert!(emulate_ndp(NET, own, &mine, &solicitation(other)).is_none());
    }
}
