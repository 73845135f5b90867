//! The words of the language (04 §6A.2, §6A.3). Compiling and explaining read the same tables.

use std::ops::RangeInclusive;

use zt_wire::rules::{IcmpMatch, RuleKind, TagMatch, TosMatch};
use zt_wire::{Address, Mac};

/// Words that open a block, in lower case only.
pub(super) const BLOCK_WORDS: &[&str] =
    &["macro", "tag", "cap", "drop", "accept", "tee", "watch", "redirect", "break", "priority"];

/// Words that begin a statement.
pub(super) const ACTIONS: &[&str] = &["drop", "accept", "break", "tee", "watch", "redirect", "include"];

/// Words that begin a definition.
pub(super) const DEFINITIONS: &[&str] = &["macro", "tag", "cap"];

/// What no name and no argument may be.
const RESERVED: &[&str] = &[
    "macro",
    "tag",
    "cap",
    "default",
    "drop",
    "accept",
    "tee",
    "watch",
    "redirect",
    "break",
    "priority",
    "ztsrc",
    "ztdest",
    "vlan",
    "vlanpcp",
    "vlandei",
    "ethertype",
    "macsrc",
    "macdest",
    "ipsrc",
    "ipdest",
    "iptos",
    "ipprotocol",
    "icmp",
    "sport",
    "dport",
    "chr",
    "framesize",
    "random",
    "tand",
    "tor",
    "txor",
    "tdiff",
    "teq",
    "tseq",
    "treq",
    "type",
    "enum",
    "class",
    "define",
    "import",
    "include",
    "log",
    "not",
    "xor",
    "or",
    "and",
    "set",
    "var",
    "let",
];

/// Names of ethertypes.
pub(super) const ETHERTYPES: &[(&str, u32)] = &[
    ("ipv4", 0x0800),
    ("arp", 0x0806),
    ("wol", 0x0842),
    ("rarp", 0x8035),
    ("ipv6", 0x86dd),
    ("atalk", 0x809b),
    ("aarp", 0x80f3),
    ("ipx_a", 0x8137),
    ("ipx_b", 0x8138),
];

/// Names of IP protocols; the first one of a number that is no reserved word is used for printing.
pub(super) const PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", 1),
    ("icmp4", 1),
    ("icmpv4", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("rdp", 27),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Names of the bits of a frame's characteristics (04 §6.5), with their numbers.
pub(super) const CHARACTERISTICS: &[(&str, u32)] = &[
    ("inbound", 63),
    ("multicast", 62),
    ("broadcast", 61),
    ("ipauth", 60),
    ("macauth", 59),
    ("tcp_rs0", 11),
    ("tcp_rs1", 10),
    ("tcp_rs2", 9),
    ("tcp_ns", 8),
    ("tcp_cwr", 7),
    ("tcp_ece", 6),
    ("tcp_urg", 5),
    ("tcp_ack", 4),
    ("tcp_psh", 3),
    ("tcp_rst", 2),
    ("tcp_syn", 1),
    ("tcp_fin", 0),
];

/// A keyword of a match, and what follows it.
pub(super) struct Match {
    pub(super) keyword: &'static str,
    pub(super) shape: Shape,
}

/// Arguments of a match.
pub(super) enum Shape {
    Address(fn(Address) -> RuleKind),
    Mac(fn(Mac) -> RuleKind),
    /// The family of the argument decides about the type of the rule: a source or a destination.
    Prefix {
        source: bool,
    },
    /// A number or a name; above `most` it means nothing, or another number.
    Number {
        field: &'static str,
        make: fn(u32) -> RuleKind,
        most: u32,
        names: &'static [(&'static str, u32)],
    },
    Range(fn(RangeInclusive<u16>) -> RuleKind),
    Tos,
    Icmp,
    Characteristics,
    Random,
    Tag(fn(TagMatch) -> RuleKind),
}

/// All matches.
pub(super) const MATCHES: &[Match] = &[
    Match { keyword: "ztsrc", shape: Shape::Address(RuleKind::SourceAddress) },
    Match { keyword: "ztdest", shape: Shape::Address(RuleKind::DestinationAddress) },
    number("vlan", "vlanId", |n| RuleKind::VlanId(n as u16), 0xfff, &[]),
    number("vlanpcp", "vlanPcp", |n| RuleKind::VlanPcp(n as u8), 7, &[]),
    number("vlandei", "vlanDei", |n| RuleKind::VlanDei(n as u8), 1, &[]),
    number("ethertype", "etherType", |n| RuleKind::EtherType(n as u16), 0xffff, ETHERTYPES),
    Match { keyword: "macsrc", shape: Shape::Mac(RuleKind::MacSource) },
    Match { keyword: "macdest", shape: Shape::Mac(RuleKind::MacDestination) },
    Match { keyword: "ipsrc", shape: Shape::Prefix { source: true } },
    Match { keyword: "ipdest", shape: Shape::Prefix { source: false } },
    Match { keyword: "iptos", shape: Shape::Tos },
    number("ipprotocol", "ipProtocol", |n| RuleKind::IpProtocol(n as u8), 0xff, PROTOCOLS),
    Match { keyword: "icmp", shape: Shape::Icmp },
    Match { keyword: "sport", shape: Shape::Range(RuleKind::SourcePort) },
    Match { keyword: "dport", shape: Shape::Range(RuleKind::DestinationPort) },
    Match { keyword: "chr", shape: Shape::Characteristics },
    Match { keyword: "framesize", shape: Shape::Range(RuleKind::FrameSize) },
    Match { keyword: "random", shape: Shape::Random },
    Match { keyword: "tand", shape: Shape::Tag(RuleKind::TagsBitwiseAnd) },
    Match { keyword: "tor", shape: Shape::Tag(RuleKind::TagsBitwiseOr) },
    Match { keyword: "txor", shape: Shape::Tag(RuleKind::TagsBitwiseXor) },
    Match { keyword: "tdiff", shape: Shape::Tag(RuleKind::TagsDifference) },
    Match { keyword: "teq", shape: Shape::Tag(RuleKind::TagsEqual) },
    Match { keyword: "tseq", shape: Shape::Tag(RuleKind::TagSender) },
    Match { keyword: "treq", shape: Shape::Tag(RuleKind::TagReceiver) },
];

const fn number(
    keyword: &'static str,
    field: &'static str,
    make: fn(u32) -> RuleKind,
    most: u32,
    names: &'static [(&'static str, u32)],
) -> Match {
    Match { keyword, shape: Shape::Number { field, make, most, names } }
}

/// The match with this keyword, in any case.
pub(super) fn find_match(word: &str) -> Option<&'static Match> {
    MATCHES.iter().find(|m| m.keyword.eq_ignore_ascii_case(word))
}

/// The keyword of a type of rule that is a match.
pub(super) fn keyword(number: u8) -> Option<&'static str> {
    MATCHES.iter().find(|m| m.shape.makes(number)).map(|m| m.keyword)
}

impl Shape {
    /// Whether a match of this shape may become a rule of this type.
    fn makes(&self, number: u8) -> bool {
        number
            == match self {
                Self::Address(make) => make(Address::default()).number(),
                Self::Mac(make) => make(Mac([0; 6])).number(),
                // Source and destination of IPv4, then of IPv6.
                Self::Prefix { source: true } => return matches!(number, 31 | 33),
                Self::Prefix { source: false } => return matches!(number, 32 | 34),
                Self::Number { make, .. } => make(0).number(),
                Self::Range(make) => make(0..=0).number(),
                Self::Tos => RuleKind::IpTos(TosMatch::default()).number(),
                Self::Icmp => RuleKind::Icmp(IcmpMatch::default()).number(),
                Self::Characteristics => RuleKind::Characteristics(0).number(),
                Self::Random => RuleKind::Random(0).number(),
                Self::Tag(make) => make(TagMatch::default()).number(),
            }
    }
}

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// The first of a table with this name.
pub(super) fn value_of(names: &[(&str, u32)], name: &str) -> Option<u32> {
    names.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// The first name of a number that may be an argument.
pub(super) fn name_of(names: &'static [(&'static str, u32)], number: u32) -> Option<&'static str> {
    names.iter().find(|(name, value)| *value == number && !is_reserved(name)).map(|(name, _)| *name)
}

/// Words of other languages of this kind, and what they are here.
const FOREIGN: &[(&str, &str)] = &[
    ("allow", "accept"),
    ("pass", "accept"),
    ("permit", "accept"),
    ("block", "drop"),
    ("deny", "drop"),
    ("reject", "drop"),
    ("return", "break"),
    ("mirror", "tee"),
    ("import", "include"),
    ("capability", "cap"),
    ("port", "dport"),
    ("dst", "ipdest"),
    ("destination", "ipdest"),
    ("dstport", "dport"),
    ("src", "ipsrc"),
    ("source", "ipsrc"),
    ("srcport", "sport"),
    ("proto", "ipprotocol"),
    ("protocol", "ipprotocol"),
    ("ether", "ethertype"),
    ("size", "framesize"),
    ("flags", "chr"),
    ("tag", "teq"),
];

/// The word of this language that is meant: as others have it, or the nearest.
pub(super) fn meant<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str> + Clone) -> Option<&'c str> {
    let foreign = FOREIGN.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(word)).map(|(_, ours)| *ours);
    let known = foreign.and_then(|ours| candidates.clone().into_iter().find(|c| *c == ours));
    known.or_else(|| nearest(word, candidates))
}

/// The candidate that differs least from a word, if it is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const LONGEST: usize = 32;
    /// A text may define very many names.
    const CANDIDATES: usize = 1024;
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST + 1).collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let near = candidates.into_iter().take(CANDIDATES).filter(|c| c.len() <= LONGEST).map(|c| (distance(&word, c), c));
    let (changes, best) = near.min_by_key(|(changes, _)| *changes)?;
    (changes <= (word.len().max(best.len()) / 3).max(1)).then_some(best)
}

/// How many characters have to be put in, left out, replaced or swapped with their neighbour.
fn distance(word: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let width = other.len() + 1;
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..width).collect();
    for (i, a) in word.iter().enumerate() {
        let mut next = vec![i + 1; width];
        for (j, b) in other.iter().enumerate() {
            let cost = usize::from(a != b);
            next[j + 1] = (row[j] + cost).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && word[i - 1] == *b {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_proposed_and_a_far_one_is_not() {
        let keywords = || MATCHES.iter().map(|m| m.keyword);
        assert_eq!(nearest("ethertpye", keywords()), Some("ethertype"));
        assert_eq!(nearest("ETHERTYP", keywords()), Some("ethertype"));
        assert_eq!(nearest("dpotr", keywords()), Some("dport"));
        assert_eq!(nearest("frobnicate", keywords()), None);
        assert_eq!(nearest("", keywords()), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), keywords()), None);
    }

    #[test]
    fn every_match_is_a_reserved_word() {
        assert!(MATCHES.iter().all(|m| is_reserved(m.keyword)));
        assert!(BLOCK_WORDS.iter().chain(ACTIONS).chain(DEFINITIONS).all(|w| is_reserved(w)));
    }
}
