//! The home folder of a node: where it is, who may use it, and the small files in it (06 §1.3, §2).

pub mod links;
mod lock;
mod secrets;

pub use lock::Lock;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zt_crypto::{Entropy, SecretIdentity};
use zt_node::StateKey;
use zt_node::driver::{create_folder, is_temporary, write_atomically};

use super::authtoken;

/// Home folder of the original on Linux.
pub const STOCK_HOME: &str = "/var/lib/zerotier-one";

/// File of the read-only token.
const READ_TOKEN: &str = "readtoken.secret";

/// Largest text file read from the home folder.
pub const MAX_FILE: u64 = 16 << 20;

/// Why a home folder cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HomeError {
    /// No folder was named and the environment variable is empty.
    #[error("no home path specified and no platform default available")]
    Missing,
    /// The folder or a file in it cannot be created, read or written.
    #[error("{path}: {source}{}", hint(path, source), path = path.display())]
    File {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file with a secret is a link that another user laid.
    #[error("{path} is a link that belongs to user {owner}: a secret is not taken from where it leads. Put the file itself in its place, or say `chown -h` to take the link over", path = path.display())]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Another daemon holds the lock file.
    #[error("{path} is in use by another daemon{}; stop it first or give another --home", pid.map_or(String::new(), |p| format!(" (pid {p})")), path = path.display())]
    InUse {
        /// Home folder.
        path: PathBuf,
        /// Process which holds it, as far as known.
        pid: Option<u32>,
    },
    /// There is no identity, and there is what belongs to the one that was.
    #[error(
        "{path}/identity.secret is missing or empty, but the folder holds {holds}, which belong to the identity that was \
         there{}; nothing was changed. Put a copy of identity.secret back. Or, to start as a new node that must be let in \
         everywhere again, say `zt service --new-identity` once",
        if address.is_empty() { String::new() } else { format!(" ({address}, says identity.public)") },
        path = path.display()
    )]
    NoIdentity {
        /// Home folder.
        path: PathBuf,
        /// What is there, in words.
        holds: String,
        /// Address in `identity.public`, if that is there.
        address: String,
    },
    /// `identity.secret` does not hold a usable secret identity (06 §1.5).
    #[error("invalid identity loaded from disk. Please remove identity.public and identity.secret from {path} and try again", path = path.display())]
    Identity {
        /// Home folder.
        path: PathBuf,
    },
}

/// A home folder; the daemon additionally holds its [`Lock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The folder named on the command line, else `ZEROTIER_HOME`, else the stock folder (06 §1.3).
    pub fn resolve(named: Option<&Path>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => env("ZEROTIER_HOME").map_or_else(|| PathBuf::from(STOCK_HOME), PathBuf::from),
        };
        if path.as_os_str().is_empty() {
            return Err(HomeError::Missing);
        }
        Ok(Self { path })
    }

    /// A home folder at a known place.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates the folder with its parents, if missing.
    pub fn create(&self) -> Result<(), HomeError> {
        create_folder(&self.path).map_err(|source| self.error("", source))?;
        let mode = fs::metadata(&self.path).map_or(0, |folder| folder.permissions().mode());
        if mode & 0o002 != 0 {
            tracing::warn!("everybody may write in {path}; say `chmod o-w {path}`", path = self.path.display());
        }
        Ok(())
    }

    /// Removes what a crash left of files that were being written. Nobody else writes: the lock is held.
    fn remove_leftovers(&self) {
        for folder in [""].into_iter().chain(StateKey::FOLDERS) {
            for entry in fs::read_dir(self.file(folder)).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(is_temporary) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// Reads a file of the folder; `None` if it is missing. A folder in its place reads as empty (06 §2).
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        read_file(&self.file(name)).map_err(|source| self.error(name, source))
    }

    /// Writes a file of the folder by way of a temporary file, so that readers see the old or the new text, never half of it.
    pub fn write(&self, name: &str, content: &[u8], mode: u32) -> Result<(), HomeError> {
        let path = self.file(name);
        if let Some(parent) = path.parent() {
            create_folder(parent).map_err(|source| self.error(name, source))?;
        }
        replace_file(&path, content, mode).map_err(|source| self.error(name, source))
    }

    /// Removes a file of the folder; missing is fine.
    pub fn remove(&self, name: &str) -> Result<(), HomeError> {
        match fs::remove_file(self.file(name)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.error(name, source)),
            _ => Ok(()),
        }
    }

    /// Loads `identity.secret`, or makes a new identity when it is missing or empty; `identity.public` follows it.
    /// Unless `anew`, no new one is made where there was one: `holds` says in words which networks belong to it, and
    /// `identity.public` may name it.
    ///
    /// The address is checked against the key, which takes a moment (01 §3.4).
    // Deliberate (06 §1.5): the reference makes a new one, and a node that lost its secret is a stranger everywhere.
    pub fn identity(
        &self,
        entropy: &mut dyn Entropy,
        anew: bool,
        holds: impl FnOnce() -> Option<String>,
    ) -> Result<SecretIdentity, HomeError> {
        let stored = self.read_secret("identity.secret")?.unwrap_or_default();
        let known = self.read("identity.public")?.unwrap_or_default();
        let identity = if stored.is_empty() {
            let address = address_of(&known);
            let holds = holds().or_else(|| (!address.is_empty()).then(|| "other files".to_owned()));
            match holds {
                Some(holds) if !anew => {
                    return Err(HomeError::NoIdentity { path: self.path.clone(), holds, address });
                }
                Some(_) => tracing::warn!(before = address, "a new identity is made in place of the one that is lost"),
                None => {}
            }
            let identity = SecretIdentity::generate(entropy);
            self.write("identity.secret", identity.to_text().as_bytes(), 0o600)?;
            identity
        } else {
            let text = std::str::from_utf8(&stored).map_err(|_| self.bad_identity())?;
            let identity = SecretIdentity::from_text(text.trim_end()).map_err(|_| self.bad_identity())?;
            if !zt_crypto::validate(identity.identity()) {
                return Err(self.bad_identity());
            }
            identity
        };
        let public = identity.identity().to_string();
        // A trailing newline in an existing file is left as it is.
        if !known.starts_with(public.as_bytes()) {
            if !stored.is_empty() && !known.is_empty() {
                let (named, used) = (address_of(&known), identity.identity().address);
                tracing::warn!(%used, named, "identity.public did not match identity.secret, which is used: it is written anew");
            }
            self.write("identity.public", public.as_bytes(), 0o644)?;
        }
        Ok(identity)
    }

    /// Puts the identity aside whose address belongs to somebody else, and a new one in its place (06 §1.4).
    pub fn retire_identity(&self, entropy: &mut dyn Entropy) -> Result<(), HomeError> {
        if let Some(secret) = self.read("identity.secret")? {
            self.write("identity.secret.saved_after_collision", &secret, 0o600)?;
        }
        self.write("identity.secret", SecretIdentity::generate(entropy).to_text().as_bytes(), 0o600)?;
        self.remove("identity.public")
    }

    /// The control token, made when missing (06 §1.5).
    pub fn control_token(&self, entropy: &mut dyn Entropy) -> Result<String, HomeError> {
        self.token("authtoken.secret", entropy)
    }

    /// The token which only opens `/metrics`, made when missing (06 §1.5).
    pub fn metrics_token(&self, entropy: &mut dyn Entropy) -> Result<String, HomeError> {
        self.token("metricstoken.secret", entropy)
    }

    /// The token which shows what is no secret and changes nothing. It is there when somebody made its file; an empty one, as
    /// `touch` makes it, is filled.
    pub fn read_token(&self, entropy: &mut dyn Entropy) -> Result<Option<String>, HomeError> {
        match self.read(READ_TOKEN)? {
            None => Ok(None),
            Some(_) => self.token(READ_TOKEN, entropy).map(Some),
        }
    }

    fn token(&self, name: &str, entropy: &mut dyn Entropy) -> Result<String, HomeError> {
        let stored = self.read_secret(name)?.unwrap_or_default();
        let token = authtoken::trim(&String::from_utf8_lossy(&stored)).to_owned();
        // Deliberate: an empty token file counts as missing, an empty token would protect nothing.
        if !token.is_empty() {
            return Ok(token);
        }
        let token = authtoken::generate(entropy);
        self.write(name, token.as_bytes(), 0o600)?;
        Ok(token)
    }

    /// Writes `zerotier-one.port`, where clients look for the port of the HTTP interface.
    pub fn write_port(&self, port: u16) -> Result<(), HomeError> {
        self.write("zerotier-one.port", port.to_string().as_bytes(), 0o644)
    }

    /// Writes `zerotier-one.pid`. As in the original, a failure is not worth stopping for.
    pub fn write_pid(&self) {
        let _ = self.write("zerotier-one.pid", std::process::id().to_string().as_bytes(), 0o644);
    }

    fn bad_identity(&self) -> HomeError {
        HomeError::Identity { path: self.path.clone() }
    }

    fn error(&self, name: &str, source: io::Error) -> HomeError {
        HomeError::File { path: if name.is_empty() { self.path.clone() } else { self.file(name) }, source }
    }
}

/// What a person can do about a file that cannot be used.
fn hint(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let place = path.ancestors().find_map(|place| fs::metadata(place).ok().map(|found| (place, found.uid())));
            let whose = place.map(|(place, owner)| format!("{} belongs to user {owner}", place.display()));
            format!(
                "; {}: run as that user or as root, give it with chown, or choose another folder with --home",
                whose.unwrap_or_default()
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; the disk takes no writes: mount it so that it does, or choose another folder with --home".to_owned()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on this disk".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file is in the place of a folder".to_owned()
        }
        _ => String::new(),
    }
}

/// The address that a public identity in text names, as far as it is one.
fn address_of(public: &[u8]) -> String {
    String::from_utf8_lossy(public).split(':').next().unwrap_or_default().trim().to_owned()
}

/// Reads a file; `None` if it is missing, empty if a folder is in its place.
pub fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_dir() {
        return Ok(Some(Vec::new()));
    }
    let mut content = Vec::new();
    if file.take(MAX_FILE + 1).read_to_end(&mut content)? as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(Some(content))
}

/// Puts a file in place as [`write_atomically`] does. Identical content is not written again. Into a device or a pipe it is written:
/// they are not replaced by files.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if is_device(path) {
        return OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    if path.is_file() && read_file(path).ok().flatten().is_some_and(|old| old == content) {
        return match mode {
            0o600 => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
            _ => Ok(()),
        };
    }
    write_atomically(path, content, mode)
}

/// Something to write into that is neither a file nor a folder, such as `/dev/stdout`.
pub fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests;
