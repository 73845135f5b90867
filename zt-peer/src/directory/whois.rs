//! Who is asked for, and by whom (03 §5).

use std::collections::BTreeMap;

use zt_wire::{Address, Gate, Mono};

use super::strangers::Source;
use crate::fair_queue::{FairQueue, GivesWay};
use crate::rate::{QUEUE_TIMEOUT, WHOIS_ASK};

/// Most addresses that we ask for ourselves at a time; the one that was asked for longest ago gives way.
const MAX_ASKED: usize = 512;
/// Most addresses asked for because of what strangers sent: a room of its own, in which the heaviest source gives way.
const MAX_ASKED_FOR_STRANGERS: usize = 256;
/// Places of it for one source.
const PER_SOURCE: usize = 32;
/// The same for what a root relays.
const PER_RELAY: usize = 128;

/// Why an address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// We want to send something there, or know it.
    Own,
    /// Somebody sent a packet in its name, or asks us for it.
    Stranger(Source),
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    last: Gate,
    tries: u32,
    /// The cache was asked and has not answered.
    loading: bool,
    asker: Asker,
}

/// Addresses asked for.
pub(crate) struct WhoisTable {
    asked: BTreeMap<Address, Asked>,
    own: usize,
    strangers: FairQueue<Source, Address>,
}

impl Default for WhoisTable {
    fn default() -> Self {
        let strangers = FairQueue::new(MAX_ASKED_FOR_STRANGERS, GivesWay::Oldest);
        Self { asked: BTreeMap::new(), own: 0, strangers }
    }
}

impl WhoisTable {
    pub(crate) fn arrived(&mut self, a: Address) {
        self.remove(a);
    }

    /// Forgets old entries of the gate.
    pub(crate) fn expire(&mut self, now: Mono) {
        let old = self.asked.iter().filter(|(_, a)| a.last.is_open(now, QUEUE_TIMEOUT));
        let old: Vec<Address> = old.map(|(a, _)| *a).collect();
        for address in old {
            self.remove(address);
        }
    }

    /// Who asks for an address.
    pub(crate) fn asker(&self, address: Address) -> Option<Asker> {
        self.asked.get(&address).map(|a| a.asker)
    }

    /// The cache is asked.
    pub(crate) fn note_loading(&mut self, address: Address) {
        if let Some(asked) = self.asked.get_mut(&address) {
            asked.loading = true;
        }
    }

    /// The cache answered; `Some`: for whom it was asked.
    pub(crate) fn loaded(&mut self, address: Address) -> Option<Asker> {
        let asked = self.asked.get_mut(&address)?;
        std::mem::take(&mut asked.loading).then_some(asked.asker)
    }

    /// Whether an address may be asked for now, and how often it was before; `None`: it was asked for lately.
    pub(crate) fn ask(&mut self, now: Mono, address: Address, asker: Asker) -> Option<u32> {
        if let Some(asked) = self.asked.get(&address).copied() {
            if asker == Asker::Own && asked.asker != Asker::Own {
                // What we want ourselves does not lie among what strangers made us ask.
                self.remove(address);
                self.insert(now, address, Asked { asker, ..asked });
            }
            let asked = self.asked.get_mut(&address)?;
            if !asked.last.pass(now, WHOIS_ASK) {
                return None;
            }
            asked.tries += 1;
            asked.loading = false;
            return Some(asked.tries);
        }
        if let Asker::Stranger(source) = asker
            && self.is_busy(now, source)
        {
            return None;
        }
        self.insert(now, address, Asked { last: Gate::passed(now), tries: 0, loading: false, asker });
        Some(0)
    }

    /// Whether a source has to wait until what it or others of its weight made us ask had time for an answer. So the roots
    /// are asked no more than the places of strangers allow, however many unknown senders there are.
    fn is_busy(&self, now: Mono, source: Source) -> bool {
        let oldest = self.strangers.equal_in_the_way(source, share(source));
        let asked = oldest.and_then(|address| self.asked.get(address));
        asked.is_some_and(|asked| !asked.last.is_open(now, WHOIS_ASK))
    }

    fn insert(&mut self, now: Mono, address: Address, asked: Asked) {
        match asked.asker {
            Asker::Own => {
                if self.own >= MAX_ASKED {
                    self.expire(now);
                }
                if self.own >= MAX_ASKED {
                    let own = self.asked.iter().filter(|(_, a)| a.asker == Asker::Own);
                    if let Some(oldest) = own.min_by_key(|(_, a)| a.last).map(|(a, _)| *a) {
                        self.remove(oldest);
                    }
                }
                self.own += 1;
            }
            Asker::Stranger(source) => {
                if let Some(lost) = self.strangers.push(source, share(source), address).lost() {
                    self.asked.remove(&lost);
                }
            }
        }
        self.asked.insert(address, asked);
    }

    fn remove(&mut self, address: Address) {
        match self.asked.remove(&address).map(|a| a.asker) {
            Some(Asker::Own) => self.own -= 1,
            Some(Asker::Stranger(source)) => _ = self.strangers.remove(source, |a| *a == address),
            None => {}
        }
    }
}

/// Places that a source may hold among what strangers make us ask.
const fn share(source: Source) -> usize {
    match source {
        Source::Relay(_) => PER_RELAY,
        Source::Prefix(_) => PER_SOURCE,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A flood of unknown senders makes us ask the roots no more than the places of strangers allow.
    #[test]
    fn a_flood_of_unknown_senders_asks_few_questions() {
        const T: Mono = Mono(100_000_000);
        for sources in [1, 1_000, u64::MAX] {
            let mut table = WhoisTable::default();
            let questions = (0..100_000u64).filter(|n| {
                let now = T + Duration::from_micros(20 * n);
                let asker = Asker::Stranger(Source::Prefix(n % sources));
                table.ask(now, Address::new(0x10_0000_0000 + n), asker).is_some()
            });
            // Two seconds, in each half of which every place may be used once.
            let questions = questions.count();
            assert!(questions <= 5 * MAX_ASKED_FOR_STRANGERS, "{questions} questions of {sources} sources");
            // Who is alone in its prefix is not kept out by one that is heavy.
            let asker = Asker::Stranger(Source::Prefix(u64::MAX));
            let now = T + Duration::from_secs(2);
            assert!(sources > 1 || table.ask(now, Address::new(7), asker).is_some());
        }
    }
}
