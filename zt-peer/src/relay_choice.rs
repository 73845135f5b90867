//! Over which root a peer without a direct path is reached.

use zt_wire::Mono;

use crate::peer::Peer;

/// A root, and how it is called here.
pub(crate) type Root<'a, Id> = (Id, &'a Peer);

/// Roots by rank (03 §11.4): the one to ask or to send by. Those without any path are none.
pub(crate) fn best<'a, Id>(now: Mono, roots: impl Iterator<Item = Root<'a, Id>>) -> Option<Id> {
    let with_paths = roots.filter(|(_, root)| !root.paths().is_empty());
    with_paths.min_by_key(|(_, root)| root.standing(now)).map(|(id, _)| id)
}

/// The root through which a peer was heard last (`usual`), if that works, else the best. Nothing comes back over it: the
/// peer may be connected to another one, so each is used in turn. The peer itself is not among the `others`, which are all
/// roots.
pub(crate) fn choose<'a, Id: Copy + Eq>(
    now: Mono,
    peer: &Peer,
    usual: Option<Root<'a, Id>>,
    others: impl Iterator<Item = Root<'a, Id>>,
) -> Option<Id> {
    let works = |root: &Root<'a, Id>| root.1.paths().route().is_some();
    let turn = peer.detour().turn(now);
    if turn == 0 {
        return usual.filter(works).map(|(id, _)| id).or_else(|| best(now, others));
    }
    let all: Vec<Root<'a, Id>> = others.collect();
    let mut working: Vec<Root<'a, Id>> = all.iter().copied().filter(works).collect();
    working.sort_by_key(|(id, root)| (Some(*id) != usual.map(|u| u.0), root.standing(now)));
    match working.len() {
        0 => best(now, all.into_iter()),
        n => working.get(turn % n).map(|(id, _)| *id),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use zt_crypto::{PeerKeys, SharedKey};
    use zt_wire::{Address, Identity};

    use super::*;
    use crate::link::{Endpoint, LinkId, Path, Room};
    use crate::peer::{Heard, Proof};

    const NOW: Mono = Mono(100_000_000);

    fn peer() -> Peer {
        let identity = Identity { address: Address::new(5), public_key: [0; 64] };
        Peer::new(NOW, identity, Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48]))))
    }

    /// A root with a path of that latency.
    fn root(ms: u64) -> Peer {
        let mut root = peer();
        let path = Path { link: LinkId(1), remote: Endpoint::Ip(SocketAddr::from(([10, 0, 0, 1], 9993))) };
        let (asked, sent, probe, heard_first) = (path, Mono(NOW.0 - ms * 1000), true, false);
        _ = root.adopt(
            NOW,
            &Proof {
                path,
                asked,
                sent,
                probe,
                heard_first,
                rank: 0,
                room: Room::fixed(1432),
                trusted: None,
                lasting: true,
            },
        );
        let packet = Heard { path, direct: false, nontrivial: false, hello: false, trust: false };
        _ = root.heard(NOW, &packet);
        root
    }

    /// The choice for a peer with traffic and no answer for some seconds.
    fn choice(roots: &[Peer], usual: Option<usize>, unheard: u64) -> Option<usize> {
        let mut p = peer();
        p.detour_mut().sends(NOW);
        let usual = usual.map(|i| (i, &roots[i]));
        choose(NOW + Duration::from_secs(unheard), &p, usual, roots.iter().enumerate())
    }

    #[test]
    fn the_root_it_was_heard_through_carries_else_the_best() {
        let roots = [root(30), root(10), root(20)];
        assert_eq!(choice(&roots, None, 0), Some(1));
        assert_eq!(choice(&roots, Some(0), 0), Some(0));
        assert_eq!(choice(&[], None, 0), None);
        let roots = [peer(), root(10)];
        assert_eq!(choice(&roots, Some(0), 0), Some(1), "the usual one has no path");
        assert_eq!(choice(&roots[..1], Some(0), 0), None);
    }

    #[test]
    fn when_nothing_comes_back_each_root_is_used_in_turn() {
        let roots = [root(30), root(10), root(20), peer()];
        let turns = |usual| [0, 1, 2, 4, 6, 8].map(|s| choice(&roots, usual, s).expect("some root"));
        assert_eq!(turns(Some(0)), [0, 0, 1, 2, 0, 1], "the usual one first, then the better ones");
        assert_eq!(turns(None), [1, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_root_whose_paths_are_all_suspected_is_better_than_none() {
        let mut dead = root(10);
        let later = NOW + Duration::from_secs(300);
        _ = dead.paths_mut().choose_route(later);
        assert!(dead.paths().route().is_none() && !dead.paths().is_empty(), "expired");
        let p = peer();
        assert_eq!(choose(later, &p, Some((0, &dead)), [(0, &dead)].into_iter()), Some(0));
        let mut searching = peer();
        searching.detour_mut().sends(NOW);
        assert_eq!(choose(later, &searching, None, [(0, &dead)].into_iter()), Some(0));
        assert_eq!(choose(later, &searching, None, [(0, &dead), (1, &root(50))].into_iter()), Some(1));
    }
}
