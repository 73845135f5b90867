//! The largest segment that an end of a TCP flow says it takes (RFC 9293 §3.7.1), made smaller on the way.

use crate::ether::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, EthernetRef};

/// EtherType of outer VLAN tags.
const ETHERTYPE_QINQ: u16 = 0x88a8;
const TCP: u8 = 6;
const TCP_HEADER_LEN: usize = 20;
const SYN: u8 = 2;
/// Kind and length of the option.
const MSS: [u8; 2] = [2, 4];
/// Extension headers of IPv6 that may stand before TCP: hop-by-hop, routing, destination options, mobility.
const SKIPPED: [u8; 4] = [0, 43, 60, 135];
/// No segment size is made smaller than this, which every host takes.
const LEAST: usize = 536;

/// Where things are in the payload of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// Begin of the IP header: after VLAN tags.
    ip: usize,
    /// Bytes of the fixed IP header, which the size of segments leaves out (RFC 6691).
    ip_header: usize,
    tcp: usize,
    /// The two bytes of the option's value.
    value: usize,
}

/// Whether a frame begins a TCP flow, and says how large segments may be.
pub fn says_mss(frame: &EthernetRef<'_>) -> bool {
    find(frame.ethertype, frame.payload).is_some()
}

/// In the payload of a frame that begins a TCP flow over IPv4 or IPv6, makes the size of segments so small that a full segment with
/// its headers and VLAN tags is at most `most` bytes long, and corrects the checksum by the difference (RFC 1624), so that one
/// that was wrong stays wrong. The new size if it was changed; nothing is made larger, and nothing else is touched.
pub fn clamp(ethertype: u16, payload: &mut [u8], most: usize) -> Option<u16> {
    let found = find(ethertype, payload)?;
    let headers = found.ip + found.ip_header + TCP_HEADER_LEN;
    let size = u16::try_from(most.saturating_sub(headers).max(LEAST)).unwrap_or(u16::MAX);
    let value = payload.get_mut(found.value..found.value + 2)?;
    let old = u16::from_be_bytes([value[0], value[1]]);
    if old <= size {
        return None;
    }
    value.copy_from_slice(&size.to_be_bytes());
    // The sum is over words that are counted from the header of TCP: at an odd place the bytes are in two of them.
    let in_sum = |value: u16| if (found.value - found.tcp) % 2 == 0 { value } else { value.swap_bytes() };
    let sum = payload.get_mut(found.tcp + 16..found.tcp + 18)?;
    let updated = update(u16::from_be_bytes([sum[0], sum[1]]), in_sum(old), in_sum(size));
    sum.copy_from_slice(&updated.to_be_bytes());
    Some(size)
}

/// A checksum after one word of what it covers was changed (RFC 1624, equation 3).
const fn update(sum: u16, old: u16, new: u16) -> u16 {
    let mut total = !sum as u32 + !old as u32 + new as u32;
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    !(total as u16)
}

fn find(ethertype: u16, payload: &[u8]) -> Option<Found> {
    let (mut ethertype, mut ip) = (ethertype, 0);
    while matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) && ip < 8 {
        ethertype = u16::from_be_bytes(payload.get(ip + 2..ip + 4)?.try_into().ok()?);
        ip += 4;
    }
    let (ip_header, tcp) = match ethertype {
        ETHERTYPE_IPV4 => (20, ip + after_ipv4(payload.get(ip..)?)?),
        ETHERTYPE_IPV6 => (40, ip + after_ipv6(payload.get(ip..)?)?),
        _ => return None,
    };
    let header = payload.get(tcp..)?;
    let len = usize::from(header.get(12)? >> 4) * 4;
    if len < TCP_HEADER_LEN || header.get(13)? & SYN == 0 {
        return None;
    }
    let value = tcp + TCP_HEADER_LEN + mss_in(header.get(TCP_HEADER_LEN..len)?)?;
    Some(Found { ip, ip_header, tcp, value })
}

/// Length of the header of an IPv4 packet that holds TCP from its beginning.
fn after_ipv4(packet: &[u8]) -> Option<usize> {
    let len = usize::from(packet.first()? & 15) * 4;
    let is_fragment = packet.get(6)? & 0x3f != 0 || *packet.get(7)? != 0;
    let is_tcp = packet[0] >> 4 == 4 && len >= 20 && !is_fragment && *packet.get(9)? == TCP;
    is_tcp.then_some(len)
}

fn after_ipv6(packet: &[u8]) -> Option<usize> {
    let (mut next, mut at) = (*packet.get(6)?, 40);
    for _ in 0..8 {
        if !SKIPPED.contains(&next) {
            break;
        }
        let header = packet.get(at..at + 2)?;
        (next, at) = (header[0], at + 8 + usize::from(header[1]) * 8);
    }
    (packet[0] >> 4 == 6 && next == TCP).then_some(at)
}

/// Where the value of the option is among options.
fn mss_in(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match options.get(at..)? {
            [0, ..] | [] => return None,
            [1, ..] => at += 1,
            [kind, len, ..] if [*kind, *len] == MSS => return (options.len() >= at + 4).then_some(at + 2),
            [_, len, ..] if *len >= 2 => at += usize::from(*len),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// What stands before the option and after it, and whether the packet is in IPv6 and VLANs.
    #[derive(Clone, Debug)]
    struct Syn {
        v6: bool,
        tags: usize,
        nops: usize,
        mss: u16,
        data: Vec<u8>,
    }

    fn sum(words: impl IntoIterator<Item = u16>) -> u16 {
        let mut total = words.into_iter().fold(0_u32, |total, word| total + u32::from(word));
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    fn words(bytes: &[u8]) -> Vec<u16> {
        bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])).collect()
    }

    /// What a receiver computes over pseudo header and segment: `0xffff` when the checksum is right.
    fn verify(v6: bool, ip: &[u8]) -> u16 {
        let (addresses, segment) = if v6 { (&ip[8..40], &ip[40..]) } else { (&ip[12..20], &ip[20..]) };
        sum(words(addresses).into_iter().chain([6, segment.len() as u16]).chain(words(segment)))
    }

    /// EtherType and payload of the frame.
    fn frame(syn: &Syn) -> (u16, Vec<u8>) {
        let mut options = vec![1; syn.nops];
        options.extend(MSS);
        options.extend(syn.mss.to_be_bytes());
        options.resize(options.len().next_multiple_of(4), 0);
        let mut segment = vec![0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0, SYN, 0xff, 0xff, 0, 0, 0, 0];
        segment[12] = (((TCP_HEADER_LEN + options.len()) / 4) << 4) as u8;
        segment.extend(options);
        segment.extend(&syn.data);
        let mut ip = if syn.v6 { vec![0; 40] } else { vec![0; 20] };
        let place = if syn.v6 {
            (ip[0], ip[6]) = (0x60, TCP);
            8
        } else {
            (ip[0], ip[9]) = (0x45, TCP);
            12
        };
        let end = ip.len();
        (place..end).for_each(|at| ip[at] = at as u8);
        ip.extend(segment);
        let checksum = !verify(syn.v6, &ip);
        ip[end + 16..end + 18].copy_from_slice(&checksum.to_be_bytes());
        let mut ethertype = if syn.v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 };
        for tag in 0..syn.tags {
            let mut tagged = vec![0, tag as u8];
            tagged.extend(ethertype.to_be_bytes());
            tagged.extend(ip);
            (ip, ethertype) = (tagged, ETHERTYPE_VLAN);
        }
        (ethertype, ip)
    }

    fn syns() -> impl Strategy<Value = Syn> {
        let data = prop::collection::vec(any::<u8>(), 0..20);
        (any::<bool>(), 0..3_usize, 0..20_usize, any::<u16>(), data).prop_map(|(v6, tags, nops, mss, data)| Syn {
            v6,
            tags,
            nops,
            mss,
            data,
        })
    }

    proptest! {
        #[test]
        fn a_full_segment_fits_and_the_checksum_is_right(syn in syns(), most in 0..10_000_usize) {
            let (ethertype, before) = frame(&syn);
            let mut payload = before.clone();
            let changed = clamp(ethertype, &mut payload, most);
            let headers = syn.tags * 4 + if syn.v6 { 60 } else { 40 };
            let wanted = most.saturating_sub(headers).max(LEAST) as u16;
            prop_assert_eq!(changed, (syn.mss > wanted).then_some(wanted));
            let found = find(ethertype, &payload).expect("it is a SYN");
            prop_assert_eq!(verify(syn.v6, &payload[syn.tags * 4..]), 0xffff);
            for at in (0..payload.len()).filter(|at| payload[*at] != before[*at]) {
                let expected = [found.value, found.value + 1, found.tcp + 16, found.tcp + 17];
                prop_assert!(changed.is_some() && expected.contains(&at), "byte {} was touched", at);
            }
            prop_assert_eq!(clamp(ethertype, &mut payload, most), None, "once");
        }

        #[test]
        fn a_wrong_checksum_stays_wrong(syn in syns(), error in 1..0xffff_u16) {
            let (ethertype, mut payload) = frame(&syn);
            let found = find(ethertype, &payload).expect("it is a SYN");
            let right = u16::from_be_bytes([payload[found.tcp + 16], payload[found.tcp + 17]]);
            // In arithmetic of ones' complement, where 0 and 0xffff are the same.
            prop_assume!(sum([right, error]) % 0xffff != right % 0xffff);
            payload[found.tcp + 16..found.tcp + 18].copy_from_slice(&sum([right, error]).to_be_bytes());
            clamp(ethertype, &mut payload, 1_000);
            prop_assert_ne!(verify(syn.v6, &payload[syn.tags * 4..]) % 0xffff, 0);
        }

        #[test]
        fn what_is_no_whole_syn_is_left_alone(syn in syns(), cut in 0..120_usize, flags in any::<u8>()) {
            let (ethertype, whole) = frame(&syn);
            let found = find(ethertype, &whole).expect("it is a SYN");
            let mut short = whole[..cut.min(found.value + 1).min(whole.len())].to_vec();
            let before = short.clone();
            prop_assert_eq!(clamp(ethertype, &mut short, 600), None);
            prop_assert_eq!(short, before);
            let mut other = whole.clone();
            other[found.tcp + 13] = flags & !SYN;
            prop_assert_eq!(clamp(ethertype, &mut other, 600), None);
            let mut fragment = whole;
            if !syn.v6 {
                fragment[found.ip + 7] = 1;
                prop_assert_eq!(clamp(ethertype, &mut fragment, 600), None);
            }
        }

        #[test]
        fn no_frame_makes_it_panic(ethertype in prop::sample::select(vec![ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN]),
            mut payload in prop::collection::vec(any::<u8>(), 0..200), first in any::<u8>(), most in any::<usize>()) {
            if let Some(byte) = payload.first_mut() {
                *byte = if ethertype == ETHERTYPE_IPV6 { 0x60 | first & 15 } else { 0x45 };
            }
            let _ = clamp(ethertype, &mut payload, most);
        }
    }

    #[test]
    fn headers_before_tcp_are_skipped_and_options_cannot_go_round() {
        let syn = Syn { v6: true, tags: 0, nops: 0, mss: 8_000, data: Vec::new() };
        let (_, plain) = frame(&syn);
        let mut payload = plain[..40].to_vec();
        payload[6] = 60;
        payload.extend([TCP, 0, 1, 4, 0, 0, 0, 0]);
        payload.extend(&plain[40..]);
        // Not counted: only some packets of the flow have them.
        assert_eq!(clamp(ETHERTYPE_IPV6, &mut payload, 1_400), Some(1_340));
        assert_eq!(mss_in(&[8, 0, 0, 0, 2, 4, 5, 0]), None, "an option of no length");
        assert_eq!(mss_in(&[8, 3, 0, 2, 4, 5, 0]), Some(5));
        assert_eq!((mss_in(&[0, 2, 4, 5, 0]), mss_in(&[2, 4, 5]), mss_in(&[2])), (None, None, None));
    }
}
