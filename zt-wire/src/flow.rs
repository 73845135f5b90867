//! Which flow a frame belongs to (03 §15.3).

use crate::ether::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetRef};

/// Protocols whose first four bytes are two ports: TCP, UDP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 4] = [6, 17, 132, 136];
/// Extension headers of IPv6 that are skipped: hop-by-hop, routing, destination options, mobility (03 §15.3).
const SKIPPED: [u8; 4] = [0, 43, 60, 135];
/// The header of an IPv6 fragment.
const FRAGMENT: u8 = 44;
/// Most extension headers that are looked through.
const MAX_EXTENSIONS: usize = 8;

/// A number for the flow of a frame: the same for all frames between two ports of two hosts, and for both directions.
///
/// Deliberate: the reference mixes the ports and the protocol alone, and gives frames without ports no flow, so that pings
/// are spread packet by packet (03 §15.3). Here addresses count too, and every frame has a flow. Fragments of IP go by
/// their addresses and protocol, all of one packet alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// What the flow of a frame is told from.
#[derive(Default)]
struct Facts<'a> {
    source: &'a [u8],
    destination: &'a [u8],
    protocol: u8,
    source_port: &'a [u8],
    destination_port: &'a [u8],
}

impl FlowId {
    /// The flow of a frame.
    pub fn of(frame: &EthernetRef<'_>) -> Self {
        let facts = match frame.ethertype {
            ETHERTYPE_IPV4 => Facts::of_ipv4(frame.payload),
            ETHERTYPE_IPV6 => Facts::of_ipv6(frame.payload),
            _ => Facts::default(),
        };
        let end = |mac: &[u8], ip: &[u8], port: &[u8]| mix(&[mac, ip, port]);
        let source = end(&frame.source.0, facts.source, facts.source_port);
        let destination = end(&frame.destination.0, facts.destination, facts.destination_port);
        // A sum is the same in both directions, and unlike XOR not zero where both ends look alike.
        let ends = source.wrapping_add(destination).to_be_bytes();
        Self(mix(&[&ends, &frame.ethertype.to_be_bytes(), &[facts.protocol]]))
    }

    /// The flow in eight bits.
    pub const fn short(self) -> u8 {
        (self.0 ^ (self.0 >> 8) ^ (self.0 >> 16) ^ (self.0 >> 24)) as u8
    }
}

impl<'a> Facts<'a> {
    fn of_ipv4(packet: &'a [u8]) -> Self {
        let (Some(addresses), Some(first)) = (packet.get(12..20), packet.first()) else { return Self::default() };
        let (source, destination) = addresses.split_at(4);
        let fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
        let facts = Self { source, destination, protocol: packet[9], ..Self::default() };
        if fragment { facts } else { facts.with_ports(packet.get(usize::from(first & 15) * 4..).unwrap_or_default()) }
    }

    fn of_ipv6(packet: &'a [u8]) -> Self {
        let Some(addresses) = packet.get(8..40) else { return Self::default() };
        let (source, destination) = addresses.split_at(16);
        let (mut protocol, mut rest) = (packet[6], packet.get(40..).unwrap_or_default());
        for _ in 0..MAX_EXTENSIONS {
            match (SKIPPED.contains(&protocol), rest) {
                (true, [next, len, ..]) => {
                    protocol = *next;
                    rest = rest.get((usize::from(*len) + 1) * 8..).unwrap_or_default();
                }
                (false, [next, ..]) if protocol == FRAGMENT => {
                    // Only the first piece has the ports, so none of them counts.
                    return Self { source, destination, protocol: *next, ..Self::default() };
                }
                _ => break,
            }
        }
        Self { source, destination, protocol, ..Self::default() }.with_ports(rest)
    }

    fn with_ports(self, transport: &'a [u8]) -> Self {
        match transport.get(..4) {
            Some(ports) if WITH_PORTS.contains(&self.protocol) => {
                let (source_port, destination_port) = ports.split_at(2);
                Self { source_port, destination_port, ..self }
            }
            _ => self,
        }
    }
}

/// FNV-1a, spread once more at the end: nobody gains by two flows that meet.
fn mix(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mac;

    fn flow(ethertype: u16, payload: &[u8], back: bool) -> FlowId {
        let (a, b) = (Mac([2; 6]), Mac([4; 6]));
        let (source, destination) = if back { (b, a) } else { (a, b) };
        FlowId::of(&EthernetRef { destination, source, ethertype, payload })
    }

    fn udp4(fragment: u16, from: (u8, u16), to: (u8, u16)) -> [u8; 28] {
        let mut packet = [0; 28];
        (packet[0], packet[9]) = (0x45, 17);
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        (packet[15], packet[19]) = (from.0, to.0);
        packet[20..22].copy_from_slice(&from.1.to_be_bytes());
        packet[22..24].copy_from_slice(&to.1.to_be_bytes());
        packet
    }

    fn udp6(extensions: &[u8], first: u8, from: (u8, u16), to: (u8, u16)) -> alloc::vec::Vec<u8> {
        let mut packet = alloc::vec![0; 40];
        (packet[0], packet[6]) = (0x60, first);
        (packet[23], packet[39]) = (from.0, to.0);
        packet.extend(extensions);
        packet.extend(from.1.to_be_bytes());
        packet.extend(to.1.to_be_bytes());
        packet
    }

    #[test]
    fn both_directions_of_a_flow_have_one_number_and_other_ports_another() {
        let there = flow(ETHERTYPE_IPV4, &udp4(0x4000, (1, 1000), (2, 80)), false);
        assert_eq!(there, flow(ETHERTYPE_IPV4, &udp4(0, (2, 80), (1, 1000)), true));
        assert_ne!(there, flow(ETHERTYPE_IPV4, &udp4(0, (1, 1001), (2, 80)), false));
        assert_ne!(there, flow(ETHERTYPE_IPV4, &udp4(0, (1, 1000), (3, 80)), false), "another host");
        let many = (0..256).map(|port| flow(ETHERTYPE_IPV4, &udp4(0, (1, port), (2, 80)), false).short());
        let many: alloc::collections::BTreeSet<u8> = many.collect();
        assert!(many.len() > 100, "{}", many.len());
    }

    #[test]
    fn fragments_stay_together() {
        let fragments = [(0x2000, 1), (0x2001, 777), (0x0002, 5)];
        let flows = fragments.map(|(bits, port)| flow(ETHERTYPE_IPV4, &udp4(bits, (1, port), (2, 80)), false));
        assert!(flows.iter().all(|other| *other == flows[0]));
        let piece = |port| flow(ETHERTYPE_IPV6, &udp6(&[17, 0, 0, 1, 0, 0, 0, 9], FRAGMENT, (1, port), (2, 80)), false);
        assert_eq!(piece(5), piece(6));
    }

    #[test]
    fn extension_headers_are_looked_through() {
        let plain = flow(ETHERTYPE_IPV6, &udp6(&[], 17, (1, 1000), (2, 80)), false);
        let options = [60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(plain, flow(ETHERTYPE_IPV6, &udp6(&options, 0, (1, 1000), (2, 80)), false));
        assert_eq!(plain, flow(ETHERTYPE_IPV6, &udp6(&[], 17, (2, 80), (1, 1000)), true));
        assert_ne!(plain, flow(ETHERTYPE_IPV6, &udp6(&[], 17, (1, 1001), (2, 80)), false));
    }

    #[test]
    fn short_frames_have_a_flow_too() {
        for n in 0..28 {
            flow(ETHERTYPE_IPV4, &udp4(0, (1, 1), (2, 2))[..n], false);
        }
        let packet = udp6(&[0; 16], 0, (1, 1), (2, 2));
        for n in 0..packet.len() {
            flow(ETHERTYPE_IPV6, &packet[..n], false);
        }
        assert_ne!(flow(0x0806, &[], false), flow(0x88cc, &[], false));
    }
}
