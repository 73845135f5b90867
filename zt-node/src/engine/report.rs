//! What the engine tells about itself.

use super::Engine;
use crate::status::{
    Counts, DropReason, MoonStatus, NetworkStatus, NodeStatus, OffloadStatus, PathStatus, PeerStatus, RouteStatus,
    RulesStatus, Traffic,
};
use std::time::Duration;
use zt_netconf::controller::Controller;
use zt_netconf::{Failure, Network, NoAnswer, Question, SignOn, Why};
use zt_peer::{Link, LinkKind, PathView, PeerView};
use zt_wire::inet::InetAddress;
use zt_wire::time::Now;
use zt_wire::world::WorldKind;

impl Engine {
    /// State of the node; the driver adds its sockets and traffic.
    #[must_use]
    pub fn status(&self, now: Now) -> NodeStatus {
        let planet = self.vl1.worlds().find(|world| world.kind == WorldKind::Planet);
        NodeStatus {
            identity: *self.identity(),
            online: self.is_online(),
            online_since: self.online_since,
            planet_id: planet.map_or(0, |world| world.id),
            planet_timestamp: planet.map_or(0, |world| world.timestamp),
            surface: self.vl1.surface_addresses(now).into_iter().map(InetAddress::from).collect(),
            listening_on: Vec::new(),
            clock: now.unix_ms,
            clock_behind: self.vl1.clock_behind(now),
            drops: self.drops(),
            traffic: Traffic::default(),
            offload: OffloadStatus::default(),
            trouble: Vec::new(),
        }
    }

    /// Dropped packets and frames by reason; zero counts are left out.
    #[must_use]
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let vl1 = self.vl1.drops().map(|(reason, count)| (DropReason::Vl1(reason), count));
        let vl2 = self.vl2.drops().map(|(reason, count)| (DropReason::Vl2(reason), count));
        let own = (DropReason::OwnPacket, self.own_packets.dropped);
        let unasked = (DropReason::UnaskedTrace, self.unasked_traces);
        vl1.chain(vl2).chain([own, unasked]).filter(|&(_, count)| count > 0).collect()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (received, sent) = self.vl1.packets();
        let controller = self.controller.as_ref();
        Counts {
            received: received.clone(),
            sent: sent.clone(),
            peers: self.vl1.peer_traffic(),
            networks: self.vl2.networks().map(|network| (network.id(), network.frame_counts())).collect(),
            controller: controller.map(Controller::done).unwrap_or_default(),
            controlled: controller.map_or((0, 0, 0), |controller| {
                let (networks, members) = controller.counts();
                (networks, members, controller.queued())
            }),
        }
    }

    /// State of all known peers, by address.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<PeerStatus> {
        self.vl1.peers(now).into_iter().map(|peer| self.peer_status(now, peer)).collect()
    }

    /// State of all joined networks, by ID.
    #[must_use]
    pub fn networks(&self) -> Vec<NetworkStatus> {
        self.vl2.networks().map(|network| self.network_status(network)).collect()
    }

    /// State of one joined network.
    #[must_use]
    pub fn network(&self, id: zt_wire::NetworkId) -> Option<NetworkStatus> {
        self.vl2.network(id).map(|network| self.network_status(network))
    }

    /// Planets in use.
    #[must_use]
    pub fn planets(&self) -> Vec<zt_wire::World> {
        self.vl1.worlds().filter(|world| world.kind == WorldKind::Planet).cloned().collect()
    }

    /// Moons held or wanted.
    #[must_use]
    pub fn moons(&self) -> Vec<MoonStatus> {
        let held = self.vl1.worlds().filter(|world| world.kind == WorldKind::Moon);
        let held = held.map(|world| MoonStatus { id: world.id, seed: None, world: Some(world.clone()) });
        let wanted = self.vl1.wanted_moons();
        let wanted = wanted.map(|(id, seed)| MoonStatus { id, seed, world: None });
        held.chain(wanted).collect()
    }

    fn peer_status(&self, now: Now, peer: PeerView) -> PeerStatus {
        let link_of = |path: &PathView| self.vl1.links().find(|link| link.id == path.path.link);
        let paths = peer.paths.into_iter().map(|path| {
            let link = link_of(&path);
            let interface = self.vl1.interface(path.path.link).map(str::to_owned);
            PathStatus { interface, ..path_status(now, path, link) }
        });
        PeerStatus {
            address: peer.identity.address,
            version: peer.version.map(|version| version.software),
            protocol: peer.version.map_or(0, |version| version.protocol.into()),
            latency: peer.latency.map_or(-1, |latency| i32::try_from(latency.as_millis()).unwrap_or(i32::MAX)),
            role: peer.role,
            paths: paths.collect(),
            bond: peer.bond,
        }
    }

    fn network_status(&self, network: &Network) -> NetworkStatus {
        let config = network.config();
        let routes = config.map(|config| config.routes.as_slice()).unwrap_or_default();
        NetworkStatus {
            id: network.id(),
            mac: network.mac(),
            name: config.map(zt_netconf::NetworkConfig::name_text).unwrap_or_default(),
            status: network.status(),
            private: config.is_none_or(|config| !config.is_public()),
            mtu: config
                .map_or(zt_wire::packet::DEFAULT_VIRTUAL_MTU, |config| u16::try_from(config.mtu).unwrap_or(u16::MAX)),
            bridge: config.is_some_and(|config| config.is_active_bridge(self.address())),
            broadcast: config.is_some_and(zt_netconf::NetworkConfig::broadcast_enabled),
            port_error: network.port_error().unwrap_or(0),
            revision: config.map_or(0, |config| config.revision),
            assigned: config.map(|config| config.addresses.clone()).unwrap_or_default(),
            routes: routes
                .iter()
                .map(|route| RouteStatus {
                    target: route.target,
                    via: route.via,
                    flags: route.flags,
                    metric: route.metric,
                })
                .collect(),
            groups: network.groups().collect(),
            device: String::new(),
            settings: self.network_settings(network.id()),
            dns: config
                .filter(|config| !config.dns.domain.is_empty())
                .map(|config| (config.dns.domain.clone(), config.dns.servers.to_vec())),
            dns_status: None,
            sign_on: matches!(network.failure(), Some(Failure::AuthenticationRequired(_)))
                || config.is_some_and(|config| config.sign_on.is_enabled()),
            authentication_url: match (network.failure(), config.map(|config| &config.sign_on)) {
                (Some(Failure::AuthenticationRequired(how)), _) if !how.url.is_empty() => Some(how.url.clone()),
                (_, Some(SignOn::V0 { url, .. })) if !url.is_empty() => Some(url.clone()),
                _ => None,
            },
            authentication_expires: match config.map(|config| &config.sign_on) {
                Some(SignOn::V0 { expires, .. }) => *expires,
                _ => 0,
            },
            device_problem: None,
            withheld: self.managed(network).withheld.into_iter().map(Into::into).collect(),
            passes_nothing: network.passes_nothing(),
            rules: rules_status(network),
        }
    }

    /// Why a frame would pass or not, by the configuration and the credentials that are known now; `None` when the network
    /// is not joined.
    #[must_use]
    pub fn why(&self, network: zt_wire::NetworkId, question: &Question) -> Option<Result<Why, NoAnswer>> {
        self.vl2.network(network).map(|network| network.why(question))
    }
}

fn rules_status(network: &Network) -> RulesStatus {
    let counters = network.rule_counters();
    RulesStatus {
        rules: counters.rules().map(|(rule, decisions)| (rule, network.statement(rule), decisions)).collect(),
        capabilities: counters.capabilities().collect(),
        undecided: counters.undecided(),
    }
}

fn path_status(now: Now, path: PathView, link: Option<&Link>) -> PathStatus {
    let at = |age: Option<Duration>| {
        age.map_or(0, |age| now.unix_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    };
    PathStatus {
        address: path.path.remote,
        interface: None,
        link: path.path.link.0,
        // A path ends with its link.
        kind: link.map_or(LinkKind::Udp, |link| link.kind),
        last_send: at(path.last_sent),
        last_receive: at(path.last_heard),
        latency: path.latency.map(|latency| u32::try_from(latency.as_millis()).unwrap_or(u32::MAX)),
        alive: !path.suspected,
        preferred: path.preferred,
        mtu: path.mtu,
        trusted_path_id: path.trusted_path_id,
        bonded: path.bonded,
        local_port: link.and_then(|link| link.local.socket_addr()).map_or(0, |local| local.port()),
    }
}
