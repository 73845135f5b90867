//! Another user in place of root: `zt service --user NAME`.
//!
//! Users are looked up in `/etc/passwd` and `/etc/group`, where packages and `zt service install` make them; a program that is
//! linked statically cannot ask the directory services of a host.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};
use thiserror::Error;

const PASSWD: &str = "/etc/passwd";
/// What devices are made with.
const TUN: &str = "/dev/net/tun";

/// Why the daemon did not become another user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UserError {
    /// There is none of that name.
    #[error("--user {name}: no such user in {PASSWD}; say `useradd --system --user-group {name}`, or name another")]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// Only root can become somebody else.
    #[error("--user {name}: only root can start a node as another user; say it with sudo, or leave --user out")]
    NotRoot {
        /// As asked for.
        name: String,
    },
    /// A file of the home folder cannot be given to the user.
    #[error("--user {name}: {path} cannot be given to that user: {source}", path = path.display())]
    Home {
        /// As asked for.
        name: String,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused the change.
    #[error("--user {name}: {source}")]
    Refused {
        /// As asked for.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A line of `/etc/passwd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// Gives the home folder to a user, as systemd does with a `StateDirectory`, and goes on as that user with the capabilities of a
/// node. Must be called while the process has one thread.
///
/// # Errors
/// [`UserError`]; a home that was given away stays given away.
pub fn become_user(name: &str, home: &Path) -> Result<(), UserError> {
    let text = fs::read_to_string(PASSWD).unwrap_or_default();
    let user = find(&text, name).ok_or_else(|| UserError::Unknown { name: name.to_owned() })?;
    if rustix::process::geteuid().as_raw() == user.uid {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(UserError::NotRoot { name: name.to_owned() });
    }
    give(home, user).map_err(|(path, source)| UserError::Home { name: name.to_owned(), path, source })?;
    open_to(Path::new(TUN), user);
    change(user).map_err(|error| UserError::Refused { name: name.to_owned(), source: error.into() })
}

fn change(user: User) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&[gid])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    // The capabilities of root stay permitted across the change, and are then cut to those of a node.
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::thread::set_keep_capabilities(false)?;
    let had = rustix::thread::capabilities(None)?.permitted;
    // SETPCAP goes when the sandbox has cut what programs of the daemon may ever get.
    let kept = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW | CapabilitySet::NET_BIND_SERVICE;
    let kept = had & (kept | CapabilitySet::SETPCAP);
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

/// Lets the user's group open a device that is root's alone. Where udev runs everybody may: to make a device takes NET_ADMIN
/// all the same. A failure is told when a device is made.
fn open_to(device: &Path, user: User) {
    const ALL: u32 = 0o006;
    let Ok(found) = fs::metadata(device) else { return };
    let mode = found.permissions().mode();
    if mode & ALL != ALL && rustix::fs::chown(device, None, Some(Gid::from_raw(user.gid))).is_ok() {
        let _ = fs::set_permissions(device, fs::Permissions::from_mode(mode & 0o7777 | ALL << 3));
    }
}

/// The whole folder, unless it is that user's already. Symbolic links are given, not what they lead to.
fn give(home: &Path, user: User) -> Result<(), (PathBuf, io::Error)> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, error)
    };
    zt_node::driver::create_folder(home).map_err(failed(home))?;
    let owner = fs::metadata(home).map_err(failed(home))?;
    if (owner.uid(), owner.gid()) == (user.uid, user.gid) {
        return Ok(());
    }
    let mut folders = vec![home.to_owned()];
    let mut all = folders.clone();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    // The folder itself last: a change that was cut short is done again at the next start.
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    for path in all.iter().skip(1).chain([&home.to_owned()]) {
        // A home may be a link to a folder on another disk.
        let flags = if path == home { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), flags).map_err(|error| (path.clone(), error.into()))?;
    }
    Ok(())
}

fn find(passwd: &str, name: &str) -> Option<User> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.first() == Some(&name))?;
    Some(User { uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

/// Name of the user of this process, or the number of one without a name.
pub(super) fn name() -> String {
    let me = rustix::process::geteuid().as_raw();
    let text = fs::read_to_string(PASSWD).unwrap_or_default();
    let named = text.lines().find(|line| line.split(':').nth(2).and_then(|uid| uid.parse().ok()) == Some(me));
    named.and_then(|line| line.split(':').next()).map_or_else(|| me.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nztx:x:7:8::/:/bin/false\nzt:x:998:997::/var/lib/x:/usr/sbin/nologin\n";
        assert_eq!(find(passwd, "zt"), Some(User { uid: 998, gid: 997 }));
        assert_eq!(find(passwd, "z"), None);
        assert_eq!(find("zt:x:none:1\n", "zt"), None);
    }

    #[test]
    fn a_user_that_is_none_is_told_with_the_next_step() {
        let error = become_user("no-such-user-here", Path::new("/nonexistent")).expect_err("none");
        assert!(error.to_string().contains("useradd --system"), "{error}");
    }
}
