//! `c25519.json`: public keys from secrets, agreement, signatures (01 §2).

use serde_json::Value;
use zt_crypto::primitives::agreement::{stretch, x25519};
use zt_crypto::{KeyPair, verify};
use zt_wire::Signature;

use crate::{Case, Suite, bytes, equal, list, text};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "c25519.json",
    expected: 85,
    cases,
    alter: |file| file["sign"][3]["signature"] = file["sign"][4]["signature"].clone(),
};

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "public_from_secret", |case| {
        let keys = KeyPair::from_secret(&bytes(case, "secret"));
        equal("public key", keys.public_key(), &bytes::<64>(case, "public"))
    });
    cases.extend(list(file, "agreement", agreement));
    cases.extend(list(file, "sign", |case| {
        let keys = KeyPair::from_secret(&bytes(case, "secret"));
        let message = crate::unhex(text(case, "message"));
        let signature = keys.sign(&message);
        equal("public key", keys.public_key(), &bytes::<64>(case, "public"))?;
        equal("digest", &signature.0[64..], &bytes::<32>(case, "signed_digest"))?;
        equal("signature", &signature.0, &bytes::<96>(case, "signature"))
    }));
    cases.extend(list(file, "verify_valid", verification));
    cases.extend(list(file, "verify_invalid", verification));
    cases
}

fn agreement(case: &Value) -> Result<(), String> {
    let secret: [u8; 64] = bytes(case, "secret");
    let public: [u8; 64] = bytes(case, "their_public");
    let raw: [u8; 32] = bytes(case, "x25519_raw");
    for length in [32, 48, 64, 150] {
        let mut key = vec![0; length];
        stretch(&raw, &mut key);
        equal("stretched key", &key, &crate::unhex(text(case, &format!("key_{length}"))))?;
    }
    let half = |key: &[u8; 64]| -> [u8; 32] { key[..32].try_into().expect("half a key") };
    let ours = x25519(&half(&secret), &half(&public));
    let agreed = KeyPair::from_secret(&secret).agree(&public);
    if raw == [0; 32] {
        // The reference takes it; ours refuses keys that everyone can compute (01 §2.2).
        return match (ours, agreed) {
            (None, None) => Ok(()),
            _ => Err("a key of low order was accepted".into()),
        };
    }
    equal("raw result", &ours.ok_or("refused")?[..], &raw)?;
    equal("agreed key", agreed.ok_or("refused")?.as_bytes(), &bytes::<48>(case, "key_48"))
}

fn verification(case: &Value) -> Result<(), String> {
    let signature: Result<[u8; 96], _> = crate::unhex(text(case, "signature")).try_into();
    let message = crate::unhex(text(case, "message"));
    let ours = signature.is_ok_and(|s| verify(&bytes(case, "public"), &message, &Signature(s)));
    // The reference takes S ≥ L; ours is strict (README of the vectors).
    let malleated = text(case, "description").contains("S replaced by S+L");
    let expected = case["valid"] == true && !malleated;
    if ours == expected { Ok(()) } else { Err(format!("verification said {ours}")) }
}
