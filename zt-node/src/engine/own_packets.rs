//! The tunnel inside itself: a frame out of a port that carries a datagram which we sent ourselves.
//!
//! Sockets are tied to interfaces and addresses inside our networks are no paths, so this does not happen; when it does
//! all the same (a bridge that floods, an overlay that nobody told us of), the frame ends here, and with it the loop. Looked
//! for in plain frames and through layers of encapsulation that do not encrypt.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use zt_peer::{Endpoint, Link, LinkId, LinkKind};
use zt_wire::ether::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, EthernetRef};
use zt_wire::{Mac, raw_ethernet};

/// Layers that are looked through: a VXLAN in a GRE tunnel in a VLAN is more than anybody has.
const LAYERS: usize = 6;
const ETHERTYPE_QINQ: u16 = 0x88a8;
/// Transparent Ethernet bridging: an Ethernet frame inside of GRE or Geneve.
const ETHERTYPE_TEB: u16 = 0x6558;
const PROTOCOL_IPIP: u8 = 4;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_IPV6: u8 = 41;
const PROTOCOL_GRE: u8 = 47;

/// Our sockets, and what came back of what they sent.
#[derive(Default)]
pub(super) struct OwnPackets {
    sockets: Vec<(LinkId, SocketAddr)>,
    stations: Vec<(LinkId, Mac)>,
    /// Frames that ended here.
    pub(super) dropped: u64,
}

/// What comes next in a frame.
enum Layer<'a> {
    Ethernet(&'a [u8]),
    Typed(u16, &'a [u8]),
    /// IPv4 or IPv6, whichever it says.
    Ip(&'a [u8]),
}

impl OwnPackets {
    /// A socket is there.
    pub(super) fn add(&mut self, link: &Link) {
        self.remove(link.id);
        if let Endpoint::Mac(mac) = link.local {
            self.stations.push((link.id, mac));
        }
        if link.kind == LinkKind::Udp
            && let Endpoint::Ip(local) = link.local
            && !local.ip().is_unspecified()
            && local.port() != 0
        {
            self.sockets.push((link.id, local));
        }
    }

    /// A socket is gone.
    pub(super) fn remove(&mut self, link: LinkId) {
        self.sockets.retain(|(id, _)| *id != link);
        self.stations.retain(|(id, _)| *id != link);
    }

    /// Whether a frame that the host sends into a port carries a datagram of ours; counts it then.
    pub(super) fn catches(&mut self, frame: &EthernetRef<'_>) -> bool {
        let caught = self.carried(frame.source, Layer::Typed(frame.ethertype, frame.payload));
        self.dropped += u64::from(caught);
        caught
    }

    /// `station`: who sent the frame that is looked into.
    fn carried(&self, mut station: Mac, outermost: Layer<'_>) -> bool {
        let mut layer = outermost;
        for _ in 0..LAYERS {
            let inner = match layer {
                Layer::Ethernet(bytes) => EthernetRef::new_checked(bytes).ok().map(|frame| {
                    station = frame.source;
                    Layer::Typed(frame.ethertype, frame.payload)
                }),
                Layer::Typed(raw_ethernet::ETHERTYPE, _) => {
                    return self.stations.iter().any(|(_, mac)| *mac == station);
                }
                Layer::Typed(ETHERTYPE_IPV4 | ETHERTYPE_IPV6, bytes) => Some(Layer::Ip(bytes)),
                Layer::Typed(ETHERTYPE_VLAN | ETHERTYPE_QINQ, bytes) => typed(bytes, 2, 4),
                Layer::Typed(ETHERTYPE_TEB, bytes) => Some(Layer::Ethernet(bytes)),
                Layer::Typed(..) => None,
                Layer::Ip(bytes) => {
                    let Some((source, protocol, payload)) = ip(bytes) else { return false };
                    match protocol {
                        PROTOCOL_UDP if self.is_ours(source, payload) => return true,
                        PROTOCOL_UDP => in_udp(payload),
                        PROTOCOL_IPIP | PROTOCOL_IPV6 => Some(Layer::Ip(payload)),
                        PROTOCOL_GRE => in_gre(payload),
                        _ => None,
                    }
                }
            };
            let Some(inner) = inner else { return false };
            layer = inner;
        }
        false
    }

    fn is_ours(&self, source: IpAddr, udp: &[u8]) -> bool {
        let Some(port) = number(udp, 0) else { return false };
        self.sockets.iter().any(|(_, local)| local.port() == port && local.ip() == source)
    }
}

/// Source, protocol and payload of a packet that is no later fragment.
fn ip(bytes: &[u8]) -> Option<(IpAddr, u8, &[u8])> {
    let first = *bytes.first()?;
    match first >> 4 {
        4 => {
            let source: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
            let fragment = number(bytes, 6)? & 0x1fff;
            let header = usize::from(first & 0x0f) * 4;
            (fragment == 0 && header >= 20).then_some(())?;
            Some((Ipv4Addr::from(source).into(), *bytes.get(9)?, bytes.get(header..)?))
        }
        6 => {
            let source: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            let (mut protocol, mut payload) = (*bytes.get(6)?, bytes.get(40..)?);
            // A fragment header is the one extension that tunnels and our own sockets make.
            if protocol == 44 {
                (number(payload, 2)? >> 3 == 0).then_some(())?;
                (protocol, payload) = (*payload.first()?, payload.get(8..)?);
            }
            Some((Ipv6Addr::from(source).into(), protocol, payload))
        }
        _ => None,
    }
}

/// VXLAN, Geneve, or bare IP in UDP, whatever the port: each has bytes of its own.
fn in_udp(udp: &[u8]) -> Option<Layer<'_>> {
    let payload = udp.get(8..)?;
    let head: [u8; 8] = *payload.first_chunk()?;
    match head {
        // VXLAN: flag I alone, with the group policy bit perhaps; the last byte is reserved.
        [0x08 | 0x88, .., 0] => payload.get(8..).map(Layer::Ethernet),
        // Geneve, version 0: length of options in words, type of the payload.
        [options, _, 0x65, 0x58, .., 0] | [options, _, 0x08, 0x00, .., 0] | [options, _, 0x86, 0xdd, .., 0]
            if options < 0x40 =>
        {
            typed(payload, 2, 8 + usize::from(options) * 4)
        }
        [0x45..=0x4f | 0x60..=0x6f, ..] => Some(Layer::Ip(payload)),
        _ => None,
    }
}

fn in_gre(gre: &[u8]) -> Option<Layer<'_>> {
    let flags = *gre.first()?;
    // Checksum, key and sequence number have four bytes each.
    let extras = [0x80, 0x20, 0x10].into_iter().filter(|flag| flags & flag != 0).count();
    typed(gre, 2, 4 + 4 * extras)
}

fn typed(bytes: &[u8], type_at: usize, payload_at: usize) -> Option<Layer<'_>> {
    Some(Layer::Typed(number(bytes, type_at)?, bytes.get(payload_at..)?))
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_peer::LinkRole;

    fn own() -> OwnPackets {
        let mut own = OwnPackets::default();
        for (id, local) in [(1, "192.168.10.1:9993"), (2, "[fd00::1]:9993"), (3, "0.0.0.0:9993")] {
            let local = Endpoint::Ip(local.parse().expect("of the test"));
            let link = Link { id: LinkId(id), kind: LinkKind::Udp, rank: 0, role: LinkRole::Full, local, mtu: 0 };
            own.add(&link);
        }
        own
    }

    fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).expect("of the test");
        [&port.to_be_bytes()[..], &9993u16.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
    }

    fn ipv4(source: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = [0u8; 20];
        header[0] = 0x45;
        header[9] = protocol;
        header[12..16].copy_from_slice(&source);
        [&header[..], payload].concat()
    }

    fn ipv6(source: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = [0u8; 40];
        header[0] = 0x60;
        header[6] = protocol;
        header[8..24].copy_from_slice(&source.parse::<Ipv6Addr>().expect("of the test").octets());
        [&header[..], payload].concat()
    }

    fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
        [&[2; 12][..], &ethertype.to_be_bytes(), payload].concat()
    }

    fn caught(frame: &[u8]) -> bool {
        own().catches(&EthernetRef::new_checked(frame).expect("of the test"))
    }

    const HOST: [u8; 4] = [10, 77, 0, 3];

    fn ours() -> Vec<u8> {
        ipv4([192, 168, 10, 1], PROTOCOL_UDP, &udp(9993, b"a packet of ours"))
    }

    #[test]
    fn our_datagrams_are_caught_and_nothing_else() {
        assert!(caught(&ethernet(ETHERTYPE_IPV4, &ours())));
        assert!(caught(&ethernet(ETHERTYPE_IPV6, &ipv6("fd00::1", PROTOCOL_UDP, &udp(9993, b"")))));
        assert!(caught(&ethernet(ETHERTYPE_VLAN, &[&[0, 7, 8, 0][..], &ours()].concat())));
        for other in [
            ipv4([192, 168, 10, 1], PROTOCOL_UDP, &udp(9994, b"another socket of the host")),
            ipv4([192, 168, 10, 2], PROTOCOL_UDP, &udp(9993, b"a node behind us")),
            ipv4([192, 168, 10, 1], 6, &udp(9993, b"TCP")),
            ipv4([0, 0, 0, 0], PROTOCOL_UDP, &udp(9993, b"")),
        ] {
            assert!(!caught(&ethernet(ETHERTYPE_IPV4, &other)));
        }
    }

    #[test]
    fn encapsulation_hides_nothing() {
        let frame = ethernet(ETHERTYPE_IPV4, &ours());
        let vxlan = udp(50_000, &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &frame].concat());
        let geneve = udp(50_000, &[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9][..], &frame].concat());
        let gre = [&[0x20, 0, 8, 0, 0, 0, 0, 7][..], &ours()].concat();
        let gretap = [&[0, 0, 0x65, 0x58][..], &frame].concat();
        let in_gre = ipv4(HOST, PROTOCOL_GRE, &gre);
        for (protocol, outer) in [
            (PROTOCOL_UDP, vxlan),
            (PROTOCOL_UDP, geneve),
            (PROTOCOL_UDP, udp(5555, &ours())),
            (PROTOCOL_GRE, gre),
            (PROTOCOL_GRE, gretap),
            (PROTOCOL_IPIP, ours()),
            (PROTOCOL_IPIP, in_gre),
        ] {
            assert!(caught(&ethernet(ETHERTYPE_IPV4, &ipv4(HOST, protocol, &outer))));
            assert!(caught(&ethernet(ETHERTYPE_IPV6, &ipv6("fd77::3", protocol, &outer))));
        }
    }

    #[test]
    fn short_and_nested_frames_end() {
        let mut frame = ethernet(ETHERTYPE_IPV4, &ipv4(HOST, PROTOCOL_IPIP, &ours()));
        while !frame.is_empty() {
            frame.pop();
            if let Ok(view) = EthernetRef::new_checked(&frame) {
                own().catches(&view);
            }
        }
        let deep = (0..1000).fold(ours(), |inner, _| ipv4(HOST, PROTOCOL_IPIP, &inner));
        assert!(!caught(&ethernet(ETHERTYPE_IPV4, &deep)));
    }

    #[test]
    fn a_socket_that_is_gone_is_forgotten() {
        let mut own = own();
        let frame = ethernet(ETHERTYPE_IPV4, &ours());
        let frame = EthernetRef::new_checked(&frame).expect("of the test");
        assert!(own.catches(&frame));
        own.remove(LinkId(1));
        assert!(!own.catches(&frame));
        assert_eq!(own.dropped, 1);
    }

    #[test]
    fn a_frame_that_we_sent_without_ip_is_found() {
        let mut own = own();
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        let local = Endpoint::Mac(mac);
        own.add(&Link { id: LinkId(9), kind: LinkKind::Ethernet, rank: -1, role: LinkRole::Full, local, mtu: 0 });
        let frame = |source: Mac, ethertype: u16, payload: &[u8]| {
            [&[0xff; 6][..], &source.0, &ethertype.to_be_bytes(), payload].concat()
        };
        let mut catches = |frame: Vec<u8>| own.catches(&EthernetRef::new_checked(&frame).expect("of the test"));
        let ours = frame(mac, raw_ethernet::ETHERTYPE, &[0; 46]);
        assert!(catches(ours.clone()));
        assert!(catches(frame(mac, ETHERTYPE_VLAN, &[&[0, 7, 0x88, 0xb5][..], &[0; 46]].concat())));
        assert!(catches(frame(Mac([2; 6]), ETHERTYPE_TEB, &ours)), "a frame in a frame");
        assert!(!catches(frame(Mac([2; 6]), raw_ethernet::ETHERTYPE, &[0; 46])), "of somebody behind us");
        own.remove(LinkId(9));
        assert!(!own.catches(&EthernetRef::new_checked(&ours).expect("of the test")));
    }
}
