//! Finding identities: WHOIS, the peer cache, and admission of what was found (03 §5, 02 §6.7).

use std::collections::BTreeSet;

use zt_wire::verb::{OkBody, OkReply, OkWhois, Whois};
use zt_wire::{Address, Now};

use super::Vl1;
use crate::config::SendOptions;
use crate::directory::whois::Asker;
use crate::directory::{Admission, Loaded};
use crate::drop_reason::DropReason;
use crate::inbound::{Handled, Ticket};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;

/// Most addresses looked up for one WHOIS of a peer.
const MAX_LOOKUPS_PER_WHOIS: usize = 4;
/// Most identities in one answer. Deliberate: never longer than what all receivers can take.
const MAX_ANSWERED: usize = 100;

impl Vl1 {
    /// Finds out about an address: from the peer cache, else from the roots. At most once per 500 ms.
    pub fn whois(&mut self, now: Now, address: Address, out: &mut Transmits) {
        self.ask_for(now, address, Asker::Own, out);
    }

    /// The same for whoever wants to know.
    pub(super) fn ask_for(&mut self, now: Now, address: Address, asker: Asker, out: &mut Transmits) {
        // Free choice (03 §5): nobody answers for a reserved address.
        if address == self.wire.address() || address.is_reserved() || self.peers.id(address).is_some() {
            return;
        }
        if self.directory.is_admitting(address) {
            return;
        }
        self.schedule.something_waits(now.mono);
        if let Some(tries) = self.directory.ask(now.mono, address, asker) {
            self.ask_roots(now, address, tries, out);
        }
    }

    /// The addresses that the peer cache has a record of. Without this list the cache is asked for every address that is
    /// sent to, and for none of a stranger.
    pub fn note_cached(&mut self, addresses: impl IntoIterator<Item = Address>) {
        self.directory.note_cached(addresses);
    }

    /// Asks one root of each root set, another one at each try: a peer may be known to one set only.
    fn ask_roots(&mut self, now: Now, address: Address, tries: u32, out: &mut Transmits) {
        let sets: Vec<Vec<Address>> = self.roots.sets().collect();
        let mut asked: Vec<PeerId> = Vec::new();
        for set in sets {
            let mut roots: Vec<PeerId> = set
                .iter()
                .filter(|a| **a != address)
                .filter_map(|a| self.peers.id(*a))
                .filter(|id| !self.peers.get(*id).paths().is_empty())
                .collect();
            roots.sort_by_key(|id| self.peers.get(*id).standing(now.mono));
            let Some(root) = roots.get(tries as usize % roots.len().max(1)).copied() else { continue };
            if asked.contains(&root) {
                continue;
            }
            asked.push(root);
            let options = SendOptions { compress: false, expect_reply: true };
            let sent = self.send_known(now, root, &Whois::one(address), options, out);
            debug_assert!(sent.is_ok(), "short enough");
        }
    }

    /// The cache answered.
    pub(super) fn loaded(&mut self, now: Now, address: Address, bytes: Option<&[u8]>, out: &mut Transmits) {
        match self.directory.loaded(now.mono, address, bytes, self.wire.secret()) {
            Loaded::Nothing => {}
            Loaded::Unknown => self.ask_roots(now, address, 0, out),
            Loaded::Found(asker, admission) => self.admit(asker, *admission),
        }
    }

    /// An identity is to be let in, unless we know its address already.
    pub(super) fn admit(&mut self, asker: Asker, admission: Admission) {
        let identity = admission.identity;
        if identity.address == self.wire.address() || self.peers.id(identity.address).is_some() {
            return;
        }
        let root = self.roots.upstream(identity.address).is_some_and(|u| u.identity == identity);
        if let Err(reason) = self.directory.admit(asker, admission, root) {
            self.drops.add(reason);
        }
        self.count_lost_hellos();
    }

    pub(super) fn count_lost_hellos(&mut self) {
        let lost = self.directory.take_lost_hellos();
        self.count(DropReason::HelloGate, lost);
    }

    pub(super) fn handle_whois(&mut self, now: Now, c: &Ticket, m: &Whois<'_>, out: &mut Transmits) -> Handled {
        if !self.roots.am_root() {
            let answers = self.peers.get_mut(c.id).gates_mut().answers_whois(now.mono);
            if !answers {
                return Handled::Refused(DropReason::WhoisGate);
            }
        }
        let asker = Asker::Stranger(self.source_of(c.path, c.hops));
        let mut identities = Vec::new();
        let mut lookups = 0;
        let mut seen = BTreeSet::new();
        // What is asked twice is answered once.
        for address in m.addresses.iter().copied().filter(|a| seen.insert(*a)) {
            if identities.len() >= MAX_ANSWERED {
                break;
            }
            if address == self.wire.address() {
                identities.push(*self.wire.own());
            } else if let Some(peer) = self.peers.find(address) {
                identities.push(*peer.identity());
            } else if lookups < MAX_LOOKUPS_PER_WHOIS {
                lookups += 1;
                self.ask_for(now, address, asker, out);
            }
        }
        if !identities.is_empty() {
            let ok = OkReply { in_re_packet: c.packet_id, body: OkBody::Whois(OkWhois { identities, rest: &[] }) };
            self.reply(now, &c.reply_to(), &ok, SendOptions::default(), out);
        }
        Handled::Counted
    }

    pub(super) fn handle_ok_whois(&mut self, now: Now, c: &Ticket, m: &OkWhois<'_>) -> Handled {
        if !self.roots.is_upstream(c.from) {
            self.drops.add(DropReason::NotARoot);
            return Handled::Counted;
        }
        for identity in m.identities.iter().take(8) {
            // Only what was asked for.
            if let Some(asker) = self.asker_of(identity.address) {
                let (via, since) = (Some(c.from), now.mono);
                self.admit(asker, Admission { identity: *identity, record: None, vouched: false, via, since });
            }
        }
        Handled::Counted
    }

    /// Who waits for an identity.
    fn asker_of(&self, address: Address) -> Option<Asker> {
        if self.waiting.has_unsent(address) {
            return Some(Asker::Own);
        }
        self.directory.asker(address).or_else(|| {
            let ticket = self.waiting.unknown_sender(address)?;
            Some(Asker::Stranger(self.source_of(ticket.path, ticket.hops)))
        })
    }

    /// Sends what can go now, and asks for everybody else who is waited for: our own questions first.
    pub(super) fn ask_for_waiting(&mut self, now: Now, out: &mut Transmits) {
        for address in self.waiting.destinations() {
            if self.peers.id(address).is_some() {
                self.flush_unsent(now, address, out);
            } else {
                self.whois(now, address, out);
            }
        }
        for ticket in self.waiting.unknown_senders() {
            let asker = Asker::Stranger(self.source_of(ticket.path, ticket.hops));
            self.ask_for(now, ticket.from, asker, out);
        }
    }
}
