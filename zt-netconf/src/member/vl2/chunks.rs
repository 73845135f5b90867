//! Configurations come in signed chunks, from the controller or through other members (04 §2.5).

use zt_crypto::verify_credential;
use zt_wire::ident::PacketId;
use zt_wire::identity::Identity;
use zt_wire::time::Now;
use zt_wire::verb::{ConfigAck, ConfigChunk};

use super::Vl2;
use crate::config::NetworkConfig;
use crate::member::assembly::{Chunk, Stored, TEXT_LIMIT};
use crate::member::carrier::{Carrier, SendOptions, Verdict};
use crate::member::drop_reason::DropReason;
use crate::member::network::{Network, Origin};
use crate::member::shared::Shared;

/// How a chunk came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// OK to a request of ours.
    Answer,
    /// NETWORK_CONFIG.
    Push,
}

impl Vl2 {
    /// One chunk of a configuration (04 §2.5).
    pub(crate) fn handle_chunk(
        &mut self,
        now: Now,
        from: &Identity,
        packet_id: PacketId,
        message: &ConfigChunk<'_>,
        carried: Carried,
        c: &mut dyn Carrier,
    ) -> Verdict {
        let (shared, networks) = self.parts();
        let Some(network) = networks.get_mut(&message.network) else {
            shared.drops.count(DropReason::NotJoined);
            return Verdict::Accepted { trust: false };
        };
        // Anybody may bring what the controller signed (step 2f); but forgeries must not cost a check each.
        let known = message.seal.is_none() || from.address == network.id.controller();
        let verified = if known || shared.chunk_gate.is_open(now.mono, from.address) {
            network.verify_chunk(shared, from, packet_id, message, carried, c)
        } else {
            Err(DropReason::ChunkSignature)
        };
        let chunk = match verified {
            Ok(chunk) => chunk,
            Err(reason) => {
                if reason == DropReason::ChunkSignature && !known {
                    let _ = shared.chunk_gate.pass(now.mono, from.address);
                }
                // Such a chunk counts as received, but does nothing.
                shared.drops.count(reason);
                return Verdict::Accepted { trust: false };
            }
        };
        let fast = message.seal.is_some_and(|seal| seal.flags & ConfigChunk::FAST_PROPAGATE != 0);
        if fast {
            network.pass_on(from, message, c);
        }
        let (text, answer) = match network.assembly.store(chunk) {
            Stored::Incomplete => return Verdict::Accepted { trust: false },
            Stored::Refused => {
                shared.drops.count(DropReason::ChunkRange);
                return Verdict::Accepted { trust: false };
            }
            Stored::Complete { text, answer } => (text, answer),
        };
        let Ok(config) = NetworkConfig::from_text(&text) else {
            shared.drops.count(DropReason::ConfigMalformed);
            return Verdict::Accepted { trust: false };
        };
        let origin = if answer { Origin::Answer } else { Origin::Push };
        if let Err(reason) = network.apply(shared, now, config, origin, c) {
            shared.drops.count(reason);
        }
        if carried == Carried::Push {
            // Quirk (04 §2.5 step 6): in-re ECHO, and also when the configuration was refused.
            let body = ConfigAck { in_re_packet: packet_id, network: message.network, update_id: chunk.update };
            c.reply(&body, SendOptions::default());
        }
        Verdict::Accepted { trust: false }
    }
}

impl Network {
    /// Steps 1 to 3: nothing is stored before the origin of the chunk is certain.
    fn verify_chunk<'a>(
        &self,
        shared: &Shared,
        from: &Identity,
        packet_id: PacketId,
        message: &ConfigChunk<'a>,
        carried: Carried,
        c: &mut dyn Carrier,
    ) -> Result<Chunk<'a>, DropReason> {
        let controller = self.id.controller();
        let Some(seal) = message.seal else {
            if from.address != controller {
                return Err(DropReason::ChunkUnsigned);
            }
            let update = packet_id.0;
            return Ok(Chunk {
                update,
                key: update,
                total: message.data.len(),
                position: 0,
                data: message.data,
                answer: carried == Carried::Answer,
            });
        };
        let (total, position) = (seal.total as usize, seal.index as usize);
        if position + message.data.len() > total || total >= TEXT_LIMIT {
            return Err(DropReason::ChunkRange);
        }
        let (Some(signature), Some(signed)) = (seal.signature(), message.signed_bytes()) else {
            return Err(DropReason::ChunkSignature);
        };
        let key = key_of(&signature.0);
        if self.assembly.is_duplicate(seal.update_id, key) {
            return Err(DropReason::ChunkDuplicate);
        }
        let identity = if controller == shared.own.address { Some(shared.own) } else { c.identity(controller) };
        let Some(identity) = identity else {
            c.request_identity(controller);
            return Err(DropReason::SignerUnknown);
        };
        if !verify_credential(&signed, &signature, &identity) {
            return Err(DropReason::ChunkSignature);
        }
        Ok(Chunk {
            update: seal.update_id,
            key,
            total,
            position,
            data: message.data,
            answer: carried == Carried::Answer,
        })
    }

    /// Sends the chunk on to all members known, except the sender and the controller (04 §2.5 step 2f).
    fn pass_on(&self, from: &Identity, message: &ConfigChunk<'_>, c: &mut dyn Carrier) {
        for (member, _) in self.members() {
            if member != from.address && member != self.id.controller() && member != self.own {
                c.send(member, message, SendOptions { compress: true, expect_reply: false });
            }
        }
    }
}

fn key_of(signature: &[u8; 96]) -> u64 {
    let half = |at: usize| u64::from_be_bytes(signature[at..at + 8].try_into().expect("eight bytes"));
    half(0) ^ half(8)
}
