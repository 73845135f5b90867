//! Which MAC lies behind which bridge (04 §7.7).

use core::time::Duration;
use std::collections::BTreeMap;

use zt_wire::ident::{Address, Mac};
use zt_wire::time::Mono;

use super::sweep::{Look, Sweep};

/// Most MACs remembered behind one bridge.
const PER_BRIDGE: usize = 8192;
/// Most MACs remembered in one network.
const PER_NETWORK: usize = 65_536;
/// How long an unseen MAC is remembered; its frames then go to all bridges again.
const LIFETIME: Duration = Duration::from_secs(1200);

/// Learned routes of one network: MAC → bridge. Bounded per bridge, so that one bridge cannot displace another's.
#[derive(Debug, Default)]
pub(crate) struct Bridges {
    routes: BTreeMap<Mac, (Address, Mono)>,
    per_bridge: BTreeMap<Address, usize>,
    sweep: Sweep<Mac>,
}

impl Bridges {
    /// Notes that `mac` was seen behind `bridge`; the newest wins. When there is no room, what was not seen for longest
    /// gives way: behind the same bridge when that has all of its places, else behind the one that has most.
    pub(crate) fn learn(&mut self, now: Mono, mac: Mac, bridge: Address) {
        if let Some((known, seen)) = self.routes.get_mut(&mac) {
            *seen = now;
            if *known == bridge {
                return;
            }
            let before = core::mem::replace(known, bridge);
            self.release(before);
            *self.per_bridge.entry(bridge).or_default() += 1;
            return;
        }
        if self.per_bridge.get(&bridge).is_some_and(|count| *count >= PER_BRIDGE) {
            self.make_room(bridge);
        } else if self.routes.len() >= PER_NETWORK
            && let Some(heaviest) = self.per_bridge.iter().max_by_key(|(_, count)| **count).map(|(a, _)| *a)
        {
            self.make_room(heaviest);
        }
        self.routes.insert(mac, (bridge, now));
        *self.per_bridge.entry(bridge).or_default() += 1;
    }

    /// Forgets a part of what lies behind a bridge, the oldest first: a part, for looking at all of it costs time.
    fn make_room(&mut self, of: Address) {
        let held = self.routes.iter().filter(|(_, (bridge, _))| *bridge == of);
        let mut oldest: Vec<(Mono, Mac)> = held.map(|(mac, (_, seen))| (*seen, *mac)).collect();
        oldest.sort_unstable();
        for (_, mac) in oldest.iter().take(PER_BRIDGE / 16) {
            self.routes.remove(mac);
            self.release(of);
        }
    }

    /// The bridge a MAC was last seen behind.
    pub(crate) fn bridge_of(&self, mac: Mac) -> Option<Address> {
        self.routes.get(&mac).map(|(bridge, _)| *bridge)
    }

    /// What was not seen for a while is to be forgotten, and what lies behind nodes that are no bridges any longer:
    /// [`Bridges::expire`] does it, in parts.
    pub(crate) fn begin_expiry(&mut self, now: Mono) {
        if !self.routes.is_empty() {
            self.sweep.begin(now);
        }
    }

    /// Since when the next part is due.
    pub(crate) const fn expiry(&self) -> Option<Mono> {
        self.sweep.due()
    }

    pub(crate) fn expire(&mut self, now: Mono, still_bridge: impl Fn(Address) -> bool) {
        let gone = self.sweep.part(&mut self.routes, |_, (bridge, seen)| {
            let keep = now.saturating_since(*seen) < LIFETIME && still_bridge(*bridge);
            if keep { Look::Stays } else { Look::Goes }
        });
        for (_, (bridge, _)) in gone {
            self.release(bridge);
        }
    }

    /// Number of routes.
    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    fn release(&mut self, bridge: Address) {
        if let Some(count) = self.per_bridge.get_mut(&bridge) {
            *count -= 1;
            if *count == 0 {
                self.per_bridge.remove(&bridge);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u32) -> Mac {
        let b = n.to_be_bytes();
        Mac([0x0a, 0, b[0], b[1], b[2], b[3]])
    }

    fn expire(bridges: &mut Bridges, now: Mono, still_bridge: impl Fn(Address) -> bool) {
        bridges.begin_expiry(now);
        while bridges.expiry().is_some() {
            bridges.expire(now, &still_bridge);
        }
    }

    #[test]
    fn newest_wins_and_entries_age() {
        let mut bridges = Bridges::default();
        let (a, b) = (Address::new(0x11), Address::new(0x22));
        bridges.learn(Mono(0), mac(1), a);
        bridges.learn(Mono(1), mac(1), b);
        assert_eq!(bridges.bridge_of(mac(1)), Some(b));
        assert_eq!(bridges.per_bridge.get(&a), None);
        expire(&mut bridges, Mono(2), |_| true);
        assert_eq!(bridges.len(), 1);
        expire(&mut bridges, Mono(1) + LIFETIME, |_| true);
        assert_eq!(bridges.len(), 0);
        assert!(bridges.per_bridge.is_empty());
    }

    #[test]
    fn one_bridge_cannot_fill_the_table_and_what_is_used_stays() {
        let mut bridges = Bridges::default();
        let (a, b) = (Address::new(0x11), Address::new(0x22));
        // A host behind the bridge invents senders; another one is heard all the time.
        for n in 0..40_000 {
            bridges.learn(Mono(u64::from(n)), mac(n), a);
            bridges.learn(Mono(u64::from(n)), mac(1_000_000), a);
        }
        assert!(bridges.len() <= PER_BRIDGE);
        assert_eq!(bridges.bridge_of(mac(1_000_000)), Some(a));
        assert_eq!(bridges.bridge_of(mac(39_999)), Some(a), "the newest are known");
        bridges.learn(Mono(0), mac(50_000), b);
        expire(&mut bridges, Mono(40_000), |address| address != a);
        assert_eq!(bridges.len(), 1);
    }

    #[test]
    fn many_bridges_that_fill_the_table_leave_room_for_another() {
        let mut bridges = Bridges::default();
        for n in 0..PER_NETWORK as u32 {
            bridges.learn(Mono(0), mac(n), Address::new(u64::from(n % 9)));
        }
        let late = Address::new(0x99);
        for n in 0..100 {
            bridges.learn(Mono(1), mac(2_000_000 + n), late);
        }
        assert_eq!(bridges.per_bridge[&late], 100);
        assert!(bridges.len() <= PER_NETWORK);
        assert_eq!(bridges.per_bridge.values().sum::<usize>(), bridges.len());
    }
}
