//! The store as a disk may leave it: written, torn, damaged, full, in use, or not there yet.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::*;

const NETWORK: NetworkId = NetworkId(0x5630_e858_b700_0001);

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zt-store-{name}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn open(&self) -> Result<(Store, Option<Imported>), StoreError> {
        Store::open(&self.0, &self.0.join("controller.d"))
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.join("controller.d").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn object(v: Value) -> Map<String, Value> {
    v.as_object().unwrap().clone()
}

fn network(revision: u64) -> Record {
    let o = json!({"id": NETWORK.to_string(), "revision": revision, "name": "é", "x": [1.5, -1, null, {}]});
    Record::from_json(Key::Network(NETWORK), object(o))
}

fn member(address: u64) -> Record {
    let address = Address::new(address);
    let o = json!({"id": address.to_string(), "authorized": true});
    Record::from_json(Key::Member(NETWORK, address), object(o))
}

#[test]
fn what_is_written_is_there_after_opening_again() {
    let f = Folder::new("again");
    let (mut store, imported) = f.open().unwrap();
    assert!(imported.is_none());
    store.write(&[member(2), network(1), member(1)].map(Change::put)).unwrap();
    let gone = Change::remove(member(2).key(), member(2).version());
    store.write(&[Change::put(network(2)), gone]).unwrap();
    drop(store);
    let (store, _) = f.open().unwrap();
    // Networks come before their members.
    assert_eq!(store.records().unwrap(), [network(2), member(1)]);
    assert_eq!(fs::metadata(f.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_process_killed_after_the_commit_has_lost_nothing() {
    let f = Folder::new("kill");
    let (mut store, _) = f.open().unwrap();
    store.write(&[network(1)].map(Change::put)).unwrap();
    // What the disk holds while the process has not closed anything: as after a kill.
    let copy = Folder::new("kill-copy");
    fs::copy(f.file(), copy.file()).unwrap();
    drop(store);
    let (store, _) = copy.open().unwrap();
    assert_eq!(store.records().unwrap(), [network(1)]);
}

#[test]
fn a_damaged_file_is_named_and_left_as_it_is() {
    let f = Folder::new("damaged");
    let (mut store, _) = f.open().unwrap();
    let many: Vec<Change> = (1..400).map(member).chain([network(1)]).map(Change::put).collect();
    store.write(&many).unwrap();
    drop(store);
    let good = fs::read(f.file()).unwrap();
    let mut cases = vec![Vec::new(), b"not a database".to_vec(), vec![0; good.len()]];
    cases.extend([16, 512, 4096, good.len() / 2, good.len() - 4096].map(|n| good[..n].to_vec()));
    for (i, bytes) in cases.iter().enumerate() {
        fs::write(f.file(), bytes).unwrap();
        let error = f.open().expect_err(&format!("case {i}"));
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }), "case {i}: {text}");
        assert!(text.contains(FILE) && text.contains("damaged"), "{text}");
        assert!(fs::read(f.file()).unwrap() == *bytes, "case {i}: changed");
    }
    fs::write(f.file(), &good).unwrap();
    assert_eq!(f.open().unwrap().0.records().unwrap().len(), 400);
}

#[test]
fn flipped_bits_are_noticed_or_harmless() {
    let f = Folder::new("flipped");
    let (mut store, _) = f.open().unwrap();
    let many: Vec<Change> = (1..200).map(member).chain([network(1)]).map(Change::put).collect();
    store.write(&many).unwrap();
    let before = store.records().unwrap();
    drop(store);
    let good = fs::read(f.file()).unwrap();
    for at in (0..good.len()).step_by(good.len() / 61) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        fs::write(f.file(), &bytes).unwrap();
        match f.open().and_then(|(s, _)| s.records()) {
            Ok(records) => assert_eq!(records, before, "byte {at}"),
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "byte {at}: {error}"),
        }
    }
}

#[test]
fn a_value_of_a_later_version_is_refused_by_name() {
    let f = Folder::new("later");
    drop(f.open().unwrap());
    let database = builder().open(f.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(MEMBERS).unwrap().insert((NETWORK.0, 7), [9u8, 9].as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let text = f.open().unwrap().0.records().unwrap_err().to_string();
    assert!(text.contains("member 0000000007 of network 5630e858b7000001: value of format 9"), "{text}");
}

#[test]
fn two_processes_do_not_share_it() {
    let f = Folder::new("in-use");
    let (_store, _) = f.open().unwrap();
    assert!(matches!(f.open().unwrap_err(), StoreError::InUse(_)));
}

#[test]
fn a_full_disk_is_said_so_and_writing_goes_on_when_there_is_room() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A disk that can be filled.
    #[derive(Debug)]
    struct Disk(redb::backends::InMemoryBackend, Arc<AtomicBool>);

    impl Disk {
        fn room(&self) -> io::Result<()> {
            let full = self.1.load(Ordering::Relaxed);
            if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl redb::StorageBackend for Disk {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.room()?;
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.room()?;
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.room()?;
            self.0.write(offset, data)
        }
    }

    let f = Folder::new("full");
    drop(f.open().unwrap());
    let full = Arc::new(AtomicBool::new(false));
    let disk = Disk(redb::backends::InMemoryBackend::new(), Arc::clone(&full));
    let database = builder().create_with_backend(disk).unwrap();
    let mut store = Store { path: f.file(), database: Some(database) };
    store.write(&[network(1)].map(Change::put)).unwrap();
    full.store(true, Ordering::Relaxed);
    let error = store.write(&[network(2)].map(Change::put)).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(error.to_string().contains("no space left"));
    // It is opened anew, here from the file.
    store.write(&[network(3)].map(Change::put)).unwrap();
    assert_eq!(store.records().unwrap(), [network(3)]);
}

#[test]
fn the_folder_of_the_original_is_taken_over_and_left_alone() {
    let f = Folder::new("import");
    f.put(
        "network/5630e858b7000001.json",
        &json!({"id": "5630e858b7000001", "name": "old", "revision": 9}).to_string(),
    );
    f.put(
        "network/5630e858b7000001/member/1122334455.json",
        &json!({"id": "1122334455", "authorized": true, "ipAssignments": ["10.0.0.1"]}).to_string(),
    );
    // The id inside counts; what holds none is left out.
    f.put("network/0000000000000000.json", &json!({"id": "5630E858B7000002"}).to_string());
    f.put("network/5630e858b7000003.json", "{torn");
    f.put("network/5630e858b7000001/member/aabbccddee.json", "[]");
    f.put("network/notes.txt", "x");
    let before = tree(&f.0.join("controller.d"));
    let (store, imported) = f.open().unwrap();
    let imported = imported.unwrap();
    assert_eq!((imported.counts(), imported.skipped.len()), ((2, 1), 2));
    let records = store.records().unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].to_json()["name"], json!("old"));
    assert_eq!(records[1].key(), Key::Network(NetworkId(0x5630_e858_b700_0002)));
    assert_eq!(tree(&f.0.join("controller.d")), before);
    drop(store);
    // Once only.
    f.put("network/5630e858b7000009.json", &json!({"id": "5630e858b7000009"}).to_string());
    let (store, imported) = f.open().unwrap();
    assert!(imported.is_none());
    assert_eq!(store.records().unwrap().len(), 3);
}

#[test]
fn a_folder_that_cannot_be_taken_over_is_not_taken_for_empty() {
    let f = Folder::new("torn");
    f.put("network/5630e858b7000001.json", "{torn");
    let text = f.open().unwrap_err().to_string();
    assert!(text.contains("no file in") && text.contains("controller.d/network"), "{text}");
    assert!(!f.file().exists());
    // A folder where a file should be.
    let f = Folder::new("unreadable");
    f.put("network", "a file");
    let text = f.open().unwrap_err().to_string();
    assert!(text.contains("cannot be read"), "{text}");
    assert!(!f.file().exists());
}

#[test]
fn a_start_that_was_cut_short_begins_again() {
    let f = Folder::new("draft");
    f.put("network/5630e858b7000001.json", &json!({"id": "5630e858b7000001"}).to_string());
    fs::write(f.0.join("controller.redb.new"), b"half").unwrap();
    let (store, imported) = f.open().unwrap();
    assert_eq!((imported.unwrap().counts(), store.records().unwrap().len()), ((1, 0), 1));
    assert!(!f.0.join("controller.redb.new").exists());
}

/// Every file below a folder with its content.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(tree(&path));
        } else {
            out.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    out.sort();
    out
}
