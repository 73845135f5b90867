//! Remote trace (04 §8): what VL1 has to tell the targets of networks, and what members tell this node.

use super::carrier::OverVl1;
use super::{Engine, Outbox, Output};
use zt_netconf::trace::{TraceEvent, TraceRecord, key};
use zt_peer::{Path, Vl1Event};
use zt_wire::time::Now;
use zt_wire::verb::RemoteTrace;
use zt_wire::{Address, InetAddress, Scope};

impl Engine {
    /// Tells about paths, if a network asks for it.
    pub(super) fn trace_paths(&mut self, now: Now, event: &Vl1Event, outbox: &mut Outbox) {
        let (event, peer, path, scope) = match event {
            Vl1Event::PathChanged { peer, to: Some(path), .. } => (TraceEvent::LEARNED_PATH, *peer, *path, None),
            Vl1Event::ConfirmingPath { peer, path } => (TraceEvent::CONFIRMING_PATH, *peer, *path, None),
            Vl1Event::SurfaceChanged { by, path, scope } => (TraceEvent::RESETTING_PATHS, *by, *path, Some(*scope)),
            _ => return,
        };
        if !self.vl2.is_traced() {
            return;
        }
        let fields = self.path_fields(path, scope);
        let mut carrier = OverVl1 { now, vl1: &mut self.vl1, outbox, segments: &mut self.segments, reply_to: None };
        self.vl2.trace_path(now, event, peer, &fields, &mut carrier);
    }

    fn path_fields(&self, path: Path, scope: Option<Scope>) -> Vec<(&'static str, String)> {
        let remote: InetAddress = path.remote.inet();
        let mut fields = vec![(key::REMOTE_AT, remote.to_string())];
        if let Some(link) = self.vl1.links().find(|link| link.id == path.link) {
            fields.push((key::LOCAL_AT, link.local.inet().to_string()));
        }
        fields.extend(scope.map(|scope| (key::SCOPE, format!("{:016x}", scope as u64))));
        fields
    }

    /// Takes a member's traces, if the controller of this process asked for them.
    // Security (04 §8): the reference hands on whatever any peer says.
    pub(super) fn hear_trace(&mut self, now: Now, from: Address, body: &[u8]) {
        let Some(controller) = &self.controller else { return };
        for dictionary in (RemoteTrace { body }).dictionaries() {
            let Some(record) = TraceRecord::read(now.unix_ms, from, dictionary.as_bytes()) else { continue };
            if controller.traces(record.network, from) {
                self.outputs.push_back(Output::Trace(record));
            } else {
                self.unasked_traces += 1;
            }
        }
    }

    /// Takes a trace of this node for itself.
    pub(super) fn hear_own_trace(&mut self, now: Now, text: &[u8]) {
        self.outputs.extend(TraceRecord::read(now.unix_ms, self.address(), text).map(Output::Trace));
    }
}
