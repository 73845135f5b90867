//! C-style hexadecimal numbers, as the reference reads them (01 §10.7).

use crate::ident::hex_digit;

/// Sign and magnitude; `None` as magnitude when it does not fit 64 bits.
fn scan(text: &[u8]) -> (bool, Option<u64>) {
    let text = &text[..text.len().min(127)];
    let text = text.split(|c| *c == 0).next().unwrap_or_default();
    let start = text.iter().position(|c| !matches!(c, b' ' | 9..=13)).unwrap_or(text.len());
    let mut text = &text[start..];
    let mut negative = false;
    if let [sign @ (b'-' | b'+'), tail @ ..] = text {
        negative = *sign == b'-';
        text = tail;
    }
    if let [b'0', b'x' | b'X', tail @ ..] = text
        && tail.first().is_some_and(u8::is_ascii_hexdigit)
    {
        text = tail;
    }
    let mut value = 0u64;
    for digit in text.iter().map_while(|c| hex_digit(*c)) {
        if value >> 60 != 0 {
            return (negative, None);
        }
        value = value << 4 | u64::from(digit);
    }
    (negative, Some(value))
}

/// Unsigned: saturates at 2⁶⁴−1, `-` negates modulo 2⁶⁴, no digit is 0.
pub(crate) fn c_hex_u64(text: &[u8]) -> u64 {
    match scan(text) {
        (_, None) => u64::MAX,
        (true, Some(v)) => v.wrapping_neg(),
        (false, Some(v)) => v,
    }
}

/// Signed: saturates at both ends. Quirk (01 §10.7): values from 2⁶³ on do not wrap.
pub(crate) fn c_hex_i64(text: &[u8]) -> i64 {
    match scan(text) {
        (false, v) => v.and_then(|v| i64::try_from(v).ok()).unwrap_or(i64::MAX),
        (true, v) => v.and_then(|v| 0i64.checked_sub_unsigned(v)).unwrap_or(i64::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, unsigned, signed) in [
            ("", 0, 0),
            (" \t-0xfg", 15u64.wrapping_neg(), -15),
            ("0x", 0, 0),
            ("+00000000000000000000ff", 255, 255),
            ("ffffffffffffffff", u64::MAX, i64::MAX),
            ("10000000000000000", u64::MAX, i64::MAX),
            ("-8000000000000000", 1 << 63, i64::MIN),
            ("-8000000000000001", (1 << 63) - 1, i64::MIN),
            ("1\u{0}2", 1, 1),
        ] {
            assert_eq!(c_hex_u64(text.as_bytes()), unsigned, "{text:?}");
            assert_eq!(c_hex_i64(text.as_bytes()), signed, "{text:?}");
        }
    }
}
