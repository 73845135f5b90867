//! Actions and `include` (04 §6A.2, §6A.4).

use zt_wire::Address;
use zt_wire::rules::{Forward, Rule, RuleKind};

use super::super::diagnostic::{Diagnostic, Fault};
use super::super::lex::{Block, Item, Word, shown};
use super::super::number;
use super::super::words::{ACTIONS, BLOCK_WORDS, DEFINITIONS, find_match, meant, nearest};
use super::super::{Position, ScriptRule, Written};
use super::argument::Arguments;
use super::{Compiler, Expansion, List, MAX_EXPANSION, Reported};

/// A statement that is being compiled.
pub(super) struct Statement<'s, 'a> {
    /// Its action.
    pub(super) action: Word<'a>,
    /// The macro it stands in.
    pub(super) scope: Option<&'s Expansion<'s, 'a>>,
}

impl Statement<'_, '_> {
    pub(super) fn rule(&self, rule: Rule, at: Position, written: Vec<(&'static str, Written)>) -> ScriptRule {
        ScriptRule { rule, at, statement: self.action.at, included: self.scope.map(Expansion::root), written }
    }
}

impl<'i, 'a> Compiler<'i, 'a> {
    /// Compiles the statements of the document.
    pub(super) fn base(&mut self, items: &'i [Item<'a>], list: &mut List) {
        let mut next = 0;
        while let Some(item) = items.get(next)
            && !list.full
            && !self.exhausted
        {
            let defines = |word: Word<'_>| DEFINITIONS.iter().any(|kind| kind.eq_ignore_ascii_case(word.text));
            next = match item {
                Item::Word(word) if defines(*word) => match items.get(next + 1) {
                    Some(Item::Block(_)) => next + 2,
                    // Told already.
                    _ => next_statement(items, next + 1),
                },
                _ => self.statement(items, next, None, list),
            };
        }
    }

    /// Compiles one statement. Returns where the next one may begin.
    pub(super) fn statement(
        &mut self,
        items: &'i [Item<'a>],
        start: usize,
        scope: Option<&Expansion<'_, 'a>>,
        list: &mut List,
    ) -> usize {
        let action = match &items[start] {
            Item::Word(word) => *word,
            // The word before it was no action and is a fault already.
            Item::Block(_) => return start + 1,
        };
        if self.step(action).is_err() {
            return items.len();
        }
        let text = action.text.to_lowercase();
        if text == "include" {
            let _ = self.include(action, items.get(start + 1), scope, list);
            return start + 2;
        }
        let block = match items.get(start + 1) {
            Some(Item::Block(block)) => Some(block),
            _ => None,
        };
        let statement = Statement { action, scope };
        if !ACTIONS.contains(&text.as_str()) {
            self.unknown_action(items, start);
            return next_statement(items, start + 1);
        }
        let _ = self.action(&statement, &text, block, list);
        start + 1 + usize::from(block.is_some())
    }

    fn action(
        &mut self,
        statement: &Statement<'_, 'a>,
        text: &str,
        block: Option<&'i Block<'a>>,
        list: &mut List,
    ) -> Result<(), Reported> {
        let items = block.map_or(&[][..], |block| &block.items);
        let mut arguments = Arguments::new(items, statement.scope);
        let mut written = Vec::new();
        let kind = match text {
            "drop" => RuleKind::Drop,
            "accept" => RuleKind::Accept,
            "break" => RuleKind::Break,
            "tee" => RuleKind::Tee(self.forward(statement, &mut arguments, true, &mut written)?),
            "watch" => RuleKind::Watch(self.forward(statement, &mut arguments, true, &mut written)?),
            _ => RuleKind::Redirect(self.forward(statement, &mut arguments, false, &mut written)?),
        };
        self.matches(statement, block, &mut arguments, list)?;
        let rule = statement.rule(kind.into(), statement.action.at, written);
        self.emit(list, rule, statement.action)
    }

    /// Length, if there is one, and receiver of a copy.
    fn forward(
        &mut self,
        statement: &Statement<'_, 'a>,
        arguments: &mut Arguments<'i, '_, 'a>,
        has_length: bool,
        written: &mut Vec<(&'static str, Written)>,
    ) -> Result<Forward, Reported> {
        let action = statement.action;
        let usage = match has_length {
            true => "the longest part that is sent (-1: all), then an address of 10 hex digits, then matches",
            false => "an address of 10 hex digits, then matches",
        };
        let words = arguments.ahead().iter().take(1 + usize::from(has_length));
        if words.filter(|item| item.word().is_some()).count() < 1 + usize::from(has_length) {
            let message = format!("`{}` without an address to send to", action.text);
            let fault = Diagnostic::new(Fault::MissingTarget, action, message);
            return Err(self.fault(fault.expected(format!("`{}`, then {usage}", action.text))));
        }
        let length = match has_length {
            true => Some(self.any_argument(arguments, action, usage)?),
            false => None,
        };
        let target = self.any_argument(arguments, action, usage)?;
        let mut forward = Forward::default();
        if let Some(length) = length {
            let value = number::integer(length.text).number.unwrap_or(-1);
            if !(-1..=0xffff).contains(&value) {
                let message = format!("`{}` is no length", length.shown());
                let fault =
                    target.fault(Fault::BadNumber, message).expected("-1, or a number from 0 to 65535, before it");
                return Err(self.fault(fault));
            }
            self.warn_unread(&length, value);
            forward.length = value as u16;
            if value < 0 {
                written.push(("length", Written::Number(value)));
            }
        }
        if target.text.chars().count() != 10 {
            let message = format!("`{}` is no address to send to", target.shown());
            return Err(self.fault(target.fault(Fault::BadAddress, message).expected("10 hex digits")));
        }
        match target.text.parse::<Address>() {
            Ok(address) => forward.address = address,
            Err(_) => {
                let message = format!("`{}` is not hexadecimal: nothing is sent there", target.shown());
                self.out.push(target.fault(Fault::UnreadNumber, message).expected("10 hex digits"));
                // What a controller reads of it (04 §6.10).
                let digits: String = target.text.chars().take_while(char::is_ascii_hexdigit).collect();
                forward.address = Address::new(u64::from_str_radix(&digits, 16).unwrap_or(0));
            }
        }
        if forward.address.to_string() != target.text {
            written.push(("address", Written::Text(target.text.to_owned())));
        }
        Ok(forward)
    }

    /// Puts a macro in.
    fn include(
        &mut self,
        include: Word<'a>,
        item: Option<&'i Item<'a>>,
        scope: Option<&Expansion<'_, 'a>>,
        list: &mut List,
    ) -> Result<(), Reported> {
        let Some(Item::Word(site)) = item else {
            let fault = Diagnostic::new(Fault::MissingArgument, include, "`include` without the name of a macro");
            return Err(self.fault(fault.expected("`include`, then `name` or `name(argument,argument)`")));
        };
        let (name, texts) = self.call(*site)?;
        let Some(found) = self.macros.get(name) else { return Err(self.unknown_macro(*site, name)) };
        let (body, parameters, at) = (found.body, &found.parameters, found.at);
        if parameters.len() > texts.len() {
            let list = parameters.join(",");
            let message = format!("the macro `{name}` takes {} arguments, not {}", parameters.len(), texts.len());
            let fault = Diagnostic::new(Fault::MissingParameter, *site, message);
            return Err(self.fault(fault.expected(format!("`{name}({list})`")).note(at, "it is defined here")));
        }
        let depth = scope.map_or(1, |outer| outer.depth + 1);
        if scope.is_some_and(|scope| scope.is_within(name)) {
            let message = format!("the macro `{name}` includes itself");
            return Err(self.fault(Diagnostic::new(Fault::EndlessMacro, *site, message).note(at, "it is defined here")));
        }
        if depth > MAX_EXPANSION {
            let message = format!("more than {MAX_EXPANSION} macros include each other");
            return Err(self.fault(Diagnostic::new(Fault::TooDeep, *site, message)));
        }
        let arguments = parameters.iter().copied().zip(texts).collect();
        let expansion = Expansion { name, arguments, site: *site, outer: scope, depth };
        let mut next = 0;
        while next < body.len() && !list.full && !self.exhausted {
            next = self.statement(body, next, Some(&expansion), list);
        }
        Ok(())
    }

    fn unknown_macro(&mut self, site: Word<'a>, name: &str) -> Reported {
        let fault = Diagnostic::new(Fault::UnknownMacro, site, format!("there is no macro `{}`", shown(name)));
        let lower = name.to_lowercase();
        let fault = match self.macros.contains_key(&lower) {
            // Quirk (04 §6A.2): names are folded where they are defined, not where they are used.
            true => fault.help(format!("write `{lower}`: names are in lower case where they are used")),
            false => fault.did_you_mean(nearest(name, self.macros.keys().map(String::as_str))),
        };
        self.fault(fault)
    }

    fn unknown_action(&mut self, items: &[Item<'a>], at: usize) {
        let Some(word) = items[at].word() else { return };
        let lower = word.text.to_lowercase();
        let before = at.checked_sub(1).and_then(|i| items[i].word()).map(|w| (w, w.text.to_lowercase()));
        let message = format!("`{}` is no action", shown(word.text));
        let fault = Diagnostic::new(Fault::UnknownAction, word, message);
        let fault = match before {
            Some((opener, text)) if BLOCK_WORDS.contains(&text.as_str()) && text != opener.text => {
                let help = format!("write `{text}` in lower case: `{}` takes no matches", opener.text);
                fault.expected(EXPECTED).help(help)
            }
            _ if lower == "priority" => fault.expected(EXPECTED).help("priorities cannot be compiled (QoS)"),
            _ if DEFINITIONS.contains(&lower.as_str()) => fault
                .expected(EXPECTED)
                .help(format!("`{lower}` stands outside of other definitions: is a `;` missing?")),
            _ if find_match(&lower).is_some() || matches!(lower.as_str(), "and" | "or" | "not") => {
                fault.expected(EXPECTED).help("matches stand behind an action, as in `drop ethertype arp;`")
            }
            _ => misplaced_mark(word.text, fault.expected(EXPECTED))
                .did_you_mean(meant(word.text, ACTIONS.iter().chain(DEFINITIONS).copied())),
        };
        self.fault(fault);
    }
}

/// Skips what cannot be read, up to a word that begins a statement or a definition.
fn next_statement(items: &[Item<'_>], from: usize) -> usize {
    let begins = |item: &Item<'_>| {
        item.word().is_some_and(|word| {
            let text = word.text.to_lowercase();
            ACTIONS.contains(&text.as_str()) || DEFINITIONS.contains(&text.as_str())
        })
    };
    items[from..].iter().position(begins).map_or(items.len(), |skipped| from + skipped)
}

/// What may begin a statement.
const EXPECTED: &str = "drop, accept, break, tee, watch, redirect, include, or a definition: macro, tag, cap";

/// Proposes to set a mark apart that counts as part of a word.
pub(super) fn misplaced_mark(text: &str, fault: Diagnostic) -> Diagnostic {
    if text.contains('#') {
        return fault.help("a comment begins at the start of a word: put a blank before the `#`");
    }
    if text.contains(';') {
        return fault.help("put a blank behind the `;`");
    }
    fault
}
