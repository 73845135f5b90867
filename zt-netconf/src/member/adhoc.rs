//! Networks without controller: each member makes its own configuration (04 §9).

use std::net::Ipv4Addr;

use zt_wire::ident::{Address, NetworkId};
use zt_wire::inet::InetAddress;
use zt_wire::netconf::Specialist;
use zt_wire::rules::{Rule, RuleKind, RuleTable};

use crate::config::{NetworkConfig, NetworkType};

/// What an ad-hoc network ID stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdHoc {
    /// A network with this configuration.
    Config(Box<NetworkConfig>),
    /// A port range that ends before it starts: the network does not exist.
    Invalid,
    /// Neither form: nothing is ever known of it.
    Unknown,
}

/// Makes the configuration of an ad-hoc network for one member.
pub fn configuration(network: NetworkId, own: Address, unix_ms: i64) -> AdHoc {
    let id = network.0;
    if network.number() == 0 {
        let (start, end) = ((id >> 40) as u16, (id >> 24) as u16);
        if end < start {
            return AdHoc::Invalid;
        }
        let mut config = base(network, own, unix_ms);
        config.name = format!("adhoc-{start:04x}-{end:04x}").into_bytes();
        config.rules = port_range_rules(start, end);
        return AdHoc::Config(Box::new(config));
    }
    if id & 0xff != 1 {
        return AdHoc::Unknown;
    }
    let mut config = base(network, own, unix_ms);
    let first = (id >> 48) as u8;
    let [_, _, x, y, z] = own.to_bytes();
    config.addresses.push(InetAddress::V4(Ipv4Addr::new(first, x, y, z), 8));
    config.multicast_limit = 1024;
    config.name = format!("adhoc-{first}.0.0.0").into_bytes();
    config.rules = vec![Rule::from(RuleKind::Accept)].into();
    let hub = Address::new(id >> 8);
    if !hub.is_nil() {
        // Quirk (04 §9): without any role.
        config.specialists.push(Specialist::new(hub, 0));
    }
    AdHoc::Config(Box::new(config))
}

fn base(network: NetworkId, own: Address, unix_ms: i64) -> NetworkConfig {
    let mut config = NetworkConfig::new(network, own, unix_ms);
    config.credential_window = NetworkConfig::MAX_WINDOW;
    config.revision = 1;
    config.flags = NetworkConfig::NDP_EMULATION;
    config.kind = NetworkType::Public;
    config.addresses.push(InetAddress::V6(network.sixplane(own), NetworkId::SIXPLANE_BITS.into()));
    config
}

/// Form A: IPv6 only; ICMPv6, the port range, and everything that opens no TCP connection.
fn port_range_rules(start: u16, end: u16) -> RuleTable {
    /// Bit of TCP SYN among the characteristics.
    const SYN: u64 = 0x02;
    /// Bit of TCP ACK.
    const ACK: u64 = 0x10;
    let rule = Rule::from;
    let not = |kind| Rule { not: true, ..Rule::from(kind) };
    let or = |kind| Rule { or: true, ..Rule::from(kind) };
    vec![
        not(RuleKind::EtherType(0x86dd)),
        rule(RuleKind::Drop),
        rule(RuleKind::IpProtocol(58)),
        rule(RuleKind::Accept),
        rule(RuleKind::IpProtocol(17)),
        or(RuleKind::IpProtocol(6)),
        rule(RuleKind::DestinationPort(start..=end)),
        rule(RuleKind::Accept),
        // Quirk (04 §9): this also accepts every packet that is not TCP.
        not(RuleKind::Characteristics(SYN)),
        rule(RuleKind::Accept),
        rule(RuleKind::Characteristics(SYN)),
        rule(RuleKind::Characteristics(ACK)),
        rule(RuleKind::Accept),
        rule(RuleKind::Drop),
    ]
    .into()
}
