//! The owner's say about paths, and addresses it knows (08 §A.4 `ZT_PathCheckFunction`, `ZT_PathLookupFunction`).

use zt_wire::{Address, Now};

use crate::link::{Endpoint, Path};
use crate::transmit::Transmits;
use crate::vl1::Vl1;

impl Vl1 {
    /// The answer to a [`Vl1Event::PathQuestion`](crate::Vl1Event::PathQuestion); valid for a minute, and given again
    /// at any time. Allowed: the address gets a HELLO at once. Refused: the path is no longer used.
    pub fn answer_path(&mut self, now: Now, peer: Address, path: Path, allowed: bool, out: &mut Transmits) {
        let _ = (now, peer, path, allowed, out);
    }

    /// Tries an address for a peer by a HELLO, as far as the path policy lets it: the answer to
    /// [`Vl1Event::AddressWanted`](crate::Vl1Event::AddressWanted), or a hint at any other time.
    pub fn try_address(&mut self, now: Now, peer: Address, remote: Endpoint, out: &mut Transmits) {
        let _ = (now, peer, remote, out);
    }
}
