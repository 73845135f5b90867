//! The host's sockets as links of the engine. They are numbers that appear with packets; one link stands for "any or
//! all of them", and each socket seen has a link on which only what was heard by it is answered.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use zt_peer::{Endpoint, Link, LinkId, LinkKind, LinkRole};

/// Any or all sockets, for C (08 §A.4).
pub(crate) const ANY: i64 = -1;
/// Sockets known at a time; a host that has more uses some of them rarely.
const SOCKETS: usize = 64;
/// First number of a link of a socket; the numbers below are the wildcards of the families.
const FIRST: u32 = 16;

/// Sockets seen, with their links.
#[derive(Default)]
pub(super) struct Sockets {
    links: BTreeMap<(i64, bool), Seen>,
    sockets: BTreeMap<LinkId, i64>,
    next: u32,
    uses: u64,
}

struct Seen {
    link: LinkId,
    used: u64,
}

/// What changes because a packet came by a socket.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) up: Option<Link>,
    pub(super) down: Option<LinkId>,
}

fn wildcard(ipv6: bool) -> LinkId {
    LinkId(u32::from(ipv6))
}

fn link(id: LinkId, ipv6: bool, role: LinkRole) -> Link {
    let local: SocketAddr = if ipv6 { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    Link { id, kind: LinkKind::Udp, rank: 0, local: Endpoint::Ip(local), mtu: 0, role }
}

/// The links of a new node.
pub(super) fn wildcards() -> [Link; 2] {
    [false, true].map(|ipv6| link(wildcard(ipv6), ipv6, LinkRole::Wildcard))
}

impl Sockets {
    /// The link of a socket by which a packet came from an address of this family.
    pub(super) fn link_of(&mut self, socket: i64, ipv6: bool) -> (LinkId, Changes) {
        if socket == ANY || socket == 0 {
            return (wildcard(ipv6), Changes::default());
        }
        self.uses += 1;
        if let Some(seen) = self.links.get_mut(&(socket, ipv6)) {
            seen.used = self.uses;
            return (seen.link, Changes::default());
        }
        let mut changes = Changes::default();
        if self.links.len() >= SOCKETS
            && let Some(oldest) = self.links.iter().min_by_key(|(_, seen)| seen.used).map(|(key, _)| *key)
            && let Some(gone) = self.links.remove(&oldest)
        {
            self.sockets.remove(&gone.link);
            changes.down = Some(gone.link);
        }
        let id = LinkId(FIRST.saturating_add(self.next));
        self.next += 1;
        self.links.insert((socket, ipv6), Seen { link: id, used: self.uses });
        self.sockets.insert(id, socket);
        changes.up = Some(link(id, ipv6, LinkRole::AnswerOnly));
        (id, changes)
    }

    /// The host's number for a link.
    pub(super) fn socket_of(&self, link: LinkId) -> i64 {
        self.sockets.get(&link).copied().unwrap_or(ANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_keeps_its_link_and_the_least_used_gives_way() {
        let mut sockets = Sockets::default();
        let (first, changes) = sockets.link_of(7, false);
        assert!(changes.up.is_some_and(|link| link.id == first && link.role == LinkRole::AnswerOnly));
        let (again, changes) = sockets.link_of(7, false);
        assert_eq!((again, changes.up.is_none()), (first, true));
        assert_ne!(sockets.link_of(7, true).0, first, "each family has its own");
        assert_eq!(sockets.socket_of(first), 7);
        for socket in 100..100 + SOCKETS as i64 {
            sockets.link_of(7, true);
            sockets.link_of(socket, false);
        }
        assert_eq!(sockets.socket_of(first), ANY, "given way");
        assert_eq!(sockets.links.len(), SOCKETS);
        assert_eq!(sockets.link_of(-1, true).0, wildcards()[1].id);
        assert_eq!(sockets.socket_of(wildcards()[0].id), ANY);
    }
}
