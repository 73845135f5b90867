//! Which interfaces and addresses are not for sockets of the node.

use std::collections::BTreeSet;
use std::net::IpAddr;

use zt_wire::{IpPrefix, Scope};

/// How devices of other programs' tunnels are named (06 §5.2).
const TUNNELS: [&str; 2] = ["tun", "tap"];

/// Which interfaces are not for sockets of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceFilter {
    /// Interfaces whose names begin like one of these are left out.
    pub excluded_prefixes: Vec<String>,
    /// Our own ports, which are left out whatever they are called.
    pub own_taps: BTreeSet<String>,
    /// Blocks that are routed through our own ports.
    pub own_routes: Vec<IpPrefix>,
    /// Blocks whose addresses are left out (a `physical` blacklist).
    pub excluded_blocks: Vec<IpPrefix>,
}

impl Default for InterfaceFilter {
    /// The names of 06 §5.2: `lo`, `zt`, `tun`, `tap`.
    fn default() -> Self {
        Self {
            excluded_prefixes: ["lo", "zt"].into_iter().chain(TUNNELS).map(str::to_owned).collect(),
            own_taps: BTreeSet::new(),
            own_routes: Vec::new(),
            excluded_blocks: Vec::new(),
        }
    }
}

impl InterfaceFilter {
    /// The same, with the tunnels of others that are left out by default (06 §5.2), unless they are excluded for another
    /// reason as well.
    #[must_use]
    pub fn with_tunnels(&self) -> Self {
        let mut wider = self.clone();
        for tunnel in TUNNELS {
            if let Some(at) = wider.excluded_prefixes.iter().position(|prefix| prefix == tunnel) {
                wider.excluded_prefixes.remove(at);
            }
        }
        wider
    }

    /// Whether sockets may be bound to addresses of this interface.
    #[must_use]
    pub fn accepts_interface(&self, name: &str) -> bool {
        !self.own_taps.contains(name) && !self.excluded_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    /// Whether sockets may be bound to this address: of scope global, private, shared or
    /// pseudo-private, and in no excluded block.
    #[must_use]
    pub fn accepts_address(&self, address: IpAddr) -> bool {
        is_physical_scope(address) && !self.excluded_blocks.iter().any(|block| block.contains(address))
    }
}

pub(crate) fn is_physical_scope(address: IpAddr) -> bool {
    matches!(Scope::of(address), Scope::PseudoPrivate | Scope::Global | Scope::Shared | Scope::Private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_by_name_scope_and_block() {
        let mut filter = InterfaceFilter::default();
        for name in ["lo", "lo0", "ztr5b5rxh2", "tun3", "tap0"] {
            assert!(!filter.accepts_interface(name), "{name}");
        }
        assert!(filter.accepts_interface("eth0"));
        filter.own_taps.insert("mynet".into());
        assert!(!filter.accepts_interface("mynet"));
        filter.excluded_blocks = vec!["10.9.0.0/16".parse().expect("block")];
        for (address, expected) in [
            ("10.0.0.1", true),
            ("10.9.3.1", false),
            ("8.8.8.8", true),
            ("100.64.0.1", true),
            ("30.1.1.1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("224.0.0.1", false),
            ("fd00::1", true),
            ("2001:db8::1", true),
            ("fe80::2", false),
            ("::1", false),
        ] {
            let ip = address.parse().expect("address");
            assert_eq!(filter.accepts_address(ip), expected, "{address}");
        }
    }
}
