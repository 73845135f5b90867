//! QOS_MEASUREMENT (02 §6.19).

use alloc::vec::Vec;

use crate::{BufferFull, Emit, PacketId, Parse, ParseError, Reader, Writer};

/// QOS_MEASUREMENT: when packets arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QosMeasurement<'a> {
    /// Records, 1–140.
    pub records: Vec<QosRecord>,
    /// A partial record at the end, to be ignored.
    pub rest: &'a [u8],
}

/// How long a packet was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QosRecord {
    /// ID of a packet received by the sender of the message, as it stood in that packet.
    pub packet: PacketId,
    /// Milliseconds between its arrival and the sending of the message.
    pub held_ms: u16,
}

impl QosMeasurement<'_> {
    /// Shortest payload.
    pub const MIN_LEN: usize = 9;
    /// Longest payload.
    pub const MAX_LEN: usize = 1400;
    const RECORD_LEN: usize = 10;
}

impl<'a> Parse<'a> for QosMeasurement<'a> {
    /// Quirk (02 §6.19): both fields are little-endian.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        if !(Self::MIN_LEN..=Self::MAX_LEN).contains(&r.remaining()) {
            return Err(r.fail("length of QoS measurement"));
        }
        let n = r.remaining() / Self::RECORD_LEN;
        let mut records = Vec::with_capacity(n);
        for _ in 0..n {
            let packet = PacketId(u64::from_le_bytes(r.array("QoS packet ID")?));
            let held_ms = u16::from_le_bytes(r.array("QoS holding time")?);
            records.push(QosRecord { packet, held_ms });
        }
        Ok(Self { records, rest: r.rest() })
    }
}

impl Emit for QosMeasurement<'_> {
    fn encoded_len(&self) -> usize {
        Self::RECORD_LEN * self.records.len() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        for record in &self.records {
            w.put_bytes(&record.packet.0.to_le_bytes())?;
            w.put_bytes(&record.held_ms.to_le_bytes())?;
        }
        w.put_bytes(self.rest)
    }
}
