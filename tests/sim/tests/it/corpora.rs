//! The committed corpora of the fuzz targets, without libFuzzer.

use std::path::Path;

#[test]
fn corpora_are_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in zt_fuzz::TARGETS {
        let entries = std::fs::read_dir(folder.join(name)).expect("each target has a corpus");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        files.sort();
        for file in &files {
            target(&std::fs::read(file).expect("readable"));
        }
        println!("{name}: {} inputs", files.len());
        assert!(!files.is_empty(), "{name} has no corpus");
    }
}
