//! Rules that need no compiler: who may depend on whom, file sizes, names, citations and links.

mod citations;
mod links;
mod tree;

use crate::root;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use tree::Tree;

/// One row of the dependency table in ARCHITECTURE.md.
struct Row {
    package: &'static str,
    /// Our crates it may use.
    ours: &'static [&'static str],
    /// Foreign crates it must never reach, directly or not, in a normal build.
    never: &'static [&'static str],
    reason: &'static str,
}

const RUNTIMES: &[&str] = &["tokio", "mio", "socket2", "hyper", "redb"];

const TABLE: &[Row] = &[
    Row {
        package: "zt-wire",
        ours: &[],
        never: &[
            "tokio",
            "serde",
            "salsa20",
            "poly1305",
            "sha2",
            "aws-lc-rs",
            "rand",
            "getrandom",
            "tracing",
            "socket2",
        ],
        reason: "the codec is usable alone: no cryptography, no runtime, no I/O",
    },
    Row {
        package: "zt-crypto",
        ours: &["zt-wire"],
        never: RUNTIMES,
        reason: "keys and armor know addresses and header offsets, nothing above",
    },
    Row {
        package: "zt-peer",
        ours: &["zt-wire", "zt-crypto"],
        never: RUNTIMES,
        reason: "VL1 does not know what a network is, nor sockets",
    },
    Row {
        package: "zt-netconf",
        ours: &["zt-wire", "zt-crypto"],
        never: RUNTIMES,
        reason: "VL2 does not know paths, nor files",
    },
    Row {
        package: "zt-tap",
        ours: &["zt-wire"],
        never: &["hyper", "redb"],
        reason: "frames and host configuration only",
    },
    Row {
        package: "zt-node",
        ours: &["zt-wire", "zt-crypto", "zt-peer", "zt-netconf", "zt-tap"],
        never: &["hyper", "redb"],
        reason: "joins the machines; HTTP and databases belong to the daemon",
    },
    Row {
        package: "zt-capi",
        ours: &["zt-wire", "zt-crypto", "zt-peer", "zt-netconf", "zt-node"],
        never: &["tokio", "mio", "hyper", "redb", "socket2", "quinn-udp", "tun", "netlink-sys", "rustix"],
        reason: "a library without threads and sockets: the host has them",
    },
    Row {
        package: "zt-cli",
        ours: &["zt-wire", "zt-crypto", "zt-netconf", "zt-tap", "zt-node", "zt-peer"],
        never: &[],
        reason: "the daemon and its commands",
    },
];

/// Longest file without a question being asked.
const MAX_LINES: usize = 800;
/// Names that say nothing.
const VAGUE: &[&str] =
    &["utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "manager.rs", "misc.rs", "types.rs"];

/// Checks all rules and reports every violation.
pub(crate) fn tidy() -> Result<()> {
    let mut problems = dependency_problems(&metadata()?);
    problems.extend(file_problems()?);
    let tree = Tree::read()?;
    problems.extend(citations::problems(&tree));
    problems.extend(links::problems(&tree));
    if !problems.is_empty() {
        bail!("tidy found {} problems:\n  {}", problems.len(), problems.join("\n  "));
    }
    println!(
        "== tidy: dependency table of {} crates holds; files, names, citations and links are in order",
        TABLE.len()
    );
    Ok(())
}

fn metadata() -> Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

fn dependency_problems(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for row in TABLE {
        let Some(id) = package_id(metadata, row.package) else {
            problems.push(format!("{} is missing from the workspace", row.package));
            continue;
        };
        for direct in normal_dependencies(metadata, &id) {
            let name = package_name(metadata, &direct);
            if name.starts_with("zt-") && !row.ours.contains(&name.as_str()) {
                problems.push(format!("{} must not use {name}: {}", row.package, row.reason));
            }
        }
        match closure(row.package) {
            Ok(reached) => {
                for name in reached.iter().filter(|name| row.never.contains(&name.as_str())) {
                    problems.push(format!("{} must never reach {name}: {}", row.package, row.reason));
                }
            }
            Err(error) => problems.push(format!("{}: {error:#}", row.package)),
        }
    }
    problems
}

fn package_id(metadata: &Value, name: &str) -> Option<String> {
    let packages = metadata["packages"].as_array()?;
    let package = packages.iter().find(|package| package["name"] == name)?;
    package["id"].as_str().map(str::to_owned)
}

fn package_name(metadata: &Value, id: &str) -> String {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let name = packages.filter(|package| package["id"] == id).find_map(|package| package["name"].as_str());
    name.unwrap_or(id).to_owned()
}

/// Dependencies of a package in a normal build on Linux, as resolved (so optional ones only when a feature is on).
fn normal_dependencies(metadata: &Value, id: &str) -> Vec<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for node in nodes.filter(|node| node["id"] == id) {
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let normal = kinds.into_iter().flatten().any(|kind| kind["kind"].is_null());
            if let (true, Some(package)) = (normal, dependency["pkg"].as_str()) {
                found.push(package.to_owned());
            }
        }
    }
    found
}

/// Names of all packages that a normal build of `package`, by itself and as it is by default, is made of.
fn closure(package: &str) -> Result<BTreeSet<String>> {
    let output = Command::new("cargo")
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package])
        .current_dir(root())
        .output()
        .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn file_problems() -> Result<Vec<String>> {
    let output =
        Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output().context("cannot run git")?;
    let mut problems = Vec::new();
    for name in String::from_utf8_lossy(&output.stdout).lines() {
        let file = name.rsplit('/').next().unwrap_or(name);
        if VAGUE.contains(&file) {
            problems.push(format!("{name}: the name says nothing about the content"));
        }
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        let in_sys = name.split('/').any(|part| part == "sys" || part == "sys.rs");
        if !in_sys && text.contains(concat!("allow(", "unsafe_code")) {
            problems.push(format!("{name}: unsafe code belongs in a module named `sys`"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{name} has {lines} lines: which two things is it?"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_and_links_hold() {
        let tree = Tree::read().expect("the repository");
        let problems = [citations::problems(&tree), links::problems(&tree)].concat();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn the_dependency_table_holds() {
        let problems = dependency_problems(&metadata().expect("metadata"));
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
