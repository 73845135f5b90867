//! `inetaddress.json`: physical addresses in binary and text, scopes (01 §10.5, §10.6).

use serde_json::Value;
use zt_wire::{Emit, InetAddress, Parse, Reader};

use crate::{Case, Suite, equal, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite =
    Suite { file: "inetaddress.json", expected: 116, cases, alter: |file| file["scopes"][0]["scope"] = 5.into() };

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "valid", |case| {
        let address: InetAddress = text(case, "text_in").parse().map_err(|e| format!("{e}"))?;
        same("text", &address.to_string(), &text(case, "text_out").to_owned())?;
        same("scope", &(address.scope() as u64), &case["scope"].as_u64().ok_or("no scope")?)?;
        equal("binary", &address.to_vec(), &unhex(text(case, "binary")))?;
        same("length", &(address.encoded_len() as u64), &case["consumed"].as_u64().ok_or("no length")?)
    });
    cases.extend(list(file, "binary_cases", binary));
    cases.extend(list(file, "scopes", |case| {
        let address: InetAddress = text(case, "ip").parse().map_err(|e| format!("{e}"))?;
        same("scope", &(address.scope() as u64), &case["scope"].as_u64().ok_or("no scope")?)
    }));
    cases.extend(list(file, "text_cases", from_text));
    cases
}

fn binary(case: &Value) -> Result<(), String> {
    let bytes = unhex(text(case, "hex"));
    let mut r = Reader::new(&bytes);
    let parsed = InetAddress::parse(&mut r);
    // Deliberate (01 §10.5): lengths beyond the input are refused, which the reference does not notice.
    let beyond = case["consumed"].as_u64().is_some_and(|n| n > bytes.len() as u64);
    if case["accepted"] != true || beyond {
        return same("accepted", &parsed.is_ok(), &false);
    }
    same("text", &parsed.map_err(|e| format!("{e}"))?.to_string(), &text(case, "text").to_owned())?;
    same("consumed", &(r.position() as u64), &case["consumed"].as_u64().ok_or("no length")?)
}

fn from_text(case: &Value) -> Result<(), String> {
    let input = text(case, "text");
    let result = text(case, "result");
    let parsed = input.parse::<InetAddress>();
    let ip = input.split('/').next().unwrap_or_default();
    // Deliberate (01 §10.5): what is no IP address is refused, where the reference yields zero.
    if case["reported_valid"] != true || ip.parse::<std::net::IpAddr>().is_err() {
        return same("accepted", &parsed.is_ok(), &false);
    }
    same("result", &parsed.map_err(|e| format!("{e}"))?.to_string(), &result.to_owned())
}
