//! How often which rule decided, for an operator who wonders where frames stay.

use std::collections::BTreeMap;

use crate::rules::{Decision, Verdict};

/// Most capabilities that are counted apart.
const CAPABILITIES: usize = 256;

/// Decisions by direction. A frame to a group or to bridges is judged once as such and once for each receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// About frames of other nodes.
    pub inbound: u64,
    /// About frames from the local port.
    pub outbound: u64,
}

impl Decisions {
    const fn add(&mut self, inbound: bool) {
        let slot = if inbound { &mut self.inbound } else { &mut self.outbound };
        *slot = slot.saturating_add(1);
    }
}

/// Decisions by rule. Counts since the rules changed last; room for all rules is made then, so that a frame costs an addition.
#[derive(Clone, Debug, Default)]
pub struct RuleCounters {
    rules: Vec<Decisions>,
    capabilities: BTreeMap<u32, Decisions>,
    undecided: Decisions,
}

impl RuleCounters {
    /// Counters for a table of so many rules.
    pub(crate) fn new(rules: usize) -> Self {
        Self { rules: vec![Decisions::default(); rules], ..Self::default() }
    }

    /// Counts a decision.
    pub(crate) fn count(&mut self, inbound: bool, verdict: &Verdict) {
        let by = verdict.by;
        let slot = match (by.capability, by.rule) {
            (Some(id), _) if self.capabilities.len() < CAPABILITIES || self.capabilities.contains_key(&id) => {
                self.capabilities.entry(id).or_default()
            }
            (None, Some(rule)) if verdict.decision != Decision::NoMatch && rule < self.rules.len() => {
                &mut self.rules[rule]
            }
            (Some(_), _) => return,
            _ => &mut self.undecided,
        };
        slot.add(inbound);
    }

    /// Rules of the network that decided, by their index: what a rule that drops decided was dropped.
    pub fn rules(&self) -> impl Iterator<Item = (usize, Decisions)> + '_ {
        self.rules.iter().copied().enumerate().filter(|(_, decisions)| *decisions != Decisions::default())
    }

    /// Capabilities that accepted, by their ID: outbound our own, inbound those of senders.
    pub fn capabilities(&self) -> impl Iterator<Item = (u32, Decisions)> + '_ {
        self.capabilities.iter().map(|(id, decisions)| (*id, *decisions))
    }

    /// What no rule and no capability decided was dropped.
    pub fn undecided(&self) -> Decisions {
        self.undecided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::By;

    #[test]
    fn each_decision_is_counted_where_it_was_made_and_capabilities_are_bounded() {
        let by = |capability, rule| By { capability, rule, tag: None };
        let verdict = |decision, by| Verdict { decision, by, ..Verdict::default() };
        let mut counters = RuleCounters::new(3);
        counters.count(true, &verdict(Decision::Drop, by(None, Some(2))));
        counters.count(false, &verdict(Decision::Drop, by(None, Some(2))));
        counters.count(true, &verdict(Decision::NoMatch, by(None, None)));
        counters.count(true, &verdict(Decision::NoMatch, by(None, Some(1))));
        let one = |inbound, outbound| Decisions { inbound, outbound };
        assert!(counters.rules().eq([(2, one(1, 1))]));
        assert_eq!(counters.undecided(), one(2, 0), "a BREAK decides nothing");
        for id in 0..1_000 {
            counters.count(true, &verdict(Decision::Accept, by(Some(id), Some(0))));
        }
        assert_eq!(counters.capabilities().count(), CAPABILITIES);
    }
}
