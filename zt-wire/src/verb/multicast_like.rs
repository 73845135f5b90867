//! MULTICAST_LIKE (02 §6.12).

use alloc::vec::Vec;

use crate::{BufferFull, Emit, MulticastGroup, NetworkId, Parse, ParseError, Reader, Writer};

/// A group on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription {
    /// Network.
    pub network: NetworkId,
    /// Group.
    pub group: MulticastGroup,
}

impl Subscription {
    /// Length in bytes.
    pub const LEN: usize = 18;
}

/// MULTICAST_LIKE: the sender subscribes to groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MulticastLike<'a> {
    /// Groups.
    pub subscriptions: Vec<Subscription>,
    /// Trailing bytes. If there are any, the last tuple is cut: apply the complete ones, then reject the packet.
    pub rest: &'a [u8],
}

impl<'a> Parse<'a> for MulticastLike<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let n = r.remaining() / Subscription::LEN;
        let mut subscriptions = Vec::with_capacity(n);
        for _ in 0..n {
            let network = NetworkId::parse(r)?;
            subscriptions.push(Subscription { network, group: MulticastGroup::parse(r)? });
        }
        Ok(Self { subscriptions, rest: r.rest() })
    }
}

impl Emit for MulticastLike<'_> {
    fn encoded_len(&self) -> usize {
        Subscription::LEN * self.subscriptions.len() + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        for s in &self.subscriptions {
            s.network.emit(w)?;
            s.group.emit(w)?;
        }
        w.put_bytes(self.rest)
    }
}
