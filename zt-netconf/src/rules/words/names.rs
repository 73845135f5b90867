//! Words for numbers.

/// A word and its number.
pub(in crate::rules) type Names<N> = &'static [(&'static str, N)];

/// Protocols with ports, and where TCP's flags are read.
pub(in crate::rules) const WITH_PORTS: Names<u8> = &[("tcp", TCP), ("udp", UDP), ("sctp", 132), ("udplite", 136)];

/// IP protocol of TCP.
pub(in crate::rules) const TCP: u8 = 6;
/// IP protocol of UDP.
pub(in crate::rules) const UDP: u8 = 17;
/// IP protocol of ICMP.
pub(in crate::rules) const ICMP: u8 = 1;
/// IP protocol of ICMPv6.
pub(in crate::rules) const ICMP6: u8 = 58;

/// IP protocols; the first name of a number is the one that is printed.
pub(in crate::rules) const PROTOCOLS: Names<u8> = &[
    ("icmp", ICMP),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", TCP),
    ("egp", 8),
    ("igp", 9),
    ("udp", UDP),
    ("rdp", 27),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", ICMP6),
    ("icmpv6", ICMP6),
    ("no-next", 59),
    ("ospf", 89),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// EtherTypes.
pub(in crate::rules) const ETHERTYPES: Names<u16> = &[
    ("ipv4", 0x0800),
    ("arp", 0x0806),
    ("wol", 0x0842),
    ("rarp", 0x8035),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("vlan", 0x8100),
    ("ipx", 0x8137),
    ("ipx_a", 0x8137),
    ("ipx_b", 0x8138),
    ("ipv6", 0x86dd),
    ("mpls", 0x8847),
    ("pppoe", 0x8864),
    ("lldp", 0x88cc),
    ("macsec", 0x88e5),
    ("ptp", 0x88f7),
];

/// Types of ICMP.
pub(in crate::rules) const ICMP_TYPES: Names<u8> = &[
    ("echo-request", 8),
    ("echo-reply", 0),
    ("unreachable", 3),
    ("redirect", 5),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
];

/// Types of ICMPv6.
pub(in crate::rules) const ICMP6_TYPES: Names<u8> = &[
    ("echo-request", 128),
    ("echo-reply", 129),
    ("unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("mld-query", 130),
    ("mld-report", 131),
    ("mld-done", 132),
    ("mld2-report", 143),
    ("redirect", 137),
];

/// Messages of neighbour discovery.
pub(in crate::rules) const NEIGHBOR: Names<u8> =
    &[("router-solicit", 133), ("router-advertise", 134), ("solicit", 135), ("advertise", 136)];

/// Messages of DHCP.
pub(in crate::rules) const DHCP: Names<u8> = &[
    ("discover", 1),
    ("offer", 2),
    ("request", 3),
    ("decline", 4),
    ("ack", 5),
    ("nak", 6),
    ("release", 7),
    ("inform", 8),
];

/// Flags of TCP, the reserved bits of byte 12 above the eight of byte 13, as MATCH_CHARACTERISTICS has them (04 §6.5).
pub(in crate::rules) const FLAGS: Names<u16> = &[
    ("syn", 0x002),
    ("ack", 0x010),
    ("fin", 0x001),
    ("rst", 0x004),
    ("psh", 0x008),
    ("urg", 0x020),
    ("ece", 0x040),
    ("cwr", 0x080),
    ("ns", 0x100),
    ("rs2", 0x200),
    ("rs1", 0x400),
    ("rs0", 0x800),
];

/// IPv6 extension headers that the walk of 04 §6.6 passes over, and those where it ends.
pub(in crate::rules) const EXTENSIONS: Names<u8> =
    &[("hop-by-hop", 0), ("routing", 43), ("destination", 60), ("mobility", 135)];

/// The number of a word.
pub(in crate::rules) fn number<N: Copy>(names: Names<N>, word: &str) -> Option<N> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, number)| *number)
}

/// The word of a number.
pub(in crate::rules) fn name<N: PartialEq>(names: Names<N>, number: N) -> Option<&'static str> {
    names.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// All words, for a message.
pub(in crate::rules) fn list<N>(names: Names<N>) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
