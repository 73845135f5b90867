//! Numbers as JavaScript's `parseInt` and `parseFloat` read them (04 §6A.2).

/// What was read at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Read<T> {
    /// The number; `None` if the text does not begin with one.
    pub(super) number: Option<T>,
    /// Something follows that was ignored.
    pub(super) garbage: bool,
}

/// Reads a decimal number, or a hexadecimal one behind `0x`. What is too large saturates.
pub(super) fn integer(text: &str) -> Read<i64> {
    let (negative, unsigned) = sign(text);
    let (radix, digits) = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, unsigned),
    };
    let len = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let magnitude = digits[..len]
        .chars()
        .filter_map(|c| c.to_digit(radix))
        .fold(0i64, |n, digit| n.saturating_mul(i64::from(radix)).saturating_add(i64::from(digit)));
    let number = (len > 0).then_some(if negative { -magnitude } else { magnitude });
    Read { number, garbage: len < digits.len() }
}

/// Reads a decimal number with an optional fraction and exponent.
pub(super) fn float(text: &str) -> Read<f64> {
    let (_, unsigned) = sign(text);
    let prefix = text.len() - unsigned.len();
    if let Some(rest) = unsigned.strip_prefix("Infinity") {
        let number = if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
        return Read { number: Some(number), garbage: !rest.is_empty() };
    }
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut len = whole;
    let mut fraction = 0;
    if let Some(rest) = unsigned[len..].strip_prefix('.') {
        fraction = digits(rest);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return Read { number: None, garbage: !unsigned.is_empty() };
    }
    if let Some(rest) = unsigned[len..].strip_prefix(['e', 'E']) {
        let (_, exponent) = sign(rest);
        let figures = digits(exponent);
        if figures > 0 {
            len += 1 + (rest.len() - exponent.len()) + figures;
        }
    }
    let number = text[..prefix + len].parse().ok();
    Read { number, garbage: len < unsigned.len() }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_parse_int_reads_them() {
        for (text, number, garbage) in [
            ("12", Some(12), false),
            ("12ab", Some(12), true),
            ("-5", Some(-5), false),
            ("+5", Some(5), false),
            ("0x1F", Some(31), false),
            ("0X1g", Some(1), true),
            ("-0x10", Some(-16), false),
            ("0x", None, false),
            ("x", None, true),
            ("", None, false),
            ("1.9", Some(1), true),
            ("010", Some(10), false),
            ("99999999999999999999", Some(i64::MAX), false),
        ] {
            assert_eq!(integer(text), Read { number, garbage }, "{text}");
        }
    }

    #[test]
    fn fractions_are_read_as_parse_float_reads_them() {
        for (text, number, garbage) in [
            ("0.5", Some(0.5), false),
            (".5x", Some(0.5), true),
            ("5.", Some(5.0), false),
            ("-1", Some(-1.0), false),
            ("1e-2", Some(0.01), false),
            ("1e", Some(1.0), true),
            ("Infinity", Some(f64::INFINITY), false),
            (".", None, true),
            ("x", None, true),
            ("é", None, true),
        ] {
            assert_eq!(float(text), Read { number, garbage }, "{text}");
        }
    }
}
