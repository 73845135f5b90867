//! Finding identities: WHOIS, the peer cache, and admission of what was found (03 §5, 02 §6.7).

use std::collections::BTreeSet;
use std::sync::Arc;

use zt_crypto::PeerKeys;
use zt_wire::verb::{OkBody, OkReply, OkWhois, Whois};
use zt_wire::{Address, Identity, Now};

use super::Vl1;
use crate::config::SendOptions;
use crate::directory::strangers::Source;
use crate::directory::whois::Asker;
use crate::directory::{Admission, Admitted, Loaded};
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::{Handled, Ticket};
use crate::link::Path;
use crate::peer_table::PeerId;
use crate::rate::hello_bucket;
use crate::transmit::Transmits;
use crate::wire::expect::Purpose;

/// Most addresses looked up for one WHOIS of a peer.
const MAX_LOOKUPS_PER_WHOIS: usize = 4;
/// Most identities in one answer. Deliberate: never longer than what all receivers can take.
const MAX_ANSWERED: usize = 100;
/// Most addresses of a cached peer that get a HELLO.
const MAX_CACHED_ADDRESSES: usize = 4;

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

    /// The address in whose turn a packet is judged.
    pub(super) fn source_of(&self, path: Path, hops: u8) -> Source {
        let of_root = |a| self.peers.find(a).is_some_and(|root| root.paths().contains(path));
        let relayed = hops > 0 && self.roots.addresses().any(of_root);
        if relayed { Source::Relay(path) } else { Source::Prefix(hello_bucket(&path.remote)) }
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
            let to = self.peers.get(root).address();
            let options = SendOptions { compress: false, expect_reply: true };
            let sent = self.send(now, to, &Whois::one(address), options, out);
            debug_assert!(sent.is_ok(), "a root is no impossible destination");
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

    /// Validation and key agreement came back.
    pub(super) fn admitted(
        &mut self,
        now: Now,
        identity: Identity,
        admitted: Admitted,
        keys: Option<Arc<PeerKeys>>,
        out: &mut Transmits,
    ) {
        let admission = match admitted {
            Admitted::Nothing => return,
            Admitted::Invalid => return self.drops.add(DropReason::InvalidIdentity),
            Admitted::Valid(admission) => *admission,
        };
        let Some(keys) = keys else { return };
        let known = self.peers.id(identity.address).is_some();
        let id = self.admit_peer(now, identity, keys, out);
        if known {
            return;
        }
        let peer = self.peers.get_mut(id);
        if let Some(root) = admission.via {
            peer.detour_mut().came_via(root);
        }
        if let Some(record) = &admission.record {
            // The version is remembered so that AES can be used at once (03 §12).
            peer.software_mut().recall(record.version);
        }
        self.event(Vl1Event::IdentityLearned(identity.address));
        if self.roots.is_upstream(identity.address) {
            self.greet_root(now, id, out);
        } else if self.roots.is_seed(identity.address) {
            self.tend_contact(now, id, out);
        }
        if let Some(record) = admission.record {
            for remote in record.endpoints().into_iter().take(MAX_CACHED_ADDRESSES) {
                self.peers.get_mut(id).paths_mut().remember(remote);
                for path in self.links.paths_to(remote) {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
        }
        self.flush_unsent(now, identity.address, out);
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
}
