//! `fragments.json`, list `splitting`: how a packet is cut (02 §3.3).

use serde_json::Value;
use zt_wire::fragment::{pieces, write_fragment_header};
use zt_wire::packet::{FRAGMENT_HEADER_LEN, MAX_FRAGMENTS};
use zt_wire::{Fragment, Packet};

use crate::{Suite, equal, list, same, text, unhex};

/// This list and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "fragments.json",
    expected: 17,
    cases: |file| list(file, "splitting", split),
    alter: |file| file["splitting"][1]["datagrams"][1]["length"] = 18.into(),
};

fn split(case: &Value) -> Result<(), String> {
    let number = |v: &Value, name: &str| v[name].as_u64().map(|n| n as usize).ok_or_else(|| format!("no {name}"));
    let (len, mtu) = (number(case, "packetLength")?, number(case, "mtu")?);
    let datagrams = case["datagrams"].as_array().ok_or("no datagrams")?;
    let Some(ours) = pieces(len, mtu) else {
        // Deliberate (02 §3.3): a packet in more than seven pieces can never be received; the reference sends it.
        same("receivable", &case["receivable"].as_bool(), &Some(false))?;
        return same("too many pieces", &(datagrams.len() > MAX_FRAGMENTS), &true);
    };
    same("receivable", &case["receivable"].as_bool(), &Some(true))?;
    same("pieces", &ours.total(), &datagrams.len())?;
    let total = ours.total();
    // The recorded headers lack their last byte, the verb, which is encrypted.
    let mut head_bytes = unhex(text(&datagrams[0], "header28"));
    head_bytes.resize(zt_wire::packet::HEADER_LEN, 0);
    let head = Packet::new_checked(head_bytes).map_err(|e| e.to_string())?;
    same("fragmented", &Some(head.is_fragmented()), &datagrams[0]["fragmentedFlag"].as_bool())?;
    let mut end = 0;
    for (i, (range, recorded)) in ours.zip(datagrams).enumerate() {
        same("start", &range.start, &end)?;
        end = range.end;
        let header = if i == 0 { 0 } else { FRAGMENT_HEADER_LEN };
        same("length", &(range.len() + header), &number(recorded, "length")?)?;
        if i > 0 {
            let mut bytes = [0; FRAGMENT_HEADER_LEN];
            write_fragment_header(&mut bytes, head.id(), head.destination(), total as u8, i as u8);
            equal("header", &bytes, &unhex(text(recorded, "header16")))?;
            let fragment = Fragment::new_checked(&bytes[..]).map_err(|e| e.to_string())?;
            same("sane", &fragment.is_sane(), &true)?;
            same("total", &usize::from(fragment.total()), &number(recorded, "total")?)?;
            same("number", &usize::from(fragment.number()), &number(recorded, "number")?)?;
        }
    }
    same("end", &end, &len)
}
