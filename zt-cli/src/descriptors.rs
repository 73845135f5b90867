//! How many connections this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of this process besides those of connections.
const OWN: u64 = 64;
/// A connection has a TCP and a UDP socket.
const OF_EACH: u64 = 2;

/// Raises the limit of open files as far as it goes for so many connections; how many there can be.
pub(crate) fn most_connections(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = (wanted as u64).saturating_mul(OF_EACH).saturating_add(OWN);
    let raised = maximum.map_or(needed, |maximum| needed.min(maximum));
    let mut limit = current.unwrap_or(u64::MAX);
    if limit < raised && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
        limit = raised;
    }
    usize::try_from(limit.saturating_sub(OWN) / OF_EACH).map_or(wanted, |most| most.min(wanted))
}
