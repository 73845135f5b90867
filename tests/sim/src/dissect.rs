//! Captured datagrams in words: the simulator has everybody's keys.

use crate::node::NodeId;
use crate::sim::{Captured, Sim};
use zt_crypto::PeerKeys;
use zt_wire::packet::{HEADER_LEN, Packet};
use zt_wire::{Address, Message};

impl Sim {
    /// One line about a captured datagram, or `None` when it is not from one of the two nodes to the other.
    #[must_use]
    pub fn explain(&self, captured: &Captured, between: (NodeId, NodeId)) -> Option<String> {
        let mut bytes = captured.bytes.clone();
        if bytes.len() < HEADER_LEN {
            return None;
        }
        let number = |address: Address| self.nodes.iter().position(|node| node.address() == address).map(NodeId);
        let header = Packet::new_checked(bytes.as_slice()).ok()?;
        let (from, to, hops) = (number(header.source())?, number(header.destination())?, header.hops());
        if (from, to) != between && (to, from) != between {
            return None;
        }
        let key = self.node(to).secret.agree(self.node(from).secret.identity())?;
        let opened = PeerKeys::new(key).open(&mut bytes);
        let packet = Packet::new_checked(bytes.as_slice()).ok()?.opened();
        let mut inflated = Vec::new();
        let payload = match packet.is_compressed() {
            true if zt_wire::lz4::decompress_payload(packet.payload(), &mut inflated).is_ok() => inflated.as_slice(),
            _ => packet.payload(),
        };
        let content = match (opened, Message::parse(packet.verb(), payload)) {
            (Err(error), _) => error.to_string(),
            (_, Ok(message)) => message.to_string(),
            (_, Err(error)) => format!("{} {error}", packet.verb()),
        };
        let word = if captured.arrived { "heard" } else { "sent " };
        let id = packet.header().id().0;
        Some(format!(
            "{:>10.3} {word} {} -> {}  {from:?} -> {to:?} id {id:016x} hops {hops} {content}",
            captured.at as f64 / 1e3,
            captured.remote,
            captured.local
        ))
    }
}
