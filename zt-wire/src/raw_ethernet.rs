//! Datagrams in Ethernet frames of their own, without IP. Ours alone: no other implementation of the protocol has it.
//!
//! | Bytes of the payload | What they are |
//! |---|---|
//! | 0 | 0x5a, as others use the EtherType as well |
//! | 1 | version, 1 |
//! | 2–3 | length of the datagram, big endian |
//! | 4– | the datagram |
//! | then | anything: short frames are filled up on their way, to 46 bytes and more |
//!
//! The EtherType is one of the two that IEEE 802 leaves to local experiments; whoever else uses it on the same cable is
//! told apart by the first two bytes.

use core::fmt;

use crate::Address;
use crate::packet::{FRAGMENT_HEADER_LEN, OFFSET_DESTINATION};

/// EtherType of the frames.
pub const ETHERTYPE: u16 = 0x88b5;
/// Bytes before the datagram.
pub const HEADER_LEN: usize = 4;

const MARK: u8 = 0x5a;
const VERSION: u8 = 1;

/// A payload that holds no datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BadFrame {
    /// Shorter than its header.
    Short,
    /// Of another protocol with this EtherType.
    Foreign,
    /// Of another version of this one.
    Version(u8),
    /// It says that it holds nothing.
    Empty,
    /// It says that it holds more than it does.
    Cut,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("shorter than its header"),
            Self::Foreign => f.write_str("of another protocol"),
            Self::Version(number) => write!(f, "version {number} is not known here"),
            Self::Empty => f.write_str("it holds nothing"),
            Self::Cut => f.write_str("it says that it holds more than it does"),
        }
    }
}

impl core::error::Error for BadFrame {}

/// The header before a datagram of `len` bytes.
#[must_use]
pub const fn header(len: u16) -> [u8; HEADER_LEN] {
    let [high, low] = len.to_be_bytes();
    [MARK, VERSION, high, low]
}

/// The datagram in the payload of a frame.
///
/// # Errors
/// There is none.
pub fn datagram(payload: &mut [u8]) -> Result<&mut [u8], BadFrame> {
    let (header, rest) = payload.split_first_chunk_mut::<HEADER_LEN>().ok_or(BadFrame::Short)?;
    match *header {
        [MARK, VERSION, 0, 0] => Err(BadFrame::Empty),
        [MARK, VERSION, high, low] => rest.get_mut(..usize::from(u16::from_be_bytes([high, low]))).ok_or(BadFrame::Cut),
        [MARK, other, ..] => Err(BadFrame::Version(other)),
        _ => Err(BadFrame::Foreign),
    }
}

/// The node that a datagram is for, by its header alone: what was sent to all stations is for nobody else. `None` for what
/// is no packet and no fragment.
#[must_use]
pub fn addressee(datagram: &[u8]) -> Option<Address> {
    // Heads and fragments have it at the same place (02 §2).
    let bytes = datagram.get(..FRAGMENT_HEADER_LEN)?.get(OFFSET_DESTINATION..)?.first_chunk()?;
    Some(Address::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn frame(datagram: &[u8], padding: usize) -> Vec<u8> {
        let len = u16::try_from(datagram.len()).expect("of the test");
        [&header(len)[..], datagram, &vec![0xee; padding]].concat()
    }

    #[test]
    fn a_datagram_comes_back_without_what_the_cable_added() {
        for padding in [0, 1, 46] {
            for len in [1, 28, 1496, 8996] {
                let datagram: Vec<u8> = (0..=255).cycle().take(len).collect();
                assert_eq!(super::datagram(&mut frame(&datagram, padding)), Ok(datagram.clone().as_mut_slice()));
            }
        }
    }

    #[test]
    fn frames_of_others_and_damaged_ones_have_names() {
        let bad = |bytes: &[u8]| datagram(&mut bytes.to_vec()).expect_err("bad");
        assert_eq!(bad(&[]), BadFrame::Short);
        assert_eq!(bad(&[MARK, VERSION, 0]), BadFrame::Short);
        assert_eq!(bad(&[0; 46]), BadFrame::Foreign);
        assert_eq!(bad(&[MARK, 2, 0, 1, 9]), BadFrame::Version(2));
        assert_eq!(bad(&[MARK, VERSION, 0, 0, 9]), BadFrame::Empty);
        assert_eq!(bad(&[MARK, VERSION, 0, 5, 1, 2, 3, 4]), BadFrame::Cut);
        assert_eq!(bad(&[MARK, VERSION, 0xff, 0xff]), BadFrame::Cut);
    }

    #[test]
    fn a_datagram_names_its_node_or_nobody() {
        let mut datagram = vec![0; FRAGMENT_HEADER_LEN];
        datagram[OFFSET_DESTINATION..OFFSET_DESTINATION + 5].copy_from_slice(&[1, 2, 3, 4, 5]);
        assert_eq!(addressee(&datagram), Some(Address::new(0x01_0203_0405)));
        assert_eq!(addressee(&datagram[..FRAGMENT_HEADER_LEN - 1]), None);
    }
}
