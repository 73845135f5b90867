//! Rules of a network as `ZeroTierOne.h` shows them (08 A.1–A.3).

use core::ffi::c_uint;

use crate::sys::zt1::abi::layout;

/// Characteristic of a packet: the packet came in (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_INBOUND: u64 = 0x8000_0000_0000_0000;
/// Characteristic of a packet: the receiver is a multicast MAC (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_MULTICAST: u64 = 0x4000_0000_0000_0000;
/// Characteristic of a packet: the receiver is the broadcast MAC (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_BROADCAST: u64 = 0x2000_0000_0000_0000;
/// Characteristic of a packet: the IP sender is certified (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_SENDER_IP_AUTHENTICATED: u64 = 0x1000_0000_0000_0000;
/// Characteristic of a packet: the MAC is the sender's (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_SENDER_MAC_AUTHENTICATED: u64 = 0x0800_0000_0000_0000;
/// Characteristic of a packet: first reserved TCP flag (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_0: u64 = 0x800;
/// Characteristic of a packet: second reserved TCP flag (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_1: u64 = 0x400;
/// Characteristic of a packet: third reserved TCP flag (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_RESERVED_2: u64 = 0x200;
/// Characteristic of a packet: TCP NS (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_NS: u64 = 0x100;
/// Characteristic of a packet: TCP CWR (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_CWR: u64 = 0x80;
/// Characteristic of a packet: TCP ECE (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_ECE: u64 = 0x40;
/// Characteristic of a packet: TCP URG (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_URG: u64 = 0x20;
/// Characteristic of a packet: TCP ACK (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_ACK: u64 = 0x10;
/// Characteristic of a packet: TCP PSH (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_PSH: u64 = 0x08;
/// Characteristic of a packet: TCP RST (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_RST: u64 = 0x04;
/// Characteristic of a packet: TCP SYN (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_SYN: u64 = 0x02;
/// Characteristic of a packet: TCP FIN (08 A.1).
pub const ZT_RULE_PACKET_CHARACTERISTICS_TCP_FIN: u64 = 0x01;

/// Type of a rule, the low 6 bits of its `t` (08 A.2).
pub type ZT_VirtualNetworkRuleType = c_uint;
/// Drop the frame.
pub const ZT_NETWORK_RULE_ACTION_DROP: ZT_VirtualNetworkRuleType = 0;
/// Let it pass.
pub const ZT_NETWORK_RULE_ACTION_ACCEPT: ZT_VirtualNetworkRuleType = 1;
/// Send a copy to `fwd`.
pub const ZT_NETWORK_RULE_ACTION_TEE: ZT_VirtualNetworkRuleType = 2;
/// As TEE, with copies of what we receive.
pub const ZT_NETWORK_RULE_ACTION_WATCH: ZT_VirtualNetworkRuleType = 3;
/// Send it to `fwd` instead.
pub const ZT_NETWORK_RULE_ACTION_REDIRECT: ZT_VirtualNetworkRuleType = 4;
/// Stop reading this table.
pub const ZT_NETWORK_RULE_ACTION_BREAK: ZT_VirtualNetworkRuleType = 5;
/// Queue of `qosBucket`.
pub const ZT_NETWORK_RULE_ACTION_PRIORITY: ZT_VirtualNetworkRuleType = 6;
/// Last number of an action.
pub const ZT_NETWORK_RULE_ACTION__MAX_ID: ZT_VirtualNetworkRuleType = 15;
/// Sending node is `zt`.
pub const ZT_NETWORK_RULE_MATCH_SOURCE_ZEROTIER_ADDRESS: ZT_VirtualNetworkRuleType = 24;
/// Receiving node is `zt`.
pub const ZT_NETWORK_RULE_MATCH_DEST_ZEROTIER_ADDRESS: ZT_VirtualNetworkRuleType = 25;
/// VLAN.
pub const ZT_NETWORK_RULE_MATCH_VLAN_ID: ZT_VirtualNetworkRuleType = 26;
/// VLAN priority.
pub const ZT_NETWORK_RULE_MATCH_VLAN_PCP: ZT_VirtualNetworkRuleType = 27;
/// VLAN drop eligibility.
pub const ZT_NETWORK_RULE_MATCH_VLAN_DEI: ZT_VirtualNetworkRuleType = 28;
/// Sending MAC.
pub const ZT_NETWORK_RULE_MATCH_MAC_SOURCE: ZT_VirtualNetworkRuleType = 29;
/// Receiving MAC.
pub const ZT_NETWORK_RULE_MATCH_MAC_DEST: ZT_VirtualNetworkRuleType = 30;
/// Sending IPv4 network.
pub const ZT_NETWORK_RULE_MATCH_IPV4_SOURCE: ZT_VirtualNetworkRuleType = 31;
/// Receiving IPv4 network.
pub const ZT_NETWORK_RULE_MATCH_IPV4_DEST: ZT_VirtualNetworkRuleType = 32;
/// Sending IPv6 network.
pub const ZT_NETWORK_RULE_MATCH_IPV6_SOURCE: ZT_VirtualNetworkRuleType = 33;
/// Receiving IPv6 network.
pub const ZT_NETWORK_RULE_MATCH_IPV6_DEST: ZT_VirtualNetworkRuleType = 34;
/// Type of service in a range.
pub const ZT_NETWORK_RULE_MATCH_IP_TOS: ZT_VirtualNetworkRuleType = 35;
/// IP protocol.
pub const ZT_NETWORK_RULE_MATCH_IP_PROTOCOL: ZT_VirtualNetworkRuleType = 36;
/// Ethernet type.
pub const ZT_NETWORK_RULE_MATCH_ETHERTYPE: ZT_VirtualNetworkRuleType = 37;
/// ICMP type and code.
pub const ZT_NETWORK_RULE_MATCH_ICMP: ZT_VirtualNetworkRuleType = 38;
/// Sending port in a range.
pub const ZT_NETWORK_RULE_MATCH_IP_SOURCE_PORT_RANGE: ZT_VirtualNetworkRuleType = 39;
/// Receiving port in a range.
pub const ZT_NETWORK_RULE_MATCH_IP_DEST_PORT_RANGE: ZT_VirtualNetworkRuleType = 40;
/// Any bit of `characteristics`.
pub const ZT_NETWORK_RULE_MATCH_CHARACTERISTICS: ZT_VirtualNetworkRuleType = 41;
/// Frame length in a range.
pub const ZT_NETWORK_RULE_MATCH_FRAME_SIZE_RANGE: ZT_VirtualNetworkRuleType = 42;
/// By chance.
pub const ZT_NETWORK_RULE_MATCH_RANDOM: ZT_VirtualNetworkRuleType = 43;
/// Difference of both tags at most the value.
pub const ZT_NETWORK_RULE_MATCH_TAGS_DIFFERENCE: ZT_VirtualNetworkRuleType = 44;
/// AND of both tags is the value.
pub const ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_AND: ZT_VirtualNetworkRuleType = 45;
/// OR of both tags is the value.
pub const ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_OR: ZT_VirtualNetworkRuleType = 46;
/// XOR of both tags is the value.
pub const ZT_NETWORK_RULE_MATCH_TAGS_BITWISE_XOR: ZT_VirtualNetworkRuleType = 47;
/// Both tags are the value.
pub const ZT_NETWORK_RULE_MATCH_TAGS_EQUAL: ZT_VirtualNetworkRuleType = 48;
/// The sender's tag is the value.
pub const ZT_NETWORK_RULE_MATCH_TAG_SENDER: ZT_VirtualNetworkRuleType = 49;
/// The receiver's tag is the value.
pub const ZT_NETWORK_RULE_MATCH_TAG_RECEIVER: ZT_VirtualNetworkRuleType = 50;
/// Integer inside the frame in a range.
pub const ZT_NETWORK_RULE_MATCH_INTEGER_RANGE: ZT_VirtualNetworkRuleType = 51;
/// Last number of a match.
pub const ZT_NETWORK_RULE_MATCH__MAX_ID: ZT_VirtualNetworkRuleType = 63;

/// An IPv6 network (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_ipv6 {
    /// Address.
    pub ip: [u8; 16],
    /// Prefix length, bits.
    pub mask: u8,
}

/// An IPv4 network (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_ipv4 {
    /// Address, network order.
    pub ip: u32,
    /// Prefix length, bits.
    pub mask: u8,
}

/// A range of an integer inside the frame (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_intRange {
    /// Least value.
    pub start: u64,
    /// Greatest value, counted from `start`.
    pub end: u32,
    /// Offset in the frame, bytes.
    pub idx: u16,
    /// Width and byte order: 03.
    pub format: u8,
}

/// A range of the type of service (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_ipTos {
    /// Bits that count.
    pub mask: u8,
    /// Least and greatest value.
    pub value: [u8; 2],
}

/// An ICMP type and code (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_icmp {
    /// Type.
    pub r#type: u8,
    /// Code.
    pub code: u8,
    /// Bit 0: the code counts.
    pub flags: u8,
}

/// A tag (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_tag {
    /// Tag.
    pub id: u32,
    /// Value.
    pub value: u32,
}

/// Where a copy goes (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule_v_fwd {
    /// Receiving node, low 40 bits.
    pub address: u64,
    /// Flags.
    pub flags: u32,
    /// Bytes of the frame to copy, 0xffff = all.
    pub length: u16,
}

/// What a rule compares with; its type tells which member counts (anonymous in C).
#[repr(C)]
#[derive(Clone, Copy)]
pub union ZT_VirtualNetworkRule_v {
    /// MATCH_IPV6_*.
    pub ipv6: ZT_VirtualNetworkRule_v_ipv6,
    /// MATCH_IPV4_*.
    pub ipv4: ZT_VirtualNetworkRule_v_ipv4,
    /// MATCH_INTEGER_RANGE.
    pub intRange: ZT_VirtualNetworkRule_v_intRange,
    /// MATCH_CHARACTERISTICS.
    pub characteristics: u64,
    /// MATCH_IP_*_PORT_RANGE: least and greatest.
    pub port: [u16; 2],
    /// MATCH_*_ZEROTIER_ADDRESS, low 40 bits.
    pub zt: u64,
    /// MATCH_RANDOM: of 0xffffffff.
    pub randomProbability: u32,
    /// MATCH_MAC_*.
    pub mac: [u8; 6],
    /// MATCH_VLAN_ID.
    pub vlanId: u16,
    /// MATCH_VLAN_PCP.
    pub vlanPcp: u8,
    /// MATCH_VLAN_DEI.
    pub vlanDei: u8,
    /// MATCH_ETHERTYPE.
    pub etherType: u16,
    /// MATCH_IP_PROTOCOL.
    pub ipProtocol: u8,
    /// MATCH_IP_TOS.
    pub ipTos: ZT_VirtualNetworkRule_v_ipTos,
    /// MATCH_FRAME_SIZE_RANGE: least and greatest, bytes.
    pub frameSize: [u16; 2],
    /// MATCH_ICMP.
    pub icmp: ZT_VirtualNetworkRule_v_icmp,
    /// MATCH_TAG*.
    pub tag: ZT_VirtualNetworkRule_v_tag,
    /// ACTION_TEE, _WATCH and _REDIRECT.
    pub fwd: ZT_VirtualNetworkRule_v_fwd,
    /// ACTION_PRIORITY.
    pub qosBucket: u8,
}
layout!(ZT_VirtualNetworkRule_v, 24, {});

/// An entry of a table of rules (08 A.3).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ZT_VirtualNetworkRule {
    /// 0x80 = not, 0x40 = or, 0x3f = [`ZT_VirtualNetworkRuleType`].
    pub t: u8,
    /// What it compares with, host order unless said.
    pub v: ZT_VirtualNetworkRule_v,
}
layout!(ZT_VirtualNetworkRule, 32, { t: 0, v: 8 });
