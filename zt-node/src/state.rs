//! State that outlives the process, as named values, and the files that hold them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zt_wire::{Address, NetworkId};

/// Name of one stored value (06 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKey {
    /// The planet of the stock layout: file `planet`.
    Planet,
    /// A further planet, by world ID: file `planets.d/<16 hex>.planet`.
    ExtraPlanet(u64),
    /// A moon, by world ID: file `moons.d/<16 hex>.moon`.
    Moon(u64),
    /// Configuration dictionary of a joined network: file `networks.d/<16 hex>.conf`.
    NetworkConfig(NetworkId),
    /// Local settings of a network: file `networks.d/<16 hex>.local.conf`.
    NetworkSettings(NetworkId),
    /// Cached peer: file `peers.d/<10 hex>.peer`.
    Peer(Address),
}

impl StateKey {
    fn file(self) -> PathBuf {
        match self {
            Self::Planet => "planet".into(),
            Self::ExtraPlanet(id) => format!("planets.d/{id:016x}.planet").into(),
            Self::Moon(id) => format!("moons.d/{id:016x}.moon").into(),
            Self::NetworkConfig(id) => format!("networks.d/{id}.conf").into(),
            Self::NetworkSettings(id) => format!("networks.d/{id}.local.conf").into(),
            Self::Peer(address) => format!("peers.d/{address}.peer").into(),
        }
    }
}

/// Where a node keeps its state. Implemented by [`FileState`] for daemons and [`MemoryState`] for embedders.
pub trait StateStore: Send {
    /// The stored value, if there is one.
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>>;
    /// Replaces (or with `None` removes) a value; on return it is durable.
    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()>;
    /// All keys present, in order.
    fn keys(&self) -> io::Result<Vec<StateKey>>;
    /// Forgets records of peers that were not written for so long that they are worth nothing (30 days, 03 §12);
    /// returns how many. Stores without times keep theirs.
    fn discard_old_peers(&mut self) -> io::Result<usize> {
        Ok(0)
    }
}

/// Age at which the record of a peer is forgotten (03 §12).
const PEER_LIFE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// State in memory only.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(BTreeMap<StateKey, Vec<u8>>);

impl StateStore for MemoryState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&key).cloned())
    }

    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        match value {
            Some(value) => self.0.insert(key, value.to_vec()),
            None => self.0.remove(&key),
        };
        Ok(())
    }

    fn keys(&self) -> io::Result<Vec<StateKey>> {
        Ok(self.0.keys().copied().collect())
    }
}

/// State as files in a home folder, in the layout of ZeroTier One so that a home can be taken over.
#[derive(Clone, Debug)]
pub struct FileState {
    home: PathBuf,
}

/// Larger files are not ours; reading stops here (a configuration has at most 484,520 bytes, 04 §2.5).
const MAX_FILE: u64 = 1 << 20;

impl FileState {
    /// Uses the given folder, which must exist.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }
}

impl StateStore for FileState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.home.join(key.file()))
    }

    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        let path = self.home.join(key.file());
        match value {
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Some(value) => {
                if read_bounded(&path)?.as_deref() == Some(value) {
                    return Ok(());
                }
                fs::create_dir_all(path.parent().unwrap_or(&self.home))?;
                write_atomically(&path, value, 0o644)
            }
        }
    }

    fn discard_old_peers(&mut self) -> io::Result<usize> {
        let mut discarded = 0;
        for key in self.keys()? {
            let StateKey::Peer(_) = key else { continue };
            let path = self.home.join(key.file());
            let age = fs::metadata(&path).and_then(|file| file.modified()).map(|at| at.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > PEER_LIFE) && fs::remove_file(&path).is_ok() {
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    fn keys(&self) -> io::Result<Vec<StateKey>> {
        let mut keys = Vec::new();
        if self.home.join("planet").is_file() {
            keys.push(StateKey::Planet);
        }
        for (folder, suffix, digits) in [
            ("planets.d", ".planet", 16),
            ("moons.d", ".moon", 16),
            ("networks.d", ".conf", 16),
            ("peers.d", ".peer", 10),
        ] {
            let entries = match fs::read_dir(self.home.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let name = entry?.file_name();
                let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(suffix)) else { continue };
                if stem.len() != digits {
                    continue;
                }
                let Ok(number) = u64::from_str_radix(stem, 16) else { continue };
                keys.push(match folder {
                    "planets.d" => StateKey::ExtraPlanet(number),
                    "moons.d" => StateKey::Moon(number),
                    "networks.d" => StateKey::NetworkConfig(NetworkId(number)),
                    _ => StateKey::Peer(Address::new(number)),
                });
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
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

/// Writes a file, in a folder that exists, so that after a crash either the old or the new content is there, never a part of it.
///
/// # Errors
/// Any error of creating, writing, syncing or renaming; the old file is then unchanged.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("state");
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let result = (|| {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        // The mode at creation is subject to the umask, and a file left by a crash keeps its old one.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn old_records_of_peers_are_forgotten_and_nothing_else() {
        let home = std::env::temp_dir().join(format!("zt-state-{}", std::process::id()));
        fs::create_dir_all(&home).expect("a folder");
        let mut state = FileState::new(&home);
        let keys = [StateKey::Peer(Address::new(1)), StateKey::Peer(Address::new(2)), StateKey::Moon(7)];
        for key in keys {
            state.save(key, Some(b"x")).expect("written");
        }
        let old = SystemTime::now() - PEER_LIFE - Duration::from_secs(60);
        for key in [keys[0], keys[2]] {
            File::options().write(true).open(home.join(key.file())).expect("open").set_modified(old).expect("a time");
        }
        assert_eq!(state.discard_old_peers().expect("read"), 1);
        assert_eq!(state.keys().expect("read"), [keys[2], keys[1]]);
        fs::remove_dir_all(&home).expect("removed");
    }
}
