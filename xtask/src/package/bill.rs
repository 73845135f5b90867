//! A bill of materials (CycloneDX 1.5): which crates, in which versions, are in the program.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::root;

/// Writes `zt-VERSION.cdx.json`.
pub(super) fn write(out: &Path) -> Result<()> {
    let tree =
        said(&["tree", "--locked", "-p", "zt-cli", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}"])?;
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let bill = bill(&tree, &checksums(&lock));
    let file = out.join(format!("zt-{}.cdx.json", env!("CARGO_PKG_VERSION")));
    std::fs::write(file, format!("{bill:#}\n")).context("the bill of materials")
}

fn said(arguments: &[&str]) -> Result<String> {
    let output = Command::new("cargo").args(arguments).current_dir(root()).output().context("cargo")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Hashes of crates, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.map(|text| text.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) = (value("name"), value("version"), value("checksum")) {
            sums.insert((name, version), sum);
        }
    }
    sums
}

/// `tree`: a line for each crate, `name vVERSION (…)|LICENCE`.
fn bill(tree: &str, sums: &BTreeMap<(String, String), String>) -> Value {
    let mut crates = BTreeMap::new();
    for line in tree.lines() {
        let (package, licence) = line.split_once('|').unwrap_or((line, ""));
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|word| word.strip_prefix('v'))) else {
            continue;
        };
        // A crate that was shown before has a mark behind its licence.
        let licence = licence.trim_end_matches(" (*)");
        crates.insert((name.to_owned(), version.to_owned()), licence.to_owned());
    }
    let components = crates.iter().map(|((name, version), licence)| {
        let mut component = json!({"type": "library", "name": name, "version": version});
        if !licence.is_empty() {
            component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
        }
        if let Some(sum) = sums.get(&(name.clone(), version.clone())) {
            component["purl"] = json!(format!("pkg:cargo/{name}@{version}"));
            component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        component
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "zt", "version": env!("CARGO_PKG_VERSION")}},
        "components": components.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_each_crate_once_with_licence_and_hash() {
        let sums = checksums("[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\nchecksum = \"ab\"\n");
        let tree =
            "zt-cli v0.1.0 (/x)|MIT OR Apache-2.0\nlibc v0.2.1|MIT/Apache-2.0\nlibc v0.2.1|MIT/Apache-2.0 (*)\n\n";
        let bill = bill(tree, &sums);
        let components = bill["components"].as_array().expect("a list");
        assert_eq!(components.len(), 2);
        assert_eq!(components[0]["purl"], "pkg:cargo/libc@0.2.1");
        assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(components[0]["hashes"][0]["content"], "ab");
        assert!(components[1].get("purl").is_none(), "our own crates are in no registry");
    }
}
