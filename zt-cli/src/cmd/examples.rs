//! The text behind the options of a command's help: examples, each with what it does, and further paragraphs.

use crate::render::wrapped;

/// A command line of the examples is set apart from what it does by so many blanks at least.
const GAP: &str = "  ";

/// Columns from which a text is shown as it is written.
const WIDE: usize = 100;

/// A piece of such a text, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A heading of examples, such as `Examples:`.
    Heading(String),
    /// A command line, and what it does, if that is said.
    Example(String, String),
    /// A paragraph.
    Text(String),
}

/// Takes a text apart. Examples stand below a line `Examples:`, indented by two blanks; what one does stands behind it or below it,
/// indented further.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut examples, mut fresh) = (false, true);
    for line in text.lines() {
        let words = line.trim();
        let indent = line.len() - line.trim_start().len();
        if words.is_empty() {
            (examples, fresh) = (false, true);
        } else if matches!(words, "Examples:" | "Example:") {
            pieces.push(Piece::Heading(words.to_owned()));
            examples = true;
        } else if examples && indent == 2 {
            let (command, note) = words.split_once(GAP).unwrap_or((words, ""));
            pieces.push(Piece::Example(command.to_owned(), note.trim().to_owned()));
        } else if let (true, Some(Piece::Example(_, note))) = (examples && indent > 2, pieces.last_mut()) {
            append(note, words);
        } else if let (false, Some(Piece::Text(text))) = (fresh, pieces.last_mut()) {
            append(text, words);
        } else {
            pieces.push(Piece::Text(words.to_owned()));
            (examples, fresh) = (false, false);
        }
    }
    pieces
}

fn append(text: &mut String, words: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

/// The text for a terminal of so many columns.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    if columns >= WIDE || text.lines().all(|line| line.chars().count() <= columns) {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut before = None;
    for piece in pieces(text) {
        let beside = matches!((&before, &piece), (Some(Piece::Heading(_) | Piece::Example(..)), Piece::Example(..)));
        if before.is_some() && !beside {
            out.push('\n');
        }
        match &piece {
            Piece::Heading(words) => out += &format!("{words}\n"),
            Piece::Example(command, note) => {
                out += &format!("  {}\n", continued(command, columns - 4));
                if !note.is_empty() {
                    wrapped(note, columns - 6).iter().for_each(|line| out += &format!("      {line}\n"));
                }
            }
            Piece::Text(text) => wrapped(text, columns).iter().for_each(|line| out += &format!("{line}\n")),
        }
        before = Some(piece);
    }
    out.truncate(out.trim_end().len());
    out
}

/// A command line over several lines, as a shell takes it; not broken within single quotes.
fn continued(command: &str, width: usize) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for word in command.split(' ') {
        let last = lines.last_mut().expect("it begins with one");
        if last.is_empty() {
            last.push_str(word);
        } else if quoted || last.chars().count() + word.chars().count() < width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
        quoted ^= word.matches('\'').count() % 2 == 1;
    }
    lines.join(" \\\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Examples:
  zt networks
  zt networks --routes     with the managed routes, and which of them this host does not use and why
  zt network create --name lab --pool 10.9.8.0/24 --add-route 10.0.0.0/8
                           make one
                           here

A frame in words: `tcp 22`, `udp 10.0.0.1:5353 > 10.0.0.2:53`,
`icmp echo-request`.";

    #[test]
    fn examples_are_told_from_what_they_do_and_from_other_text() {
        let example = |command: &str, note: &str| Piece::Example(command.to_owned(), note.to_owned());
        let expected = [
            Piece::Heading("Examples:".to_owned()),
            example("zt networks", ""),
            example(
                "zt networks --routes",
                "with the managed routes, and which of them this host does not use and why",
            ),
            example("zt network create --name lab --pool 10.9.8.0/24 --add-route 10.0.0.0/8", "make one here"),
            Piece::Text(
                "A frame in words: `tcp 22`, `udp 10.0.0.1:5353 > 10.0.0.2:53`, `icmp echo-request`.".to_owned(),
            ),
        ];
        assert_eq!(pieces(TEXT), expected);
    }

    #[test]
    fn a_narrow_terminal_gets_lines_that_fit_and_commands_that_a_shell_takes() {
        let narrow = fitted(TEXT, 50);
        assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
        assert!(narrow.contains("  zt network create --name lab --pool \\\n    10.9.8.0/24"), "{narrow}");
        assert!(narrow.contains("\n\nA frame in words: `tcp 22`,"), "{narrow}");
        assert_eq!(fitted(TEXT, 120), TEXT);
    }
}
