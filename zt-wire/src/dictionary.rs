//! The flat text map of configurations, requests, errors and traces (01 §10.7).

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::number::{c_hex_i64, c_hex_u64};
use crate::{Address, BufferFull};

/// Reads a dictionary. Lookups are linear; the first line with a key wins.
///
/// ```
/// let d = zt_wire::Dictionary::new(b"v=7\nn=my\\enet\n");
/// assert_eq!(d.u64("v", 0), 7);
/// assert_eq!(d.get("n").as_deref(), Some(&b"my=net"[..]));
/// assert_eq!(d.get("x"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dictionary<'a> {
    text: &'a [u8],
}

impl<'a> Dictionary<'a> {
    /// Takes a text up to its first NUL.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text: text.split(|c| *c == 0).next().unwrap_or_default() }
    }

    /// The text.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// All lines that have a `=`, as key and unescaped value, in order; repeated keys included.
    pub fn entries(&self) -> impl Iterator<Item = (&'a [u8], Cow<'a, [u8]>)> + use<'a> {
        self.lines().filter_map(|line| {
            let at = line.iter().position(|c| *c == b'=')?;
            Some((&line[..at], unescape(&line[at + 1..])))
        })
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.text.split(|c| matches!(c, b'\n' | b'\r'))
    }

    /// The rest of the first line that starts with the key directly followed by `=`. The key itself may contain `=`.
    fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.lines().find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))
    }

    /// The value with escapes undone; `None` if there is no such key.
    pub fn get(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        self.raw(key).map(unescape)
    }

    /// True if the key is there, even with an empty value.
    pub fn contains(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// The value as text, broken UTF-8 replaced; `None` if there is no such key.
    pub fn text(&self, key: &str) -> Option<alloc::string::String> {
        self.get(key).map(|v| alloc::string::String::from_utf8_lossy(&v).into_owned())
    }

    /// Hexadecimal number; missing or empty gives the default.
    pub fn u64(&self, key: &str, default: u64) -> u64 {
        self.non_empty(key).map_or(default, |v| c_hex_u64(&v))
    }

    /// Signed hexadecimal number; missing or empty gives the default.
    pub fn i64(&self, key: &str, default: i64) -> i64 {
        self.non_empty(key).map_or(default, |v| c_hex_i64(&v))
    }

    /// True iff the first character is `1`, `t` or `T`; missing gives the default, empty is false.
    pub fn bool(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, |v| matches!(v.first(), Some(b'1' | b't' | b'T')))
    }

    /// Hexadecimal number masked to an address; missing or empty gives [`Address::NIL`].
    pub fn address(&self, key: &str) -> Address {
        Address::new(self.u64(key, 0))
    }

    fn non_empty(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        self.get(key).filter(|v| !v.is_empty())
    }
}

impl fmt::Debug for Dictionary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line: `key="escaped value" …`, bytes that are no printable ASCII as `\xhh`.
impl fmt::Display for Dictionary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.entries().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{}=\"{}\"", key.escape_ascii(), value.escape_ascii())?;
        }
        Ok(())
    }
}

fn unescape(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(c) = bytes.next() {
        match c {
            // A lone backslash at the end of the line vanishes.
            b'\\' => out.extend(bytes.next().map(unescaped)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

const fn unescaped(c: u8) -> u8 {
    match c {
        b'r' => b'\r',
        b'n' => b'\n',
        b'0' => 0,
        b'e' => b'=',
        c => c,
    }
}

const fn escaped(c: u8) -> Option<u8> {
    match c {
        0 => Some(b'0'),
        b'\r' => Some(b'r'),
        b'\n' => Some(b'n'),
        b'\\' => Some(b'\\'),
        b'=' => Some(b'e'),
        _ => None,
    }
}

/// Writes a dictionary of limited size.
#[derive(Clone, Debug)]
pub struct DictionaryWriter {
    text: Vec<u8>,
    capacity: usize,
}

impl Default for DictionaryWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl DictionaryWriter {
    /// A writer without limit.
    pub const fn new() -> Self {
        Self::with_capacity_limit(usize::MAX)
    }

    /// A writer whose text, with one terminating byte, must fit `capacity` bytes.
    pub const fn with_capacity_limit(capacity: usize) -> Self {
        Self { text: Vec::new(), capacity }
    }

    /// Adds a string or binary value; if it does not fit nothing is added.
    pub fn put(&mut self, key: &str, value: impl AsRef<[u8]>) -> Result<(), BufferFull> {
        let value = value.as_ref();
        let escapes = value.iter().filter(|c| escaped(**c).is_some()).count();
        let separator = usize::from(!self.text.is_empty());
        let len = self.text.len() + separator + key.len() + 1 + value.len() + escapes;
        if len >= self.capacity {
            return Err(BufferFull);
        }
        if separator == 1 {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(key.as_bytes());
        self.text.push(b'=');
        for c in value {
            match escaped(*c) {
                Some(e) => self.text.extend_from_slice(&[b'\\', e]),
                None => self.text.push(*c),
            }
        }
        Ok(())
    }

    /// Adds a number as 16 hex digits.
    pub fn put_u64(&mut self, key: &str, value: u64) -> Result<(), BufferFull> {
        self.put(key, format!("{value:016x}"))
    }

    /// Adds a signed number. Quirk (01 §10.7): the minus sign is lost.
    pub fn put_i64(&mut self, key: &str, value: i64) -> Result<(), BufferFull> {
        self.put_u64(key, value.unsigned_abs())
    }

    /// Adds `1` or `0`.
    pub fn put_bool(&mut self, key: &str, value: bool) -> Result<(), BufferFull> {
        self.put(key, if value { "1" } else { "0" })
    }

    /// Adds an address as 16 hex digits (01 §10.7).
    pub fn put_address(&mut self, key: &str, value: Address) -> Result<(), BufferFull> {
        self.put_u64(key, value.as_u64())
    }

    /// The text so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text
    }
}
