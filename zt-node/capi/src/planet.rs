//! Planets for hosts that are their own root set (01 §10).

use std::net::SocketAddr;
use zt_crypto::{Entropy as _, KeyPair, SecretIdentity, sign_world};
use zt_node::OsEntropy;
use zt_wire::world::{MAX_ENDPOINTS, MAX_ROOTS};
use zt_wire::{Emit as _, Identity, InetAddress, Root, Signature, World, WorldKind};

/// A planet in binary form, signed with a key that nobody keeps: it cannot be changed, only replaced. `None`: no root,
/// more roots or addresses than a planet has, or a root without an address.
pub(crate) fn make(now: u64, roots: Vec<(Identity, Vec<SocketAddr>)>) -> Option<Vec<u8>> {
    let usable = |endpoints: &Vec<SocketAddr>| (1..=MAX_ENDPOINTS).contains(&endpoints.len());
    if !(1..=MAX_ROOTS).contains(&roots.len()) || !roots.iter().all(|(_, endpoints)| usable(endpoints)) {
        return None;
    }
    let key = KeyPair::generate(&mut OsEntropy);
    let roots = roots.into_iter().map(|(identity, endpoints)| Root {
        identity,
        endpoints: endpoints.into_iter().map(InetAddress::from).collect(),
    });
    let mut planet = World {
        kind: WorldKind::Planet,
        id: OsEntropy.next_u64() | 1,
        timestamp: now,
        update_key: *key.public_key(),
        signature: Signature([0; 96]),
        roots: roots.collect(),
    };
    sign_world(&mut planet, &key);
    Some(planet.to_vec())
}

/// The identity in a text, secret or public.
pub(crate) fn identity(text: &str) -> Option<Identity> {
    let text = text.trim();
    text.parse().ok().or_else(|| SecretIdentity::from_text(text).ok().map(|secret| *secret.identity()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_crypto::{SeededEntropy, verify_world};
    use zt_wire::{Parse as _, Reader};

    #[test]
    fn a_planet_is_signed_and_within_its_bounds() {
        let secret = SecretIdentity::generate(&mut SeededEntropy::new(5));
        let public = identity(&secret.identity().to_string()).expect("public text");
        assert_eq!(identity(&secret.to_text()), Some(public));
        let at: SocketAddr = "10.0.0.1:9993".parse().expect("an address");
        let bytes = make(7, vec![(public, vec![at])]).expect("made");
        let planet = World::parse(&mut Reader::new(&bytes)).expect("a world");
        assert!(verify_world(&planet, &planet.update_key));
        assert_eq!((planet.timestamp, planet.roots[0].identity), (7, public));
        assert_eq!(make(7, vec![]), None);
        assert_eq!(make(7, vec![(public, vec![])]), None);
        assert_eq!(make(7, vec![(public, vec![at]); MAX_ROOTS + 1]), None);
        assert_eq!(make(7, vec![(public, vec![at; MAX_ENDPOINTS + 1])]), None);
    }
}
