//! How values of the API are read: coerced to the type of their field, never rejected (05 §1.2).
//!
//! Numbers are first made unsigned 64-bit integers: a fraction is cut off and a negative number wraps, so that
//! `-1` is 18446744073709551615 and counts as true. `None` means "not convertible": the caller puts the field's
//! default there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Number, Value};

/// Elements of an array beyond this number are dropped (05 §1.2).
pub(crate) const MAX_ARRAY: usize = 16_384;

/// The unsigned form of a JSON number.
pub(crate) fn number(n: &Number) -> u64 {
    if let Some(u) = n.as_u64() {
        return u;
    }
    if let Some(i) = n.as_i64() {
        return i as u64;
    }
    let f = n.as_f64().unwrap_or(0.0).trunc();
    if f < 0.0 { (f as i64) as u64 } else { f as u64 }
}

/// An integer field: numbers, decimal text (leading digits, none: 0) and booleans.
pub(crate) fn unsigned(v: &Value) -> Option<u64> {
    match v {
        Value::Number(n) => Some(number(n)),
        Value::Bool(b) => Some(u64::from(*b)),
        Value::String(s) => Some(leading_decimal(s)),
        _ => None,
    }
}

/// A signed integer field of a stored record (times, versions): like [`unsigned`], negative numbers kept.
pub(crate) fn signed(v: &Value) -> Option<i64> {
    match v {
        Value::Number(n) => n.as_i64().or_else(|| Some(number(n) as i64)),
        other => unsigned(other).map(|u| u as i64),
    }
}

/// A boolean field: booleans, numbers greater than 0, text that begins with `t`, `T` or `1`.
pub(crate) fn boolean(v: &Value) -> Option<bool> {
    match v {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => Some(number(n) > 0),
        Value::String(s) => Some(matches!(s.as_bytes().first(), Some(b't' | b'T' | b'1'))),
        _ => None,
    }
}

/// A text field: text, numbers (printed) and booleans (`1` or `0`).
pub(crate) fn text(v: &Value) -> Option<String> {
    match v {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(number(n).to_string()),
        Value::Bool(b) => Some(if *b { "1" } else { "0" }.to_owned()),
        _ => None,
    }
}

/// An integer field whose text form is hexadecimal (masks, ZeroTier addresses inside rules).
pub(crate) fn hex_or_number(v: &Value) -> Option<u64> {
    match v {
        Value::String(s) => Some(leading_hex(s)),
        other => unsigned(other),
    }
}

/// The hexadecimal value of the leading digits; saturates, no digit is 0.
pub(crate) fn leading_hex(s: &str) -> u64 {
    s.bytes()
        .map_while(|b| (b as char).to_digit(16))
        .fold(0u64, |n, d| n.checked_mul(16).map_or(u64::MAX, |n| n | u64::from(d)))
}

fn leading_decimal(s: &str) -> u64 {
    s.bytes()
        .map_while(|b| (b as char).to_digit(10))
        .fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d)))
}

/// An IP text of the API: `ip` or `ip/number`; a missing or unreadable number is 0.
///
/// Quirk (05 §1.2): text with a `:` or a `.` that does not parse reads as `::` or `0.0.0.0`; only text with neither
/// is not an address.
pub(crate) fn ip(s: &str) -> Option<(IpAddr, u16)> {
    let (host, bits) = match s.split_once('/') {
        Some((host, bits)) => (host, u16::try_from(leading_decimal(bits)).unwrap_or(u16::MAX)),
        None => (s, 0),
    };
    let address = if host.contains(':') {
        IpAddr::V6(host.parse().unwrap_or(Ipv6Addr::UNSPECIFIED))
    } else if host.contains('.') {
        IpAddr::V4(host.parse().unwrap_or(Ipv4Addr::UNSPECIFIED))
    } else {
        return None;
    };
    Some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_lose_their_fraction_and_wrap() {
        assert_eq!(boolean(&json!(0.5)), Some(false));
        assert_eq!(text(&json!(1.5)).as_deref(), Some("1"));
        assert_eq!(unsigned(&json!(-1)), Some(u64::MAX));
        assert_eq!(boolean(&json!(-1)), Some(true));
        assert_eq!(unsigned(&json!(-1.5)), Some(u64::MAX));
        assert_eq!(unsigned(&json!(1e300)), Some(u64::MAX));
    }

    #[test]
    fn text_gives_its_leading_digits() {
        assert_eq!(unsigned(&json!("12ab")), Some(12));
        assert_eq!(unsigned(&json!("ab")), Some(0));
        assert_eq!(unsigned(&json!("99999999999999999999999")), Some(u64::MAX));
        assert_eq!(leading_hex("0123456789"), 0x01_2345_6789);
        assert_eq!(leading_hex("fffffffffffffffff"), u64::MAX);
        assert_eq!(leading_hex("xyz"), 0);
    }

    #[test]
    fn booleans_read_from_text_by_first_letter() {
        for (v, want) in [("true", true), ("T", true), ("1", true), ("yes", false), ("", false)] {
            assert_eq!(boolean(&json!(v)), Some(want), "{v}");
        }
    }

    #[test]
    fn others_are_not_convertible() {
        for v in [json!(null), json!([]), json!({})] {
            assert_eq!(unsigned(&v), None);
            assert_eq!(boolean(&v), None);
            assert_eq!(text(&v), None);
        }
    }

    #[test]
    fn ip_texts_with_their_quirk() {
        assert_eq!(ip("10.4.0.0/33"), Some(("10.4.0.0".parse().unwrap(), 33)));
        assert_eq!(ip("fd00::1"), Some(("fd00::1".parse().unwrap(), 0)));
        assert_eq!(ip("x.y/8"), Some((Ipv4Addr::UNSPECIFIED.into(), 8)));
        assert_eq!(ip("g::"), Some((Ipv6Addr::UNSPECIFIED.into(), 0)));
        assert_eq!(ip("10.0.0.0/x"), Some(("10.0.0.0".parse().unwrap(), 0)));
        assert_eq!(ip("bogus"), None);
    }
}
