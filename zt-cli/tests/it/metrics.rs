//! The text of `/metrics`: strict about its format, complete against a recorded node.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use zt_cli::api;
use zt_cli::daemon::http::metrics::{Names, Sample, render};
use zt_netconf::FrameCounts;
use zt_node::status::{Counts, Traffic};
use zt_peer::{Latencies, PeerCounts, PeerTraffic};
use zt_wire::{Address, NetworkId};

use super::fake::network;

/// A family as a page tells it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// Names of samples, each with the names of its labels.
    shapes: BTreeSet<(String, Vec<String>)>,
    /// Samples with all labels, and their values.
    samples: BTreeMap<String, f64>,
}

/// Reads a page, strictly: HELP, then TYPE, then the samples of that family alone; labels in order; no sample twice.
fn read(page: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    if !page.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in page.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(wrong("no help"))?;
            if help.is_empty() || !is_name(name) || families.contains_key(name) {
                return Err(wrong("no new family"));
            }
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(wrong("no type"))?;
            if name != helped || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("no type of the family before it"));
            }
            name.clone_into(&mut current);
            families.insert(current.clone(), Family { kind: kind.to_owned(), ..Family::default() });
        } else {
            let family = families.get_mut(&current).ok_or(wrong("no family"))?;
            let (key, value) = line.rsplit_once(' ').ok_or(wrong("no value"))?;
            let (name, labels) = key.split_once('{').unwrap_or((key, ""));
            let suffixes: &[&str] = if family.kind == "histogram" { &["_count", "_sum", "_bucket"] } else { &[""] };
            if !suffixes.iter().any(|suffix| name == format!("{current}{suffix}")) {
                return Err(wrong("a sample of another family"));
            }
            let labels = labels.strip_suffix('}').map_or_else(Vec::new, names_of_labels);
            // `le` is last, wherever the alphabet has it.
            let named: Vec<&String> = labels.iter().filter(|label| *label != "le").collect();
            if !named.is_sorted() || !labels.iter().all(|label| is_name(label)) {
                return Err(wrong("labels out of order"));
            }
            let value: f64 = value.parse().map_err(|_| wrong("no number"))?;
            family.shapes.insert((name.to_owned(), labels));
            if family.samples.insert(key.to_owned(), value).is_some() {
                return Err(wrong("told twice"));
            }
        }
    }
    Ok(families)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn names_of_labels(labels: &str) -> Vec<String> {
    // No value of ours holds a quote that is not escaped.
    labels.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned())).collect()
}

fn page(names: Names) -> String {
    let peer = PeerTraffic {
        address: Address::new(0x12_3456_789a),
        packets: PeerCounts { sent: 5, received: 6, errors: 1 },
        latencies: Latencies::default(),
        alive: 2,
        dead: 1,
    };
    let id = NetworkId(0x8056_c2e2_1c00_0001);
    let frames = FrameCounts { accepted_in: 1, refused_in: 2, accepted_out: 3, refused_out: 4 };
    let counts = Counts { peers: vec![peer], networks: vec![(id, frames)], ..Counts::default() };
    let traffic =
        Traffic { bytes_in: 100, tcp_in: 30, ethernet_in: 20, bytes_out: 9, tcp_out: 9, ..Traffic::default() };
    let drops = [api::Drops { count: 3, reason: "a \"quoted\" reason".to_owned() }];
    render(&Sample { traffic, counts: &counts, networks: &[network(id)], drops: &drops }, names)
}

#[test]
fn the_page_is_in_order_and_says_what_was_counted() {
    let families = read(&page(Names::Original)).expect("the format");
    let value = |family: &str, sample: &str| families[family].samples[sample];
    assert_eq!(value("zt_data", "zt_data{direction=\"rx\",protocol=\"udp\"}"), 50.0);
    assert_eq!(value("zt_data", "zt_data{direction=\"tx\",protocol=\"udp\"}"), 0.0);
    assert_eq!(value("zt_data", "zt_data{direction=\"rx\",protocol=\"ethernet\"}"), 20.0);
    let network = "network_id=\"8056c2e21c000001\"";
    let frames = format!("zt_network_packets{{accepted=\"no\",direction=\"rx\",{network}}}");
    assert_eq!(value("zt_network_packets", &frames), 2.0);
    assert_eq!(value("zt_peer_path_count", "zt_peer_path_count{node_id=\"123456789a\",status=\"dead\"}"), 1.0);
    // Buckets only grow, and the last one is the count.
    let buckets: Vec<f64> = ["1", "3", "6", "10", "30", "60", "100", "300", "600", "1000", "+Inf"]
        .map(|bound| {
            value("zt_peer_latency", &format!("zt_peer_latency_bucket{{node_id=\"123456789a\",le=\"{bound}\"}}"))
        })
        .to_vec();
    assert!(buckets.is_sorted(), "{buckets:?}");
}

#[test]
fn every_family_and_label_of_a_recorded_node_is_there() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/data/http-api.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(vectors).expect("vectors")).expect("JSON");
    let ours = read(&page(Names::Original)).expect("the format");
    let cases = vectors["cases"].as_array().into_iter().flatten();
    let pages = cases.filter(|case| case["request"]["path"] == "/metrics" && case["response"]["status"] == 200);
    let mut seen = 0;
    for text in pages.filter_map(|case| case["response"]["body"].as_str()).filter(|text| !text.is_empty()) {
        // The original ends with an empty line.
        let text = text.trim_end().to_owned() + "\n";
        for (name, theirs) in read(&text).expect("the format") {
            let family = ours.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(family.kind, theirs.kind, "{name}");
            let missing: Vec<_> = theirs.shapes.difference(&family.shapes).collect();
            assert!(missing.is_empty(), "{name}: {missing:?}");
            if name == "zt_packet" || name == "zt_packet_error" || name == "zt_data" {
                let missing = theirs.samples.keys().find(|sample| !family.samples.contains_key(*sample));
                assert_eq!(missing, None);
            }
            seen += 1;
        }
    }
    assert!(seen > 27, "{seen} families");
}

#[test]
fn the_other_names_tell_the_same_and_follow_the_conventions() {
    let original = read(&page(Names::Original)).expect("the format");
    let families = read(&page(Names::Prometheus)).expect("the format");
    assert_eq!(families.len(), original.len());
    for (name, family) in &families {
        assert!(name.starts_with("zt_") && !name.chars().any(|c| c.is_ascii_uppercase()), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
        assert!(!name.ends_with("_count"), "{name} is no part of a histogram");
    }
    let value = |family: &str, sample: &str| families[family].samples[sample];
    assert_eq!(value("zt_data_bytes_total", "zt_data_bytes_total{direction=\"rx\",protocol=\"udp\"}"), 50.0);
    let bucket = "zt_peer_latency_seconds_bucket{node_id=\"123456789a\",le=\"0.030\"}";
    assert!(families["zt_peer_latency_seconds"].samples.contains_key(bucket));
    let samples = |families: &BTreeMap<String, Family>| families.values().map(|f| f.samples.len()).sum::<usize>();
    assert_eq!(samples(&families), samples(&original));
}

/// The linter has nothing against the names that follow its conventions, and against those of the original nothing but names.
#[test]
fn promtool_where_it_is_installed_is_content() {
    let of_names = ["\"_total\" suffix", "\"_count\" suffix", "include type 'summary'", "'snake_case'"];
    for (names, dislikes) in [(Names::Original, &of_names[..]), (Names::Prometheus, &[])] {
        let mut tool = Command::new("promtool");
        tool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut tool) = tool.spawn() else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have promtool (Debian: prometheus)");
            return;
        };
        tool.stdin.take().expect("a pipe").write_all(page(names).as_bytes()).expect("it reads");
        let told = tool.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        let other: Vec<&str> = text.lines().filter(|line| !dislikes.iter().any(|name| line.contains(name))).collect();
        assert!(other.is_empty(), "{names:?}: {other:#?}");
        assert_eq!(told.status.success(), dislikes.is_empty(), "{names:?}");
    }
}
