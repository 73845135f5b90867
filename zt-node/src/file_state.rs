//! The files of a home folder that hold a node's state.

use crate::files::{create_folder, read_bounded, write_atomically, write_cache};
use crate::state::{StateKey, StateStore};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Age at which the record of a peer is forgotten (03 §12).
const PEER_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Records of peers kept in files.
const MAX_PEERS: usize = 8192;

/// State as files in a home folder, in the layout of ZeroTier One so that a home can be taken over.
#[derive(Clone, Debug)]
pub struct FileState {
    home: PathBuf,
    /// Number of records of peers, once counted.
    peers: Option<usize>,
}

impl FileState {
    /// Uses the given folder, which must exist.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), peers: None }
    }

    /// Writes the record of a peer, which is a cache: not synced. At most [`MAX_PEERS`] are kept.
    fn save_peer(&mut self, path: &Path, record: &[u8]) -> io::Result<()> {
        match read_bounded(path)? {
            Some(old) if old == record => {
                // Its age counts from when the peer was last met.
                let _ = File::options().write(true).open(path).and_then(|f| f.set_modified(SystemTime::now()));
                return Ok(());
            }
            Some(_) => {}
            None => self.make_room_for_a_peer()?,
        }
        create_folder(path.parent().unwrap_or(&self.home))?;
        write_cache(path, record, 0o644)
    }

    /// Those that were not met for longest give way, some at a time.
    fn make_room_for_a_peer(&mut self) -> io::Result<()> {
        let count = match self.peers {
            Some(count) => count,
            None => self.keys()?.iter().filter(|key| matches!(key, StateKey::Peer(_))).count(),
        };
        self.peers = Some(count + 1);
        if count < MAX_PEERS {
            return Ok(());
        }
        let mut ages = self.peer_files()?;
        ages.sort_unstable();
        let goes = ages.len().saturating_sub(MAX_PEERS - MAX_PEERS / 16);
        for (_, path) in &ages[..goes] {
            fs::remove_file(path)?;
        }
        self.peers = Some(ages.len() - goes + 1);
        Ok(())
    }

    /// Records of peers with the times they were written.
    fn peer_files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let keys = self.keys()?.into_iter().filter(|key| matches!(key, StateKey::Peer(_)));
        let paths = keys.map(|key| self.home.join(key.name()));
        Ok(paths.filter_map(|path| Some((fs::metadata(&path).and_then(|file| file.modified()).ok()?, path))).collect())
    }
}

impl StateStore for FileState {
    fn load(&self, key: StateKey) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.home.join(key.name()))
    }

    fn save(&mut self, key: StateKey, value: Option<&[u8]>) -> io::Result<()> {
        let path = self.home.join(key.name());
        match value {
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Some(value) if matches!(key, StateKey::Peer(_)) => self.save_peer(&path, value),
            Some(value) => {
                if read_bounded(&path)?.as_deref() == Some(value) {
                    return Ok(());
                }
                create_folder(path.parent().unwrap_or(&self.home))?;
                write_atomically(&path, value, 0o644)
            }
        }
    }

    fn discard_old_peers(&mut self) -> io::Result<usize> {
        let mut discarded = 0;
        for (written, path) in self.peer_files()? {
            if written.elapsed().unwrap_or_default() > PEER_LIFE && fs::remove_file(&path).is_ok() {
                discarded += 1;
            }
        }
        self.peers = None;
        Ok(discarded)
    }

    fn keys(&self) -> io::Result<Vec<StateKey>> {
        let mut keys = Vec::new();
        if self.home.join("planet").is_file() {
            keys.push(StateKey::Planet);
        }
        for folder in StateKey::FOLDERS {
            let entries = match fs::read_dir(self.home.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let name = entry?.file_name();
                keys.extend(name.to_str().and_then(|name| StateKey::of_name(&format!("{folder}/{name}"))));
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use zt_wire::Address;

    use super::*;

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
            File::options().write(true).open(home.join(key.name())).expect("open").set_modified(old).expect("a time");
        }
        assert_eq!(state.discard_old_peers().expect("read"), 1);
        assert_eq!(state.keys().expect("read"), [keys[2], keys[1]]);
        fs::remove_dir_all(&home).expect("removed");
    }
    #[test]
    fn the_cache_of_peers_is_bounded_and_the_oldest_give_way() {
        let home = std::env::temp_dir().join(format!("zt-peers-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        create_folder(&home).expect("a folder");
        let mut state = FileState::new(&home);
        let path = |n: u64| home.join(StateKey::Peer(Address::new(n)).name());
        let old = SystemTime::now() - Duration::from_secs(3600);
        for number in 1..=MAX_PEERS as u64 {
            state.save(StateKey::Peer(Address::new(number)), Some(b"x")).expect("written");
            if number <= 100 {
                File::options().write(true).open(path(number)).expect("open").set_modified(old).expect("a time");
            }
        }
        // Met again, unchanged: that counts.
        state.save(StateKey::Peer(Address::new(7)), Some(b"x")).expect("written");
        state.save(StateKey::Peer(Address::new(MAX_PEERS as u64 + 1)), Some(b"x")).expect("written");
        let kept = state.keys().expect("read").len();
        assert!(kept <= MAX_PEERS && kept > MAX_PEERS * 9 / 10, "{kept}");
        assert!(path(7).exists() && !path(8).exists() && path(MAX_PEERS as u64 + 1).exists());
        fs::remove_dir_all(&home).expect("removed");
    }
}
