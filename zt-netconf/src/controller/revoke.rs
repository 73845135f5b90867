//! Voids certificates of members that lost their membership (05 §5.2).
//!
//! The reference sends each revocation once. Ours repeats it twice, because a lost datagram would leave the member in
//! for the rest of its window, and leaves a second between packets to one node, because stock nodes drop a second
//! NETWORK_CREDENTIALS within 1,000 ms (04 §5.6).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zt_wire::credential::revocation::Revocation;
use zt_wire::credential::{CredentialKind, Signature};
use zt_wire::ident::{Address, NetworkId};
use zt_wire::time::{Mono, Now};
use zt_wire::verb::NetworkCredentials;

use super::{Controller, ControllerOutput, Encoded};

/// Least time between two packets of credentials to one node.
const SPACING: Duration = Duration::from_millis(1050);
/// When a revocation is sent again, counted from the sending before.
const REPEATS: [Duration; 2] = [Duration::from_millis(1200), Duration::from_secs(4)];
/// Revocations in one packet (152 bytes each).
const PER_PACKET: usize = 60;
/// Revocations that wait for one node; beyond this the oldest repeats go.
const MAX_WAITING: usize = 1024;

/// Revocations on their way to nodes.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    nodes: BTreeMap<Address, Receiver>,
}

#[derive(Debug)]
struct Receiver {
    /// No packet before this.
    open_at: Mono,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    due: Mono,
    sent: usize,
    revocation: Revocation,
}

impl Revocations {
    fn add(&mut self, now: Mono, to: Address, revocation: &Revocation) {
        let receiver = self.nodes.entry(to).or_insert(Receiver { open_at: now, waiting: VecDeque::new() });
        if receiver.waiting.len() >= MAX_WAITING {
            let repeat = receiver.waiting.iter().position(|w| w.sent > 0).unwrap_or(0);
            receiver.waiting.remove(repeat);
        }
        receiver.waiting.push_back(Waiting { due: now, sent: 0, revocation: revocation.clone() });
    }

    /// When [`poll`](Self::poll) has something to give.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.nodes.values().filter_map(Receiver::next_due).min()
    }

    /// The next packet that is due: receiver, network of the first revocation in it, payload.
    pub(super) fn poll(&mut self, now: Mono) -> Option<(Address, NetworkId, Encoded)> {
        let due = |r: &Receiver| r.next_due().is_some_and(|at| at <= now);
        let (to, receiver) = self.nodes.iter_mut().find(|(_, r)| due(r))?;
        let to = *to;
        let revocations = receiver.take(now);
        self.nodes.retain(|_, r| !r.waiting.is_empty() || r.open_at > now);
        let network = revocations.first()?.network;
        let body = NetworkCredentials { revocations, ..NetworkCredentials::default() };
        Some((to, network, Encoded::of(&body)))
    }
}

impl Receiver {
    fn next_due(&self) -> Option<Mono> {
        self.waiting.iter().map(|w| w.due).min().map(|due| due.max(self.open_at))
    }

    fn take(&mut self, now: Mono) -> Vec<Revocation> {
        self.open_at = now + SPACING;
        let mut out = Vec::new();
        for w in &mut self.waiting {
            if w.due <= now && out.len() < PER_PACKET {
                out.push(w.revocation.clone());
                w.due = REPEATS.get(w.sent).map_or(Mono::FAR, |gap| now + *gap);
                w.sent += 1;
            }
        }
        self.waiting.retain(|w| w.sent <= REPEATS.len());
        out
    }
}

impl Controller {
    /// Signs one revocation per member and gives them to every node that is online in the network, the members
    /// themselves included.
    pub(super) fn revoke(&mut self, now: Now, network: NetworkId, members: &[Address]) {
        let threshold = self.stamps.revoke(now);
        let state = self.networks.get(&network);
        let is_member =
            |a: &Address| members.contains(a) || state.and_then(|n| n.member(*a)).is_some_and(|m| m.authorized);
        let online: Vec<Address> = self.presence.online_in(now.mono, network).filter(is_member).collect();
        // Nobody to tell: no signature is made in vain.
        for target in members.iter().filter(|_| !online.is_empty()) {
            let revocation = self.revocation(network, *target, threshold);
            for to in &online {
                if *to == self.own.address() {
                    self.outputs.push_back(ControllerOutput::LocalRevocation { revocation: revocation.clone() });
                } else {
                    self.revocations.add(now.mono, *to, &revocation);
                }
            }
        }
    }

    fn revocation(&mut self, network: NetworkId, target: Address, threshold: i64) -> Revocation {
        let mut revocation = Revocation {
            id: self.entropy.next_u64() as u32,
            network,
            credential_id: 0,
            threshold,
            flags: Revocation::FAST_PROPAGATE,
            target,
            signer: self.own.address(),
            credential_kind: CredentialKind::MEMBERSHIP,
            signature: Signature::NONE,
        };
        revocation.signature = self.own.sign(&revocation.signed_bytes());
        revocation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(n: u64) -> Revocation {
        Revocation {
            id: 0,
            network: NetworkId(n),
            credential_id: 0,
            threshold: 0,
            flags: 0,
            target: Address::NIL,
            signer: Address::NIL,
            credential_kind: CredentialKind::MEMBERSHIP,
            signature: Signature::NONE,
        }
    }

    #[test]
    fn packets_to_one_node_are_a_second_apart_and_repeated() {
        let mut q = Revocations::default();
        let at = Mono::from_millis;
        let to = Address::new(7);
        q.add(at(0), to, &revocation(1));
        assert!(q.poll(at(0)).is_some());
        q.add(at(10), to, &revocation(2));
        assert!(q.poll(at(10)).is_none());
        assert_eq!(q.next_due(), Some(at(1050)));
        assert!(q.poll(at(1050)).is_some());
        let mut sent = 2;
        let mut last = at(1050);
        while let Some(due) = q.next_due() {
            assert!(due.saturating_since(last) >= SPACING);
            assert!(q.poll(due).is_some());
            last = due;
            sent += 1;
        }
        // Three times two revocations, some of them together.
        assert!((4..=6).contains(&sent), "{sent}");
    }

    #[test]
    fn what_waits_for_one_node_is_bounded() {
        let mut q = Revocations::default();
        for i in 0..5000 {
            q.add(Mono::ZERO, Address::new(7), &revocation(i));
        }
        assert_eq!(q.nodes[&Address::new(7)].waiting.len(), MAX_WAITING);
    }
}
