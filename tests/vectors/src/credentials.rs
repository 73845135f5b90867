//! `credentials.json`: layouts, signatures, agreement, acceptance in sequence, pushes and propagation.

use std::net::IpAddr;

use serde_json::{Value, json};
use zt_netconf::member::credentials::{Outcome, verify};
use zt_netconf::member::membership::agrees;
use zt_netconf::{NetworkConfig, Verdict};
use zt_wire::verb::{ErrorCode, ErrorReply, Frame, NetworkCredentials};
use zt_wire::{
    Address, Capability, CredentialKind, Emit, Identity, Mac, Membership, Message, NetworkId, Ownership, PacketId,
    Parse, Qualifier, Reader, Revocation, RuleKind, Tag, Verb,
};

use crate::member::{Below, Member, T, address, number, secret};
use crate::{Case, Suite, hex, unhex};

/// The suite of this file.
pub(crate) const SUITE: Suite = Suite { file: "credentials.json", expected: 120, cases, alter };

fn alter(file: &mut Value) {
    file["agreement"][0]["agrees"] = json!(false);
}

type Check = fn(&Value, &Value) -> Result<(), String>;

fn cases(file: &Value) -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |name: String, case: &Value, check: Check| {
        let (file, case) = (file.clone(), case.clone());
        all.push(Case::new(name, move || check(&file, &case)));
    };
    let lists: [(&str, Check); 5] = [
        ("items", item),
        ("parsing", parsing),
        ("agreement", agreement),
        ("derivedAddresses", derived),
        ("sequences", sequence),
    ];
    for (list, check) in lists {
        for case in file[list].as_array().expect("a list") {
            // One case per step of a sequence, each played from the start.
            let steps = case["steps"].as_array().map_or(1, Vec::len);
            for step in 0..steps {
                let mut case = case.clone();
                case["upTo"] = json!(step);
                add(format!("{list}: {} {step}", case["description"]), &case, check);
            }
        }
    }
    for query in file["ownershipQueries"]["queries"].as_array().expect("a list") {
        add(format!("ownership of {query}"), query, owned);
    }
    for tampered in 0..4 {
        add(format!("signed by another key: item {tampered}"), &json!(tampered), foreign_signature);
    }
    let singles: [(&str, Check); 6] = [
        ("additionalFields", additional),
        ("unknownRuleInCapability", unknown_rule),
        ("credentialsPush", push),
        ("credentialsPushLarge", push),
        ("fastPropagation", propagation),
        ("oldStyle", old_style),
    ];
    for (name, check) in singles {
        add(name.to_owned(), &file[name], check);
    }
    all
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, expected {expected:?}")) }
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().expect("hex digits"))
}

fn net(file: &Value) -> NetworkId {
    NetworkId(number(&file["networkId"]))
}

/// Any credential, by the kind named in the file.
#[derive(Debug, PartialEq)]
enum Any {
    Com(Membership),
    Tag(Tag),
    Capability(Capability),
    Ownership(Ownership),
    Revocation(Revocation),
}

impl Any {
    fn parse(kind: &str, r: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            "COM" => Self::Com(Parse::parse(r).ok()?),
            "tag" => Self::Tag(Parse::parse(r).ok()?),
            "capability" => Self::Capability(Parse::parse(r).ok()?),
            "ownership" => Self::Ownership(Parse::parse(r).ok()?),
            "revocation" => Self::Revocation(Parse::parse(r).ok()?),
            _ => panic!("unknown kind {kind}"),
        })
    }

    fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Com(x) => x.to_vec(),
            Self::Tag(x) => x.to_vec(),
            Self::Capability(x) => x.to_vec(),
            Self::Ownership(x) => x.to_vec(),
            Self::Revocation(x) => x.to_vec(),
        }
    }

    fn signed_bytes(&self) -> Vec<u8> {
        match self {
            Self::Com(x) => x.signed_bytes(),
            Self::Tag(x) => x.signed_bytes(),
            Self::Capability(x) => x.signed_bytes(),
            Self::Ownership(x) => x.signed_bytes(),
            Self::Revocation(x) => x.signed_bytes(),
        }
    }

    fn verify(&self, own: &Identity, c: &mut Below) -> Outcome {
        match self {
            Self::Com(x) => verify(x, own, c),
            Self::Tag(x) => verify(x, own, c),
            Self::Capability(x) => verify(x, own, c),
            Self::Ownership(x) => verify(x, own, c),
            Self::Revocation(x) => verify(x, own, c),
        }
    }

    fn view(&self) -> Value {
        match self {
            Self::Com(x) => crate::netconf::membership(x),
            Self::Tag(x) => crate::netconf::tag(x),
            Self::Capability(x) => crate::netconf::capability(x),
            Self::Ownership(x) => crate::netconf::ownership(x),
            Self::Revocation(x) => json!({
                "credentialId": x.credential_id,
                "flags": format!("{:016x}", x.flags),
                "id": x.id,
                "networkId": x.network.to_string(),
                "signature": hex(&x.signature.0),
                "signer": x.signer.to_string(),
                "target": x.target.to_string(),
                "threshold": x.threshold,
                "type": x.credential_kind.0,
            }),
        }
    }

    /// A message that carries only this credential.
    fn message(self) -> NetworkCredentials<'static> {
        let mut message = NetworkCredentials::default();
        match self {
            Self::Com(x) => message.memberships.push(x),
            Self::Tag(x) => message.tags.push(x),
            Self::Capability(x) => message.capabilities.push(x),
            Self::Ownership(x) => message.ownerships.push(x),
            Self::Revocation(x) => message.revocations.push(x),
        }
        message
    }
}

/// The identities that the verifier, node a, knows.
fn below(file: &Value) -> Below {
    Member::new(file, "a", &["ctl", "a", "b", "d"]).below
}

fn item(file: &Value, case: &Value) -> Result<(), String> {
    let kind = case["kind"].as_str().ok_or("no kind")?;
    let serialized = bytes(&case["serialized"]);
    let mut r = Reader::new(&serialized);
    let parsed = Any::parse(kind, &mut r).ok_or("malformed")?;
    same("length", json!(serialized.len() - r.remaining()), case["length"].clone())?;
    for (key, value) in case["decoded"].as_object().ok_or("no view")? {
        same(key, &parsed.view()[key], value)?;
    }
    same("written again", hex(&parsed.to_vec()), hex(&serialized))?;
    same("signed bytes", hex(&parsed.signed_bytes()).as_str(), case["signedBytes"].as_str().unwrap_or(""))?;
    let verified = match parsed.verify(secret(file, "a").identity(), &mut below(file)) {
        Outcome::New => "ok",
        Outcome::Deferred => "deferred, signer unknown",
        _ => "bad",
    };
    same("verified", verified, case["verify"].as_str().unwrap_or(""))
}

fn parsing(_: &Value, case: &Value) -> Result<(), String> {
    let serialized = bytes(&case["serialized"]);
    let mut r = Reader::new(&serialized);
    let parsed = Any::parse(case["kind"].as_str().ok_or("no kind")?, &mut r);
    let result = if parsed.is_some() { "parsed" } else { "malformed" };
    same("result", result, case["result"].as_str().unwrap_or(""))?;
    match parsed {
        Some(_) => same("consumed", json!(serialized.len() - r.remaining()), case["consumed"].clone()),
        None => Ok(()),
    }
}

fn agreement(_: &Value, case: &Value) -> Result<(), String> {
    let com = |key: &str| Membership::parse(&mut Reader::new(&bytes(&case[key]))).map_err(|e| e.to_string());
    let peer: Identity =
        case["peerIdentity"].as_str().ok_or("no identity")?.parse().map_err(|_| "a malformed identity")?;
    same("agrees", json!(agrees(&com("mine")?, &com("theirs")?, &peer)), case["agrees"].clone())
}

fn derived(_: &Value, case: &Value) -> Result<(), String> {
    let (network, member) = (NetworkId(number(&case["networkId"])), address(&case["address"]));
    let mac = Mac::for_member(member, network);
    same("mac", mac.to_string().as_str(), case["mac"].as_str().unwrap_or(""))?;
    same("back", mac.embedded_address(network).to_string().as_str(), case["back"].as_str().unwrap_or(""))?;
    let rfc4193 = format!("{}/88", network.rfc4193(member));
    same("rfc4193", rfc4193.as_str(), case["rfc4193"].as_str().unwrap_or(""))?;
    let sixplane = format!("{}/40", network.sixplane(member));
    same("sixplane", sixplane.as_str(), case["sixplane"].as_str().unwrap_or(""))
}

fn owned(file: &Value, query: &Value) -> Result<(), String> {
    let certificate = bytes(&file["ownershipQueries"]["certificate"]);
    let ownership = Ownership::parse(&mut Reader::new(&certificate)).map_err(|e| e.to_string())?;
    let owned = match (query["address"].as_str(), query["mac"].as_str()) {
        (Some(ip), _) => ownership.owns_ip(ip.parse::<IpAddr>().map_err(|e| e.to_string())?),
        (_, Some(mac)) => ownership.owns_mac(mac.parse().map_err(|_| "a malformed MAC")?),
        _ => return Err("no query".into()),
    };
    same("owned", json!(owned), query["owned"].clone())
}

/// Not recorded, but the counterpart of every good one: the same credential under another key is bad.
fn foreign_signature(file: &Value, which: &Value) -> Result<(), String> {
    let kinds = ["COM", "tag", "ownership", "revocation"];
    let kind = kinds[which.as_u64().ok_or("no number")? as usize];
    let good = |case: &&Value| case["kind"] == json!(kind) && case["verify"] == json!("ok");
    let case = file["items"].as_array().and_then(|all| all.iter().find(good)).ok_or("no item")?;
    let mut parsed = Any::parse(kind, &mut Reader::new(&bytes(&case["serialized"]))).ok_or("malformed")?;
    let signature = secret(file, "b").sign(&parsed.signed_bytes());
    match &mut parsed {
        Any::Com(x) => x.signature = signature,
        Any::Tag(x) => x.signature = signature,
        Any::Ownership(x) => x.signature = signature,
        Any::Revocation(x) => x.signature = signature,
        Any::Capability(_) => {}
    }
    same("verified", parsed.verify(secret(file, "a").identity(), &mut below(file)), Outcome::Rejected)
}

fn additional(file: &Value, case: &Value) -> Result<(), String> {
    let serialized = bytes(&case["serialized"]);
    let mut r = Reader::new(&serialized);
    let tag = Any::parse("tag", &mut r).ok_or("malformed")?;
    same("consumed", json!(serialized.len() - r.remaining()), case["consumed"].clone())?;
    same("verified", tag.verify(secret(file, "a").identity(), &mut below(file)), Outcome::New)?;
    same("recorded", case["verify"].as_str(), Some("ok"))
}

/// Deliberate (04 §5.3): we verify over the received rule bytes, so that what the controller signed is good, where
/// the reference says "bad".
fn unknown_rule(file: &Value, case: &Value) -> Result<(), String> {
    let serialized = bytes(&case["serialized"]);
    let mut r = Reader::new(&serialized);
    let capability = Any::parse("capability", &mut r).ok_or("malformed")?;
    same("consumed", json!(serialized.len() - r.remaining()), case["consumed"].clone())?;
    same("verified", capability.verify(secret(file, "a").identity(), &mut below(file)), Outcome::New)?;
    same("recorded", case["verify"].as_str(), Some("bad"))
}

/// A certificate of membership as the controller of the file makes them.
fn com(file: &Value, holder: &Identity, timestamp: i64) -> Membership {
    let hash = zt_crypto::fingerprint(holder);
    let word = |n: usize| u64::from_be_bytes(hash[n * 8..n * 8 + 8].try_into().expect("eight bytes"));
    let tuple = |id, value, max_delta| Qualifier { id, value, max_delta };
    let mut qualifiers = vec![
        tuple(0, timestamp as u64, 1_800_000),
        tuple(1, net(file).0, 0),
        tuple(2, holder.address.as_u64(), u64::MAX),
    ];
    qualifiers.extend((0..4).map(|n| tuple(3 + n as u64, word(n), u64::MAX)));
    let controller = secret(file, "ctl");
    let mut com = Membership { qualifiers, signer: controller.address(), ..Membership::default() };
    com.signature = controller.sign(&com.signed_bytes());
    com
}

/// Node a, joined and configured.
fn node_a(file: &Value) -> Member {
    let mut member = Member::new(file, "a", &["ctl", "b", "d"]);
    let own = *secret(file, "a").identity();
    let mut config = NetworkConfig::new(net(file), own.address, T);
    config.credential_window = 1_800_000;
    config.rules = vec![RuleKind::Accept.into()].into();
    config.membership = Some(com(file, &own, T));
    member.join(net(file), Some(&config));
    member.below.sent.clear();
    member
}

/// What node a holds of b, without times of its own clock.
fn held(member: &Member, file: &Value, b: Address) -> String {
    let Some(record) = member.vl2.network(net(file)).and_then(|n| n.members().find(|(a, _)| *a == b)) else {
        return String::new();
    };
    let record = record.1;
    let tags: Vec<_> = record.tags().collect();
    let revoked: Vec<_> = [1000, 2000].map(|id| record.revoked_until(CredentialKind::TAG, id)).into();
    format!("{:?} {} {tags:?} {revoked:?}", record.membership(), record.threshold())
}

/// Plays a sequence and checks its last step.
fn sequence(file: &Value, case: &Value) -> Result<(), String> {
    let mut member = node_a(file);
    let b = *secret(file, "b").identity();
    let last = case["upTo"].as_u64().ok_or("no step")? as usize;
    let mut highest = 0;
    for (index, step) in case["steps"].as_array().ok_or("no steps")?.iter().take(last + 1).enumerate() {
        // Deliberate (04 §5.5): thresholds only rise. The reference takes a lower one, which lets an expelled member back in.
        highest = highest.max(step["comThresholdAfter"].as_i64().ok_or("no threshold")?);
        member.now = member.now.plus(std::time::Duration::from_secs(2));
        let name = step["credential"].as_str().ok_or("no name")?;
        let kind = match name {
            _ if name.contains("revocation") => "revocation",
            _ if name.contains("COM") => "COM",
            _ if name.contains("tag") => "tag",
            // "same" repeats the one before.
            _ if step["serialized"].as_str().is_some_and(|s| s.len() == 304) => "revocation",
            _ => "tag",
        };
        let parsed = Any::parse(kind, &mut Reader::new(&bytes(&step["serialized"]))).ok_or("malformed")?;
        let before = held(&member, file, b.address);
        let payload = parsed.message().to_vec();
        let verdict = member.receive(&b, PacketId(1), Verb::NETWORK_CREDENTIALS, &payload);
        let changed = held(&member, file, b.address) != before;
        let result = match (verdict, changed) {
            (Some(Verdict::Accepted { trust: true }), true) => "accepted (new)",
            (Some(Verdict::Accepted { trust: true }), false) => "accepted (redundant)",
            (Some(Verdict::Accepted { trust: false }), false) => "rejected",
            other => return Err(format!("{name}: {other:?}")),
        };
        if index < last {
            continue;
        }
        same(name, result, step["result"].as_str().unwrap_or(""))?;
        let network = member.vl2.network(net(file)).ok_or("not joined")?;
        let threshold = network.members().find(|(a, _)| *a == b.address).map_or(0, |(_, record)| record.threshold());
        same("threshold", json!(threshold), json!(highest))?;
        let frame = Frame { network: net(file), ethertype: 0x0800, payload: b"x" };
        let verdict = member.receive(&b, PacketId(2), Verb::FRAME, &frame.to_vec());
        let allowed = verdict == Some(Verdict::Accepted { trust: true });
        same("allowed", json!(allowed), step["bAllowedAfter"].clone())?;
    }
    Ok(())
}

/// Node a pushes what it was given.
fn push(file: &Value, case: &Value) -> Result<(), String> {
    let expected = bytes(&case["packets"][0]["payload"]);
    let Ok(Message::NetworkCredentials(recorded)) = Message::parse(Verb::NETWORK_CREDENTIALS, &expected) else {
        return Err("malformed".into());
    };
    let mut member = Member::new(file, "a", &["ctl", "b"]);
    let mut config = NetworkConfig::new(net(file), secret(file, "a").address(), T);
    config.membership = recorded.memberships.first().cloned();
    config.capabilities = recorded.capabilities.clone();
    config.tags = recorded.tags.clone();
    config.ownerships = recorded.ownerships.clone();
    member.join(net(file), Some(&config));
    member.below.sent.clear();
    let code = ErrorCode::NEED_MEMBERSHIP_CERTIFICATE;
    let demand = ErrorReply::network_error(Verb::FRAME, PacketId(1), code, net(file)).to_vec();
    let b = *secret(file, "b").identity();
    member.receive(&b, PacketId(1), Verb::ERROR, &demand);
    let pushed: Vec<_> = member.below.sent.iter().filter(|(_, verb, _)| *verb == Verb::NETWORK_CREDENTIALS).collect();
    same("packets", pushed.len(), case["packets"].as_array().map_or(0, Vec::len))?;
    same("receiver", pushed[0].0, b.address)?;
    same("payload", hex(&pushed[0].2), hex(&expected))
}

fn propagation(file: &Value, case: &Value) -> Result<(), String> {
    let mut member = node_a(file);
    let ids: Vec<_> = ["ctl", "b", "d", "e"].map(|name| *secret(file, name).identity()).into();
    // Records of all four: made by their certificates.
    for holder in &ids {
        member.now = member.now.plus(std::time::Duration::from_secs(2));
        let payload = Any::Com(com(file, holder, T)).message().to_vec();
        member.receive(&ids[1], PacketId(1), Verb::NETWORK_CREDENTIALS, &payload);
    }
    for expected in [&case["packets"], &case["packetsOnSecondReceipt"]] {
        member.now = member.now.plus(std::time::Duration::from_secs(2));
        member.below.sent.clear();
        let revocation = Any::parse("revocation", &mut Reader::new(&bytes(&case["revocation"]))).ok_or("malformed")?;
        let payload = revocation.message().to_vec();
        member.receive(&ids[1], PacketId(1), Verb::NETWORK_CREDENTIALS, &payload);
        let view = |(to, verb, payload): &(Address, Verb, Vec<u8>)| json!({ "to": to.to_string(), "verb": verb.0, "payload": hex(payload) });
        let mut sent: Vec<_> = member.below.sent.iter().map(view).collect();
        sent.sort_by_key(|packet| packet["to"].to_string());
        same("packets", json!(sent), expected.clone())?;
    }
    Ok(())
}

/// Texts of 1.2.12: the certificate's binary form, and a dictionary whose old-style keys are not read (04 §3.3).
fn old_style(_: &Value, case: &Value) -> Result<(), String> {
    let binary = bytes(&case["comBinary"]);
    let com = Membership::parse(&mut Reader::new(&binary)).map_err(|e| e.to_string())?;
    same("written again", hex(&com.to_vec()), hex(&binary))?;
    let tuples = hex(&com.signed_bytes());
    let text = format!("1:{tuples}:{}:{}", com.signer, hex(&com.signature.0));
    same("text", text.as_str(), case["comText"].as_str().unwrap_or(""))?;
    let unsigned = format!("1:{tuples}:{}", Address::NIL);
    same("unsigned text", unsigned.as_str(), case["comTextUnsigned"].as_str().unwrap_or(""))?;
    let config = NetworkConfig::from_text(&bytes(&case["legacyDictionary"])).map_err(|e| e.to_string())?;
    same("certificate", config.membership.as_ref(), Some(&com))?;
    same("name", config.name_text().as_str(), "old")?;
    same("addresses", config.addresses.len(), 2)
}
