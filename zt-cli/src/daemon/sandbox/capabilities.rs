//! Capabilities: a node makes devices, routes and raw frames, and nothing else that only root may do. A relay does not even that.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Needs;

/// Names of those that a daemon may hold, as `capabilities(7)` has them.
const NAMES: [(CapabilitySet, &str); 6] = [
    (CapabilitySet::NET_ADMIN, "NET_ADMIN"),
    (CapabilitySet::NET_RAW, "NET_RAW"),
    (CapabilitySet::NET_BIND_SERVICE, "NET_BIND_SERVICE"),
    (CapabilitySet::DAC_OVERRIDE, "DAC_OVERRIDE"),
    (CapabilitySet::FOWNER, "FOWNER"),
    (CapabilitySet::CHOWN, "CHOWN"),
];

/// What a daemon with these needs keeps of what it has.
fn kept(needs: &Needs) -> CapabilitySet {
    let mut kept = CapabilitySet::empty();
    if needs.node {
        kept |= CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    }
    if needs.low_port {
        kept |= CapabilitySet::NET_BIND_SERVICE;
    }
    // Root in a folder of somebody else is nobody there without these.
    let me = rustix::process::geteuid().as_raw();
    let foreign = needs.write.first().and_then(|home| fs::metadata(home).ok()).is_some_and(|home| home.uid() != me);
    if me == 0 && foreign {
        kept |= CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER | CapabilitySet::CHOWN;
    }
    kept
}

/// Gives up all others, for this process and what it starts.
pub(super) fn drop_unneeded(needs: &Needs) -> Result<(), String> {
    let text = |error: rustix::io::Errno| error.to_string();
    let had = rustix::thread::capabilities(None).map_err(text)?;
    let kept = kept(needs);
    // A bounding set can be cut by who holds SETPCAP alone; without it there is nothing that could grow again either.
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if !kept.contains(one) {
                // Numbers that the kernel does not know are refused.
                let _ = rustix::thread::remove_capability_from_bounding_set(one);
            }
        }
    }
    // Programs that the daemon starts get nothing by inheritance.
    let _ = rustix::thread::clear_ambient_capability_set();
    let sets = CapabilitySets {
        effective: had.effective & kept,
        permitted: had.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(text)
}

/// Names of those in force.
pub(super) fn held() -> Vec<String> {
    let Ok(sets) = rustix::thread::capabilities(None) else { return Vec::new() };
    let known = NAMES.iter().filter(|(one, _)| sets.effective.contains(*one));
    let mut names: Vec<String> = known.map(|(_, name)| (*name).to_owned()).collect();
    let others = NAMES.iter().fold(sets.effective, |left, (one, _)| left - *one).bits().count_ones();
    if others > 0 {
        names.push(format!("and {others} more"));
    }
    names
}
