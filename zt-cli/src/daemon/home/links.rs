//! Links that lie in a home folder: who may have laid them, and so where they may lead.
//!
//! An identity may be kept on another disk, a `local.conf` in a package. Whoever may write where such a link leads chooses the
//! secrets and settings of the node, and a node of root would write there with root's rights. So a link of root or of the user
//! of this process leads anywhere. One of the user whose folder it is, where root runs a node in it, leads to what is that
//! user's, too: he could lay the file itself there, but not lend himself root's hand elsewhere. Links of all others lead nowhere.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A link that is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The link.
    pub link: PathBuf,
    /// Whose it is.
    pub owner: u32,
}

/// Where a link that lies in a home leads; `None` if it is no link, or leads to nothing.
///
/// # Errors
/// Whoever laid it may not say where files of this home are.
pub fn follow(home: &Path, link: &Path) -> Result<Option<PathBuf>, Foreign> {
    let Ok(found) = fs::symlink_metadata(link) else { return Ok(None) };
    if !found.is_symlink() {
        return Ok(None);
    }
    let target = fs::canonicalize(link).ok();
    let folder = target.as_deref().map(folder_behind);
    if may_choose(found.uid()) || owns(home, found.uid()) && folder.is_none_or(|folder| owns(folder, found.uid())) {
        return Ok(target);
    }
    Err(Foreign { link: link.to_owned(), owner: found.uid() })
}

/// The folders behind the links of a home and of the folders in it, and the links that are not followed. A file is replaced as a
/// whole, by one beside it, so its folder counts.
pub fn folders_behind(home: &Path) -> (Vec<PathBuf>, Vec<Foreign>) {
    let (mut folders, mut refused) = (Vec::new(), Vec::new());
    let mut look = |folder: &Path| -> Vec<PathBuf> {
        let mut below = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match follow(home, &path) {
                Ok(None) => below.extend(entry.file_type().is_ok_and(|kind| kind.is_dir()).then_some(path)),
                Ok(Some(target)) => {
                    folders.push(folder_behind(&target).to_owned());
                    below.extend(target.is_dir().then_some(target));
                }
                Err(foreign) => refused.push(foreign),
            }
        }
        below
    };
    for folder in look(home) {
        look(&folder);
    }
    (folders, refused)
}

/// Whether a user may say where files of any home of this process are, and what is in them: root, and the user it runs as.
pub(super) fn may_choose(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// Whether a file or folder is a user's.
pub(super) fn owns(path: &Path, user: u32) -> bool {
    fs::metadata(path).is_ok_and(|found| found.uid() == user)
}

/// The folder itself, or that of a file.
fn folder_behind(target: &Path) -> &Path {
    if target.is_dir() { target } else { target.parent().unwrap_or(target) }
}
