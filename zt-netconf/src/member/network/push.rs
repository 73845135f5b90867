//! The push of our own credentials (04 §4.7).

use core::time::Duration;

use zt_wire::gate::Gate;
use zt_wire::ident::Address;
use zt_wire::time::Now;
use zt_wire::verb::NetworkCredentials;
use zt_wire::{Capability, Emit, Membership, Ownership, Tag};

use super::Network;
use crate::member::carrier::{Carrier, SendOptions};
use crate::member::sweep::Effort;

/// Our credentials are pushed again to a peer we send to after this time (04 §4.7).
const PUSH_AGAIN: Duration = Duration::from_millis(500_000);
/// A push on which more depends than on the certificate is repeated once, with a frame after this time.
// Free choice (04 §4.7): whoever misses the certificate asks for it. A stock member that misses a tag drops our frames, and
// says nothing: one push that is lost would cost a minute or more.
const PUSH_TWICE: Duration = Duration::from_secs(3);
/// A peer that asks for our credentials gets them at most once in this time.
const PUSH_DEMANDED: Duration = Duration::from_millis(1_000);
/// What a packet of credentials is, in messages of usual length.
const PUSH_EFFORT: usize = 8;
/// Bytes of credentials in one packet; the limit of a packet is 10 024.
const PUSH_BYTES: usize = 9_800;

/// Why credentials are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// A frame is about to leave.
    BeforeFrame,
    /// The peer said that it needs them.
    Demanded,
}

impl Network {
    /// Pushes our credentials to a member when it is time to (04 §4.7).
    pub(crate) fn push_credentials(&mut self, now: Now, to: Address, push: Push, c: &mut dyn Carrier) {
        let Some(config) = &self.held.config else { return };
        if config.membership.is_none() {
            return;
        }
        let Some(record) = self.members.record(now.mono, to) else { return };
        let outdated = match (record.last_push.last(), self.held.last_update) {
            (Some(pushed), Some(updated)) => pushed < updated,
            _ => false,
        };
        // Longer ago than that, not as long.
        let past = |gate: Gate, wait| gate.since(now.mono).is_none_or(|passed| passed > wait);
        let due = match push {
            Push::BeforeFrame if record.push_twice => past(record.last_push, PUSH_TWICE),
            Push::BeforeFrame => past(record.last_push, PUSH_AGAIN),
            // Deliberate (04 §4.7): counted by themselves. Else the first question, after a push that was lost on the
            // way, would go without an answer.
            Push::Demanded => past(record.last_demand, PUSH_DEMANDED),
        };
        // Begun anew at each question it would never come to its end.
        if (!due && !outdated) || self.pending.owes(to, self.held.generation) {
            return;
        }
        record.last_push.note(now.mono);
        // Who asks notices what it misses.
        record.push_twice = push == Push::BeforeFrame && self.held.tells_apart && (outdated || !record.push_twice);
        if push == Push::Demanded {
            record.last_demand.note(now.mono);
        }
        self.push_part(now, to, 0, c);
    }

    /// Sends what is due of pushes that take several packets.
    pub(crate) fn push_rest(&mut self, now: Now, effort: &mut Effort, c: &mut dyn Carrier) {
        while !effort.is_spent()
            && let Some((to, part)) = self.pending.part_due(now.mono)
        {
            effort.spend(PUSH_EFFORT);
            // A newer configuration is pushed from its beginning, with the next frame.
            if part.generation == self.held.generation && self.members.get(to).is_some() {
                self.push_part(now, to, part.number, c);
            }
        }
    }

    fn push_part(&mut self, now: Now, to: Address, number: usize, c: &mut dyn Carrier) {
        let Some(config) = &self.held.config else { return };
        let Some(membership) = &config.membership else { return };
        let batches = batches(membership, &config.capabilities, &config.tags, &config.ownerships);
        if let Some(body) = batches.get(number) {
            c.send(to, body, SendOptions { compress: true, expect_reply: false });
        }
        if number + 1 < batches.len() {
            self.pending.owe(now.mono, to, number + 1, self.held.generation);
        } else {
            self.pending.clear(to);
        }
    }
}

/// Splits our credentials over packets; one is enough for all but extreme networks.
fn batches(
    membership: &Membership,
    capabilities: &[Capability],
    tags: &[Tag],
    ownerships: &[Ownership],
) -> Vec<NetworkCredentials<'static>> {
    let mut done = Vec::new();
    let mut body = NetworkCredentials { memberships: vec![membership.clone()], ..NetworkCredentials::default() };
    let mut flush = |body: &mut NetworkCredentials<'static>, next: usize| {
        if body.encoded_len() + next > PUSH_BYTES {
            done.push(core::mem::take(body));
        }
    };
    for tag in tags {
        flush(&mut body, tag.encoded_len());
        body.tags.push(tag.clone());
    }
    for ownership in ownerships {
        flush(&mut body, ownership.encoded_len());
        body.ownerships.push(ownership.clone());
    }
    for capability in capabilities {
        flush(&mut body, capability.encoded_len());
        body.capabilities.push(capability.clone());
    }
    done.push(body);
    done
}
