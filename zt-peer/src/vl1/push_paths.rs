//! Telling peers where we may be reached, and trying what they tell (03 §10.2, 02 §6.17).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use zt_wire::verb::{PathRecord, PushDirectPaths};
use zt_wire::{InetAddress, Mono, Now};

use super::Vl1;
use crate::drop_reason::DropReason;
use crate::inbound::{Handled, Ticket};
use crate::link::{Endpoint, Path};
use crate::path_proof::Payer;
use crate::peer::Probe;
use crate::peer_table::PeerId;
use crate::rate::PUSH_PER_SCOPE;
use crate::transmit::Transmits;

/// Most addresses in one packet: 24 bytes each, below 1200 in all.
const PER_PACKET: usize = 48;
/// Most packets of one push.
const PACKETS: usize = 2;

impl Vl1 {
    /// Addresses of ours as others may use them: interfaces, mappings, then what roots see; without duplicates.
    pub fn surface_addresses(&self, now: Now) -> Vec<SocketAddr> {
        self.told_addresses(now.mono)
    }

    fn told_addresses(&self, now: Mono) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = Vec::new();
        for a in self.links.told().chain(self.surface.addresses(now)) {
            if !all.contains(&a) {
                all.push(a);
            }
        }
        all
    }

    /// Tells a peer our addresses over the path its packet came by.
    pub(super) fn push_paths(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        let records: Vec<PathRecord<'_>> =
            self.told_addresses(now.mono).into_iter().map(|a| InetAddress::from(a).into()).collect();
        for chunk in records.chunks(PER_PACKET).take(PACKETS) {
            let body = PushDirectPaths { records: chunk.to_vec(), missing: 0, rest: &[] };
            self.send_over(now.mono, id, path, Payer::Nobody, &body, out);
        }
    }

    /// The ports a peer tells: the first is its primary one, and one of the same host that it no longer tells is gone.
    fn note_ports(&mut self, now: Now, id: PeerId, m: &PushDirectPaths<'_>, out: &mut Transmits) {
        let told = m.records.iter().filter(|r| r.flags & PathRecord::FORGET == 0);
        let told: Vec<Endpoint> = told.filter_map(|r| r.inet().socket_addr()).map(Endpoint::Ip).collect();
        let Some(Endpoint::Ip(first)) = told.first() else { return };
        let paths = self.peers.get_mut(id).paths_mut();
        paths.set_primary_port(first.port());
        if told.len() < PER_PACKET {
            let is_gone = |remote: &Endpoint| !told.contains(remote) && told.iter().any(|t| t.same_host(remote));
            let questions = paths.doubt(now.mono, |p| is_gone(&p.remote));
            self.ask_all(now, id, questions, out);
        }
    }

    /// Probes the addresses a peer told, from all links, as far as what it sent pays for that.
    pub(super) fn handle_push(
        &mut self,
        now: Now,
        c: &Ticket,
        m: &PushDirectPaths<'_>,
        out: &mut Transmits,
    ) -> Handled {
        if !self.peers.get_mut(c.id).gates_mut().takes_push(now.mono) {
            self.drops.add(DropReason::PushGate);
            return Handled::Counted;
        }
        self.note_ports(now, c.id, m, out);
        let mut tried: BTreeMap<(u8, bool), usize> = BTreeMap::new();
        let mut seen: Vec<Endpoint> = Vec::new();
        for record in m.records.iter().filter(|r| r.flags & PathRecord::FORGET == 0) {
            let Some(remote) = record.inet().socket_addr() else { continue };
            let endpoint = Endpoint::Ip(remote);
            if seen.contains(&endpoint) {
                continue;
            }
            if !self.may_be_path(c.from, &endpoint) {
                self.drops.add(DropReason::UnusablePath);
                continue;
            }
            let count = tried.entry((endpoint.scope() as u8, remote.is_ipv6())).or_default();
            *count += 1;
            if *count <= PUSH_PER_SCOPE {
                seen.push(endpoint);
            }
        }
        // A redirect is tried like any address, and used once it answers (03 §7.4: not before, deliberately).
        self.peers.get_mut(c.id).ledger_mut().name(seen);
        self.probe_named(now, c, out);
        if m.missing > 0 { Handled::Refused(DropReason::Malformed) } else { Handled::Counted }
    }

    /// Whether probes of `len` bytes in all may go to an address that the peer named by the packet in hand.
    fn spend_for(&mut self, c: &Ticket, len: usize) -> bool {
        let proved = self.is_proved(c.id, c.path, c.hops > 0);
        let ledger = self.peers.get_mut(c.id).ledger_mut();
        if proved { ledger.spend_saved(len) } else { ledger.spend_at(c.path, len) }
    }

    /// Probes the addresses that a peer named, as far as what it sent suffices; the others wait.
    pub(super) fn probe_named(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        let peer = self.peers.get_mut(c.id);
        if peer.activity().is_trusted(now.mono) {
            peer.ledger_mut().allow(now.mono);
        }
        let mut waiting = peer.ledger_mut().take_named().into_iter();
        while let Some(remote) = waiting.next() {
            let mut paths = self.links.paths_to(remote);
            paths.retain(|p| !self.works(c.id, *p));
            let len = paths.len() * self.probe_len(c.id);
            if !self.spend_for(c, len) {
                let rest = std::iter::once(remote).chain(waiting);
                return self.peers.get_mut(c.id).ledger_mut().name(rest);
            }
            for path in paths {
                self.probe(now, c.id, path, Probe::Echo, out);
            }
        }
    }
}
