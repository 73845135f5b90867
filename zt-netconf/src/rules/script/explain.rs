//! From rules back to text that compiles to the same (04 §6A), and single rules in the words of the language.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use zt_wire::rules::{IntegerMatch, Rule, RuleKind, TagMatch};

use super::compile::{is_name, probability, signed_mask};
use super::words::{self, CHARACTERISTICS, ETHERTYPES, PROTOCOLS};
use super::{MAX_CAPABILITY_RULES, MAX_DEFINITIONS, MAX_RULES, Options, Script, TagDefinition};

/// A statement longer than this stands on several lines.
const ONE_LINE: usize = 90;

/// A script as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text; what it cannot say stands in comments.
    pub text: String,
    /// What it cannot say. If there is nothing, the text compiles to the script.
    pub untold: Vec<Untold>,
}

/// Something that the language has no words for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Where: `rule 3`, `rule 3 of capability 1000`, `tag 7`; rules are counted from 1.
    pub place: String,
    /// What, and why.
    pub what: String,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl Script {
    /// Text that compiles to the rules, capabilities and tags of this script. Names that no text can have are replaced.
    #[must_use]
    pub fn explain(&self) -> Text {
        let mut writer = Writer { text: String::new(), untold: Vec::new(), tags: &self.tags };
        let mut used = BTreeSet::new();
        for tag in &self.tags {
            writer.tag(tag, &mut used);
        }
        let mut used = BTreeSet::new();
        for capability in &self.capabilities {
            let name = writer.name(&capability.name, "capability", capability.id, &mut used);
            let default = if capability.default { "\tdefault\n" } else { "" };
            let _ = write!(writer.text, "cap {name}\n\tid {}\n{default}", capability.id);
            let place = format!(" of capability {}", capability.id);
            writer.rules(&capability.base(), "\t", &place, MAX_CAPABILITY_RULES);
            writer.text.push_str(";\n\n");
        }
        for (what, number) in [("tags", self.tags.len()), ("capabilities", self.capabilities.len())] {
            if number > MAX_DEFINITIONS {
                writer.untold("network", format!("{number} {what}, of which it can have {MAX_DEFINITIONS}"));
            }
        }
        writer.rules(&self.base(), "", "", MAX_RULES);
        let Writer { text, mut untold, .. } = writer;
        let text = format!("{}\n", text.trim_end());
        if untold.is_empty() && !self.says_the_same(&text) {
            untold
                .push(Untold { place: "network".to_owned(), what: "the text does not compile to the same".to_owned() });
        }
        Text { text, untold }
    }

    /// Whether a text compiles to the rules of this script.
    fn says_the_same(&self, text: &str) -> bool {
        let Ok(made) = Self::compile(text, Options::default()) else { return false };
        let capabilities =
            |script: &Self| script.capabilities.iter().map(|c| (c.id, c.default, c.base())).collect::<Vec<_>>();
        let tags = |script: &Self| script.tags.iter().map(|tag| (tag.id, tag.default)).collect::<Vec<_>>();
        made.base() == self.base() && capabilities(&made) == capabilities(self) && tags(&made) == tags(self)
    }
}

/// The statement that a rule belongs to, in the words of the language: `drop not ethertype ipv4`.
///
/// What the language has no words for is described. Tags give names to numbers.
#[must_use]
pub fn statement(rules: &[Rule], index: usize, tags: &[TagDefinition]) -> String {
    let index = index.min(rules.len());
    let start = rules[..index].iter().rposition(|rule| rule.kind.is_action()).map_or(0, |before| before + 1);
    let end = rules[index..].iter().position(|rule| rule.kind.is_action()).map_or(rules.len(), |end| index + end + 1);
    let (matches, action) = split(&rules[start..end]);
    let head = action.map_or_else(|| "(no action)".to_owned(), |action| words_or_debug(action, tags));
    let words =
        matches.iter().enumerate().map(|(i, rule)| format!(" {}{}", joint(rule, i), words_or_debug(rule, tags)));
    head + &words.collect::<String>()
}

/// One rule in the words of the language: `not ethertype ipv4`, `accept`; described if it has none for it.
#[must_use]
pub fn rule(rule: &Rule, tags: &[TagDefinition]) -> String {
    words_or_debug(rule, tags)
}

/// The matches of a statement, and its action.
fn split(statement: &[Rule]) -> (&[Rule], Option<&Rule>) {
    match statement.split_last() {
        Some((action, matches)) if action.kind.is_action() => (matches, Some(action)),
        _ => (statement, None),
    }
}

/// What stands between matches.
fn joint(rule: &Rule, position: usize) -> &'static str {
    match (rule.or, position) {
        (true, _) => "or ",
        (false, 0) => "",
        (false, _) => "and ",
    }
}

fn words_or_debug(rule: &Rule, tags: &[TagDefinition]) -> String {
    rule_words(rule, tags).unwrap_or_else(|reason| {
        let not = if rule.not { "not " } else { "" };
        format!("{not}({reason})")
    })
}

/// A rule as the language says it, or what it is and why the language cannot.
fn rule_words(rule: &Rule, tags: &[TagDefinition]) -> Result<String, String> {
    if let Some(action) = action(&rule.kind)? {
        return Ok(action);
    }
    let Some(keyword) = words::keyword(rule.kind.number()) else { return Err(describe(&rule.kind)) };
    let not = if rule.not { "not " } else { "" };
    Ok(format!("{not}{keyword} {}", arguments(&rule.kind, tags)?))
}

fn action(kind: &RuleKind) -> Result<Option<String>, String> {
    let with_flags = |flags: u32| if flags == 0 { Ok(()) } else { Err(format!("{} with flags {flags}", name(kind))) };
    Ok(Some(match kind {
        RuleKind::Drop => "drop".to_owned(),
        RuleKind::Accept => "accept".to_owned(),
        RuleKind::Break => "break".to_owned(),
        RuleKind::Tee(to) => {
            with_flags(to.flags)?;
            format!("tee {} {}", to.length, to.address)
        }
        RuleKind::Watch(to) => {
            with_flags(to.flags)?;
            format!("watch {} {}", to.length, to.address)
        }
        RuleKind::Redirect(to) => {
            with_flags(to.flags)?;
            format!("redirect {}", to.address)
        }
        other if other.is_action() => return Err(describe(other)),
        _ => return Ok(None),
    }))
}

fn arguments(kind: &RuleKind, tags: &[TagDefinition]) -> Result<String, String> {
    let range = |first: u16, last: u16| match first.cmp(&last) {
        std::cmp::Ordering::Equal => Ok(first.to_string()),
        std::cmp::Ordering::Less => Ok(format!("{first}-{last}")),
        std::cmp::Ordering::Greater => Err(format!("{} from {first} down to {last}", name(kind))),
    };
    let prefix = |ip: &dyn fmt::Display, bits: u8, most: u8| match bits <= most {
        true => Ok(format!("{ip}/{bits}")),
        false => Err(format!("{} of {bits} bits", name(kind))),
    };
    Ok(match kind {
        RuleKind::SourceAddress(address) | RuleKind::DestinationAddress(address) => address.to_string(),
        RuleKind::VlanId(n) => n.to_string(),
        RuleKind::VlanPcp(n) | RuleKind::VlanDei(n) => n.to_string(),
        RuleKind::MacSource(mac) | RuleKind::MacDestination(mac) => mac.to_string(),
        RuleKind::Ipv4Source(p) | RuleKind::Ipv4Destination(p) => prefix(&p.ip, p.bits, 32)?,
        RuleKind::Ipv6Source(p) | RuleKind::Ipv6Destination(p) => prefix(&p.ip, p.bits, 128)?,
        RuleKind::IpTos(tos) => format!("{} {}", tos.mask, range(tos.first.into(), tos.last.into())?),
        RuleKind::IpProtocol(n) => words::name_of(PROTOCOLS, (*n).into()).map_or_else(|| n.to_string(), str::to_owned),
        RuleKind::EtherType(n) => {
            words::name_of(ETHERTYPES, (*n).into()).map_or_else(|| format!("{n:#06x}"), str::to_owned)
        }
        RuleKind::Icmp(icmp) if icmp.flags == 1 => format!("{} {}", icmp.kind, icmp.code),
        RuleKind::Icmp(icmp) if icmp.flags == 0 && icmp.code == 0 => format!("{} -1", icmp.kind),
        RuleKind::Icmp(icmp) => return Err(format!("{} with flags {} and code {}", name(kind), icmp.flags, icmp.code)),
        RuleKind::SourcePort(r) | RuleKind::DestinationPort(r) | RuleKind::FrameSize(r) => range(*r.start(), *r.end())?,
        RuleKind::Characteristics(0) => return Err(format!("{} without a bit", name(kind))),
        RuleKind::Characteristics(mask) => bits(*mask, CHARACTERISTICS),
        RuleKind::Random(p) => fraction(*p),
        RuleKind::TagsBitwiseAnd(tag) | RuleKind::TagsBitwiseOr(tag) | RuleKind::TagsBitwiseXor(tag) => {
            tag_words(*tag, tags, true)
        }
        RuleKind::TagsDifference(tag)
        | RuleKind::TagsEqual(tag)
        | RuleKind::TagSender(tag)
        | RuleKind::TagReceiver(tag) => tag_words(*tag, tags, false),
        other => return Err(describe(other)),
    })
}

/// The numbers or names of the bits of a mask, the highest first.
fn bits(mask: u64, names: &'static [(&'static str, u32)]) -> String {
    let set = (0..64).rev().filter(|bit| mask >> bit & 1 != 0);
    let words = set.map(|bit| words::name_of(names, bit).map_or_else(|| bit.to_string(), str::to_owned));
    words.collect::<Vec<_>>().join(",")
}

/// The shortest fraction that compiles to this number.
fn fraction(number: u32) -> String {
    let exact = f64::from(number) / 4_294_967_295.0;
    // The middle of all that is cut to this number: reached at last with enough digits.
    let middle = ((f64::from(number) + 0.5) / 4_294_967_295.0).min(1.0);
    let candidates = (1..=20).flat_map(|digits| [format!("{exact:.digits$}"), format!("{middle:.digits$}")]);
    let mut right = candidates.filter(|text| text.parse().is_ok_and(|value: f64| probability(value) == number));
    right.next().unwrap_or_else(|| middle.to_string())
}

fn tag_words(tag: TagMatch, tags: &[TagDefinition], prefer_flags: bool) -> String {
    let Some(known) = tags.iter().find(|known| known.id == tag.id && is_usable(&known.name)) else {
        return format!("{} {}", tag.id, tag.value);
    };
    let (first, then) = if prefer_flags { (&known.flags, &known.enums) } else { (&known.enums, &known.flags) };
    let mut names = first.iter().chain(then).map(|(name, _)| name);
    // A name that stands for another value as well may not be used.
    let named = names.find(|name| is_usable(name) && known.value(name) == Some(tag.value));
    named.map_or_else(|| format!("{} {}", known.name, tag.value), |name| format!("{} {name}", known.name))
}

/// Whether a name can be used in a text as it is.
fn is_usable(name: &str) -> bool {
    is_name(name) && name.to_lowercase() == name && !words::is_reserved(name)
}

fn name(kind: &RuleKind) -> String {
    kind.name().map_or_else(|| format!("rule type {}", kind.number()), str::to_owned)
}

/// What a rule is for which there are no words.
fn describe(kind: &RuleKind) -> String {
    match kind {
        RuleKind::IntegerRange(IntegerMatch { first, last, index, format }) => {
            let order = if format & 0x80 != 0 { "little" } else { "big" };
            let bits = (format & 0x3f) + 1;
            format!("INTEGER_RANGE {first:#x} to {last:#x}, {bits} bits at {index}, {order} endian")
        }
        other => name(other),
    }
}

struct Writer<'t> {
    text: String,
    untold: Vec<Untold>,
    tags: &'t [TagDefinition],
}

impl Writer<'_> {
    fn untold(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.untold.push(Untold { place: place.into(), what: what.into() });
    }

    /// A name that can be written and is not taken.
    fn name(&mut self, wanted: &str, kind: &str, id: u32, used: &mut BTreeSet<String>) -> String {
        let lower = wanted.to_lowercase();
        let mut name = if is_usable(&lower) { lower } else { format!("{kind}_{id}") };
        while !used.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn tag(&mut self, tag: &TagDefinition, used: &mut BTreeSet<String>) {
        let name = self.name(&tag.name, "tag", tag.id, used);
        let _ = write!(self.text, "tag {name}\n\tid {}\n", tag.id);
        for (label, value) in &tag.enums {
            match is_usable(label) {
                true => _ = writeln!(self.text, "\tenum {value} {label}"),
                false => self.untold(format!("tag {}", tag.id), format!("the name `{label}` of {value}")),
            }
        }
        for (label, mask) in &tag.flags {
            match is_usable(label) && *mask != 0 {
                true => _ = writeln!(self.text, "\tflag {} {label}", bits((*mask).into(), &[])),
                false => self.untold(format!("tag {}", tag.id), format!("the name `{label}` of the bits of {mask}")),
            }
        }
        if let Some(default) = tag.default {
            let label = tag.enums.iter().find(|(label, value)| *value == default && is_usable(label));
            let label = label.filter(|(label, _)| tag.default_of(label) == Some(default));
            let text = label.map_or_else(|| default.to_string(), |(label, _)| label.clone());
            let _ = writeln!(self.text, "\tdefault {text}");
        }
        self.text.push_str(";\n\n");
    }

    fn rules(&mut self, rules: &[Rule], indent: &str, place: &str, most: usize) {
        if rules.len() > most {
            self.untold(
                format!("rule {}{place}", most + 1),
                format!("{} rules, of which there can be {most}", rules.len()),
            );
        }
        let mut start = 0;
        for statement in rules.split_inclusive(|rule| rule.kind.is_action()) {
            let last = start + statement.len() == rules.len() && indent.is_empty();
            self.statement(statement, start, last, indent, place);
            start += statement.len();
        }
    }

    fn statement(&mut self, statement: &[Rule], start: usize, last: bool, indent: &str, place: &str) {
        let (matches, action) = split(statement);
        let mut sound = action.is_some();
        if action.is_none() {
            self.untold(format!("rule {}{place}", start + statement.len()), "matches without an action behind them");
        }
        for (i, rule) in statement.iter().enumerate() {
            if let Err(reason) = rule_words(rule, self.tags) {
                self.untold(format!("rule {}{place}", start + i + 1), reason);
                sound = false;
            }
            if let RuleKind::Characteristics(mask) = rule.kind
                && signed_mask(mask) != mask
            {
                let wrong = signed_mask(mask);
                let _ = writeln!(self.text, "{indent}# The reference compiler makes the mask {wrong:016x} of this.");
            }
        }
        let words = |rule: &Rule| words_or_debug(rule, self.tags);
        let head = action.map_or_else(|| "accept".to_owned(), words);
        let parts: Vec<String> =
            matches.iter().enumerate().map(|(i, r)| format!("{}{}", joint(r, i), words(r))).collect();
        // Quirk (04 §6A.1): without a match, a `;` ends nothing.
        let text = match parts.as_slice() {
            [] if last => format!("{head};"),
            [] if matches!(head.as_str(), "accept" | "drop" | "break") => format!("{head} and;"),
            [] => format!("{head};"),
            parts => match format!("{head} {};", parts.join(" ")) {
                short if short.len() <= ONE_LINE => short,
                _ => format!("{head}\n{indent}\t{}\n{indent};", parts.join(&format!("\n{indent}\t"))),
            },
        };
        let comment = if sound { "" } else { "# " };
        if !sound {
            let _ = writeln!(self.text, "{indent}# The language cannot say this:");
        }
        for line in text.lines() {
            let _ = writeln!(self.text, "{indent}{comment}{}", line.strip_prefix(indent).unwrap_or(line));
        }
    }
}
