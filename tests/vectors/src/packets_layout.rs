//! `packets.json`, layout: headers on the wire, and payload against field view, for every verb (02 §6).
//!
//! What a node does with the packets is checked elsewhere.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use zt_wire::verb::{ConfigChunk, CredentialsEnd, MulticastFrame, OkBody, OkReply, PathAddress, PathRecord};
use zt_wire::verb::{ErrorDetail, ErrorReply, ExtFrame, GatherResults, Hello, MulticastGather, NetworkCredentials};
use zt_wire::{Datagram, Emit, Identity, InetAddress, Membership, Message, Packet, Verb, classify};

use crate::{Suite, equal, hex, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "packets.json",
    expected: 205,
    cases: |file| list(file, "cases", |case| packet(case).map_err(|e| format!("{}: {e}", text(case, "case")))),
    alter: |file| file["cases"][0]["decoded"]["ignored"] = "00".into(),
};

/// Outcome of reading a payload: its view, or why it must be refused (some of it may have been usable).
type View = Result<Map<String, Value>, String>;

fn packet(case: &Value) -> Result<(), String> {
    let wire = unhex(text(case, "wire"));
    let name = text(case, "case");
    if classify(&wire) != Datagram::Head {
        let expected = if wire.len() == 13 { Datagram::LanBeacon } else { Datagram::Ignored };
        let fragment = wire.get(13) == Some(&0xff) && wire.len() > 16;
        return same("kind", &classify(&wire), &if fragment { Datagram::Fragment } else { expected });
    }
    let payload = unhex(text(case, "payload"));
    let head = Packet::new_checked(&wire[..]).map_err(|e| e.to_string())?;
    if let Some(id) = case["packetIdOnWire"].as_str() {
        same("packet ID", &head.id().to_string(), &id.to_owned())?;
    }
    // NOP-10 is a packet with hop count 0 in which the bits were changed on the way.
    let hops = if name == "NOP-10" { 7 } else { case["hops"].as_u64().unwrap_or(0) };
    same("hops", &u64::from(head.hops()), &hops)?;
    let Some(verb) = verb_of(name, text(case, "verb"), &head) else { return Ok(()) };
    let plain = head.clear().filter(|clear| !clear.is_compressed());
    if let Some(clear) = plain.filter(|_| verb != Verb::HELLO && case["valid"] == true) {
        same("verb", &clear.verb(), &verb)?;
        equal("plain payload", clear.payload(), &payload)?;
    }
    let decoded = case["decoded"].as_object().ok_or("no field view")?;
    match view(verb, &payload) {
        Ok(ours) => compare(&ours, decoded)?,
        Err(why) => {
            let refused = decoded.contains_key("unparsable") || case["valid"] != true;
            same(&format!("must be refused ({why})"), &refused, &true)?;
        }
    }
    round_trip(verb, &payload, decoded)
}

/// The verb of a case. The cases about the header bear the verb of their group; relayed packets are not read.
fn verb_of(name: &str, group: &str, head: &Packet<&[u8]>) -> Option<Verb> {
    match name {
        "NOP-11" => Some(Verb(0x1f)),
        "NOP-12" => Some(Verb(0x17)),
        "NOP-13" => Some(Verb(0x0f)),
        "NOP-14" => Some(Verb(0x11)),
        "NOP-07" => {
            assert_eq!(head.cipher(), None, "cipher 4 is unassigned");
            Some(Verb::NOP)
        }
        _ if group == "RELAY" => None,
        _ => Some((0..0x17).map(Verb).find(|v| v.name() == Some(group)).expect("a verb of 02 §6.1")),
    }
}

fn compare(ours: &Map<String, Value>, recorded: &Map<String, Value>) -> Result<(), String> {
    let mut recorded = recorded.clone();
    if recorded.get("sentTo").is_some_and(Value::is_object) {
        // Kinds 1–3 read as "no address".
        recorded["sentTo"] = Value::Null;
    }
    same("names", &ours.keys().collect::<BTreeSet<_>>(), &recorded.keys().collect::<BTreeSet<_>>())?;
    for (name, value) in ours {
        let abbreviated = match (value, &recorded[name]) {
            // Long values are recorded as their beginning and a number.
            (Value::Array(ours), Value::Array(recorded)) => match recorded.split_last() {
                Some((Value::String(last), first)) if last.starts_with("... ") => {
                    same(name, &format!("... {} records", ours.len()), last)?;
                    Some((Value::from(ours[..first.len()].to_vec()), Value::from(first.to_vec())))
                }
                _ => None,
            },
            (Value::String(ours), Value::String(recorded)) if recorded.ends_with(" bytes") => {
                Some((Value::from(format!("{} bytes", ours.len() / 2)), Value::from(recorded.clone())))
            }
            _ => None,
        };
        match abbreviated {
            Some((ours, recorded)) => same(name, &ours, &recorded)?,
            None => same(name, value, &recorded[name])?,
        }
    }
    Ok(())
}

/// What was read is written back byte for byte, unless something is skipped on reading by design.
fn round_trip(verb: Verb, payload: &[u8], decoded: &Map<String, Value>) -> Result<(), String> {
    let Ok(message) = Message::parse(verb, payload) else { return Ok(()) };
    let skipped_kind = decoded.get("sentTo").is_some_and(Value::is_object);
    if !skipped_kind {
        equal("written back", &message.to_vec(), payload)?;
    }
    same("one line", &message.to_string().contains('\n'), &false)
}

fn view(verb: Verb, payload: &[u8]) -> View {
    let message = Message::parse(verb, payload).map_err(|e| e.to_string())?;
    let object = match &message {
        Message::Nop(m) => json!({ "ignored": hex(m.rest) }),
        Message::Unknown(m) if verb == Verb::USER_MESSAGE => return Err(format!("{} bytes", m.body.len())),
        Message::Unknown(m) => json!({ "ignored": hex(m.body) }),
        Message::Hello(m) => return hello(m),
        Message::Error(m) => error(m),
        Message::Ok(m) => ok(m),
        Message::Whois(m) => {
            let addresses: Vec<_> = m.addresses.iter().map(ToString::to_string).collect();
            tail(json!({ "addresses": addresses }), m.rest)
        }
        Message::Rendezvous(m) => {
            let (length, ip, port) = match m.endpoint {
                InetAddress::V4(ip, port) => (4, hex(&ip.octets()), port),
                InetAddress::V6(ip, port) => (16, hex(&ip.octets()), port),
                InetAddress::None => {
                    let length = usize::from(m.rest[2]);
                    (length, hex(&m.rest[3..3 + length]), u16::from_be_bytes([m.rest[0], m.rest[1]]))
                }
            };
            let peer = m.peer.to_string();
            json!({ "flags": m.flags, "peer": peer, "port": port, "addressLength": length, "ip": ip })
        }
        Message::Frame(m) => json!({ "networkId": m.network.to_string(),
            "etherType": format!("{:04x}", m.ethertype), "frame": hex(m.payload) }),
        Message::ExtFrame(m) => return ext_frame(m),
        Message::Echo(m) => json!({ "data": hex(m.data) }),
        Message::MulticastLike(m) if !m.rest.is_empty() => return Err("cut tuple".into()),
        Message::MulticastLike(m) => {
            let group = |s: &zt_wire::verb::Subscription| {
                let (mac, adi) = (hex(&s.group.mac.0), format!("{:08x}", s.group.adi));
                json!({ "networkId": s.network.to_string(), "mac": mac, "adi": adi })
            };
            json!({ "groups": m.subscriptions.iter().map(group).collect::<Vec<_>>() })
        }
        Message::NetworkCredentials(m) => credentials(m, payload),
        Message::NetworkConfigRequest(m) => {
            let metadata =
                m.metadata.ok_or("no metadata").or_else(|e| if payload.len() == 8 { Ok(&[][..]) } else { Err(e) })?;
            let mut view = json!({ "networkId": m.network.to_string() });
            if m.metadata.is_some() {
                view["metadataLength"] = metadata.len().into();
                view["metadata"] = latin1(metadata).into();
            }
            put(&mut view, "haveRevision", m.revision);
            put(&mut view, "haveTimestamp", m.timestamp);
            view
        }
        Message::NetworkConfig(m) => chunk(m),
        Message::MulticastGather(m) => return gather(m),
        Message::MulticastFrame(m) => multicast_frame(m),
        Message::PushDirectPaths(m) if m.missing != 0 => return Err("records are missing".into()),
        Message::PushDirectPaths(m) => {
            json!({ "count": m.records.len(), "records": m.records.iter().map(path).collect::<Vec<_>>() })
        }
        Message::Ack(m) => tail(json!({ "bytes": m.received }), m.rest),
        Message::QosMeasurement(m) => {
            let record =
                |r: &zt_wire::verb::QosRecord| json!({ "packetId": r.packet.to_string(), "holdMs": r.held_ms });
            tail(json!({ "records": m.records.iter().map(record).collect::<Vec<_>>() }), m.rest)
        }
        Message::UserMessage(m) => json!({ "typeId": m.type_id, "data": hex(m.data) }),
        Message::RemoteTrace(m) => {
            let strings: Vec<_> = m.body.split(|c| *c == 0).map(latin1).collect();
            let usable: Vec<_> = strings[..strings.len() - 1].iter().filter(|s| !s.is_empty()).cloned().collect();
            let ours: Vec<_> = m.dictionaries().map(|d| latin1(d.as_bytes())).collect();
            same("dictionaries", &ours, &usable)?;
            json!({ "strings": strings })
        }
        Message::PathNegotiationRequest(m) => json!({ "utility": m.utility }),
    };
    fields(object)
}

fn fields(view: Value) -> View {
    match view {
        Value::Object(fields) => Ok(fields),
        other => Err(format!("not an object: {other}")),
    }
}

fn put(view: &mut Value, name: &str, field: Option<impl Into<Value>>) {
    if let Some(field) = field {
        view[name] = field.into();
    }
}

fn tail(mut view: Value, rest: &[u8]) -> Value {
    put(&mut view, "undecodedTail", (!rest.is_empty()).then(|| hex(rest)));
    view
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn identity(identity: &Identity) -> Value {
    let (address, key) = (identity.address.to_string(), hex(&identity.public_key));
    json!({ "address": address, "type": 0, "publicKey": key, "privateKeyLength": 0 })
}

fn inet(address: InetAddress) -> Value {
    if address.is_none() { Value::Null } else { address.to_string().into() }
}

fn membership(m: &Membership) -> Value {
    let qualifier = |q: &zt_wire::Qualifier| json!({ "id": q.id, "value": format!("{:016x}", q.value), "maxDelta": format!("{:016x}", q.max_delta) });
    let qualifiers: Vec<_> = m.qualifiers.iter().map(qualifier).collect();
    let (signer, signature) = (m.signer.to_string(), hex(&m.signature.0));
    json!({ "version": 1, "qualifiers": qualifiers, "signedBy": signer, "signature": signature })
}

fn hello(m: &Hello<'_>) -> View {
    let mut view = json!({ "protocolVersion": m.protocol, "major": m.version.major, "minor": m.version.minor,
        "revision": m.version.revision, "timestamp": m.timestamp, "identity": identity(&m.identity) });
    put(&mut view, "sentTo", m.destination.map(inet));
    if let Some(planet) = m.planet {
        view["planetId"] = format!("{:016x}", planet.id).into();
        view["planetTimestamp"] = planet.timestamp.into();
    }
    if m.moons.is_empty() {
        return fields(view);
    }
    let moons = zt_wire::verb::parse_moons(m.moons).map_err(|e| e.to_string())?;
    let moon = |v: &zt_wire::verb::WorldVersion| json!({ "type": 127, "id": format!("{:016x}", v.id), "timestamp": v.timestamp });
    view["moons"] = moons.iter().map(moon).collect();
    fields(tail(view, &m.moons[2 + 17 * moons.len()..]))
}

fn error(m: &ErrorReply<'_>) -> Value {
    let mut view = json!({ "inReVerb": m.in_re_verb.to_string(), "inRePacketId": m.in_re_packet.to_string(),
        "errorCode": m.code.0 });
    put(&mut view, "networkId", m.network().map(|n| n.to_string()));
    match m.detail {
        ErrorDetail::Group(_, group) => {
            view["mac"] = hex(&group.mac.0).into();
            view["adi"] = format!("{:08x}", group.adi).into();
        }
        ErrorDetail::Authentication(_, dictionary) => put(&mut view, "dictionary", dictionary.map(latin1)),
        ErrorDetail::Nothing | ErrorDetail::Network(_) => {}
    }
    tail(view, m.rest)
}

fn ok(m: &OkReply<'_>) -> Value {
    let mut view = json!({});
    let body = match &m.body {
        OkBody::Hello(b) => {
            let mut view = json!({ "timestampEcho": b.timestamp, "protocolVersion": b.protocol, "major": b.version.major,
                "minor": b.version.minor, "revision": b.version.revision });
            put(&mut view, "receivedFrom", b.address.map(inet));
            put(&mut view, "worldsLength", b.worlds.map(<[u8]>::len));
            put(&mut view, "worlds", b.worlds.map(hex));
            tail(view, b.rest)
        }
        OkBody::Whois(b) => {
            tail(json!({ "identities": b.identities.iter().map(identity).collect::<Vec<_>>() }), b.rest)
        }
        OkBody::Echo(b) => json!({ "rest": hex(b.data) }),
        OkBody::ExtFrame(b) => json!({ "networkId": b.network.map(|n| n.to_string()) }),
        OkBody::NetworkConfig(b) => chunk(b),
        OkBody::MulticastGather(b) => {
            let mut view = gathered(&b.results);
            view["networkId"] = b.network.to_string().into();
            view["mac"] = hex(&b.group.mac.0).into();
            view["adi"] = format!("{:08x}", b.group.adi).into();
            view
        }
        OkBody::MulticastFrame(b) => b.results.as_ref().map_or_else(|| json!({}), gathered),
        OkBody::Other(b) => json!({ "rest": hex(b.body) }),
    };
    view["inReVerb"] = m.in_re_verb().to_string().into();
    view["inRePacketId"] = m.in_re_packet.to_string().into();
    for (name, field) in body.as_object().into_iter().flatten() {
        view[name] = field.clone();
    }
    view
}

fn gathered(results: &GatherResults) -> Value {
    let members: Vec<_> = results.members.iter().map(ToString::to_string).collect();
    json!({ "totalKnown": results.total, "members": members })
}

fn ext_frame(m: &ExtFrame<'_>) -> View {
    let frame = m.frame.as_ref().ok_or("no frame")?;
    let mut view = json!({ "networkId": m.network.to_string(), "flags": m.flags,
        "destMac": hex(&frame.destination.0), "sourceMac": hex(&frame.source.0),
        "etherType": format!("{:04x}", frame.ethertype), "frame": hex(frame.payload) });
    put(&mut view, "com", m.membership.as_ref().map(membership));
    fields(view)
}

/// The recorded view stops at the first section that is not empty.
fn credentials(m: &NetworkCredentials<'_>, payload: &[u8]) -> Value {
    let mut view = json!({ "coms": m.memberships.iter().map(membership).collect::<Vec<_>>() });
    let mut at: usize = 1 + m.memberships.iter().map(Emit::encoded_len).sum::<usize>();
    let sections = [
        (CredentialsEnd::Capabilities, "capabilitiesCount", m.capabilities.len()),
        (CredentialsEnd::Tags, "tagsCount", m.tags.len()),
        (CredentialsEnd::Revocations, "revocationsCount", m.revocations.len()),
        (CredentialsEnd::Complete, "certificatesOfOwnershipCount", m.ownerships.len()),
    ];
    for (end, name, read) in sections {
        if m.end < end {
            break;
        }
        let count = read + if m.end == end { usize::from(m.missing) } else { 0 };
        view[name] = count.into();
        at += 2;
        if count != 0 {
            view["restUndecoded"] = hex(&payload[at..]).into();
            break;
        }
    }
    view
}

fn chunk(m: &ConfigChunk<'_>) -> Value {
    let mut view = json!({ "networkId": m.network.to_string(), "chunkLength": m.data.len(),
        "dictionaryBytes": latin1(m.data) });
    if let Some(seal) = &m.seal {
        view["flags"] = seal.flags.into();
        view["configUpdateId"] = format!("{:016x}", seal.update_id).into();
        view["totalLength"] = seal.total.into();
        view["chunkIndex"] = seal.index.into();
        view["signatureType"] = seal.signature_type.into();
        view["signature"] = hex(seal.signature).into();
    }
    tail(view, m.rest)
}

fn gather(m: &MulticastGather<'_>) -> View {
    if m.flags & MulticastGather::MEMBERSHIP != 0 && m.membership.is_none() {
        return Err("malformed certificate".into());
    }
    let mut view = json!({ "networkId": m.network.to_string(), "flags": m.flags, "mac": hex(&m.group.mac.0),
        "adi": format!("{:08x}", m.group.adi), "gatherLimit": m.limit });
    put(&mut view, "com", m.membership.as_ref().map(membership));
    fields(tail(view, m.rest))
}

fn multicast_frame(m: &MulticastFrame<'_>) -> Value {
    let mut view = json!({ "networkId": m.network.to_string(), "flags": m.flags, "destMac": hex(&m.group.mac.0),
        "adi": format!("{:08x}", m.group.adi), "etherType": format!("{:04x}", m.ethertype), "frame": hex(m.payload) });
    put(&mut view, "com", m.membership.as_ref().map(membership));
    put(&mut view, "gatherLimit", m.gather_limit);
    put(&mut view, "sourceMac", m.source.map(|s| hex(&s.0)));
    view
}

fn path(record: &PathRecord<'_>) -> Value {
    let mut view = json!({ "flags": record.flags, "extension": hex(record.extension) });
    let (kind, length) = match record.address {
        PathAddress::Inet(InetAddress::V4(ip, port)) => {
            view["ip"] = ip.to_string().into();
            view["port"] = port.into();
            (4, 6)
        }
        PathAddress::Inet(InetAddress::V6(ip, port)) => {
            view["ip"] = hex(&ip.octets()).into();
            view["port"] = port.into();
            (6, 18)
        }
        PathAddress::Inet(InetAddress::None) => (0, 0),
        PathAddress::Odd { data, .. } => (0, data.len()),
        PathAddress::Other { kind, data } => (kind, data.len()),
    };
    view["addressType"] = kind.into();
    view["addressLength"] = length.into();
    view
}
