//! Opening a store without touching its file: redb repairs while it opens, and then may find that nothing can be
//! repaired. What it writes meanwhile stays in memory, so that a damaged file is left as it was found.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// Unit in which changes are kept.
const PAGE: usize = 4096;

/// Opens and closes the store at `path`, and leaves its file alone.
///
/// # Errors
/// Those of opening it in earnest.
pub(super) fn rehearse(path: &Path) -> Result<(), DatabaseError> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let backend =
        Rehearsal { file: FileBackend::new(file)?, changed: Mutex::new(Changed { len, ..Changed::default() }) };
    super::builder().create_with_backend(backend).map(drop)
}

/// A file under changes that exist in memory only.
#[derive(Debug)]
struct Rehearsal {
    file: FileBackend,
    changed: Mutex<Changed>,
}

/// Changed pages by number, and the length.
#[derive(Debug, Default)]
struct Changed {
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    len: u64,
    /// Bytes of the file from here on were cut off, and read as zeros if the file grows again.
    cut: Option<u64>,
}

impl Rehearsal {
    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a page holds now.
    fn page(&self, changed: &Changed, number: u64) -> io::Result<Box<[u8; PAGE]>> {
        if let Some(page) = changed.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE]);
        let start = number * PAGE as u64;
        let end = self.file.len()?.min(changed.cut.unwrap_or(u64::MAX));
        let there = end.saturating_sub(start).min(PAGE as u64) as usize;
        self.file.read(start, &mut page[..there])?;
        Ok(page)
    }
}

/// Cuts a range of the file at the ends of pages: page number, offset in it, range of the caller's buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = (at % PAGE as u64) as usize;
        let size = (PAGE - inside).min(len - done);
        let range = done..done + size;
        done += size;
        (size > 0).then_some((at / PAGE as u64, inside, range))
    })
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changed.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, inside, range) in pieces(offset, out.len()) {
            let page = self.page(&changed, number)?;
            let size = range.len();
            out[range].copy_from_slice(&page[inside..inside + size]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.changed();
        if len < changed.len {
            let (last, inside) = (len / PAGE as u64, (len % PAGE as u64) as usize);
            let mut page = self.page(&changed, last)?;
            page[inside..].fill(0);
            changed.pages.retain(|&number, _| number < last);
            changed.pages.insert(last, page);
            changed.cut = Some(changed.cut.map_or(len, |cut| cut.min(len)));
        }
        changed.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        for (number, inside, range) in pieces(offset, data.len()) {
            let mut page = self.page(&changed, number)?;
            page[inside..inside + range.len()].copy_from_slice(&data[range]);
            changed.pages.insert(number, page);
        }
        changed.len = changed.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // The locks are those of the file: a store in use is in use for a rehearsal too.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_never_made() {
        let path = std::env::temp_dir().join(format!("zt-rehearsal-{}", std::process::id()));
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let changed = Mutex::new(Changed { len: 10_000, ..Changed::default() });
        let backend = Rehearsal { file: FileBackend::new(file).unwrap(), changed };
        let mut model = bytes.clone();
        let check = |model: &[u8]| {
            let mut all = vec![1; model.len()];
            backend.read(0, &mut all).unwrap();
            assert_eq!(all, model);
            assert!(backend.read(1, &mut all).is_err());
            assert_eq!(backend.len().unwrap(), model.len() as u64);
        };
        check(&model);
        backend.write(4000, &[7; 5000]).unwrap();
        model[4000..9000].fill(7);
        check(&model);
        for len in [12_000, 5000, 4096, 9000, 0, 8192] {
            backend.set_len(len).unwrap();
            model.resize(len as usize, 0);
            check(&model);
        }
        backend.write(8000, &[9; 400]).unwrap();
        model.resize(8400, 0);
        model[8000..].fill(9);
        check(&model);
        drop(backend);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::remove_file(&path).unwrap();
    }
}
