//! A stand-in for a running node: answers the daemon's HTTP interface with values taken from a recorded case.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value};
use zt_cli::api;
use zt_cli::daemon::http::metrics::Names;
use zt_cli::daemon::http::{Answer, Backend, ControllerReply, ControllerRequest, Failure, NetworkSettings};
use zt_cli::daemon::local_conf::{Effective, LocalConf};
use zt_peer::BondMtuError;
use zt_wire::{Address, NetworkId};

/// What the node says.
#[derive(Default)]
pub(crate) struct Service {
    /// `/status` as recorded; its `config` is made again by the daemon's own code.
    pub(crate) status: Option<Value>,
    /// `/network`.
    pub(crate) networks: Vec<api::Network>,
    /// Answer to a join; the settings asked for are put in.
    pub(crate) joined: Option<api::Network>,
    /// Answer to a leave.
    pub(crate) left: bool,
    /// `/peer`.
    pub(crate) peers: Vec<api::Peer>,
    /// Answer to a rotation of a bond.
    pub(crate) rotates: bool,
    /// Why a size was not set for a link of a bond.
    pub(crate) bond_mtu: Option<BondMtuError>,
    /// `/moon`.
    pub(crate) moons: Vec<api::Moon>,
    /// What the controller answers.
    pub(crate) controller: Option<ControllerReply>,
    /// `/config`.
    pub(crate) config: Value,
    /// `/metrics`.
    pub(crate) metrics: String,
    /// Calls which change something, in order.
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Service {
    fn note(&self, call: String) {
        self.calls.lock().expect("no test panics while it holds this").push(call);
    }
}

/// Reads recorded objects as the daemon's.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|e| format!("the recorded object has another shape: {e}"))
}

/// The reason that a text tells.
pub(crate) fn mtu_error(told: &str) -> Option<BondMtuError> {
    let all = [BondMtuError::NotInUse, BondMtuError::Unreasonable, BondMtuError::NoSuchLink];
    all.into_iter().find(|error| told.trim_end().ends_with(&error.to_string()))
}

/// Settings which `/status` adds to those of the file (06 §4.5).
const EFFECTIVE: [&str; 11] = [
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

/// Makes the `config` of a recorded status again: the file it must come from, then the values in force put in.
pub(crate) fn config_again(config: &Value) -> Result<Value, String> {
    let mut file = config.as_object().cloned().unwrap_or_default();
    let shown = file.get("settings").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut settings = shown.clone();
    for key in EFFECTIVE {
        // Values which differ from the default must have been in the file.
        let written = match key {
            "allowTcpFallbackRelay" | "portMappingEnabled" => shown[key] == Value::Bool(false),
            "forceTcpRelay" => shown[key] == Value::Bool(true),
            _ => false,
        };
        if !written {
            settings.remove(key);
        }
    }
    file.insert("settings".to_owned(), Value::Object(settings));
    let conf = LocalConf::from_object(file).map_err(|e| e.to_string())?;
    Ok(conf.status_config(&effective(&shown)))
}

/// The values in force which a recorded status shows.
pub(crate) fn effective(shown: &Map<String, Value>) -> Effective {
    let texts = |key: &str| -> Vec<String> {
        let items = shown.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let port = |key: &str| shown.get(key).and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
    Effective {
        home: shown.get("homeDir").and_then(Value::as_str).unwrap_or_default().to_owned(),
        listening_on: texts("listeningOn"),
        surface_addresses: texts("surfaceAddresses"),
        primary_port: port("primaryPort"),
        secondary_port: port("secondaryPort"),
        tertiary_port: port("tertiaryPort"),
    }
}

impl Backend for Service {
    async fn status(&self) -> Answer<api::Status> {
        let recorded = self.status.as_ref().ok_or(Failure::Stopping)?;
        let mut status: api::Status = read(recorded).map_err(Failure::Internal)?;
        status.config = config_again(&status.config).map_err(Failure::Internal)?;
        Ok(status)
    }

    async fn networks(&self) -> Answer<Vec<api::Network>> {
        Ok(self.networks.clone())
    }

    async fn join(&self, network: NetworkId, settings: NetworkSettings) -> Answer<Option<api::Network>> {
        self.note(format!("join {network}"));
        let mut joined = self.joined.clone();
        if let Some(joined) = &mut joined {
            joined.allow_managed = settings.allow_managed.unwrap_or(joined.allow_managed);
            joined.allow_global = settings.allow_global.unwrap_or(joined.allow_global);
            joined.allow_default = settings.allow_default.unwrap_or(joined.allow_default);
            joined.allow_dns = settings.allow_dns.unwrap_or(joined.allow_dns);
        }
        Ok(joined)
    }

    async fn why(&self, _: NetworkId, _: zt_netconf::Question) -> Answer<Option<api::Why>> {
        Err(Failure::Stopping)
    }

    async fn leave(&self, network: NetworkId) -> Answer<bool> {
        self.note(format!("leave {network}"));
        Ok(self.left)
    }

    async fn traces(&self, _after: u64, _wait: Duration) -> Answer<api::Traces> {
        Ok(api::Traces::default())
    }

    async fn peers(&self) -> Answer<Vec<api::Peer>> {
        Ok(self.peers.clone())
    }

    async fn ping(&self, peer: Address, _patience: Duration) -> Answer<api::Pong> {
        self.note(format!("ping {peer}"));
        Ok(api::Pong::default())
    }

    async fn rotate_bond(&self, peer: Address) -> Answer<bool> {
        self.note(format!("rotate {peer}"));
        Ok(self.rotates)
    }

    async fn set_bond_mtu(&self, interface: String, ip: Option<IpAddr>, mtu: u32) -> Answer<Result<(), BondMtuError>> {
        self.note(format!("mtu {interface} {ip:?} {mtu}"));
        Ok(self.bond_mtu.map_or(Ok(()), Err))
    }

    async fn moons(&self) -> Answer<Vec<api::Moon>> {
        Ok(self.moons.clone())
    }

    async fn orbit(&self, moon: u64, seed: Address) -> Answer<()> {
        self.note(format!("orbit {moon:010x} {seed}"));
        Ok(())
    }

    async fn deorbit(&self, moon: u64) -> Answer<()> {
        self.note(format!("deorbit {moon:010x}"));
        Ok(())
    }

    async fn planets(&self) -> Answer<Vec<api::Planet>> {
        Ok(Vec::new())
    }

    async fn add_planet(&self, _world: Vec<u8>) -> Answer<u64> {
        Err(Failure::Refused("no planets here".to_owned()))
    }

    async fn remove_planet(&self, _planet: u64) -> Answer<bool> {
        Ok(false)
    }

    async fn drops(&self) -> Answer<Vec<api::Drops>> {
        Ok(Vec::new())
    }

    async fn controller(&self, request: ControllerRequest) -> Answer<ControllerReply> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        self.note(format!("{} {} {body}", request.method, request.path));
        self.controller.clone().ok_or(Failure::Stopping)
    }

    async fn config(&self) -> Answer<Value> {
        Ok(self.config.clone())
    }

    async fn change_settings(&self, changes: Map<String, Value>) -> Answer<()> {
        self.note(format!("settings {}", Value::Object(changes)));
        Ok(())
    }

    async fn metrics(&self, _names: Names) -> Answer<String> {
        Ok(self.metrics.clone())
    }
}
