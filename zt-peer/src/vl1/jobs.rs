//! Jobs are handed out, and their results taken in.

use zt_wire::Now;

use super::Vl1;
use crate::directory::job::{Job, JobDone};
use crate::transmit::Transmits;

impl Vl1 {
    /// Takes the next job. At most a few are out at a time; the next ones come when results are handed in.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.directory.poll_job()
    }

    /// The result of a job.
    pub fn handle_job(&mut self, now: Now, done: JobDone, out: &mut Transmits) {
        match done {
            JobDone::Admitted { identity, keys } => {
                let admitted = self.directory.admitted(&identity, keys.is_some());
                self.admitted(now, identity, admitted, keys, out);
            }
            JobDone::Introduced { identity, keys, valid, number, .. } => {
                let judgement = self.directory.judged(number, &identity, keys, valid);
                self.introduced(now, &identity, judgement, out);
            }
            JobDone::Loaded { address, record } => self.loaded(now, address, record.as_deref(), out),
        }
    }
}
