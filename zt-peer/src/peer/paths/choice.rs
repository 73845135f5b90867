//! Which of its direct paths a peer's traffic takes (03 §7.2, Free choice).

use std::time::Duration;

use zt_wire::Mono;

use super::Slot;
use crate::rate::PATH_ALIVE;

/// A path must be better by this factor (in eighths) to replace a working one of the same rank.
const HYSTERESIS_EIGHTHS: u64 = 6;
/// Latencies below this are all the same.
const NEAR: u64 = 2_000;

/// Index of the slot to use, or `None` when traffic should go over a root. Lower rank first, then quality. Among those
/// that are not clearly worse than the best, the one in use (`present`) stays; else the peer's primary port and then the
/// oldest are preferred, as secondary ports do not outlive a restart of the peer.
pub(super) fn choose(slots: &[Slot], present: Option<usize>, primary_port: Option<u16>, now: Mono) -> Option<usize> {
    let class = |s: &Slot| (s.live.is_doubted(), s.rank);
    let candidates = || slots.iter().enumerate().filter(|(_, s)| s.is_usable(now));
    let best = candidates().map(|(_, s)| s).min_by_key(|s| (class(s), quality(s, now)))?;
    let good = candidates().filter(|(_, s)| class(s) == class(best) && !is_clearly_worse(s, best, now));
    good.min_by_key(|(i, s)| (!is_primary(s, primary_port), present != Some(*i), *i)).map(|(i, _)| i)
}

/// The best of all slots, suspected and expired ones too: better than nothing.
pub(super) fn last_resort(slots: &[Slot], now: Mono) -> Option<usize> {
    let all = slots.iter().enumerate();
    all.min_by_key(|(_, s)| (s.is_expired(now), s.is_suspected(), s.rank, quality(s, now))).map(|(i, _)| i)
}

/// Lower is better: `(L if heard lately else L + 65535 + silence) × (8 − scope)` in microseconds (03 §7.2).
pub(super) fn quality(slot: &Slot, now: Mono) -> u64 {
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let unknown = Duration::from_millis(65_535);
    let latency = micros(slot.latency().unwrap_or(unknown)).max(NEAR);
    let silence = now.saturating_since(slot.last_heard());
    let penalty = if silence < PATH_ALIVE { 0 } else { micros(unknown + silence) };
    (latency + penalty) * u64::from(8 - slot.path.remote.scope() as u8)
}

/// Whether a slot leads to the port that outlives a restart of the peer.
fn is_primary(slot: &Slot, primary_port: Option<u16>) -> bool {
    let port = slot.path.remote.socket_addr().map(|a| a.port());
    port.is_some() && port == primary_port
}

/// Ports of one host reached by one link share everything that matters; what is measured differs by chance.
fn is_clearly_worse(slot: &Slot, best: &Slot, now: Mono) -> bool {
    let alive = |s: &Slot| now.saturating_since(s.last_heard()) < PATH_ALIVE;
    let same = slot.is_sibling_of(best.path) && alive(slot) == alive(best);
    !same && quality(best, now) < quality(slot, now) / 8 * HYSTERESIS_EIGHTHS
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::link::{Endpoint, LinkId, Path, Room};
    use crate::peer::paths::liveness::Liveness;
    use crate::peer::paths::size::Size;

    fn slot(addr: &str, rank: i32, ms: u64, heard: u64) -> Slot {
        let remote = Endpoint::Ip(addr.parse::<SocketAddr>().unwrap());
        Slot {
            path: Path { link: LinkId(1), remote },
            rank,
            live: Liveness::new(Mono::from_millis(heard), Some(Duration::from_millis(ms))),
            last_sent: zt_wire::Gate::OPEN,
            heard_first: false,
            last_probe: zt_wire::When::NEVER,
            size: Size::new(Room::fixed(1432)),
            trusted: None,
            lasting: true,
        }
    }

    const NOW: Mono = Mono(100_000_000);

    #[test]
    fn rank_first_then_scope_and_latency_with_hysteresis() {
        let global = || slot("1.2.3.4:9993", 0, 20, 99_000);
        let private = || slot("10.0.0.1:9993", 0, 20, 99_000);
        let tunnel = || slot("10.0.0.2:443", 1, 1, 99_000);
        let choose = |slots: &[Slot], present| choose(slots, present, None, NOW);
        assert_eq!(choose(&[global(), private(), tunnel()], None), Some(1));
        assert_eq!(choose(&[tunnel(), global()], Some(0)), Some(1));
        let near = slot("1.2.3.5:9993", 0, 18, 99_000);
        assert_eq!(choose(&[global(), near], Some(0)), Some(0));
        let nearer = slot("1.2.3.5:9993", 0, 10, 99_000);
        assert_eq!(choose(&[global(), nearer], Some(0)), Some(1));
    }

    #[test]
    fn equals_are_decided_by_primary_port_then_use_then_age() {
        let port = |port: u16, ms| slot(&format!("10.0.0.1:{port}"), 0, ms, 99_000);
        let mut slots = [port(20_001, 1), port(9993, 9), port(20_002, 1)];
        assert_eq!(choose(&slots, None, None, NOW), Some(0), "the oldest, whatever was measured on ports of one host");
        assert_eq!(choose(&slots, Some(2), None, NOW), Some(2), "the one in use stays");
        assert_eq!(choose(&slots, Some(2), Some(9993), NOW), Some(1), "the primary port outlives a restart");
        slots[1].live.suspect(NOW);
        assert_eq!(choose(&slots, Some(2), Some(9993), NOW), Some(2));
        let far = [slot("10.0.0.1:9993", 0, 30, 99_000), slot("10.0.7.1:5", 0, 10, 99_000)];
        assert_eq!(choose(&far, Some(0), Some(9993), NOW), Some(1), "a clearly better way wins over ports");
    }

    #[test]
    fn a_doubted_path_gives_way_until_it_answers() {
        let mut slots = [slot("10.0.0.1:1000", 0, 10, 99_000), slot("1.2.3.4:2000", 0, 30, 99_900)];
        slots[0].live.doubt();
        assert_eq!(choose(&slots, Some(0), None, NOW), Some(1));
        assert!(slots[0].live.answered(Mono::from_millis(99_990), NOW));
        assert_eq!(choose(&slots, Some(1), None, NOW), Some(0));
    }

    #[test]
    fn without_a_good_path_the_least_bad_one_serves() {
        let expired = || slot("10.0.0.1:1", 0, 1, 0);
        let mut suspected = slot("10.0.0.2:1", 1, 90, 99_000);
        suspected.live.suspect(NOW);
        let later = Mono::from_millis(300_000);
        suspected.live.heard(later, false);
        assert_eq!(choose(&[expired(), suspected.clone()], None, None, later), None);
        assert_eq!(last_resort(&[expired(), suspected.clone()], later), Some(1), "rather suspected than expired");
        let other = slot("10.0.0.3:1", 0, 90, 299_000);
        assert_eq!(last_resort(&[expired(), suspected, other], later), Some(2));
        assert_eq!(last_resort(&[expired()], later), Some(0));
        assert_eq!(last_resort(&[], later), None);
    }
}
