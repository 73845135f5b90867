//! Rule tables: binary form (04 §6.2). Their meaning is applied elsewhere.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::{Deref, RangeInclusive};

use crate::{Address, BufferFull, Emit, Mac, Parse, ParseError, Reader, Writer};

/// Bit of the type byte that inverts a match.
pub const RULE_NOT: u8 = 0x80;
/// Bit of the type byte that joins a match to the one before with OR.
pub const RULE_OR: u8 = 0x40;

/// Where TEE, WATCH and REDIRECT send a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forward {
    /// Receiver.
    pub address: Address,
    /// Flags, 0.
    pub flags: u32,
    /// Longest part of a frame that is sent; unused by REDIRECT.
    pub length: u16,
}

/// An IPv4 network to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Prefix {
    /// Address as given in the rule.
    pub ip: Ipv4Addr,
    /// Prefix length as given in the rule, 0–255.
    pub bits: u8,
}

/// An IPv6 network to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Prefix {
    /// Address as given in the rule.
    pub ip: Ipv6Addr,
    /// Prefix length as given in the rule, 0–255.
    pub bits: u8,
}

/// A tag ID and a value to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagMatch {
    /// Tag ID.
    pub id: u32,
    /// Value.
    pub value: u32,
}

/// Type and value of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the table in 04 §6.2")]
pub enum RuleKind {
    Drop,
    Accept,
    Tee(Forward),
    Watch(Forward),
    Redirect(Forward),
    Break,
    Priority,
    SourceAddress(Address),
    DestinationAddress(Address),
    VlanId(u16),
    VlanPcp(u8),
    VlanDei(u8),
    MacSource(Mac),
    MacDestination(Mac),
    Ipv4Source(Ipv4Prefix),
    Ipv4Destination(Ipv4Prefix),
    Ipv6Source(Ipv6Prefix),
    Ipv6Destination(Ipv6Prefix),
    IpTos {
        mask: u8,
        first: u8,
        last: u8,
    },
    IpProtocol(u8),
    EtherType(u16),
    /// Code is significant if bit 0 of the flags is set.
    Icmp {
        kind: u8,
        code: u8,
        flags: u8,
    },
    SourcePort(RangeInclusive<u16>),
    DestinationPort(RangeInclusive<u16>),
    Characteristics(u64),
    FrameSize(RangeInclusive<u16>),
    Random(u32),
    TagsDifference(TagMatch),
    TagsBitwiseAnd(TagMatch),
    TagsBitwiseOr(TagMatch),
    TagsBitwiseXor(TagMatch),
    TagsEqual(TagMatch),
    TagSender(TagMatch),
    TagReceiver(TagMatch),
    /// Values as on the wire; evaluation keeps only 32 bits of `last - first`.
    IntegerRange {
        first: u64,
        last: u64,
        index: u16,
        format: u8,
    },
    /// Type without a meaning here; actions are 0–15, matches 16–63.
    Unknown {
        number: u8,
        value: Box<[u8]>,
    },
}

impl RuleKind {
    /// Type number, 0–63.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Tee(_) => 2,
            Self::Watch(_) => 3,
            Self::Redirect(_) => 4,
            Self::Break => 5,
            Self::Priority => 6,
            Self::SourceAddress(_) => 24,
            Self::DestinationAddress(_) => 25,
            Self::VlanId(_) => 26,
            Self::VlanPcp(_) => 27,
            Self::VlanDei(_) => 28,
            Self::MacSource(_) => 29,
            Self::MacDestination(_) => 30,
            Self::Ipv4Source(_) => 31,
            Self::Ipv4Destination(_) => 32,
            Self::Ipv6Source(_) => 33,
            Self::Ipv6Destination(_) => 34,
            Self::IpTos { .. } => 35,
            Self::IpProtocol(_) => 36,
            Self::EtherType(_) => 37,
            Self::Icmp { .. } => 38,
            Self::SourcePort(_) => 39,
            Self::DestinationPort(_) => 40,
            Self::Characteristics(_) => 41,
            Self::FrameSize(_) => 42,
            Self::Random(_) => 43,
            Self::TagsDifference(_) => 44,
            Self::TagsBitwiseAnd(_) => 45,
            Self::TagsBitwiseOr(_) => 46,
            Self::TagsBitwiseXor(_) => 47,
            Self::TagsEqual(_) => 48,
            Self::TagSender(_) => 49,
            Self::TagReceiver(_) => 50,
            Self::IntegerRange { .. } => 51,
            Self::Unknown { number, .. } => *number,
        }
    }

    /// True for types 0–15, known or not.
    pub const fn is_action(&self) -> bool {
        self.number() < 16
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Unknown { value, .. } => value.len(),
            known => known_len(known.number()).unwrap_or(0),
        }
    }

    fn parse_value(number: u8, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let what = "rule value";
        Ok(match number {
            0 => Self::Drop,
            1 => Self::Accept,
            2 => Self::Tee(forward(r)?),
            3 => Self::Watch(forward(r)?),
            4 => Self::Redirect(forward(r)?),
            5 => Self::Break,
            6 => Self::Priority,
            24 => Self::SourceAddress(Address::parse(r)?),
            25 => Self::DestinationAddress(Address::parse(r)?),
            26 => Self::VlanId(r.u16(what)?),
            27 => Self::VlanPcp(r.u8(what)?),
            28 => Self::VlanDei(r.u8(what)?),
            29 => Self::MacSource(Mac::parse(r)?),
            30 => Self::MacDestination(Mac::parse(r)?),
            31 => Self::Ipv4Source(ipv4(r)?),
            32 => Self::Ipv4Destination(ipv4(r)?),
            33 => Self::Ipv6Source(ipv6(r)?),
            34 => Self::Ipv6Destination(ipv6(r)?),
            35 => Self::IpTos { mask: r.u8(what)?, first: r.u8(what)?, last: r.u8(what)? },
            36 => Self::IpProtocol(r.u8(what)?),
            37 => Self::EtherType(r.u16(what)?),
            38 => Self::Icmp { kind: r.u8(what)?, code: r.u8(what)?, flags: r.u8(what)? },
            39 => Self::SourcePort(range(r)?),
            40 => Self::DestinationPort(range(r)?),
            41 => Self::Characteristics(r.u64(what)?),
            42 => Self::FrameSize(range(r)?),
            43 => Self::Random(r.u32(what)?),
            44 => Self::TagsDifference(tag(r)?),
            45 => Self::TagsBitwiseAnd(tag(r)?),
            46 => Self::TagsBitwiseOr(tag(r)?),
            47 => Self::TagsBitwiseXor(tag(r)?),
            48 => Self::TagsEqual(tag(r)?),
            49 => Self::TagSender(tag(r)?),
            50 => Self::TagReceiver(tag(r)?),
            51 => {
                Self::IntegerRange { first: r.u64(what)?, last: r.u64(what)?, index: r.u16(what)?, format: r.u8(what)? }
            }
            _ => Self::Unknown { number, value: r.rest().into() },
        })
    }

    fn emit_value(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Self::Drop | Self::Accept | Self::Break | Self::Priority => Ok(()),
            Self::Tee(f) | Self::Watch(f) | Self::Redirect(f) => {
                w.put_u64(f.address.as_u64())?;
                w.put_u32(f.flags)?;
                w.put_u16(f.length)
            }
            Self::SourceAddress(a) | Self::DestinationAddress(a) => a.emit(w),
            Self::VlanId(v) | Self::EtherType(v) => w.put_u16(*v),
            Self::VlanPcp(v) | Self::VlanDei(v) | Self::IpProtocol(v) => w.put_u8(*v),
            Self::MacSource(m) | Self::MacDestination(m) => m.emit(w),
            Self::Ipv4Source(p) | Self::Ipv4Destination(p) => {
                w.put_bytes(&p.ip.octets())?;
                w.put_u8(p.bits)
            }
            Self::Ipv6Source(p) | Self::Ipv6Destination(p) => {
                w.put_bytes(&p.ip.octets())?;
                w.put_u8(p.bits)
            }
            Self::IpTos { mask, first, last } => w.put_bytes(&[*mask, *first, *last]),
            Self::Icmp { kind, code, flags } => w.put_bytes(&[*kind, *code, *flags]),
            Self::SourcePort(p) | Self::DestinationPort(p) | Self::FrameSize(p) => {
                w.put_u16(*p.start())?;
                w.put_u16(*p.end())
            }
            Self::Characteristics(mask) => w.put_u64(*mask),
            Self::Random(v) => w.put_u32(*v),
            Self::TagsDifference(t)
            | Self::TagsBitwiseAnd(t)
            | Self::TagsBitwiseOr(t)
            | Self::TagsBitwiseXor(t)
            | Self::TagsEqual(t)
            | Self::TagSender(t)
            | Self::TagReceiver(t) => {
                w.put_u32(t.id)?;
                w.put_u32(t.value)
            }
            Self::IntegerRange { first, last, index, format } => {
                w.put_u64(*first)?;
                w.put_u64(*last)?;
                w.put_u16(*index)?;
                w.put_u8(*format)
            }
            Self::Unknown { value, .. } => w.put_bytes(value),
        }
    }
}

/// Value length of a known type.
const fn known_len(number: u8) -> Option<usize> {
    Some(match number {
        0 | 1 | 5 | 6 => 0,
        2..=4 => 14,
        24 | 25 | 31 | 32 => 5,
        26 | 37 => 2,
        27 | 28 | 36 => 1,
        29 | 30 => 6,
        33 | 34 => 17,
        35 | 38 => 3,
        39 | 40 | 42 | 43 => 4,
        41 | 44..=50 => 8,
        51 => 19,
        _ => return None,
    })
}

fn forward(r: &mut Reader<'_>) -> Result<Forward, ParseError> {
    let what = "rule target";
    let address = Address::new(r.u64(what)?);
    Ok(Forward { address, flags: r.u32(what)?, length: r.u16(what)? })
}

fn ipv4(r: &mut Reader<'_>) -> Result<Ipv4Prefix, ParseError> {
    let what = "rule IPv4 prefix";
    Ok(Ipv4Prefix { ip: r.array::<4>(what)?.into(), bits: r.u8(what)? })
}

fn ipv6(r: &mut Reader<'_>) -> Result<Ipv6Prefix, ParseError> {
    let what = "rule IPv6 prefix";
    Ok(Ipv6Prefix { ip: r.array::<16>(what)?.into(), bits: r.u8(what)? })
}

fn range(r: &mut Reader<'_>) -> Result<RangeInclusive<u16>, ParseError> {
    let what = "rule range";
    Ok(r.u16(what)?..=r.u16(what)?)
}

fn tag(r: &mut Reader<'_>) -> Result<TagMatch, ParseError> {
    let what = "rule tag";
    Ok(TagMatch { id: r.u32(what)?, value: r.u32(what)? })
}

/// One entry of a rule table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Type and value.
    pub kind: RuleKind,
    /// Inverts a match; without effect on actions.
    pub not: bool,
    /// Joins a match to the one before with OR; without effect on actions.
    pub or: bool,
}

impl From<RuleKind> for Rule {
    fn from(kind: RuleKind) -> Self {
        Self { kind, not: false, or: false }
    }
}

impl<'a> Parse<'a> for Rule {
    /// Quirk (04 §6.2): a known value is read at its fixed size, but the stated length is skipped.
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let head = r.u8("rule type")?;
        let stated = usize::from(r.u8("rule length")?);
        let number = head & 0x3f;
        let mut value = r.clone().sub(known_len(number).unwrap_or(stated), "rule value")?;
        let kind = RuleKind::parse_value(number, &mut value)?;
        r.bytes(stated, "rule value")?;
        Ok(Self { kind, not: head & RULE_NOT != 0, or: head & RULE_OR != 0 })
    }
}

impl Emit for Rule {
    fn encoded_len(&self) -> usize {
        2 + self.kind.value_len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        let not = if self.not { RULE_NOT } else { 0 };
        let or = if self.or { RULE_OR } else { 0 };
        w.put_u8(self.kind.number() & 0x3f | not | or)?;
        w.put_u8(u8::try_from(self.kind.value_len()).map_err(|_| BufferFull)?)?;
        self.kind.emit_value(w)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = if self.or { "or " } else { "" };
        let not = if self.not { "not " } else { "" };
        write!(f, "{or}{not}{:?}", self.kind)
    }
}

/// Rules with the bytes they were received as, if re-serialising would give others.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RuleTable {
    rules: Vec<Rule>,
    received: Option<Box<[u8]>>,
}

impl RuleTable {
    /// Reads exactly `n` rules.
    pub fn parse_count(r: &mut Reader<'_>, n: usize) -> Result<Self, ParseError> {
        let start = r.clone();
        // Grows with what is really there, not with what is claimed.
        let mut rules = Vec::with_capacity(n.min(r.remaining() / 2));
        for _ in 0..n {
            rules.push(Rule::parse(r)?);
        }
        let bytes = &start.peek_rest()[..r.position() - start.position()];
        Ok(Self::with_received(rules, bytes))
    }

    /// Reads rules until the end of `bytes`, as the blob `R` of a configuration.
    pub fn parse_blob(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self::with_received(crate::parse_all(bytes)?, bytes))
    }

    fn with_received(rules: Vec<Rule>, bytes: &[u8]) -> Self {
        let plain = Self { rules, received: None };
        if plain.to_vec() == bytes { plain } else { Self { received: Some(bytes.into()), ..plain } }
    }

    /// The rules.
    pub fn as_slice(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules, without the bytes they were received as.
    pub fn into_vec(self) -> Vec<Rule> {
        self.rules
    }
}

impl From<Vec<Rule>> for RuleTable {
    fn from(rules: Vec<Rule>) -> Self {
        Self { rules, received: None }
    }
}

impl Deref for RuleTable {
    type Target = [Rule];
    fn deref(&self) -> &[Rule] {
        &self.rules
    }
}

impl fmt::Debug for RuleTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.rules).finish()
    }
}

impl Emit for RuleTable {
    fn encoded_len(&self) -> usize {
        match &self.received {
            Some(bytes) => bytes.len(),
            None => crate::cursor::len_all(&self.rules),
        }
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        match &self.received {
            Some(bytes) => w.put_bytes(bytes),
            None => self.rules.iter().try_for_each(|rule| rule.emit(w)),
        }
    }
}
