//! A member of a network as the controller keeps it (05 §3).

use std::net::IpAddr;

use zt_wire::ident::{Address, NetworkId};
use zt_wire::identity::Identity;

use super::network::{Network, set};
use super::patch::MemberPatch;
use super::record::Version;
use super::verbatim::Verbatim;
use crate::rules::trial::Party;

/// One member of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its network.
    pub network: NetworkId,
    /// Its address.
    pub address: Address,
    /// Name for people.
    pub name: Option<String>,
    /// The identity that alone may ask with this address.
    pub binding: Binding,
    /// It is a member, and not only somebody who asked.
    pub authorized: bool,
    /// It may bridge other Ethernets in.
    pub active_bridge: bool,
    /// It gets no addresses but those of [`ips`](Self::ips).
    pub no_auto_assign: bool,
    /// Its addresses, given by hand or from the pools.
    pub ips: Vec<IpAddr>,
    /// Tag ID and value, in stored order.
    pub tags: Vec<(u32, u32)>,
    /// IDs of its capabilities. Those that the network has not, such as numbers above 32 bits, are without effect.
    pub capabilities: Vec<u64>,
    /// When the record was made, Unix milliseconds.
    pub creation_time: i64,
    /// Number of the last stored change; the first is 1.
    pub revision: u64,
    /// When it was authorised last, Unix milliseconds; 0: never.
    pub last_authorized: i64,
    /// When that was taken back last, Unix milliseconds; 0: never.
    pub last_deauthorized: i64,
    /// What authorised it: `api`, `public` or `token`.
    pub credential_type: Option<String>,
    /// The token that it showed.
    pub credential: Option<String>,
    /// When its sign-on ends, Unix milliseconds.
    pub authentication_expiry: u64,
    /// It need not sign on.
    pub sso_exempt: bool,
    /// Node that gets its traces; `None`: that of the network.
    pub trace_target: Option<Address>,
    /// How much is traced.
    pub trace_level: u64,
    /// Major, minor, revision, protocol of its software; -1 until an authorised request.
    pub version: [i64; 4],
    /// What a stored JSON object said beside all this.
    pub verbatim: Verbatim,
}

/// Which identity may ask with the address of a member: 40 bits alone prove nothing (05 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// Any: the first to ask is taken.
    #[default]
    Open,
    /// This one and no other.
    To(Identity),
    /// The record names one that cannot be read: nobody may.
    Unreadable,
}

impl Binding {
    /// The identity, if there is one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::To(identity) => Some(identity),
            Self::Open | Self::Unreadable => None,
        }
    }
}

impl Member {
    /// A new member with every default: not authorised.
    #[must_use]
    pub fn new(network: NetworkId, address: Address, now_ms: i64) -> Self {
        Self {
            network,
            address,
            name: None,
            binding: Binding::Open,
            authorized: false,
            active_bridge: false,
            no_auto_assign: false,
            ips: Vec::new(),
            tags: Vec::new(),
            capabilities: Vec::new(),
            creation_time: now_ms,
            revision: 0,
            last_authorized: 0,
            last_deauthorized: 0,
            credential_type: None,
            credential: None,
            authentication_expiry: 0,
            sso_exempt: false,
            trace_target: None,
            trace_level: 0,
            version: [-1; 4],
            verbatim: Verbatim::default(),
        }
    }

    /// Sets what the patch sets; a change of authorisation is dated.
    pub fn apply(&mut self, patch: MemberPatch, now_ms: i64) {
        // Named one by one, so that the compiler asks for a new one.
        let MemberPatch {
            name,
            authorized,
            active_bridge,
            no_auto_assign,
            ips,
            tags,
            capabilities,
            authentication_expiry,
            trace_target,
            trace_level,
            verbatim: spelled,
        } = patch;
        if let Some(on) = authorized {
            self.set_authorized(on, now_ms);
        }
        let verbatim = &mut self.verbatim;
        set(&mut self.name, name.map(Some), verbatim, "name");
        set(&mut self.active_bridge, active_bridge, verbatim, "activeBridge");
        set(&mut self.no_auto_assign, no_auto_assign, verbatim, "noAutoAssignIps");
        set(&mut self.ips, ips, verbatim, "ipAssignments");
        set(&mut self.tags, tags.map(|tags| tags.into_iter().collect()), verbatim, "tags");
        set(&mut self.capabilities, capabilities.map(|c| c.into_iter().collect()), verbatim, "capabilities");
        set(&mut self.authentication_expiry, authentication_expiry, verbatim, "authenticationExpiryTime");
        set(&mut self.trace_target, trace_target, verbatim, "remoteTraceTarget");
        set(&mut self.trace_level, trace_level, verbatim, "remoteTraceLevel");
        self.verbatim.merge(spelled);
    }

    /// Remote trace target and level, if a target is set.
    pub(super) fn trace(&self) -> Option<(Address, u64)> {
        Some((self.trace_target?, self.trace_level))
    }

    fn set_authorized(&mut self, on: bool, now_ms: i64) {
        if on == self.authorized {
            return;
        }
        if on {
            self.authorize("api", None, now_ms);
        } else {
            self.authorized = false;
            self.last_deauthorized = now_ms;
        }
    }

    /// Marks the member as authorised and by what.
    pub(super) fn authorize(&mut self, kind: &str, credential: Option<String>, now_ms: i64) {
        self.authorized = true;
        self.last_authorized = now_ms;
        self.credential_type = Some(kind.to_owned());
        self.credential = credential;
    }

    /// What rules can know of it in its network.
    #[must_use]
    pub fn party(&self, network: &Network) -> Party {
        let mut ips = self.ips.clone();
        let derived = |on: bool, ip: std::net::Ipv6Addr| on.then_some(IpAddr::V6(ip));
        ips.extend(derived(network.assign_v6.rfc4193, network.id.rfc4193(self.address)));
        ips.extend(derived(network.assign_v6.sixplane, network.id.sixplane(self.address)));
        Party {
            name: self.name.clone().unwrap_or_default(),
            address: self.address,
            ips,
            tags: self.tags.iter().copied().collect(),
            capabilities: self.capabilities.iter().filter_map(|id| u32::try_from(*id).ok()).collect(),
            active_bridge: self.active_bridge,
        }
    }

    /// Which state of the record this is.
    #[must_use]
    pub fn record_version(&self) -> Version {
        Version { revision: self.revision, made: self.creation_time }
    }

    /// Equal in everything but the revision (05 §4).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        Self { revision: 0, ..self.clone() } == Self { revision: 0, ..other.clone() }
    }

    /// A record that only a request of a stranger made: nobody has touched or authorised it.
    pub(super) fn is_candidate(&self) -> bool {
        let untouched =
            self.name.is_none() && self.ips.is_empty() && self.tags.is_empty() && self.capabilities.is_empty();
        !self.authorized && self.last_authorized == 0 && untouched && !self.active_bridge && !self.no_auto_assign
    }
}
