//! Links between the texts, and the files that they name: both must be there.

use super::tree::{Source, Tree};

/// Ends of names that are files of this repository wherever a text names them.
const ENDS: &[&str] = &[".rs", ".md", ".toml", ".pcap"];

/// Checks every text for people.
pub(super) fn problems(tree: &Tree) -> Vec<String> {
    tree.ending(".md").flat_map(|source| [broken_links(source, tree), missing_files(source, tree)].concat()).collect()
}

/// The lines outside of code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Links that lead to no file, or to no heading of it.
fn broken_links(source: &Source, tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, text) in prose(&source.text) {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { source.path.clone() } else { resolve(&source.path, path) };
            if !tree.contains(&path) {
                problems.push(format!("{}:{line}: the link to {target} leads nowhere", source.path));
            } else if !heading.is_empty() && !tree.text(&path).is_some_and(|text| has_heading(text, heading)) {
                problems.push(format!("{}:{line}: {path} has no heading #{heading}", source.path));
            }
        }
    }
    problems
}

/// Follows a relative path from the folder of a file.
fn resolve(from: &str, to: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Whether a text has a heading with this anchor: its words in lower case, joined by hyphens, without punctuation.
fn has_heading(text: &str, anchor: &str) -> bool {
    let anchor_of = |title: &str| -> String {
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
    };
    prose(text).any(|(_, line)| line.starts_with('#') && anchor_of(line.trim_start_matches('#')) == anchor)
}

/// Files named between backticks that do not exist.
fn missing_files(source: &Source, tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, text) in prose(&source.text) {
        for named in text.split('`').skip(1).step_by(2) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
            if !named.chars().all(plain) {
                continue;
            }
            // A path from the root, or the end of one, as in `driver/udp.rs`.
            let top = named.split_once('/').is_some_and(|(top, _)| !top.is_empty() && tree.contains(top));
            let file = ENDS.iter().any(|end| named.len() > end.len() && named.ends_with(end));
            let inside = resolve(&source.path, named);
            let known = tree.contains(named)
                || tree.contains(&inside)
                || tree.paths().any(|path| path.strip_suffix(named).is_some_and(|folder| folder.ends_with('/')));
            if (top || file) && !known {
                problems.push(format!("{}:{line}: there is no file {named}", source.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        problems(&Tree::of(&[
            ("docs/a.md", text),
            ("README.md", "# zt\n## See it work, now\n"),
            ("xtask/src/ci.rs", ""),
        ]))
    }

    #[test]
    fn links_to_files_folders_and_headings_hold() {
        assert_eq!(
            told(
                "[a](../README.md) [b](../README.md#see-it-work-now) [c](../xtask/src) [d](https://example.invalid/x)"
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_a_problem() {
        assert_eq!(told("\n[a](README.md)"), ["docs/a.md:2: the link to README.md leads nowhere"]);
    }

    #[test]
    fn a_heading_that_is_not_there_is_a_problem() {
        assert_eq!(told("[a](../README.md#see)"), ["docs/a.md:1: README.md has no heading #see"]);
    }

    #[test]
    fn files_are_named_from_the_root_or_by_their_end() {
        assert_eq!(told("`xtask/src/ci.rs`, `src/ci.rs`, `ci.rs`, `local.conf`, `zt planet`"), [""; 0]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem() {
        let text = "`xtask/src/tidy.rs`, `xtask/none`, `i.rs`";
        let missing = ["xtask/src/tidy.rs", "xtask/none", "i.rs"];
        assert_eq!(told(text), missing.map(|name| format!("docs/a.md:1: there is no file {name}")));
    }

    #[test]
    fn code_blocks_are_not_read() {
        assert_eq!(told("```sh\n[a](nowhere) `none.rs`\n```\n"), [""; 0]);
    }
}
