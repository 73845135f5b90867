//! What the host should have because of a network: addresses, routes, resolver, MTU (04 §10).

use core::fmt;
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
    /// Our own addition: TCP segments are made so small that a frame goes in one datagram.
    pub clamp_mss: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_managed: true,
            allow_list: Vec::new(),
            allow_global: false,
            allow_default: false,
            allow_dns: false,
            clamp_mss: false,
        }
    }
}

impl Settings {
    /// Most prefixes in [`Settings::allow_list`].
    pub const MOST_LISTED: usize = 64;

    /// Reads the text of a `local.conf`; whatever is missing keeps its default.
    pub fn from_text(text: &[u8]) -> Self {
        let dictionary = Dictionary::new(text);
        let mut settings = Self::default();
        if let Some(list) = dictionary.get(KEPT_LIST) {
            settings.allow_list = prefixes(&list);
        }
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
        settings.clamp_mss = dictionary.bool("clampMss", false);
        settings
    }

    /// Text of a `local.conf`.
    // Deliberate: the prefix list is kept, where the reference loses it on every change (04 §2.8).
    pub fn to_text(&self) -> Vec<u8> {
        let mut writer = DictionaryWriter::new();
        let list = self.allow_list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        // A list of one short prefix (`::/0`) would read as a boolean.
        let as_value = self.allow_managed && list.len() > 5;
        match as_value {
            true => writer.put("allowManaged", &list),
            false => writer.put_bool("allowManaged", self.allow_managed),
        }
        .and_then(|()| writer.put_bool("allowGlobal", self.allow_global))
        .and_then(|()| writer.put_bool("allowDefault", self.allow_default))
        .and_then(|()| writer.put_bool("allowDNS", self.allow_dns))
        .and_then(|()| if self.clamp_mss { writer.put_bool("clampMss", true) } else { Ok(()) })
        .and_then(|()| if as_value || list.is_empty() { Ok(()) } else { writer.put(KEPT_LIST, &list) })
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
        self.judge(target).is_ok()
    }

    /// As [`Settings::allows`], with the reason of a refusal.
    ///
    /// # Errors
    /// What keeps the prefix from the host.
    pub fn judge(&self, target: IpPrefix) -> Result<(), Obstacle> {
        if !self.allow_managed {
            return Err(Obstacle::ManagedOff);
        }
        if !self.is_listed(target) {
            return Err(Obstacle::NotListed);
        }
        let default = if self.allow_default { Ok(()) } else { Err(Obstacle::DefaultOff) };
        if is_default(target) {
            return default;
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
            (true, false) => Err(Obstacle::Unusable),
            (true, true) => default,
            _ if self.allow_global || !global => Ok(()),
            _ => Err(Obstacle::GlobalOff),
        }
    }

    /// True when the list of prefixes, if there is one, has all of this one.
    fn is_listed(&self, prefix: IpPrefix) -> bool {
        self.allow_list.is_empty() || self.allow_list.iter().any(|listed| listed.covers(prefix))
    }

    /// The managed address the host gets for one of a configuration: with its prefix length when the connected route
    /// that comes with it may be, else alone (`/32`, `/128`), or not at all.
    ///
    /// Deliberate: an address never brings a default route, whatever is allowed. The reference adds `10.1.2.3/0` as it
    /// stands, and the host's traffic, ours included, goes into the network.
    ///
    /// # Errors
    /// What keeps it from the host.
    pub fn address(&self, address: IpPrefix) -> Result<IpPrefix, Obstacle> {
        let alone = IpPrefix::host(address.address());
        self.judge(alone)?;
        if !self.is_listed(address) {
            return Err(Obstacle::NotListed);
        }
        Ok(if !is_default(address) && self.allows(address) { address } else { alone })
    }
}

/// Key of the file that keeps the list of prefixes where the value of `allowManaged` has no room for it. Others skip it.
const KEPT_LIST: &str = "allowManagedList";

/// What keeps a managed address or route from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The operator takes nothing from this network.
    ManagedOff,
    /// It is not in the operator's list of prefixes.
    NotListed,
    /// It has public addresses, which the operator does not allow.
    GlobalOff,
    /// It is a default route, which the operator does not allow.
    DefaultOff,
    /// No host has such addresses: loopback, link-local, multicast.
    Unusable,
    /// This node has no address of that family on the network.
    NoSource,
    /// A default route waits until a root answers.
    Offline,
}

impl Obstacle {
    /// The setting that would let it in, as in the file and in the HTTP API.
    #[must_use]
    pub const fn setting(self) -> Option<&'static str> {
        match self {
            Self::ManagedOff | Self::NotListed => Some("allowManaged"),
            Self::GlobalOff => Some("allowGlobal"),
            Self::DefaultOff => Some("allowDefault"),
            Self::Unusable | Self::NoSource | Self::Offline => None,
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManagedOff => "allowManaged is off",
            Self::NotListed => "it is not in the list of allowManaged",
            Self::GlobalOff => "allowGlobal is off",
            Self::DefaultOff => "allowDefault is off",
            Self::Unusable => "loopback, link-local and multicast addresses are never taken",
            Self::NoSource => "this node has no address of that family on the network",
            Self::Offline => "it waits until the node is online",
        })
    }
}

/// An address or a route of the configuration that the host does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// A managed address with the length of its prefix.
    Address(IpPrefix, Obstacle),
    /// A managed route: target and gateway.
    Route(IpPrefix, Option<IpAddr>, Obstacle),
}

fn prefixes(text: &[u8]) -> Vec<IpPrefix> {
    let text = String::from_utf8_lossy(text);
    let list: Vec<_> =
        text.split(',').filter_map(|item| item.trim().parse().ok()).take(Settings::MOST_LISTED).collect();
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
    /// What the host does not get, in the order of the configuration. What it has anyway (the connected route of an
    /// address, a second route to one target) or must not have (a route through itself) is not among it.
    pub withheld: Vec<Withheld>,
}

impl Managed {
    /// Works out what the host should have. `on_port`: addresses on the port that the operator or a DHCP client put
    /// there; `online`: the node reaches a root (default routes wait for it).
    pub fn new(
        mac: Mac,
        config: Option<&NetworkConfig>,
        settings: &Settings,
        on_port: &[IpAddr],
        online: bool,
    ) -> Self {
        let mut managed = Self {
            mac,
            mtu: NetworkConfig::DEFAULT_MTU,
            addresses: Vec::new(),
            routes: Vec::new(),
            dns: None,
            withheld: Vec::new(),
        };
        let Some(config) = config else { return managed };
        managed.mtu = config.mtu;
        for address in config.addresses.iter().filter_map(|address| IpPrefix::try_from(*address).ok()) {
            match settings.address(address) {
                Ok(address) => managed.addresses.push(address),
                Err(obstacle) => managed.withheld.push(Withheld::Address(address, obstacle)),
            }
        }
        managed.addresses.sort_unstable();
        managed.addresses.dedup_by_key(|p| p.address());
        managed.add_routes(config, settings, on_port, online);
        managed.dns = (settings.allow_dns && !config.dns.domain.is_empty()).then(|| ManagedDns {
            domain: config.dns.domain.clone(),
            servers: config.dns.servers.iter().filter_map(|server| server.ip()).collect(),
        });
        managed
    }

    /// 04 §10.3.
    fn add_routes(&mut self, config: &NetworkConfig, settings: &Settings, on_port: &[IpAddr], online: bool) {
        for route in &config.routes {
            let Ok(target) = IpPrefix::try_from(route.target).map(IpPrefix::network) else { continue };
            let via = route.via.ip().filter(|via| via.is_ipv4() == target.is_ipv4());
            let own = |ip: IpAddr| on_port.contains(&ip) || self.addresses.iter().any(|a| a.address() == ip);
            let connected = self.addresses.iter().any(|a| a.bits() == target.bits() && target.contains(a.address()));
            if via.is_some_and(own) || connected || self.routes.iter().any(|known| known.target == target) {
                continue;
            }
            let waits = is_default(target) && !online;
            let allowed = settings.judge(target).and(if waits { Err(Obstacle::Offline) } else { Ok(()) });
            match allowed.and_then(|()| self.source(target, on_port).ok_or(Obstacle::NoSource)) {
                Ok(source) => self.routes.push(ManagedRoute { target, via, source, metric: route.metric }),
                Err(obstacle) => self.withheld.push(Withheld::Route(target, via, obstacle)),
            }
        }
        self.routes.sort_by_key(|route| route.via.is_some());
    }

    /// The address that has most leading bits in common with a target; of equally good ones the first, and managed ones
    /// before others.
    fn source(&self, target: IpPrefix, on_port: &[IpAddr]) -> Option<IpAddr> {
        let usable = |ip: &IpAddr| !matches!(Scope::of(*ip), Scope::LinkLocal | Scope::Loopback | Scope::Multicast);
        let managed = self.addresses.iter().map(|a| a.address());
        let all = managed.chain(on_port.iter().copied().filter(usable));
        let candidates = all.filter_map(|ip| Some((common_bits(ip, target.address())?, ip)));
        let best = candidates.reduce(|best, next| if best.0 >= next.0 { best } else { next });
        best.map(|(_, ip)| ip)
    }
}
