//! What addresses of ours others see (03 §9).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use zt_wire::Scope;
use zt_wire::{Address, Mono};

use crate::link::{Endpoint, LinkId};
use crate::rate::SURFACE;

/// Most reports remembered.
const MAX_REPORTS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    reporter: Address,
    link: LinkId,
    from: Endpoint,
    scope: Scope,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    seen_as: SocketAddr,
    at: Mono,
    by_root: bool,
}

/// A report that came with a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) reporter: Address,
    pub(crate) by_root: bool,
    pub(crate) link: LinkId,
    pub(crate) from: Endpoint,
    pub(crate) seen_as: SocketAddr,
}

#[derive(Default)]
pub(crate) struct SelfAwareness(BTreeMap<Key, Report>);

impl SelfAwareness {
    /// Takes a report. `Some(scope)`: a root says that our address of that scope changed.
    pub(crate) fn report(&mut self, now: Mono, s: Sighting) -> Option<Scope> {
        let scope = Scope::of(s.seen_as.ip());
        let ignored = matches!(scope, Scope::None | Scope::Loopback | Scope::Multicast);
        if ignored || scope != s.from.scope() || s.seen_as.port() == 0 {
            return None;
        }
        let key = Key { reporter: s.reporter, link: s.link, from: s.from, scope };
        let report = Report { seen_as: s.seen_as, at: now, by_root: s.by_root };
        let old = self.0.get(&key).copied();
        if old.is_none() && self.0.len() >= MAX_REPORTS {
            self.expire(now);
            if self.0.len() >= MAX_REPORTS && !self.forget_oldest_leaf_report() {
                return None;
            }
        }
        self.0.insert(key, report);
        let old = old.filter(|r| s.by_root && now.saturating_since(r.at) < SURFACE)?;
        // The port counts as well: a NAT that forgot us gives another one.
        if old.seen_as == s.seen_as {
            return None;
        }
        if old.seen_as.ip() != s.seen_as.ip() {
            self.0.retain(|k, _| k.scope != scope || k.from == s.from);
        }
        Some(scope)
    }

    /// Addresses worth telling to peers: seen by a root, or by two peers. Deliberate: one ordinary peer cannot put an
    /// address into what we tell others (03 §9, Free choice).
    pub(crate) fn surfaces(&self, now: Mono) -> Vec<SocketAddr> {
        let mut seen: BTreeMap<SocketAddr, (bool, Vec<Address>)> = BTreeMap::new();
        for (key, report) in self.0.iter().filter(|(_, r)| now.saturating_since(r.at) < SURFACE) {
            let entry = seen.entry(report.seen_as).or_default();
            entry.0 |= report.by_root;
            if !entry.1.contains(&key.reporter) {
                entry.1.push(key.reporter);
            }
        }
        seen.into_iter().filter(|(_, (root, by))| *root || by.len() >= 2).map(|(a, _)| a).collect()
    }

    pub(crate) fn forget_link(&mut self, link: LinkId) {
        self.0.retain(|k, _| k.link != link);
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.0.retain(|_, r| now.saturating_since(r.at) < SURFACE);
    }

    fn forget_oldest_leaf_report(&mut self) -> bool {
        let oldest = self.0.iter().filter(|(_, r)| !r.by_root).min_by_key(|(_, r)| r.at).map(|(k, _)| *k);
        oldest.is_some_and(|k| self.0.remove(&k).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(reporter: u64, by_root: bool, seen_as: &str) -> Sighting {
        Sighting {
            reporter: Address::new(reporter),
            by_root,
            link: LinkId(1),
            from: Endpoint::Ip("1.1.1.1:9993".parse().unwrap()),
            seen_as: seen_as.parse().unwrap(),
        }
    }

    const T: Mono = Mono(1_000_000);

    #[test]
    fn only_roots_report_changes() {
        let mut s = SelfAwareness::default();
        assert_eq!(s.report(T, sighting(1, true, "5.5.5.5:100")), None);
        assert_eq!(s.report(T, sighting(1, true, "5.5.5.5:100")), None);
        assert_eq!(s.report(T, sighting(1, true, "5.5.5.6:100")), Some(Scope::Global));
        assert_eq!(s.report(T, sighting(1, true, "5.5.5.6:101")), Some(Scope::Global));
        assert_eq!(s.report(T, sighting(2, false, "7.5.5.5:100")), None);
        assert_eq!(s.report(T, sighting(2, false, "7.5.5.6:100")), None);
        assert_eq!(s.report(T, sighting(1, true, "10.0.0.1:1")), None);
    }

    #[test]
    fn one_peer_alone_cannot_name_an_address() {
        let mut s = SelfAwareness::default();
        s.report(T, sighting(2, false, "7.5.5.5:100"));
        assert!(s.surfaces(T).is_empty());
        s.report(T, sighting(3, false, "7.5.5.5:100"));
        assert_eq!(s.surfaces(T).len(), 1);
        assert!(s.surfaces(T + SURFACE).is_empty());
        for i in 0..2000 {
            s.report(T, sighting(100 + i, false, "7.5.5.5:100"));
        }
        assert!(s.0.len() <= MAX_REPORTS);
        s.report(T, sighting(1, true, "5.5.5.5:100"));
        assert_eq!(s.surfaces(T).len(), 2);
    }
}
