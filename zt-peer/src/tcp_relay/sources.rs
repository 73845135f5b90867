//! What the sources of connections have and may have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use zt_wire::{IpPrefix, Mono, Pace};

use super::cause::Cause;

/// Connections of one source: one in this time, and as many at once as it may have.
const CONNECT: Duration = Duration::from_millis(500);
/// Sources without a connection that are remembered.
const MAX_REMEMBERED: usize = 4096;
/// Traffic that may be saved up: this long at the full rate.
const SAVED: Duration = Duration::from_millis(250);

/// An IPv4 address, or a /64 of IPv6: what one subscriber has.
pub(super) type Source = IpPrefix;

pub(super) fn source_of(ip: IpAddr) -> Source {
    let bits = if ip.is_ipv4() { 32 } else { 64 };
    IpPrefix::clamped(ip, bits).network()
}

/// A pace of things that cost differently.
#[derive(Debug, Default)]
struct Flow {
    paid: Mono,
}

impl Flow {
    fn pass(&mut self, now: Mono, bytes: usize, rate: u64) -> bool {
        if rate == 0 {
            return true;
        }
        let from = self.paid.max(now);
        let pays = from.saturating_since(now) <= SAVED;
        if pays {
            self.paid = from + Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate);
        }
        pays
    }
}

#[derive(Debug, Default)]
struct Having {
    clients: usize,
    connects: Pace,
    out: Flow,
    back: Flow,
}

/// All sources.
#[derive(Debug, Default)]
pub(super) struct Sources(BTreeMap<Source, Having>);

impl Sources {
    /// Takes a connection of a source in.
    pub(super) fn connect(&mut self, now: Mono, source: Source, most: usize) -> Result<(), Cause> {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&source) {
            self.0.retain(|_, having| having.clients > 0);
        }
        let having = self.0.entry(source).or_default();
        if having.clients >= most {
            return Err(Cause::SourceFull);
        }
        let burst = u32::try_from(most).unwrap_or(u32::MAX);
        if !having.connects.pass(now, CONNECT, burst) {
            return Err(Cause::SourcePace);
        }
        having.clients += 1;
        Ok(())
    }

    pub(super) fn disconnect(&mut self, source: Source) {
        if let Some(having) = self.0.get_mut(&source) {
            having.clients = having.clients.saturating_sub(1);
        }
    }

    /// Whether bytes may go out for a source.
    pub(super) fn sends(&mut self, now: Mono, source: Source, bytes: usize, rate: u64) -> bool {
        self.0.get_mut(&source).is_some_and(|having| having.out.pass(now, bytes, rate))
    }

    /// Whether bytes may come back to a source.
    pub(super) fn receives(&mut self, now: Mono, source: Source, bytes: usize, rate: u64) -> bool {
        self.0.get_mut(&source).is_some_and(|having| having.back.pass(now, bytes, rate))
    }
}
