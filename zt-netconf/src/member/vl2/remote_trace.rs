//! REMOTE_TRACE, sent (04 §8).

use zt_wire::ident::Address;
use zt_wire::time::Now;
use zt_wire::verb::RemoteTrace;

use super::Vl2;
use crate::member::carrier::{Carrier, SendOptions, Vl2Event};
use crate::trace::TraceEvent;

impl Vl2 {
    /// Tells the targets of all networks in which a peer is known about the way to it; each network asks for its own part.
    pub fn trace_path(
        &mut self,
        now: Now,
        event: TraceEvent,
        peer: Address,
        fields: &[(&'static str, String)],
        c: &mut dyn Carrier,
    ) {
        let (shared, networks) = self.parts();
        shared.traces.enter(now.mono);
        for network in networks.values_mut() {
            network.trace_path(shared, event, peer, fields);
        }
        self.send_traces(c);
    }

    /// True when any network names a target: nobody needs to put paths into words otherwise.
    pub fn is_traced(&self) -> bool {
        self.networks().any(|network| network.config().is_some_and(|config| !config.trace_target.is_nil()))
    }

    /// Lets leave what waits.
    pub(super) fn send_traces(&mut self, c: &mut dyn Carrier) {
        let (shared, _) = self.parts();
        if shared.traces.is_empty() {
            return;
        }
        let own = shared.own.address;
        for (target, mut text) in shared.traces.take() {
            if target == own {
                shared.events.push(Vl2Event::Traced { text });
                continue;
            }
            text.push(0);
            c.send(target, &RemoteTrace { body: &text }, SendOptions { compress: true, expect_reply: false });
        }
    }
}
