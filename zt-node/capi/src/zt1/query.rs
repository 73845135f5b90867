//! What a node says about itself, in the shapes of 08 §B.2.

use super::levels::level_of;
use super::{Failure, Node, PortImage};
use std::sync::PoisonError;
use std::time::Duration;
use zt_netconf::NetworkStatus;
use zt_peer::{Endpoint, Role};
use zt_wire::time::Now;
use zt_wire::world::WorldKind;
use zt_wire::{Address, Identity, InetAddress, Mac, NetworkId, SoftwareVersion};

/// Silence after which a peer no longer counts as alive (03 §1: 500 s is when a peer is forgotten; paths expire after
/// 2 minutes or so, and so does a relayed acquaintance).
const ALIVE: Duration = Duration::from_secs(120);

/// The node as a whole.
#[derive(Clone, Debug)]
pub(crate) struct NodeView {
    pub(crate) identity: Identity,
    pub(crate) known: usize,
    pub(crate) supernodes: usize,
    pub(crate) direct: usize,
    pub(crate) alive: usize,
    pub(crate) online: bool,
}

/// What carries a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Udp,
    TcpOut,
    TcpIn,
    Ethernet,
}

/// A path of a peer. Times are milliseconds ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathView {
    pub(crate) kind: PathKind,
    pub(crate) remote: Endpoint,
    pub(crate) last_send: Option<u64>,
    pub(crate) last_receive: Option<u64>,
    pub(crate) last_ping: Option<u64>,
    pub(crate) active: bool,
    pub(crate) fixed: bool,
}

/// A peer.
#[derive(Clone, Debug)]
pub(crate) struct PeerView {
    pub(crate) address: Address,
    pub(crate) version: Option<SoftwareVersion>,
    pub(crate) latency: Option<u64>,
    pub(crate) role: Role,
    pub(crate) paths: Vec<PathView>,
}

/// A network.
#[derive(Clone, Debug)]
pub(crate) struct NetworkView {
    pub(crate) id: NetworkId,
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) status: NetworkStatus,
    pub(crate) mac: Mac,
    pub(crate) age: Option<u64>,
    pub(crate) addresses: Vec<InetAddress>,
    pub(crate) port_error: i32,
    /// The host was told of the port.
    pub(crate) has_port: bool,
    pub(crate) private: bool,
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    pub(crate) fn status(&self) -> Result<NodeView, Failure> {
        let machine = self.core.lock()?;
        let now = machine.clock.now();
        let peers = machine.engine.vl1().peers(now);
        let alive = |peer: &&zt_peer::PeerView| peer.last_heard.is_some_and(|age| age < ALIVE);
        Ok(NodeView {
            identity: *machine.engine.identity(),
            known: peers.len(),
            supernodes: peers.iter().filter(|peer| peer.role == Role::Planet).count(),
            direct: peers.iter().filter(alive).filter(|peer| peer.paths.iter().any(|path| path.is_active)).count(),
            alive: peers.iter().filter(alive).count(),
            online: machine.engine.is_online(),
        })
    }

    pub(crate) fn peers(&self) -> Result<Vec<PeerView>, Failure> {
        let machine = self.core.lock()?;
        let now = machine.clock.now();
        let vl1 = machine.engine.vl1();
        let stable: Vec<(Address, Endpoint)> = vl1
            .worlds()
            .filter(|world| matches!(world.kind, WorldKind::Planet | WorldKind::Moon))
            .flat_map(|world| &world.roots)
            .flat_map(|root| {
                let address = root.identity.address;
                root.endpoints.iter().filter_map(move |at| Some((address, Endpoint::Ip(at.socket_addr()?))))
            })
            .collect();
        Ok(vl1.peers(now).iter().map(|peer| peer_view(peer, &stable)).collect())
    }

    pub(crate) fn networks(&self) -> Result<Vec<NetworkView>, Failure> {
        let machine = self.core.lock()?;
        let now = machine.clock.now();
        let networks = machine.engine.networks();
        let ages: Vec<Option<u64>> = networks.iter().map(|network| machine_age(&machine, now, network.id)).collect();
        drop(machine);
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let views = networks.into_iter().zip(ages).map(|(network, age)| {
            let port = ports.get(&network.id);
            NetworkView {
                id: network.id,
                device: port.map(|port| port.device().to_owned()).unwrap_or_default(),
                has_port: port.is_some_and(super::PortState::is_told),
                name: network.name,
                status: network.status,
                mac: network.mac,
                age,
                addresses: network.assigned,
                port_error: network.port_error,
                private: network.private,
            }
        });
        Ok(views.collect())
    }

    /// The port of a network as the callback would show it; `None` when the network is not joined.
    pub(crate) fn network_config(&self, network: NetworkId) -> Result<Option<PortImage>, Failure> {
        Ok(self.core.lock()?.engine.network(network).as_ref().map(PortImage::of))
    }
}

fn machine_age(machine: &crate::machine::Machine, now: Now, network: NetworkId) -> Option<u64> {
    let updated = machine.engine.vl2().network(network)?.last_update()?;
    Some(millis(now.mono.saturating_since(updated)))
}

fn peer_view(peer: &zt_peer::PeerView, stable: &[(Address, Endpoint)]) -> PeerView {
    let address = peer.identity.address;
    let paths = peer.paths.iter().map(|path| PathView {
        kind: match (path.path.remote, level_of(path.path.link)) {
            (Endpoint::Mac(_), _) | (_, i32::MIN..0) => PathKind::Ethernet,
            (_, 0) => PathKind::Udp,
            _ if path.heard_first => PathKind::TcpIn,
            _ => PathKind::TcpOut,
        },
        remote: path.path.remote,
        last_send: path.last_sent.map(millis),
        last_receive: path.last_heard.map(millis),
        last_ping: path.last_probe.map(millis),
        active: path.is_active,
        fixed: stable.contains(&(address, path.path.remote)),
    });
    PeerView {
        address,
        version: peer.version.map(|version| version.software),
        latency: peer.latency.map(millis),
        role: peer.role,
        paths: paths.collect(),
    }
}
