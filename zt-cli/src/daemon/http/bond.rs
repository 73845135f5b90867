//! `/bond` (06 §4.9), answered as by a node on which bonding is not in use.

use serde_json::json;

use super::{Reply, Request, hex_id};

pub(super) fn bond(request: &Request, rest: &[&str]) -> Reply {
    match rest {
        ["show", id] if request.is_read() && hex_id(id, 10).is_some() => Reply::json_with(400, &json!({})),
        ["rotate", id] if request.is_write() && hex_id(id, 10).is_some() => Reply::json_with(400, &json!({})),
        ["setmtu", mtu, interface, ip] if request.is_write() && is_mtu_request(mtu, interface, ip) => {
            Reply { status: 400, media: Some(super::JSON), body: "Bonding layer isn't active yet".to_owned() }
        }
        _ => Reply::not_found(),
    }
}

fn is_mtu_request(mtu: &str, interface: &str, ip: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=6).contains(&mtu.len())
        && mtu.bytes().all(|b| b.is_ascii_digit())
        && (1..=16).contains(&interface.len())
        && interface.chars().all(name)
        && (1..=39).contains(&ip.len())
}
