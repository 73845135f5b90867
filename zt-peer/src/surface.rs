//! Addresses of ours that others may use, as far as others have to tell us: what peers see (03 §9), and what a gateway
//! mapped.

use std::net::{IpAddr, SocketAddr};

use zt_wire::{Mono, Scope};

use crate::link::LinkId;
use crate::self_awareness::{SelfAwareness, Sighting};

/// Our outside. Which of our own sockets are told beside it is a matter of the links.
#[derive(Default)]
pub(crate) struct Surface {
    awareness: SelfAwareness,
    mappings: Vec<SocketAddr>,
}

impl Surface {
    /// Takes a report. `Some(scope)`: a root says that our address of that scope changed.
    pub(crate) fn report(&mut self, now: Mono, sighting: Sighting) -> Option<Scope> {
        self.awareness.report(now, sighting)
    }

    /// The addresses that a gateway mapped for us. Whether one is new.
    pub(crate) fn set_mappings(&mut self, mappings: Vec<SocketAddr>) -> bool {
        let is_new = mappings.iter().any(|mapping| !self.mappings.contains(mapping));
        self.mappings = mappings;
        is_new
    }

    /// Worth telling: mappings, then what others see. One may be in both.
    pub(crate) fn addresses(&self, now: Mono) -> impl Iterator<Item = SocketAddr> + '_ {
        self.mappings.iter().copied().chain(self.awareness.surfaces(now))
    }

    /// Whether others see us at this IP address. `None`: nobody says anything about addresses of its kind.
    pub(crate) fn is_seen_at(&self, now: Mono, ip: IpAddr) -> Option<bool> {
        let is_alike = |seen: &SocketAddr| seen.is_ipv4() == ip.is_ipv4() && Scope::of(seen.ip()) == Scope::of(ip);
        let alike = self.awareness.surfaces(now).into_iter().filter(is_alike).map(|seen| seen.ip() == ip);
        alike.reduce(|one, other| one || other)
    }

    /// What was seen of a link that is gone says nothing any more.
    pub(crate) fn forget_link(&mut self, link: LinkId) {
        self.awareness.forget_link(link);
    }

    pub(crate) fn expire(&mut self, now: Mono) {
        self.awareness.expire(now);
    }
}

#[cfg(test)]
mod tests {
    use zt_wire::Address;

    use super::*;
    use crate::link::Endpoint;
    use crate::self_awareness::Reporter;

    const T: Mono = Mono(1_000_000);

    #[test]
    fn mappings_are_told_before_what_roots_see_and_a_link_takes_its_reports_along() {
        let mut surface = Surface::default();
        let seen_as: SocketAddr = "88.5.5.5:100".parse().unwrap();
        let mapped: SocketAddr = "88.6.6.6:200".parse().unwrap();
        assert!(surface.set_mappings(vec![mapped]) && !surface.set_mappings(vec![mapped]), "new once");
        let sighting = Sighting {
            reporter: Address::new(1),
            by: Reporter::Root,
            link: LinkId(3),
            from: Endpoint::Ip("1.1.1.1:9993".parse().unwrap()),
            seen_as,
        };
        assert_eq!(surface.report(T, sighting), None, "the first report is no change");
        assert_eq!(surface.addresses(T).collect::<Vec<_>>(), [mapped, seen_as]);
        let is_seen = |surface: &Surface, at: SocketAddr| surface.is_seen_at(T, at.ip());
        assert_eq!([seen_as, mapped].map(|at| is_seen(&surface, at)), [Some(true), Some(false)]);
        surface.forget_link(LinkId(3));
        assert_eq!(surface.addresses(T).collect::<Vec<_>>(), [mapped]);
    }
}
