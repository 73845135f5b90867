//! Who depends on whom, against the tables of ARCHITECTURE.md.

use super::architecture::{Architecture, CrateRow, FILE, Library};
use super::tree::Tree;
use crate::root;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Our packages, as cargo sees them.
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
}

/// One package of ours.
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder, from the root of the repository.
    pub(super) folder: String,
    /// Packages named in its manifest, optional ones included: for its code, and only for tests.
    pub(super) normal: BTreeSet<String>,
    pub(super) tests: BTreeSet<String>,
    /// All packages that a normal build of it with its default features is made of.
    pub(super) reached: BTreeSet<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(super) fn read() -> Result<Self> {
        let mut packages = Vec::new();
        // The fuzz targets are a workspace of their own, and part of no build.
        for (manifest, is_built) in [("Cargo.toml", true), ("tests/fuzz/Cargo.toml", false)] {
            let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--manifest-path", manifest])?;
            let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?;
            for package in metadata["packages"].as_array().into_iter().flatten() {
                let mut package = Package::of(package)?;
                if is_built {
                    package.reached = closure(&package.name)?;
                }
                packages.push(package);
            }
        }
        Ok(Self { packages })
    }
}

impl Package {
    fn of(package: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo metadata is not as expected");
        let manifest = text(&package["manifest_path"])?;
        let folder = manifest.strip_suffix("/Cargo.toml").unwrap_or(&manifest);
        let folder = folder.strip_prefix(&*root().to_string_lossy()).unwrap_or(folder).trim_matches('/').to_owned();
        let (mut normal, mut tests) = (BTreeSet::new(), BTreeSet::new());
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let of_kind = if dependency["kind"] == "dev" { &mut tests } else { &mut normal };
            of_kind.insert(text(&dependency["name"])?);
        }
        Ok(Self { name: text(&package["name"])?, folder, normal, tests, reached: BTreeSet::new() })
    }
}

/// Names of all packages that a normal build of `package`, by itself and as it is by default, is made of.
fn closure(package: &str) -> Result<BTreeSet<String>> {
    let edges = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package];
    Ok(cargo(&edges)?.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new("cargo").args(arguments).current_dir(root()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo {} failed: {}", arguments[0], String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Checks the tables of crates, places and libraries.
pub(super) fn problems(house: &Architecture, workspace: &Workspace, tree: &Tree) -> Vec<String> {
    [layers(house, workspace), bans(house, workspace, tree), places(house, tree), libraries(house, workspace)].concat()
}

/// Every package has a row, and keeps to it.
fn layers(house: &Architecture, workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for name in house.crates.iter().flat_map(|row| &row.names) {
        if !workspace.packages.iter().any(|package| package.name == *name) {
            problems.push(format!("{FILE} lists the crate {name}, which is not in the workspace"));
        }
    }
    let ours: BTreeSet<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    for package in &workspace.packages {
        let Some(row) = house.crates.iter().find(|row| row.names.contains(&package.name)) else {
            problems.push(format!("{FILE} does not list the crate {}", package.name));
            continue;
        };
        let used = package.normal.iter().filter(|name| ours.contains(name.as_str()));
        for name in used.filter(|name| !row.may_use.contains(name)) {
            problems.push(format!("{} must not use {name}", package.name));
        }
        for (word, name) in forbidden(house, row).filter(|(_, name)| package.reached.contains(*name)) {
            problems.push(format!("{} must never reach {name} ({word})", package.name));
        }
        let known = |word: &&String| house.words.iter().any(|w| w.word == **word) || ours.contains(word.as_str());
        for word in row.never.iter().filter(|word| !known(word)) {
            problems.push(format!("{FILE} does not say what \"{word}\" means, which {} must never see", package.name));
        }
    }
    problems
}

/// The packages that a crate must never reach, each with the word that it stands for.
fn forbidden<'a>(house: &'a Architecture, row: &'a CrateRow) -> impl Iterator<Item = (&'a str, &'a String)> {
    row.never.iter().flat_map(|word| {
        let meant = house.words.iter().filter(move |w| w.word == *word).flat_map(|w| &w.packages);
        // A crate of ours stands for itself.
        meant.chain([word]).map(|name| (word.as_str(), name))
    })
}

/// What a crate must never see and is no package, clippy bans there.
fn bans(house: &Architecture, workspace: &Workspace, tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let Some(row) = house.crates.iter().find(|row| row.names.contains(&package.name)) else { continue };
        let words = house.words.iter().filter(|word| row.never.contains(&word.word));
        let file = format!("{}/clippy.toml", package.folder);
        let banned = tree.text(&file).unwrap_or_default();
        for path in words.flat_map(|word| &word.paths).filter(|path| !banned.contains(&format!("\"{path}\""))) {
            problems.push(format!("{file} does not ban {path}"));
        }
    }
    problems
}

/// Code that stands outside of the only places where it may.
fn places(house: &Architecture, tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for place in &house.places {
        for folder in place.folders.iter().filter(|folder| !tree.contains(folder)) {
            problems.push(format!("{FILE}: there is no {folder}"));
        }
        // What a test or an example does is its own business.
        let shipped = |path: &str| path.starts_with("zt-") && path.contains("/src/");
        let sources = tree.ending(".rs").filter(|source| shipped(&source.path));
        for source in sources.filter(|source| !place.folders.iter().any(|folder| source.path.starts_with(folder))) {
            let code = |line: &&str| !line.trim_start().starts_with("//");
            if source.text.lines().filter(code).any(|line| line.contains(&place.text)) {
                problems.push(format!("{}: `{}` belongs into {}", source.path, place.text, place.folders.join(", ")));
            }
        }
    }
    problems
}

/// Every direct dependency has a line, every line is a dependency, and of the crates that it names.
fn libraries(house: &Architecture, workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    let ours: BTreeSet<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
    // Who uses each library, and whether for tests only.
    let mut used: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    for package in &workspace.packages {
        for (names, tests_only) in [(&package.tests, true), (&package.normal, false)] {
            for name in names.iter().filter(|name| !ours.contains(name.as_str())) {
                used.entry(name).or_default().insert(&package.name, tests_only);
            }
        }
    }
    for (library, users) in &used {
        let Some(row) = house.libraries.iter().find(|row| row.names.iter().any(|name| name == library)) else {
            problems.push(format!("{FILE} has no line for the library {library}"));
            continue;
        };
        let told = |name: &str, row: &Library| {
            let is = |names: &Vec<String>| names.iter().any(|known| known == name);
            (is(&row.normal), is(&row.tests))
        };
        for (user, tests_only) in users {
            if told(user, row) != (!tests_only, *tests_only) {
                let what = if *tests_only { "tests of " } else { "" };
                problems.push(format!("{FILE} does not say that {library} is used in {what}{user}"));
            }
        }
    }
    for row in &house.libraries {
        for library in &row.names {
            match used.get(library.as_str()) {
                None => problems.push(format!("{FILE} has a line for {library}, which nobody depends on")),
                Some(users) => {
                    let named = row.normal.iter().chain(&row.tests);
                    for name in named.filter(|name| !users.contains_key(name.as_str())) {
                        problems.push(format!("{FILE} says that {library} is used in {name}, which it is not"));
                    }
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::architecture::tests::HOUSE;
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn package(name: &str, normal: &[&str], tests: &[&str]) -> Package {
        Package {
            name: name.into(),
            folder: name.into(),
            normal: set(normal),
            tests: set(tests),
            reached: set(&[&[name], normal].concat()),
        }
    }

    fn workspace() -> Workspace {
        let packages =
            vec![package("zt-wire", &[], &["proptest"]), package("zt-node", &["zt-wire", "tokio"], &["proptest"])];
        Workspace { packages }
    }

    fn tree() -> Tree {
        Tree::of(&[
            ("zt-wire/clippy.toml", "disallowed-methods = [{ path = \"std::time::Instant::now\" }]"),
            ("zt-node/src/driver/udp.rs", "use tokio::net;"),
            ("zt-node/src/engine.rs", "// no tokio::net here"),
        ])
    }

    /// What is told of the house with these words replaced.
    fn told(house: &[(&str, &str)], workspace: &Workspace, tree: &Tree) -> Vec<String> {
        let text = house.iter().fold(HOUSE.to_owned(), |text, (from, to)| text.replace(from, to));
        problems(&Architecture::read(&text).expect("tables"), workspace, tree)
    }

    #[test]
    fn a_house_that_is_as_told_has_no_problems() {
        assert_eq!(told(&[], &workspace(), &tree()), [""; 0]);
    }

    #[test]
    fn a_crate_that_is_not_listed_is_a_problem() {
        let mut workspace = workspace();
        workspace.packages.push(package("zt-new", &[], &[]));
        assert_eq!(told(&[], &workspace, &tree()), ["ARCHITECTURE.md does not list the crate zt-new"]);
    }

    #[test]
    fn a_listed_crate_that_is_not_there_is_a_problem() {
        let mut workspace = workspace();
        workspace.packages.remove(0);
        workspace.packages[0].normal.remove("zt-wire");
        let told = told(&[("zt-wire, zt-node |", "zt-node |")], &workspace, &tree());
        assert_eq!(told, ["ARCHITECTURE.md lists the crate zt-wire, which is not in the workspace"]);
    }

    #[test]
    fn a_crate_above_is_a_problem() {
        let mut workspace = workspace();
        workspace.packages[0].normal = set(&["zt-node"]);
        assert_eq!(told(&[], &workspace, &tree()), ["zt-wire must not use zt-node"]);
    }

    #[test]
    fn what_a_word_means_is_not_reached_either() {
        let mut workspace = workspace();
        workspace.packages[0].reached = set(&["mio"]);
        assert_eq!(told(&[], &workspace, &tree()), ["zt-wire must never reach mio (a runtime)"]);
    }

    #[test]
    fn a_word_without_a_meaning_is_a_problem() {
        let told = told(&[("| a runtime, clocks |", "| a runtime, threads |")], &workspace(), &tree());
        assert_eq!(told, ["ARCHITECTURE.md does not say what \"threads\" means, which zt-wire must never see"]);
    }

    #[test]
    fn what_is_no_package_is_banned_by_clippy() {
        let told = told(&[], &workspace(), &Tree::of(&[("zt-node/src/driver/udp.rs", "")]));
        assert_eq!(told, ["zt-wire/clippy.toml does not ban std::time::Instant::now"]);
    }

    #[test]
    fn a_runtime_outside_of_the_driver_is_a_problem() {
        let tree = Tree::of(&[
            ("zt-wire/clippy.toml", "\"std::time::Instant::now\""),
            ("zt-node/src/driver/udp.rs", ""),
            ("zt-node/src/engine.rs", "use tokio::net;"),
        ]);
        assert_eq!(
            told(&[], &workspace(), &tree),
            ["zt-node/src/engine.rs: `tokio::` belongs into zt-node/src/driver/"]
        );
    }

    #[test]
    fn a_library_without_a_line_is_a_problem() {
        let mut workspace = workspace();
        workspace.packages[1].normal.insert("rand".into());
        assert_eq!(told(&[], &workspace, &tree()), ["ARCHITECTURE.md has no line for the library rand"]);
    }

    #[test]
    fn a_line_without_a_dependency_is_a_problem() {
        let told = told(&[("| tokio | zt-node |", "| tokio, mio | zt-node |")], &workspace(), &tree());
        assert_eq!(told, ["ARCHITECTURE.md has a line for mio, which nobody depends on"]);
    }

    #[test]
    fn a_line_names_all_users_and_no_others() {
        let told = told(&[("| tokio | zt-node |", "| tokio | zt-wire |")], &workspace(), &tree());
        let problems = [
            "ARCHITECTURE.md does not say that tokio is used in zt-node",
            "ARCHITECTURE.md says that tokio is used in zt-wire, which it is not",
        ];
        assert_eq!(told, problems);
    }

    #[test]
    fn a_library_of_tests_alone_is_told_as_such() {
        let mut workspace = workspace();
        workspace.packages[1].normal.insert("proptest".into());
        assert_eq!(told(&[], &workspace, &tree()), ["ARCHITECTURE.md does not say that proptest is used in zt-node"]);
    }
}
