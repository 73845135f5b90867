//! Arguments of matches and actions, with those of macros put in (04 §6A.4).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::diagnostic::{Diagnostic, Fault, listed};
use super::super::lex::{Item, Word, shown};
use super::super::number;
use super::super::words::{is_reserved, nearest, value_of};
use super::{Compiler, Expansion, Reported};

/// Items that are taken one by one.
pub(super) struct Arguments<'i, 's, 'a> {
    items: &'i [Item<'a>],
    next: usize,
    scope: Option<&'s Expansion<'s, 'a>>,
}

impl<'i, 's, 'a> Arguments<'i, 's, 'a> {
    pub(super) const fn new(items: &'i [Item<'a>], scope: Option<&'s Expansion<'s, 'a>>) -> Self {
        Self { items, next: 0, scope }
    }

    pub(super) const fn seek(&mut self, position: usize) {
        self.next = position;
    }

    pub(super) const fn position(&self) -> usize {
        self.next
    }

    /// What was not taken yet.
    pub(super) fn ahead(&self) -> &'i [Item<'a>] {
        &self.items[self.next.min(self.items.len())..]
    }

    pub(super) fn next(&mut self) -> Option<&'i Item<'a>> {
        let item = self.items.get(self.next)?;
        self.next += 1;
        Some(item)
    }
}

/// Names of masks.
pub(super) trait Names {
    fn mask(&self, name: &str) -> Option<u64>;
    fn all(&self) -> impl Iterator<Item = &str>;
}

/// Bits by their numbers.
impl Names for [(&'static str, u32)] {
    fn mask(&self, name: &str) -> Option<u64> {
        value_of(self, name).map(|bit| 1 << bit)
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| *name)
    }
}

impl Names for BTreeMap<String, u32> {
    fn mask(&self, name: &str) -> Option<u64> {
        self.get(name).map(|mask| u64::from(*mask))
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.keys().map(String::as_str)
    }
}

/// One argument.
pub(super) struct Argument<'s, 'a> {
    /// Its value.
    pub(super) text: &'a str,
    /// What is to blame for it: itself, or the `$name` that stands for it.
    pub(super) place: Word<'a>,
    /// The macro whose argument it is.
    by: Option<&'s Expansion<'s, 'a>>,
}

impl<'a> Argument<'_, 'a> {
    pub(super) fn fault(&self, fault: Fault, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::new(fault, self.place, message);
        match self.by {
            Some(expansion) => {
                let text = format!("`{}` is `{}` by this include", shown(self.place.text), shown(self.text));
                let diagnostic = diagnostic.note(expansion.site.at, text);
                match self.text.starts_with('$') {
                    true => diagnostic.help("parameters of the outer macro do not reach into an include"),
                    false => diagnostic,
                }
            }
            None => diagnostic,
        }
    }

    pub(super) fn shown(&self) -> String {
        shown(self.text)
    }
}

impl<'i, 'a> Compiler<'i, 'a> {
    /// Takes the next argument of a keyword, which must be no word of the language.
    pub(super) fn argument<'s>(
        &mut self,
        arguments: &mut Arguments<'i, 's, 'a>,
        keyword: Word<'a>,
        expected: &str,
    ) -> Result<Argument<'s, 'a>, Reported> {
        let argument = self.any_argument(arguments, keyword, expected)?;
        if !is_reserved(argument.text) {
            return Ok(argument);
        }
        let message = format!("`{}` is a word of the language and cannot be an argument", argument.text);
        let fault = Diagnostic::new(Fault::ReservedWord, keyword, message);
        let fault = fault.expected(format!("`{}`, then {expected}", keyword.text));
        Err(self.fault(match argument.text {
            // Quirk (04 §6A.2, §6A.3): the first name of this protocol is the keyword of a match as well.
            word @ ("not" | "or" | "and") => {
                fault.help(format!("`{word}` stands before a match: `{word} {} …`", keyword.text))
            }
            "icmp" => fault.help("write `icmp4` for the protocol of IPv4, `icmp6` for that of IPv6"),
            _ => fault,
        }))
    }

    /// Takes the next argument of a keyword, whatever it is.
    pub(super) fn any_argument<'s>(
        &mut self,
        arguments: &mut Arguments<'i, 's, 'a>,
        keyword: Word<'a>,
        expected: &str,
    ) -> Result<Argument<'s, 'a>, Reported> {
        let Some(Item::Word(place)) = arguments.next() else {
            let message = format!("`{}` lacks an argument", keyword.text);
            let fault = Diagnostic::new(Fault::MissingArgument, keyword, message);
            return Err(self.fault(fault.expected(format!("`{}`, then {expected}", keyword.text))));
        };
        let place = *place;
        self.step(place)?;
        if !place.text.starts_with('$') {
            return Ok(Argument { text: place.text, place, by: None });
        }
        match arguments.scope.and_then(|scope| scope.argument(place.text)) {
            Some(text) => Ok(Argument { text, place, by: arguments.scope }),
            None => Err(self.unknown_parameter(place, arguments.scope)),
        }
    }

    fn unknown_parameter(&mut self, place: Word<'a>, scope: Option<&Expansion<'_, 'a>>) -> Reported {
        let fault = |message| Diagnostic::new(Fault::UnknownParameter, place, message);
        let Some(scope) = scope else {
            return self.fault(fault(format!("`{}` stands for a parameter, but this is no macro", shown(place.text))));
        };
        let message = format!("the macro `{}` has no parameter `{}`", shown(scope.name), shown(place.text));
        let parameters = scope.arguments.iter().map(|(name, _)| *name);
        self.fault(fault(message).did_you_mean(nearest(place.text, parameters)))
    }

    /// A number in a range, or a name.
    pub(super) fn number(
        &mut self,
        argument: &Argument<'_, 'a>,
        what: &str,
        range: RangeInclusive<i64>,
        names: &[(&str, u32)],
    ) -> Result<i64, Reported> {
        if let Some(value) = value_of(names, argument.text) {
            return Ok(i64::from(value));
        }
        // Quirk (04 §6A.2): what is no number is -1, which is a number where -1 is allowed.
        let value = number::integer(argument.text).number.unwrap_or(-1);
        if range.contains(&value) {
            self.warn_unread(argument, value);
            return Ok(value);
        }
        let message = format!("`{}` is not {what}", argument.shown());
        let mut expected = format!("a number from {} to {}", range.start(), range.end());
        if !names.is_empty() {
            let usable = names.iter().map(|(name, _)| *name).filter(|name| !is_reserved(name));
            expected += &format!(", or one of {}", listed(usable));
        }
        let near = nearest(argument.text, names.iter().map(|(name, _)| *name));
        Err(self.fault(argument.fault(Fault::BadNumber, message).expected(expected).did_you_mean(near)))
    }

    /// Says so if a number was read from something else.
    pub(super) fn warn_unread(&mut self, argument: &Argument<'_, 'a>, value: i64) {
        let read = number::integer(argument.text);
        let fault = match read.number {
            None => Fault::UnreadNumber,
            Some(_) if read.garbage => Fault::IgnoredText,
            Some(_) => return,
        };
        let message = format!("`{}` is read as {value}", argument.shown());
        self.out.push(argument.fault(fault, message));
    }

    /// `n` or `n-m`.
    pub(super) fn range(
        &mut self,
        argument: &Argument<'_, 'a>,
        what: &str,
        most: u16,
    ) -> Result<RangeInclusive<u16>, Reported> {
        let mut parts = argument.text.split('-');
        let ends = (parts.next(), parts.next(), parts.next());
        let read = |text: &str| {
            let read = number::integer(text);
            Some((u16::try_from(read.number?).ok().filter(|n| *n <= most)?, read.garbage))
        };
        let range = match ends {
            (Some(only), None, None) => read(only).map(|only| (only, only)),
            (Some(first), Some(last), None) => read(first).zip(read(last)).filter(|(first, last)| first.0 <= last.0),
            _ => None,
        };
        let Some((first, last)) = range else {
            let message = format!("`{}` is not {what}", argument.shown());
            let expected = format!("a number from 0 to {most}, or two with `-` between them, the lower one first");
            return Err(self.fault(argument.fault(Fault::BadRange, message).expected(expected)));
        };
        if first.1 || last.1 {
            let read = if first.0 == last.0 { first.0.to_string() } else { format!("{}-{}", first.0, last.0) };
            let message = format!("`{}` is read as {read}", argument.shown());
            let fault = argument.fault(Fault::IgnoredText, message);
            self.out.push(match argument.text.contains(',') {
                true => fault.help("there are no lists: write one match for each part, with `or` before the others"),
                false => fault,
            });
        }
        Ok(first.0..=last.0)
    }

    /// A list of bits as a mask: numbers, and names of masks.
    pub(super) fn bits(
        &mut self,
        argument: &Argument<'_, 'a>,
        most: u32,
        names: &(impl Names + ?Sized),
    ) -> Result<u64, Reported> {
        let mut mask = 0u64;
        for part in argument.text.split(',') {
            let named = names.mask(part);
            let read = number::integer(part);
            let bit = read.number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= most);
            mask |= match (named, bit) {
                (Some(bits), _) => bits,
                (None, Some(bit)) => {
                    if read.garbage {
                        let message = format!("`{}` is read as {bit}", shown(part));
                        self.out.push(argument.fault(Fault::IgnoredText, message));
                    }
                    1 << bit
                }
                (None, None) => return Err(self.bad_bit(argument, part, most, names)),
            };
        }
        Ok(mask)
    }

    fn bad_bit(
        &mut self,
        argument: &Argument<'_, 'a>,
        part: &str,
        most: u32,
        names: &(impl Names + ?Sized),
    ) -> Reported {
        let message = format!("`{}` is no bit", shown(part));
        let mut expected = format!("numbers from 0 to {most}");
        if names.all().next().is_some() {
            expected += &format!(" or names of {}", listed(names.all()));
        }
        expected += ", with commas between them and without blanks";
        self.fault(argument.fault(Fault::BadBit, message).expected(expected).did_you_mean(nearest(part, names.all())))
    }
}
