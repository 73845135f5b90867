//! Finding identities: WHOIS, the peer cache, and admission of what was found (03 §5, 02 §6.7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zt_crypto::PeerKeys;
use zt_wire::verb::{Ok as OkMessage, OkBody, OkWhois, Whois};
use zt_wire::{Address, Identity, Mono, Now};

use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::expect::Purpose;
use crate::job::Job;
use crate::link::Path;
use crate::peer_table::PeerId;
use crate::rate::{QUEUE_RETRY, QUEUE_TIMEOUT, WHOIS_ANSWER, WHOIS_ASK};
use crate::receive::{Context, Handled};
use crate::snapshot::PeerRecord;
use crate::transmit::Transmits;
use crate::vl1::Vl1;

/// Most addresses asked for at a time.
const MAX_ASKED: usize = 512;
/// Most identities being admitted at a time.
const MAX_ADMISSIONS: usize = 256;
/// Most addresses looked up for one WHOIS of a peer.
const MAX_LOOKUPS_PER_WHOIS: usize = 4;
/// Most identities in one answer. Deliberate: never longer than what all receivers can take.
const MAX_ANSWERED: usize = 100;
/// Most addresses of a cached peer that get a HELLO.
const MAX_CACHED_ADDRESSES: usize = 4;

/// Identity whose validation and key agreement is a job.
pub(crate) struct Admission {
    pub(crate) identity: Identity,
    /// From the peer cache.
    pub(crate) record: Option<PeerRecord>,
    /// The root that told it.
    pub(crate) via: Option<Address>,
    pub(crate) since: Mono,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    last: Mono,
    tries: u32,
    /// The cache was asked and has not answered.
    loading: bool,
}

/// Addresses asked for.
#[derive(Default)]
pub(crate) struct WhoisTable(BTreeMap<Address, Asked>);

impl WhoisTable {
    pub(crate) fn arrived(&mut self, a: Address) {
        self.0.remove(&a);
    }

    /// Forgets old entries of the gate.
    pub(crate) fn expire(&mut self, now: Mono) {
        self.0.retain(|_, a| now.saturating_since(a.last) < QUEUE_TIMEOUT);
    }
}

impl Vl1 {
    /// Finds out about an address: from the peer cache, else from the roots. At most once per 500 ms.
    pub fn whois(&mut self, now: Now, address: Address, out: &mut Transmits) {
        // Free choice (03 §5): nobody answers for a reserved address.
        if address == self.own.address || address.is_reserved() || self.peers.id(address).is_some() {
            return;
        }
        if self.admissions.contains_key(&address) {
            return;
        }
        let t = now.mono;
        self.next_queue = self.next_queue.min(t + QUEUE_RETRY);
        let tries = match self.whois.0.get_mut(&address) {
            Some(asked) if t.saturating_since(asked.last) < WHOIS_ASK => return,
            Some(asked) => {
                asked.last = t;
                asked.tries += 1;
                asked.loading = false;
                asked.tries
            }
            None => {
                if self.whois.0.len() >= MAX_ASKED {
                    self.whois.expire(t);
                    if self.whois.0.len() >= MAX_ASKED {
                        return;
                    }
                }
                let loading = self.has_peer_cache && self.jobs.push(Job::LoadPeer { address });
                self.whois.0.insert(address, Asked { last: t, tries: 0, loading });
                if loading {
                    return;
                }
                0
            }
        };
        self.ask_roots(now, address, tries, out);
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
                .filter(|id| !self.peers.get(*id).slots.is_empty())
                .collect();
            roots.sort_by_key(|id| self.upstream_rank(now.mono, *id));
            let Some(root) = roots.get(tries as usize % roots.len().max(1)).copied() else { continue };
            if asked.contains(&root) {
                continue;
            }
            asked.push(root);
            let to = self.peers.get(root).identity.address;
            let options = SendOptions { compress: false, expect_reply: true };
            let sent = self.send(now, to, &Whois::one(address), options, out);
            debug_assert!(sent.is_ok(), "a root is no impossible destination");
        }
    }

    /// The cache answered.
    pub(crate) fn loaded(&mut self, now: Now, address: Address, record: Option<&[u8]>, out: &mut Transmits) {
        let Some(asked) = self.whois.0.get_mut(&address) else { return };
        if !std::mem::take(&mut asked.loading) {
            return;
        }
        let record = record.and_then(|bytes| PeerRecord::parse(bytes).ok());
        match record.filter(|r| r.identity.address == address) {
            Some(record) => {
                let identity = record.identity;
                self.admit(now.mono, identity, Some(record), None);
            }
            None => self.ask_roots(now, address, 0, out),
        }
    }

    /// Safer point 4: identities are validated before use, whoever tells them. False when there is no room.
    pub(crate) fn admit(
        &mut self,
        now: Mono,
        identity: Identity,
        record: Option<PeerRecord>,
        via: Option<Address>,
    ) -> bool {
        let address = identity.address;
        if address == self.own.address || self.peers.id(address).is_some() || self.admissions.contains_key(&address) {
            return true;
        }
        let urgent = self.roots.upstream(address).is_some_and(|u| u.identity == identity);
        let full = self.admissions.len() >= MAX_ADMISSIONS && !urgent;
        let job = Job::Admit { identity };
        if full || !(if urgent { self.jobs.push_urgent(job) } else { self.jobs.push(job) }) {
            self.drops.add(DropReason::TooManyJobs);
            return false;
        }
        self.admissions.insert(address, Admission { identity, record, via, since: now });
        true
    }

    /// Validation and key agreement came back.
    pub(crate) fn admitted(&mut self, now: Now, identity: Identity, keys: Option<Arc<PeerKeys>>, out: &mut Transmits) {
        let Some(admission) = self.admissions.remove(&identity.address) else { return };
        if admission.identity != identity {
            return;
        }
        let Some(keys) = keys else {
            self.drops.add(DropReason::InvalidIdentity);
            return;
        };
        let known = self.peers.id(identity.address).is_some();
        let id = self.admit_peer(now, identity, keys, out);
        if known {
            return;
        }
        let peer = self.peers.get_mut(id);
        peer.via = admission.via;
        if let Some(record) = &admission.record {
            // The version is remembered so that AES can be used at once (03 §12).
            peer.version = Some(record.version);
        }
        self.event(Vl1Event::IdentityLearned(identity.address));
        if self.roots.is_upstream(identity.address) {
            self.greet_root(now, id, out);
        } else if self.roots.is_seed(identity.address) {
            self.tend_contact(now, id, out);
        }
        if let Some(record) = admission.record {
            for remote in record.endpoints().into_iter().take(MAX_CACHED_ADDRESSES) {
                self.peers.get_mut(id).remember(remote);
                for path in self.paths_to(remote) {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
        }
        self.flush_unsent(now, identity.address, out);
    }

    pub(crate) fn handle_whois(&mut self, now: Now, c: &Context, m: &Whois<'_>, out: &mut Transmits) -> Handled {
        if !self.roots.am_root() {
            let peer = self.peers.get_mut(c.id);
            if peer.whois_answered.is_some_and(|t| now.mono.saturating_since(t) < WHOIS_ANSWER) {
                return Handled::Refused(DropReason::WhoisGate);
            }
            peer.whois_answered = Some(now.mono);
        }
        let mut identities = Vec::new();
        let mut lookups = 0;
        let mut seen = BTreeSet::new();
        // What is asked twice is answered once.
        for address in m.addresses.iter().copied().filter(|a| seen.insert(*a)) {
            if identities.len() >= MAX_ANSWERED {
                break;
            }
            if address == self.own.address {
                identities.push(self.own);
            } else if let Some(peer) = self.peers.find(address) {
                identities.push(peer.identity);
            } else if lookups < MAX_LOOKUPS_PER_WHOIS {
                lookups += 1;
                self.whois(now, address, out);
            }
        }
        if !identities.is_empty() {
            let ok = OkMessage { in_re_packet: c.packet_id, body: OkBody::Whois(OkWhois { identities, rest: &[] }) };
            self.reply(now, &c.reply_to(), &ok, SendOptions::default(), out);
        }
        Handled::Counted
    }

    pub(crate) fn handle_ok_whois(&mut self, now: Now, c: &Context, m: &OkWhois<'_>) -> Handled {
        if !self.roots.is_upstream(c.from) {
            self.drops.add(DropReason::NotARoot);
            return Handled::Counted;
        }
        for identity in m.identities.iter().take(8) {
            // Only what was asked for.
            if self.whois.0.contains_key(&identity.address) || self.is_awaited(identity.address) {
                self.admit(now.mono, *identity, None, Some(c.from));
            }
        }
        Handled::Counted
    }

    fn is_awaited(&self, a: Address) -> bool {
        self.unsent.destinations().contains(&a) || self.deferred.unknown_senders().contains(&a)
    }

    /// Every path by which a remote address may be tried: one per link of its family that is for first contact.
    pub(crate) fn paths_to(&self, remote: crate::link::Endpoint) -> Vec<Path> {
        let fits = |l: &&crate::link::Link| l.local.same_family(&remote) && self.is_for_contact(l);
        self.links.values().filter(fits).map(|l| Path { link: l.id, remote }).collect()
    }
}
