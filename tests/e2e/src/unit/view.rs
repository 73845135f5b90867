//! The file system as the unit shows it: for reading, but for the home; without other users' homes, devices and processes.

use std::fs;
use std::io::{self, ErrorKind::ReadOnlyFilesystem};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags};

use super::rights::{self, User};
use super::{Confinement, Unit};

/// Devices that `DevicePolicy=closed` leaves, beside those of `DeviceAllow`.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// What lies in `/dev` by habit.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// A piece of the tree as it was before, to be put back where it was.
struct Piece {
    path: PathBuf,
    tree: OwnedFd,
    writable: bool,
}

impl Piece {
    fn of(path: &Path, writable: bool) -> Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(CWD, path, flags).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), tree, writable })
    }

    fn put_back(self) -> Result<()> {
        let what = || self.path.display().to_string();
        if !self.path.exists() {
            // Hidden with what lies around it: a place in the empty folder that hides.
            let parent = self.path.parent().with_context(what)?;
            fs::create_dir_all(parent).with_context(what)?;
            let is_folder = rustix::fs::fstat(&self.tree)?.st_mode & 0o170_000 == 0o040_000;
            if is_folder { fs::create_dir(&self.path) } else { fs::write(&self.path, "") }.with_context(what)?;
        }
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(self.tree.as_fd(), "", CWD, &self.path, flags).with_context(what)?;
        if self.writable { Ok(()) } else { lock(&self.path, "").with_context(what) }
    }
}

/// Narrows what this process sees; the home folder is made and given to the user.
pub(super) fn narrow(unit: &Unit, confinement: &Confinement, user: User) -> Result<()> {
    let home = std::path::absolute(&confinement.home)?;
    fs::create_dir_all(&home)?;
    match rights::give(&home, user) {
        // A disk that takes no writes is the daemon's to tell.
        Err(error) if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == ReadOnlyFilesystem) => {}
        given => given?,
    }
    let home = fs::canonicalize(home)?;
    let mut pieces = Vec::new();
    for folder in &confinement.keep {
        pieces.push(Piece::of(&fs::canonicalize(folder)?, false)?);
    }
    pieces.push(Piece::of(&home, true)?);
    for path in unit.words("ReadWritePaths").filter_map(|path| path.strip_prefix('-')).map(Path::new) {
        if path.exists() {
            pieces.push(Piece::of(path, true)?);
        }
    }
    let devices = if unit.says("DevicePolicy", "closed")? { devices(unit)? } else { Vec::new() };

    ensure!(unit.says("ProtectSystem", "strict")?, "another ProtectSystem than strict is not imitated");
    lock_all()?;
    if unit.says("PrivateTmp", "yes")? {
        hide("/tmp", "mode=1777")?;
        hide("/var/tmp", "mode=1777")?;
    }
    let hidden = if unit.says("ProtectHome", "yes")? { &["/home", "/root", "/run/user"][..] } else { &[] };
    for folder in hidden {
        hide(folder, "mode=755")?;
    }
    if !devices.is_empty() {
        hide("/dev", "mode=755")?;
        for (name, to) in LINKS {
            std::os::unix::fs::symlink(to, Path::new("/dev").join(name))?;
        }
        devices.into_iter().try_for_each(Piece::put_back)?;
        lock(Path::new("/dev"), "mode=755")?;
    }
    if unit.says("ProtectProc", "invisible")? {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("proc", "/proc", "proc", flags, Some(c"hidepid=invisible")).context("/proc")?;
    }
    if unit.says("ProtectKernelTunables", "yes")? {
        rustix::mount::mount_bind("/proc/sys", "/proc/sys")?;
        lock(Path::new("/proc/sys"), "")?;
    }
    // `/sys`, with the control groups in it, has been locked with the rest.
    pieces.into_iter().try_for_each(Piece::put_back)?;
    for folder in hidden.iter().filter(|folder| Path::new(folder).exists()) {
        lock(Path::new(folder), "mode=755")?;
    }
    Ok(std::env::set_current_dir("/")?)
}

fn devices(unit: &Unit) -> Result<Vec<Piece>> {
    let allowed = unit.all("DeviceAllow").iter().filter_map(|value| value.split_whitespace().next());
    let allowed: Vec<&str> = allowed.collect();
    for device in &allowed {
        // As the rules of udev have it everywhere.
        let Ok(found) = fs::metadata(device) else { continue };
        if found.permissions().mode() & 0o666 != 0o666 {
            fs::set_permissions(device, fs::Permissions::from_mode(0o666))?;
        }
    }
    let all = allowed.into_iter().chain(DEVICES).map(Path::new);
    all.filter(|device| device.exists()).map(|device| Piece::of(device, true)).collect()
}

/// An empty folder over a folder that is there.
fn hide(folder: &str, options: &str) -> Result<()> {
    if Path::new(folder).is_dir() {
        let options = std::ffi::CString::new(options)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        // Files in /dev are mounts of their own, which are no matter of this one.
        rustix::mount::mount("tmpfs", folder, "tmpfs", flags, Some(options.as_c_str())).context(folder.to_owned())?;
    }
    Ok(())
}

/// Nothing is written below this mount any more.
fn lock(mount: &Path, options: &str) -> Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | kept(mount)?;
    rustix::mount::mount_remount(mount, flags, options).with_context(|| format!("{} read-only", mount.display()))
}

/// Nothing is written anywhere.
fn lock_all() -> Result<()> {
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let Some(place) = line.split(' ').nth(4) else { continue };
        let place = PathBuf::from(place.replace("\\040", " "));
        // One that lies below another one at the same place cannot be reached by anybody.
        let _ = lock(&place, "");
    }
    let probe = Path::new("/").join(format!(".zt-unit-{}", std::process::id()));
    ensure!(fs::write(&probe, "").is_err(), "/ can be written to");
    Ok(())
}

/// Flags that a mount has and keeps.
fn kept(mount: &Path) -> Result<MountFlags> {
    use rustix::fs::StatVfsMountFlags as Found;
    let found = rustix::fs::statvfs(mount)?.f_flag;
    let pairs = [
        (Found::NOSUID, MountFlags::NOSUID),
        (Found::NODEV, MountFlags::NODEV),
        (Found::NOEXEC, MountFlags::NOEXEC),
        (Found::NOATIME, MountFlags::NOATIME),
        (Found::NODIRATIME, MountFlags::NODIRATIME),
        (Found::RELATIME, MountFlags::RELATIME),
    ];
    Ok(pairs.into_iter().filter(|(one, _)| found.contains(*one)).map(|(_, flag)| flag).collect())
}
