//! What standard output is good for: colours, and lines of which length.

/// Narrower terminals are written to as if they had so many columns.
const NARROWEST: usize = 20;

/// What text is made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Colours are wanted.
    pub color: bool,
    /// Columns of the terminal; none where lines may have any length, as in a file.
    pub columns: Option<usize>,
}

impl From<bool> for Screen {
    fn from(color: bool) -> Self {
        Self { color, columns: None }
    }
}

impl Screen {
    /// Columns for text, if there is a limit.
    pub(super) fn limit(self) -> Option<usize> {
        self.columns.map(|columns| columns.max(NARROWEST))
    }

    /// Breaks the lines of a text at blanks where they are too long; what follows is indented by `hang` more than the line.
    #[must_use]
    pub fn wrap(self, text: &str, hang: usize) -> String {
        let Some(limit) = self.limit() else { return text.to_owned() };
        let mut out = String::new();
        for line in text.split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let indent = line.len() - line.trim_start_matches(' ').len();
            let rest = " ".repeat((indent + hang).min(limit / 2));
            let first = " ".repeat(indent.min(limit / 2));
            let pieces = wrapped(line.trim_start_matches(' '), limit - rest.len());
            for (i, piece) in pieces.iter().enumerate() {
                let (indent, end) =
                    (if i == 0 { &first } else { &rest }, if i + 1 == pieces.len() { end } else { "\n" });
                out += &format!("{}{piece}{end}", if piece.is_empty() { "" } else { indent });
            }
        }
        out
    }
}

/// A line in pieces of at most `width` characters, broken at blanks; a longer word has a piece of its own. At least one piece.
#[must_use]
pub fn wrapped(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.to_owned()];
    }
    let mut pieces = vec![String::new()];
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let last = pieces.last_mut().expect("it begins with one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            pieces.push(word.to_owned());
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_files_get_them_whole() {
        let text = "  one two three four five six\nshort\n\nend";
        let narrow = Screen { color: false, columns: Some(20) };
        assert_eq!(narrow.wrap(text, 2), "  one two three\n    four five six\nshort\n\nend");
        assert_eq!(Screen::default().wrap(text, 2), text);
        assert_eq!(wrapped("abc 1234567890 d", 4), ["abc", "1234567890", "d"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
