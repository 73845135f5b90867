//! Who may connect, and what is forwarded to whom (03 §16.3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use zt_wire::packet::MAX_PHYS_MTU;
use zt_wire::record::Record;
use zt_wire::tcp_relay::{FromClient, MIN_DATAGRAM, Unusable};
use zt_wire::{Mono, Pace, Scope};

use super::cause::{Cause, Counts};
use super::client::Client;
use super::limits::Limits;
use super::sources::{Sources, source_of};

/// The highest port that is never sent to.
const LOW_PORTS: u16 = 1024;
/// Endpoints that answered anybody lately.
const MAX_ANSWERING: usize = 8192;
/// They are remembered for so long.
const ANSWERING: Duration = Duration::from_secs(600);
/// Datagrams of all clients to an address where nothing answers anybody: so many at first, then one in this time.
const TRIES: (Duration, u32) = (Duration::from_millis(100), 64);
/// Such addresses that are remembered.
const MAX_TRIED: usize = 8192;

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// A connection that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Admitted {
    /// Its number.
    pub id: ClientId,
    /// One that has to be closed for it.
    pub instead_of: Option<ClientId>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict<'a> {
    /// Nothing more.
    Done,
    /// It is to be sent as UDP.
    Send(SocketAddrV4, &'a [u8]),
    /// The connection is to be closed.
    Close(Cause),
}

/// The decisions of a relay server: see the module.
///
/// What does the work tells what happens and does what it is told; a connection it closes it reports by
/// [`Server::handle_closed`].
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    clients: BTreeMap<ClientId, Client>,
    next: u64,
    /// Not greeted yet, the oldest first.
    strangers: BTreeSet<ClientId>,
    /// When clients are looked at: one entry for each.
    due: BTreeSet<(Mono, ClientId)>,
    sources: Sources,
    /// Bytes that wait for all clients.
    queued: usize,
    /// Endpoints that answered somebody.
    answering: BTreeMap<SocketAddrV4, Mono>,
    /// Addresses where nothing answered anybody.
    tried: BTreeMap<Ipv4Addr, Pace>,
    counts: Counts,
}

impl Server {
    /// A server without connections.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            clients: BTreeMap::new(),
            next: 0,
            strangers: BTreeSet::new(),
            due: BTreeSet::new(),
            sources: Sources::default(),
            queued: 0,
            answering: BTreeMap::new(),
            tried: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// What happened since the start.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// True without connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Bytes that wait for all clients.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// Endpoints that a client is known to have, and how many of them answered.
    #[cfg(test)]
    pub(super) fn endpoints_of(&self, id: ClientId) -> (usize, usize) {
        let latest = Mono::from_millis(4_000_000 + 600 * 200);
        self.clients.get(&id).map_or((0, 0), |client| (client.endpoints.len(), client.endpoints.answering(latest)))
    }

    /// Somebody connects.
    ///
    /// # Errors
    /// The connection is refused: it is to be closed at once.
    pub fn handle_connection(&mut self, now: Mono, from: IpAddr) -> Result<Admitted, Cause> {
        let admitted = self.admit(now, from);
        match &admitted {
            Ok(_) => self.counts.connections += 1,
            Err(cause) => self.counts.add(*cause),
        }
        admitted
    }

    fn admit(&mut self, now: Mono, from: IpAddr) -> Result<Admitted, Cause> {
        let source = source_of(from);
        self.sources.connect(now, source, self.limits.clients_per_source)?;
        // Who says nothing takes no more than a quarter of the places, and gives way to who comes later.
        let crowded = self.strangers.len() >= (self.limits.clients / 4).max(1);
        let instead_of = match self.strangers.first() {
            Some(oldest) if crowded || self.clients.len() >= self.limits.clients => Some(*oldest),
            None if self.clients.len() >= self.limits.clients => {
                self.sources.disconnect(source);
                return Err(Cause::Full);
            }
            _ => None,
        };
        if let Some(oldest) = instead_of {
            self.counts.add(Cause::GaveWay);
            self.handle_closed(oldest);
        }
        let id = ClientId(self.next);
        self.next += 1;
        let mut client = Client::new(now, source);
        client.looked_at = client.end(&self.limits).0;
        self.due.insert((client.looked_at, id));
        self.clients.insert(id, client);
        self.strangers.insert(id);
        Ok(Admitted { id, instead_of })
    }

    /// A connection is gone, whoever closed it.
    pub fn handle_closed(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else { return };
        self.queued -= client.queued;
        self.strangers.remove(&id);
        self.due.remove(&(client.looked_at, id));
        self.sources.disconnect(client.source);
    }

    /// A client sent a record.
    pub fn handle_record<'a>(&mut self, now: Mono, id: ClientId, record: Record<'a>) -> Verdict<'a> {
        let Some(client) = self.clients.get_mut(&id) else { return Verdict::Done };
        client.used = now;
        let parsed = match record {
            Record::Body(body) => FromClient::parse(body),
            Record::TooLong(_) if client.has_greeted => {
                self.counts.add(Cause::TooLong);
                return Verdict::Done;
            }
            Record::TooLong(_) => Err(Unusable::Length),
        };
        match parsed {
            Ok(FromClient::Greeting(_)) => {
                client.has_greeted = true;
                self.strangers.remove(&id);
                Verdict::Done
            }
            // Deliberate (03 §16.3): very old clients, which send no greeting, are not served.
            _ if !client.has_greeted => self.close(Cause::NoGreeting),
            Ok(FromClient::Datagram { to, datagram }) => match self.judge(now, id, to, datagram) {
                Ok(()) => {
                    self.counts.datagrams_out += 1;
                    self.counts.bytes_out += datagram.len() as u64;
                    Verdict::Send(to, datagram)
                }
                Err(cause) => self.drop(cause),
            },
            Err(Unusable::AddressType(_)) => self.drop(Cause::AddressType),
            Err(_) => self.drop(Cause::BadLength),
        }
    }

    /// What a client sends are no records.
    pub fn handle_garbage(&mut self) {
        self.counts.add(Cause::NotARecord);
    }

    /// No socket can be had for a client, or the system did not send what it was told to.
    pub fn handle_failure(&mut self, cause: Cause) {
        self.counts.add(cause);
    }

    /// Whether a client is in the middle of a record, after all was taken that came from it.
    pub fn handle_inside(&mut self, now: Mono, id: ClientId, inside: bool) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.inside = if inside { client.inside.or(Some(now)) } else { None };
            self.look_in_time(id);
        }
    }

    /// UDP came for a client. True when it is to be passed on, as `length` bytes with its record; they count as waiting until
    /// [`Server::handle_written`].
    #[must_use]
    pub fn handle_datagram(
        &mut self,
        now: Mono,
        id: ClientId,
        from: SocketAddr,
        datagram: &[u8],
        length: usize,
    ) -> bool {
        match self.accept(now, id, from, datagram, length) {
            Ok(()) => {
                self.counts.datagrams_in += 1;
                self.counts.bytes_in += datagram.len() as u64;
                true
            }
            Err(cause) => {
                self.counts.add(cause);
                false
            }
        }
    }

    fn accept(
        &mut self,
        now: Mono,
        id: ClientId,
        from: SocketAddr,
        datagram: &[u8],
        length: usize,
    ) -> Result<(), Cause> {
        let (SocketAddr::V4(from), true) = (from, self.may_reach(from.ip())) else {
            return Err(Cause::ForbiddenAddress);
        };
        check_length(datagram)?;
        let client = self.clients.get_mut(&id).ok_or(Cause::Uninvited)?;
        let answers = client.endpoints.receive(now, from, datagram)?;
        let (source, free) = (client.source, self.limits.queue.saturating_sub(client.queued));
        if answers {
            self.note_answering(now, from);
        }
        if length > free {
            return Err(Cause::SlowClient);
        }
        if length > self.limits.memory.saturating_sub(self.queued) {
            return Err(Cause::MemoryFull);
        }
        if !self.sources.receives(now, source, length, self.limits.rate) {
            return Err(Cause::AboveRate);
        }
        self.queued += length;
        if let Some(client) = self.clients.get_mut(&id) {
            client.queued += length;
            client.used = now;
            client.waits.get_or_insert(now);
            self.look_in_time(id);
        }
        Ok(())
    }

    /// Bytes that waited for a client were written.
    pub fn handle_written(&mut self, now: Mono, id: ClientId, bytes: usize) {
        if let Some(client) = self.clients.get_mut(&id) {
            let bytes = bytes.min(client.queued);
            client.queued -= bytes;
            self.queued -= bytes;
            client.waits = (client.queued > 0).then_some(now);
        }
    }

    /// A client that is to be closed now, and why; it is closed here already. Called until there is none.
    pub fn poll_close(&mut self, now: Mono) -> Option<(ClientId, Cause)> {
        while let Some(&(at, id)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(client) = self.clients.get_mut(&id) else { continue };
            let (end, cause) = client.end(&self.limits);
            if end > now {
                // It was used meanwhile.
                client.looked_at = end;
                self.due.insert((end, id));
                continue;
            }
            self.counts.add(cause);
            self.handle_closed(id);
            return Some((id, cause));
        }
        None
    }

    /// When to call [`Server::poll_close`].
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Looks at a client when it may have to be closed, at the latest.
    fn look_in_time(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            let end = client.end(&self.limits).0;
            if end < client.looked_at {
                self.due.remove(&(client.looked_at, id));
                self.due.insert((end, id));
                client.looked_at = end;
            }
        }
    }

    fn judge(&mut self, now: Mono, id: ClientId, to: SocketAddrV4, datagram: &[u8]) -> Result<(), Cause> {
        check_length(datagram)?;
        if to.port() <= LOW_PORTS {
            return Err(Cause::LowPort);
        }
        if !self.may_reach((*to.ip()).into()) {
            return Err(Cause::ForbiddenAddress);
        }
        let client = self.clients.get_mut(&id).ok_or(Cause::Uninvited)?;
        let answers = client.endpoints.send(now, to, datagram)?;
        let source = client.source;
        if !answers && !self.may_try(now, to) {
            return Err(Cause::Unanswered);
        }
        if !self.sources.sends(now, source, datagram.len(), self.limits.rate) {
            return Err(Cause::AboveRate);
        }
        Ok(())
    }

    /// Deliberate (03 §16.3, Free choice): never into private networks, unless the operator says so.
    fn may_reach(&self, ip: IpAddr) -> bool {
        Scope::of(ip) == Scope::Global || self.limits.allowed.iter().any(|prefix| prefix.contains(ip))
    }

    /// Whether one more datagram may go where the client heard nothing from: where others did, yes; else not more from all
    /// clients together than find out whether somebody is there.
    fn may_try(&mut self, now: Mono, to: SocketAddrV4) -> bool {
        if self.answering.get(&to).is_some_and(|heard| now.saturating_since(*heard) < ANSWERING) {
            return true;
        }
        if self.tried.len() >= MAX_TRIED && !self.tried.contains_key(to.ip()) {
            self.tried.retain(|_, pace| !is_rested(*pace, now));
            if self.tried.len() >= MAX_TRIED {
                return false;
            }
        }
        self.tried.entry(*to.ip()).or_default().pass(now, TRIES.0, TRIES.1)
    }

    fn note_answering(&mut self, now: Mono, endpoint: SocketAddrV4) {
        if self.answering.len() >= MAX_ANSWERING && !self.answering.contains_key(&endpoint) {
            self.answering.retain(|_, heard| now.saturating_since(*heard) < ANSWERING);
            if self.answering.len() >= MAX_ANSWERING {
                return;
            }
        }
        self.answering.insert(endpoint, now);
    }

    fn drop<'a>(&mut self, cause: Cause) -> Verdict<'a> {
        self.counts.add(cause);
        Verdict::Done
    }

    fn close<'a>(&mut self, cause: Cause) -> Verdict<'a> {
        self.counts.add(cause);
        Verdict::Close(cause)
    }
}

fn check_length(datagram: &[u8]) -> Result<(), Cause> {
    match datagram.len() {
        0..MIN_DATAGRAM => Err(Cause::TooShort),
        length if length > usize::from(MAX_PHYS_MTU) => Err(Cause::TooLong),
        _ => Ok(()),
    }
}

/// Whether the whole burst of a pace of tries is left.
fn is_rested(mut pace: Pace, now: Mono) -> bool {
    pace.pass(now, TRIES.0 * TRIES.1, 1)
}
