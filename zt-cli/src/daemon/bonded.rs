//! Peers and their paths as the HTTP interface shows them, bonded or not (06 §4.8).

use std::time::Duration;

use zt_node::status::{LinkKind, PathStatus, PeerStatus};
use zt_peer::BondedPath;

use crate::api;

/// A peer. `tunneled`: this node has a TCP relay.
pub(super) fn peer(status: &PeerStatus, tunneled: bool) -> api::Peer {
    let version = status.version;
    let bond = status.bond.as_ref();
    let template = bond.map(|bond| &*bond.template);
    api::Peer {
        address: status.address.to_string(),
        bonding_policy_code: template.map(|t| t.policy.code()),
        bonding_policy_str: template.map(|t| t.policy.name().to_owned()),
        down_delay: template.map(|t| millis(t.down_delay)),
        failover_interval: template.map(|t| millis(t.failover_interval)),
        is_bonded: bond.is_some(),
        latency: status.latency,
        num_alive_links: bond.map(|bond| bond.alive),
        num_total_links: bond.map(|bond| bond.total),
        packets_per_link: template.map(|t| t.packets_per_link),
        paths: status.paths.iter().filter(|path| path.alive).map(path).collect(),
        role: status.role.into(),
        tunneled,
        up_delay: template.map(|t| millis(t.up_delay)),
        version: version.map_or_else(|| "-1.-1.-1".to_owned(), |v| v.to_string()),
        version_major: version.map_or(-1, |v| v.major.into()),
        version_minor: version.map_or(-1, |v| v.minor.into()),
        version_rev: version.map_or(-1, |v| v.revision.into()),
    }
}

fn path(status: &PathStatus) -> api::Path {
    let plain = api::Path {
        active: true,
        address: status.address.to_string(),
        expired: false,
        ifname: status.interface.clone().filter(|_| status.kind == LinkKind::Ethernet),
        last_receive: status.last_receive,
        last_send: status.last_send,
        link: Some(status.kind).filter(|kind| *kind != LinkKind::Udp).map(|kind| kind.word().to_owned()),
        // Quirk (06 §4.8): only bonded paths tell their port.
        local_port: 0,
        local_socket: status.link.into(),
        preferred: status.preferred,
        datagram_size: Some(status.mtu),
        trusted_path_id: status.trusted_path_id,
        ..api::Path::default()
    };
    match &status.bonded {
        Some(part) => bonded(api::Path { local_port: status.local_port, ..plain }, part),
        None => plain,
    }
}

fn bonded(path: api::Path, part: &BondedPath) -> api::Path {
    let age = |age: Option<Duration>| Some(age.map_or(0, millis));
    api::Path {
        assigned_flow_count: Some(part.flows),
        bonded: Some(part.bonded.into()),
        eligible: Some(part.eligible.into()),
        given_link_speed: Some(part.capacity),
        ifname: Some(part.interface.clone()),
        last_in_age: age(part.last_in),
        last_out_age: age(part.last_out),
        latency_mean: Some(part.latency.into()),
        latency_variance: Some(part.jitter.into()),
        packet_error_ratio: Some(0.0),
        packet_loss_ratio: Some(part.loss.into()),
        relative_quality: Some(part.quality.into()),
        ..path
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
