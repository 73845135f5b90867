//! Takes over the folder `controller.d` of ZeroTier One (05 §4). The folder is only read.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::render::json::without_mark;
use serde_json::{Map, Value};
use zt_netconf::controller::{Change, Key, Record};
use zt_wire::{Address, NetworkId};

/// What was found in the folder.
#[derive(Debug, Default)]
pub struct Imported {
    /// Networks, each before its members.
    pub records: Vec<Record>,
    /// Files that hold no object of their kind: left out, as ZeroTier One does.
    pub skipped: Vec<PathBuf>,
}

impl Imported {
    /// What makes a store of them.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.records.iter().cloned().map(Change::put).collect()
    }

    /// Number of networks and of members.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let networks = self.records.iter().filter(|r| matches!(r, Record::Network(_))).count();
        (networks, self.records.len() - networks)
    }
}

/// Why the folder cannot be taken over. It is never treated as empty instead.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder cannot be read.
    #[error("cannot take over the controller's networks: {path} cannot be read: {reason}")]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There are network files, and none of them is one.
    #[error("cannot take over the controller's networks: no file in {0} holds a network; repair or move the folder")]
    NothingUsable(PathBuf),
}

/// Reads the folder; `None` if it does not exist.
///
/// # Errors
/// Something in it cannot be read, or no network file is usable.
pub fn read(folder: &Path) -> Result<Option<Imported>, ImportError> {
    let networks = folder.join("network");
    if !exists(folder)? {
        return Ok(None);
    }
    let mut out = Imported::default();
    let files = files(&networks, 21)?;
    for file in &files {
        match object(file)?.and_then(|o| Some((NetworkId(id(&o, 16)?), o))) {
            Some((network, object)) => {
                out.records.push(Record::from_json(Key::Network(network), object));
                members(&networks, network, &mut out)?;
            }
            None => out.skipped.push(file.clone()),
        }
    }
    if out.records.is_empty() && !files.is_empty() {
        return Err(ImportError::NothingUsable(networks));
    }
    Ok(Some(out))
}

fn members(networks: &Path, network: NetworkId, out: &mut Imported) -> Result<(), ImportError> {
    for file in files(&networks.join(network.to_string()).join("member"), 15)? {
        match object(&file)?.and_then(|o| Some((Address::new(id(&o, 10)?), o))) {
            Some((address, object)) => {
                out.records.push(Record::from_json(Key::Member(network, address), object));
            }
            None => out.skipped.push(file),
        }
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, ImportError> {
    path.try_exists().map_err(|e| unreadable(path, &e))
}

/// Regular files with a name of this length, in ascending order; none if the folder does not exist.
fn files(folder: &Path, length: usize) -> Result<Vec<PathBuf>, ImportError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(folder, &e)),
    };
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| unreadable(folder, &e))?.path();
        if path.file_name().map(OsStr::len) == Some(length) && path.is_file() {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

/// The JSON object in a file; `None` if there is none in it.
fn object(file: &Path) -> Result<Option<Map<String, Value>>, ImportError> {
    let bytes = fs::read(file).map_err(|e| unreadable(file, &e))?;
    Ok(serde_json::from_slice(without_mark(&bytes)).ok())
}

/// The `id` inside counts, not the name of the file.
fn id(object: &Map<String, Value>, digits: usize) -> Option<u64> {
    let text = object.get("id")?.as_str()?;
    let right = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn unreadable(path: &Path, e: &io::Error) -> ImportError {
    ImportError::Unreadable { path: path.to_owned(), reason: e.to_string() }
}
