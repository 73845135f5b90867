//! `identity.json`: text and binary forms, validation, fingerprints (01 §3).

use serde_json::Value;
use zt_crypto::primitives::memory_hard::memory_hard_digest;
use zt_crypto::{KeyPair, SecretIdentity, fingerprint, validate};
use zt_wire::{Emit, Identity, Parse, Reader};

use crate::{Case, Suite, bytes, equal, list, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "identity.json",
    expected: 89,
    cases,
    alter: |file| file["valid"][0]["fingerprint_sha384"] = file["valid"][1]["fingerprint_sha384"].clone(),
};

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "valid", valid);
    cases.extend(list(file, "boundary_valid", |case| {
        let identity = secret_text(text(case, "secret_text"))?;
        digest_and_validity(identity.identity(), case)
    }));
    cases.extend(list(file, "not_locally_valid", |case| {
        let (identity, _) = Identity::from_text_lenient(text(case, "text").as_bytes()).ok_or("does not parse")?;
        digest_and_validity(&identity, case)
    }));
    cases.extend(list(file, "invalid_text", |case| {
        let raw = unhex(text(case, "text_hex"));
        if Identity::from_text_lenient(&raw).is_some() {
            return Err("the lenient parser accepts it".into());
        }
        strictly_refused(&raw)
    }));
    cases.extend(list(file, "lenient_text", lenient_text));
    cases.extend(list(file, "invalid_binary", |case| {
        match Identity::parse(&mut Reader::new(&unhex(text(case, "hex")))) {
            Err(_) => Ok(()),
            Ok(identity) => Err(format!("accepted as {identity}")),
        }
    }));
    cases.extend(list(file, "accepted_binary", accepted_binary));
    cases
}

fn valid(case: &Value) -> Result<(), String> {
    let read = secret_text(text(case, "secret_text"))?;
    let identity = *read.identity();
    equal("secret", read.key_pair().secret_bytes(), &bytes::<64>(case, "secret_key"))?;
    equal("public key", &identity.public_key, &bytes::<64>(case, "public_key"))?;
    equal("derived key", KeyPair::from_secret(&bytes(case, "secret_key")).public_key(), &identity.public_key)?;
    same("secret text", &read.to_text(), text(case, "secret_text"))?;
    same("public text", &identity.to_string(), text(case, "public_text"))?;
    same("address", &identity.address.to_string(), text(case, "address"))?;
    if text(case, "public_text").parse() != Ok(identity) {
        return Err("the public text reads otherwise".into());
    }
    equal("binary", &identity.to_vec(), &unhex(text(case, "public_binary")))?;
    for name in ["public_binary", "secret_binary"] {
        let raw = unhex(text(case, name));
        let mut reader = Reader::new(&raw);
        if Identity::parse(&mut reader) != Ok(identity) || reader.remaining() != 0 {
            return Err(format!("{name} reads otherwise"));
        }
    }
    equal("fingerprint", &fingerprint(&identity), &bytes::<48>(case, "fingerprint_sha384"))?;
    digest_and_validity(&identity, case)
}

fn lenient_text(case: &Value) -> Result<(), String> {
    let raw = unhex(text(case, "text_hex"));
    let (identity, secret) = Identity::from_text_lenient(&raw).ok_or("does not parse")?;
    same("public text", &identity.to_string(), text(case, "public_text"))?;
    secret_matches(&identity, secret.as_ref(), case)?;
    if case["locally_valid"] != validate(&identity) {
        return Err("validity differs".into());
    }
    // Ours takes only white space around it and capital digits.
    let strict = std::str::from_utf8(&raw).is_ok_and(|t| SecretIdentity::from_text(t).is_ok());
    let description = text(case, "description");
    let fine = description == "trailing newline after secret key" || description == "upper case hex";
    if strict == fine { Ok(()) } else { Err(format!("our own reader of secrets said {strict}")) }
}

fn accepted_binary(case: &Value) -> Result<(), String> {
    let raw = unhex(text(case, "hex"));
    let mut reader = Reader::new(&raw);
    let identity = Identity::parse(&mut reader).map_err(|e| e.to_string())?;
    if case["consumed"] != raw.len() - reader.remaining() {
        return Err(format!("{} bytes are left", reader.remaining()));
    }
    same("public text", &identity.to_string(), text(case, "public_text"))?;
    if case["locally_valid"] == validate(&identity) { Ok(()) } else { Err("validity differs".into()) }
}

fn digest_and_validity(identity: &Identity, case: &Value) -> Result<(), String> {
    let digest = memory_hard_digest(&identity.public_key);
    equal("memory-hard digest", &digest, &bytes::<64>(case, "memory_hard_digest"))?;
    if case["locally_valid"] == validate(identity) { Ok(()) } else { Err("validity differs".into()) }
}

fn secret_matches(identity: &Identity, secret: Option<&[u8; 64]>, case: &Value) -> Result<(), String> {
    match (secret, case["secret_text"].as_str()) {
        (None, None) => Ok(()),
        (Some(secret), Some(text)) => {
            let made = SecretIdentity::from_parts(*identity, secret).map_err(|e| e.to_string())?;
            same("secret text", &made.to_text(), text)
        }
        (ours, _) => Err(format!("secret present: {}", ours.is_some())),
    }
}

fn strictly_refused(raw: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(raw) else { return Ok(()) };
    if text.parse::<Identity>().is_ok() || SecretIdentity::from_text(text).is_ok() {
        return Err("a strict parser accepts it".into());
    }
    Ok(())
}

fn secret_text(text: &str) -> Result<SecretIdentity, String> {
    SecretIdentity::from_text(text).map_err(|e| e.to_string())
}

fn same(what: &str, ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours} instead of {theirs}")) }
}
