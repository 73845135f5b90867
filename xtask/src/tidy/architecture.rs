//! The tables of ARCHITECTURE.md: what they say is what is checked, there is no copy of them.

use anyhow::{Context, Result, bail, ensure};

/// Where the tables are.
pub(super) const FILE: &str = "ARCHITECTURE.md";

/// What the tables say.
#[derive(Debug)]
pub(super) struct Architecture {
    pub(super) crates: Vec<CrateRow>,
    pub(super) words: Vec<Word>,
    pub(super) places: Vec<Place>,
    pub(super) libraries: Vec<Library>,
}

/// Which crates of ours a crate may use in a normal build, and what it must never reach.
#[derive(Debug)]
pub(super) struct CrateRow {
    pub(super) names: Vec<String>,
    pub(super) may_use: Vec<String>,
    /// Words of the second table, or crates of ours.
    pub(super) never: Vec<String>,
}

/// What is meant by a word such as "a runtime".
#[derive(Debug)]
pub(super) struct Word {
    pub(super) word: String,
    pub(super) packages: Vec<String>,
    /// Paths that clippy has to ban in a crate that must never see this.
    pub(super) paths: Vec<String>,
}

/// Text that stands in code of these files and folders only.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) text: String,
    pub(super) folders: Vec<String>,
}

/// Who uses a library.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) names: Vec<String>,
    pub(super) normal: Vec<String>,
    /// Only by tests, examples and benchmarks.
    pub(super) tests: Vec<String>,
}

impl Architecture {
    /// Reads the tables.
    pub(super) fn read(text: &str) -> Result<Self> {
        let crates = rows::<3>(text, "Crate", "May use")?.into_iter().map(|[names, may_use, never]| {
            // What stands behind a colon is for people.
            let never = never.split(':').next().unwrap_or_default();
            CrateRow { names: list(&names), may_use: list(&may_use), never: list(never) }
        });
        let words = rows::<3>(text, "Word", "Packages")?.into_iter();
        let words = words.map(|[word, packages, paths]| Word { word, packages: list(&packages), paths: list(&paths) });
        let places = rows::<2>(text, "In code", "Only in")?.into_iter();
        let places = places.map(|[text, folders]| Place { text: text.replace('`', ""), folders: list(&folders) });
        let libraries = rows::<3>(text, "Library", "Used in")?.into_iter().map(|[names, users, why]| {
            ensure!(!why.is_empty(), "{FILE}: no word about why there is {names}");
            let (normal, tests) = users.split_once("tests:").unwrap_or((&users, ""));
            Ok(Library { names: list(&names), normal: list(normal), tests: list(tests) })
        });
        Ok(Self {
            crates: crates.collect(),
            words: words.collect(),
            places: places.collect(),
            libraries: libraries.collect::<Result<_>>()?,
        })
    }
}

/// The rows of the table whose heading begins with these two cells.
fn rows<const N: usize>(text: &str, first: &str, second: &str) -> Result<Vec<[String; N]>> {
    let heading = format!("| {first} | {second} |");
    let at = text.find(&heading).with_context(|| format!("{FILE} has no table that begins `{heading}`"))?;
    let lines = text[at..].lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = lines
        .map(|line| {
            let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            <[String; N]>::try_from(cells).map_err(|_| anyhow::anyhow!("{FILE}: not {N} cells: {line}"))
        })
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("{FILE}: the table `{heading}` is empty");
    }
    Ok(rows)
}

/// Names separated by commas or semicolons; a dash stands for none.
fn list(cell: &str) -> Vec<String> {
    let names = cell.split([',', ';']).map(|name| name.trim().trim_matches('`'));
    names.filter(|name| !name.is_empty() && *name != "–").map(str::to_owned).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small house.
    pub(in super::super) const HOUSE: &str = "\
text\n
| Crate | May use | Must never see |
|---|---|---|
| zt-wire | – | a runtime, clocks |
| zt-node | zt-wire | databases: they belong to the daemon |\n
| Word | Packages | Banned by clippy |
|---|---|---|
| a runtime | tokio, mio | – |
| clocks | – | `std::time::Instant::now` |
| databases | redb | – |\n
| In code | Only in |
|---|---|
| `tokio::` | `zt-node/src/driver/` |\n
| Library | Used in | Why |
|---|---|---|
| tokio | zt-node | sockets |
| proptest | tests: zt-wire, zt-node | properties |
";

    #[test]
    fn tables_are_read() {
        let house = Architecture::read(HOUSE).expect("tables");
        assert_eq!(house.crates[0].names, ["zt-wire"]);
        assert!(house.crates[0].may_use.is_empty());
        assert_eq!(house.crates[1].never, ["databases"]);
        assert_eq!(house.words[1].paths, ["std::time::Instant::now"]);
        assert_eq!(
            (house.places[0].text.as_str(), house.places[0].folders[0].as_str()),
            ("tokio::", "zt-node/src/driver/")
        );
        assert_eq!(house.libraries[0].normal, ["zt-node"]);
        assert_eq!(house.libraries[1].tests, ["zt-wire", "zt-node"]);
    }

    #[test]
    fn a_table_that_is_gone_is_an_error() {
        let error = Architecture::read(&HOUSE.replace("| Word |", "| Term |")).expect_err("no table");
        assert_eq!(error.to_string(), "ARCHITECTURE.md has no table that begins `| Word | Packages |`");
    }

    #[test]
    fn a_row_with_a_cell_too_few_is_an_error() {
        let error = Architecture::read(&HOUSE.replace(" | sockets", "")).expect_err("two cells");
        assert_eq!(error.to_string(), "ARCHITECTURE.md: not 3 cells: | tokio | zt-node |");
    }
}
