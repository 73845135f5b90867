//! Files that hold secrets: who may have laid them there, and who may read them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::links::{self, Foreign};
use super::{Home, HomeError};

/// What nobody but the owner of a secret may do.
const OTHERS: u32 = 0o077;

impl Home {
    /// Reads a file that holds a secret; `None` if it is missing. Rights that are too wide are taken away.
    ///
    /// # Errors
    /// It cannot be read, or is a link that somebody else laid: whoever may write where it leads would choose the secret.
    pub(super) fn read_secret(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        if let Err(Foreign { link, owner }) = links::follow(self.path(), &self.file(name)) {
            return Err(HomeError::ForeignLink { path: link, owner });
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
        if !links::may_choose(file.uid()) && !links::owns(self.path(), file.uid()) {
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
}
