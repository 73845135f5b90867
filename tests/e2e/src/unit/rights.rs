//! Another user, with the capabilities of the unit and no way to more.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Gid, Mode, Uid};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Unit;

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// A user by its name.
pub(super) fn find(name: &str) -> Result<User> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&name)).with_context(|| format!("no user {name}"))?;
    let number = |at: usize| line.get(at).and_then(|text| text.parse().ok()).context("a broken /etc/passwd");
    Ok(User { uid: Uid::from_raw(number(2)?), gid: Gid::from_raw(number(3)?) })
}

/// Gives a folder with all in it to the user, unless it is that user's, as systemd does with a `StateDirectory`.
pub(super) fn give(folder: &Path, user: User) -> Result<()> {
    use std::os::unix::fs::{MetadataExt as _, lchown};
    let owner = fs::metadata(folder)?;
    if (owner.uid(), owner.gid()) == (user.uid.as_raw(), user.gid.as_raw()) {
        return Ok(());
    }
    let mut folders = vec![folder.to_owned()];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)?.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    for path in all {
        lchown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(std::os::unix::fs::chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?)
}

/// Becomes the user.
pub(super) fn give_up(unit: &Unit, user: User) -> Result<()> {
    rustix::process::umask(Mode::from_raw_mode(u32::from_str_radix(unit.one("UMask")?, 8)?));
    // Not more than this computer gives: in a container root may not raise it.
    let highest = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let files = Some(highest.min(unit.one("LimitNOFILE")?.parse()?));
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).context("LimitNOFILE")?;
    let bounds = named(unit.words("CapabilityBoundingSet"))?;
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if !bounds.contains(one) {
            // Numbers that the kernel does not know are refused.
            let _ = rustix::thread::remove_capability_from_bounding_set(one);
        }
    }
    rustix::thread::set_thread_groups(&[user.gid])?;
    rustix::thread::set_thread_res_gid(user.gid, user.gid, user.gid)?;
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_res_uid(user.uid, user.uid, user.uid)?;
    rustix::thread::set_keep_capabilities(false)?;
    let given = named(unit.words("AmbientCapabilities"))?;
    let sets = CapabilitySets { effective: given, permitted: given, inheritable: given };
    rustix::thread::set_capabilities(None, sets)?;
    for one in given.iter() {
        rustix::thread::configure_capability_in_ambient_set(one, true)?;
    }
    if unit.says("NoNewPrivileges", "yes")? {
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}

fn named<'a>(words: impl Iterator<Item = &'a str>) -> Result<CapabilitySet> {
    let mut set = CapabilitySet::empty();
    for word in words {
        let name = word.strip_prefix("CAP_").context("capabilities begin with CAP_")?;
        match CapabilitySet::from_name(name) {
            Some(one) => set |= one,
            None => bail!("no capability {word}"),
        }
    }
    Ok(set)
}
