//! Outputs of the engine, performed.

use super::persist::Place;
use super::pings::Pong;
use super::store::Unwritten;
use super::{Driver, StateKey, WorkResult};
use crate::engine::{Input, NetworkChange, Output, Persist};
use zt_peer::{Job, Vl1Event};
use zt_wire::time::Now;
use zt_wire::world::WorldKind;

impl Driver {
    pub(super) fn perform(&mut self, now: Now, output: Output) {
        match output {
            Output::Job(job) => self.run_job(now, job),
            Output::Commit { seq, changes } => {
                let refused = match &self.commits {
                    Some(worker) => worker.submit((seq, changes)).is_err(),
                    None => true,
                };
                if refused {
                    tracing::error!("the controller's store is overloaded; an answer is not given");
                    self.handle_result(now, WorkResult::CommitFailed(seq, Unwritten::Failed));
                }
            }
            Output::Persist(persist) => self.persist(persist),
            Output::Network(network, NetworkChange::Configure(managed)) => {
                self.configure_port(now, network, &managed);
                if let Some(network) = self.engine.vl2().network(network) {
                    self.notices.look(self.engine.address(), network);
                }
            }
            Output::Network(network, NetworkChange::Left) => {
                self.close_port(now, network);
                self.forget_network(network);
                self.notices.left(network);
            }
            Output::Event(event) => {
                match event {
                    Vl1Event::IdentityCollision => _ = self.collided.send_replace(true),
                    Vl1Event::LevelChanged(level) => self.links.set_level(level),
                    Vl1Event::Pong { token, path, relayed, round_trip, .. } => {
                        self.pings.answered(token, Pong { from: path.remote, relayed, round_trip });
                    }
                    _ => {}
                }
                log(&event);
            }
            Output::Trace(record) => {
                tracing::debug!(member = %record.member, network = ?record.network, event = %record.event, "trace");
                self.traces.add(record);
            }
            Output::Wait(_) => {}
        }
    }

    /// Runs a job on a worker thread.
    pub(super) fn run_job(&mut self, now: Now, job: Job) {
        if let Job::LoadPeer { address } = job {
            self.load_peer(now, address);
            return;
        }
        if let Err(job) = self.workers.submit(job)
            && self.waiting_jobs.len() < 256
        {
            self.waiting_jobs.push(job);
        }
    }

    pub(super) fn handle_result(&mut self, now: Now, result: WorkResult) {
        match result {
            WorkResult::Job(done) => self.hand_in(now, Input::JobDone(done)),
            WorkResult::Committed(seq) => {
                self.store_fails = false;
                self.tell_waiters(seq, Ok(()));
                self.hand_in(now, Input::Committed(seq));
            }
            WorkResult::CommitFailed(seq, why) => {
                self.store_fails |= why == Unwritten::Failed;
                self.tell_waiters(seq, Err(why));
                self.hand_in(now, Input::CommitFailed(seq));
            }
            WorkResult::Changed(changes) => self.hand_in(now, Input::Changed(changes)),
            WorkResult::State(done) => self.handle_state(now, done),
        }
        self.drain(now);
    }

    fn tell_waiters(&mut self, seq: u64, written: Result<(), Unwritten>) {
        for at in (0..self.commit_waiters.len()).rev() {
            // Commits are made in order: a later one that is durable covers the earlier ones.
            if self.commit_waiters[at].0 == seq || (written.is_ok() && self.commit_waiters[at].0 < seq) {
                let (_, sender) = self.commit_waiters.swap_remove(at);
                let _ = sender.send(written);
            }
        }
    }

    fn persist(&mut self, persist: Persist) {
        match persist {
            Persist::World(WorldKind::Moon, id, bytes) => {
                self.persistence.save(Place::Key(StateKey::Moon(id)), bytes);
            }
            Persist::World(_, id, bytes) => self.persistence.save(Place::Planet(id), bytes),
            Persist::NetworkConfig(network, text) => {
                self.persistence.save(Place::Key(StateKey::NetworkConfig(network)), Some(text));
            }
            Persist::Peer(address, record) => self.persistence.save_peer(address, record),
        }
    }
}

fn log(event: &Vl1Event) {
    match event {
        Vl1Event::Online(true) => tracing::info!("online: a root answers"),
        Vl1Event::Online(false) => tracing::warn!("offline: no root answers"),
        Vl1Event::IdentityCollision => {
            tracing::error!("a root reports that another identity owns this address; a new identity is needed");
        }
        Vl1Event::PeerUp(peer) => tracing::debug!(%peer, "direct path found"),
        Vl1Event::PeerDown(peer) => tracing::debug!(%peer, "no direct path any more"),
        Vl1Event::PathChanged { peer, to, .. } => tracing::debug!(%peer, ?to, "path changed"),
        other => tracing::debug!(?other, "event"),
    }
}
