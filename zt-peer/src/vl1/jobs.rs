//! Jobs are handed out, and their results taken in.

use zt_wire::{Address, Identity, Now};

use super::Vl1;
use crate::directory::job::{AT_ONCE, Job, JobDone, Judged, UnderWay};
use crate::directory::strangers::Task;
use crate::transmit::Transmits;

impl Vl1 {
    /// Takes the next job. At most a few are out at a time; the next ones come when results are handed in.
    pub fn poll_job(&mut self) -> Option<Job> {
        if let Some(address) = self.jobs.loads.pop_front() {
            return Some(Job::LoadPeer { address });
        }
        while let Some(address) = self.jobs.roots.pop_front() {
            if let Some(job) = self.begin_admission(address) {
                return Some(job);
            }
        }
        if self.jobs.under_way.len() >= AT_ONCE {
            return None;
        }
        while let Some(address) = self.jobs.ours.pop_front() {
            if let Some(job) = self.begin_admission(address) {
                return Some(job);
            }
        }
        loop {
            let (admissions, under_way) = (&self.admissions, &self.jobs.under_way);
            let wanted = |a| admissions.contains_key(&a);
            let busy = |i: &Identity| {
                let same = admissions.get(&i.address).is_some_and(|a| a.identity == *i);
                same && under_way.contains_key(&UnderWay::Admit(i.address))
            };
            match self.admission.next(wanted, busy)? {
                Task::Judge { number, identity, packet, validate } => {
                    self.jobs.under_way.insert(UnderWay::Introduce(number), false);
                    return Some(Job::Introduce { identity, packet, number, validate });
                }
                Task::Admit(address) => {
                    if let Some(job) = self.begin_admission(address) {
                        return Some(job);
                    }
                }
            }
        }
    }

    fn begin_admission(&mut self, address: Address) -> Option<Job> {
        let admission = self.admissions.get(&address)?;
        let fresh = self.jobs.under_way.insert(UnderWay::Admit(address), false).is_none();
        fresh.then_some(Job::Admit { identity: admission.identity, validate: !admission.vouched })
    }

    /// A HELLO of this identity was found authentic: if a root named it too, that one need not wait for itself.
    pub(super) fn join_named(&mut self, identity: &Identity) {
        let named = self.admissions.get(&identity.address).is_some_and(|a| a.identity == *identity);
        let waits = !self.jobs.under_way.contains_key(&UnderWay::Admit(identity.address));
        if named && waits && !self.jobs.ours.contains(&identity.address) && self.admission.confirm(identity) {
            self.admissions.remove(&identity.address);
        }
    }

    /// The result of a job.
    pub fn handle_job(&mut self, now: Now, done: JobDone, out: &mut Transmits) {
        match done {
            JobDone::Admitted { identity, keys } => {
                self.jobs.under_way.remove(&UnderWay::Admit(identity.address));
                self.admitted(now, identity, keys, out);
            }
            JobDone::Introduced { identity, keys, valid, number, .. } => {
                self.jobs.under_way.remove(&UnderWay::Introduce(number));
                self.introduced(now, Judged { number, identity, keys, valid }, out);
            }
            JobDone::Loaded { address, record } => self.loaded(now, address, record.as_deref(), out),
        }
    }
}
