//! Records of a stream that look like TLS 1.2 application data, without TLS (03 §16.1).
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 3 | `17 03 03` |
//! | 3 | 2 | length n of the body |
//! | 5 | n | body |

use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

/// Bytes before the body.
pub const HEADER_LEN: usize = 5;
/// The first bytes of each record.
pub const MARK: [u8; 3] = [0x17, 0x03, 0x03];
/// Room that is kept from one partial record to the next.
const KEPT: usize = 2048;

/// The header of a record with a body of this length.
pub const fn header(body: u16) -> [u8; HEADER_LEN] {
    let [high, low] = body.to_be_bytes();
    [MARK[0], MARK[1], MARK[2], high, low]
}

/// What a stream brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The body of a record, which may be changed in place.
    Body(&'a mut [u8]),
    /// A record with a body of this length, which is more than is taken: its bytes are not kept.
    TooLong(u16),
}

/// The stream holds no records: nothing that follows can be read.
///
/// Deliberate: neither side of the reference looks at the mark; every known implementation writes it, and what speaks
/// another protocol is noticed by it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARecord;

impl fmt::Display for NotARecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record does not begin with 17 03 03")
    }
}

impl core::error::Error for NotARecord {}

/// Cuts a stream into records, however it is segmented. It keeps no more than one partial record of the longest length
/// that is taken, and of that only bytes that have arrived.
///
/// ```
/// use core::ops::ControlFlow;
/// use zt_wire::record::{Record, RecordReader};
/// let mut stream = [0x17, 3, 3, 0, 2, 7, 8, 0x17, 3, 3, 0, 5, 1, 2];
/// let mut reader = RecordReader::new(100);
/// let mut bodies = 0;
/// reader.take(&mut stream, &mut |record| {
///     assert_eq!(record, Record::Body(&mut [7, 8]));
///     bodies += 1;
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!((bodies, reader.buffered()), (1, 2));
/// # Ok::<(), zt_wire::record::NotARecord>(())
/// ```
#[derive(Debug)]
pub struct RecordReader {
    longest: u16,
    /// The begin of a header: so many bytes of it have come.
    header: ([u8; HEADER_LEN], usize),
    /// Length of the body that is awaited after a whole header.
    awaited: Option<usize>,
    /// The begin of that body.
    partial: Vec<u8>,
    /// Bytes of a too long body that are still to come.
    skipped: usize,
}

impl RecordReader {
    /// A reader that takes bodies up to this length.
    pub const fn new(longest: u16) -> Self {
        Self { longest, header: ([0; HEADER_LEN], 0), awaited: None, partial: Vec::new(), skipped: 0 }
    }

    /// Bytes of a body that wait for the rest of it.
    pub fn buffered(&self) -> usize {
        self.partial.len()
    }

    /// True in the middle of a record.
    pub const fn is_inside(&self) -> bool {
        self.header.1 > 0 || self.awaited.is_some() || self.skipped > 0
    }

    /// Takes the next bytes of the stream and hands each record to `each`. A body that is whole in `bytes` is not copied.
    /// When `each` breaks, the rest is not looked at.
    ///
    /// # Errors
    /// This is no stream of records: it is of no use any more.
    pub fn take(
        &mut self,
        bytes: &mut [u8],
        each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), NotARecord> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (used, flow) = if self.skipped > 0 {
                let used = rest.len().min(self.skipped);
                self.skipped -= used;
                (used, ControlFlow::Continue(()))
            } else if let Some(length) = self.awaited {
                self.take_body(length, rest, each)
            } else {
                self.take_header(rest, each)?
            };
            if flow.is_break() {
                return Ok(());
            }
            rest = &mut rest[used..];
        }
        Ok(())
    }

    fn take_header(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(usize, ControlFlow<()>), NotARecord> {
        let (header, have) = &mut self.header;
        let used = bytes.len().min(HEADER_LEN - *have);
        header[*have..*have + used].copy_from_slice(&bytes[..used]);
        *have += used;
        if header[..*have].iter().zip(MARK).any(|(byte, mark)| *byte != mark) {
            return Err(NotARecord);
        }
        if *have < HEADER_LEN {
            return Ok((used, ControlFlow::Continue(())));
        }
        *have = 0;
        let length = u16::from_be_bytes([header[3], header[4]]);
        let flow = match length {
            0 => each(Record::Body(&mut [])),
            _ if length > self.longest => {
                self.skipped = length.into();
                each(Record::TooLong(length))
            }
            _ => {
                self.awaited = Some(length.into());
                ControlFlow::Continue(())
            }
        };
        Ok((used, flow))
    }

    fn take_body(
        &mut self,
        length: usize,
        bytes: &mut [u8],
        each: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> (usize, ControlFlow<()>) {
        if self.partial.is_empty() && bytes.len() >= length {
            self.awaited = None;
            return (length, each(Record::Body(&mut bytes[..length])));
        }
        let used = bytes.len().min(length - self.partial.len());
        self.partial.extend_from_slice(&bytes[..used]);
        if self.partial.len() < length {
            return (used, ControlFlow::Continue(()));
        }
        self.awaited = None;
        let flow = each(Record::Body(&mut self.partial));
        self.partial.clear();
        self.partial.shrink_to(KEPT);
        (used, flow)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// What comes of a stream that arrives in pieces of this size.
    fn read(stream: &[u8], piece: usize, longest: u16) -> Result<Vec<Result<Vec<u8>, u16>>, NotARecord> {
        let mut reader = RecordReader::new(longest);
        let mut records = Vec::new();
        for piece in stream.chunks(piece) {
            reader.take(&mut piece.to_vec(), &mut |record| {
                records.push(match record {
                    Record::Body(body) => Ok(body.to_vec()),
                    Record::TooLong(length) => Err(length),
                });
                ControlFlow::Continue(())
            })?;
            assert!(reader.buffered() < usize::from(longest).max(1));
        }
        assert!(!reader.is_inside());
        Ok(records)
    }

    fn stream(bodies: &[usize]) -> Vec<u8> {
        let record = |length: &usize| {
            let body = (0..*length).map(|at| at as u8);
            header(*length as u16).into_iter().chain(body).collect::<Vec<u8>>()
        };
        bodies.iter().flat_map(record).collect()
    }

    #[test]
    fn records_are_the_same_however_the_stream_is_cut() {
        let lengths = [0, 4, 1, 0, 1500, 65_535, 9, 300, 0];
        let stream = stream(&lengths);
        let whole = read(&stream, stream.len(), 65_535).unwrap();
        assert_eq!(whole.iter().map(|body| body.as_ref().unwrap().len()).collect::<Vec<_>>(), lengths);
        for piece in [1, 2, 4, 5, 6, 7, 1024, 65_536] {
            assert_eq!(read(&stream, piece, 65_535).unwrap(), whole, "{piece}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_and_passed_over_without_keeping_it() {
        let stream = stream(&[65_535, 3, 1501, 1500]);
        for piece in [1, 5, 1000, 70_000] {
            let records = read(&stream, piece, 1500).unwrap();
            assert_eq!(records[0], Err(65_535), "{piece}");
            assert_eq!(records[1], Ok(vec![0, 1, 2]), "{piece}");
            assert_eq!(records[2], Err(1501), "{piece}");
            assert_eq!(records[3].as_ref().unwrap().len(), 1500, "{piece}");
        }
    }

    #[test]
    fn another_protocol_is_noticed_by_its_first_byte() {
        let mut reader = RecordReader::new(100);
        let mut each = |_: Record<'_>| ControlFlow::Continue(());
        assert_eq!(reader.take(&mut b"GET / HTTP/1.1".to_vec(), &mut each), Err(NotARecord));
        let mut reader = RecordReader::new(100);
        // The begin of a TLS handshake.
        assert_eq!(reader.take(&mut [0x16, 3, 1], &mut each), Err(NotARecord));
        let mut reader = RecordReader::new(100);
        assert_eq!(reader.take(&mut [0x17, 3], &mut each), Ok(()));
        assert_eq!(reader.take(&mut [4], &mut each), Err(NotARecord));
    }

    #[test]
    fn a_long_record_leaves_no_memory_behind() {
        let mut reader = RecordReader::new(u16::MAX);
        let mut stream = stream(&[60_000]);
        let (begin, end) = stream.split_at_mut(59_000);
        reader.take(begin, &mut |_| unreachable!("not whole")).unwrap();
        assert_eq!((reader.buffered(), reader.is_inside()), (59_000 - HEADER_LEN, true));
        reader.take(end, &mut |_| ControlFlow::Break(())).unwrap();
        assert!(reader.partial.capacity() <= KEPT && !reader.is_inside());
    }
}
