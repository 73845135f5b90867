//! Which traces are shown.

use anyhow::{Result, bail};
use zt_netconf::trace::TraceEvent;

use crate::api;

/// What a trace must be to be shown.
#[derive(Debug, Default)]
pub(super) struct Filter {
    network: Option<String>,
    member: Option<String>,
    /// Empty: all.
    events: Vec<u16>,
}

impl Filter {
    /// `events`: four hex digits, or a word that names of events contain.
    pub(super) fn new(network: Option<&str>, member: Option<&str>, events: &[String]) -> Result<Self> {
        let mut numbers = Vec::new();
        for event in events {
            let digits = u16::from_str_radix(event, 16).ok().filter(|_| event.len() == 4);
            let named = TraceEvent::ALL.iter().filter(|known| known.to_string().contains(event.as_str()));
            let found: Vec<u16> = digits.into_iter().chain(named.map(|known| known.0)).collect();
            if found.is_empty() {
                let all: Vec<_> = TraceEvent::ALL.iter().map(|known| format!("{:04x} {known}", known.0)).collect();
                bail!("no event is called {event}; there are: {}", all.join(", "));
            }
            numbers.extend(found);
        }
        Ok(Self { network: network.map(str::to_owned), member: member.map(str::to_owned), events: numbers })
    }

    pub(super) fn takes(&self, trace: &api::Trace) -> bool {
        // Events of VL1 need not name a network: they concern all that its sender is a member of.
        let network = self.network.is_none() || trace.network.is_none() || trace.network == self.network;
        let member = self.member.as_ref().is_none_or(|member| *member == trace.member);
        let event = u16::from_str_radix(&trace.event, 16).ok();
        network && member && (self.events.is_empty() || event.is_some_and(|event| self.events.contains(&event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_chosen_by_number_or_word() {
        let chosen = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Filter::new(None, None, &words).map(|filter| filter.events)
        };
        assert_eq!(chosen(&["2006", "dropped"]).expect("known"), [0x2006, 0x1006, 0x2000, 0x2002]);
        assert_eq!(chosen(&["filter"]).expect("known"), [0x2006]);
        assert!(chosen(&["nonsense"]).expect_err("none").to_string().contains("2006 filter trace"));
    }
}
