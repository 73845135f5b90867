//! Whom the controller of this process answered: our subscription service is open to them for a while (04 §7.4).

use core::time::Duration;
use std::collections::BTreeMap;

use zt_wire::ident::{Address, NetworkId};
use zt_wire::time::Mono;

use super::sweep::{Look, Sweep};

/// How long a controller's answer opens our subscription service to a member (04 §7.4).
const LASTS: Duration = Duration::from_millis(180_000);
/// Most members remembered.
const PLACES: usize = 65_536;

/// Members that the own controller answered lately, bounded.
#[derive(Debug, Default)]
pub(super) struct Authorised {
    answered: BTreeMap<(NetworkId, Address), Mono>,
    sweep: Sweep<(NetworkId, Address)>,
}

impl Authorised {
    /// Notes an answer; false when there is no place for one more.
    pub(super) fn note(&mut self, now: Mono, network: NetworkId, member: Address) -> bool {
        if self.answered.len() >= PLACES && !self.answered.contains_key(&(network, member)) {
            self.answered.retain(|_, at| is_lately(now, *at));
            if self.answered.len() >= PLACES {
                return false;
            }
        }
        self.answered.insert((network, member), now);
        true
    }

    /// True when the controller answered this member lately.
    pub(super) fn has(&self, now: Mono, network: NetworkId, member: Address) -> bool {
        self.answered.get(&(network, member)).is_some_and(|at| is_lately(now, *at))
    }

    /// Who was answered long ago is to be forgotten: [`Authorised::expire`] does it, in parts.
    pub(super) fn begin_expiry(&mut self, now: Mono) {
        self.sweep.begin(now);
    }

    /// Since when the next part is due.
    pub(super) const fn expiry(&self) -> Option<Mono> {
        self.sweep.due()
    }

    pub(super) fn expire(&mut self, now: Mono) {
        self.sweep.part(&mut self.answered, |_, at| if is_lately(now, *at) { Look::Stays } else { Look::Goes });
    }

    /// True when nobody is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.answered.is_empty()
    }
}

fn is_lately(now: Mono, at: Mono) -> bool {
    now.saturating_since(at) < LASTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lasts_180_seconds_and_a_crowd_flushes_nobody() {
        let (net, other) = (NetworkId(0x6250_c6cc_f300_0001), NetworkId(0x6250_c6cc_f300_0002));
        let (t, first) = (Mono::from_millis, Address::new(1));
        let mut authorised = Authorised::default();
        assert!(authorised.is_empty() && !authorised.has(t(0), net, first));
        for n in 0..PLACES as u64 {
            assert!(authorised.note(t(0), net, Address::new(1 + n)));
        }
        assert!(!authorised.note(t(1), other, first), "full");
        assert!(authorised.note(t(1000), net, first), "who is known has its place");
        assert!(authorised.has(t(180_999), net, first) && !authorised.has(t(181_000), net, first));
        assert!(!authorised.has(t(1000), other, first));
        assert!(authorised.note(t(180_000), other, first), "the others are over");
        assert_eq!(authorised.answered.len(), 2);
        authorised.begin_expiry(t(360_000));
        authorised.expire(t(360_000));
        assert!(authorised.is_empty());
    }
}
