//! Files that hold secrets: who may have laid them there, and who may read them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::{Home, HomeError};

/// What nobody but the owner of a secret may do.
const OTHERS: u32 = 0o077;

impl Home {
    /// Reads a file that holds a secret; `None` if it is missing. Rights that are too wide are taken away.
    ///
    /// # Errors
    /// It cannot be read, or is a link that somebody else laid: whoever may write where it leads would choose the secret.
    pub(super) fn read_secret(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        let path = self.file(name);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.error(name, source)),
        };
        if found.is_symlink() && !self.trusts(found.uid()) {
            return Err(HomeError::ForeignLink { path, owner: found.uid() });
        }
        let content = self.read(name)?;
        if content.as_ref().is_some_and(|content| !content.is_empty()) {
            self.guard(name);
        }
        Ok(content)
    }

    /// Takes away rights of others.
    fn guard(&self, name: &str) {
        let path = self.file(name);
        let Ok(file) = fs::metadata(&path) else { return };
        if !self.trusts(file.uid()) {
            tracing::warn!("{} belongs to user {}, who can read and change it", path.display(), file.uid());
        }
        let mode = file.permissions().mode() & 0o7777;
        if !file.is_file() || mode & OTHERS == 0 {
            return;
        }
        let path = path.display();
        match fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o600)) {
            Ok(()) => tracing::warn!(
                "{path} was open to other users (mode {mode:03o}), and is no more; if somebody may have read it, make another"
            ),
            Err(error) => {
                tracing::warn!("{path} is open to other users (mode {mode:03o}): {error}; say `chmod 600 {path}`")
            }
        }
    }

    /// Whether a user may choose the secrets of this home: root, the user of this process, and whose folder it is.
    fn trusts(&self, user: u32) -> bool {
        let own = fs::metadata("/proc/self").map(|process| process.uid());
        let owner = fs::metadata(self.path()).map(|folder| folder.uid());
        user == 0 || [own, owner].into_iter().flatten().any(|trusted| trusted == user)
    }
}
