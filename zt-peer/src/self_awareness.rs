//! What addresses of ours others see (03 §9).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use zt_wire::Scope;
use zt_wire::{Address, Mono};

use crate::link::{Endpoint, LinkId};
use crate::rate::SURFACE;

/// Most reports remembered: those of roots first, then the latest.
const MAX_REPORTS: usize = 256;
/// Most addresses that roots name.
const MAX_BY_ROOTS: usize = 16;
/// Members that must agree about an address when no root says anything.
const WITNESSES: usize = 2;

/// Who reports. Others are not listened to: they prove nothing but that they have an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// A root of ours.
    Root,
    /// Somebody with whom we share a network.
    Member,
}

/// A root may see us at another address from each of its own and by each link; a member has one say for each kind of
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Root { reporter: Address, link: LinkId, from: Endpoint, scope: Scope },
    Member { reporter: Address, kind: Kind },
}

/// Addresses that stand for each other: scope, and whether IPv6.
type Kind = (Scope, bool);

#[derive(Clone, Copy, Debug)]
struct Report {
    seen_as: SocketAddr,
    at: Mono,
    link: LinkId,
}

/// A report that came with a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) reporter: Address,
    pub(crate) by: Reporter,
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
        let Sighting { reporter, by, link, from, seen_as } = s;
        let key = match by {
            Reporter::Root => Key::Root { reporter, link, from, scope },
            Reporter::Member => Key::Member { reporter, kind: kind(seen_as) },
        };
        let old = self.0.get(&key).copied();
        if old.is_none() && self.0.len() >= MAX_REPORTS {
            self.expire(now);
            if self.0.len() >= MAX_REPORTS && !self.forget_oldest_of_members() {
                return None;
            }
        }
        self.0.insert(key, Report { seen_as, at: now, link });
        let old = old.filter(|r| by == Reporter::Root && now.saturating_since(r.at) < SURFACE)?;
        // The port counts as well: a NAT that forgot us gives another one.
        if old.seen_as == seen_as {
            return None;
        }
        if old.seen_as.ip() != seen_as.ip() {
            let same_root = |k: &Key| matches!(k, Key::Root { from: by, .. } if *by == from);
            self.0.retain(|k, r| Scope::of(r.seen_as.ip()) != scope || same_root(k));
        }
        Some(scope)
    }

    /// Addresses worth telling to peers: those that roots see. Where no root says anything about that kind of address:
    /// the one that most members see, two at least. Deliberate: an ordinary peer cannot put an address into what we
    /// tell others, and members that lie together one of each kind (03 §9, Free choice).
    pub(crate) fn surfaces(&self, now: Mono) -> Vec<SocketAddr> {
        let mut by_roots: BTreeSet<SocketAddr> = BTreeSet::new();
        let mut witnesses: BTreeMap<(Kind, SocketAddr), usize> = BTreeMap::new();
        for (key, report) in self.0.iter().filter(|(_, r)| now.saturating_since(r.at) < SURFACE) {
            match key {
                Key::Root { .. } if by_roots.len() < MAX_BY_ROOTS => _ = by_roots.insert(report.seen_as),
                Key::Root { .. } => {}
                Key::Member { kind, .. } => *witnesses.entry((*kind, report.seen_as)).or_default() += 1,
            }
        }
        let told: BTreeSet<Kind> = by_roots.iter().map(|a| kind(*a)).collect();
        let mut best: BTreeMap<Kind, (usize, SocketAddr)> = BTreeMap::new();
        for ((kind, address), seen) in witnesses.into_iter().filter(|(_, seen)| *seen >= WITNESSES) {
            let entry = best.entry(kind).or_insert((seen, address));
            *entry = (*entry).max((seen, address));
        }
        let by_members = best.into_iter().filter(|(kind, _)| !told.contains(kind)).map(|(_, (_, address))| address);
        by_roots.iter().copied().chain(by_members).collect()
    }

    pub(crate) fn forget_link(&mut self, link: LinkId) {
        self.0.retain(|_, r| r.link != link);
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.0.retain(|_, r| now.saturating_since(r.at) < SURFACE);
    }

    fn forget_oldest_of_members(&mut self) -> bool {
        let members = self.0.iter().filter(|(k, _)| matches!(k, Key::Member { .. }));
        let oldest = members.min_by_key(|(_, r)| r.at).map(|(k, _)| *k);
        oldest.is_some_and(|k| self.0.remove(&k).is_some())
    }
}

fn kind(a: SocketAddr) -> Kind {
    (Scope::of(a.ip()), a.is_ipv6())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(reporter: u64, by_root: bool, seen_as: &str) -> Sighting {
        Sighting {
            reporter: Address::new(reporter),
            by: if by_root { Reporter::Root } else { Reporter::Member },
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
    fn one_member_alone_cannot_name_an_address() {
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
        assert_eq!(s.surfaces(T), ["5.5.5.5:100".parse().unwrap()], "a root knows better");
    }

    #[test]
    fn members_that_lie_together_name_one_address_and_the_majority_counts() {
        let mut s = SelfAwareness::default();
        for n in 0..40 {
            for liar in [2, 3] {
                s.report(T, sighting(liar, false, &format!("66.1.1.{n}:9993")));
            }
        }
        assert_eq!(s.surfaces(T), ["66.1.1.39:9993".parse().unwrap()]);
        for honest in 10..13 {
            s.report(T, sighting(honest, false, "7.5.5.5:100"));
        }
        assert_eq!(s.surfaces(T), ["7.5.5.5:100".parse().unwrap()]);
    }
}
