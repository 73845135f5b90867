//! From words to rules (04 §6A.2–6A.4).

mod argument;
mod definition;
mod matches;
mod statement;

pub(super) use definition::is_name;
pub(super) use matches::{probability, signed_mask};

use std::collections::BTreeMap;

use zt_wire::RuleKind;

use super::diagnostic::{Diagnostic, Diagnostics, Fault, ScriptError};
use super::lex::{Item, Word, lex};
use super::{MAX_RULES, Options, Position, Script, ScriptRule, TagDefinition};

/// How many words are read, those of macros each time they are included. Bounds the time that a text can take.
const MAX_WORK: usize = 2_000_000;
/// How deep macros may include each other.
const MAX_EXPANSION: usize = 32;

/// The fault that ends a part is among the [`Diagnostics`].
#[derive(Clone, Copy, Debug)]
struct Reported;

/// Compiles a text.
pub(super) fn compile(text: &str, options: Options) -> Result<Script, ScriptError> {
    let mut out = Diagnostics::default();
    let document = lex(text, &mut out);
    let (macros, tags, values) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut compiler = Compiler { options, out, macros, tags, values, work: 0, exhausted: false };
    let bodies = compiler.definitions(&document);
    let capabilities = compiler.capabilities(&bodies);
    let mut base = List::new(MAX_RULES, "a network");
    compiler.base(&document, &mut base);
    let rules = compiler.close(base);
    let Compiler { tags, out, .. } = compiler;
    Ok(Script { rules, capabilities, tags, warnings: out.finish()?, options })
}

/// What a text has defined so far.
struct Compiler<'i, 'a> {
    options: Options,
    out: Diagnostics,
    macros: BTreeMap<String, Macro<'i, 'a>>,
    tags: Vec<TagDefinition>,
    /// The names of values of each tag; `None` if there are faults in it.
    values: Vec<Option<BTreeMap<String, Value>>>,
    work: usize,
    /// Too much was read, or is wrong: nothing more is read.
    exhausted: bool,
}

/// What a name stands for in matches of its tag.
#[derive(Clone, Copy)]
struct Value {
    number: u32,
    is_flag: bool,
}

/// A macro.
struct Macro<'i, 'a> {
    parameters: Vec<&'a str>,
    body: &'i [Item<'a>],
    at: Position,
}

/// A macro that is being put in.
struct Expansion<'s, 'a> {
    name: &'s str,
    arguments: Vec<(&'a str, &'a str)>,
    /// The word behind the `include`.
    site: Word<'a>,
    outer: Option<&'s Self>,
    depth: usize,
}

impl<'a> Expansion<'_, 'a> {
    /// Where the outermost `include` stands.
    fn root(&self) -> Position {
        self.outer.map_or(self.site.at, Self::root)
    }

    fn is_within(&self, name: &str) -> bool {
        self.name == name || self.outer.is_some_and(|outer| outer.is_within(name))
    }

    fn argument(&self, parameter: &str) -> Option<&'a str> {
        self.arguments.iter().find(|(name, _)| *name == parameter).map(|(_, text)| *text)
    }
}

/// Rules being made.
struct List {
    rules: Vec<ScriptRule>,
    most: usize,
    /// Who cannot have more.
    owner: &'static str,
    full: bool,
}

impl List {
    const fn new(most: usize, owner: &'static str) -> Self {
        Self { rules: Vec::new(), most, owner, full: false }
    }
}

impl<'a> Compiler<'_, 'a> {
    fn fault(&mut self, diagnostic: Diagnostic) -> Reported {
        self.out.push(diagnostic);
        self.exhausted |= self.out.is_full();
        Reported
    }

    /// Counts a word that is read.
    fn step(&mut self, word: Word<'a>) -> Result<(), Reported> {
        self.work += 1;
        if self.work <= MAX_WORK {
            return Ok(());
        }
        self.exhausted = true;
        let message = format!("the macros of this text make more than {MAX_WORK} words of it");
        Err(self.fault(Diagnostic::new(Fault::ExpandsTooFar, word, message)))
    }

    fn emit(&mut self, list: &mut List, rule: ScriptRule, word: Word<'a>) -> Result<(), Reported> {
        if list.rules.len() == list.most {
            list.full = true;
            let message = format!("{} has at most {} rules: this would be one more", list.owner, list.most);
            let help = "each match and each action counts; join port ranges and prefixes, or leave statements out";
            return Err(self.fault(Diagnostic::new(Fault::TooManyRules, word, message).help(help)));
        }
        list.rules.push(rule);
        Ok(())
    }

    /// The rules of a list, once it is whole.
    fn close(&mut self, list: List) -> Vec<ScriptRule> {
        if let Some(unreached) = first_unreached(&list.rules) {
            let message = "no frame gets here: the statement before takes them all";
            let help = "an action without matches belongs at the end";
            self.out.push(Diagnostic::at(Fault::NeverReached, unreached, message).help(help));
        }
        list.rules
    }
}

/// The first statement behind one that decides about every frame.
fn first_unreached(rules: &[ScriptRule]) -> Option<Position> {
    let mut alone = true;
    let mut skips_drops = false;
    for (i, rule) in rules.iter().enumerate() {
        let kind = &rule.rule.kind;
        if !kind.is_action() {
            alone = false;
            // A match of a tag that the other side may not have lets the next drop pass (04 §6.4).
            skips_drops |= matches!(kind.number(), 44..=50);
            continue;
        }
        let last = match kind {
            RuleKind::Accept | RuleKind::Break => true,
            RuleKind::Drop => !skips_drops,
            _ => false,
        };
        if alone && last {
            return rules.get(i + 1).map(|next| next.statement);
        }
        alone = true;
    }
    None
}
