//! `world.json`: planets and moons (01 §10.1, §10.2, §10.4).
//!
//! The list `updates` asks what a node accepts; here it is decided by the rule of 01 §10.2 step 3 and 4 written down
//! directly, so that layout and signatures are checked without a node.

use serde_json::Value;
use zt_crypto::{KeyPair, sign_world, verify_world};
use zt_wire::{Emit, Identity, InetAddress, Parse, Reader, Root, Signature, World, WorldKind};

use crate::{Case, Suite, bytes, equal, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite =
    Suite { file: "world.json", expected: 54, cases, alter: |file| file["updates"][1]["accepted"] = true.into() };

fn cases(file: &Value) -> Vec<Case> {
    let keys: Vec<KeyPair> =
        file["keys"].as_array().into_iter().flatten().map(|k| KeyPair::from_secret(&bytes(k, "secret"))).collect();
    let keys = std::rc::Rc::new(keys);
    let mut cases = list(file, "valid", move |case| valid(case, &keys));
    cases.extend(list(file, "updates", update));
    cases.extend(list(file, "malformed_or_odd", odd));
    let moon = file["moon_json"].clone();
    cases.push(Case::new("moon_json", move || genmoon(&moon)));
    cases
}

fn parse(hex: &str) -> Result<(World, usize), String> {
    let bytes = unhex(hex);
    let mut r = Reader::new(&bytes);
    let world = World::parse(&mut r).map_err(|e| e.to_string())?;
    Ok((world, r.position()))
}

fn decoded(world: &World, view: &Value) -> Result<(), String> {
    same("type", &Some(world.kind as u64), &view["type"].as_u64())?;
    same("ID", &format!("{:016x}", world.id), &text(view, "id").to_owned())?;
    same("timestamp", &Some(world.timestamp), &view["timestamp"].as_u64())?;
    equal("update key", &world.update_key, &unhex(text(view, "update_key")))?;
    equal("signature", &world.signature.0, &unhex(text(view, "signature")))?;
    let roots = view["roots"].as_array().ok_or("no roots")?;
    same("number of roots", &world.roots.len(), &roots.len())?;
    for (root, view) in world.roots.iter().zip(roots) {
        same("identity", &root.identity.to_string(), &text(view, "identity").to_owned())?;
        let endpoints: Vec<Value> = root.endpoints.iter().map(|e| e.to_string().into()).collect();
        same("endpoints", &Value::from(endpoints), &view["stable_endpoints"])?;
    }
    Ok(())
}

fn valid(case: &Value, keys: &[KeyPair]) -> Result<(), String> {
    let (world, consumed) = parse(text(case, "binary"))?;
    same("consumed", &Some(consumed as u64), &case["consumed"].as_u64())?;
    decoded(&world, &case["decoded"])?;
    equal("binary", &world.to_vec(), &unhex(text(case, "binary")))?;
    equal("signed bytes", &world.signed_bytes(), &unhex(text(case, "signed_bytes")))?;
    let own = verify_world(&world, &world.update_key);
    same("verifies", &Some(own), &case["verifies_under_own_update_key"].as_bool())?;
    // Keys are numbers here and texts there.
    let number = &case["signed_with_key"];
    let number = number.as_u64().or_else(|| number.as_str()?.parse().ok());
    match number {
        None => Ok(()),
        Some(number) => {
            let key = keys.get(number as usize).ok_or("no such key")?;
            let mut again = World { signature: Signature::NONE, ..world.clone() };
            sign_world(&mut again, key);
            equal("signature", &again.signature.0, &world.signature.0)
        }
    }
}

fn update(case: &Value) -> Result<(), String> {
    let (current, _) = parse(text(case, "current"))?;
    let (offered, _) = parse(text(case, "offered"))?;
    let accepted = match current.kind {
        WorldKind::Null => true,
        kind => {
            kind == offered.kind
                && current.id == offered.id
                && current.timestamp < offered.timestamp
                && verify_world(&offered, &current.update_key)
        }
    };
    same("accepted", &Some(accepted), &case["accepted"].as_bool())
}

fn odd(case: &Value) -> Result<(), String> {
    let hex = text(case, "hex");
    let parsed = parse(hex);
    // Deliberate (01 §10.1): attached data beyond the end is refused.
    let beyond = case["consumed"].as_u64().is_some_and(|n| n > hex.len() as u64 / 2);
    if case["parses"] != true || beyond {
        return same("parses", &parsed.is_ok(), &false);
    }
    let (world, consumed) = parsed?;
    same("consumed", &Some(consumed as u64), &case["consumed"].as_u64())?;
    decoded(&world, &case["decoded"])?;
    let own = verify_world(&world, &world.update_key);
    same("verifies", &Some(own), &case["verifies_under_own_update_key"].as_bool())
}

/// From the definition in JSON to the bytes of the tool, signature included.
fn genmoon(case: &Value) -> Result<(), String> {
    let json = &case["json"];
    let mut roots = Vec::new();
    for root in json["roots"].as_array().ok_or("no roots")? {
        let identity: Identity = text(root, "identity").parse().map_err(|e| format!("{e}"))?;
        let endpoints = root["stableEndpoints"].as_array().ok_or("no endpoints")?.iter();
        let endpoints = endpoints
            .map(|e| e.as_str().unwrap_or_default().parse::<InetAddress>().map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?;
        roots.push(Root { identity, endpoints });
    }
    let mut world = World {
        kind: WorldKind::Moon,
        id: u64::from_str_radix(text(json, "id"), 16).map_err(|e| e.to_string())?,
        timestamp: case["timestamp_used"].as_u64().ok_or("no timestamp")?,
        update_key: bytes(json, "updatesMustBeSignedBy"),
        signature: Signature::NONE,
        roots,
    };
    world.sort_like_genmoon();
    sign_world(&mut world, &KeyPair::from_secret(&bytes(json, "signingKey_SECRET")));
    same("file name", &format!("{:016x}.moon", world.id), &text(case, "file_name").to_owned())?;
    decoded(&world, &case["decoded"])?;
    equal("binary", &world.to_vec(), &unhex(text(case, "binary")))
}
