//! `/metrics` (06 §4.12, §10): Prometheus text.

use std::fmt::Write as _;

use super::{Answer, Backend, Reply, Request, Shared};
use crate::api;

pub(super) async fn metrics<B: Backend>(shared: &Shared<B>, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let mut body = shared.backend.metrics().await?;
    let refused: Vec<_> = shared.refused.counts().collect();
    if !refused.is_empty() {
        let _ = writeln!(
            body,
            "# HELP zt_http_refused requests and connections of the local interface not served, by reason"
        );
        let _ = writeln!(body, "# TYPE zt_http_refused counter");
        for (reason, count) in refused {
            let _ = writeln!(body, "zt_http_refused{{reason=\"{reason}\"}} {count}");
        }
    }
    Ok(Reply::text(200, "text/plain", body))
}

/// Numbers of a node, for [`render`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample<'a> {
    /// Bytes received by UDP.
    pub bytes_in: u64,
    /// Bytes sent by UDP.
    pub bytes_out: u64,
    /// Joined networks.
    pub networks: &'a [api::Network],
    /// Known peers.
    pub peers: &'a [api::Peer],
    /// Reasons for drops.
    pub drops: &'a [api::Drops],
}

/// The families of 06 §10 for which the node counts, and ours: the version, and drops.
pub fn render(sample: &Sample<'_>) -> String {
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, lines: Vec<(String, u64)>| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in lines {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    family(
        "zt_build_info",
        "gauge",
        "version of the program that runs the node",
        vec![(format!("{{version=\"{}\"}}", crate::VERSION), 1)],
    );
    family(
        "zt_data",
        "counter",
        "number of bytes ZeroTier has transmitted or received",
        vec![
            ("{direction=\"rx\",protocol=\"udp\"}".to_owned(), sample.bytes_in),
            ("{direction=\"tx\",protocol=\"udp\"}".to_owned(), sample.bytes_out),
        ],
    );
    let joined = sample.networks.len() as u64;
    family("zt_num_networks", "gauge", "number of networks this instance is joined to", vec![(String::new(), joined)]);
    family(
        "zt_network_multicast_groups_subscribed",
        "gauge",
        "number of multicast groups networks are subscribed to",
        sample
            .networks
            .iter()
            .map(|n| (format!("{{network_id=\"{}\"}}", n.id), n.multicast_subscriptions.len() as u64))
            .collect(),
    );
    family(
        "zt_peer_path_count",
        "gauge",
        "number of paths to peer",
        sample
            .peers
            .iter()
            .map(|p| (format!("{{node_id=\"{}\",status=\"alive\"}}", p.address), p.paths.len() as u64))
            .collect(),
    );
    family(
        "zt_dropped",
        "counter",
        "packets and frames dropped, by reason",
        sample.drops.iter().map(|d| (format!("{{reason=\"{}\"}}", label(&d.reason)), d.count)).collect(),
    );
    out
}

/// Text inside quotes of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
