//! Matches (04 §6A.3).

use std::net::{IpAddr, Ipv6Addr};

use zt_wire::rules::{IcmpMatch, Ipv4Prefix, Ipv6Prefix, Rule, RuleKind, TagMatch, TosMatch};
use zt_wire::{Address, IpPrefix, Mac};

use super::super::diagnostic::{Diagnostic, Fault, listed};
use super::super::lex::{Block, Item, Word, shown};
use super::super::number;
use super::super::words::{
    ACTIONS, CHARACTERISTICS, DEFINITIONS, ETHERTYPES, MATCHES, PROTOCOLS, Shape, find_match, meant, nearest, value_of,
};
use super::super::{TagDefinition, Written};
use super::argument::{Argument, Arguments};
use super::statement::{Statement, misplaced_mark};
use super::{Compiler, List, Reported};

/// Fields of the JSON form that differ from the rule.
type Differences = Vec<(&'static str, Written)>;

impl<'i, 'a> Compiler<'i, 'a> {
    /// Compiles the matches of a statement.
    pub(super) fn matches(
        &mut self,
        statement: &Statement<'_, 'a>,
        block: Option<&'i Block<'a>>,
        arguments: &mut Arguments<'i, '_, 'a>,
        list: &mut List,
    ) -> Result<(), Reported> {
        let (mut not, mut or) = (None, None);
        let mut before: Option<Word<'a>> = None;
        while let Some(item) = arguments.next() {
            let Item::Word(word) = item else { continue };
            self.step(*word)?;
            match word.text.to_lowercase().as_str() {
                "and" => continue,
                "not" => not = Some(*word),
                "or" => or = Some(*word),
                _ => {
                    let Some(found) = find_match(word.text) else {
                        return Err(self.unknown_match(*word, before, block));
                    };
                    let (kind, written) = self.value(*word, &found.shape, arguments)?;
                    if let (Some(or), None) = (or, before) {
                        let message = "`or` before the first match makes that match count as true";
                        self.out.push(Diagnostic::new(Fault::AlwaysTrue, or, message).help("leave it out"));
                    }
                    let rule = Rule { kind, not: not.is_some(), or: or.is_some() };
                    self.emit(list, statement.rule(rule, word.at, written), *word)?;
                    (not, or, before) = (None, None, Some(*word));
                }
            }
        }
        if let Some(word) = not.or(or) {
            let message = format!("`{}` without a match behind it has no effect", word.text);
            self.out.push(Diagnostic::new(Fault::DanglingWord, word, message));
        }
        Ok(())
    }

    fn unknown_match(&mut self, word: Word<'a>, before: Option<Word<'a>>, block: Option<&Block<'a>>) -> Reported {
        let message = format!("`{}` is no match", shown(word.text));
        let fault = Diagnostic::new(Fault::UnknownMatch, word, message);
        let lower = word.text.to_lowercase();
        let keywords: Vec<&str> = MATCHES.iter().map(|m| m.keyword).collect();
        let expected = format!("`;`, and, or, not, or a match: {}", keywords.join(", "));
        let begins = ACTIONS.contains(&lower.as_str()) || DEFINITIONS.contains(&lower.as_str()) || lower == "priority";
        self.fault(match block {
            Some(block) if begins && block.opened_by_end => {
                let opener = block.opener.text;
                let help = format!("write `{opener} and;`, because `{opener};` does not end there");
                fault.help(help).note(block.opener.at, format!("it stands in the block of this `{opener}`"))
            }
            Some(block) if begins => {
                let opener = block.opener.text;
                let help = format!("put a `;` behind the matches of `{opener}`");
                fault.help(help).note(block.opener.at, format!("it stands in the block of this `{opener}`"))
            }
            _ => {
                let fault = misplaced_mark(word.text, fault.expected(expected));
                match before {
                    Some(before) if is_value(word.text) => {
                        let before = before.text;
                        fault.help(format!("`{before}` takes no list: write another `{before}`, with `or` before it"))
                    }
                    _ => fault.did_you_mean(meant(word.text, keywords)),
                }
            }
        })
    }

    /// The value of a match.
    fn value(
        &mut self,
        keyword: Word<'a>,
        shape: &Shape,
        arguments: &mut Arguments<'i, '_, 'a>,
    ) -> Result<(RuleKind, Differences), Reported> {
        let mut written = Vec::new();
        let kind = match shape {
            Shape::Address(make) => {
                let argument = self.argument(arguments, keyword, "a ZeroTier address of 10 hex digits")?;
                let digits = self.hex(&argument, 10, Fault::BadAddress, "ZeroTier address")?;
                make(Address::new(digits))
            }
            Shape::Mac(make) => {
                let argument = self.argument(arguments, keyword, "a MAC address of 12 hex digits")?;
                make(Mac::from_u64(self.hex(&argument, 12, Fault::BadMac, "MAC address")?))
            }
            Shape::Prefix { source } => {
                let argument = self.argument(arguments, keyword, "an IP address, `/` and a number of bits")?;
                self.prefix(&argument, *source, &mut written)?
            }
            Shape::Number { field, make, most, names } => {
                let argument = self.argument(arguments, keyword, "a number or a name")?;
                let what = format!("a value of {}", keyword.text);
                let value = self.number(&argument, &what, 0..=i64::from(u32::MAX), names)?;
                let kind = make(value as u32);
                self.check_width(&argument, value, i64::from(*most), field, &kind, &mut written);
                kind
            }
            Shape::Range(make) => {
                let argument = self.argument(arguments, keyword, "a number, or two with `-` between them")?;
                make(self.range(&argument, &format!("a range of {}", keyword.text), u16::MAX)?)
            }
            Shape::Tos => {
                let mask = self.argument(arguments, keyword, "a mask and a range")?;
                let mask = self.number(&mask, "a mask", 0..=255, &[])? as u8;
                let range = self.argument(arguments, keyword, "a mask and a range")?;
                let range = self.range(&range, "a range of iptos", 255)?;
                RuleKind::IpTos(TosMatch { mask, first: *range.start() as u8, last: *range.end() as u8 })
            }
            Shape::Icmp => self.icmp(keyword, arguments)?,
            Shape::Characteristics => {
                let argument = self.argument(arguments, keyword, "names or numbers of bits")?;
                RuleKind::Characteristics(self.characteristics(&argument)?)
            }
            Shape::Random => {
                let argument = self.argument(arguments, keyword, "a probability from 0 to 1")?;
                RuleKind::Random(self.probability(&argument))
            }
            Shape::Tag(make) => make(self.tag_match(keyword, arguments)?),
        };
        Ok((kind, written))
    }

    /// So many hex digits; other characters are left out.
    fn hex(&mut self, argument: &Argument<'_, 'a>, digits: usize, fault: Fault, what: &str) -> Result<u64, Reported> {
        let hex: String = argument.text.chars().filter(char::is_ascii_hexdigit).collect();
        if hex.len() != digits {
            let message = format!("`{}` is no {what}", argument.shown());
            return Err(self.fault(argument.fault(fault, message).expected(format!("{digits} hex digits"))));
        }
        let value = u64::from_str_radix(&hex, 16).expect("at most 12 hex digits");
        if argument.text.chars().any(|c| !c.is_ascii_hexdigit() && !matches!(c, ':' | '-' | '.')) {
            let message = format!("`{}` is read as {hex}", argument.shown());
            self.out.push(argument.fault(Fault::IgnoredText, message));
        }
        Ok(value)
    }

    fn prefix(
        &mut self,
        argument: &Argument<'_, 'a>,
        source: bool,
        written: &mut Differences,
    ) -> Result<RuleKind, Reported> {
        let parsed = argument.text.split_once('/').and_then(|(ip, bits)| {
            let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
            Some((ip.parse::<IpAddr>().ok()?, number::integer(bits).number.filter(|_| digits)?))
        });
        let Some((ip, bits)) = parsed else {
            let message = format!("`{}` is no prefix", argument.shown());
            let fault =
                argument.fault(Fault::BadPrefix, message).expected("`address/bits`, as in 10.0.0.0/8 or fd00::/8");
            return Err(self.fault(match argument.text.parse::<IpAddr>() {
                Ok(ip) => fault.help(format!("for this address alone: `{ip}/{}`", if ip.is_ipv4() { 32 } else { 128 })),
                Err(_) => fault,
            }));
        };
        // What a controller makes of it (04 §6.10).
        let prefix = IpPrefix::clamped(ip, u8::try_from(bits).unwrap_or(u8::MAX));
        if bits > i64::from(prefix.bits()) {
            let message = format!("a prefix has at most {} bits: {bits} counts as that", prefix.bits());
            self.out.push(argument.fault(Fault::WidePrefix, message));
        }
        if format!("{ip}/{}", prefix.bits()) != argument.text {
            written.push(("ip", Written::Text(argument.text.to_owned())));
        }
        let bits = prefix.bits();
        Ok(match (ip, source) {
            (IpAddr::V4(ip), true) => RuleKind::Ipv4Source(Ipv4Prefix { ip, bits }),
            (IpAddr::V4(ip), false) => RuleKind::Ipv4Destination(Ipv4Prefix { ip, bits }),
            (IpAddr::V6(ip), _) => {
                self.warn_host_bits(argument, ip, bits);
                match source {
                    true => RuleKind::Ipv6Source(Ipv6Prefix { ip, bits }),
                    false => RuleKind::Ipv6Destination(Ipv6Prefix { ip, bits }),
                }
            }
        })
    }

    /// Quirk (04 §6.5): the address of a frame is masked, that of the rule is not.
    fn warn_host_bits(&mut self, argument: &Argument<'_, 'a>, ip: Ipv6Addr, bits: u8) {
        let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
        let network = Ipv6Addr::from(u128::from(ip) & mask);
        if network != ip {
            let message = format!("`{}` never matches: bits are set behind the first {bits}", argument.shown());
            let help = format!("write `{network}/{bits}` for the network, `{ip}/128` for the address");
            self.out.push(argument.fault(Fault::HostBits, message).help(help));
        }
    }

    /// Quirk (04 §6A.3): numbers are not held against the width of their field.
    fn check_width(
        &mut self,
        argument: &Argument<'_, 'a>,
        value: i64,
        most: i64,
        field: &'static str,
        kind: &RuleKind,
        written: &mut Differences,
    ) {
        let kept = match kind {
            RuleKind::VlanId(n) | RuleKind::EtherType(n) => i64::from(*n),
            RuleKind::VlanPcp(n) | RuleKind::VlanDei(n) | RuleKind::IpProtocol(n) => i64::from(*n),
            _ => value,
        };
        if kept != value {
            written.push((field, Written::Number(value)));
            let message =
                format!("{} is more than this field holds: a controller makes {kept} of it", argument.shown());
            self.out.push(argument.fault(Fault::MaskedNumber, message).expected(format!("at most {most}")));
        } else if value > most {
            let message = format!("no frame has {} here", argument.shown());
            self.out.push(argument.fault(Fault::NoSuchNumber, message).expected(format!("at most {most}")));
        }
    }

    fn icmp(&mut self, keyword: Word<'a>, arguments: &mut Arguments<'i, '_, 'a>) -> Result<RuleKind, Reported> {
        let kind = self.argument(arguments, keyword, "a type and a code (-1: any)")?;
        let kind = self.number(&kind, "a type of ICMP", 0..=255, &[])? as u8;
        let code = self.argument(arguments, keyword, "a type and a code (-1: any)")?;
        let code = self.number(&code, "a code of ICMP", -1..=255, &[])?;
        Ok(RuleKind::Icmp(match u8::try_from(code) {
            Ok(code) => IcmpMatch { kind, code, flags: 1 },
            Err(_) => IcmpMatch { kind, code: 0, flags: 0 },
        }))
    }

    fn characteristics(&mut self, argument: &Argument<'_, 'a>) -> Result<u64, Reported> {
        let mask = self.bits(argument, 63, CHARACTERISTICS)?;
        let accident = signed_mask(mask);
        if accident == mask {
            return Ok(mask);
        }
        let used = if self.options.compatible { accident } else { mask };
        let message = format!("the reference compiler makes {accident:016x} of this mask, not {mask:016x}");
        let other = if self.options.compatible { "as it does" } else { "which is what is meant" };
        let fault = argument.fault(Fault::WrongMask, format!("{message}: compiled to {used:016x}, {other}"));
        self.out
            .push(fault.help("if others compile this text, use statements of one bit each (behind `not`: matches)"));
        Ok(used)
    }

    fn probability(&mut self, argument: &Argument<'_, 'a>) -> u32 {
        let read = number::float(argument.text);
        let value = read.number.unwrap_or(0.0);
        let used = value.clamp(0.0, 1.0);
        if read.number.is_none() || read.garbage || used != value {
            let fault = if read.number.is_none() { Fault::UnreadNumber } else { Fault::IgnoredText };
            let message = format!("`{}` is read as {used}", argument.shown());
            self.out.push(argument.fault(fault, message).expected("a probability from 0 to 1"));
        }
        probability(used)
    }

    fn tag_match(&mut self, keyword: Word<'a>, arguments: &mut Arguments<'i, '_, 'a>) -> Result<TagMatch, Reported> {
        let usage = "the name or ID of a tag, and a value";
        let name = self.argument(arguments, keyword, usage)?;
        let tag = self.tags.iter().position(|tag| tag.name == name.text);
        let id = match tag {
            Some(found) => self.tags[found].id,
            None => {
                let read = number::integer(name.text).number.and_then(|id| u32::try_from(id).ok());
                let Some(id) = read else { return Err(self.unknown_tag(&name)) };
                self.warn_unread(&name, i64::from(id));
                id
            }
        };
        let value = self.argument(arguments, keyword, usage)?;
        if let Some(named) = tag.and_then(|found| self.values[found].as_ref()?.get(value.text)).copied() {
            // Quirk (04 §6A.4): flags are signed there, and no value is negative.
            if self.options.compatible && named.is_flag && named.number >> 31 != 0 {
                let message = format!("`{}` has bit 31, and is negative for the reference compiler", value.shown());
                return Err(self.fault(value.fault(Fault::BadNumber, message).help("compile without --compatible")));
            }
            return Ok(TagMatch { id, value: named.number });
        }
        let read = number::integer(value.text).number.and_then(|n| u32::try_from(n).ok());
        let Some(number) = read else {
            // It may well be the name that could not be read.
            if tag.is_some_and(|found| self.values[found].is_none()) {
                return Err(Reported);
            }
            let fault = self.unknown_value(&value, tag.map(|found| &self.tags[found]));
            return Err(self.fault(fault));
        };
        self.warn_unread(&value, i64::from(number));
        Ok(TagMatch { id, value: number })
    }

    fn unknown_tag(&mut self, name: &Argument<'_, 'a>) -> Reported {
        let fault = name.fault(Fault::UnknownTag, format!("there is no tag `{}`", name.shown()));
        let lower = name.text.to_lowercase();
        let fault = match self.tags.iter().any(|tag| tag.name == lower) {
            // Quirk (04 §6A.2): names are folded where they are defined, not where they are used.
            true => fault.help(format!("write `{lower}`: names are in lower case where they are used")),
            false => fault.did_you_mean(nearest(name.text, self.tags.iter().map(|tag| tag.name.as_str()))),
        };
        let fault = match name.text.split_once('=') {
            Some((tag, value)) => fault.help(format!("put a blank between them: `{} {}`", shown(tag), shown(value))),
            None => fault,
        };
        self.fault(fault.expected("the name of a tag, or a number as its ID"))
    }

    #[expect(clippy::unused_self, reason = "beside the other faults")]
    fn unknown_value(&self, value: &Argument<'_, 'a>, tag: Option<&TagDefinition>) -> Diagnostic {
        let Some(tag) = tag else {
            let message = format!("`{}` is no value of a tag that is given by its ID", value.shown());
            return value.fault(Fault::UnknownValue, message).expected("a number from 0 to 4294967295");
        };
        let names = tag.flags.iter().chain(&tag.enums).map(|(name, _)| name.as_str());
        let fault =
            value.fault(Fault::UnknownValue, format!("the tag `{}` has no value `{}`", tag.name, value.shown()));
        let expected = match listed(names.clone()) {
            none if none.is_empty() => "a number from 0 to 4294967295".to_owned(),
            list => format!("a number from 0 to 4294967295, or one of {list}"),
        };
        fault.expected(expected).did_you_mean(nearest(value.text, names)).note(tag.at, "the tag is defined here")
    }
}

/// Whether a word looks like one more value of the match before it.
fn is_value(text: &str) -> bool {
    let named = |names| value_of(names, text).is_some();
    text.starts_with(|c: char| c.is_ascii_digit()) || named(ETHERTYPES) || named(PROTOCOLS) || named(CHARACTERISTICS)
}

/// A mask as the reference compiler computes it.
///
/// Quirk (04 §6A.3): each half is a signed number whose absolute value is printed.
pub(in super::super) const fn signed_mask(mask: u64) -> u64 {
    const fn half(half: u32) -> u64 {
        (half as i32).unsigned_abs() as u64
    }
    half((mask >> 32) as u32) << 32 | half(mask as u32)
}

/// The number that stands for a probability from 0 to 1.
pub(in super::super) fn probability(value: f64) -> u32 {
    (4_294_967_295.0 * value).floor() as u32
}
