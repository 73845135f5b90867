//! Writing files: whole or not at all, under names nobody can foresee, with the rights they had.

use crate::OsEntropy;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zt_crypto::Entropy as _;

/// Larger files are not ours; reading stops here (a configuration has at most 484,520 bytes, 04 §2.5).
const MAX_FILE: u64 = 1 << 20;

/// Links followed on the way to a file.
const MAX_LINKS: usize = 16;

/// Mode of what only its owner may read. A file written with it never keeps a looser one it had.
const SECRET: u32 = 0o600;

/// A file's content, cut at 1 MiB; `None` if it is missing or a folder is in its place.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_dir() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Makes a folder with its parents, if missing: readable by all and writable by the owner at most, whatever the umask
/// (06 §1.3).
///
/// # Errors
/// Any error of creating one of them.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Writes a file, in a folder that exists, so that after a crash either the old or the new content is there, never a part of
/// it. When this returns the content is durable.
///
/// * A link is written through: what it leads to is replaced, the link stays.
/// * A file that exists keeps its mode, and its owner as far as we may set it. `mode` is that of a new one; with
///   0600 the content is a secret, and the mode is set in any case.
/// * Where the folder admits no new file, or the file cannot be replaced (a mount of its own), it is written in place.
/// * A device or pipe is written to.
///
/// # Errors
/// Any error of creating, writing, syncing or renaming; the old file is then unchanged.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write(path, content, mode, true)
}

/// As [`write_atomically`], but not durable: after a crash of the machine the file may be damaged. For caches, and what
/// is written anew all the time.
///
/// # Errors
/// As there.
pub fn write_cache(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write(path, content, mode, false)
}

fn write(path: &Path, content: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let target = behind_links(path)?;
    let old = match fs::symlink_metadata(&target) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(old) = &old
        && !old.is_file()
    {
        return write_into(&target, old, content);
    }
    match replace(&target, old.as_ref(), content, mode, durable) {
        Err(error) if old.is_some() && cannot_replace(&error) => {
            overwrite(&target, content, mode).map_err(|in_place| match in_place.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => io::Error::new(
                    in_place.kind(),
                    format!("{} is read-only ({in_place}); change it where it is made", target.display()),
                ),
                _ => in_place,
            })
        }
        result => result,
    }
}

/// The folder takes no new file, or something is mounted on the file.
fn cannot_replace(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::CrossesDevices
    )
}

/// Where a chain of links ends; the file itself need not be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(to) => {
                refuse_laid_link(&path)?;
                path = folder_of(&path).join(to);
            }
            // No link, or nothing there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many links lead to this file"))
}

/// In a folder where everybody may lay links (`/tmp`), one of a stranger is not followed: it may lead to a place of his.
/// The kernel refuses the same where it follows links itself.
fn refuse_laid_link(link: &Path) -> io::Result<()> {
    const SHARED: u32 = 0o1002;
    let (folder, owner) = (fs::metadata(folder_of(link))?, fs::symlink_metadata(link)?.uid());
    if folder.mode() & SHARED == SHARED && owner != folder.uid() && Some(owner) != own_user() {
        let text = format!("{} is a link that another user laid in a shared folder", link.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// The user this process acts for.
fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").map(|process| process.uid()).ok()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes beside the file and moves that into its place.
fn replace(target: &Path, old: Option<&Metadata>, content: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let folder = folder_of(target);
    let (temporary, mut file) = new_file_beside(target)?;
    let result = (|| {
        file.write_all(content)?;
        if let Some(old) = old {
            keep_owner(&file, old, folder, mode);
        }
        // Rights widen last, so that nobody else ever holds the file open for writing or reads what is not for him.
        let mode = old.filter(|_| mode != SECRET).map_or(mode, |old| old.permissions().mode() & 0o777);
        file.set_permissions(Permissions::from_mode(mode))?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, target)?;
        if durable { File::open(folder)?.sync_all() } else { Ok(()) }
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// A new file that only we may read, under a name that nobody can foresee and that was not there.
fn new_file_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or("state");
    let temporary = folder_of(target).join(format!(".{name}.{:016x}.tmp", OsEntropy.next_u64()));
    // A new file is never reached by way of a link.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(SECRET);
    Ok((temporary.clone(), options.open(&temporary)?))
}

/// True for a name that [`write_atomically`] uses for a moment: what is left of one was left by a crash.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    let inside = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    let random = inside.and_then(|name| name.rsplit_once('.')).map_or("", |(_, random)| random);
    random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Gives the new file the owner of the old one, where we may. A secret goes to another owner only where the folder is
/// his too: elsewhere he may have laid the file there to be given it.
fn keep_owner(file: &File, old: &Metadata, folder: &Path, mode: u32) {
    let Ok(new) = file.metadata() else { return };
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return;
    }
    if mode == SECRET && fs::metadata(folder).map_or(true, |folder| folder.uid() != old.uid()) {
        return;
    }
    let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
}

/// Writes over the content of a file; puts the old content back when that fails.
fn overwrite(target: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if mode == SECRET && Some(fs::metadata(target)?.uid()) != own_user() {
        let text = format!("{} belongs to another user, who would have the secret", target.display());
        return Err(io::Error::other(text));
    }
    let old = fs::read(target)?;
    let mut file = OpenOptions::new().write(true).open(target)?;
    let result = fill(&mut file, content);
    if result.is_err() {
        let _ = fill(&mut file, &old);
    }
    result?;
    if mode == SECRET {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn fill(file: &mut File, content: &[u8]) -> io::Result<()> {
    file.write_all_at(content, 0)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Writes to something that is no file: a device, a pipe.
fn write_into(target: &Path, what: &Metadata, content: &[u8]) -> io::Result<()> {
    if what.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    OpenOptions::new().write(true).open(target)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder of the test's own, removed with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("zt-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            create_folder(&path).expect("a folder");
            Self(path)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).expect("a folder");
            let mut names: Vec<_> =
                entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_secret_is_always_private() {
        let scratch = Scratch::new("mode");
        let file = scratch.path("local.conf");
        for (before, written, after) in [
            (None, 0o644, 0o644),
            (Some(0o600), 0o644, 0o600),
            (Some(0o664), 0o644, 0o664),
            (Some(0o644), 0o600, 0o600),
        ] {
            let _ = fs::remove_file(&file);
            if let Some(before) = before {
                fs::write(&file, "old").expect("written");
                fs::set_permissions(&file, Permissions::from_mode(before)).expect("set");
            }
            write_atomically(&file, b"new", written).expect("written");
            assert_eq!((mode(&file), fs::read(&file).expect("read")), (after, b"new".to_vec()), "{before:?}");
        }
        assert_eq!(scratch.names(), ["local.conf"], "nothing is left beside it");
    }

    #[test]
    fn links_are_written_through() {
        let scratch = Scratch::new("links");
        create_folder(&scratch.path("store")).expect("a folder");
        fs::write(scratch.path("store/conf"), "old").expect("written");
        symlink("store/conf", scratch.path("middle")).expect("a link");
        symlink(scratch.path("middle"), scratch.path("local.conf")).expect("a link");
        write_atomically(&scratch.path("local.conf"), b"new", 0o644).expect("written");
        assert_eq!(fs::read(scratch.path("store/conf")).expect("read"), b"new");
        // One that leads nowhere yet makes its file.
        symlink("store/later", scratch.path("dangling")).expect("a link");
        write_atomically(&scratch.path("dangling"), b"made", 0o600).expect("written");
        assert_eq!(mode(&scratch.path("store/later")), 0o600);
        for link in ["middle", "local.conf", "dangling"] {
            assert!(scratch.path(link).is_symlink(), "{link}");
        }
        symlink("round", scratch.path("round")).expect("a link");
        write_atomically(&scratch.path("round"), b"x", 0o644).expect_err("it leads to itself");
    }

    #[test]
    fn what_lies_where_a_temporary_file_was_is_not_written_to() {
        let scratch = Scratch::new("names");
        let victim = scratch.path("victim");
        fs::write(&victim, "mine").expect("written");
        // The names of before, laid as links by somebody else.
        for name in ["identity.secret", "state"] {
            symlink(&victim, scratch.path(&format!(".{name}.{}.tmp", std::process::id()))).expect("a link");
        }
        write_atomically(&scratch.path("identity.secret"), b"secret", SECRET).expect("written");
        assert_eq!(fs::read(&victim).expect("read"), b"mine");
        let names: Vec<_> = (0..2).map(|_| new_file_beside(&victim).expect("new").0).collect();
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(is_temporary(&name.file_name().expect("a name").to_string_lossy()));
            assert_eq!(mode(&name), SECRET);
        }
        assert!(!is_temporary(".local.conf.tmp") && !is_temporary("a.0123456789abcdef.tmp"));
    }

    #[test]
    fn a_device_is_written_to_and_stays() {
        let full = write_atomically(Path::new("/dev/full"), b"x", 0o644).expect_err("it is full");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        write_atomically(Path::new("/dev/null"), b"x", SECRET).expect("written");
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
    }

    #[test]
    fn writing_in_place_takes_the_old_length_away() {
        let scratch = Scratch::new("place");
        let file = scratch.path("conf");
        fs::write(&file, "a longer text").expect("written");
        overwrite(&file, b"short", 0o644).expect("written");
        assert_eq!(fs::read(&file).expect("read"), b"short");
        overwrite(&scratch.path("missing"), b"x", 0o644).expect_err("only what is there");
    }
}
