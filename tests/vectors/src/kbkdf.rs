//! `kbkdf.json`: derivation of the AES keys (01 §4).

use serde_json::Value;
use zt_crypto::primitives::kbkdf::kbkdf;
use zt_crypto::{SecretIdentity, hmac384};

use crate::{Case, Suite, bytes, equal, list, text};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "kbkdf.json",
    expected: 31,
    cases,
    alter: |file| file["peer_keys"][0]["kbkdf_label_1"] = file["peer_keys"][0]["kbkdf_label_0"].clone(),
};

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "peer_keys", |case| {
        let key: [u8; 48] = bytes(case, "key_48");
        equal("salsa key", &key[..32], &bytes::<32>(case, "salsa_key_32"))?;
        equal("label 0", &kbkdf(&key, b'0', 0, 0)[..], &bytes::<48>(case, "kbkdf_label_0"))?;
        equal("label 1", &kbkdf(&key, b'1', 0, 0)[..], &bytes::<48>(case, "kbkdf_label_1"))?;
        aes_keys(&key, case)
    });
    cases.extend(list(file, "general", |case| {
        let number = |name: &str| case[name].as_u64().ok_or_else(|| format!("no {name}"));
        let (label, context) = (number("label")? as u8, number("context")? as u8);
        let out = kbkdf(&bytes(case, "key_48"), label, context, number("iter")? as u32);
        equal("output", &out[..], &bytes::<48>(case, "out_48"))
    }));
    cases.extend(list(file, "hmac_sha384", |case| {
        let mac = hmac384(&bytes::<48>(case, "key_48"), &crate::unhex(text(case, "message")));
        equal("MAC", &mac, &bytes::<48>(case, "mac_48"))
    }));
    cases.extend(list(file, "from_identities", |case| {
        let identity = |name: &str| SecretIdentity::from_text(text(case, name)).map_err(|e| e.to_string());
        let (a, b) = (identity("a_secret_text")?, identity("b_secret_text")?);
        for (from, to) in [(&a, &b), (&b, &a)] {
            let key = from.agree(to.identity()).ok_or("refused")?;
            equal("agreed key", key.as_bytes(), &bytes::<48>(case, "key_48"))?;
            aes_keys(key.as_bytes(), case)?;
        }
        Ok(())
    }));
    cases
}

fn aes_keys(key: &[u8; 48], case: &Value) -> Result<(), String> {
    equal("K0", &kbkdf(key, b'0', 0, 0)[..32], &bytes::<32>(case, "aes_k0"))?;
    equal("K1", &kbkdf(key, b'1', 0, 0)[..32], &bytes::<32>(case, "aes_k1"))
}
