//! `armor.json`: packets sealed, opened, relayed, tampered with (01 §5, §6).

use serde_json::Value;
use zt_crypto::{
    ArmorError, PeerKeys, SecretIdentity, SharedKey, Suite as Armor, trusted_path, trusted_path_id_matches,
};
use zt_wire::PacketId;

use crate::{Case, Suite, bytes, equal, list, text, unhex};

/// Offset of the byte with flags, cipher and hops.
const FLAGS: usize = 18;
/// Offset of verb and payload.
const BODY: usize = 27;

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "armor.json",
    expected: 246,
    cases,
    alter: |file| file["cipher_3_aes_gmac_siv"][5]["armored"] = file["cipher_3_aes_gmac_siv"][5]["plaintext"].clone(),
};

fn cases(file: &Value) -> Vec<Case> {
    let keys: Vec<[u8; 48]> = file["keys"].as_array().expect("keys").iter().map(|key| bytes(key, "key_48")).collect();
    let keys_of = move |case: &Value| -> PeerKeys {
        PeerKeys::new(SharedKey::from_bytes(keys[case["key"].as_u64().expect("a key number") as usize]))
    };
    let mut cases = list(file, "keys", key);
    for (name, suite) in [
        ("cipher_0_poly1305_only", Armor::Poly1305None),
        ("cipher_1_salsa2012_poly1305", Armor::Salsa2012Poly1305),
        ("cipher_3_aes_gmac_siv", Armor::AesGmacSiv),
    ] {
        let keys_of = keys_of.clone();
        cases.extend(list(file, name, move |case| both_ways(&keys_of(case), suite, case)));
    }
    for name in ["hop_increment_wraps", "tampered", "other_ciphers"] {
        let keys_of = keys_of.clone();
        cases.extend(list(file, name, move |case| opens(&keys_of(case), case)));
    }
    cases.extend(list(file, "cipher_2_trusted_path", trusted));
    let keys_of_hello = keys_of.clone();
    cases.extend(list(file, "hello", move |case| hello(&keys_of_hello(case), case)));
    let example = file["packet_id_example"].clone();
    cases.push(Case::new("packet_id_example", move || packet_id(&keys_of(&example), &example)));
    cases
}

/// The agreed key of two identities is the one given.
fn key(case: &Value) -> Result<(), String> {
    let identity = |name: &str| SecretIdentity::from_text(text(case, name)).map_err(|e| e.to_string());
    let (a, b) = (identity("a_secret_text")?, identity("b_secret_text")?);
    let agreed = a.agree(b.identity()).ok_or("refused")?;
    equal("agreed key", agreed.as_bytes(), &bytes::<48>(case, "key_48"))
}

fn both_ways(keys: &PeerKeys, suite: Armor, case: &Value) -> Result<(), String> {
    let plain = unhex(text(case, "plaintext"));
    let armored = unhex(text(case, "armored"));
    let mut packet = plain.clone();
    let id = keys.seal(&mut packet, suite);
    equal("sealed", &packet, &armored)?;
    equal("packet ID", &id.0.to_be_bytes(), &armored[..8])?;
    let mut opened = armored.clone();
    expect(keys.open(&mut opened), suite)?;
    // Left out of the file for long packets.
    if case["opened_hops0"].is_string() {
        equal("opened", &opened, &unhex(text(case, "opened_hops0")))?;
    }
    equal("opened body", &opened[BODY..], &plain[BODY..])?;
    for hops in case["hops_in_flight"].as_array().into_iter().flatten() {
        let mut relayed = armored.clone();
        relayed[FLAGS] = unhex(text(hops, "byte18"))[0];
        let result = keys.open(&mut relayed);
        if hops["opens"] != result.is_ok() {
            return Err(format!("with {hops}: {result:?}"));
        }
        equal("body after relays", &relayed[BODY..], &plain[BODY..])?;
    }
    Ok(())
}

fn opens(keys: &PeerKeys, case: &Value) -> Result<(), String> {
    let mut packet = unhex(text(case, "packet"));
    let result = keys.open(&mut packet);
    // A node without AES keys cannot open cipher 3; ours always has them, so the same packet opens.
    let expected = case["opens"] == true || case["no_aes_keys"] == true;
    if result.is_ok() == expected { Ok(()) } else { Err(format!("{result:?}")) }
}

fn trusted(case: &Value) -> Result<(), String> {
    let id = u64::from_str_radix(text(case, "trusted_path_id"), 16).map_err(|e| e.to_string())?;
    let mut packet = unhex(text(case, "plaintext"));
    trusted_path(&mut packet, id);
    equal("marked", &packet, &unhex(text(case, "on_wire")))?;
    if !trusted_path_id_matches(&packet, id) || trusted_path_id_matches(&packet, id ^ 1) {
        return Err("the ID does not match".into());
    }
    match PeerKeys::new(SharedKey::from_bytes([0; 48])).open(&mut packet) {
        Err(ArmorError::NoSuchCipher) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn hello(keys: &PeerKeys, case: &Value) -> Result<(), String> {
    let plain = unhex(text(case, "plaintext"));
    let armored = unhex(text(case, "armored"));
    let tail = case["tail_offset"].as_u64().ok_or("no tail offset")? as usize;
    if case["tail_length"] != plain.len() - tail {
        return Err("the tail does not end with the packet".into());
    }
    let id = PacketId(u64::from_be_bytes(plain[..8].try_into().expect("8 bytes")));
    let mut packet = plain.clone();
    keys.mask_hello_tail(id, &mut packet[tail..]);
    equal("masked", &packet, &unhex(text(case, "tail_masked")))?;
    keys.seal(&mut packet, Armor::Poly1305None);
    equal("sealed", &packet, &armored)?;
    expect(keys.open(&mut packet), Armor::Poly1305None)?;
    keys.mask_hello_tail(id, &mut packet[tail..]);
    equal("opened", &packet[BODY..], &plain[BODY..])?;
    for change in case["bit_changes"].as_array().into_iter().flatten() {
        let mut changed = armored.clone();
        let number = |name: &str| change[name].as_u64().ok_or_else(|| format!("no {name}"));
        changed[number("offset")? as usize] ^= number("xor")? as u8;
        let result = keys.open(&mut changed);
        if change["opens"] != result.is_ok() {
            return Err(format!("with {change}: {result:?}"));
        }
    }
    Ok(())
}

fn packet_id(keys: &PeerKeys, case: &Value) -> Result<(), String> {
    let wire = unhex(text(case, "packet"));
    let mut packet = wire.clone();
    expect(keys.open(&mut packet), Armor::AesGmacSiv)?;
    packet[..8].copy_from_slice(&unhex(text(case, "random_iv")));
    let id = keys.seal(&mut packet, Armor::AesGmacSiv);
    equal("sealed again", &packet, &wire)?;
    equal("wire packet ID", &id.0.to_be_bytes(), &bytes::<8>(case, "wire_packet_id"))
}

fn expect(result: Result<Armor, ArmorError>, suite: Armor) -> Result<(), String> {
    if result == Ok(suite) { Ok(()) } else { Err(format!("opening: {result:?}")) }
}
