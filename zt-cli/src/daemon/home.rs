//! The home folder of a node: where it is, who may use it, and the small files in it (06 §1.3, §2).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zt_crypto::{Entropy, SecretIdentity};
use zt_node::StateKey;
use zt_node::driver::{create_folder, is_temporary, write_atomically};

use super::authtoken;

/// Home folder of the original on Linux.
pub const STOCK_HOME: &str = "/var/lib/zerotier-one";

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
    #[error("{path}: {source}", path = path.display())]
    File {
        /// File or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon holds the lock file.
    #[error("{path} is in use by another daemon{}; stop it first or give another --home", pid.map_or(String::new(), |p| format!(" (pid {p})")), path = path.display())]
    InUse {
        /// Home folder.
        path: PathBuf,
        /// Process which holds it, as far as known.
        pid: Option<u32>,
    },
    /// There is no identity, and there are networks which belong to the one that was.
    #[error(
        "{path}/identity.secret is missing or empty, but the folder holds {holds}, which belong to the identity that was \
         there{}; nothing was changed. Put a copy of identity.secret back. Or, to start as a new node that must be let in \
         everywhere again, move these files away first",
        if address.is_empty() { String::new() } else { format!(" ({address}, says identity.public)") },
        path = path.display()
    )]
    NoIdentity {
        /// Home folder.
        path: PathBuf,
        /// Networks, in words.
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

    /// Takes the lock file, so that a second daemon on this folder is refused.
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
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(HomeError::InUse { path: self.path.clone(), pid: text.trim().parse().ok() });
            }
            Err(fs::TryLockError::Error(source)) => return Err(self.error("zt.lock", source)),
        }
        self.remove_leftovers();
        // The number only serves the message above; the lock itself ends with the process.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
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
    /// No new one is made while the home holds networks (`holds` says which, in words): they belong to the old one.
    ///
    /// The address is checked against the key, which takes a moment (01 §3.4).
    pub fn identity(
        &self,
        entropy: &mut dyn Entropy,
        holds: impl FnOnce() -> Option<String>,
    ) -> Result<SecretIdentity, HomeError> {
        let stored = self.read("identity.secret")?.unwrap_or_default();
        let identity = if stored.is_empty() {
            let public = self.read("identity.public")?.unwrap_or_default();
            let address = String::from_utf8_lossy(&public).split(':').next().unwrap_or_default().to_owned();
            if let Some(holds) = holds() {
                let path = self.path.clone();
                return Err(HomeError::NoIdentity { path, holds, address });
            }
            if !address.is_empty() {
                tracing::warn!(
                    address,
                    "identity.secret is missing: a new identity is made, identity.public follows it"
                );
            }
            let identity = SecretIdentity::generate(entropy);
            self.write("identity.secret", identity.to_text().as_bytes(), 0o600)?;
            identity
        } else {
            self.make_private("identity.secret");
            let text = std::str::from_utf8(&stored).map_err(|_| self.bad_identity())?;
            let identity = SecretIdentity::from_text(text.trim_end()).map_err(|_| self.bad_identity())?;
            if !zt_crypto::validate(identity.identity()) {
                return Err(self.bad_identity());
            }
            identity
        };
        let public = identity.identity().to_string();
        // A trailing newline in an existing file is left as it is.
        if self.read("identity.public")?.is_none_or(|text| !text.starts_with(public.as_bytes())) {
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

    fn token(&self, name: &str, entropy: &mut dyn Entropy) -> Result<String, HomeError> {
        let stored = self.read(name)?.unwrap_or_default();
        let token = authtoken::trim(&String::from_utf8_lossy(&stored)).to_owned();
        // Deliberate: an empty token file counts as missing, an empty token would protect nothing.
        if !token.is_empty() {
            self.make_private(name);
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

    fn make_private(&self, name: &str) {
        let _ = fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o600));
    }

    fn bad_identity(&self) -> HomeError {
        HomeError::Identity { path: self.path.clone() }
    }

    fn error(&self, name: &str, source: io::Error) -> HomeError {
        HomeError::File { path: if name.is_empty() { self.path.clone() } else { self.file(name) }, source }
    }
}

/// Exclusive use of a home folder, ended by dropping it or by the end of the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
