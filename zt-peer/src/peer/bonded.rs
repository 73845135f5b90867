//! The bond of a peer, and its paths (03 §15).

use std::sync::Arc;

use zt_wire::packet::HEADER_LEN;
use zt_wire::{FlowId, Mono};

use super::{Peer, Task, Way};
use crate::bond::{Bond, BondTask, BondTemplate};

impl Peer {
    pub(crate) fn bond(&self) -> Option<&Bond> {
        self.bond.as_deref()
    }

    pub(crate) fn bond_mut(&mut self) -> Option<&mut Bond> {
        self.bond.as_deref_mut()
    }

    /// Its paths are used together from now on, as `template` says. True: it is another bond than before.
    pub(crate) fn join_paths(&mut self, template: &Arc<BondTemplate>) -> bool {
        let same = self.bond.as_ref().is_some_and(|bond| *bond.template() == *template);
        if !same {
            self.bond = Some(Box::new(Bond::new(Arc::clone(template))));
        }
        !same
    }

    /// There is no bond any more; traffic takes the best path as always.
    pub(crate) fn part_paths(&mut self, now: Mono) -> Option<super::RouteChange> {
        self.bond.take()?;
        self.paths.pin(now, None)
    }

    /// The way of a frame of a flow, by the bond's policy; `None`: the ordinary one.
    pub(crate) fn bonded_way(&mut self, now: Mono, flow: FlowId, len: usize) -> Option<Way> {
        let (path, mtu) = self.bond.as_mut()?.choose(now, flow, len)?;
        let way = self.paths.use_path(now, path, true, HEADER_LEN + len)?;
        Some(if mtu == 0 { way } else { Way { mtu, ..way } })
    }

    /// Looks at the bond. Returns when to look again.
    pub(super) fn tend_bond(&mut self, now: Mono, tasks: &mut Vec<Task>) -> Option<Mono> {
        let echo_gate = self.software.echo_gate();
        let bond = self.bond.as_mut()?;
        let (busy, active) = (self.activity.is_wanted(now), self.activity.is_active(now));
        let (wants, next) = bond.tend(now, &self.paths.facts(now), busy, busy || active);
        let pin = bond.active();
        tasks.extend(self.paths.pin(now, pin).map(Task::Route));
        for want in wants {
            match want {
                BondTask::Heartbeat(path) => tasks.extend(self.paths.heartbeat(now, path, echo_gate).map(Task::Probe)),
                other => tasks.push(Task::Bond(other)),
            }
        }
        let overdue = tasks.iter().filter_map(|t| if let Task::Probe(q) = t { Some(q.overdue) } else { None });
        Some(overdue.fold(next, Mono::min))
    }
}
