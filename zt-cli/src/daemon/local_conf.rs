//! `local.conf`: the operator's settings of a node (06 §3), as typed values with remarks on what could not be used.

mod bonding;
mod change;
mod ethernet;
pub mod places;
pub mod schema;
mod secrets;
mod tap_offload;
mod tcp;
mod udp_offload;
mod userspace;

pub use change::{ChangeError, MODE, change_settings};
pub use tcp::{Targets, listen_addresses, targets_beside_planet};
pub use userspace::proxy_address;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use thiserror::Error;
use zt_node::driver::{RelayUse, TcpRelaySettings, UdpOffloads};
use zt_peer::BondConfig;
use zt_tap::Offloads;
use zt_wire::packet::{MAX_PHYS_MTU, MIN_PHYS_MTU};
use zt_wire::{Address, IpPrefix};

use super::home::read_file;
use super::logs::Filter;
use super::proxy::UserspaceSettings;
use super::tunnel::TcpSettings;
use crate::render::json::{sorted, without_mark};
use places::Places;

/// Settings that `/status` always shows (06 §4.5); none of them is a secret.
pub const STATUS_SETTINGS: [&str; 11] = [
    "allowTcpFallbackRelay",
    "forceTcpRelay",
    "homeDir",
    "listeningOn",
    "portMappingEnabled",
    "primaryPort",
    "secondaryPort",
    "softwareUpdate",
    "softwareUpdateChannel",
    "surfaceAddresses",
    "tertiaryPort",
];

/// When a daemon that no root has answered says that it is ready all the same, unless it is told otherwise: a host without the
/// Internet comes up, too.
const READY_AFTER: Duration = Duration::from_secs(10);

/// Most physical prefixes kept (06 §3.1).
const MAX_PHYSICAL: usize = 32;

/// Why `local.conf` as a whole cannot be used. The texts are those of the original (06 §3).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LocalConfError {
    /// Not valid JSON; `hint` says where and what is wrong.
    #[error("ERROR: unable to parse local.conf (invalid JSON)")]
    Json {
        /// Position and cause in words.
        hint: String,
    },
    /// Valid JSON, but no object.
    #[error("ERROR: unable to parse local.conf (root element is not a JSON object)")]
    NotAnObject,
    /// `settings` is there but is no object.
    #[error("local.conf: settings must be an object such as {{\"primaryPort\": 9993}}")]
    Settings,
    /// The file cannot be read.
    #[error("local.conf cannot be read: {0}")]
    Unreadable(String),
}

impl LocalConfError {
    /// What to do about it, in one sentence for the operator.
    pub fn hint(&self) -> String {
        match self {
            Self::Json { hint } => format!("local.conf: {hint}; correct the file or remove it"),
            Self::NotAnObject => "local.conf must hold one object: {\"settings\": {…}}".to_owned(),
            Self::Settings => "write \"settings\": {…} in local.conf, or leave it out".to_owned(),
            Self::Unreadable(_) => "make local.conf readable for this user, or remove it".to_owned(),
        }
    }
}

/// Reads `ip/bits`.
///
/// Deliberate: a missing length means the one address, host bits are cleared, and text which is no address is refused
/// (`None`); the original reads these as "every address" or "no address" (06 §4.2).
pub fn read_range(text: &str) -> Option<IpPrefix> {
    let prefix = match text.split_once('/') {
        Some((ip, bits)) => IpPrefix::new(ip.trim().parse().ok()?, bits.trim().parse().ok()?)?,
        None => IpPrefix::host(text.trim().parse().ok()?),
    };
    Some(prefix.network())
}

/// One entry of `physical` (06 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysicalEntry {
    /// Remote (and for `blacklist` also local) addresses concerned.
    pub prefix: IpPrefix,
    /// Neither bind to nor send to these addresses.
    pub blacklist: bool,
    /// Non-zero: packets to and from there carry this ID instead of encryption.
    pub trusted_path_id: u64,
    /// Payload size in bytes of UDP datagrams, 0 for the default.
    pub mtu: u16,
}

/// One entry of `virtual` (06 §3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualEntry {
    /// Addresses at which the node may be tried.
    pub try_addresses: Vec<SocketAddr>,
    /// Addresses never used for this node.
    pub blacklist: Vec<IpPrefix>,
}

/// The part of `settings` with an effect here (06 §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Overrides the port of the command line; 0 means a random one.
    pub primary_port: Option<u16>,
    /// A second UDP port is wanted.
    pub allow_secondary_port: bool,
    /// The second UDP port; 0 means a random one.
    pub secondary_port: u16,
    /// A gateway is asked to map a port (06 §6).
    pub port_mapping_enabled: bool,
    /// The port that is mapped, bound besides the others; 0 = the primary one is. Deliberate: the reference draws a third
    /// one, which only costs more sockets and probes.
    pub tertiary_port: u16,
    /// Bind exactly to these addresses instead of looking at the interfaces.
    pub bind: Vec<IpAddr>,
    /// Interfaces whose names begin so are not used.
    pub interface_prefix_blacklist: Vec<String>,
    /// Sources other than loopback which may use the HTTP interface.
    pub allow_management_from: Vec<IpPrefix>,
    /// Names under which the HTTP interface may be asked for, besides addresses and `localhost`; and whose pages may ask.
    pub allow_hosts: Vec<String>,
    /// Answers of the HTTP interface may be wrapped as script (06 §4.3).
    pub allow_jsonp: bool,
    /// Files of `app` in the home folder are served (06 §4.14).
    pub enable_web_server: bool,
    /// The TCP relay may be used while UDP does not get through.
    pub allow_tcp_fallback_relay: bool,
    /// Everything goes by the TCP relay, and UDP is not used.
    pub force_tcp_relay: bool,
    /// Low-bandwidth mode: little is said while there is nothing to say.
    pub low_bandwidth_mode: bool,
    /// The TCP relay; `None` when what is written is no address.
    pub tcp_fallback_relay: Option<SocketAddr>,
    /// Tunnels in streams.
    pub tcp: TcpSettings,
    /// Interfaces on which members find each other without IP.
    pub ethernet: Vec<String>,
    /// Proxies and forwards of a node without a device.
    pub userspace: UserspaceSettings,
    /// The most that virtual ports and the kernel leave to each other.
    pub tap_offload: Offloads,
    /// What is left to the kernel of sending and receiving by UDP.
    pub udp_offload: UdpOffloads,
    /// AES-GMAC-SIV is used with peers that know it.
    pub aes: bool,
    /// How much is logged.
    pub log: Option<Filter>,
    /// When the service manager is told that the node is ready though no root has answered.
    pub ready_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            primary_port: None,
            allow_secondary_port: true,
            secondary_port: 0,
            port_mapping_enabled: true,
            tertiary_port: 0,
            bind: Vec::new(),
            interface_prefix_blacklist: Vec::new(),
            allow_management_from: Vec::new(),
            allow_hosts: Vec::new(),
            allow_jsonp: false,
            enable_web_server: false,
            allow_tcp_fallback_relay: true,
            force_tcp_relay: false,
            low_bandwidth_mode: false,
            tcp_fallback_relay: Some(TcpRelaySettings::default().server),
            tcp: TcpSettings::default(),
            ethernet: Vec::new(),
            userspace: UserspaceSettings::default(),
            tap_offload: Offloads::All,
            udp_offload: UdpOffloads::default(),
            aes: true,
            log: None,
            ready_after: READY_AFTER,
        }
    }
}

impl Settings {
    /// Which TCP relay is used, and when.
    pub fn tcp_relay(&self) -> TcpRelaySettings {
        let (Some(server), true) = (self.tcp_fallback_relay, self.force_tcp_relay || self.allow_tcp_fallback_relay)
        else {
            return TcpRelaySettings { used: RelayUse::Never, ..TcpRelaySettings::default() };
        };
        let used = if self.force_tcp_relay { RelayUse::Always } else { RelayUse::Fallback };
        TcpRelaySettings { server, used }
    }
}

/// Content of `local.conf`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalConf {
    /// Everything as written, unknown keys included; shown by `/config` and `/status`.
    pub raw: Map<String, Value>,
    /// `physical`.
    pub physical: Vec<PhysicalEntry>,
    /// `virtual`, by node address.
    pub peers: BTreeMap<Address, VirtualEntry>,
    /// `settings`.
    pub settings: Settings,
    /// Bonding, of `settings`.
    pub bonding: BondConfig,
    /// Remarks for the log: fields that do not do what somebody expects of them, with the reason and the fix.
    pub remarks: Vec<String>,
    /// Fields that are understood and have no effect here.
    pub notes: Vec<String>,
}

impl LocalConf {
    /// Reads the text of the file. A byte order mark is tolerated, nothing at all means no settings.
    pub fn parse(text: &[u8]) -> Result<Self, LocalConfError> {
        let text = without_mark(text);
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(text) {
            Err(error) => Err(LocalConfError::Json { hint: error.to_string() }),
            Ok(Value::Object(raw)) => {
                let mut conf = Self::from_object(raw)?;
                conf.remarks.extend(Places::of(&String::from_utf8_lossy(text)).repeated());
                Ok(conf)
            }
            Ok(_) => Err(LocalConfError::NotAnObject),
        }
    }

    /// Takes the settings out of an already parsed object.
    pub fn from_object(raw: Map<String, Value>) -> Result<Self, LocalConfError> {
        let schema::Findings { faults, notes } = schema::look_at(&raw);
        let mut conf = Self { remarks: faults, notes, ..Self::default() };
        match raw.get("settings") {
            None => {}
            Some(Value::Object(settings)) => {
                conf.bonding = bonding::read(settings, &mut conf.remarks);
                conf.read_settings(settings);
                conf.bonds_need_no_relay();
            }
            Some(_) => return Err(LocalConfError::Settings),
        }
        conf.read_physical(raw.get("physical"));
        conf.read_virtual(raw.get("virtual"));
        conf.raw = raw;
        Ok(conf)
    }

    /// Bonding turns the TCP relay off (03 §15.9).
    fn bonds_need_no_relay(&mut self) {
        if !self.bonding.in_use {
            return;
        }
        self.settings.allow_tcp_fallback_relay = false;
        if std::mem::take(&mut self.settings.force_tcp_relay) {
            self.remark("settings.forceTcpRelay: ignored, because bonding is in use".to_owned());
        }
    }

    fn read_settings(&mut self, settings: &Map<String, Value>) {
        for (key, value) in settings {
            let field = format!("settings.{key}");
            match key.as_str() {
                "primaryPort" => {
                    let port = integer(value, u64::MAX);
                    if port != u64::MAX {
                        self.number(&field, value);
                    }
                    if port == u64::MAX {
                        self.remark(format!("{field}: not a number, ignored; write a port such as 9993"));
                    } else {
                        // The original takes the number modulo 65536 (06 §3.3).
                        self.settings.primary_port = Some(port as u16);
                        if port > 65535 {
                            self.remark(format!("{field}: {port} is no port, {} is used", port as u16));
                        }
                    }
                }
                "secondaryPort" => match u16::try_from(self.number(&field, value)) {
                    Ok(port) => self.settings.secondary_port = port,
                    Err(_) => self.remark(format!("{field}: larger than 65535, a random port is used")),
                },
                "tertiaryPort" => match u16::try_from(self.number(&field, value)) {
                    Ok(port) => self.settings.tertiary_port = port,
                    Err(_) => self.remark(format!("{field}: larger than 65535, the primary port is mapped")),
                },
                "portMappingEnabled" => self.settings.port_mapping_enabled = boolean(value, true),
                "allowSecondaryPort" => self.settings.allow_secondary_port = boolean(value, true),
                "bind" => self.settings.bind = self.addresses(&field, value),
                "interfacePrefixBlacklist" => {
                    self.settings.interface_prefix_blacklist =
                        self.texts(&field, value).into_iter().filter(|t| !t.is_empty()).collect();
                }
                "allowTcpFallbackRelay" => self.settings.allow_tcp_fallback_relay = boolean(value, true),
                "lowBandwidthMode" => self.settings.low_bandwidth_mode = boolean(value, false),
                "forceTcpRelay" => self.settings.force_tcp_relay = boolean(value, false),
                "tcpFallbackRelay" => {
                    self.settings.tcp_fallback_relay = socket_address(&text(value, ""));
                    if self.settings.tcp_fallback_relay.is_none() {
                        // Deliberate: who names a relay does not mean the public one.
                        self.remark(format!(
                            "{field}: {value} is no address, so no relay is used; write ip/port, such as \"192.0.2.1/443\""
                        ));
                    }
                }
                "log" => match text(value, "").parse() {
                    Ok(filter) => self.settings.log = Some(filter),
                    Err(error) => self.remark(format!("{field}: ignored, {error}")),
                },
                "readyAfter" => self.settings.ready_after = Duration::from_secs(self.number(&field, value)),
                "tcp" => self.read_tcp(value),
                "ethernet" => self.read_ethernet(value),
                "userspace" => self.read_userspace(value),
                "tapOffload" => self.read_tap_offload(value),
                "udpOffload" => self.read_udp_offload(value),
                "aes" => self.settings.aes = value.as_bool().unwrap_or(self.settings.aes),
                "allowHosts" => self.settings.allow_hosts = self.texts(&field, value),
                "allowJsonp" => self.settings.allow_jsonp = boolean(value, false),
                "enableWebServer" => self.settings.enable_web_server = boolean(value, false),
                "allowManagementFrom" => self.settings.allow_management_from = self.prefixes(&field, value),
                // Read elsewhere, without effect, or unknown: the schema tells.
                _ => {}
            }
        }
    }

    fn read_physical(&mut self, value: Option<&Value>) {
        let Some(value) = value else { return };
        let Value::Object(entries) = value else {
            return self.remark("physical: ignored, must be an object with keys such as \"10.0.0.0/8\"".to_owned());
        };
        for (key, value) in entries {
            let field = format!("physical.{key}");
            let Value::Object(entry) = value else {
                self.remark(format!("{field}: ignored, must be an object"));
                continue;
            };
            let Some(prefix) = read_range(key) else {
                self.remark(format!("{field}: ignored, the key must be a range such as \"10.0.0.0/8\""));
                continue;
            };
            let mut blacklist = entry.get("blacklist").is_some_and(|v| boolean(v, false));
            if blacklist && (!key.contains('/') || prefix.bits() == 0) {
                // As in the original, a blacklist needs a prefix length (06 §3.1).
                self.remark(format!("{field}.blacklist: ignored, write the key with a prefix length: \"{prefix}\""));
                blacklist = false;
            }
            let trusted_path_id =
                entry.get("trustedPathId").map_or(0, |v| self.number(&format!("{field}.trustedPathId"), v));
            let written = entry.get("mtu").map_or(0, |v| self.number(&format!("{field}.mtu"), v));
            let mtu = if written == 0 { 0 } else { written.clamp(MIN_PHYS_MTU.into(), MAX_PHYS_MTU.into()) as u16 };
            if u64::from(mtu) != written {
                self.remark(format!(
                    "{field}.mtu: {written} is outside of {MIN_PHYS_MTU} to {MAX_PHYS_MTU}, {mtu} is used"
                ));
            }
            if self.physical.len() == MAX_PHYSICAL {
                self.remark(format!("{field}: ignored, at most {MAX_PHYSICAL} ranges are kept"));
                continue;
            }
            self.physical.push(PhysicalEntry { prefix, blacklist, trusted_path_id, mtu });
        }
    }

    fn read_virtual(&mut self, value: Option<&Value>) {
        let Some(value) = value else { return };
        let Value::Object(entries) = value else {
            return self.remark("virtual: ignored, must be an object with node addresses as keys".to_owned());
        };
        for (key, value) in entries {
            let field = format!("virtual.{key}");
            let (Ok(address), Value::Object(entry)) = (key.parse::<Address>(), value) else {
                self.remark(format!("{field}: ignored, must be a 10-digit node address with an object"));
                continue;
            };
            let mut result = VirtualEntry::default();
            if let Some(value) = entry.get("try") {
                for text in self.texts(&format!("{field}.try"), value) {
                    match socket_address(&text) {
                        Some(address) => result.try_addresses.push(address),
                        None => self.remark(format!("{field}.try: \"{text}\" ignored, write ip/port")),
                    }
                }
            }
            if let Some(value) = entry.get("blacklist") {
                result.blacklist = self.prefixes(&format!("{field}.blacklist"), value);
            }
            self.peers.insert(address, result);
        }
    }

    /// A number as the original reads it, with a remark where that is not what is written.
    fn number(&mut self, field: &str, value: &Value) -> u64 {
        let number = integer(value, 0);
        let exact = match value {
            Value::Number(written) => written.as_u64() == Some(number),
            Value::String(text) => *text == number.to_string(),
            _ => false,
        };
        if !exact {
            self.remark(format!("{field}: {value} is read as {number}; write a whole number of at least 0"));
        }
        number
    }

    fn texts(&mut self, field: &str, value: &Value) -> Vec<String> {
        let Value::Array(items) = value else {
            self.remark(format!("{field}: ignored, must be an array"));
            return Vec::new();
        };
        items.iter().map(|item| text(item, "")).collect()
    }

    fn prefixes(&mut self, field: &str, value: &Value) -> Vec<IpPrefix> {
        let mut prefixes = Vec::new();
        for text in self.texts(field, value) {
            match read_range(&text) {
                Some(prefix) => {
                    if prefix.to_string() != text {
                        self.remark(format!("{field}: \"{text}\" is read as {prefix}"));
                    }
                    prefixes.push(prefix);
                }
                None => self.remark(format!("{field}: \"{text}\" ignored, write a range such as \"10.0.0.0/8\"")),
            }
        }
        prefixes
    }

    fn addresses(&mut self, field: &str, value: &Value) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for text in self.texts(field, value) {
            // A port behind the address is ignored (06 §3.3).
            match text.split('/').next().unwrap_or_default().parse() {
                Ok(address) => addresses.push(address),
                Err(_) => self.remark(format!("{field}: \"{text}\" ignored, write an address such as \"192.0.2.1\"")),
            }
        }
        addresses
    }

    fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// `config` of `/status`: the file as written, and in `settings` the effective values (06 §4.5).
    pub fn status_config(&self, effective: &Effective) -> Value {
        let mut config = self.raw.clone();
        let mut settings = match config.remove("settings") {
            Some(Value::Object(settings)) => settings,
            _ => Map::new(),
        };
        let written = |key: &str| self.raw.get("settings").and_then(|s| s.get(key));
        let flag = |key: &str, default| json!(written(key).map_or(default, |v| boolean(v, default)));
        let port = |key: &str, default: u16| json!(written(key).map_or(default, |v| integer(v, 0) as u16));
        let word = |key: &str, default: &str| json!(written(key).map_or(default.to_owned(), |v| text(v, default)));
        // With bonding, what is in force and not what is written.
        let relay = |key: &str, default| if self.bonding.in_use { json!(false) } else { flag(key, default) };
        let shown = [
            ("allowTcpFallbackRelay", relay("allowTcpFallbackRelay", true)),
            ("forceTcpRelay", relay("forceTcpRelay", false)),
            ("homeDir", json!(effective.home)),
            ("listeningOn", json!(effective.listening_on)),
            ("portMappingEnabled", flag("portMappingEnabled", true)),
            ("primaryPort", port("primaryPort", effective.primary_port)),
            ("secondaryPort", port("secondaryPort", effective.secondary_port)),
            ("softwareUpdate", word("softwareUpdate", "disable")),
            ("softwareUpdateChannel", word("softwareUpdateChannel", "release")),
            ("surfaceAddresses", json!(effective.surface_addresses)),
            ("tertiaryPort", port("tertiaryPort", effective.tertiary_port)),
        ];
        for (key, value) in shown {
            settings.insert(key.to_owned(), value);
        }
        config.insert("settings".to_owned(), Value::Object(settings));
        sorted(Value::Object(config))
    }

    /// What of the changes that another version of the file makes waits for the next start.
    pub fn waits_for_start(&self, other: &Self) -> Vec<String> {
        schema::waits_for_start(&self.raw, &other.raw)
    }

    /// The file after `POST /config/settings`: each member of `changes` replaces `settings.<key>` (06 §4.11).
    pub fn with_settings(&self, changes: &Map<String, Value>) -> Result<Self, LocalConfError> {
        let mut raw = self.raw.clone();
        let settings = raw.entry("settings").or_insert_with(|| json!({}));
        let Value::Object(settings) = settings else { return Err(LocalConfError::Settings) };
        for (key, value) in changes {
            settings.insert(key.clone(), value.clone());
        }
        Self::from_object(raw)
    }

    /// The passwords in it.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        secrets::secrets(&self.raw)
    }

    /// The file as it is written: sorted keys, four blanks per level, no newline at the end (06 §4.11).
    pub fn to_text(&self) -> String {
        crate::render::json::pretty(&sorted(Value::Object(self.raw.clone())), 4)
    }
}

/// Values in force, for [`LocalConf::status_config`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// Home folder.
    pub home: String,
    /// Local addresses `ip/port`.
    pub listening_on: Vec<String>,
    /// Addresses `ip/port` under which others see the node.
    pub surface_addresses: Vec<String>,
    /// Primary port.
    pub primary_port: u16,
    /// Secondary port, 0 if none.
    pub secondary_port: u16,
    /// Tertiary port, 0 if none.
    pub tertiary_port: u16,
}

/// When a file was changed, its length, and which one it is: a file that is replaced is another one, however soon that is.
type Stamp = (SystemTime, u64, u64);

/// Notices changes of `local.conf`.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl Watch {
    /// Watches a file that has been read just before, or is about to be.
    pub fn new(path: PathBuf) -> Self {
        let seen = Self::stamp(&path);
        Self { path, seen }
    }

    /// Reads the file again if it was touched since; `None` if not. A removed file is no change (06 §3).
    pub fn poll(&mut self) -> Option<Result<LocalConf, LocalConfError>> {
        let stamp = Self::stamp(&self.path);
        if stamp == self.seen {
            return None;
        }
        self.seen = stamp;
        stamp?;
        Some(match read_file(&self.path) {
            Ok(content) => LocalConf::parse(&content.unwrap_or_default()),
            Err(error) => Err(LocalConfError::Unreadable(error.to_string())),
        })
    }

    fn stamp(path: &PathBuf) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    }
}

/// A number of a setting: numbers, decimal text, booleans; else the default (06 §3).
pub fn integer(value: &Value, default: u64) -> u64 {
    match value {
        Value::Number(n) => {
            n.as_u64().or_else(|| n.as_i64().map(|n| n as u64)).unwrap_or_else(|| n.as_f64().unwrap_or(0.0) as u64)
        }
        Value::String(text) => leading_digits(text),
        Value::Bool(b) => u64::from(*b),
        _ => default,
    }
}

/// A switch of a setting: booleans, numbers above 0, text that begins with `t`, `T` or `1`; else the default (06 §3).
pub fn boolean(value: &Value, default: bool) -> bool {
    match value {
        Value::Bool(b) => *b,
        Value::Number(_) => integer(value, 0) > 0,
        Value::String(text) => text.starts_with(['t', 'T', '1']),
        _ => default,
    }
}

/// Text of a setting: text, printed numbers, `1`/`0` for booleans; else the default (06 §3).
pub fn text(value: &Value, default: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) => integer(value, 0).to_string(),
        Value::Bool(b) => u8::from(*b).to_string(),
        _ => default.to_owned(),
    }
}

fn leading_digits(text: &str) -> u64 {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(if end == 0 { 0 } else { u64::MAX })
}

fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once('/')?;
    let port: u16 = port.parse().ok().filter(|p| *p != 0)?;
    Some(SocketAddr::new(ip.parse().ok()?, port))
}

#[cfg(test)]
mod tests;
