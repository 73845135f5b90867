//! Which of its direct paths a peer's traffic takes (03 §7.2, Free choice).

use std::time::Duration;

use zt_wire::Mono;

use crate::peer::{Peer, Slot};
use crate::rate::PATH_ALIVE;

/// A path must be better by this factor (in eighths) to replace a working one of the same rank.
const HYSTERESIS_EIGHTHS: u64 = 6;
/// Latencies below this are all the same.
const NEAR: u64 = 2_000;

/// Index of the slot to use, or `None` when traffic should go over a root. Lower rank first, then quality. Among those
/// that are not clearly worse than the best, the one in use stays; else the peer's primary port and then the oldest are
/// preferred, as secondary ports do not outlive a restart of the peer.
pub(crate) fn choose(peer: &Peer, now: Mono) -> Option<usize> {
    let usable = |s: &Slot| !s.is_expired(now) && !s.live.is_suspected();
    let class = |s: &Slot| (s.live.is_doubted(), s.rank);
    let candidates: Vec<usize> = (0..peer.slots.len()).filter(|i| usable(&peer.slots[*i])).collect();
    let best = candidates.iter().map(|i| &peer.slots[*i]).min_by_key(|s| (class(s), quality(s, now)))?;
    let is_good = |s: &Slot| class(s) == class(best) && !is_clearly_worse(s, best, now);
    let good = candidates.into_iter().filter(|i| is_good(&peer.slots[*i]));
    good.min_by_key(|i| (!peer.is_primary(&peer.slots[*i]), peer.route != Some(*i), *i))
}

/// Ports of one host reached by one link share everything that matters; what is measured differs by chance.
fn is_clearly_worse(slot: &Slot, best: &Slot, now: Mono) -> bool {
    let alive = |s: &Slot| now.saturating_since(s.live.heard) < PATH_ALIVE;
    let twins = slot.path.link == best.path.link && slot.path.remote.same_host(&best.path.remote);
    let same = twins && alive(slot) == alive(best);
    !same && quality(best, now) < quality(slot, now) / 8 * HYSTERESIS_EIGHTHS
}

/// The best of all slots, suspected and expired ones too: better than nothing.
pub(crate) fn last_resort(peer: &Peer, now: Mono) -> Option<usize> {
    (0..peer.slots.len()).min_by_key(|i| {
        let s = &peer.slots[*i];
        (s.is_expired(now), s.live.is_suspected(), s.rank, quality(s, now))
    })
}

/// Lower is better: `(L if heard lately else L + 65535 + silence) × (8 − scope)` in microseconds (03 §7.2).
pub(crate) fn quality(slot: &Slot, now: Mono) -> u64 {
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let unknown = Duration::from_millis(65_535);
    let latency = micros(slot.live.rtt.latency().unwrap_or(unknown)).max(NEAR);
    let silence = now.saturating_since(slot.live.heard);
    let penalty = if silence < PATH_ALIVE { 0 } else { micros(unknown + silence) };
    (latency + penalty) * u64::from(8 - slot.path.remote.scope() as u8)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use zt_crypto::{PeerKeys, SharedKey};
    use zt_wire::Identity;
    use zt_wire::{Address, Gate};

    use super::*;
    use crate::link::{Endpoint, LinkId, Path};
    use crate::peer::liveness::Liveness;

    fn slot(addr: &str, rank: i32, ms: u64, heard: u64) -> Slot {
        let remote = Endpoint::Ip(addr.parse::<SocketAddr>().unwrap());
        let mut live = Liveness::new(Mono::from_millis(heard));
        live.rtt.sample(Duration::from_millis(ms));
        Slot {
            path: Path { link: LinkId(1), remote },
            rank,
            live,
            last_sent: Gate::OPEN,
            heard_first: false,
            last_probe: None,
            mtu: 1432,
            trusted: None,
        }
    }

    fn peer(slots: Vec<Slot>, route: Option<usize>) -> Peer {
        let identity = Identity { address: Address::new(5), public_key: [0; 64] };
        let mut p = Peer::new(Mono::ZERO, identity, Arc::new(PeerKeys::new(SharedKey::from_bytes([1; 48]))));
        p.slots = slots;
        p.route = route;
        p
    }

    const NOW: Mono = Mono(100_000_000);

    #[test]
    fn rank_first_then_scope_and_latency_with_hysteresis() {
        let global = || slot("1.2.3.4:9993", 0, 20, 99_000);
        let private = || slot("10.0.0.1:9993", 0, 20, 99_000);
        let tunnel = || slot("10.0.0.2:443", 1, 1, 99_000);
        assert_eq!(choose(&peer(vec![global(), private(), tunnel()], None), NOW), Some(1));
        assert_eq!(choose(&peer(vec![tunnel(), global()], Some(0)), NOW), Some(1));
        let near = slot("1.2.3.5:9993", 0, 18, 99_000);
        assert_eq!(choose(&peer(vec![global(), near], Some(0)), NOW), Some(0));
        let nearer = slot("1.2.3.5:9993", 0, 10, 99_000);
        assert_eq!(choose(&peer(vec![global(), nearer], Some(0)), NOW), Some(1));
    }

    #[test]
    fn equals_are_decided_by_primary_port_then_use_then_age() {
        let port = |port: u16, ms| slot(&format!("10.0.0.1:{port}"), 0, ms, 99_000);
        let mut p = peer(vec![port(20_001, 1), port(9993, 9), port(20_002, 1)], None);
        assert_eq!(choose(&p, NOW), Some(0), "the oldest, whatever was measured on ports of one host");
        p.route = Some(2);
        assert_eq!(choose(&p, NOW), Some(2), "the one in use stays");
        p.primary_port = Some(9993);
        assert_eq!(choose(&p, NOW), Some(1), "the primary port outlives a restart");
        p.slots[1].live.suspect(NOW);
        assert_eq!(choose(&p, NOW), Some(2));
        let mut far = peer(vec![slot("10.0.0.1:9993", 0, 30, 99_000), slot("10.0.7.1:5", 0, 10, 99_000)], Some(0));
        far.primary_port = Some(9993);
        assert_eq!(choose(&far, NOW), Some(1), "a clearly better way wins over ports");
    }

    #[test]
    fn a_doubted_path_gives_way_until_it_answers() {
        let mut old = slot("10.0.0.1:1000", 0, 10, 99_000);
        let new = slot("1.2.3.4:2000", 0, 30, 99_900);
        old.live.doubt();
        let mut p = peer(vec![old, new], Some(0));
        assert_eq!(choose(&p, NOW), Some(1));
        p.route = Some(1);
        assert!(p.slots[0].live.answered(Mono::from_millis(99_990), NOW));
        assert_eq!(choose(&p, NOW), Some(0));
    }
}
