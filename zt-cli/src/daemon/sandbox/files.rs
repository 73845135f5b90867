//! Files, by Landlock: the daemon reads the system and its home, and changes its home and what a resolver asks for.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};

use super::Needs;
use crate::api::Confined;
use crate::daemon::home::links::{self, Foreign};

/// The newest rules that are asked for; an older kernel takes those that it knows.
const NEWEST: ABI = ABI::V6;

/// What the daemon and the programs that it starts read: the system, no data of users.
const READ: [&str; 14] = [
    "/bin", "/dev", "/etc", "/gnu", "/lib", "/lib32", "/lib64", "/nix", "/opt", "/proc", "/run", "/sbin", "/sys",
    "/usr",
];

/// What they change, beside the home folder: the resolver's settings by resolvconf.
const WRITE: [&str; 3] = ["/run/resolvconf", "/run/zt", "/etc/resolv.conf"];

/// What devices are made with.
const TUN: &str = "/dev/net/tun";

/// What programs write into that nobody shall read.
const NULL: &str = "/dev/null";

/// Restricts this thread and what it starts; tells how much of it the kernel knows.
pub(super) fn restrict(needs: &Needs) -> Result<Confined, String> {
    let text = |error: landlock::RulesetError| error.to_string();
    let all = AccessFs::from_all(NEWEST);
    let ruleset = Ruleset::default().handle_access(all).map_err(text)?;
    let ruleset = ruleset.scope(Scope::Signal).map_err(text)?;
    let mut ruleset = ruleset.create().map_err(text)?;
    let read = AccessFs::from_read(NEWEST);
    let own = std::env::current_exe().ok();
    let readable = READ.iter().map(PathBuf::from).chain(needs.read.iter().cloned()).chain(own);
    for path in readable {
        ruleset = allow(ruleset, &path, read)?;
    }
    let (linked, refused) = needs.write.first().map(|home| links::folders_behind(home)).unwrap_or_default();
    for Foreign { link, owner } in refused {
        let link = link.display();
        tracing::warn!(
            "{link} is a link that belongs to user {owner}, and is not followed to where it leads; put the file itself in its place, \
             or say `chown -h` to take the link over"
        );
    }
    let of_node = |paths: &'static [&'static str]| paths.iter().filter(|_| needs.node).map(PathBuf::from);
    for path in of_node(&WRITE).chain(needs.write.iter().cloned()).chain(linked) {
        ruleset = allow(ruleset, &path, all)?;
    }
    for path in of_node(&[TUN]).chain([PathBuf::from(NULL)]) {
        ruleset = allow(ruleset, &path, AccessFs::from_file(NEWEST))?;
    }
    let status = ruleset.restrict_self().map_err(text)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Confined::On,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Unknown,
    })
}

/// What is not there needs no rule.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let (Ok(opened), Ok(kind)) = (PathFd::new(path), fs::metadata(path)) else { return Ok(ruleset) };
    let access = if kind.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    ruleset.add_rule(PathBeneath::new(opened, access)).map_err(|error| error.to_string())
}
