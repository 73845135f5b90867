//! `macro`, `tag` and `cap` (04 §6A.4).

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Fault};
use super::super::lex::{Block, Item, Word, shown};
use super::super::number;
use super::super::words::{DEFINITIONS, is_reserved, nearest};
use super::super::{CapabilityDefinition, MAX_CAPABILITY_RULES, MAX_DEFINITIONS, TagDefinition};
use super::argument::Arguments;
use super::{Compiler, List, Macro, Reported, Value};

/// A capability whose rules are not compiled yet, because they may name what is defined behind it.
pub(super) struct Body<'i, 'a> {
    name: String,
    word: Word<'a>,
    items: &'i [Item<'a>],
}

/// Properties of a tag.
const PROPERTIES: [&str; 4] = ["id", "default", "flag", "enum"];

impl<'i, 'a> Compiler<'i, 'a> {
    /// Reads all macros and tags, and the names of capabilities.
    pub(super) fn definitions(&mut self, document: &'i [Item<'a>]) -> Vec<Body<'i, 'a>> {
        let mut bodies = Vec::new();
        for (i, item) in document.iter().enumerate() {
            let Item::Word(word) = item else { continue };
            if self.exhausted {
                break;
            }
            let Some(kind) = DEFINITIONS.iter().find(|kind| kind.eq_ignore_ascii_case(word.text)) else { continue };
            // The name of a macro behind an `include` is no definition.
            if i > 0 && document[i - 1].word().is_some_and(|w| w.text.eq_ignore_ascii_case("include")) {
                continue;
            }
            let block = match document.get(i + 1) {
                Some(Item::Block(block)) => Some(block),
                _ => None,
            };
            let _ = match *kind {
                "macro" => self.define_macro(*word, block),
                "tag" => self.define_tag(*word, block),
                _ => self.define_capability(*word, block, &mut bodies),
            };
        }
        bodies
    }

    fn define_macro(&mut self, opener: Word<'a>, block: Option<&'i Block<'a>>) -> Result<(), Reported> {
        let (word, body) = self.named(opener, block)?;
        let (name, parameters) = self.call(word)?;
        let name = self.name(Word { text: name, ..word })?;
        for parameter in &parameters {
            if !parameter.starts_with('$') || parameter.len() == 1 {
                let message = format!("`{}` is no parameter", shown(parameter));
                let fault = Diagnostic::new(Fault::BadParameter, word, message);
                // It is defined nevertheless, so that its uses do not count as faults too.
                self.fault(fault.expected("names that begin with `$`, as in `macro web($port,$host)`"));
            }
        }
        if let Some(first) = self.macros.get(&name) {
            let first = first.at;
            return Err(self.duplicate(word, &name, first));
        }
        self.macros.insert(name, Macro { parameters, body, at: word.at });
        Ok(())
    }

    fn define_tag(&mut self, opener: Word<'a>, block: Option<&'i Block<'a>>) -> Result<(), Reported> {
        let (word, items) = self.named(opener, block)?;
        let name = self.name(word)?;
        if let Some(first) = self.tags.iter().find(|tag| tag.name == name) {
            let first = first.at;
            return Err(self.duplicate(word, &name, first));
        }
        // A tag with a fault is defined nevertheless, so that its uses do not count as faults too.
        let mut tag = TagDefinition {
            name,
            id: 0,
            default: None,
            enums: Vec::new(),
            flags: Vec::new(),
            at: word.at,
            written: None,
        };
        let mut values = BTreeMap::new();
        let result = self.properties(word, items, &mut tag, &mut values);
        if self.tags.len() == MAX_DEFINITIONS {
            let message = format!("a network has at most {MAX_DEFINITIONS} tags: this would be one more");
            return Err(self.fault(Diagnostic::new(Fault::TooManyDefinitions, word, message)));
        }
        self.tags.push(tag);
        self.values.push(result.is_ok().then_some(values));
        result
    }

    fn properties(
        &mut self,
        name: Word<'a>,
        items: &'i [Item<'a>],
        tag: &mut TagDefinition,
        values: &mut BTreeMap<String, Value>,
    ) -> Result<(), Reported> {
        let (mut enums, mut flags) = (BTreeMap::new(), BTreeMap::new());
        let mut id = None;
        let mut default = None;
        let mut arguments = Arguments::new(items, None);
        while let Some(item) = arguments.next() {
            let word = match item {
                Item::Word(word) => *word,
                Item::Block(block) => return Err(self.unknown_property(block.opener, name)),
            };
            self.step(word)?;
            match word.text.to_lowercase().as_str() {
                "id" => self.id(word, &mut arguments, &mut id)?,
                "default" => default = Some(self.argument(&mut arguments, word, "a value")?),
                "enum" => {
                    let value = self.argument(&mut arguments, word, "a number and a name")?;
                    let value = self.number(&value, "a value", 0..=i64::from(u32::MAX), &[])? as u32;
                    let label = self.label(word, &mut arguments, &enums)?;
                    enums.insert(label.clone(), value);
                    tag.enums.push((label, value));
                }
                "flag" => {
                    let bits = self.argument(&mut arguments, word, "bits and a name")?;
                    let value = self.bits(&bits, 31, &flags)? as u32;
                    let label = self.label(word, &mut arguments, &flags)?;
                    flags.insert(label.clone(), value);
                    if value >> 31 != 0 {
                        let message = format!("the reference compiler cannot use `{label}`, because it has bit 31");
                        let help = "use bits 0 to 30 if others compile this text";
                        self.out.push(Diagnostic::new(Fault::SignBit, bits.place, message).help(help));
                    }
                    tag.flags.push((label, value));
                }
                _ => return Err(self.unknown_property(word, name)),
            }
        }
        // A flag goes before an enumeration of its name.
        values.extend(enums.into_iter().map(|(label, number)| (label, Value { number, is_flag: false })));
        values.extend(flags.into_iter().map(|(label, number)| (label, Value { number, is_flag: true })));
        tag.id = id.ok_or(()).map_err(|()| self.missing_id("tag", name))?;
        if let Some(default) = default {
            let value = tag.default_of(default.text).map_or_else(
                || {
                    let read = number::integer(default.text);
                    if read.number.is_none() || read.garbage {
                        let value = read.number.unwrap_or(0).abs();
                        let message = format!("`{}` is no value of `{}`, and read as {value}", default.text, tag.name);
                        let labels = tag.enums.iter().chain(&tag.flags).map(|(label, _)| label.as_str());
                        let fault = Diagnostic::new(Fault::UnreadNumber, default.place, message);
                        self.out.push(fault.did_you_mean(nearest(default.text, labels)));
                    }
                    read.number.unwrap_or(0).abs()
                },
                i64::from,
            );
            // What a controller keeps of it.
            tag.default = Some(value as u32);
            if u32::try_from(value).is_err() {
                tag.written = Some(value);
                let message = format!("a tag holds 32 bits: {value} becomes {}", value as u32);
                self.out.push(Diagnostic::new(Fault::MaskedNumber, default.place, message));
            }
        }
        Ok(())
    }

    fn unknown_property(&mut self, word: Word<'a>, tag: Word<'a>) -> Reported {
        let message = format!("`{}` is no property of a tag", shown(word.text));
        let fault = Diagnostic::new(Fault::UnknownProperty, word, message).expected("id, default, flag, enum, or `;`");
        let fault = match is_reserved(word.text) {
            true => fault.help(format!("put a `;` where `{}` ends", shown(tag.text))),
            false => fault.did_you_mean(nearest(word.text, PROPERTIES)),
        };
        self.fault(fault.note(tag.at, "the tag begins here"))
    }

    fn define_capability(
        &mut self,
        opener: Word<'a>,
        block: Option<&'i Block<'a>>,
        bodies: &mut Vec<Body<'i, 'a>>,
    ) -> Result<(), Reported> {
        let (word, items) = self.named(opener, block)?;
        let name = self.name(word)?;
        if let Some(first) = bodies.iter().find(|body| body.name == name) {
            let first = first.word.at;
            return Err(self.duplicate(word, &name, first));
        }
        if bodies.len() == MAX_DEFINITIONS {
            let message = format!("a network has at most {MAX_DEFINITIONS} capabilities: this would be one more");
            return Err(self.fault(Diagnostic::new(Fault::TooManyDefinitions, word, message)));
        }
        bodies.push(Body { name, word, items });
        Ok(())
    }

    /// Compiles the rules of the capabilities.
    pub(super) fn capabilities(&mut self, bodies: &[Body<'i, 'a>]) -> Vec<CapabilityDefinition> {
        let mut made: Vec<CapabilityDefinition> = Vec::new();
        for body in bodies {
            if let Ok(capability) = self.capability(body, &made) {
                made.push(capability);
            }
        }
        made
    }

    fn capability(
        &mut self,
        body: &Body<'i, 'a>,
        before: &[CapabilityDefinition],
    ) -> Result<CapabilityDefinition, Reported> {
        let mut id = None;
        let mut default = false;
        let mut list = List::new(MAX_CAPABILITY_RULES, "a capability");
        let mut next = 0;
        while let Some(item) = body.items.get(next)
            && !list.full
            && !self.exhausted
        {
            match item.word().map(|word| (word, word.text.to_lowercase())) {
                Some((word, text)) if text == "id" => {
                    let mut arguments = Arguments::new(body.items, None);
                    arguments.seek(next + 1);
                    self.id(word, &mut arguments, &mut id)?;
                    if let Some(other) = before.iter().find(|c| Some(c.id) == id) {
                        let message = format!("`{}` has this ID already", other.name);
                        let fault = Diagnostic::new(Fault::DuplicateId, word, message);
                        return Err(self.fault(fault.note(other.at, format!("`{}` is defined here", other.name))));
                    }
                    next = arguments.position();
                }
                Some((_, text)) if text == "default" => {
                    default = true;
                    next += 1;
                }
                _ => next = self.statement(body.items, next, None, &mut list),
            }
        }
        let id = id.ok_or(()).map_err(|()| self.missing_id("capability", body.word))?;
        Ok(CapabilityDefinition { name: body.name.clone(), id, default, rules: self.close(list), at: body.word.at })
    }

    fn id(
        &mut self,
        word: Word<'a>,
        arguments: &mut Arguments<'i, '_, 'a>,
        id: &mut Option<u32>,
    ) -> Result<(), Reported> {
        let argument = self.argument(arguments, word, "a number")?;
        let value = self.number(&argument, "an ID", 0..=i64::from(u32::MAX), &[])?;
        if id.replace(value as u32).is_some() {
            let message = "there is an ID already";
            return Err(self.fault(Diagnostic::new(Fault::DuplicateId, word, message).help("leave one out")));
        }
        Ok(())
    }

    fn missing_id(&mut self, kind: &str, name: Word<'a>) -> Reported {
        let message = format!("the {kind} `{}` has no ID", shown(name.text));
        let help = format!("add `id` and a number that no other {kind} has, and keep it: members carry the number");
        self.fault(Diagnostic::new(Fault::MissingId, name, message).help(help))
    }

    /// The name that begins a definition, and what follows it.
    fn named(
        &mut self,
        opener: Word<'a>,
        block: Option<&'i Block<'a>>,
    ) -> Result<(Word<'a>, &'i [Item<'a>]), Reported> {
        if let Some((Item::Word(name), rest)) = block.and_then(|block| block.items.split_first()) {
            return Ok((*name, rest));
        }
        let text = opener.text;
        let fault = Diagnostic::new(Fault::MissingName, opener, format!("`{text}` without a name"));
        let lower = text.to_lowercase();
        Err(self.fault(match lower == text {
            true => fault.expected(format!("`{text}`, a name, what it consists of, and `;`")),
            false => fault.help(format!("write `{lower}` in lower case")),
        }))
    }

    /// Name and list of `name(a,b)`.
    pub(super) fn call(&mut self, word: Word<'a>) -> Result<(&'a str, Vec<&'a str>), Reported> {
        let Some((name, list)) = word.text.split_once('(') else { return Ok((word.text, Vec::new())) };
        let Some(list) = list.strip_suffix(')') else {
            let message = format!("`{}` does not end with `)`", shown(word.text));
            let help = "write the list without blanks, as in `web(80,tcp)`";
            return Err(self.fault(Diagnostic::new(Fault::BadName, word, message).help(help)));
        };
        Ok((name, if list.is_empty() { Vec::new() } else { list.split(',').collect() }))
    }

    /// A name as it is kept.
    fn name(&mut self, word: Word<'a>) -> Result<String, Reported> {
        let name = word.text.to_lowercase();
        let fault = |message| Diagnostic::new(Fault::BadName, word, message);
        if is_reserved(&name) {
            let message = format!("`{name}` is a word of the language and cannot be a name");
            return Err(self.fault(fault(message)));
        }
        if !is_name(&name) {
            let message = format!("`{}` cannot be a name", shown(word.text));
            let expected = "letters, digits and `_`, not beginning with a digit";
            return Err(self.fault(fault(message).expected(expected)));
        }
        Ok(name)
    }

    /// The name of a value in a tag.
    fn label(
        &mut self,
        keyword: Word<'a>,
        arguments: &mut Arguments<'i, '_, 'a>,
        before: &BTreeMap<String, u32>,
    ) -> Result<String, Reported> {
        let Some(Item::Word(word)) = arguments.next() else {
            let message = format!("`{}` without a name", keyword.text);
            let expected = format!("`{}`, a number, a name", keyword.text);
            return Err(self.fault(Diagnostic::new(Fault::MissingArgument, keyword, message).expected(expected)));
        };
        let label = self.name(*word)?;
        if before.contains_key(&label) {
            let message = format!("`{label}` has a value already, which is replaced");
            self.out.push(Diagnostic::new(Fault::RepeatedName, *word, message));
        }
        Ok(label)
    }

    fn duplicate(&mut self, word: Word<'a>, name: &str, first: super::Position) -> Reported {
        let fault = Diagnostic::new(Fault::DuplicateName, word, format!("`{name}` is defined already"));
        self.fault(fault.note(first, "it is defined here"))
    }
}

/// Whether something may be the name of a definition, apart from reserved words.
pub(in super::super) fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_') && text.chars().next().is_some_and(|c| !c.is_numeric())
}
