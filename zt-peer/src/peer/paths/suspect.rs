//! Paths in use prove themselves, are suspected, and traffic leaves them. What is decided for one path alone is in
//! `liveness.rs`.

use std::time::Duration;

use zt_wire::Mono;

use super::liveness::{Due, Probe};
use super::size::SizeDue;
use super::{CANDIDATE, PathProbe, Paths, RouteChange, Slot};
use crate::bond::BondTask;
use crate::link::Path;
use crate::rate::SIBLING_FRESH;

/// What a look at the paths asks for, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    /// Send this.
    Probe(PathProbe),
    /// A path is in doubt, and the peer was heard at this address as well: ask there.
    TryCandidate(Path),
    /// Send a probe of so many bytes by this path.
    Size(Path, u16),
    /// Traffic takes another way.
    Route(RouteChange),
    /// A path has become suspect; the probes that were lost began then.
    Suspected { since: Mono },
    /// Something about the bond: a report or a request.
    Bond(BondTask),
}

impl Paths {
    /// Looks at each path. `wanted`: the peer has traffic; `echo_gate`: it answers one ECHO on a path in this time. Returns when to look again, if ever.
    pub(in crate::peer) fn check(
        &mut self,
        now: Mono,
        wanted: bool,
        echo_gate: Duration,
        tasks: &mut Vec<Task>,
    ) -> Option<Mono> {
        let mut next = self.check_sizes(now, echo_gate, tasks);
        let mut slot = 0;
        while let Some(s) = self.slots.get_mut(slot) {
            let slot_wanted = wanted || s.live.is_wanted(now);
            match s.live.due(now, slot_wanted) {
                Due::Wait(at) => {
                    if at != Mono::FAR {
                        next = Some(next.map_or(at, |n| n.min(at)));
                    }
                    slot += 1;
                }
                Due::Send(kind) => {
                    // Answered without a gate.
                    let kind = if s.size.gate_closed(now, echo_gate).is_some() { Probe::Hello } else { kind };
                    let question = s.ask(now, kind);
                    if kind == Probe::Hello {
                        tasks.extend(self.take_candidate(now).map(Task::TryCandidate));
                    }
                    tasks.push(Task::Probe(question));
                    self.probe_others(now, slot, tasks);
                }
                Due::Suspected => self.suspected(now, slot, tasks),
            }
        }
        tasks.extend(self.choose_route(now).map(Task::Route));
        let overdue = tasks.iter().filter_map(|t| if let Task::Probe(q) = t { Some(q.overdue) } else { None });
        next.into_iter().chain(overdue).min()
    }

    /// How large datagrams may be on each path. When to look again.
    fn check_sizes(&mut self, now: Mono, echo_gate: Duration, tasks: &mut Vec<Task>) -> Option<Mono> {
        let mut next: Option<Mono> = None;
        for s in self.slots.iter_mut().filter(|s| !s.is_suspected()) {
            let patience = s.live.timeout().max(echo_gate);
            if s.size.is_sought(now)
                && let Some(open) = s.size.gate_closed(now, echo_gate)
            {
                // The peer would not answer, and that would say nothing about the size.
                next = Some(next.map_or(open, |n| n.min(open)));
                continue;
            }
            let at = match s.size.due(now, patience, s.live.last_heard()) {
                SizeDue::Wait(at) if at == Mono::FAR => continue,
                SizeDue::Wait(at) => at,
                SizeDue::Send(size) => {
                    tasks.push(Task::Size(s.path, size));
                    now + patience
                }
                SizeDue::SendBoth(size) => {
                    tasks.push(Task::Size(s.path, size));
                    tasks.push(Task::Probe(s.ask(now, Probe::Hello)));
                    now + patience
                }
            };
            next = Some(next.map_or(at, |n| n.min(at)));
        }
        next
    }

    /// The peer has shown that some of its addresses may be no longer: others are preferred until they answer, and they
    /// are asked at once.
    pub(crate) fn doubt(&mut self, now: Mono, gone: impl Fn(&Path) -> bool) -> Vec<PathProbe> {
        let quiet = |s: &Slot| now.saturating_since(s.live.last_heard()) >= SIBLING_FRESH;
        let certain = |s: &Slot| !s.is_suspected() && !s.live.is_doubted();
        let doubtful = self.slots.iter_mut().filter(|s| quiet(s) && certain(s) && gone(&s.path));
        doubtful
            .map(|s| {
                s.live.doubt();
                s.ask(now, Probe::Hello)
            })
            .collect()
    }

    /// The peer said HELLO from a port that is no path of it: it may have started anew, and its other ports be gone.
    pub(crate) fn doubt_siblings(&mut self, now: Mono, path: Path) -> Vec<PathProbe> {
        self.doubt(now, |p| p.link == path.link && p.remote.same_host(&path.remote))
    }

    /// Our address changed: what was proved by some paths is proved no more.
    pub(crate) fn shake(&mut self, now: Mono, moved: impl Fn(&Path) -> bool) -> Vec<PathProbe> {
        let shaken = self.slots.iter_mut().filter(|s| moved(&s.path));
        shaken
            .map(|s| {
                s.live.shaken(now);
                s.ask(now, Probe::Hello)
            })
            .collect()
    }

    /// Nobody listened for a while: all paths are asked anew. `suspects`: there are roots to go by, so traffic takes a path only
    /// when it has answered, as NATs on it may have forgotten us.
    pub(crate) fn resume(
        &mut self,
        now: Mono,
        time: Duration,
        suspects: bool,
    ) -> (Vec<PathProbe>, Option<RouteChange>) {
        let mut probes = Vec::new();
        for s in &mut self.slots {
            s.live.resume(now, time);
            if suspects {
                s.live.suspect(now);
            }
            probes.push(s.ask(now, Probe::Hello));
        }
        (probes, self.choose_route(now))
    }

    /// A packet of the peer came over a root although there is a path in use: it may have left that, or have started anew
    /// and not know it. `said`: it was a HELLO. True when the peer is to be looked at now.
    pub(crate) fn came_over_root(&mut self, now: Mono, said: bool) -> bool {
        let used = self.route.and_then(|i| self.slots.get_mut(i));
        used.is_some_and(|slot| slot.live.peer_left(now, said))
    }

    /// The path in use, unless it was proved or asked since then.
    pub(crate) fn probe_route_since(&mut self, now: Mono, since: Mono) -> Option<PathProbe> {
        let slot = self.slots.get_mut(self.route?)?;
        is_unproved(slot, since).then(|| slot.ask(now, Probe::Hello))
    }

    /// The address that the peer was heard from besides: it may be where it is.
    fn take_candidate(&mut self, now: Mono) -> Option<Path> {
        let (path, at) = self.rare.as_mut()?.candidate.take()?;
        (now.saturating_since(at) < CANDIDATE && !self.contains(path)).then_some(path)
    }

    /// The path in use is in doubt: the peer's other paths are asked beside it, so that it is known which of them work
    /// when it becomes suspect. Each goes on by itself once it was asked.
    fn probe_others(&mut self, now: Mono, slot: usize, tasks: &mut Vec<Task>) {
        let used = self.slots.get(slot).filter(|_| self.route == Some(slot));
        if let Some(since) = used.and_then(|s| s.live.deep_doubt()) {
            self.probe_unproved(now, slot, since, tasks);
        }
    }

    fn probe_unproved(&mut self, now: Mono, except: usize, since: Mono, tasks: &mut Vec<Task>) {
        for (other, s) in self.slots.iter_mut().enumerate() {
            if other != except && is_unproved(s, since) {
                tasks.push(Task::Probe(s.ask(now, Probe::Hello)));
            }
        }
    }

    /// A path has become suspect: traffic moves at once.
    fn suspected(&mut self, now: Mono, slot: usize, tasks: &mut Vec<Task>) {
        let Some(since) = self.slots.get(slot).map(|s| s.live.doubt_began()) else { return };
        if self.route == Some(slot) {
            self.distrust_others(now, slot, since, tasks);
        }
        tasks.extend(self.choose_route(now).map(Task::Route));
        tasks.push(Task::Suspected { since });
    }

    /// The path in use is dead. Paths of one peer tend to die together (ports of the same host, one cable): those that
    /// have not proved themselves since the doubt began are not trusted either. They are asked in parallel, and the first
    /// that answers takes the traffic.
    fn distrust_others(&mut self, now: Mono, slot: usize, began: Mono, tasks: &mut Vec<Task>) {
        for (other, s) in self.slots.iter_mut().enumerate() {
            if other != slot && !s.is_suspected() && !s.live.is_proved_since(began) {
                s.live.suspect(now);
            }
        }
        self.probe_unproved(now, slot, began, tasks);
    }
}

fn is_unproved(slot: &Slot, since: Mono) -> bool {
    !slot.live.is_proved_since(since) && !slot.live.is_probed_since(since)
}

#[cfg(test)]
mod tests;
