//! The interface's view of the node: calls on its handle, values turned into the objects of the API.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use zt_netconf::trace::key;
use zt_netconf::{NoAnswer, Question};
use zt_node::Handle;
use zt_node::driver::{EthernetHandle, EthernetPort, KeptTrace, Stopped, TcpRelayHandle};
use zt_node::status::{MoonStatus, NodeStatus, OffloadStatus};
use zt_peer::BondMtuError;
use zt_wire::{Address, NetworkId, Parse as _, Reader, World, WorldKind};

use super::bonded::peer;
use super::decisions::told_why;
use super::home::{Home, read_file};
use super::http::{Answer, Backend, ControllerReply, ControllerRequest, Failure, NetworkSettings, metrics, no_ways};
use super::joined::network;
use super::local_conf::{self, ChangeError, Effective, LocalConf, LocalConfError};
use super::node::{Asked, merged};
use super::port_mapping::Shown;
use super::proxy::{Forward, Shown as Ways};
use super::tunnel::Counts;
use crate::compat::idtool::hex;
use crate::worldfile::world_json;
use crate::{COMPATIBLE_VERSION, VERSION, api};

/// UDP ports in use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ports {
    /// Primary.
    pub(super) primary: u16,
    /// Secondary, 0 if none.
    pub(super) secondary: u16,
    /// The one that is mapped, 0 if that is the primary.
    pub(super) tertiary: u16,
}

/// A running node as the HTTP interface sees it.
pub(super) struct NodeBackend {
    handle: Handle,
    home: Home,
    conf: Arc<Mutex<LocalConf>>,
    ports: Ports,
    relay: TcpRelayHandle,
    ethernet: EthernetHandle,
    mapping: Shown,
    /// What tunnels in streams dropped.
    streams: Counts,
    /// Proxies and forwards, of a node without devices.
    ways: Option<Ways>,
    /// Takes up what was written to `local.conf`.
    taker: Option<mpsc::Sender<Asked>>,
    /// What the process has given up.
    sandbox: Option<api::Sandbox>,
    /// Changes of a network's settings take turns: each builds on the one before.
    changing: tokio::sync::Mutex<()>,
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopping
    }
}

impl NodeBackend {
    /// A backend over a node's handle.
    pub(super) fn new(
        handle: Handle,
        home: Home,
        conf: LocalConf,
        ports: Ports,
        (relay, ethernet): (TcpRelayHandle, EthernetHandle),
        mapping: Shown,
        streams: Counts,
    ) -> Self {
        let (conf, changing) = (Arc::new(Mutex::new(conf)), tokio::sync::Mutex::new(()));
        Self {
            handle,
            home,
            conf,
            ports,
            relay,
            ethernet,
            mapping,
            streams,
            sandbox: None,
            ways: None,
            taker: None,
            changing,
        }
    }

    /// The same, with somebody who takes up what is written to `local.conf`.
    pub(super) fn told_to(self, taker: mpsc::Sender<Asked>) -> Self {
        Self { taker: Some(taker), ..self }
    }

    /// The same, of a process that has given up some of its rights.
    pub(super) fn confined(self, sandbox: api::Sandbox) -> Self {
        Self { sandbox: Some(sandbox), ..self }
    }

    /// The same, of a node with proxies and forwards.
    pub(super) fn with_ways(self, ways: Option<Ways>) -> Self {
        Self { ways, ..self }
    }

    /// Changes the forwards in the file as it is now.
    async fn change_forwards(&self, change: impl FnOnce(&mut Vec<Forward>) + Send + 'static) -> Answer<()> {
        if self.ways.is_none() {
            return Err(no_ways());
        }
        let _turn = self.changing.lock().await;
        let home = self.home.clone();
        let write = move || -> Result<(), ChangeError> {
            let content =
                read_file(&home.file("local.conf")).map_err(|error| LocalConfError::Unreadable(error.to_string()))?;
            let conf = LocalConf::parse(&content.unwrap_or_default())?;
            let mut forwards = conf.settings.userspace.forwards;
            change(&mut forwards);
            let before = conf.raw.get("settings").and_then(|settings| settings.get("userspace"));
            let mut userspace = before.and_then(Value::as_object).cloned().unwrap_or_default();
            userspace.insert("forwards".to_owned(), forwards.iter().map(Forward::to_json).collect());
            let changes = Map::from_iter([("userspace".to_owned(), Value::Object(userspace))]);
            local_conf::change_settings(&home, &changes)
        };
        self.write_and_take_up(write).await?;
        // Ports open and close on tasks of their own.
        if let Some(ways) = &self.ways {
            ways.settled().await;
        }
        Ok(())
    }

    /// Writes `local.conf` on a thread of its own, as packets do not wait for the disk, and waits until it is in force.
    async fn write_and_take_up(&self, write: impl FnOnce() -> Result<(), ChangeError> + Send + 'static) -> Answer<()> {
        let written = tokio::task::spawn_blocking(write).await.map_err(|_| Failure::Stopping)?;
        written.map_err(|error| match error {
            ChangeError::Unusable(_) => Failure::Refused(error.to_string()),
            ChangeError::Home(_) => Failure::Internal(error.to_string()),
        })?;
        let Some(taker) = &self.taker else { return Ok(()) };
        let (asked, taken) = oneshot::channel();
        taker.send(asked).await.map_err(|_| Failure::Stopping)?;
        let taken = taken.await.map_err(|_| Failure::Stopping)?;
        taken.map_err(|error| Failure::Internal(format!("written, but not taken up: {}", error.hint())))
    }

    /// The settings shown, to be replaced when the file changes.
    pub(super) fn local_conf(&self) -> Arc<Mutex<LocalConf>> {
        Arc::clone(&self.conf)
    }

    fn conf(&self) -> LocalConf {
        self.conf.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn node_status(&self) -> Answer<NodeStatus> {
        Ok(self.handle.control(|control| control.status()).await?)
    }
}

impl Backend for NodeBackend {
    async fn status(&self) -> Answer<api::Status> {
        let status = self.node_status().await?;
        let config = self.conf().status_config(&Effective {
            home: self.home.path().display().to_string(),
            listening_on: status.listening_on.iter().map(ToString::to_string).collect(),
            surface_addresses: status.surface.iter().map(ToString::to_string).collect(),
            primary_port: self.ports.primary,
            secondary_port: self.ports.secondary,
            tertiary_port: self.ports.tertiary,
        });
        Ok(api::Status {
            address: status.identity.address.to_string(),
            clock: status.clock,
            config,
            online: status.online,
            planet_world_id: status.planet_id,
            planet_world_timestamp: status.planet_timestamp,
            public_identity: status.identity.to_string(),
            tcp_fallback_active: self.relay.is_active(),
            version: COMPATIBLE_VERSION.to_string(),
            version_build: 0,
            version_major: COMPATIBLE_VERSION.major.into(),
            version_minor: COMPATIBLE_VERSION.minor.into(),
            version_rev: COMPATIBLE_VERSION.revision,
            zt_version: Some(VERSION.to_owned()),
            zt_clock_behind: status.clock_behind,
            zt_online_since: status.online_since,
            zt_ethernet: self.ethernet.ports().into_iter().map(ethernet_port).collect(),
            zt_offload: Some(offload(&status.offload)),
            zt_sandbox: self.sandbox.clone(),
            zt_trouble: status.trouble,
            zt_port_mapping: self.mapping.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }

    async fn networks(&self) -> Answer<Vec<api::Network>> {
        let networks = self.handle.control(|control| control.networks()).await?;
        Ok(networks.iter().map(network).collect())
    }

    async fn join(&self, id: NetworkId, settings: NetworkSettings) -> Answer<Option<api::Network>> {
        let _turn = self.changing.lock().await;
        let unkept = |error| Failure::Internal(format!("cannot keep the membership: {error}"));
        self.handle.join(id).await?.map_err(unkept)?;
        let before = self.handle.engine(move |engine, _| engine.network_settings(id)).await?;
        self.handle.set_network_settings(id, merged(before, settings)).await?.map_err(unkept)?;
        // The node had a turn since it joined, so the answer names the port (06 §4.7).
        let networks = self.handle.control(|control| control.networks()).await?;
        Ok(networks.iter().find(|network| network.id == id).map(network))
    }

    async fn leave(&self, id: NetworkId) -> Answer<bool> {
        let (left, kept) = self.handle.keep(move |control| control.leave(id)).await?;
        kept.map(|()| left).map_err(|error| unforgotten("network", &error))
    }

    async fn why(&self, network: NetworkId, question: Question) -> Answer<Option<api::Why>> {
        let asked = question.clone();
        let answer = self.handle.engine(move |engine, _| engine.why(network, &asked)).await?;
        let told = answer.map(|answer| answer.map(|why| told_why(&question, &why)));
        told.transpose().map_err(|unanswered| {
            Failure::Refused(match unanswered {
                NoAnswer::NotConfigured => unanswered.to_string(),
                NoAnswer::Words(error) => format!("these words name no frame:\n{}", error.marked(&question.frame)),
            })
        })
    }

    async fn peers(&self) -> Answer<Vec<api::Peer>> {
        let peers = self.handle.engine(|engine, now| engine.peers(now)).await?;
        let tunneled = self.relay.is_active();
        let mut peers: Vec<api::Peer> = peers.iter().map(|known| peer(known, tunneled)).collect();
        peers.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(peers)
    }

    async fn ping(&self, peer: Address, patience: Duration) -> Answer<api::Pong> {
        let pong = self.handle.ping(peer, patience).await?;
        let pong = pong.map_err(|error| Failure::Refused(format!("{peer} cannot be asked: {error}")))?;
        Ok(pong.map_or_else(api::Pong::default, |pong| api::Pong {
            answered: true,
            from: Some(pong.from.to_string()),
            relayed: pong.relayed,
            round_trip: Some(pong.round_trip.as_secs_f64() * 1_000.0),
        }))
    }

    async fn rotate_bond(&self, peer: Address) -> Answer<bool> {
        let rotated = self.handle.control(move |control| control.rotate_bond(peer)).await?;
        if !rotated {
            tracing::warn!("unable to find bond to peer {peer}");
        }
        Ok(rotated)
    }

    async fn set_bond_mtu(&self, interface: String, ip: Option<IpAddr>, mtu: u32) -> Answer<Result<(), BondMtuError>> {
        // No address is none of any link; the size is judged first, as by the original.
        let ip = ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        Ok(self.handle.control(move |control| control.engine().vl1_mut().set_bond_mtu(&interface, ip, mtu)).await?)
    }

    async fn moons(&self) -> Answer<Vec<api::Moon>> {
        let moons = self.handle.engine(|engine, _| engine.moons()).await?;
        let mut moons: Vec<api::Moon> = moons.iter().map(moon).collect();
        moons.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(moons)
    }

    async fn orbit(&self, moon: u64, seed: Address) -> Answer<()> {
        let seed = (!seed.is_reserved()).then_some(seed);
        let ((), kept) = self.handle.keep(move |control| control.orbit(moon, seed)).await?;
        kept.map_err(|error| unkept("moon", &error))
    }

    async fn deorbit(&self, moon: u64) -> Answer<()> {
        let (_, kept) = self.handle.keep(move |control| control.deorbit(moon)).await?;
        kept.map_err(|error| unforgotten("moon", &error))
    }

    async fn planets(&self) -> Answer<Vec<api::Planet>> {
        let planets = self.handle.engine(|engine, _| engine.planets()).await?;
        let mut planets: Vec<api::Planet> = planets.iter().map(planet).collect();
        planets.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(planets)
    }

    async fn add_planet(&self, world: Vec<u8>) -> Answer<u64> {
        let world = World::parse(&mut Reader::new(&world))
            .map_err(|error| Failure::Refused(format!("this is no signed planet: {error}")))?;
        if world.kind != WorldKind::Planet {
            return Err(Failure::Refused("this is a moon; use `zt moon orbit` for it".to_owned()));
        }
        let id = world.id;
        let (accepted, kept) = self.handle.keep(move |control| control.add_world(world)).await?;
        accepted.map_err(|error| Failure::Refused(format!("the planet was refused: {error}")))?;
        kept.map(|()| id).map_err(|error| unkept("planet", &error))
    }

    async fn remove_planet(&self, planet: u64) -> Answer<bool> {
        let (was_there, kept) = self.handle.keep(move |control| control.remove_planet(planet)).await?;
        kept.map(|()| was_there).map_err(|error| unforgotten("planet", &error))
    }

    async fn drops(&self) -> Answer<Vec<api::Drops>> {
        let status = self.node_status().await?;
        let of_node = status.drops.into_iter().map(|(reason, count)| api::Drops { count, reason: reason.to_string() });
        let of_streams = self.streams.iter().map(|(reason, count)| api::Drops { count, reason: reason.to_owned() });
        let of_frames = self.ethernet.drops();
        let of_frames = of_frames.into_iter().map(|(reason, count)| api::Drops { count, reason: reason.to_owned() });
        let of_ways = self.ways.iter().flat_map(|ways| ways.refused.counts());
        let of_ways = of_ways.map(|(reason, count)| api::Drops { count, reason: reason.to_owned() });
        Ok(of_node.chain(of_streams).chain(of_frames).chain(of_ways).collect())
    }

    async fn traces(&self, after: u64, wait: Duration) -> Answer<api::Traces> {
        let _ = tokio::time::timeout(wait, self.handle.traced(after)).await;
        let kept = self.handle.control(move |control| control.traces(after)).await?;
        let newest = kept.last().map_or_else(|| self.handle.newest_trace(), |kept| kept.number);
        Ok(api::Traces { newest, traces: kept.iter().map(|kept| trace(kept)).collect() })
    }

    async fn controller(&self, request: ControllerRequest) -> Answer<ControllerReply> {
        let ControllerRequest { method, path, body, strict } = request;
        let outcome = match strict {
            true => self.handle.controller_api_strict(method, path, body).await?,
            false => self.handle.controller_api(method, path, body).await?,
        };
        let Some(outcome) = outcome else {
            return Ok(ControllerReply { status: 404, body: String::new() });
        };
        Ok(ControllerReply { status: outcome.status, body: outcome.body.unwrap_or_default() })
    }

    async fn config(&self) -> Answer<Value> {
        Ok(Value::Object(self.conf().raw))
    }

    async fn change_settings(&self, changes: Map<String, Value>) -> Answer<()> {
        let _turn = self.changing.lock().await;
        let home = self.home.clone();
        self.write_and_take_up(move || local_conf::change_settings(&home, &changes)).await
    }

    async fn forwards(&self) -> Answer<Value> {
        self.ways.as_ref().map(Ways::told).ok_or_else(no_ways)
    }

    async fn add_forward(&self, forward: Forward) -> Answer<String> {
        let id = forward.id();
        self.change_forwards(move |forwards| {
            forwards.retain(|other| other.id() != forward.id());
            forwards.push(forward);
        })
        .await?;
        let state = self.ways.as_ref().and_then(|ways| ways.state(&id));
        state.ok_or_else(|| Failure::Refused("there are as many forwards as can be kept; remove one".to_owned()))
    }

    async fn remove_forward(&self, id: String) -> Answer<bool> {
        let (sender, found) = std::sync::mpsc::channel();
        self.change_forwards(move |forwards| {
            let before = forwards.len();
            forwards.retain(|forward| forward.id() != id);
            let _ = sender.send(forwards.len() < before);
        })
        .await?;
        Ok(found.try_recv().unwrap_or(false))
    }

    async fn metrics(&self, names: metrics::Names) -> Answer<String> {
        let (networks, drops) = (self.networks().await?, self.drops().await?);
        let traffic = self.node_status().await?.traffic;
        let counts = self.handle.engine(|engine, _| engine.counts()).await?;
        Ok(metrics::render(&metrics::Sample { traffic, counts: &counts, networks: &networks, drops: &drops }, names))
    }
}

fn ethernet_port(port: EthernetPort) -> api::EthernetPort {
    let EthernetPort { interface, state } = port;
    let (mac, mtu) = state.as_ref().ok().map(|(mac, mtu)| (mac.to_string(), *mtu)).unzip();
    api::EthernetPort { interface, mac, mtu, problem: state.err() }
}

fn offload(status: &OffloadStatus) -> api::Offload {
    let udp = status.udp.as_ref().map(|udp| api::UdpOffload {
        level: udp.level.to_owned(),
        refusing: udp.refusing,
        receive_buffer: udp.receive_buffer,
        send_buffer: udp.send_buffer,
    });
    let tap = status.ports.iter().map(|port| api::TapOffload {
        network: port.network.to_string(),
        device: port.device.clone(),
        from_kernel: port.from_kernel.to_owned(),
        to_kernel: port.to_kernel.to_owned(),
    });
    api::Offload { udp, tap: tap.collect() }
}

/// It works until the process ends, which is not what was asked for.
fn unkept(what: &str, error: &std::io::Error) -> Failure {
    Failure::Internal(format!("the {what} is in use but cannot be kept: {error}"))
}

/// It is gone until the next start, which is not what was asked for.
fn unforgotten(what: &str, error: &std::io::Error) -> Failure {
    Failure::Internal(format!("the {what} is not used any more, but its file cannot be removed: {error}"))
}

fn trace(kept: &KeptTrace) -> api::Trace {
    let record = &kept.record;
    let mut fields = BTreeMap::new();
    for (key, value) in record.fields() {
        let value = match BINARY.contains(&&*key) {
            true => hex(&value),
            false => String::from_utf8_lossy(&value).into_owned(),
        };
        // The first line of a key counts (04 §3.1).
        fields.entry(key.into_owned()).or_insert(value);
    }
    api::Trace {
        number: kept.number,
        time: record.at,
        member: record.member.to_string(),
        network: record.network.map(|network| network.to_string()),
        event: format!("{:04x}", record.event.0),
        name: record.event.to_string(),
        fields,
    }
}

/// Fields of traces that are bytes.
const BINARY: [&str; 3] = [key::DATA, key::BASE_LOG, key::CAPABILITY_LOG];

fn roots(world: &World) -> Vec<api::Root> {
    let root = |root: &zt_wire::Root| api::Root {
        identity: root.identity.to_string(),
        stable_endpoints: root.endpoints.iter().map(ToString::to_string).collect(),
    };
    world.roots.iter().map(root).collect()
}

fn text_of(world: &World, key: &str) -> String {
    world_json(world)[key].as_str().unwrap_or_default().to_owned()
}

fn moon(status: &MoonStatus) -> api::Moon {
    let world = status.world.as_ref();
    api::Moon {
        id: format!("{:016x}", status.id),
        roots: world.map(roots).unwrap_or_default(),
        signature: world.map(|world| text_of(world, "signature")),
        timestamp: world.map_or(0, |world| world.timestamp),
        updates_must_be_signed_by: world.map(|world| text_of(world, "updatesMustBeSignedBy")),
        waiting: world.is_none(),
    }
}

fn planet(world: &World) -> api::Planet {
    api::Planet {
        id: format!("{:016x}", world.id),
        roots: roots(world),
        signature: text_of(world, "signature"),
        source: "file".to_owned(),
        timestamp: world.timestamp,
        updates_must_be_signed_by: text_of(world, "updatesMustBeSignedBy"),
    }
}
