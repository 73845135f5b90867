//! `/bond` (06 §4.9).

use serde_json::json;
use zt_wire::Address;

use super::{Answer, Backend, Reply, Request, hex_id};

pub(super) async fn bond<B: Backend>(backend: &B, request: &Request, rest: &[&str]) -> Answer<Reply> {
    let peer = |id: &&str| hex_id(id, 10).map(Address::new);
    match rest {
        ["show", id] if request.is_read() => match peer(id) {
            Some(id) => show(backend, id).await,
            None => Ok(Reply::not_found()),
        },
        ["rotate", id] if request.is_write() => match peer(id) {
            Some(id) => {
                let status = if backend.rotate_bond(id).await? { 200 } else { 400 };
                Ok(Reply::json_with(status, &json!({})))
            }
            None => Ok(Reply::not_found()),
        },
        ["setmtu", mtu, interface, ip] if request.is_write() && is_mtu_request(mtu, interface, ip) => {
            set_mtu(backend, mtu, interface, ip).await
        }
        _ => Ok(Reply::not_found()),
    }
}

async fn show<B: Backend>(backend: &B, id: Address) -> Answer<Reply> {
    let name = id.to_string();
    let peer = backend.peers().await?.into_iter().find(|peer| peer.address == name && peer.is_bonded);
    Ok(peer.map_or_else(|| Reply::json_with(400, &json!({})), |peer| Reply::json(&peer)))
}

async fn set_mtu<B: Backend>(backend: &B, mtu: &str, interface: &str, ip: &str) -> Answer<Reply> {
    let size = mtu.parse().unwrap_or(u32::MAX);
    Ok(match backend.set_bond_mtu(interface.to_owned(), ip.parse().ok(), size).await? {
        Ok(()) => Reply::json(&json!({})),
        // Quirk (06 §4.9): text under the name of JSON.
        Err(error) => Reply::text(400, super::JSON, error.to_string()),
    })
}

fn is_mtu_request(mtu: &str, interface: &str, ip: &str) -> bool {
    // Deliberate: VLANs and bridges have names such as eth0.100 and br-lan, too.
    let name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (1..=6).contains(&mtu.len())
        && mtu.bytes().all(|b| b.is_ascii_digit())
        && (1..=16).contains(&interface.len())
        && interface.chars().all(name)
        && (1..=39).contains(&ip.len())
}
