//! Bounded reading and writing, and the two traits every layout implements.

use alloc::vec;
use alloc::vec::Vec;

use crate::{BufferFull, ParseError};

/// Something that can be read from bytes. Values may borrow from the input.
pub trait Parse<'a>: Sized {
    /// Reads one value and advances the reader behind it.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError>;
}

/// Something that can be written as bytes. Object safe.
pub trait Emit {
    /// Exact number of bytes [`Emit::emit`] writes.
    fn encoded_len(&self) -> usize;

    /// Writes the bytes.
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull>;

    /// The bytes as a new vector.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = vec![0; self.encoded_len()];
        let mut w = Writer::new(&mut out);
        self.emit(&mut w).expect("encoded_len is exact");
        debug_assert_eq!(w.written(), out.len(), "encoded_len is exact");
        out
    }
}

/// Reads big-endian fields from a byte slice and never beyond its end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    base: usize,
}

impl<'a> Reader<'a> {
    /// Starts at offset 0 of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, base: 0 }
    }

    /// Starts with another number for the first offset, for errors that name offsets of an outer buffer.
    pub const fn at(data: &'a [u8], base: usize) -> Self {
        Self { data, base }
    }

    /// Offset of the next byte.
    pub const fn position(&self) -> usize {
        self.base
    }

    /// Number of bytes left.
    pub const fn remaining(&self) -> usize {
        self.data.len()
    }

    /// True when nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// An error naming `what` at the present position.
    pub const fn fail(&self, what: &'static str) -> ParseError {
        ParseError { what, at: self.base }
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let all = self.data;
        self.base += all.len();
        self.data = &[];
        all
    }

    /// What is left, without taking it.
    pub const fn peek_rest(&self) -> &'a [u8] {
        self.data
    }

    /// The next byte, without taking it.
    pub fn peek_u8(&self) -> Option<u8> {
        self.data.first().copied()
    }

    /// Takes `n` bytes.
    pub fn bytes(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], ParseError> {
        let (head, tail) = self.data.split_at_checked(n).ok_or_else(|| self.fail(what))?;
        self.data = tail;
        self.base += n;
        Ok(head)
    }

    /// Takes `N` bytes by value.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ParseError> {
        let (head, tail) = self.data.split_first_chunk::<N>().ok_or_else(|| self.fail(what))?;
        self.data = tail;
        self.base += N;
        Ok(*head)
    }

    /// Takes `n` bytes as a reader of their own, which keeps the offsets of this one.
    pub fn sub(&mut self, n: usize, what: &'static str) -> Result<Self, ParseError> {
        let base = self.base;
        Ok(Self { data: self.bytes(n, what)?, base })
    }

    /// Reads one byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, ParseError> {
        self.array::<1>(what).map(|b| b[0])
    }

    /// Reads a big-endian u16.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, ParseError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Reads a big-endian u32.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, ParseError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Reads a big-endian u64.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, ParseError> {
        self.array(what).map(u64::from_be_bytes)
    }
}

/// Writes big-endian fields into a byte slice and never beyond its end.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Starts at offset 0 of `out`.
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Number of bytes written.
    pub const fn written(&self) -> usize {
        self.at
    }

    /// Number of bytes that still fit.
    pub const fn room(&self) -> usize {
        self.out.len() - self.at
    }

    /// Writes bytes as they are.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let end = self.at.checked_add(bytes.len()).ok_or(BufferFull)?;
        self.out.get_mut(self.at..end).ok_or(BufferFull)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Writes one byte.
    pub fn put_u8(&mut self, v: u8) -> Result<(), BufferFull> {
        self.put_bytes(&[v])
    }

    /// Writes a big-endian u16.
    pub fn put_u16(&mut self, v: u16) -> Result<(), BufferFull> {
        self.put_bytes(&v.to_be_bytes())
    }

    /// Writes a big-endian u32.
    pub fn put_u32(&mut self, v: u32) -> Result<(), BufferFull> {
        self.put_bytes(&v.to_be_bytes())
    }

    /// Writes a big-endian u64.
    pub fn put_u64(&mut self, v: u64) -> Result<(), BufferFull> {
        self.put_bytes(&v.to_be_bytes())
    }
}

/// Reads elements that stand back to back until the end of `bytes` (blobs of 04 §3.2).
pub fn parse_all<'a, T: Parse<'a>>(bytes: &'a [u8]) -> Result<Vec<T>, ParseError> {
    match parse_until_error(bytes) {
        (all, None) => Ok(all),
        (_, Some(error)) => Err(error),
    }
}

/// As [`parse_all`], but keeps the elements before the first malformed one and tells what was wrong.
pub fn parse_until_error<'a, T: Parse<'a>>(bytes: &'a [u8]) -> (Vec<T>, Option<ParseError>) {
    let mut r = Reader::new(bytes);
    let mut all = Vec::new();
    while !r.is_empty() {
        match T::parse(&mut r) {
            Ok(one) => all.push(one),
            Err(error) => return (all, Some(error)),
        }
    }
    (all, None)
}

/// Concatenates the encodings of all elements.
pub fn emit_all<'t, T: Emit + 't>(elements: impl IntoIterator<Item = &'t T>) -> Vec<u8> {
    let mut out = Vec::new();
    for one in elements {
        out.extend_from_slice(&one.to_vec());
    }
    out
}

/// Sum of the encoded lengths.
pub(crate) fn len_all<T: Emit>(elements: &[T]) -> usize {
    elements.iter().map(Emit::encoded_len).sum()
}
