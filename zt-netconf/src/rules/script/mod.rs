//! The rule language that administrators write (04 §6A): text to rules, capabilities and tags.
//!
//! [`Script::compile`] accepts what the reference compiler accepts and gives the same rules. Where the language hides a
//! fault from its user, the script carries a [warning](Script::warnings).

mod compile;
mod diagnostic;
pub mod explain;
#[cfg(feature = "controller")]
mod json;
mod lex;
mod number;
mod words;

use zt_wire::Rule;

pub use diagnostic::{Diagnostic, Fault, ScriptError, Severity, Source, render};
#[cfg(feature = "controller")]
pub use json::JsonError;

/// Longest text that is read, bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// Most base rules of a network (04 §2.4).
pub const MAX_RULES: usize = 1024;
/// Most rules of one capability (04 §2.4).
pub const MAX_CAPABILITY_RULES: usize = 64;
/// Most capabilities, and most tags, of a network (04 §2.4).
pub const MAX_DEFINITIONS: usize = 128;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Characters before it in its line.
    pub column: u32,
}

impl Position {
    /// The column as the reference compiler reports it: from 0 in line 1, from 1 in later lines (04 §6A.1).
    #[must_use]
    pub const fn reference_column(self) -> u32 {
        if self.line > 1 { self.column + 1 } else { self.column }
    }
}

/// How a text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Makes the same mistakes as the reference compiler where it computes a wrong value: `chr` masks with bit 63 or 31
    /// and others of that half, and flags on bit 31 (04 §6A.3, §6A.4). Either way there is a warning.
    pub compatible: bool,
}

/// A compiled text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The base rules, in order.
    pub rules: Vec<ScriptRule>,
    /// Capabilities, in the order of the text.
    pub capabilities: Vec<CapabilityDefinition>,
    /// Tags, in the order of the text.
    pub tags: Vec<TagDefinition>,
    /// What is allowed but hardly meant, in the order of the text.
    pub warnings: Vec<Diagnostic>,
    /// How the text was read.
    pub options: Options,
}

impl Script {
    /// Compiles a text. All faults that were found come at once.
    pub fn compile(text: &str, options: Options) -> Result<Self, ScriptError> {
        compile::compile(text, options)
    }

    /// The base rules as a network has them.
    #[must_use]
    pub fn base(&self) -> Vec<Rule> {
        plain(&self.rules)
    }

    /// The tag of this name.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&TagDefinition> {
        self.tags.iter().find(|tag| tag.name == name)
    }

    /// The capability of this name.
    #[must_use]
    pub fn capability(&self, name: &str) -> Option<&CapabilityDefinition> {
        self.capabilities.iter().find(|capability| capability.name == name)
    }
}

/// One rule and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRule {
    /// The rule as a controller keeps it: numbers cut to the width of their field, prefixes to that of their family.
    pub rule: Rule,
    /// Where its keyword stands; in a macro, that in the macro.
    pub at: Position,
    /// Where the action of its statement stands.
    pub statement: Position,
    /// Where the `include` stands, outside of all macros, that brought it here.
    pub included: Option<Position>,
    /// Fields of the JSON form that say more than the rule can hold, as the text has them.
    pub written: Vec<(&'static str, Written)>,
}

impl From<Rule> for ScriptRule {
    /// A rule that comes from no text.
    fn from(rule: Rule) -> Self {
        let nowhere = Position::default();
        Self { rule, at: nowhere, statement: nowhere, included: None, written: Vec::new() }
    }
}

/// A value as written where the rule holds another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// A number that is too wide.
    Number(i64),
    /// An address in another spelling.
    Text(String),
}

/// A capability that a text defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityDefinition {
    /// Name, in lower case.
    pub name: String,
    /// ID.
    pub id: u32,
    /// Given to members that one request creates and authorises (05 §6).
    pub default: bool,
    /// Its rules, in order.
    pub rules: Vec<ScriptRule>,
    /// Where its name stands.
    pub at: Position,
}

impl CapabilityDefinition {
    /// Its rules as a network has them.
    #[must_use]
    pub fn base(&self) -> Vec<Rule> {
        plain(&self.rules)
    }
}

/// A tag that a text defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagDefinition {
    /// Name, in lower case.
    pub name: String,
    /// ID; several tags may share one.
    pub id: u32,
    /// Value of members that were given none.
    pub default: Option<u32>,
    /// Names of values, in the order of the text.
    pub enums: Vec<(String, u32)>,
    /// Names of sets of bits, in the order of the text.
    pub flags: Vec<(String, u32)>,
    /// Where its name stands.
    pub at: Position,
    /// The default as written, if it is wider than a tag.
    pub written: Option<i64>,
}

impl TagDefinition {
    /// The value that a name stands for: that of a flag, else that of an enumeration.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u32> {
        named(&self.flags, name).or_else(|| named(&self.enums, name))
    }

    /// The value that a name stands for as a default: that of an enumeration, else that of a flag.
    pub(super) fn default_of(&self, name: &str) -> Option<u32> {
        named(&self.enums, name).or_else(|| named(&self.flags, name))
    }
}

/// The last value of a name.
fn named(names: &[(String, u32)], name: &str) -> Option<u32> {
    names.iter().rev().find(|(n, _)| n == name).map(|(_, value)| *value)
}

fn plain(rules: &[ScriptRule]) -> Vec<Rule> {
    rules.iter().map(|rule| rule.rule.clone()).collect()
}
