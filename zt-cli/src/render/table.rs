//! Tables for people: columns as wide as their content, colours on terminals only.

use std::fmt::Write as _;

/// Meaning of a cell, shown as a colour on terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Works, with a restriction.
    Fair,
    /// Does not work.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Fair => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

/// Wraps text in the escape sequence of its tone, if colours are wanted.
pub fn paint(text: &str, tone: Tone, color: bool) -> String {
    match tone.code() {
        code if color && !code.is_empty() && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
        _ => text.to_owned(),
    }
}

/// Text from elsewhere (a controller, a peer) without control characters, which could steer a terminal (07 §2.7).
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A table under construction.
#[derive(Clone, Debug)]
pub struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// A table with these column titles.
    pub fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (harmless(&text.into()), tone)).collect());
    }

    /// No rows were added.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, each line ended by a newline and without trailing blanks.
    pub fn render(&self, color: bool) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count());
            cells.chain([self.titles[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.titles.len()).map(width).collect();
        let mut out = String::new();
        let titles: Vec<(String, Tone)> = self.titles.iter().map(|t| ((*t).to_owned(), Tone::Strong)).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let last = row.iter().rposition(|(text, _)| !text.is_empty()).map_or(0, |i| i + 1);
            for (column, (text, tone)) in row.iter().take(last).enumerate() {
                let _ = write!(out, "{}", paint(text, *tone, color));
                if column + 1 < last {
                    let width = widths.get(column).copied().unwrap_or(0);
                    let _ = write!(out, "{:1$}", "", width.saturating_sub(text.chars().count()) + 2);
                }
            }
            out.push('\n');
        }
        out
    }
}

/// `key: value` lines with the values in one column.
pub fn facts(pairs: &[(&str, String)], color: bool) -> String {
    let width = pairs.iter().map(|(key, _)| key.len()).max().unwrap_or(0) + 1;
    let mut out = String::new();
    for (key, value) in pairs {
        let key = format!("{key}:");
        let pad = width.saturating_sub(key.len());
        let _ = writeln!(out, "{}{:pad$} {}", paint(&key, Tone::Faint, color), "", harmless(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_escapes_do_not_pass() {
        let mut table = Table::new(&["a", "long", ""]);
        table.row([("1\u{1b}[31m", Tone::Plain), ("x", Tone::Good), ("", Tone::Plain)]);
        table.row([("1234567890", Tone::Plain), ("y", Tone::Bad), ("end", Tone::Plain)]);
        assert_eq!(table.render(false), "a           long\n1\u{fffd}[31m      x\n1234567890  y     end\n");
        assert!(table.render(true).contains("\u{1b}[32mx\u{1b}[0m"));
    }
}
