//! The configuration of a network as one member gets it: typed, with its dictionary text (04 §3).

use zt_wire::dictionary::{Dictionary, DictionaryWriter};
use zt_wire::ident::{Address, NetworkId};
use zt_wire::inet::InetAddress;
use zt_wire::netconf::{Dns, Route, Specialist};
use zt_wire::packet::{DEFAULT_VIRTUAL_MTU, MAX_VIRTUAL_MTU, MIN_VIRTUAL_MTU};
use zt_wire::rules::RuleTable;
use zt_wire::{
    Capability, Emit, Membership, Ownership, Parse, ParseError, Reader, Tag, emit_all, parse_all, parse_until_error,
};

/// Format version written (04 §3.2).
const FORMAT: u64 = 7;
/// Oldest format version read.
const OLDEST_FORMAT: u64 = 6;
/// Most rules kept.
pub const MAX_RULES: usize = 1024;
/// Most capabilities kept.
pub const MAX_CAPABILITIES: usize = 128;
/// Most tags kept.
pub const MAX_TAGS: usize = 128;
/// Most certificates of ownership kept.
pub const MAX_OWNERSHIPS: usize = 4;
/// Most specialists kept.
pub const MAX_SPECIALISTS: usize = 256;
/// Most routes kept.
pub const MAX_ROUTES: usize = 128;
/// Most addresses kept.
pub const MAX_ADDRESSES: usize = 32;
/// Longest name in bytes.
pub const MAX_NAME: usize = 127;

/// Why a text is no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The format version is missing or older than 6.
    #[error("format version {0} is not understood")]
    Version(u64),
    /// There is no network ID.
    #[error("network ID missing")]
    Network,
    /// Nobody is named as the holder.
    #[error("holder missing")]
    Holder,
    /// A binary value is malformed.
    #[error("value of key {key} is malformed: {cause}")]
    Blob {
        /// Key of the value.
        key: &'static str,
        /// What is wrong in it, with its offset in the value.
        cause: ParseError,
    },
}

/// Private or public (04 §2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkType {
    /// Members need a certificate.
    #[default]
    Private,
    /// No check of membership.
    Public,
}

/// External sign-on as the configuration tells it (04 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignOn {
    /// Version 0.
    V0 {
        /// Enabled at all; without it the rest is neither written nor read.
        enabled: bool,
        /// URL to show to the user.
        url: String,
        /// When the authentication ends, Unix milliseconds.
        expires: u64,
    },
    /// Version 1 (OIDC).
    V1 {
        /// Enabled at all.
        enabled: bool,
        /// Issuer URL.
        issuer: String,
        /// URL of the central endpoint.
        central: String,
        /// Nonce.
        nonce: String,
        /// State.
        state: String,
        /// Client ID.
        client: String,
        /// Provider name.
        provider: String,
    },
}

impl Default for SignOn {
    fn default() -> Self {
        Self::V0 { enabled: false, url: String::new(), expires: 0 }
    }
}

impl SignOn {
    /// True when external sign-on is required.
    pub const fn is_enabled(&self) -> bool {
        match self {
            Self::V0 { enabled, .. } | Self::V1 { enabled, .. } => *enabled,
        }
    }
}

/// Configuration of one network for one member. All times are the controller's, Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `nwid`: the network.
    pub network: NetworkId,
    /// `ts`: time of issue.
    pub timestamp: i64,
    /// `ctmd`: how far apart credentials may be issued and still agree, ms.
    pub credential_window: i64,
    /// `r`: revision of the network record.
    pub revision: u64,
    /// `id`: the member it is for.
    pub issued_to: Address,
    /// `tt`: where traces go, `NIL` for nowhere.
    pub trace_target: Address,
    /// `tl`: level of traces.
    pub trace_level: u64,
    /// `f`: flags, see the constants; unknown bits are kept.
    pub flags: u64,
    /// `ml`: most copies of a multicast frame; 0 turns multicast off.
    pub multicast_limit: u32,
    /// `t`: private or public.
    pub kind: NetworkType,
    /// `n`: name, at most 127 bytes of any content.
    pub name: Vec<u8>,
    /// `mtu`: largest payload of an Ethernet frame, 1280 to 10 000.
    pub mtu: u32,
    /// `C`: our certificate.
    pub membership: Option<Membership>,
    /// `CAP`: our capabilities, ascending by ID.
    pub capabilities: Vec<Capability>,
    /// `TAG`: our tags, ascending by ID.
    pub tags: Vec<Tag>,
    /// `COO`: our certificates of ownership.
    pub ownerships: Vec<Ownership>,
    /// `S`: members with roles.
    pub specialists: Vec<Specialist>,
    /// `RT`: routes.
    pub routes: Vec<Route>,
    /// `I`: addresses of this member; the port is the prefix length.
    pub addresses: Vec<InetAddress>,
    /// `R`: base rules.
    pub rules: RuleTable,
    /// `DNS`: resolver settings.
    pub dns: Dns,
    /// `ssov` and following.
    pub sign_on: SignOn,
}

impl NetworkConfig {
    /// MTU when none is given.
    pub const DEFAULT_MTU: u32 = DEFAULT_VIRTUAL_MTU as u32;
    /// Window of ad-hoc networks and the largest a controller uses, ms.
    pub const MAX_WINDOW: i64 = 7_200_000;
    /// Flag: broadcast enabled.
    pub const ENABLE_BROADCAST: u64 = 0x02;
    /// Flag: neighbour solicitations of derived addresses are answered locally.
    pub const NDP_EMULATION: u64 = 0x04;
    /// Flag: MATCH rules of unknown type match.
    pub const UNKNOWN_RULES_MATCH: u64 = 0x08;
    /// Flag: multicast frames are not compressed.
    pub const UNCOMPRESSED_MULTICAST: u64 = 0x10;

    /// A configuration with nothing in it but who it is for.
    pub fn new(network: NetworkId, issued_to: Address, timestamp: i64) -> Self {
        Self {
            network,
            timestamp,
            credential_window: 0,
            revision: 0,
            issued_to,
            trace_target: Address::NIL,
            trace_level: 0,
            flags: 0,
            multicast_limit: 0,
            kind: NetworkType::Private,
            name: Vec::new(),
            mtu: Self::DEFAULT_MTU,
            membership: None,
            capabilities: Vec::new(),
            tags: Vec::new(),
            ownerships: Vec::new(),
            specialists: Vec::new(),
            routes: Vec::new(),
            addresses: Vec::new(),
            rules: RuleTable::default(),
            dns: Dns::default(),
            sign_on: SignOn::default(),
        }
    }

    /// The name as text, broken UTF-8 replaced.
    pub fn name_text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// True when no certificates are needed.
    pub fn is_public(&self) -> bool {
        self.kind == NetworkType::Public
    }

    /// Flag 0x02.
    pub const fn broadcast_enabled(&self) -> bool {
        self.flags & Self::ENABLE_BROADCAST != 0
    }

    /// Flag 0x04.
    pub const fn ndp_emulation(&self) -> bool {
        self.flags & Self::NDP_EMULATION != 0
    }

    /// Flag 0x08.
    pub const fn unknown_rules_match(&self) -> bool {
        self.flags & Self::UNKNOWN_RULES_MATCH != 0
    }

    /// Flag 0x10.
    pub const fn multicast_uncompressed(&self) -> bool {
        self.flags & Self::UNCOMPRESSED_MULTICAST != 0
    }

    /// Members with at least one of these roles, in order of the configuration.
    pub fn specialists_with(&self, roles: u64) -> impl Iterator<Item = Address> + '_ {
        self.specialists.iter().filter(move |s| s.is(roles)).map(|s| s.address())
    }

    /// Active bridges.
    pub fn active_bridges(&self) -> impl Iterator<Item = Address> + '_ {
        self.specialists_with(Specialist::ACTIVE_BRIDGE)
    }

    /// True when the member may use MACs of others.
    pub fn is_active_bridge(&self, member: Address) -> bool {
        self.active_bridges().any(|address| address == member)
    }

    /// True when the member copies multicast frames for others.
    pub fn is_replicator(&self, member: Address) -> bool {
        self.specialists_with(Specialist::MULTICAST_REPLICATOR).any(|address| address == member)
    }

    /// Anchors and replicators.
    pub fn always_contact(&self) -> impl Iterator<Item = Address> + '_ {
        self.specialists_with(Specialist::ANCHOR | Specialist::MULTICAST_REPLICATOR)
    }

    /// Reads dictionary text (04 §3.2).
    pub fn from_text(text: &[u8]) -> Result<Self, ConfigError> {
        let d = Dictionary::new(text);
        let version = d.u64("v", 0);
        if version < OLDEST_FORMAT {
            return Err(ConfigError::Version(version));
        }
        let network = NetworkId(d.u64("nwid", 0));
        let issued_to = d.address("id");
        if network.0 == 0 {
            return Err(ConfigError::Network);
        }
        if issued_to.is_nil() {
            return Err(ConfigError::Holder);
        }
        let mut config = Self::new(network, issued_to, d.i64("ts", 0));
        config.credential_window = d.i64("ctmd", 0);
        config.revision = d.u64("r", 0);
        config.trace_target = d.address("tt");
        config.trace_level = d.u64("tl", 0);
        config.flags = d.u64("f", 0);
        config.multicast_limit = d.u64("ml", 0) as u32;
        config.kind = if d.u64("t", 0) == 1 { NetworkType::Public } else { NetworkType::Private };
        config.name = d.get("n").unwrap_or_default().into_owned();
        config.name.truncate(MAX_NAME);
        config.mtu =
            d.u64("mtu", u64::from(Self::DEFAULT_MTU)).clamp(MIN_VIRTUAL_MTU.into(), MAX_VIRTUAL_MTU.into()) as u32;
        config.read_credentials(&d)?;
        config.read_lists(&d)?;
        config.sign_on = read_sign_on(&d);
        Ok(config)
    }

    fn read_credentials(&mut self, d: &Dictionary<'_>) -> Result<(), ConfigError> {
        if let Some(blob) = d.get("C").filter(|blob| !blob.is_empty()) {
            let parsed = Membership::parse(&mut Reader::new(&blob));
            self.membership = Some(parsed.map_err(|cause| ConfigError::Blob { key: "C", cause })?);
        }
        // Errors keep what stands before them.
        if let Some(blob) = d.get("CAP") {
            self.capabilities = parse_until_error(&blob).0;
            self.capabilities.truncate(MAX_CAPABILITIES);
            self.capabilities.sort_by_key(|capability| capability.id);
        }
        if let Some(blob) = d.get("TAG") {
            self.tags = parse_until_error(&blob).0;
            self.tags.truncate(MAX_TAGS);
            self.tags.sort_by_key(|tag| tag.id);
        }
        if let Some(blob) = d.get("COO") {
            self.ownerships = parse_all(&blob).map_err(|cause| ConfigError::Blob { key: "COO", cause })?;
            self.ownerships.truncate(MAX_OWNERSHIPS);
        }
        Ok(())
    }

    fn read_lists(&mut self, d: &Dictionary<'_>) -> Result<(), ConfigError> {
        if let Some(blob) = d.get("S") {
            // Odd bytes at the end are left alone.
            self.specialists = parse_until_error(&blob).0;
            self.specialists.truncate(MAX_SPECIALISTS);
        }
        if let Some(blob) = d.get("RT") {
            self.routes = parse_all(&blob).map_err(|cause| ConfigError::Blob { key: "RT", cause })?;
            self.routes.truncate(MAX_ROUTES);
        }
        if let Some(blob) = d.get("I") {
            self.addresses = parse_all(&blob).map_err(|cause| ConfigError::Blob { key: "I", cause })?;
            self.addresses.truncate(MAX_ADDRESSES);
        }
        if let Some(blob) = d.get("R") {
            let rules = RuleTable::parse_blob(&blob).map_err(|cause| ConfigError::Blob { key: "R", cause })?;
            self.rules = if rules.len() > MAX_RULES {
                let mut kept = rules.into_vec();
                kept.truncate(MAX_RULES);
                kept.into()
            } else {
                rules
            };
        }
        if let Some(blob) = d.get("DNS").filter(|blob| !blob.is_empty()) {
            let parsed = Dns::parse(&mut Reader::new(&blob));
            self.dns = parsed.map_err(|cause| ConfigError::Blob { key: "DNS", cause })?;
        }
        Ok(())
    }

    /// Dictionary text in the order of 04 §3.2: what a controller sends and a member saves.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Text(DictionaryWriter::new());
        text.number("v", FORMAT);
        text.number("nwid", self.network.0);
        text.signed("ts", self.timestamp);
        text.signed("ctmd", self.credential_window);
        text.number("r", self.revision);
        text.bytes("id", self.issued_to.to_string().as_bytes());
        text.bytes("tt", self.trace_target.to_string().as_bytes());
        text.number("tl", self.trace_level);
        text.number("f", self.flags);
        text.number("ml", u64::from(self.multicast_limit));
        text.number("t", self.kind as u64);
        text.bytes("n", &self.name);
        text.number("mtu", u64::from(self.mtu));
        if let Some(membership) = &self.membership {
            text.bytes("C", &membership.to_vec());
        }
        text.blob("CAP", &emit_all(&self.capabilities));
        text.blob("TAG", &emit_all(&self.tags));
        text.blob("COO", &emit_all(&self.ownerships));
        text.blob("S", &emit_all(&self.specialists));
        text.blob("RT", &emit_all(&self.routes));
        text.blob("I", &emit_all(&self.addresses));
        text.blob("R", &self.rules.to_vec());
        text.bytes("DNS", &self.dns.to_vec());
        self.write_sign_on(&mut text);
        text.0.into_bytes()
    }

    fn write_sign_on(&self, text: &mut Text) {
        text.number("ssov", u64::from(matches!(self.sign_on, SignOn::V1 { .. })));
        text.bytes("ssoe", if self.sign_on.is_enabled() { b"1" } else { b"0" });
        match &self.sign_on {
            SignOn::V0 { enabled: false, .. } => {}
            SignOn::V0 { url, expires, .. } => {
                text.blob("aurl", url.as_bytes());
                text.number("aexpt", *expires);
            }
            SignOn::V1 { issuer, central, nonce, state, client, provider, .. } => {
                let values = [
                    ("iurl", issuer),
                    ("ssoce", central),
                    ("sson", nonce),
                    ("ssos", state),
                    ("ssocid", client),
                    ("ssop", provider),
                ];
                for (key, value) in values {
                    text.bytes(key, value.as_bytes());
                }
            }
        }
    }
}

fn read_sign_on(d: &Dictionary<'_>) -> SignOn {
    let enabled = d.bool("ssoe", false);
    let text = |key: &str, limit: usize| {
        let mut value = d.get(key).unwrap_or_default().into_owned();
        value.truncate(limit);
        String::from_utf8_lossy(&value).into_owned()
    };
    if d.u64("ssov", 0) == 1 {
        return SignOn::V1 {
            enabled,
            issuer: text("iurl", 2047),
            central: text("ssoce", 2047),
            nonce: text("sson", 127),
            state: text("ssos", 255),
            client: text("ssocid", 255),
            provider: if d.contains("ssop") { text("ssop", 63) } else { "default".into() },
        };
    }
    if !enabled {
        return SignOn::default();
    }
    SignOn::V0 { enabled, url: text("aurl", 2047), expires: d.u64("aexpt", 0) }
}

/// A writer without limit: nothing can fail.
struct Text(DictionaryWriter);

impl Text {
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.0.put(key, value).expect("the writer has no limit");
    }

    /// Left out when empty.
    fn blob(&mut self, key: &str, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(key, value);
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.bytes(key, format!("{value:016x}").as_bytes());
    }

    /// Quirk (04 §3.1): the minus sign is lost.
    fn signed(&mut self, key: &str, value: i64) {
        self.number(key, value.unsigned_abs());
    }
}
