//! What the host should have because of a network: addresses, routes, resolver, MTU (04 §10).

use std::net::{IpAddr, Ipv6Addr};

use zt_wire::dictionary::{Dictionary, DictionaryWriter};
use zt_wire::ident::Mac;
use zt_wire::inet::Scope;
use zt_wire::prefix::{IpPrefix, common_bits};

use crate::config::NetworkConfig;

/// What the operator allows a network to do with the host (`networks.d/<network>.local.conf`, 04 §2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Take managed addresses and routes at all.
    pub allow_managed: bool,
    /// When not empty: only addresses and routes within these prefixes.
    pub allow_list: Vec<IpPrefix>,
    /// Allow addresses and routes of global scope.
    pub allow_global: bool,
    /// Allow default routes.
    pub allow_default: bool,
    /// Allow resolver settings.
    pub allow_dns: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_managed: true,
            allow_list: Vec::new(),
            allow_global: false,
            allow_default: false,
            allow_dns: false,
        }
    }
}

impl Settings {
    /// Reads the text of a `local.conf`; whatever is missing keeps its default.
    pub fn from_text(text: &[u8]) -> Self {
        let dictionary = Dictionary::new(text);
        let mut settings = Self::default();
        if let Some(value) = dictionary.get("allowManaged") {
            if value.len() <= 5 {
                settings.allow_managed = matches!(value.first(), Some(b'1' | b't' | b'T'));
            } else {
                settings.allow_list = prefixes(&value);
            }
        }
        settings.allow_global = dictionary.bool("allowGlobal", false);
        settings.allow_default = dictionary.bool("allowDefault", false);
        settings.allow_dns = dictionary.bool("allowDNS", false);
        settings
    }

    /// Text of a `local.conf`.
    // Deliberate: the prefix list is kept, where the reference loses it on every change (04 §2.8).
    pub fn to_text(&self) -> Vec<u8> {
        let mut writer = DictionaryWriter::new();
        let list = self.allow_list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match (self.allow_managed, self.allow_list.is_empty()) {
            (true, false) => writer.put("allowManaged", list),
            (managed, _) => writer.put_bool("allowManaged", managed),
        }
        .and_then(|()| writer.put_bool("allowGlobal", self.allow_global))
        .and_then(|()| writer.put_bool("allowDefault", self.allow_default))
        .and_then(|()| writer.put_bool("allowDNS", self.allow_dns))
        .expect("the writer has no limit");
        let mut text = writer.into_bytes();
        // Every line ends, the last one too (06 §2.1).
        text.push(b'\n');
        text
    }

    /// True when a route target may be used on this host (04 §10.1).
    ///
    /// Deliberate: the whole prefix is judged, from its first to its last address. The reference looks at the address
    /// alone, so that `128.0.0.0/1` or `8.0.0.0/5` takes the internet traffic of a host that allows neither global
    /// nor default routes.
    ///
    /// * `0.0.0.0/0`, `::/0`, their halves and what contains all of `2000::/3` are default routes: `allow_default`.
    /// * So are prefixes that take in unusable scopes (multicast, loopback, …) together with others, as
    ///   `64.0.0.0/2` does: no list of scopes allows them.
    /// * A prefix with global addresses in it needs `allow_global`.
    /// * A prefix of unusable scopes only is never allowed.
    pub fn allows(&self, target: IpPrefix) -> bool {
        if !self.allow_managed {
            return false;
        }
        if !self.is_listed(target) {
            return false;
        }
        if is_default(target) {
            return self.allow_default;
        }
        let (mut unusable, mut global, mut local) = (false, false, false);
        for scope in Scope::in_prefix(target) {
            match scope {
                Scope::None | Scope::Multicast | Scope::Loopback | Scope::LinkLocal => unusable = true,
                Scope::Global => global = true,
                _ => local = true,
            }
        }
        match (unusable, global || local) {
            (true, false) => false,
            (true, true) => self.allow_default,
            _ => self.allow_global || !global,
        }
    }

    /// True when the list of prefixes, if there is one, has all of this one.
    fn is_listed(&self, prefix: IpPrefix) -> bool {
        self.allow_list.is_empty() || self.allow_list.iter().any(|listed| listed.covers(prefix))
    }

    /// The managed address the host gets for one of a configuration: with its prefix length when the connected route
    /// that comes with it may be, else alone (`/32`, `/128`), or not at all (`None`).
    ///
    /// Deliberate: an address never brings a default route, whatever is allowed. The reference adds `10.1.2.3/0` as it
    /// stands, and the host's traffic, ours included, goes into the network.
    pub fn address(&self, address: IpPrefix) -> Option<IpPrefix> {
        let alone = IpPrefix::host(address.address());
        if !self.allows(alone) || !self.is_listed(address) {
            return None;
        }
        Some(if !is_default(address) && self.allows(address) { address } else { alone })
    }
}

fn prefixes(text: &[u8]) -> Vec<IpPrefix> {
    let text = String::from_utf8_lossy(text);
    let list: Vec<_> = text.split(',').filter_map(|item| item.trim().parse().ok()).take(64).collect();
    if list.is_empty() {
        // An unreadable restriction must not become "everything": allow nothing but the loopback, which is refused.
        return vec![IpPrefix::host(Ipv6Addr::LOCALHOST.into())];
    }
    list
}

/// True for a route that takes all or half of the internet: of length 0 or 1, or around all of `2000::/3`, from which
/// every global IPv6 address is taken.
fn is_default(target: IpPrefix) -> bool {
    let global = IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0));
    target.bits() <= 1 || (target.bits() <= 3 && target.contains(global))
}

/// A route the host should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedRoute {
    /// Destination.
    pub target: IpPrefix,
    /// Gateway; `None`: on-link on the virtual port.
    pub via: Option<IpAddr>,
    /// Address to use as source.
    pub source: IpAddr,
    /// Metric as given by the controller; 0 in practice.
    pub metric: u16,
}

/// Resolver settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedDns {
    /// Search domain.
    pub domain: String,
    /// Servers.
    pub servers: Vec<IpAddr>,
}

/// What the host should have because of one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// MAC of the virtual port.
    pub mac: Mac,
    /// MTU of the virtual port, without the Ethernet header.
    pub mtu: u32,
    /// Addresses on the port, sorted, with their prefix lengths.
    pub addresses: Vec<IpPrefix>,
    /// Routes; those without gateway first.
    pub routes: Vec<ManagedRoute>,
    /// Resolver settings, when allowed and present.
    pub dns: Option<ManagedDns>,
}

impl Managed {
    /// Works out what the host should have. `online` says whether the node reaches a root
    /// (default routes wait for it).
    pub fn new(mac: Mac, config: Option<&NetworkConfig>, settings: &Settings, online: bool) -> Self {
        let Some(config) = config else {
            return Self { mac, mtu: NetworkConfig::DEFAULT_MTU, addresses: vec![], routes: vec![], dns: None };
        };
        let mut addresses: Vec<_> =
            config.addresses.iter().filter_map(|a| settings.address(IpPrefix::try_from(*a).ok()?)).collect();
        addresses.sort_unstable();
        addresses.dedup_by_key(|p| p.address());
        let routes = routes(config, settings, &addresses, online);
        let dns = (settings.allow_dns && !config.dns.domain.is_empty()).then(|| ManagedDns {
            domain: config.dns.domain.clone(),
            servers: config.dns.servers.iter().filter_map(|server| server.ip()).collect(),
        });
        Self { mac, mtu: config.mtu, addresses, routes, dns }
    }
}

/// 04 §10.3.
fn routes(config: &NetworkConfig, settings: &Settings, addresses: &[IpPrefix], online: bool) -> Vec<ManagedRoute> {
    let mut routes: Vec<ManagedRoute> = Vec::new();
    for route in &config.routes {
        let Ok(target) = IpPrefix::try_from(route.target).map(IpPrefix::network) else { continue };
        let via = route.via.ip().filter(|via| via.is_ipv4() == target.is_ipv4());
        let own = |ip: IpAddr| addresses.iter().any(|a| a.address() == ip);
        let connected = addresses.iter().any(|a| a.bits() == target.bits() && target.contains(a.address()));
        let waits = is_default(target) && !online;
        if !settings.allows(target) || via.is_some_and(own) || connected || waits {
            continue;
        }
        if routes.iter().any(|known| known.target == target) {
            continue;
        }
        let candidates = addresses.iter().map(|a| a.address());
        let best = candidates.filter_map(|ip| Some((common_bits(ip, target.address())?, ip)));
        // The first of equally good ones.
        let source = best.fold(None, |best: Option<(u8, IpAddr)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        });
        if let Some((_, source)) = source {
            routes.push(ManagedRoute { target, via, source, metric: route.metric });
        }
    }
    routes.sort_by_key(|route| route.via.is_some());
    routes
}
