//! `netconf.json`: what a member makes of the configurations, errors and texts of the reference.

use serde_json::{Value, json};
use zt_netconf::member::adhoc::{self, AdHoc};
use zt_netconf::{NetworkConfig, NetworkType, SignOn};
use zt_wire::{
    Address, Capability, Credential, Emit, InetAddress, Membership, Message, NetworkId, Ownership, PacketId, Signature,
    Tag, Verb,
};

use crate::member::{Member, T, address, number, secret};
use crate::{Case, Suite, hex, unhex};

/// The suite of this file.
pub(crate) const SUITE: Suite = Suite { file: "netconf.json", expected: 90, cases, alter };

fn cases(file: &Value) -> Vec<Case> {
    let mut all = vec![Case::new("request metadata", {
        let file = file.clone();
        move || metadata(&file)
    })];
    let list = |value: &Value| value.as_array().expect("a list").clone();
    for case in list(&file["cases"]) {
        let name = case["description"].as_str().expect("a name").to_owned();
        for negative in case["chunkNegatives"].as_array().into_iter().flatten().cloned() {
            let (file, case) = (file.clone(), case.clone());
            let name = format!("{name}: {}", negative["description"]);
            all.push(Case::new(name, move || altered_chunk(&file, &case, &negative)));
        }
        let file = file.clone();
        all.push(Case::new(
            name,
            move || if case["chunks"].is_null() { refusal(&file, &case) } else { member(&file, &case) },
        ));
    }
    for case in list(&file["adhoc"]["configurations"]) {
        let file = file.clone();
        all.push(Case::new(format!("ad-hoc {}", case["networkId"]), move || ad_hoc(&file, &case)));
    }
    for case in list(&file["dictionaryReader"]) {
        all.push(Case::new(format!("reader: {}", case["description"]), move || reader(&case)));
    }
    all
}

fn alter(file: &mut Value) {
    file["cases"][0]["decoded"]["revision"] = json!(77);
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, expected {expected:?}")) }
}

fn network(case: &Value) -> NetworkId {
    NetworkId(number(&case["networkId"]))
}

/// The request of a fresh member holds the recorded metadata.
fn metadata(file: &Value) -> Result<(), String> {
    let case = &file["cases"][0];
    let mut member = Member::new(file, "a", &["ctl"]);
    member.join(network(case), None);
    let (to, verb, payload) = member.below.sent.first().ok_or("nothing was sent")?;
    same("receiver", *to, network(case).controller())?;
    let Ok(Message::NetworkConfigRequest(request)) = Message::parse(*verb, payload) else {
        return Err("no request".into());
    };
    let metadata = request.metadata.map(String::from_utf8_lossy);
    same("metadata", metadata.as_deref(), case["metadataText"].as_str())?;
    same("what is held", (request.revision, request.timestamp), (Some(0), Some(0)))
}

/// Hands recorded packets to a member: chunks, assembly, status, typed view and text.
fn member(file: &Value, case: &Value) -> Result<(), String> {
    let mut member = Member::new(file, "a", &["ctl", "b"]);
    let id = network(case);
    member.join(id, None);
    let controller = *secret(file, "ctl").identity();
    let mut text = Vec::new();
    let packets = case["packets"].as_array().ok_or("no packets")?;
    for (number_of, packet) in packets.iter().enumerate() {
        let payload = unhex(packet["payload"].as_str().ok_or("no payload")?);
        let verb = Verb(packet["verb"].as_u64().ok_or("no verb")? as u8);
        let at = if verb == Verb::OK { 9 } else { 0 };
        if verb == Verb::OK {
            same("request answered", hex(&payload[1..9]).as_str(), case["requestPacketId"].as_str().unwrap_or(""))?;
        }
        let length = usize::from(u16::from_be_bytes([payload[at + 8], payload[at + 9]]));
        let data = &payload[at + 10..at + 10 + length];
        let word = |from: usize| u32::from_be_bytes(payload[from..from + 4].try_into().expect("four bytes"));
        let chunk = &case["chunks"][number_of];
        same("chunk length", json!(length), chunk["length"].clone())?;
        same("total", json!(word(at + 19 + length)), chunk["total"].clone())?;
        same("position", json!(word(at + 23 + length)), chunk["position"].clone())?;
        text.extend_from_slice(data);
        member.receive(&controller, PacketId(1), verb, &payload).ok_or("malformed")?;
        let complete = case["memberResultPerPacket"][number_of] != json!("0000000000000000");
        let applied = member.vl2.network(id).and_then(|network| network.config()).is_some();
        same("applied after this packet", applied, complete)?;
        if complete {
            same("update ID", number(&case["memberResultPerPacket"][number_of]), update(&payload[at + 11 + length..]))?;
        }
    }
    let network = member.vl2.network(id).ok_or("not joined")?;
    same("status", json!(network.status() as u8), case["memberStatusAfter"].clone())?;
    same("dictionary", hex(&text).as_str(), case["dictionary"].as_str().unwrap_or(""))?;
    same("length", json!(text.len()), case["dictionaryLength"].clone())?;
    let config = NetworkConfig::from_text(&text).map_err(|e| e.to_string())?;
    same("configuration in use", network.config(), Some(&config))?;
    compare(&view(&config), &case["decoded"])?;
    same("written again", config.to_text() == text, case["reserializedIdentical"] == json!(true))
}

fn update(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// A recorded packet that was changed.
fn altered_chunk(file: &Value, case: &Value, altered: &Value) -> Result<(), String> {
    let mut member = Member::new(file, "a", &["ctl", "b"]);
    let id = network(case);
    member.join(id, None);
    let source = address(&altered["source"]);
    let names = ["ctl", "a", "b", "d"];
    let from = names.iter().map(|name| *secret(file, name).identity()).find(|identity| identity.address == source);
    let payload = unhex(altered["payload"].as_str().ok_or("no payload")?);
    let from = from.ok_or("unknown source")?;
    // The update ID of the legacy form is the ID of the packet, which the file does not hold.
    let verdict = member.receive(&from, PacketId(1), Verb::OK, &payload);
    let result = altered["memberResult"].as_str().ok_or("no result")?;
    same("malformed", verdict.is_none(), result.starts_with("malformed"))?;
    let network = member.vl2.network(id).ok_or("not joined")?;
    let accepted = !result.starts_with("malformed") && result != "0000000000000000";
    same("applied", network.config().is_some(), accepted)?;
    same("status", json!(network.status() as u8), altered["memberStatusAfter"].clone())
}

/// An error of the controller; its meaning follows from the code.
fn refusal(file: &Value, case: &Value) -> Result<(), String> {
    let mut member = Member::new(file, "a", &["ctl"]);
    let id = network(case);
    member.join(id, None);
    let payload = unhex(case["packets"][0]["payload"].as_str().ok_or("no payload")?);
    same("verb", case["packets"][0]["verb"].clone(), json!(2))?;
    member.receive(secret(file, "ctl").identity(), PacketId(1), Verb::ERROR, &payload).ok_or("malformed")?;
    let expected = match payload[9] {
        3 => "NOT_FOUND",
        7 => "ACCESS_DENIED",
        9 => "AUTHENTICATION_REQUIRED",
        _ => return Err("unexpected code".into()),
    };
    let network = member.vl2.network(id).ok_or("not joined")?;
    same("status", network.status().name(), expected)
}

fn ad_hoc(file: &Value, case: &Value) -> Result<(), String> {
    let own = *secret(file, file["adhoc"]["node"].as_str().ok_or("no node")?).identity();
    let id = network(case);
    let mut member = Member::new(file, "a", &[]);
    member.join(id, None);
    let joined = member.vl2.network(id).ok_or("not joined")?;
    same("status", json!(joined.status() as u8), case["status"].clone())?;
    match adhoc::configuration(id, own.address, T) {
        AdHoc::Config(config) => {
            same("configuration in use", joined.config(), Some(&*config))?;
            compare(&view(&config), &case["decoded"])
        }
        AdHoc::Invalid | AdHoc::Unknown => same("configuration", case["decoded"].is_null(), true),
    }
}

fn reader(case: &Value) -> Result<(), String> {
    let text = unhex(case["dictionary"].as_str().ok_or("no text")?);
    let read = NetworkConfig::from_text(&text);
    same("accepted", json!(read.is_ok()), case["accepted"].clone())?;
    match read {
        Ok(config) => compare(&view(&config), &case["decoded"]),
        Err(_) => Ok(()),
    }
}

/// Everything the reference's view holds must be in ours.
fn compare(ours: &Value, expected: &Value) -> Result<(), String> {
    for (key, value) in expected.as_object().ok_or("no view")? {
        same(key, &ours[key], value)?;
    }
    Ok(())
}

/// The view of a configuration in the words of the vector file.
fn view(config: &NetworkConfig) -> Value {
    let mut view = json!({
        "capabilities": config.capabilities.iter().map(capability).collect::<Vec<_>>(),
        "certificatesOfOwnership": config.ownerships.iter().map(ownership).collect::<Vec<_>>(),
        "com": config.membership.as_ref().map(membership),
        "credentialTimeMaxDelta": config.credential_window,
        "dns": {
            "domain": config.dns.domain,
            "servers": config.dns.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "flags": format!("{:016x}", config.flags),
        "issuedTo": config.issued_to.to_string(),
        "mtu": config.mtu,
        "multicastLimit": config.multicast_limit,
        "nameHex": hex(&config.name),
        "networkId": config.network.to_string(),
        "remoteTraceLevel": config.trace_level,
        "remoteTraceTarget": config.trace_target.to_string(),
        "revision": config.revision,
        "routes": config.routes.iter().map(|route| json!({
            "target": text(route.target),
            "via": text(route.via),
            "flags": route.flags,
            "metric": route.metric,
        })).collect::<Vec<_>>(),
        "ruleCount": config.rules.len(),
        "rules": hex(&table(&config.rules)),
        "specialists": config.specialists.iter().map(|s| format!("{:016x}", s.0)).collect::<Vec<_>>(),
        "staticIps": config.addresses.iter().map(|address| text(*address)).collect::<Vec<_>>(),
        "tags": config.tags.iter().map(tag).collect::<Vec<_>>(),
        "timestamp": config.timestamp,
        "type": u8::from(config.kind == NetworkType::Public),
        "ssoEnabled": config.sign_on.is_enabled(),
        "ssoVersion": u8::from(matches!(config.sign_on, SignOn::V1 { .. })),
    });
    let (zero, one) = match &config.sign_on {
        SignOn::V0 { url, expires, .. } => ((url.as_str(), *expires), ["", "", "", "", "", "default"]),
        SignOn::V1 { issuer, central, nonce, state, client, provider, .. } => {
            (("", 0), [issuer.as_str(), central, nonce, state, client, provider])
        }
    };
    view["authenticationURL"] = json!(zero.0);
    view["authenticationExpiryTime"] = json!(zero.1);
    for (key, value) in ["issuerURL", "centralAuthURL", "nonce", "state", "clientId", "provider"].into_iter().zip(one) {
        view[key] = json!(value);
    }
    view
}

fn text(address: InetAddress) -> String {
    address.to_string()
}

/// The reference shows what it parsed: unknown rules without their value.
fn table(rules: &[zt_wire::Rule]) -> Vec<u8> {
    let known = |rule: &zt_wire::Rule| match &rule.kind {
        zt_wire::RuleKind::Unknown { number, .. } => {
            let kind = zt_wire::RuleKind::Unknown { number: *number, value: Box::default() };
            zt_wire::Rule { kind, ..rule.clone() }.to_vec()
        }
        _ => rule.to_vec(),
    };
    rules.iter().flat_map(known).collect()
}

fn signature(signature: &Signature) -> String {
    hex(&signature.0)
}

/// A certificate of membership in the words of the vector files.
pub(crate) fn membership(com: &Membership) -> Value {
    let tuple = |q: &zt_wire::Qualifier| [q.id, q.value, q.max_delta].map(|value| format!("{value:016x}"));
    let mut view = json!({
        "signer": com.signer.to_string(),
        "tuples_id_value_maxDelta": com.qualifiers.iter().map(tuple).collect::<Vec<_>>(),
    });
    if com.signer != Address::NIL {
        view["signature"] = json!(signature(&com.signature));
    }
    view
}

/// A tag in the words of the vector files.
pub(crate) fn tag(tag: &Tag) -> Value {
    json!({
        "id": tag.id,
        "issuedTo": tag.issued_to.to_string(),
        "networkId": tag.network.to_string(),
        "signature": signature(&tag.signature),
        "signer": tag.signer.to_string(),
        "timestamp": tag.timestamp,
        "value": tag.value,
    })
}

/// A capability in the words of the vector files.
pub(crate) fn capability(capability: &Capability) -> Value {
    let link = |link: &zt_wire::Custody| json!({ "from": link.from.to_string(), "to": link.to.to_string(), "signature": signature(&link.signature) });
    json!({
        "custody": capability.custody.iter().map(link).collect::<Vec<_>>(),
        "id": capability.id,
        "issuedTo": Credential::issued_to(capability).to_string(),
        "maxCustodyChainLength": capability.max_custody,
        "networkId": capability.network.to_string(),
        "ruleCount": capability.rules.len(),
        "rules": hex(&table(&capability.rules)),
        "timestamp": capability.timestamp,
    })
}

/// A certificate of ownership in the words of the vector files.
pub(crate) fn ownership(ownership: &Ownership) -> Value {
    let thing = |thing: &zt_wire::Thing| json!({ "type": thing.kind, "value": hex(&thing.value) });
    json!({
        "flags": format!("{:016x}", ownership.flags),
        "id": ownership.id,
        "issuedTo": ownership.issued_to.to_string(),
        "networkId": ownership.network.to_string(),
        "signature": signature(&ownership.signature),
        "signer": ownership.signer.to_string(),
        "things": ownership.things.iter().map(thing).collect::<Vec<_>>(),
        "timestamp": ownership.timestamp,
    })
}
