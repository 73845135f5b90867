//! Payloads of Ethernet frames.

use zt_wire::raw_ethernet::{HEADER_LEN, addressee, datagram, header};

/// Payloads of frames: what is read lies inside, and written again gives the same bytes.
///
/// # Panics
/// When it does not.
pub fn raw_ethernet(data: &[u8]) {
    let mut payload = data.to_vec();
    let Ok(inside) = datagram(&mut payload) else { return };
    assert!(!inside.is_empty());
    let len = u16::try_from(inside.len()).expect("a length of two bytes");
    let written = [&header(len)[..], inside].concat();
    assert!(data.starts_with(&written));
    assert_eq!(addressee(inside), addressee(&data[HEADER_LEN..written.len()]));
    for shorter in [1, inside.len()] {
        let end = HEADER_LEN + inside.len() - shorter;
        assert!(datagram(&mut data[..end].to_vec()).is_err(), "cut");
    }
}
