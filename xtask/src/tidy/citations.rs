//! Citations of the protocol documents: each "0n §x.y" in code and text names a section or a numbered item that exists.

use super::tree::{Source, Tree};
use std::collections::BTreeSet;

/// Where the documents are.
const FOLDER: &str = "docs/protocol/";

/// What can be cited in one document: the numbers of its sections, and those of the items of numbered lists behind
/// the number of their section ("7.1.3", with a letter "7.1.3c").
struct Document {
    number: u8,
    sections: BTreeSet<String>,
}

impl Document {
    /// Reads the headings and numbered lists of a document; none if its name does not begin with a number.
    fn read(path: &str, text: &str) -> Option<Self> {
        let number = path.strip_prefix(FOLDER)?.get(..2)?.parse().ok()?;
        let mut sections = BTreeSet::new();
        let (mut fenced, mut section, mut item) = (false, String::new(), String::new());
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            if let (false, Some(found)) = (fenced, heading(line)) {
                section = found;
                sections.insert(section.clone());
                item.clear();
            } else if let Some((label, _)) = line.trim_start().split_once(". ") {
                if !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()) {
                    item = label.to_owned();
                } else if item.is_empty() || !matches!(label.as_bytes(), [b'a'..=b'z']) {
                    continue;
                }
                let label = if item == label { String::new() } else { label.to_owned() };
                sections.insert(format!("{section} step {item}{label}"));
                // A second number behind that of a section without parts would be taken for a part.
                if section.contains('.') {
                    sections.insert(format!("{section}.{item}{label}"));
                }
            }
        }
        Some(Self { number, sections })
    }
}

/// The number in a heading such as `### 6A.1 Lexing`, `## Appendix B. Vectors` or `# Part A`.
fn heading(line: &str) -> Option<String> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ').filter(|_| level > 0)?;
    let part = title.strip_prefix("Part ").or_else(|| title.strip_prefix("Appendix "));
    let label = part.unwrap_or(title).split(' ').next()?.trim_end_matches('.');
    // The title of a document begins with its number.
    (part.is_some() || level > 1)
        .then(|| section_number(label))
        .flatten()
        .filter(|found| *found == label)
        .map(str::to_owned)
}

/// The section number that a text begins with: `6`, `6A.1`, `B.5`, `7.1.3c`.
fn section_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let part = |from: usize| {
        let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let letter = bytes.get(from + digits).is_some_and(u8::is_ascii_alphabetic)
            && !bytes.get(from + digits + 1).is_some_and(u8::is_ascii_alphanumeric);
        let upper = letter && bytes[from + digits].is_ascii_uppercase();
        // A letter alone is a part of document 08 or an appendix; behind digits it is a section ("6A") or an item ("3c").
        let length = digits + usize::from(if digits == 0 { upper && from == 0 } else { letter });
        (length > 0).then_some(from + length)
    };
    let mut end = part(0)?;
    while let (Some(b'.'), Some(next)) = (bytes.get(end), bytes.get(end + 1..).and_then(|_| part(end + 1))) {
        end = next;
    }
    Some(&text[..end])
}

/// One citation.
#[derive(Debug, PartialEq)]
struct Citation {
    line: usize,
    /// None: the text does not say of which document.
    document: Option<u8>,
    section: String,
}

/// Finds the citations of a text. `own` is the document that the text itself is.
fn citations(text: &str, own: Option<u8>) -> Vec<Citation> {
    let (flat, lines) = flatten(text);
    let mut found = Vec::new();
    // What the citation before was about: another list element after it is about the same.
    let mut before: Option<(usize, Subject)> = None;
    for (at, sign) in flat.match_indices('§') {
        let line = lines.partition_point(|start| *start <= at);
        let subject = match (Subject::named(&flat[..at]), &before) {
            (Some(subject), _) => subject,
            (None, Some((end, subject))) if joins(flat.get(*end..at).unwrap_or_default()) => *subject,
            (None, _) => Subject::Document(own),
        };
        let rest = &flat[at + sign.len()..];
        let Some(first) = section_number(rest) else { continue };
        let mut end = at + sign.len() + first.len();
        let mut sections = vec![first.to_owned()];
        let rest = &flat[end..];
        if let Some(last) = rest.strip_prefix('–').and_then(section_number) {
            sections.push(last.to_owned());
            end += '–'.len_utf8() + last.len();
        } else if let Some(step) = rest.strip_prefix(" step ").and_then(section_number) {
            sections.push(format!("{first} step {step}"));
            end += " step ".len() + step.len();
        }
        before = Some((end, subject));
        if let Subject::Document(document) = subject {
            found.extend(sections.into_iter().map(|section| Citation { line, document, section }));
        }
    }
    found
}

/// What a section number belongs to.
#[derive(Clone, Copy)]
enum Subject {
    /// A protocol document, or one that is not named.
    Document(Option<u8>),
    /// A standard of somebody else.
    Foreign,
}

impl Subject {
    /// Who is named right before a section sign: "02 ", "RFC 4861 ".
    fn named(before: &str) -> Option<Self> {
        let before = before.trim_end();
        let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (rest, number) = before.split_at(before.len() - digits);
        if digits == 0 {
            None
        } else if rest.trim_end().ends_with("RFC") {
            Some(Self::Foreign)
        } else {
            let alone = !rest.ends_with(|last: char| last.is_alphanumeric() || last == '.');
            (digits == 2 && alone).then(|| Self::Document(number.parse().ok()))
        }
    }
}

/// Whether the text between two section numbers makes a list of them.
fn joins(between: &str) -> bool {
    let words: String = between.chars().filter(|c| !matches!(c, ' ' | ',' | ';' | '–')).collect();
    matches!(words.as_str(), "" | "and" | "or" | "to")
}

/// The text without line ends and comment marks, so that a citation may be broken over two lines; with the offset at
/// which each line begins.
fn flatten(text: &str) -> (String, Vec<usize>) {
    let (mut flat, mut lines) = (String::with_capacity(text.len()), Vec::new());
    for line in text.lines() {
        lines.push(flat.len());
        let line = line.trim();
        let marks = ["//!", "///", "//", "/*", "*", "#"];
        flat += marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line).trim();
        flat.push(' ');
    }
    (flat, lines)
}

/// Checks the citations of all texts of the repository.
pub(super) fn problems(tree: &Tree) -> Vec<String> {
    let documents: Vec<Document> =
        tree.texts().filter_map(|source| Document::read(&source.path, &source.text)).collect();
    tree.texts().flat_map(|source| wrong(source, &documents)).collect()
}

/// The wrong citations of one text.
fn wrong(source: &Source, documents: &[Document]) -> Vec<String> {
    let own = source.path.strip_prefix(FOLDER).and_then(|name| name.get(..2)?.parse().ok());
    let mut problems = Vec::new();
    for Citation { line, document, section } in citations(&source.text, own) {
        let place = format!("{}:{line}", source.path);
        let Some(number) = document else {
            problems.push(format!("{place}: §{section} does not say of which document"));
            continue;
        };
        match documents.iter().find(|document| document.number == number) {
            None => problems.push(format!("{place}: there is no document {number:02}")),
            Some(document) if !document.sections.contains(&section) => {
                problems.push(format!("{place}: {number:02} has no §{section}"));
            }
            Some(_) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# 02 — Packets\n\n## 1. Constants\n\n### 1.2 More\n1. one\n   a. first\n   b. second\n2. two\n
```\n# 9. not a heading\n3. an item\n```\n## 6A. Language\n1. no part\n# Part A — modern\n## A.1 Constants\n## Appendix B. Vectors\n## Terms\n";

    fn documents() -> Vec<Document> {
        vec![Document::read("docs/protocol/02-packets.md", DOCUMENT).expect("a document")]
    }

    fn found(text: &str) -> Vec<(Option<u8>, String)> {
        citations(text, None).into_iter().map(|citation| (citation.document, citation.section)).collect()
    }

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn headings_and_numbered_items_can_be_cited() {
        let sections: Vec<String> = documents().remove(0).sections.into_iter().collect();
        let items = [
            "1.2 step 1",
            "1.2 step 1a",
            "1.2 step 1b",
            "1.2 step 2",
            "1.2 step 3",
            "1.2.1",
            "1.2.1a",
            "1.2.1b",
            "1.2.2",
            "1.2.3",
        ];
        let numbers = [&["1", "1.2"][..], &items, &["6A", "6A step 1", "A", "A.1", "B"]].concat();
        assert_eq!(sections, numbers);
    }

    #[test]
    fn other_texts_are_no_documents() {
        assert!(Document::read("docs/protocol/README.md", DOCUMENT).is_none());
        assert!(Document::read("docs/attacks.md", DOCUMENT).is_none());
    }

    #[test]
    fn lists_ranges_and_steps_are_citations_each() {
        let text = "(02 \u{a7}6.2, \u{a7}6.5; 04 \u{a7}4.4–\u{a7}4.8 and \u{a7}5.) 08 \u{a7}B.1–B.3, 05 \u{a7}5 step 6; 03 \u{a7}7.1.3c:";
        let cited: Vec<String> = found(text)
            .into_iter()
            .map(|(document, section)| format!("{} {section}", document.expect("named")))
            .collect();
        assert_eq!(
            cited,
            ["2 6.2", "2 6.5", "4 4.4", "4 4.8", "4 5", "8 B.1", "8 B.3", "5 5", "5 5 step 6", "3 7.1.3c"]
        );
    }

    #[test]
    fn a_citation_may_be_broken_over_two_lines_of_a_comment() {
        let text = "fn x() {\n    /// As told (02\n    /// \u{a7}1.2).\n";
        assert_eq!(citations(text, None), [Citation { line: 3, document: Some(2), section: "1.2".into() }]);
    }

    #[test]
    fn other_standards_are_not_ours() {
        assert_eq!(found("RFC 4787 \u{a7}4.1 and \u{a7}5"), []);
        assert_eq!(found("Quirk (02 \u{a7}…), 0n \u{a7}x.y"), []);
    }

    #[test]
    fn a_made_up_section_is_a_problem() {
        let told = wrong(&source("a.rs", "// Right (02 \u{a7}1.2).\n// Wrong (02 \u{a7}1.3)."), &documents());
        assert_eq!(told, ["a.rs:2: 02 has no \u{a7}1.3"]);
    }

    #[test]
    fn a_made_up_item_is_a_problem() {
        let told = wrong(
            &source("a.rs", "// 02 \u{a7}1.2 step 2, 02 \u{a7}6A step 1, then 02 \u{a7}1.2 step 4"),
            &documents(),
        );
        assert_eq!(told, ["a.rs:1: 02 has no \u{a7}1.2 step 4"]);
    }

    #[test]
    fn a_made_up_document_is_a_problem() {
        assert_eq!(wrong(&source("a.rs", "// 09 \u{a7}1"), &documents()), ["a.rs:1: there is no document 09"]);
    }

    #[test]
    fn a_section_without_a_document_is_a_problem_outside_of_the_documents() {
        assert_eq!(
            wrong(&source("a.rs", "// see \u{a7}1"), &documents()),
            ["a.rs:1: \u{a7}1 does not say of which document"]
        );
        assert!(wrong(&source("docs/protocol/02-packets.md", "see \u{a7}1"), &documents()).is_empty());
    }
}
