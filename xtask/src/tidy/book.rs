//! The contents of the book: every page of docs/ stands in it, once.

use super::tree::Tree;

/// The list of pages that mdbook reads.
const CONTENTS: &str = "docs/SUMMARY.md";

/// Pages that are missing in the contents, or stand there twice. That they exist is a matter of links.
pub(super) fn problems(tree: &Tree) -> Vec<String> {
    let Some(contents) = tree.text(CONTENTS) else { return Vec::new() };
    let listed: Vec<&str> = contents.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let pages = tree.ending(".md").filter_map(|source| source.path.strip_prefix("docs/"));
    let pages = pages.filter(|page| *page != "SUMMARY.md");
    pages
        .filter_map(|page| match listed.iter().filter(|known| **known == page).count() {
            1 => None,
            0 => Some(format!("{CONTENTS} has no line for {page}")),
            times => Some(format!("{CONTENTS} has {times} lines for {page}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(contents: &str) -> Vec<String> {
        problems(&Tree::of(&[("docs/SUMMARY.md", contents), ("docs/a.md", ""), ("docs/b/README.md", ""), ("c.md", "")]))
    }

    #[test]
    fn every_page_stands_in_the_book_once() {
        assert_eq!(told("# Book\n- [A](a.md)\n  - [B](b/README.md)\n"), [""; 0]);
        assert_eq!(told("- [A](a.md)\n"), ["docs/SUMMARY.md has no line for b/README.md"]);
        assert_eq!(told("- [A](a.md)\n- [A](a.md)\n- [B](b/README.md)"), ["docs/SUMMARY.md has 2 lines for a.md"]);
    }
}
