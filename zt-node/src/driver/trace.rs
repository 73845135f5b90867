//! The log at level trace: a line for every datagram, with what its clear header says.
//!
//! What a sealed packet holds is not known here; the engine logs messages once they are open.

use std::fmt;
use zt_peer::Endpoint;
use zt_wire::{Datagram, Fragment, Packet, classify};

/// Logs each datagram of a train that came or goes. Costs one load while nobody listens.
#[inline]
pub(super) fn datagrams(way: &'static str, local: Endpoint, remote: Endpoint, train: &[u8], segment: usize) {
    if tracing::enabled!(tracing::Level::TRACE) {
        for datagram in train.chunks(segment.max(1)) {
            let header = Header(datagram);
            let (local, remote) = (At(local), At(remote));
            tracing::trace!(%local, %remote, length = datagram.len(), %header, "datagram {way}");
        }
    }
}

/// Prints an end of a link, as sockets are printed.
pub(super) struct At(pub(super) Endpoint);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Endpoint::Ip(at) => at.fmt(f),
            Endpoint::Mac(at) => at.fmt(f),
        }
    }
}

/// Prints the clear header of a datagram.
struct Header<'a>(&'a [u8]);

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match classify(self.0) {
            Datagram::Head => Packet::new_checked(self.0).map_or(Ok(()), |packet| packet.fmt(f)),
            Datagram::Fragment => Fragment::new_checked(self.0).map_or(Ok(()), |piece| piece.fmt(f)),
            Datagram::LanBeacon => f.write_str("LAN beacon"),
            Datagram::Ignored => f.write_str("no packet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_datagram_has_a_line() {
        let mut head = [0; 40];
        head[13] = 1;
        let mut piece = [0; 40];
        piece[13] = 0xff;
        for (bytes, text) in
            [(&head[..], "ZT "), (&piece, "fragment"), (&[0; 13], "LAN beacon"), (&[0; 4], "no packet")]
        {
            let line = Header(bytes).to_string();
            assert!(line.to_lowercase().contains(&text.to_lowercase()), "{line}");
        }
    }
}
