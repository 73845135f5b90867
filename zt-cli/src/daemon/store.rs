//! The controller's store: networks and members in one transactional file, `controller.redb` in the home folder.
//!
//! A change is on the disk before anybody hears of it. The file is made beside its place and moved there when it is
//! complete, so that an empty or half file is never taken for a controller without networks.

mod encoding;
mod rehearsal;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use zt_netconf::controller::{Change, Key, Record};
use zt_node::{ControllerStore, ControllerStoreError};
use zt_wire::{Address, NetworkId};

use super::import::{self, Imported};

/// Name of the store in the home folder. Not `controller.db`: where that is present ZeroTier One refuses to start.
pub const FILE: &str = "controller.redb";

/// Memory for pages of the file.
const CACHE: usize = 1 << 20;

const NETWORKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("network");
const MEMBERS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("member");

/// Why the store cannot be used. The text is for the operator: it names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The content is damaged.
    #[error(
        "the controller's store {path} is damaged ({reason}); it was left as it is. Put a copy of it back; or move it \
         away to start again from the folder controller.d, or with no networks if there is none"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The disk is full.
    #[error("no space left for the controller's store {0}; the change was not made")]
    Full(PathBuf),
    /// Another process has it open.
    #[error("the controller's store {0} is in use by another process")]
    InUse(PathBuf),
    /// Any other failure of the disk.
    #[error("the controller's store {path} cannot be used: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The folder of ZeroTier One cannot be taken over.
    #[error(transparent)]
    Import(#[from] import::ImportError),
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// `None` after a failed write: opened again by the next one.
    database: Option<Database>,
}

impl Store {
    /// Opens the store of a home folder. If there is none it is made, from the folder of ZeroTier One's controller
    /// if that exists (`controller.d`, or where `local.conf` says); the folder is only read.
    ///
    /// # Errors
    /// The file or the folder is damaged, in use, or cannot be read or written.
    pub fn open(home: &Path, controller_d: &Path) -> Result<(Self, Option<Imported>), StoreError> {
        let path = home.join(FILE);
        if path.symlink_metadata().is_ok() {
            return Ok((Self { database: Some(open(&path)?), path }, None));
        }
        let imported = import::read(controller_d)?;
        Self::create(&path, &imported.as_ref().map(Imported::changes).unwrap_or_default())?;
        Ok((Self { database: Some(open(&path)?), path }, imported))
    }

    /// Number of networks in the store of a home folder; `None` if it has none. Nothing is made.
    ///
    /// # Errors
    /// The file is damaged, in use, or cannot be read.
    pub fn peek(home: &Path) -> Result<Option<usize>, StoreError> {
        let path = home.join(FILE);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let records = Self { database: Some(open(&path)?), path }.records()?;
        Ok(Some(records.iter().filter(|record| matches!(record, Record::Network(_))).count()))
    }

    /// Makes the file beside its place, fills it, and moves it there.
    fn create(path: &Path, records: &[Change]) -> Result<(), StoreError> {
        let fail = |e: io::Error| failed_io(path, &e);
        let draft = path.with_extension("redb.new");
        match fs::remove_file(&draft) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
        let file = private_file(&draft).map_err(fail)?;
        let file = FileBackend::new(file).map_err(|e| failed_open(path, e))?;
        let database = builder().create_with_backend(file).map_err(|e| failed_open(path, e))?;
        let written = write(&database, path, records);
        drop(database);
        let moved = written.and_then(|()| {
            fs::rename(&draft, path).map_err(fail)?;
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::File::open(folder).and_then(|f| f.sync_all()).map_err(fail)
        });
        if moved.is_err() {
            // The draft is worth nothing, and on a full disk it is in the way.
            _ = fs::remove_file(&draft);
        }
        moved
    }

    /// All records, networks before members.
    ///
    /// # Errors
    /// A value is damaged, or the file cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        let Some(database) = &self.database else {
            return Err(StoreError::Failed { path: self.path.clone(), reason: "not open".to_owned() });
        };
        let fail = |e: redb::Error| failed(&self.path, e);
        let read = database.begin_read().map_err(|e| fail(e.into()))?;
        let mut out = Vec::new();
        for entry in read.open_table(NETWORKS).map_err(|e| fail(e.into()))?.iter().map_err(|e| fail(e.into()))? {
            let (id, bytes) = entry.map_err(|e| fail(e.into()))?;
            out.push(self.record(Key::Network(NetworkId(id.value())), bytes.value())?);
        }
        for entry in read.open_table(MEMBERS).map_err(|e| fail(e.into()))?.iter().map_err(|e| fail(e.into()))? {
            let (id, bytes) = entry.map_err(|e| fail(e.into()))?;
            let (network, address) = id.value();
            out.push(self.record(Key::Member(NetworkId(network), Address::new(address)), bytes.value())?);
        }
        Ok(out)
    }

    fn record(&self, key: Key, bytes: &[u8]) -> Result<Record, StoreError> {
        let object = encoding::decode(bytes)
            .map_err(|e| StoreError::Damaged { path: self.path.clone(), reason: format!("{}: {e}", name(key)) })?;
        Ok(Record::from_json(key, object))
    }

    /// Writes changes, all or none; they are on the disk when this returns.
    ///
    /// # Errors
    /// Nothing was written. A later call may succeed: the file is opened again.
    pub fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        write(&database, &self.path, changes)?;
        // A failed write leaves it closed: redb asks for that.
        self.database = Some(database);
        Ok(())
    }
}

impl ControllerStore for Store {
    fn load(&mut self) -> Result<Vec<Record>, ControllerStoreError> {
        self.records().map_err(failure)
    }

    /// The file is locked: nobody else writes it, so what a change replaces is what is there.
    fn commit(&mut self, changes: &[Change]) -> Result<(), ControllerStoreError> {
        self.write(changes).map_err(failure)
    }
}

fn failure(error: StoreError) -> ControllerStoreError {
    ControllerStoreError::Failed(Box::new(error))
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Opens a file that must be a complete store.
fn open(path: &Path) -> Result<Database, StoreError> {
    let size = fs::metadata(path).map_err(|e| failed_io(path, &e))?.len();
    if size == 0 {
        // redb would make a new store of it.
        return Err(StoreError::Damaged { path: path.to_owned(), reason: "empty file".to_owned() });
    }
    rehearsal::rehearse(path).map_err(|e| failed_open(path, e))?;
    builder().open(path).map_err(|e| failed_open(path, e))
}

fn write(database: &Database, path: &Path, changes: &[Change]) -> Result<(), StoreError> {
    let fail = |e: redb::Error| failed(path, e);
    let transaction = database.begin_write().map_err(|e| fail(e.into()))?;
    {
        let mut networks = transaction.open_table(NETWORKS).map_err(|e| fail(e.into()))?;
        let mut members = transaction.open_table(MEMBERS).map_err(|e| fail(e.into()))?;
        for change in changes {
            let value = change.record().map(|record| encoding::encode(&record.to_json()));
            let done = match (change.key(), value.as_deref()) {
                (Key::Network(id), Some(v)) => networks.insert(id.0, v).map(drop),
                (Key::Network(id), None) => networks.remove(id.0).map(drop),
                (Key::Member(id, a), Some(v)) => members.insert((id.0, a.as_u64()), v).map(drop),
                (Key::Member(id, a), None) => members.remove((id.0, a.as_u64())).map(drop),
            };
            done.map_err(|e| fail(e.into()))?;
        }
    }
    transaction.commit().map_err(|e| fail(e.into()))
}

/// A new file that only its owner may read: tokens are in it.
fn private_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn name(key: Key) -> String {
    match key {
        Key::Network(id) => format!("network {id}"),
        Key::Member(id, address) => format!("member {address} of network {id}"),
    }
}

fn failed_open(path: &Path, e: DatabaseError) -> StoreError {
    match e {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StoreError::InUse(path.to_owned()),
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => {
            StoreError::Damaged { path: path.to_owned(), reason: e.to_string() }
        }
        DatabaseError::Storage(e) => failed(path, e.into()),
        other => failed(path, other.into()),
    }
}

fn failed(path: &Path, e: redb::Error) -> StoreError {
    match e {
        redb::Error::Io(e) => failed_io(path, &e),
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. } | redb::Error::TableDoesNotExist(_) => {
            StoreError::Damaged { path: path.to_owned(), reason: e.to_string() }
        }
        other => StoreError::Failed { path: path.to_owned(), reason: other.to_string() },
    }
}

fn failed_io(path: &Path, e: &io::Error) -> StoreError {
    let path = path.to_owned();
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full(path)
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged { path, reason: e.to_string() }
        }
        _ => StoreError::Failed { path, reason: e.to_string() },
    }
}

#[cfg(test)]
mod tests;
