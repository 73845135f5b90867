//! How many connections this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files as far as it goes for so many connections of `of_each` descriptors besides `own` others; how
/// many there can be.
pub(crate) fn most_connections(wanted: usize, of_each: u64, own: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = (wanted as u64).saturating_mul(of_each).saturating_add(own);
    let raised = maximum.map_or(needed, |maximum| needed.min(maximum));
    let mut limit = current.unwrap_or(u64::MAX);
    if limit < raised && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
        limit = raised;
    }
    usize::try_from(limit.saturating_sub(own) / of_each).map_or(wanted, |most| most.min(wanted))
}
