//! What a server has done, for people and for scripts.

use serde_json::{Map, Value, json};
use zt_peer::tcp_relay::{Counts, Server};

use crate::cmd::Report;

/// The report of a server: one object, one line.
pub fn report(server: &Server) -> Report {
    let counts = server.counts();
    let causes: Map<String, Value> =
        counts.causes().map(|(cause, count)| (cause.name().to_owned(), json!(count))).collect();
    let json = json!({
        "clients": server.len(),
        "connections": counts.connections,
        "datagramsOut": counts.datagrams_out,
        "bytesOut": counts.bytes_out,
        "datagramsIn": counts.datagrams_in,
        "bytesIn": counts.bytes_in,
        "queuedBytes": server.queued(),
        "refused": causes,
    });
    Report::new(json, text(server, counts))
}

fn text(server: &Server, counts: &Counts) -> String {
    let mut text = format!(
        "{} clients, {} connections since start; sent {} datagrams ({} bytes), passed on {} ({} bytes)",
        server.len(),
        counts.connections,
        counts.datagrams_out,
        counts.bytes_out,
        counts.datagrams_in,
        counts.bytes_in,
    );
    for (cause, count) in counts.causes() {
        text += &format!(", {cause} {count}");
    }
    text.push('\n');
    text
}
