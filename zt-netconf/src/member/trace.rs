//! Remote trace, sent: what a network's configuration asks this node to tell somebody (04 §8).
//!
//! Without a target nothing is made, looked up or counted. With one, events wait here until the message or frame in hand is done
//! with, and leave then; a network has so many in a second and no more, so that a controller can neither fill the links of its
//! members nor use them against its target.

use core::time::Duration;

use zt_wire::dictionary::DictionaryWriter;
use zt_wire::ether::EthernetRef;
use zt_wire::gate::Pace;
use zt_wire::ident::{Address, Mac, PacketId};
use zt_wire::time::Mono;
use zt_wire::verb::{RemoteTrace, Verb};

use crate::config::NetworkConfig;
use crate::rules::{Decision, Explanation, FrameFacts};
use crate::trace::{TraceEvent, TraceLevel, key};

/// Time that one trace uses up.
const PACE: Duration = Duration::from_millis(50);
/// Traces that may leave at once after a pause.
const BURST: u32 = 64;
/// Bytes of a frame that are told (04 §8).
const DATA: usize = 256;

/// Traces that wait to leave, with their targets.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// The present turn.
    now: Mono,
    waiting: Vec<(Address, Vec<u8>)>,
}

impl Traces {
    /// A message or frame is looked at now.
    pub(crate) fn enter(&mut self, now: Mono) {
        self.now = now;
    }

    /// True when the target of a configuration wants events of this kind. Cheap: asked for every frame.
    pub(crate) fn wanted(config: &NetworkConfig, event: TraceEvent) -> bool {
        !config.trace_target.is_nil() && event.level().is_some_and(|level| TraceLevel(config.trace_level) >= level)
    }

    /// Begins a wanted trace, when the network's pace allows one.
    pub(crate) fn begin(&self, config: &NetworkConfig, pace: &mut Pace, event: TraceEvent) -> Option<Trace> {
        pace.pass(self.now, PACE, BURST).then(|| {
            let mut trace = Trace { target: config.trace_target, text: writer() };
            trace.put(key::EVENT, format!("{:04x}", event.0));
            trace.number(key::NETWORK, config.network.0);
            trace
        })
    }

    /// Lets a trace leave.
    /// Ends the trace of a decision of the rules. `tee`: copies that they make are sent.
    pub(crate) fn decided(
        &mut self,
        trace: Option<Trace>,
        facts: &FrameFacts<'_>,
        told: Option<&Explanation>,
        tee: bool,
    ) {
        if let (Some(mut trace), Some(told)) = (trace, told) {
            trace.decision(facts, told, tee);
            self.end(trace);
        }
    }

    pub(crate) fn end(&mut self, trace: Trace) {
        self.waiting.push((trace.target, trace.text.into_bytes()));
    }

    /// What waits, oldest first.
    pub(crate) fn take(&mut self) -> Vec<(Address, Vec<u8>)> {
        core::mem::take(&mut self.waiting)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// One trace in the making. A value that does not fit is left out.
#[derive(Debug)]
pub(crate) struct Trace {
    target: Address,
    text: DictionaryWriter,
}

fn writer() -> DictionaryWriter {
    DictionaryWriter::with_capacity_limit(RemoteTrace::MAX_DICTIONARY_LEN)
}

impl Trace {
    pub(crate) fn put(&mut self, key: &str, value: impl AsRef<[u8]>) {
        let _ = self.text.put(key, value);
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        self.put(key, format!("{value:016x}"));
    }

    pub(crate) fn address(&mut self, key: &str, value: Address) {
        self.number(key, value.as_u64());
    }

    fn mac(&mut self, key: &str, mac: Mac) {
        let [a, b, c, d, e, f] = mac.0;
        self.number(key, u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    }

    pub(crate) fn packet(&mut self, from: Address, (verb, id): (Verb, PacketId)) {
        self.number(key::PACKET, id.0);
        self.number(key::VERB, verb.0.into());
        self.address(key::REMOTE, from);
    }

    /// A frame without its content.
    pub(crate) fn frame(&mut self, frame: &EthernetRef<'_>) {
        self.mac(key::SOURCE_MAC, frame.source);
        self.mac(key::DESTINATION_MAC, frame.destination);
        self.number(key::ETHERTYPE, frame.ethertype.into());
        self.number(key::VLAN, 0);
        self.number(key::LENGTH, frame.payload.len() as u64);
    }

    /// A decision of the rules with all that led to it.
    pub(crate) fn decision(&mut self, facts: &FrameFacts<'_>, told: &Explanation, tee: bool) {
        self.address(key::SOURCE, facts.source);
        self.address(key::DESTINATION, facts.destination);
        self.frame(&EthernetRef {
            source: facts.source_mac,
            destination: facts.destination_mac,
            ethertype: facts.ethertype,
            payload: facts.payload,
        });
        self.put(key::NO_TEE, if tee { "0" } else { "1" });
        self.put(key::INBOUND, if facts.inbound { "1" } else { "0" });
        // A frame that goes elsewhere is dropped here (04 §6.7, §6.8).
        let result = match told.verdict.decision {
            Decision::Accept => 1,
            Decision::SuperAccept => 2,
            Decision::Redirect(_) | Decision::Drop | Decision::Evasive | Decision::NoMatch => 0,
        };
        self.number(key::RESULT, result);
        self.put(key::BASE_LOG, told.base().rule_log());
        if let Some(id) = told.verdict.by.capability
            && let Some(table) = told.tables.iter().find(|table| table.capability == Some(id))
        {
            self.put(key::CAPABILITY_LOG, table.rule_log());
            self.number(key::CAPABILITY, id.into());
        }
        self.put(key::DATA, &facts.payload[..facts.payload.len().min(DATA)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::ident::NetworkId;

    fn config(level: u64) -> NetworkConfig {
        let mut config = NetworkConfig::new(NetworkId(0x8056_c2e2_1c00_0001), Address::new(5), 1);
        (config.trace_target, config.trace_level) = (Address::new(9), level);
        config
    }

    #[test]
    fn nothing_is_wanted_without_target_or_below_the_level() {
        let mut none = config(30);
        none.trace_target = Address::NIL;
        assert!(!TraceEvent::ALL.iter().any(|event| Traces::wanted(&none, *event)));
        let wanted = |level: u64| {
            let config = config(level);
            TraceEvent::ALL
                .iter()
                .filter(|event| Traces::wanted(&config, **event))
                .map(|event| event.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(wanted(9), [0x1000, 0x1001, 0x1002, 0x1003, 0x2003]);
        assert_eq!(wanted(14), [0x1000, 0x1001, 0x1002, 0x1003, 0x2000, 0x2001, 0x2002, 0x2003]);
        assert_eq!(wanted(u64::MAX).last(), Some(&0x2006));
    }

    #[test]
    fn a_trace_fits_its_limit_whatever_is_put_into_it() {
        let mut traces = Traces::default();
        let mut trace = traces.begin(&config(15), &mut Pace::default(), TraceEvent::FILTER).expect("at rest");
        for _ in 0..64 {
            trace.put(key::BASE_LOG, [0; 512]);
        }
        trace.put(key::REASON, "x");
        traces.end(trace);
        let (target, text) = traces.take().remove(0);
        assert_eq!(target, Address::new(9));
        assert!(text.len() < RemoteTrace::MAX_DICTIONARY_LEN && !text.contains(&0));
        assert!(text.starts_with(b"event=2006\nnetworkId=8056c2e21c000001\n") && text.ends_with(b"\nreason=x"));
    }
}
