//! `dictionary.json`: the flat text map (01 §10.7).

use serde_json::Value;
use zt_wire::{BufferFull, Dictionary, DictionaryWriter};

use crate::{Case, Suite, equal, list, same, text, unhex};

/// This file and how to execute it.
pub(crate) const SUITE: Suite =
    Suite { file: "dictionary.json", expected: 72, cases, alter: |file| file["typed"][0]["u64"] = "1".into() };

fn cases(file: &Value) -> Vec<Case> {
    let mut cases = list(file, "write", write);
    cases.extend(list(file, "capacity", capacity));
    cases.extend(list(file, "read", read));
    cases.extend(list(file, "typed", typed));
    cases
}

/// Numbers are recorded as text.
fn number<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

fn add(d: &mut DictionaryWriter, entry: &Value) -> Result<(), BufferFull> {
    let key = text(entry, "key");
    if let Some(v) = number::<u64>(&entry["u64"]) {
        return d.put_u64(key, v);
    }
    if let Some(v) = number::<i64>(&entry["i64"]) {
        return d.put_i64(key, v);
    }
    if let Some(v) = entry["bool"].as_bool() {
        return d.put_bool(key, v);
    }
    if let Some(v) = entry["address"].as_str() {
        return d.put_address(key, v.parse().expect("address of a vector"));
    }
    d.put(key, unhex(text(entry, "bytes_hex")))
}

fn write(case: &Value) -> Result<(), String> {
    let mut d = DictionaryWriter::new();
    for entry in case["adds"].as_array().ok_or("no adds")? {
        add(&mut d, entry).map_err(|e| e.to_string())?;
    }
    equal("text", d.as_bytes(), &unhex(text(case, "text_hex")))?;
    let back = Dictionary::new(d.as_bytes());
    for entry in case["adds"].as_array().ok_or("no adds")? {
        if let Some(value) = entry["bytes_hex"].as_str().filter(|_| case["read_x"].is_null()) {
            equal("read back", &back.get(text(entry, "key")).ok_or("not found")?, &unhex(value))?;
        }
    }
    match case["read_x"].as_str() {
        Some(x) => equal("first wins", &back.get("x").ok_or("not found")?, &unhex(x)),
        None => Ok(()),
    }
}

/// The recorded cases give sizes, not inputs: the lines are taken from the results and descriptions.
fn capacity(case: &Value) -> Result<(), String> {
    let description = text(case, "description");
    let adds: &[(&str, &str)] = match description {
        d if d.contains("'key1=12345' fits") => &[("key1", "12345"), ("k", "123456"), ("k", "12")],
        d if d.contains("exactly 15") => &[("key1", "1234567890")],
        d if d.contains("16 characters do not fit") => &[("key1", "12345678901")],
        // Loading: our reader borrows, so it neither cuts nor fails; what is cut here is what it would read.
        _ => {
            let loaded = "abc=0123456789ABCDEF";
            let cut = &loaded[..15];
            same("text", &cut.to_owned(), &case["texts"][0].as_str().unwrap_or_default().to_owned())?;
            return equal("value", &Dictionary::new(cut.as_bytes()).get("abc").ok_or("not found")?, b"0123456789A");
        }
    };
    let mut d = DictionaryWriter::with_capacity_limit(16);
    for (i, (key, value)) in adds.iter().enumerate() {
        same("result", &Some(d.put(key, value).is_ok()), &case["results"][i].as_bool())?;
        equal("text", d.as_bytes(), case["texts"][i].as_str().ok_or("no text")?.as_bytes())?;
    }
    Ok(())
}

fn read(case: &Value) -> Result<(), String> {
    let bytes = unhex(text(case, "text_hex"));
    let value = Dictionary::new(&bytes).get(text(case, "key"));
    same("found", &Some(value.is_some()), &case["found"].as_bool())?;
    let Some(value) = value else { return Ok(()) };
    // The caller of the reference gives a buffer, whose last byte is the terminator.
    let buffer = case["buffer"].as_u64().ok_or("no buffer")? as usize;
    equal("value", &value[..value.len().min(buffer - 1)], &unhex(text(case, "value_hex")))
}

fn typed(case: &Value) -> Result<(), String> {
    let line = match case["value"].as_str() {
        Some(value) => format!("k={value}"),
        None => "other=1".to_owned(),
    };
    let d = Dictionary::new(line.as_bytes());
    same("u64", &Some(d.u64("k", 77)), &number(&case["u64"]))?;
    same("i64", &Some(d.i64("k", -77)), &number(&case["i64"]))?;
    same("bool", &Some(d.bool("k", true)), &case["bool"].as_bool())
}
