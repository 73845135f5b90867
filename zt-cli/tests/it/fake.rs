//! A stand-in for a node, behind the daemon's own server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Map, Value, json};
use tokio::sync::{oneshot, watch};
use zt_cli::api;
use zt_cli::client::Client;
use zt_cli::daemon::http::metrics::Names;
use zt_cli::daemon::http::{
    Access, Answer, Backend, ControllerReply, ControllerRequest, Failure, LocalSocket, NetworkSettings, Server, Shared,
};
use zt_crypto::{SecretIdentity, SeededEntropy};
use zt_netconf::controller::Controller;
use zt_peer::BondMtuError;
use zt_wire::{Address, Mono, NetworkId, Now};

use super::Folder;

/// What the stand-in was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) networks: Vec<api::Network>,
    pub(crate) peers: Vec<api::Peer>,
    pub(crate) calls: Vec<String>,
    pub(crate) traces: Vec<api::Trace>,
    /// The network on its controller; null for a usual one.
    pub(crate) hosted: Value,
    /// A whole controller in the place of answers that are made up.
    pub(crate) controller: Option<Controller>,
    /// Version of its program, if it says.
    pub(crate) version: Option<String>,
    /// No root answers it.
    pub(crate) offline: bool,
    /// What it leaves to its kernel, if it says.
    pub(crate) offload: Value,
    /// Bytes of long bodies in its hands, now and at most.
    pub(crate) held: (usize, usize),
}

struct Node(Arc<Mutex<Told>>);

impl Node {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().expect("no panic")
    }
}

pub(crate) fn network(id: NetworkId) -> api::Network {
    api::Network {
        allow_dns: false,
        clamp_mss: false,
        allow_default: false,
        allow_global: false,
        allow_managed: true,
        allow_managed_list: Vec::new(),
        assigned_addresses: vec!["10.9.8.1/24".to_owned()],
        authentication_expiry_time: None,
        authentication_url: None,
        bridge: false,
        broadcast_enabled: true,
        dhcp: false,
        dns: api::Dns { domain: "lan.example".to_owned(), servers: vec!["10.9.8.53".to_owned()] },
        dns_problem: Some("no\u{1b}one asks".to_owned()),
        dns_resolver: None,
        id: id.to_string(),
        mac: "02:a8:97:21:fe:2f".to_owned(),
        mtu: 2800,
        multicast_subscriptions: Vec::new(),
        name: "la\u{1b}[31mb".to_owned(),
        netconf_revision: 1,
        nwid: id.to_string(),
        passes_nothing: false,
        port_device_problem: None,
        port_device_name: "ztr5b5rxh2".to_owned(),
        port_error: 0,
        routes: vec![api::Route { flags: 0, metric: 0, target: "10.9.8.0/24".to_owned(), via: None }],
        rule_counters: None,
        sso_enabled: None,
        status: zt_netconf::NetworkStatus::Ok.into(),
        kind: zt_netconf::NetworkType::Private.into(),
        withheld: Vec::new(),
    }
}

impl Backend for Node {
    async fn status(&self) -> Answer<api::Status> {
        let (ours, offload, online) = {
            let told = self.told();
            (told.version.clone(), told.offload.clone(), !told.offline)
        };
        Ok(serde_json::from_value(json!({
            "ztVersion": ours, "ztOffload": offload, "address": "fe39e980ad", "clock": 1, "ztOnlineSince": -124_999, "config": {"settings": {"homeDir": "/h", "listeningOn": ["192.0.2.1/9993"], "vault": {"vaultToken": "x"}}}, "online": online,
            "planetWorldId": 1, "planetWorldTimestamp": 2, "publicIdentity": "fe39e980ad:0:…", "tcpFallbackActive": false,
            "version": "1.14.1", "versionBuild": 0, "versionMajor": 1, "versionMinor": 14, "versionRev": 1
        }))
        .expect("a status"))
    }
    async fn networks(&self) -> Answer<Vec<api::Network>> {
        Ok(self.told().networks.clone())
    }
    async fn join(&self, id: NetworkId, settings: NetworkSettings) -> Answer<Option<api::Network>> {
        let mut joined = network(id);
        joined.allow_default = settings.allow_default.unwrap_or(false);
        joined.allow_managed = settings.allow_managed.unwrap_or(true);
        let list = settings.allow_managed_list.unwrap_or_default();
        joined.allow_managed_list = list.iter().map(ToString::to_string).collect();
        if !joined.allow_default {
            let route = |number: usize| api::Withheld {
                kind: "route".to_owned(),
                setting: Some("allowDefault".to_owned()),
                target: if number == 0 { "0.0.0.0/0".to_owned() } else { format!("{number}.0.0.0/8") },
                via: Some("10.9.8.4".to_owned()),
                why: "allowDefault is off".to_owned(),
            };
            joined.withheld = (0..6).map(route).collect();
        }
        self.told().networks = vec![joined.clone()];
        Ok(Some(joined))
    }
    async fn leave(&self, id: NetworkId) -> Answer<bool> {
        let mut told = self.told();
        let before = told.networks.len();
        told.networks.retain(|n| n.id != id.to_string());
        Ok(told.networks.len() < before)
    }
    async fn why(&self, id: NetworkId, question: zt_netconf::Question) -> Answer<Option<api::Why>> {
        if !self.told().networks.iter().any(|network| network.id == id.to_string()) {
            return Ok(None);
        }
        if question.frame == "nonsense" {
            return Err(Failure::Refused("nonsense\n^ expected a frame".to_owned()));
        }
        Ok(Some(api::Why {
            accepted: false,
            capability: None,
            copies: vec!["6250c6ccf3".to_owned()],
            decision: "drop".to_owned(),
            frame: question.frame,
            inbound: question.inbound,
            member: question.member.to_string(),
            missing: vec!["tag 1000 of dfa68ae067: it has shown none that counts now".to_owned()],
            redirected_to: None,
            rule: Some(3),
            standing: "member".to_owned(),
            statement: Some("drop not tdiff 1000 0".to_owned()),
            tags: vec![api::TagValues { decided: true, id: 1000, other: None, own: Some(2) }],
        }))
    }
    async fn peers(&self) -> Answer<Vec<api::Peer>> {
        Ok(self.told().peers.clone())
    }
    async fn moons(&self) -> Answer<Vec<api::Moon>> {
        Ok(Vec::new())
    }
    async fn orbit(&self, moon: u64, seed: Address) -> Answer<()> {
        self.told().calls.push(format!("orbit {moon:x} {seed}"));
        Ok(())
    }
    async fn deorbit(&self, moon: u64) -> Answer<()> {
        self.told().calls.push(format!("deorbit {moon:x}"));
        Ok(())
    }
    async fn ping(&self, peer: Address, patience: std::time::Duration) -> Answer<api::Pong> {
        self.told().calls.push(format!("ping {peer} {}", patience.as_millis()));
        if peer.is_reserved() {
            return Err(Failure::Refused("it cannot be asked".to_owned()));
        }
        Ok(match peer.to_string().as_str() {
            "0f845a2d0e" => api::Pong::default(),
            _ => api::Pong {
                answered: true,
                from: Some("192.0.2.7/9993".to_owned()),
                relayed: false,
                round_trip: Some(12.5),
            },
        })
    }
    async fn rotate_bond(&self, peer: Address) -> Answer<bool> {
        self.told().calls.push(format!("rotate {peer}"));
        Ok(true)
    }
    async fn set_bond_mtu(&self, interface: String, ip: Option<IpAddr>, mtu: u32) -> Answer<Result<(), BondMtuError>> {
        self.told().calls.push(format!("mtu {interface} {ip:?} {mtu}"));
        Ok(if interface == "eth9" { Err(BondMtuError::NoSuchLink) } else { Ok(()) })
    }
    async fn planets(&self) -> Answer<Vec<api::Planet>> {
        Ok(vec![api::Planet {
            id: "8b1a9953c4611296".to_owned(),
            roots: vec![api::Root {
                identity: "1582af1036:0:…".to_owned(),
                stable_endpoints: vec!["192.0.2.9/9993".to_owned()],
            }],
            signature: String::new(),
            source: "file".to_owned(),
            timestamp: 5,
            updates_must_be_signed_by: String::new(),
        }])
    }
    async fn add_planet(&self, world: Vec<u8>) -> Answer<u64> {
        if world.len() < 100 {
            return Err(Failure::Refused("this is no signed planet".to_owned()));
        }
        self.told().calls.push(format!("planet of {} bytes", world.len()));
        Ok(7)
    }
    async fn remove_planet(&self, planet: u64) -> Answer<bool> {
        Ok(planet == 7)
    }
    async fn drops(&self) -> Answer<Vec<api::Drops>> {
        let drop = |reason: &str, count| api::Drops { count, reason: reason.to_owned() };
        Ok(vec![drop("duplicate", 3), drop("bad mac", 12)])
    }
    async fn traces(&self, after: u64, _wait: std::time::Duration) -> Answer<api::Traces> {
        let traces = self.told().traces.iter().filter(|trace| trace.number > after).cloned().collect();
        Ok(api::Traces { newest: 2, traces })
    }
    async fn controller(&self, request: ControllerRequest) -> Answer<ControllerReply> {
        if request.body.len() > 1 << 20 {
            let bytes = request.body.len();
            {
                let mut told = self.told();
                told.held.0 += bytes;
                told.held.1 = told.held.1.max(told.held.0);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            self.told().held.0 -= bytes;
            return Ok(ControllerReply { status: 200, body: String::new() });
        }
        let body = String::from_utf8(request.body.clone()).expect("text");
        self.told().calls.push(format!("{} {} {body}", request.method, request.path));
        let body = request.body.clone();
        if let Some(controller) = &mut self.told().controller {
            let now = Now { mono: Mono::from_millis(1_000_000), unix_ms: 1_795_000_000_000 };
            let (method, path) = (&request.method, &request.path);
            let outcome = match request.strict {
                true => controller.api_strict(now, method, path, &body),
                false => controller.api(now, method, path, &body),
            };
            return Ok(ControllerReply { status: outcome.status, body: outcome.body.unwrap_or_default() });
        }
        if request.strict && String::from_utf8_lossy(&body).contains("\"abc\"") {
            let body = "{\"error\": 400, \"description\": \"mtu: \\\"abc\\\" is no whole number from 1280 to 10000\"}";
            return Ok(ControllerReply { status: 400, body: body.to_owned() });
        }
        let answer = match request.path.as_str() {
            "/unstable/controller/network" => {
                json!({"data": [{"id": "fe39e980ad000001", "name": "lab", "private": true,
                    "ipAssignmentPools": [{"ipRangeStart": "10.9.8.1", "ipRangeEnd": "10.9.8.254"}],
                    "meta": {"authorizedMemberCount": 2, "totalMemberCount": 3}}], "meta": {"networkCount": 1}})
            }
            path if path.ends_with("/member") => json!({"data": [{"id": "b167db3b07", "authorized": false, "vMajor": 1,
                "vMinor": 14, "vRev": 1, "ipAssignments": ["10.9.8.7"]}], "meta": {}}),
            "/controller/network/ffffffffffffffff" => return Ok(ControllerReply { status: 404, body: String::new() }),
            _ if self.told().hosted.is_object() => self.told().hosted.clone(),
            _ => json!({"id": "fe39e980ad000001", "name": "lab", "private": true, "v6AssignMode": {"6plane": true},
                "routes": [{"target": "10.1.0.0/16", "via": null}]}),
        };
        Ok(ControllerReply { status: 200, body: answer.to_string() })
    }
    async fn config(&self) -> Answer<Value> {
        Ok(json!({}))
    }
    async fn change_settings(&self, _changes: Map<String, Value>) -> Answer<()> {
        Ok(())
    }
    async fn metrics(&self, names: Names) -> Answer<String> {
        Ok(if names == Names::Original { "zt_num_networks 0\n" } else { "zt_networks 0\n" }.to_owned())
    }
}

/// The stand-in with its server on a thread.
pub(crate) struct Fake {
    port: u16,
    pub(crate) told: Arc<Mutex<Told>>,
    pub(crate) access: watch::Sender<Access>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        Self::start_at(None)
    }

    /// With a socket in the file system, too.
    pub(crate) fn start_at(socket: Option<PathBuf>) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let (access, receiver) = watch::channel(Access {
            control_token: "secrettoken".to_owned(),
            metrics_token: "metricstoken".to_owned(),
            read_token: "readtoken".to_owned(),
            ..Access::default()
        });
        let (port_sender, port) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let node = Node(Arc::clone(&told));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let sockets = socket.map(|path| LocalSocket::bind(&path).expect("a socket")).into_iter().collect();
                let server = Server::bind(Shared::new(node, receiver), 0).expect("a port").with_local(sockets);
                port_sender.send(server.port()).expect("somebody waits");
                tokio::select! { () = server.run() => {}, _ = stopped => {} }
            });
        });
        Self { port: port.recv().expect("a port"), told, access, stop: Some(stop), thread: Some(thread) }
    }

    /// A stand-in with a controller of its own, and a folder whose home leads to it.
    pub(crate) fn hosting() -> (Self, Folder) {
        let node = Self::start();
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/data/netconf.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(vectors).expect("vectors")).expect("JSON");
        let text = vectors["identities"]["ctl"]["identitySecret"].as_str().expect("an identity");
        let secret = SecretIdentity::from_text(text).expect("an identity");
        let mut controller = Controller::new(Arc::new(secret), Box::new(SeededEntropy::new(7)));
        controller.start();
        node.told.lock().expect("no panic").controller = Some(controller);
        let folder = node.folder();
        (node, folder)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn token(&self) -> &'static str {
        "secrettoken"
    }

    pub(crate) fn client(&self) -> Client {
        Client::new("127.0.0.1", self.port, self.token())
    }

    /// A folder whose home leads to this node.
    pub(crate) fn folder(&self) -> Folder {
        let folder = Folder::new();
        folder.write("home/zerotier-one.port", self.port.to_string());
        folder.write("home/authtoken.secret", "secrettoken\n");
        folder
    }

    /// Most bytes of long bodies the node had at a time.
    pub(crate) fn held(&self) -> usize {
        self.told.lock().expect("no panic").held.1
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("no panic").calls)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
