//! Questions to peers: HELLO and ECHO, to where they are, were, or may be.

use zt_crypto::Suite;
use zt_wire::packet::{HEADER_LEN, MAX_PACKET_LEN};
use zt_wire::verb::{Echo, WorldVersion};
use zt_wire::{InetAddress, Mono, Now};

use super::Vl1;
use crate::inbound::Ticket;
use crate::link::{Endpoint, Link, Path};
use crate::path_proof::Payer;
use crate::peer::{PathProbe, Probe, Slot};
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;
use crate::wire::expect::{Purpose, Question, Spread};

/// Addresses of an active peer that get a HELLO from a new link.
const REMOTES_PER_PEER: usize = 3;
/// Active peers greeted at once from a new link.
const PEERS_AT_ONCE: usize = 64;
/// What the longest ECHO is filled with.
static ZEROES: [u8; MAX_PACKET_LEN] = [0; MAX_PACKET_LEN];

/// Where a HELLO goes, and why.
#[derive(Clone, Copy)]
struct Greeting {
    path: Path,
    /// The path is, or may become, the peer's own, not a relay's.
    direct: bool,
    purpose: Purpose,
    /// To be sent over every link up to that of the path.
    spam: bool,
    /// The peer was heard there before we ever sent there.
    heard_first: bool,
    payer: Payer,
}

impl Greeting {
    /// To an address that we want to be, or know to be, a path of the peer.
    const fn to(path: Path, purpose: Purpose) -> Self {
        Self { path, direct: true, purpose, spam: false, heard_first: false, payer: Payer::Nobody }
    }
}

impl Vl1 {
    /// HELLO to an address that is, or may become, a path of the peer. Nothing is sent before the owner agrees.
    pub(super) fn send_hello(&mut self, now: Now, id: PeerId, path: Path, purpose: Purpose, out: &mut Transmits) {
        if purpose == Purpose::Probe {
            return self.greet(now, id, path, false, out);
        }
        self.hello(now, id, Greeting::to(path, purpose), out);
    }

    /// HELLO to an address that may become a path of the peer. `heard`: it was heard there, and what it sent pays.
    pub(super) fn greet(&mut self, now: Now, id: PeerId, path: Path, heard: bool, out: &mut Transmits) {
        if self.consents(now.mono, id, path, heard) {
            let heard_first = heard && !self.has_tried(id, path);
            let payer = if heard { self.payer(now.mono, id, path, false) } else { Payer::Nobody };
            self.hello(now, id, Greeting { heard_first, payer, ..Greeting::to(path, Purpose::Probe) }, out);
        }
    }

    /// HELLO over every link up to that of the path (08 §B.5): whichever brings the answer works.
    pub(super) fn send_hello_spread(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        if self.consents(now.mono, id, path, false) {
            self.hello(now, id, Greeting { spam: true, ..Greeting::to(path, Purpose::Probe) }, out);
        }
    }

    /// HELLO over a root's path, addressed to the peer.
    pub(super) fn send_hello_relayed(
        &mut self,
        now: Now,
        id: PeerId,
        path: Path,
        purpose: Purpose,
        out: &mut Transmits,
    ) {
        self.hello(now, id, Greeting { direct: false, ..Greeting::to(path, purpose) }, out);
    }

    /// Safer point 2: who truly went back in time or version answers this.
    pub(super) fn challenge(&mut self, now: Now, c: &Ticket, out: &mut Transmits) {
        if c.hops == 0 {
            let payer = self.payer(now.mono, c.id, c.path, false);
            self.hello(now, c.id, Greeting { payer, ..Greeting::to(c.path, Purpose::Challenge) }, out);
        } else {
            self.send_hello_relayed(now, c.id, c.path, Purpose::Challenge, out);
        }
    }

    fn hello(&mut self, now: Now, id: PeerId, greeting: Greeting, out: &mut Transmits) {
        let Greeting { path, direct, purpose, spam, heard_first, payer } = greeting;
        if self.links.get(path.link).is_none() {
            return;
        }
        if !path.remote.is_group() {
            // Where everybody is asked, that nobody answers is as usual.
            self.note_asked(now.mono, id);
        }
        let spread = if spam { Spread::Levels } else { self.links.spread_of(path.link) };
        let destination = if direct { path.remote.inet() } else { InetAddress::None };
        let question = Question { sent: now.mono, purpose, direct, spread, heard_first };
        let outgoing = self.outgoing(now.mono, id, path);
        let peer = self.peers.get_mut(id);
        let (planet, timestamp) = self.roots.planet_for(peer.address(), peer.greetings_mut().next_turn());
        let known = peer.paths_mut().note_probe(now.mono, path, Probe::Hello);
        if !known && direct && purpose == Purpose::Probe && !heard_first {
            peer.paths_mut().note_tried(path, spread);
        }
        let moons = self.roots.moon_tuples().into_iter().map(|(id, timestamp)| WorldVersion { id, timestamp });
        let outgoing = Outgoing { suite: Suite::Poly1305None, asks: Some(question), ..outgoing };
        let (to, planet, moons) = (outgoing.to, WorldVersion { id: planet, timestamp }, moons.collect::<Vec<_>>());
        if self.wire.write_hello(now, outgoing, destination, planet, &moons, out).is_err() {
            return;
        }
        match payer {
            Payer::Path(now) => self.charge(now, to, path, out.last_len(), out),
            Payer::Nobody if spam => out.spam_last(),
            Payer::Nobody => {}
        }
    }

    /// Probes an address for a peer (03 §6.1).
    pub(super) fn probe(&mut self, now: Now, id: PeerId, path: Path, kind: Probe, out: &mut Transmits) {
        if self.peers.get(id).understood(kind) == Probe::Hello {
            return self.send_hello(now, id, path, Purpose::Probe, out);
        }
        if !self.consents(now.mono, id, path, false) {
            return;
        }
        let spread = self.links.spread_of(path.link);
        self.peers.get_mut(id).paths_mut().note_tried(path, spread);
        self.echo(now, id, path, false, Payer::Nobody, out);
    }

    /// The peer was heard at an address that is no path of it: asks whether it is there, for no more bytes than came
    /// from there.
    pub(super) fn confirm(&mut self, now: Now, id: PeerId, path: Path, out: &mut Transmits) {
        let payer = self.payer(now.mono, id, path, false);
        let credit = (payer != Payer::Nobody).then(|| self.credit(id, path));
        match self.peers.get(id).confirmation(self.hello_len(), credit) {
            Some(Probe::Hello) => self.greet(now, id, path, true, out),
            Some(Probe::Echo) if self.consents(now.mono, id, path, true) => {
                let heard_first = !self.has_tried(id, path);
                self.echo(now, id, path, heard_first, payer, out);
            }
            _ => {}
        }
    }

    fn echo(&mut self, now: Now, id: PeerId, path: Path, heard_first: bool, payer: Payer, out: &mut Transmits) {
        self.note_asked(now.mono, id);
        let spread = self.links.spread_of(path.link);
        let peer = self.peers.get_mut(id);
        _ = peer.paths_mut().note_probe(now.mono, path, Probe::Echo);
        let question = Question { sent: now.mono, purpose: Purpose::Probe, direct: true, spread, heard_first };
        let outgoing = Outgoing { asks: Some(question), ..self.outgoing(now.mono, id, path) };
        let sent = self.make(outgoing, payer, &Echo { data: &[] }, out);
        debug_assert!(sent.is_ok(), "short enough");
    }

    /// An ECHO of `size` bytes that must arrive in one piece, or not at all.
    pub(super) fn ask_size(&mut self, now: Now, id: PeerId, path: Path, size: u16, out: &mut Transmits) {
        let Some(data) = ZEROES.get(..usize::from(size).saturating_sub(HEADER_LEN)) else { return };
        let spread = self.links.spread_of(path.link);
        let question = Question { sent: now.mono, purpose: Purpose::Probe, direct: true, spread, heard_first: false };
        let outgoing = Outgoing { asks: Some(question), mtu: size, ..self.outgoing(now.mono, id, path) };
        if self.wire.write(outgoing, &Echo { data }, out).is_ok() {
            out.keep_last_whole();
        }
    }

    /// Sends a probe by a path of the peer.
    pub(super) fn ask(&mut self, now: Now, id: PeerId, probe: PathProbe, out: &mut Transmits) {
        self.probe(now, id, probe.path, probe.kind, out);
        self.peers.arm(id, probe.overdue);
    }

    pub(super) fn ask_all(
        &mut self,
        now: Now,
        id: PeerId,
        probes: impl IntoIterator<Item = PathProbe>,
        out: &mut Transmits,
    ) {
        for probe in probes {
            self.ask(now, id, probe, out);
        }
    }

    /// HELLO to all endpoints of a root, from every link, except where a path works.
    pub(super) fn try_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        peer.greetings_mut().tries_root(now.mono);
        let Some(upstream) = self.roots.upstream(peer.address()) else { return };
        let mut remotes = upstream.endpoints.clone();
        if remotes.is_empty() {
            remotes.extend_from_slice(peer.paths().remembered());
            self.want_address(now.mono, id);
        }
        // Even if no link is there to ask by: that is as good as no answer.
        self.note_asked(now.mono, id);
        for remote in remotes {
            for path in self.links.paths_to(remote) {
                if !self.works(id, path) {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
        }
    }

    /// First contact with a root.
    pub(super) fn greet_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let look_at = self.peers.get_mut(id).greet_root(now.mono);
        self.try_root(now, id, out);
        self.peers.arm(id, look_at);
    }

    /// HELLO to all roots by a link.
    pub(super) fn greet_roots_by(&mut self, now: Now, link: Link, out: &mut Transmits) {
        for id in self.upstream_ids() {
            let address = self.peers.get(id).address();
            let endpoints = self.roots.upstream(address).map(|u| u.endpoints.clone()).unwrap_or_default();
            for remote in endpoints.into_iter().filter(|e| e.same_family(&link.local)) {
                self.send_hello(now, id, Path { link: link.id, remote }, Purpose::Probe, out);
            }
            let peer = self.peers.get_mut(id);
            peer.greetings_mut().tries_root(now.mono);
            if peer.paths().is_empty() {
                let look_at = peer.greetings_mut().begin_tries(now.mono);
                self.peers.arm(id, look_at);
            }
        }
    }

    /// HELLO to these peers where they are or were: by a link, or by all for first contact.
    pub(super) fn greet_peers(&mut self, now: Now, peers: Vec<PeerId>, link: Option<Link>, out: &mut Transmits) {
        for id in peers.into_iter().take(PEERS_AT_ONCE) {
            for remote in self.peers.get(id).paths().known_remotes(REMOTES_PER_PEER) {
                let paths = match link {
                    Some(l) if l.local.same_family(&remote) => vec![Path { link: l.id, remote }],
                    Some(_) => Vec::new(),
                    None => self.links.paths_to(remote),
                };
                for path in paths {
                    self.send_hello(now, id, path, Purpose::Probe, out);
                }
            }
            // The other side may be behind a NAT that lets our new address in only after it was told.
            self.peers.get_mut(id).gates_mut().push_again();
            if self.peers.get(id).paths().is_empty() {
                self.greet_over_root(now, id, out);
            }
        }
    }

    /// HELLO to a peer without a direct path, over the root by which it is reached.
    pub(super) fn greet_over_root(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let root = self.relay_for(now.mono, id).map(|root| self.peers.get(root));
        if let Some(path) = root.and_then(|root| root.paths().any_path(now.mono)) {
            self.send_hello_relayed(now, id, path, Purpose::Content, out);
        }
    }

    /// Traffic goes over a root and nothing comes back: a HELLO over each root; the one whose answer comes is the way.
    pub(super) fn ask_over_roots(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        if !self.peers.get_mut(id).detour_mut().asks_over_roots(now.mono) {
            return;
        }
        for root in self.upstream_ids().into_iter().filter(|r| *r != id) {
            if let Some(path) = self.peers.get(root).paths().route().map(Slot::path) {
                self.send_hello_relayed(now, id, path, Purpose::Content, out);
            }
        }
    }

    /// Once in 30 s one configured address of a peer without a direct path gets a HELLO.
    pub(super) fn try_memorised(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get_mut(id);
        let attempts = self.links.attempts(peer.address());
        if attempts.is_empty() || !peer.detour().may_try_memorised(now.mono) {
            return;
        }
        let Some(remote) = attempts.get(self.wire.random_below(attempts.len())).copied() else { return };
        peer.detour_mut().tries_memorised(now.mono);
        for path in self.links.paths_to(Endpoint::Ip(remote)) {
            self.send_hello(now, id, path, Purpose::Probe, out);
        }
    }

    /// A question to a peer leaves.
    pub(super) fn note_asked(&mut self, now: Mono, id: PeerId) {
        if self.links.may_rise() && self.speaks_for_the_level(self.peers.get(id)) {
            self.links.asked(now);
        }
    }
}
