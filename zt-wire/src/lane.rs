//! Where a packet stands while a link is full.

use crate::ether::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetRef};

/// The queue that a packet waits in: its bucket (ACTION_PRIORITY, 04 §6.4) and its flow. Packets of one lane keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// 0 leaves first, 8 last.
    pub bucket: u8,
    /// Which flow, of those that share a bucket fairly.
    pub flow: u8,
}

impl Lane {
    /// Number of buckets.
    pub const BUCKETS: usize = 9;
    /// Of what no rule gives another one: the middle, which is also what the reference makes of a number that is none.
    pub const USUAL: Self = Self { bucket: 4, flow: 0 };

    /// The lane of a flow; a bucket that does not exist is the usual one.
    pub const fn new(bucket: u8, flow: u8) -> Self {
        let bucket = if (bucket as usize) < Self::BUCKETS { bucket } else { Self::USUAL.bucket };
        Self { bucket, flow }
    }
}

/// A number of the flow of a frame: the same for all frames between two ports of two hosts.
///
/// Fragments go by their addresses alone, all of one packet alike.
pub fn flow_of(frame: &EthernetRef<'_>) -> u8 {
    let payload = frame.payload;
    let part = |range: core::ops::Range<usize>| payload.get(range).unwrap_or_default();
    let (addresses, protocol, ports) = match (frame.ethertype, payload.first()) {
        (ETHERTYPE_IPV4, Some(first)) => {
            let header = usize::from(first & 15) * 4;
            let fragment = part(6..8).iter().zip([0x3f, 0xff]).any(|(byte, mask)| byte & mask != 0);
            (part(12..20), part(9..10), if fragment { &[] } else { part(header..header + 4) })
        }
        (ETHERTYPE_IPV6, Some(_)) => {
            let has_ports = matches!(payload.get(6), Some(6 | 17 | 132 | 136));
            (part(8..40), part(6..7), if has_ports { part(40..44) } else { &[] })
        }
        _ => (&[][..], &[][..], &[][..]),
    };
    let all = [&frame.destination.0[..], &frame.source.0, addresses, protocol, ports];
    // FNV-1a: spread well enough over 256 flows, and nobody gains by two that meet.
    let hash = all
        .into_iter()
        .flatten()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24)) as u8
}

impl Default for Lane {
    fn default() -> Self {
        Self::USUAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mac;

    fn flow(ethertype: u16, payload: &[u8]) -> u8 {
        flow_of(&EthernetRef { destination: Mac([2; 6]), source: Mac([4; 6]), ethertype, payload })
    }

    fn udp4(fragment: u16, port: u16) -> [u8; 28] {
        let mut packet = [0; 28];
        (packet[0], packet[9]) = (0x45, 17);
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet[20..22].copy_from_slice(&port.to_be_bytes());
        packet
    }

    #[test]
    fn packets_of_a_flow_meet_and_fragments_stay_together() {
        assert_eq!(flow(0x0800, &udp4(0x4000, 1)), flow(0x0800, &udp4(0x4000, 1)));
        let flows: alloc::collections::BTreeSet<u8> = (0..256).map(|port| flow(0x0800, &udp4(0, port))).collect();
        assert!(flows.len() > 100, "{}", flows.len());
        let fragments = [udp4(0x2000, 1), udp4(0x2001, 777), udp4(0x0002, 5)].map(|packet| flow(0x0800, &packet));
        assert!(fragments.iter().all(|flow| *flow == fragments[0]));
        for n in 0..28 {
            flow(0x0800, &udp4(0, 1)[..n]);
            flow(0x86dd, &[0x60; 44][..n]);
        }
        assert_eq!(Lane::new(9, 3).bucket, 4);
    }
}
