//! Compression of payloads: LZ4 blocks within the bounds of 02 §4.

use alloc::vec::Vec;

use crate::ParseError;
use crate::packet::{COMPRESSION_THRESHOLD, MAX_PAYLOAD_LEN};

/// Compresses a payload into `scratch` and returns the block if compression is allowed (more than 64 bytes) and
/// the block is strictly smaller.
pub fn compress<'s>(payload: &[u8], scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
    if payload.len() <= COMPRESSION_THRESHOLD {
        return None;
    }
    scratch.resize(lz4_flex::block::get_maximum_output_size(payload.len()), 0);
    let n = lz4_flex::block::compress_into(payload, scratch).ok()?;
    if n < payload.len() { scratch.get(..n) } else { None }
}

/// Decompresses a block into `out`, which is replaced; never more than `limit` bytes.
pub fn decompress(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), ParseError> {
    let error = ParseError { what: "compressed payload", at: 0 };
    out.resize(limit, 0);
    match lz4_flex::block::decompress_into(block, out) {
        Ok(n) => {
            out.truncate(n);
            Ok(())
        }
        Err(_) => {
            out.clear();
            Err(error)
        }
    }
}

/// Decompresses the payload of a packet: 1 to 9996 bytes must come out (02 §4). An empty payload stays empty.
pub fn decompress_payload(block: &[u8], out: &mut Vec<u8>) -> Result<(), ParseError> {
    out.clear();
    if block.is_empty() {
        return Ok(());
    }
    decompress(block, out, MAX_PAYLOAD_LEN)?;
    if out.is_empty() {
        return Err(ParseError { what: "compressed payload", at: 0 });
    }
    Ok(())
}
