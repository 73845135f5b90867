//! What a real controller answered in the recorded cases, and what ours answers to the same records.

use serde_json::{Map, Value, json};
use zt_netconf::controller::Key;
use zt_wire::{Address, NetworkId, PacketId};

use crate::bench::{Bench, identity, recorded};
use zt_netconf::controller::{ControllerOutput, Request, SendKind};

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

/// The records of a case, then the request at the time the recorded answer names.
fn bench(case: &Value) -> (Bench, NetworkId) {
    let network: NetworkId = case["networkId"].as_str().expect("an id").parse().expect("an id");
    let mut b = Bench::new();
    b.now.unix_ms = case["decoded"]["timestamp"].as_i64().unwrap_or(1_795_496_600_000);
    if !case["network"].is_null() {
        b.post(&format!("/controller/network/{network}"), case["network"].clone());
    }
    if let Some(raw) = case["networkRaw"].as_object() {
        let mut object = b.stored(Key::Network(network));
        object.extend(raw.clone());
        let revision = object["revision"].as_u64().expect("a number") + 1;
        object.insert("revision".to_owned(), json!(revision));
        assert!(b.put_elsewhere(Key::Network(network), object));
    }
    for member in case["members"].as_array().into_iter().flatten() {
        let who = member["who"].as_str().expect("a name");
        let mut object: Map<String, Value> = member.as_object().expect("an object").clone();
        object.remove("who");
        object.insert("revision".to_owned(), json!(1));
        let key = Key::Member(network, identity(who).address);
        assert!(b.put_elsewhere(key, object));
    }
    b.drain();
    (b, network)
}

/// Runs the request of a case: chunks as (position, data), refusals as their payload.
fn run(case: &Value, b: &mut Bench, network: NetworkId) -> (Vec<u8>, Vec<Vec<u8>>) {
    let who = case["requester"].as_str().unwrap_or("a");
    let id = u64::from_str_radix(case["requestPacketId"].as_str().expect("an id"), 16).expect("hex");
    let metadata = case["metadataText"].as_str().expect("text").as_bytes();
    let packet = (id != 0).then_some(PacketId(id));
    let from = identity(who);
    let request = Request { network, from, from_path: None, packet, metadata };
    b.controller.handle_request(b.now, request).expect("it is served");
    let (mut text, mut payloads) = (Vec::new(), Vec::new());
    while let Some(output) = b.controller.poll_output(b.now) {
        match output {
            ControllerOutput::Commit { seq, changes } => {
                b.write(&changes);
                b.controller.handle_committed(b.now, seq);
            }
            ControllerOutput::Send { to, kind, body, .. } => {
                assert_eq!(to, from.address);
                let bytes = body.as_bytes().to_vec();
                let head = if kind == SendKind::Reply { 9 } else { 0 };
                if kind != SendKind::Denied {
                    let n = usize::from(u16::from_be_bytes([bytes[head + 8], bytes[head + 9]]));
                    text.extend_from_slice(&bytes[head + 10..head + 10 + n]);
                }
                payloads.push(bytes);
            }
            other => panic!("{other:?}"),
        }
    }
    (text, payloads)
}

#[test]
fn every_recorded_answer_comes_out_byte_for_byte() {
    let file = recorded();
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 27);
    let mut wrong = Vec::new();
    for case in cases {
        let name = case["description"].as_str().expect("text");
        let (mut b, network) = bench(case);
        let (text, payloads) = run(case, &mut b, network);
        let packets = case["packets"].as_array().expect("packets");
        assert_eq!(payloads.len(), packets.len(), "{name}");
        match case["dictionary"].as_str() {
            Some(want) => {
                let want = unhex(want);
                if text != want {
                    let (ours, theirs) = (String::from_utf8_lossy(&text), String::from_utf8_lossy(&want));
                    let at = text.iter().zip(&want).take_while(|(a, b)| a == b).count();
                    let cut = |s: &str| s.chars().skip(at.saturating_sub(20)).take(80).collect::<String>();
                    wrong.push(format!("{name}: differs at {at}:\n  {:?}\n  {:?}", cut(&ours), cut(&theirs)));
                }
            }
            None => {
                // A refusal is the same to the last byte.
                assert_eq!(payloads[0], unhex(packets[0]["payload"].as_str().expect("hex")), "{name}");
            }
        }
        let who = case["requester"].as_str().unwrap_or("a");
        if let Err(text) = same_record(case, &b, network, identity(who).address) {
            wrong.push(format!("{name}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The stored member is the recorded one, but for times and the number of the change.
fn same_record(case: &Value, b: &Bench, network: NetworkId, address: Address) -> Result<(), String> {
    let held = b.store.get(&Key::Member(network, address)).map(zt_netconf::controller::Record::to_json);
    let Some(want) = case["storedMember"].as_object() else {
        return held.map_or(Ok(()), |o| Err(format!("a record: {o:?}")));
    };
    let held = held.ok_or("no record")?;
    let volatile = ["creationTime", "lastAuthorizedTime", "revision"];
    for (key, v) in want.iter().filter(|(k, _)| !volatile.contains(&k.as_str())) {
        if held.get(key) != Some(v) {
            return Err(format!("{key} is {:?}, recorded {v}", held.get(key)));
        }
    }
    Ok(())
}
