//! Rules that need no compiler: who may depend on whom, names and sizes of files, citations and links.

mod architecture;
mod book;
mod citations;
mod dependencies;
mod files;
mod links;
mod shape;
mod tree;

use anyhow::{Result, bail};
use architecture::Architecture;
use dependencies::Workspace;
use tree::Tree;

/// Checks all rules and reports every violation.
pub(crate) fn tidy() -> Result<()> {
    let tree = Tree::read()?;
    let problems = problems(&tree)?;
    if !problems.is_empty() {
        bail!("tidy found {} problems:\n  {}", problems.len(), problems.join("\n  "));
    }
    println!("== the tables of {} hold; names, citations and links are in order", architecture::FILE);
    Ok(())
}

/// Every violation in a tree.
fn problems(tree: &Tree) -> Result<Vec<String>> {
    let house = Architecture::read(tree.text(architecture::FILE).unwrap_or_default())?;
    let workspace = Workspace::read()?;
    Ok([
        dependencies::problems(&house, &workspace, tree),
        files::problems(tree),
        shape::problems(tree),
        citations::problems(tree),
        links::problems(tree),
        book::problems(tree),
    ]
    .concat())
}

/// The packages that others may build: all but those for tests and automation.
pub(crate) fn packages() -> Result<Vec<String>> {
    let shipped = Workspace::read()?.packages.into_iter().filter(|package| package.folder.starts_with("zt-"));
    Ok(shipped.map(|package| package.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_in_order() {
        let problems = problems(&Tree::read().expect("the repository")).expect("cargo and the tables");
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
