//! Tables for people: columns as wide as their content, colours on terminals only.
//!
//! On a terminal with too few columns the last column is broken at blanks; where that is not enough, each row becomes a block
//! of `title: value` lines. Nothing is left out, and no line is broken by the terminal.

use std::fmt::Write as _;

use super::{Screen, wrapped};

/// Blanks between columns.
const GAP: usize = 2;

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
    pub fn render(&self, screen: impl Into<Screen>) -> String {
        let screen = screen.into();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count());
            cells.chain([self.titles[column].chars().count()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.titles.len()).map(width).collect();
        if let Some(limit) = screen.limit() {
            let before: usize = widths.iter().rev().skip(1).map(|width| width + GAP).sum();
            let Some(last) = widths.last_mut().filter(|last| before + **last > limit) else {
                return self.lines(&widths, screen.color);
            };
            if before + self.longest_word() > limit {
                return self.blocks(limit, screen.color);
            }
            *last = limit - before;
        }
        self.lines(&widths, screen.color)
    }

    /// Characters of the longest word of the last column.
    fn longest_word(&self) -> usize {
        let last = self.titles.len() - 1;
        let cells = self.rows.iter().filter_map(|row| row.get(last)).map(|(text, _)| text.as_str());
        let words = cells.chain([self.titles[last]]).flat_map(|text| text.split(' '));
        words.map(|word| word.chars().count()).max().unwrap_or(0)
    }

    /// A line for each row; the last column is broken where its width says so.
    fn lines(&self, widths: &[usize], color: bool) -> String {
        let mut out = String::new();
        let titles: Vec<(String, Tone)> = self.titles.iter().map(|t| ((*t).to_owned(), Tone::Strong)).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let last = row.iter().rposition(|(text, _)| !text.is_empty()).map_or(0, |i| i + 1);
            let mut column_at = 0;
            let mut rest = Vec::new();
            for (column, (text, tone)) in row.iter().take(last).enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                if column + 1 < last {
                    let pad = width.saturating_sub(text.chars().count()) + GAP;
                    let _ = write!(out, "{}{:pad$}", paint(text, *tone, color), "");
                    column_at += width + GAP;
                } else {
                    let mut pieces =
                        wrapped(text, if column + 1 == widths.len() { width } else { usize::MAX }).into_iter();
                    out += &paint(&pieces.next().unwrap_or_default(), *tone, color);
                    rest.extend(pieces.map(|piece| paint(&piece, *tone, color)));
                }
            }
            out.push('\n');
            for piece in rest {
                let _ = writeln!(out, "{:column_at$}{piece}", "");
            }
        }
        out
    }

    /// A block of lines for each row: its first cell, then the others with their titles.
    fn blocks(&self, limit: usize, color: bool) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let mut cells = self.titles.iter().zip(row).filter(|(_, (text, _))| !text.is_empty());
            if row.first().is_some_and(|(text, _)| !text.is_empty())
                && let Some((_, (text, tone))) = cells.next()
            {
                let tone = if *tone == Tone::Plain { Tone::Strong } else { *tone };
                let _ = writeln!(out, "{}", paint(text, tone, color));
            }
            for (title, (text, tone)) in cells {
                let pieces = wrapped(text, limit.saturating_sub(title.chars().count() + 4));
                let title =
                    if title.is_empty() { String::new() } else { paint(&format!("{title}:"), Tone::Faint, color) };
                for (i, piece) in pieces.iter().enumerate() {
                    let piece = paint(piece, *tone, color);
                    let _ = match i {
                        0 if title.is_empty() => writeln!(out, "  {piece}"),
                        0 => writeln!(out, "  {title} {piece}"),
                        _ => writeln!(out, "    {piece}"),
                    };
                }
            }
        }
        out
    }
}

/// `key: value` lines with the values in one column.
pub fn facts(pairs: &[(&str, String)], screen: impl Into<Screen>) -> String {
    let screen = screen.into();
    let width = pairs.iter().map(|(key, _)| key.len()).max().unwrap_or(0) + 1;
    let room = screen.limit().map_or(usize::MAX, |limit| limit.saturating_sub(width + 1).max(16));
    let mut out = String::new();
    for (key, value) in pairs {
        let key = format!("{key}:");
        let pad = width.saturating_sub(key.len());
        let pieces = wrapped(&harmless(value), room);
        for (i, piece) in pieces.iter().enumerate() {
            let _ = match i {
                0 => writeln!(out, "{}{:pad$} {piece}", paint(&key, Tone::Faint, screen.color), ""),
                _ => writeln!(out, "{:width$} {piece}", ""),
            };
        }
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

    #[test]
    fn a_narrow_terminal_gets_the_last_column_broken_or_each_row_as_a_block() {
        let mut table = Table::new(&["network", "status", "addresses"]);
        table.row([
            ("8056c2e21c000001", Tone::Plain),
            ("OK", Tone::Good),
            ("10.9.8.1/24 fd00:1234::1/88", Tone::Plain),
        ]);
        let screen = |columns| Screen { color: false, columns: Some(columns) };
        assert_eq!(
            table.render(screen(50)),
            "network           status  addresses\n8056c2e21c000001  OK      10.9.8.1/24\n\
             \x20                         fd00:1234::1/88\n"
        );
        assert_eq!(
            table.render(screen(30)),
            "8056c2e21c000001\n  status: OK\n  addresses: 10.9.8.1/24\n    fd00:1234::1/88\n"
        );
        assert_eq!(table.render(screen(80)), table.render(false));
        let told = facts(&[("seen as", "10.9.8.1/24 fd00:1234::1/88".to_owned())], screen(30));
        assert_eq!(told, "seen as: 10.9.8.1/24\n         fd00:1234::1/88\n");
    }
}
