//! What is wrong with a text, for people and for programs.

use std::error::Error;
use std::fmt::{self, Write as _};

use super::Position;
use super::lex::{Word, shown};

/// Most faults that are told of one text.
const MOST: usize = 64;
/// Most names that are listed as what could stand there.
const LISTED: usize = 24;
/// Columns of a line of what is expected.
const TEXT_COLUMNS: usize = 90;
/// Columns of a line that are shown around a fault.
const SHOWN_COLUMNS: usize = 100;

/// Whether a text can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Compiles, but hardly as meant.
    Warning,
    /// Does not compile.
    Error,
}

/// Makes the enumeration of faults and its names.
macro_rules! faults {
    ($($severity:ident $name:ident $text:literal, $meaning:literal;)*) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $meaning] $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Name for programs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Whether the text compiles nevertheless.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

faults! {
    Error UnknownAction "unknown-action", "A statement begins with a word that is no action.";
    Error UnknownMatch "unknown-match", "A word where a match should stand is none.";
    Error UnknownProperty "unknown-property", "A word in a tag is none of its properties.";
    Error UnknownMacro "unknown-macro", "An `include` names a macro that is not defined.";
    Error UnknownParameter "unknown-parameter", "An argument is a `$name` that is no parameter here.";
    Error UnknownTag "unknown-tag", "A match names a tag that is not defined.";
    Error UnknownValue "unknown-value", "A match names a value that its tag does not have.";
    Error MissingArgument "missing-argument", "Nothing, or a block, where an argument should stand.";
    Error MissingTarget "missing-target", "`tee`, `watch` or `redirect` without an address.";
    Error ReservedWord "reserved-word", "A word of the language where an argument should stand.";
    Error MissingName "missing-name", "A definition without a name.";
    Error BadName "bad-name", "A name of other characters, or a word of the language.";
    Error DuplicateName "duplicate-name", "A second definition of a name.";
    Error MissingId "missing-id", "A tag or capability without an ID.";
    Error DuplicateId "duplicate-id", "A second ID, or one that another capability has.";
    Error BadNumber "bad-number", "No number, or one out of range.";
    Error BadRange "bad-range", "No number and no range, or one that ends before it begins.";
    Error BadAddress "bad-address", "No ZeroTier address.";
    Error BadMac "bad-mac", "No MAC address.";
    Error BadPrefix "bad-prefix", "No IP prefix.";
    Error BadBit "bad-bit", "No name and no number of a bit.";
    Error BadParameter "bad-parameter", "A parameter of a macro that does not begin with `$`.";
    Error MissingParameter "missing-parameter", "An `include` with fewer arguments than its macro takes.";
    Error EndlessMacro "endless-macro", "A macro that includes itself.";
    Error TextTooLong "text-too-long", "More text than is read.";
    Error TooDeep "too-deep", "Blocks or macros too deep in each other.";
    Error TooManyRules "too-many-rules", "More rules than a network or a capability can have.";
    Error TooManyDefinitions "too-many-definitions", "More tags or capabilities than a network can have.";
    Error ExpandsTooFar "expands-too-far", "Macros that make more text than is read.";
    Warning StatementGoesOn "statement-goes-on", "`accept;` and the like, which opens a block.";
    Warning DefinitionEndsHere "definition-ends-here", "A `;` that ends a definition where a statement was meant.";
    Warning Unclosed "unclosed", "A block that only the end of the text closes.";
    Warning TextLost "text-lost", "A block that is lost because one in it is open and empty.";
    Warning DanglingWord "dangling-word", "`not` or `or` without a match behind it.";
    Warning AlwaysTrue "always-true", "`or` before the first match of a statement.";
    Warning NeverReached "never-reached", "A statement behind one that takes every frame.";
    Warning MaskedNumber "masked-number", "A number that its field cannot hold.";
    Warning NoSuchNumber "no-such-number", "A number that no frame has.";
    Warning IgnoredText "ignored-text", "Characters that are skipped.";
    Warning UnreadNumber "unread-number", "Text that counts as a number although it is none.";
    Warning WrongMask "wrong-mask", "A mask that the reference compiler gets wrong.";
    Warning SignBit "sign-bit", "A flag on bit 31, which the reference compiler cannot use.";
    Warning HostBits "host-bits", "An IPv6 prefix with bits behind it, which never matches.";
    Warning WidePrefix "wide-prefix", "A prefix longer than an address.";
    Warning RepeatedName "repeated-name", "A second value with one name in a tag.";
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is.
    pub fault: Fault,
    /// The element at fault.
    pub at: Position,
    /// Characters of the element.
    pub width: u32,
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// What should stand there.
    pub expected: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// Another place that has to do with it.
    pub note: Option<(Position, String)>,
}

impl Diagnostic {
    pub(super) fn new(fault: Fault, word: Word<'_>, message: impl Into<String>) -> Self {
        let width = u32::try_from(word.text.chars().count()).unwrap_or(u32::MAX).max(1);
        Self { width, ..Self::at(fault, word.at, message) }
    }

    pub(super) fn at(fault: Fault, at: Position, message: impl Into<String>) -> Self {
        Self { fault, at, width: 1, message: message.into(), expected: None, help: None, note: None }
    }

    pub(super) fn expected(self, text: impl Into<String>) -> Self {
        Self { expected: Some(text.into()), ..self }
    }

    pub(super) fn help(self, text: impl Into<String>) -> Self {
        Self { help: Some(text.into()), ..self }
    }

    /// Proposes the word that was most likely meant.
    pub(super) fn did_you_mean(self, word: Option<&str>) -> Self {
        match word {
            Some(word) if self.help.is_none() => self.help(format!("did you mean `{}`?", shown(word))),
            _ => self,
        }
    }

    pub(super) fn note(self, at: Position, text: impl Into<String>) -> Self {
        Self { note: Some((at, text.into())), ..self }
    }

    /// Line, column and message as the reference compiler reports them (04 §6A.1).
    #[must_use]
    pub fn triple(&self) -> (u32, u32, &str) {
        // Quirk (04 §6A.1, §6A.4): the reference fails without a place where an address is missing or a macro has no end.
        let (line, column) = match self.fault {
            Fault::MissingTarget | Fault::EndlessMacro => (0, 0),
            _ => (self.at.line, self.at.reference_column()),
        };
        (line, column, &self.message)
    }

    /// The fault with its line and a caret below it. Ends with a newline.
    #[must_use]
    pub fn render(&self, source: Source<'_>) -> String {
        let paint = Paint(source.color);
        let (word, tone) = match self.fault.severity() {
            Severity::Error => ("error", "31"),
            Severity::Warning => ("warning", "33"),
        };
        let mut out = String::new();
        let width = self.note.as_ref().map_or(self.at.line, |(at, _)| at.line.max(self.at.line)).to_string().len();
        let head = paint.bold(tone, word);
        let _ = writeln!(out, "{head}{}", paint.bold("", &format!(": {}", printable(&self.message))));
        let place = format!("{}:{}:{}", printable(source.name), self.at.line, self.at.column + 1);
        let _ = writeln!(out, "{:width$}{} {place}", "", paint.bold("34", "-->"));
        self.render_line(source, width, self.at, self.width, tone, &mut out);
        if let Some((at, text)) = &self.note {
            let _ =
                writeln!(out, "{:width$} {} note: {} (line {})", "", paint.bold("34", "="), printable(text), at.line);
            if at.line != self.at.line {
                self.render_line(source, width, *at, 1, "34", &mut out);
            }
        }
        for (what, text) in [("expected", &self.expected), ("help", &self.help)] {
            if let Some(text) = text {
                let indent = format!("\n{:width$}   {:len$}  ", "", "", len = what.len());
                let lines = wrapped(&printable(text)).join(&indent);
                let _ = writeln!(out, "{:width$} {} {what}: {lines}", "", paint.bold("34", "="));
            }
        }
        out
    }

    fn render_line(&self, source: Source<'_>, width: usize, at: Position, length: u32, tone: &str, out: &mut String) {
        let Some(line) = source.line(at.line) else { return };
        let paint = Paint(source.color);
        let bar = paint.bold("34", "|");
        let column = at.column as usize;
        // A long line is shown around the fault.
        let from = if column < SHOWN_COLUMNS / 2 { 0 } else { column - SHOWN_COLUMNS / 4 };
        let part: String = line.chars().skip(from).take(SHOWN_COLUMNS).collect();
        let more = if line.chars().nth(from + SHOWN_COLUMNS).is_some() { "…" } else { "" };
        let less = if from > 0 { "…" } else { "" };
        let number = paint.bold("34", &at.line.to_string());
        let pad = width - at.line.to_string().len();
        let _ = writeln!(out, "{:pad$}{number} {bar} {less}{}{more}", "", printable_line(&part));
        let blank: String = part.chars().take(column - from).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let room = (SHOWN_COLUMNS.saturating_sub(column - from)).max(1);
        let carets = paint.bold(tone, &"^".repeat((length as usize).min(room)));
        let indent = if from > 0 { " " } else { "" };
        let _ = writeln!(out, "{:width$} {bar} {indent}{blank}{carets}", "");
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.at.line, self.at.column + 1, printable(&self.message))?;
        match &self.help {
            Some(help) => write!(f, " ({})", printable(help)),
            None => Ok(()),
        }
    }
}

/// A text that faults were found in, and how to print them.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Name of the file.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
    /// With the colours of a terminal.
    pub color: bool,
}

impl<'a> Source<'a> {
    /// A line, counted from 1.
    #[must_use]
    pub fn line(&self, number: u32) -> Option<&'a str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        text.split('\n').nth(index).map(|line| line.strip_suffix('\r').unwrap_or(line))
    }
}

/// Why a text does not compile: all its faults, the warnings among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// In the order in which they were found: the first error is the one that the reference compiler reports.
    diagnostics: Vec<Diagnostic>,
}

impl ScriptError {
    /// Errors and warnings, in the order of the text.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<_> = self.diagnostics.iter().collect();
        all.sort_by_key(|d| d.at);
        all
    }

    /// The error that was found first.
    #[must_use]
    pub fn first(&self) -> &Diagnostic {
        let error = self.diagnostics.iter().find(|d| d.fault.severity() == Severity::Error);
        error.expect("without an error a text compiles")
    }

    /// Number of errors, without warnings.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.fault.severity() == Severity::Error).count()
    }

    /// All of them with their lines, for people.
    #[must_use]
    pub fn render(&self, source: Source<'_>) -> String {
        render(self.diagnostics(), source)
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        match self.errors() - 1 {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl Error for ScriptError {}

/// Several faults with their lines, a blank line between them.
pub fn render<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>, source: Source<'_>) -> String {
    diagnostics.into_iter().map(|d| d.render(source)).collect::<Vec<_>>().join("\n")
}

/// Names as a list, not longer than anybody reads.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names = names.into_iter();
    let list: Vec<String> = names.by_ref().take(LISTED).map(shown).collect();
    list.join(", ") + if names.next().is_some() { ", …" } else { "" }
}

/// What was found so far: each fault of a place once, and not more than anybody reads.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        let same = |d: &Diagnostic| (d.fault, d.at) == (diagnostic.fault, diagnostic.at);
        let kind = diagnostic.fault.severity();
        // Warnings may not take the room of errors.
        if self.count(kind) < MOST && !self.found.iter().any(same) {
            self.found.push(diagnostic);
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.found.iter().filter(|d| d.fault.severity() == severity).count()
    }

    /// Whether there are as many errors as anybody reads: no more need to be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.count(Severity::Error) >= MOST
    }

    /// The warnings in the order of the text, or all faults if there is an error.
    pub(super) fn finish(mut self) -> Result<Vec<Diagnostic>, ScriptError> {
        if self.found.iter().any(|d| d.fault.severity() == Severity::Error) {
            return Err(ScriptError { diagnostics: self.found });
        }
        self.found.sort_by_key(|d| d.at);
        Ok(self.found)
    }
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn bold(self, tone: &str, text: &str) -> String {
        match (self.0, tone) {
            (false, _) => text.to_owned(),
            (true, "") => format!("\x1b[1m{text}\x1b[0m"),
            (true, tone) => format!("\x1b[1;{tone}m{text}\x1b[0m"),
        }
    }
}

/// A text in lines of a readable length.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            *line = word.to_owned();
        } else if line.chars().count() + 1 + word.chars().count() <= TEXT_COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A text of strangers does not steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

fn printable_line(text: &str) -> String {
    text.chars().map(|c| if steers(c) && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Control characters, and those that turn the direction of writing.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
