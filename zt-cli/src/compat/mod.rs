//! The three personalities of the original, byte for byte: same arguments, output and exit codes (07).

pub mod cli;
pub mod idtool;
pub mod one;

use crate::COMPATIBLE_VERSION;

/// A personality of the original program (06 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// `zerotier-one`, the daemon.
    One,
    /// `zerotier-cli`, the client.
    Cli,
    /// `zerotier-idtool`, the identity tool.
    Idtool,
}

impl Personality {
    /// The personality which a program name asks for.
    ///
    /// Deliberate: only the base name counts; the original searches the whole path (06 §1.1).
    pub fn of_program(argv0: &str) -> Option<Self> {
        let name = argv0.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        [("zerotier-idtool", Self::Idtool), ("zerotier-cli", Self::Cli), ("zerotier-one", Self::One)]
            .into_iter()
            .find_map(|(word, personality)| name.contains(word).then_some(personality))
    }

    /// The personality asked for by the first word after `zt`.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "one" => Some(Self::One),
            "cli" => Some(Self::Cli),
            "idtool" => Some(Self::Idtool),
            _ => None,
        }
    }

    /// The word after `zt` which selects this personality.
    pub fn word(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Cli => "cli",
            Self::Idtool => "idtool",
        }
    }

    /// The name under which the original runs, used as argument 0 for `zt one` and its like.
    pub fn program(self) -> &'static str {
        match self {
            Self::One => "zerotier-one",
            Self::Cli => "zerotier-cli",
            Self::Idtool => "zerotier-idtool",
        }
    }
}

/// The two notice lines under the version; free in the documents (07 §1), so they are our own.
const NOTICES: &str =
    "zt, an independent implementation that speaks the same protocol\nLicensed under MIT OR Apache-2.0\n";

/// First lines of every help text: `suffix` follows the version.
fn banner(suffix: &str) -> String {
    format!("ZeroTier One version {COMPATIBLE_VERSION}{suffix}\n{NOTICES}")
}

/// The decimal number at the start of a text, as C's `strtol` reads it; 0 if there is none.
fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number = if end == 0 { 0 } else { digits[..end].parse().unwrap_or(i64::MAX) };
    if negative { -number } else { number }
}

/// The hexadecimal number at the start of a text, as the original reads IDs; 0 if there is none.
fn leading_hex(text: &str) -> u64 {
    let text = text.trim_start();
    let text = text.strip_prefix("0x").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    if end == 0 { 0 } else { u64::from_str_radix(&text[..end], 16).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_name_decides() {
        assert_eq!(Personality::of_program("/usr/sbin/zerotier-one"), Some(Personality::One));
        assert_eq!(Personality::of_program("/opt/zerotier-cli-stuff/zt"), None);
        assert_eq!(Personality::of_program("ZEROTIER-IDTOOL"), Some(Personality::Idtool));
        assert_eq!(Personality::of_program("target/release/zt"), None);
    }

    #[test]
    fn numbers_are_read_like_in_c() {
        assert_eq!(leading_number("9993x"), 9993);
        assert_eq!(leading_number("-5"), -5);
        assert_eq!(leading_number(""), 0);
        assert_eq!(leading_hex("deadbeefzz"), 0xdead_beef);
        assert_eq!(leading_hex("zz"), 0);
    }
}
