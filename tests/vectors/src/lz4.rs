//! `lz4.json`: compression of payloads (01 §8).

use serde_json::Value;
use zt_wire::lz4;

use crate::{Case, Suite, equal, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite =
    Suite { file: "lz4.json", expected: 34, cases, alter: |file| file["decompress"][1]["accepted"] = true.into() };

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "compress", compress);
    cases.extend(list(file, "decompress", decompress));
    cases
}

/// Other encoders may make other blocks: theirs must decode, ours must come back, and both sides must agree
/// whether it was worth it (the recorded payloads are far from the border).
fn compress(case: &Value) -> Result<(), String> {
    let payload = unhex(text(case, "payload"));
    let mut out = Vec::new();
    let block = unhex(text(case, "block"));
    lz4::decompress(&block, &mut out, payload.len()).map_err(|e| format!("their block: {e}"))?;
    equal("their block", &out, &payload)?;
    let mut scratch = Vec::new();
    let ours = lz4::compress(&payload, &mut scratch);
    same("compressed", &Some(ours.is_some()), &case["compressed"].as_bool())?;
    let Some(ours) = ours else { return Ok(()) };
    lz4::decompress_payload(ours, &mut out).map_err(|e| format!("our block: {e}"))?;
    equal("our block", &out, &payload)
}

fn decompress(case: &Value) -> Result<(), String> {
    let description = text(case, "description");
    let mut out = Vec::new();
    let result = lz4::decompress_payload(&unhex(text(case, "block")), &mut out);
    // Deliberate (01 §8): offset 0 is forbidden by the format, and we refuse it.
    let accepted = case["accepted"] == true && !description.contains("offset 0");
    // Free choice (01 §8): `lz4_flex` does not enforce how long the last literals must be.
    if ["input end rule", "no final literals"].iter().any(|rule| description.contains(rule)) {
        return Ok(());
    }
    same("accepted", &result.is_ok(), &accepted)?;
    if accepted { equal("payload", &out, &unhex(text(case, "payload"))) } else { Ok(()) }
}
