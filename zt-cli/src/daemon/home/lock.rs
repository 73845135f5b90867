//! One daemon for a home folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use super::{Home, HomeError};

/// Exclusive use of a home folder, ended by dropping it or by the end of the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Home {
    /// Takes the lock file, so that a second daemon on this folder is refused. Network disks may have no locks: then a second
    /// one on this host is still noticed, and those of other hosts are the operator's business.
    pub fn lock(&self) -> Result<Lock, HomeError> {
        let path = self.file("zt.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| self.error("zt.lock", source))?;
        // Who is served by root once is not to be locked out by what that leaves.
        if let (Ok(lock), Ok(folder)) = (file.metadata(), fs::metadata(&self.path))
            && lock.uid() != folder.uid()
        {
            let _ = std::os::unix::fs::fchown(&file, Some(folder.uid()), Some(folder.gid()));
        }
        let mut text = String::new();
        let _ = (&file).take(16).read_to_string(&mut text);
        let pid = text.trim().parse().ok();
        let in_use = || HomeError::InUse { path: self.path.clone(), pid };
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(in_use()),
            Err(fs::TryLockError::Error(error)) if has_no_locks(&error) => {
                if pid.is_some_and(is_daemon) {
                    return Err(in_use());
                }
                tracing::warn!(
                    %error,
                    "the disk of {} offers no locks: see to it that no other daemon uses this folder",
                    self.path.display()
                );
            }
            Err(fs::TryLockError::Error(source)) => return Err(self.error("zt.lock", source)),
        }
        self.remove_leftovers();
        // The number serves the message above, and where there are no locks; a lock itself ends with the process.
        let _ = io::Seek::rewind(&mut file)
            .and_then(|()| file.set_len(0))
            .and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || matches!(error.raw_os_error(), Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP))
}

/// Whether another process with this number runs the same program.
fn is_daemon(pid: u32) -> bool {
    let program = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    pid != std::process::id() && program(&pid.to_string()).is_some_and(|name| program("self") == Some(name))
}
