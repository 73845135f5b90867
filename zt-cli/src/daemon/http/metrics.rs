//! `/metrics` (06 §4.12, §10): Prometheus text, format 0.0.4.

use std::cmp::Reverse;
use std::fmt::{Display, Write as _};

use zt_node::status::{Counts, Traffic};
use zt_peer::{Latencies, PacketCounts, PeerTraffic};
use zt_wire::verb::{ErrorCode, Verb};

use super::{Answer, Backend, Reply, Request, Shared};
use crate::api;

mod names;

pub use names::Names;

/// Peers with labels of their own. A controller may know tens of thousands; those with most packets are shown.
const PEERS: usize = 1000;

/// Verbs by their names in labels.
const VERBS: [(&str, Verb); 21] = [
    ("nop", Verb::NOP),
    ("error", Verb::ERROR),
    ("ack", Verb::ACK),
    ("qos", Verb::QOS_MEASUREMENT),
    ("hello", Verb::HELLO),
    ("ok", Verb::OK),
    ("whois", Verb::WHOIS),
    ("rendezvous", Verb::RENDEZVOUS),
    ("frame", Verb::FRAME),
    ("ext_frame", Verb::EXT_FRAME),
    ("echo", Verb::ECHO),
    ("multicast_like", Verb::MULTICAST_LIKE),
    ("network_credentials", Verb::NETWORK_CREDENTIALS),
    ("network_config_request", Verb::NETWORK_CONFIG_REQUEST),
    ("network_config", Verb::NETWORK_CONFIG),
    ("multicast_gather", Verb::MULTICAST_GATHER),
    ("multicast_frame", Verb::MULTICAST_FRAME),
    ("push_direct_paths", Verb::PUSH_DIRECT_PATHS),
    ("user_message", Verb::USER_MESSAGE),
    ("remote_trace", Verb::REMOTE_TRACE),
    ("path_negotiation_request", Verb::PATH_NEGOTIATION_REQUEST),
];

/// Error codes by their names in labels. The original counts a failure of a controller's database under the last one; here nothing
/// sends the code that no document names.
const ERRORS: [(&str, Option<ErrorCode>); 8] = [
    ("obj_not_found", Some(ErrorCode::OBJ_NOT_FOUND)),
    ("unsupported_operation", Some(ErrorCode::UNSUPPORTED_OPERATION)),
    ("identity_collision", Some(ErrorCode::IDENTITY_COLLISION)),
    ("need_membership_certificate", Some(ErrorCode::NEED_MEMBERSHIP_CERTIFICATE)),
    ("network_access_denied", Some(ErrorCode::NETWORK_ACCESS_DENIED)),
    ("unwanted_multicast", Some(ErrorCode::UNWANTED_MULTICAST)),
    ("authentication_required", Some(ErrorCode::NETWORK_AUTHENTICATION_REQUIRED)),
    ("internal_server_error", None),
];

pub(super) async fn metrics<B: Backend>(shared: &Shared<B>, request: &Request) -> Answer<Reply> {
    if !request.is_read() {
        return Ok(Reply::not_found());
    }
    let names = match Names::asked(request.parameter("names")) {
        Ok(names) => names,
        Err(why) => return Ok(Reply::error(400, &why)),
    };
    Ok(Reply::text(200, "text/plain", page(shared, names).await?))
}

/// What there is to tell, of the node and of its interface.
pub(in crate::daemon) async fn page<B: Backend>(shared: &Shared<B>, names: Names) -> Answer<String> {
    let mut page = Page { names, text: shared.backend.metrics(names).await? };
    let mut refused = shared.refused.counts().peekable();
    if refused.peek().is_some() {
        page.family(
            "zt_http_refused_total",
            "counter",
            "requests and connections of the local interface not served, by reason",
            refused.map(|(reason, count)| (format!("{{reason=\"{reason}\"}}"), count)),
        );
    }
    Ok(page.text)
}

/// Numbers of a node, for [`render`].
#[derive(Debug)]
pub struct Sample<'a> {
    /// Bytes and datagrams.
    pub traffic: Traffic,
    /// What the node counted.
    pub counts: &'a Counts,
    /// Joined networks.
    pub networks: &'a [api::Network],
    /// Reasons for drops.
    pub drops: &'a [api::Drops],
}

/// All families of 06 §10, and ours: the version, and drops.
pub fn render(sample: &Sample<'_>, names: Names) -> String {
    let mut page = Page { names, text: String::new() };
    page.family(
        "zt_build_info",
        "gauge",
        "version of the program that runs the node",
        [(format!("{{version=\"{}\"}}", crate::VERSION), 1)],
    );
    packets(&mut page, sample);
    networks(&mut page, sample);
    peers(&mut page, &sample.counts.peers);
    controller(&mut page, sample.counts);
    let drops = sample.drops.iter().map(|d| (format!("{{reason=\"{}\"}}", label(&d.reason)), d.count));
    page.family("zt_dropped_total", "counter", "packets and frames dropped, by reason", drops);
    page.text
}

fn packets(page: &mut Page, sample: &Sample<'_>) {
    let Counts { received, sent, .. } = sample.counts;
    let ways = [("rx", received), ("tx", sent)];
    let by_verb = ways.iter().flat_map(|(way, counts): &(_, &PacketCounts)| {
        VERBS.map(|(name, verb)| (format!("{{direction=\"{way}\",packet_type=\"{name}\"}}"), counts.of(verb)))
    });
    page.family("zt_packet", "counter", "ZeroTier packet type counts", by_verb);
    let by_code = ways.iter().flat_map(|(way, counts)| {
        let errors = |code: Option<ErrorCode>| code.map_or(0, |code| counts.errors(code));
        ERRORS.map(|(name, code)| (format!("{{direction=\"{way}\",error_type=\"{name}\"}}"), errors(code)))
    });
    page.family("zt_packet_error", "counter", "ZeroTier packet errors", by_code);
    let t = sample.traffic;
    let by_udp = |all: u64, tcp: u64, ethernet: u64| all.saturating_sub(tcp).saturating_sub(ethernet);
    let bytes = |way: &str, protocol: &str, bytes| (format!("{{direction=\"{way}\",protocol=\"{protocol}\"}}"), bytes);
    let mut lines = vec![
        bytes("rx", "tcp", t.tcp_in),
        bytes("tx", "tcp", t.tcp_out),
        bytes("rx", "udp", by_udp(t.bytes_in, t.tcp_in, t.ethernet_in)),
        bytes("tx", "udp", by_udp(t.bytes_out, t.tcp_out, t.ethernet_out)),
    ];
    // The original has no such links.
    if t.ethernet_in + t.ethernet_out > 0 {
        lines.extend([bytes("rx", "ethernet", t.ethernet_in), bytes("tx", "ethernet", t.ethernet_out)]);
    }
    page.family("zt_data", "counter", "number of bytes ZeroTier has transmitted or received", lines);
}

fn networks(page: &mut Page, sample: &Sample<'_>) {
    let joined = sample.networks.len() as u64;
    page.single("zt_num_networks", "gauge", "number of networks this instance is joined to", joined);
    page.family(
        "zt_network_multicast_groups_subscribed",
        "gauge",
        "number of multicast groups networks are subscribed to",
        sample.networks.iter().map(|network| {
            (format!("{{network_id=\"{}\"}}", network.id), network.multicast_subscriptions.len() as u64)
        }),
    );
    let frames = sample.counts.networks.iter().flat_map(|(id, frames)| {
        [
            ("no", "rx", frames.refused_in),
            ("no", "tx", frames.refused_out),
            ("yes", "rx", frames.accepted_in),
            ("yes", "tx", frames.accepted_out),
        ]
        .map(|(accepted, way, count)| {
            (format!("{{accepted=\"{accepted}\",direction=\"{way}\",network_id=\"{id}\"}}"), count)
        })
    });
    page.family("zt_network_packets", "counter", "number of incoming/outgoing packets per network", frames);
}

/// Deliberate (06 §10): an answer whose time is not known is no sample of `zt_peer_latency`; the original adds 65535.
fn peers(page: &mut Page, all: &[PeerTraffic]) {
    let mut shown: Vec<&PeerTraffic> = all.iter().collect();
    if shown.len() > PEERS {
        shown.sort_unstable_by_key(|peer| (Reverse(peer.packets.sent + peer.packets.received), peer.address));
        shown.truncate(PEERS);
        shown.sort_unstable_by_key(|peer| peer.address);
    }
    let unit = if page.names == Names::Original { "ms" } else { "s" };
    page.head("zt_peer_latency", "histogram", &format!("peer latency ({unit})"));
    for peer in &shown {
        histogram(page, peer.address, &peer.latencies);
    }
    let each = |lines: &dyn Fn(&PeerTraffic) -> Vec<(String, u64)>| -> Vec<(String, u64)> {
        shown.iter().flat_map(|peer| lines(peer)).collect()
    };
    let paths = each(&|peer| {
        let line = |status: &str, count: usize| {
            (format!("{{node_id=\"{}\",status=\"{status}\"}}", peer.address), count as u64)
        };
        vec![line("alive", peer.alive), line("dead", peer.dead)]
    });
    page.family("zt_peer_path_count", "gauge", "number of paths to peer", paths);
    let packets = each(&|peer| {
        let line = |way: &str, count| (format!("{{direction=\"{way}\",node_id=\"{}\"}}", peer.address), count);
        vec![line("rx", peer.packets.received), line("tx", peer.packets.sent)]
    });
    page.family("zt_peer_packets", "counter", "number of packets to/from a peer", packets);
    let errors = each(&|peer| vec![(format!("{{node_id=\"{}\"}}", peer.address), peer.packets.errors)]);
    page.family("zt_peer_packet_errors", "counter", "number of incoming packet errors from a peer", errors);
}

/// In the order of the original: count, sum, buckets.
fn histogram(page: &mut Page, peer: impl Display, latencies: &Latencies) {
    let (names, count) = (page.names, latencies.count());
    let name = names.of("zt_peer_latency");
    page.line(&format!("{name}_count"), &format!("{{node_id=\"{peer}\"}}"), count);
    page.line(&format!("{name}_sum"), &format!("{{node_id=\"{peer}\"}}"), names.time(latencies.sum()));
    let bounds = latencies.up_to().map(|(bound, within)| (names.time(bound), within));
    for (bound, within) in bounds.chain([("+Inf".to_owned(), count)]) {
        page.line(&format!("{name}_bucket"), &format!("{{node_id=\"{peer}\",le=\"{bound}\"}}"), within);
    }
}

fn controller(page: &mut Page, counts: &Counts) {
    let (networks, members, queued) = counts.controlled;
    let c = &counts.controller;
    let members = members as u64 + c.dissolved_members;
    let families: [(&str, &str, &str, u64); 18] = [
        ("network_count", "gauge", "number of networks the controller is serving", networks as u64),
        ("member_count", "gauge", "number of network members the controller is serving", members),
        ("network_change_count", "counter", "number of times a network configuration is changed", c.network_changes),
        (
            "member_change_count",
            "counter",
            "number of times a network member configuration is changed",
            c.member_changes,
        ),
        ("member_auth_count", "counter", "number of network member auths", c.authorizations),
        ("member_deauth_count", "counter", "number of network member deauths", c.deauthorizations),
        (
            "network_config_request_queue",
            "gauge",
            "number of entries in the request queue for network configurations",
            queued as u64,
        ),
        ("sso_expiration_checks", "counter", "number of sso expiration checks done", c.sign_on_checks),
        ("sso_timeouts", "counter", "number of sso timeouts", c.sign_on_ends),
        ("network_config_request", "counter", "count of config requests handled", c.requests),
        // They are handled by the node's own thread.
        ("network_config_request_threads", "gauge", "number of active network config handling threads", 0),
        ("db_get_network", "counter", "counter", c.get_network),
        ("db_get_network_and_member", "counter", "counter", c.get_member),
        // Quirk (06 §10): the capital letter.
        ("db_get_networK_and_member_summary", "counter", "counter", c.get_summary),
        ("db_get_member_list", "counter", "counter", c.get_members),
        ("db_get_network_list", "counter", "counter", c.get_networks),
        ("db_member_change", "counter", "counter", c.stored_members),
        ("db_network_change", "counter", "counter", c.stored_networks),
    ];
    for (name, kind, help, value) in families {
        page.single(&format!("controller_{name}"), kind, help, value);
    }
}

/// The text so far. Families are named as the original has them, and called as `names` say.
struct Page {
    names: Names,
    text: String,
}

impl Page {
    fn head(&mut self, family: &str, kind: &str, help: &str) {
        let name = self.names.of(family);
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample, by its own name.
    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn family(&mut self, family: &str, kind: &str, help: &str, lines: impl IntoIterator<Item = (String, u64)>) {
        self.head(family, kind, help);
        let name = self.names.of(family);
        for (labels, value) in lines {
            self.line(name, &labels, value);
        }
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help, [(String::new(), value)]);
    }
}

/// Text inside quotes of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use zt_peer::PeerCounts;
    use zt_wire::Address;

    fn page(peers: usize) -> String {
        let peer = |number: usize| PeerTraffic {
            address: Address::new(number as u64 + 1),
            packets: PeerCounts { sent: number as u64, received: 0, errors: 0 },
            latencies: Latencies::default(),
            alive: 1,
            dead: 0,
        };
        let counts = Counts { peers: (0..peers).map(peer).collect(), ..Counts::default() };
        render(&Sample { traffic: Traffic::default(), counts: &counts, networks: &[], drops: &[] }, Names::Original)
    }

    #[test]
    fn every_packet_and_error_is_there_from_the_start() {
        let page = page(0);
        assert_eq!(page.matches("zt_packet{direction=\"rx\",packet_type=\"").count(), 21);
        assert_eq!(page.matches("zt_packet{direction=\"tx\",packet_type=\"").count(), 21);
        assert_eq!(page.matches("zt_packet_error{direction=\"").count(), 16);
    }

    #[test]
    fn labels_of_peers_are_bounded_and_those_with_traffic_stay() {
        let page = page(PEERS + 500);
        let labels: BTreeSet<&str> =
            page.split("node_id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(labels.len(), PEERS);
        assert!(!labels.contains("0000000001") && labels.contains("00000005dc"), "the busiest");
    }
}
