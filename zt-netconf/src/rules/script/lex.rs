//! Words and blocks (04 §6A.1).

use super::diagnostic::{Diagnostic, Diagnostics, Fault};
use super::words::BLOCK_WORDS;
use super::{MAX_TEXT, Position};

/// How deep blocks may stand in each other. No sound text has more than three.
const MAX_DEPTH: usize = 16;

/// One element of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) at: Position,
}

/// What stands between a block word and its `;`.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The word that opened it.
    pub(super) opener: Word<'a>,
    /// The opener carried a `;`, so that whoever wrote it did not expect a block.
    pub(super) opened_by_end: bool,
    pub(super) items: Vec<Item<'a>>,
}

/// A word, or a block that belongs to the word before it.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Word(Word<'a>),
    Block(Block<'a>),
}

impl<'a> Item<'a> {
    pub(super) const fn word(&self) -> Option<Word<'a>> {
        match self {
            Self::Word(word) => Some(*word),
            Self::Block(_) => None,
        }
    }
}

/// Reads a text into the items of its document.
pub(super) fn lex<'a>(text: &'a str, out: &mut Diagnostics) -> Vec<Item<'a>> {
    if text.len() > MAX_TEXT {
        let message = format!("the text has {} bytes, which is more than {MAX_TEXT}", text.len());
        out.push(Diagnostic::at(Fault::TextTooLong, Position { line: 1, column: 0 }, message));
        return Vec::new();
    }
    let mut lexer = Lexer { document: Vec::new(), open: Vec::new(), early: None, out };
    for (word, last) in elements(text) {
        if last {
            lexer.last(word);
        } else if !lexer.element(word) {
            break;
        }
    }
    lexer.finish()
}

/// The elements of a text, and whether nothing follows, not even white space. Comments are left out.
fn elements(text: &str) -> impl Iterator<Item = (Word<'_>, bool)> {
    // Editors of some systems put a mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = Position { line: 1, column: 0 };
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let c = rest.chars().next()?;
            if c == '#' {
                skip(&mut rest, &mut at, |c| c != '\n');
            } else if is_space(c) {
                skip(&mut rest, &mut at, is_space);
            } else {
                break;
            }
        }
        let start = at;
        let before = rest;
        skip(&mut rest, &mut at, |c| !is_space(c));
        let word = Word { text: &before[..before.len() - rest.len()], at: start };
        Some((word, rest.is_empty()))
    })
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn skip(rest: &mut &str, at: &mut Position, part: impl Fn(char) -> bool) {
    let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
    for c in rest[..len].chars() {
        if c == '\n' {
            *at = Position { line: at.line + 1, column: 0 };
        } else {
            at.column += 1;
        }
    }
    *rest = &rest[len..];
}

struct Lexer<'a, 'o> {
    document: Vec<Item<'a>>,
    open: Vec<Block<'a>>,
    /// A definition was closed by a word that more likely ends a statement in it; said unless a lone `;` follows.
    early: Option<Diagnostic>,
    out: &'o mut Diagnostics,
}

impl<'a> Lexer<'a, '_> {
    fn innermost(&mut self) -> &mut Vec<Item<'a>> {
        match self.open.last_mut() {
            Some(block) => &mut block.items,
            None => &mut self.document,
        }
    }

    /// Takes an element in; false if nothing more should be read.
    fn element(&mut self, word: Word<'a>) -> bool {
        let (text, end) = strip_end(word.text);
        if let Some(early) = self.early.take()
            && !text.is_empty()
        {
            self.out.push(early);
        }
        let stripped = Word { text, ..word };
        if !text.is_empty() {
            self.innermost().push(Item::Word(stripped));
        }
        if end && self.open.last().is_some_and(|block| !block.items.is_empty()) {
            self.close(stripped);
        } else if BLOCK_WORDS.contains(&text) {
            if self.open.len() == MAX_DEPTH {
                let message = "too many blocks stand in each other";
                self.out.push(Diagnostic::new(Fault::TooDeep, stripped, message).help("close each statement with `;`"));
                return false;
            }
            self.open.push(Block { opener: stripped, opened_by_end: end, items: Vec::new() });
        }
        true
    }

    /// The element at the very end of a text opens and closes nothing.
    fn last(&mut self, word: Word<'a>) {
        let (text, end) = strip_end(word.text);
        if let Some(early) = self.early.take()
            && !text.is_empty()
        {
            self.out.push(early);
        }
        if !text.is_empty() {
            self.innermost().push(Item::Word(Word { text, ..word }));
        }
        // What it would have closed is closed anyhow, unless there was more to close.
        if end && self.open.last().is_some_and(|block| !block.items.is_empty()) {
            let block = self.open.pop().expect("there is one");
            self.keep(block);
        }
    }

    fn close(&mut self, by: Word<'a>) {
        let Some(block) = self.open.pop() else { return };
        if matches!(block.opener.text, "cap" | "macro") && !by.text.is_empty() {
            let included = block.items.len() >= 2
                && block.items[block.items.len() - 2].word().is_some_and(|w| w.text.eq_ignore_ascii_case("include"));
            if included || BLOCK_WORDS.contains(&by.text) {
                let opener = block.opener;
                let message = format!("`{};` ends the `{}` here: what follows is outside of it", by.text, opener.text);
                let help = match included {
                    true => format!("an `include` takes no `;`: write `include {}`", by.text),
                    false => format!("an action without matches that is not the last: `{} and;`", by.text),
                };
                let early = Diagnostic::new(Fault::DefinitionEndsHere, by, message).help(help);
                self.early = Some(early.note(opener.at, format!("`{}` begins here", opener.text)));
            }
        }
        self.keep(block);
    }

    fn keep(&mut self, block: Block<'a>) {
        if block.opened_by_end
            && let Some(Item::Word(first)) = block.items.first()
        {
            let opener = block.opener.text;
            let message = format!("`{opener};` does not end here: `{}` is read as part of it", shown(first.text));
            let help = format!("write `{opener} and;` if it should have no matches");
            self.out.push(Diagnostic::new(Fault::StatementGoesOn, block.opener, message).help(help));
        }
        self.innermost().push(Item::Block(block));
    }

    /// Closes from the top what is not empty; the others are lost (04 §6A.1, quirk).
    fn finish(mut self) -> Vec<Item<'a>> {
        if let Some(early) = self.early.take() {
            self.out.push(early);
        }
        while self.open.last().is_some_and(|block| !block.items.is_empty()) {
            let Some(block) = self.open.pop() else { break };
            let opener = block.opener;
            // What was opened by accident is told as that.
            if !block.opened_by_end {
                let message = format!("`{}` is not closed before the end of the text", opener.text);
                self.out.push(Diagnostic::new(Fault::Unclosed, opener, message).help("put a `;` where it ends"));
            }
            self.keep(block);
        }
        // An empty block alone stands for an action without matches, and nothing is lost.
        if self.open.len() > 1 {
            for block in &self.open[..self.open.len() - 1] {
                let opener = block.opener;
                let message = format!("all that follows `{}` is lost, because blocks are not closed", opener.text);
                self.out
                    .push(Diagnostic::new(Fault::TextLost, opener, message).help("put a `;` where each block ends"));
            }
        }
        self.document
    }
}

/// Takes one `;` off the end of an element.
fn strip_end(text: &str) -> (&str, bool) {
    match text.strip_suffix(';') {
        Some(rest) => (rest, true),
        None => (text, false),
    }
}

/// A word as a message shows it: not longer than a line has room for.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
