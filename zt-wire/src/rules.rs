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

/// A type of service to compare with: the masked byte lies in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TosMatch {
    /// Bits that count.
    pub mask: u8,
    /// Least value.
    pub first: u8,
    /// Greatest value.
    pub last: u8,
}

/// An ICMP message to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpMatch {
    /// Type.
    pub kind: u8,
    /// Code; significant if bit 0 of the flags is set.
    pub code: u8,
    /// Flags.
    pub flags: u8,
}

/// An integer inside the frame to compare with. Values as on the wire; evaluation keeps only 32 bits of `last - first`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntegerMatch {
    /// Least value.
    pub first: u64,
    /// Greatest value.
    pub last: u64,
    /// Where in the frame.
    pub index: u16,
    /// Size and order of the integer.
    pub format: u8,
}

/// One type of rule, as the table of 04 §6.2 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleType {
    /// Number, 0–63.
    pub number: u8,
    /// Name, in the JSON form and, behind a prefix, in C.
    pub name: &'static str,
    /// Fields of the JSON form (04 §6.10), in the order of the binary value; `None`: it has no JSON form.
    pub fields: Option<&'static [Field]>,
}

/// How one field of a rule is written in the binary value and in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Big-endian integer of this many bytes; a JSON number.
    Int(&'static str, usize),
    /// As `Int`, 2 bytes, absent from JSON: equal to the field before it.
    End(&'static str),
    /// ZeroTier address in this many bytes; 10 hex digits.
    Address(&'static str, usize),
    /// 6 bytes; `aa:bb:cc:dd:ee:ff`.
    Mac(&'static str),
    /// 4 bytes of address and a prefix length; `address/bits`.
    Ip4(&'static str),
    /// 16 bytes of address and a prefix length; `address/bits`.
    Ip6(&'static str),
    /// 8 bytes; 16 hex digits, or a number on input.
    Mask(&'static str),
    /// Type, code, flags (1: the code counts); `icmpType`, `icmpCode`.
    Icmp,
    /// Bytes without a JSON field, always zero.
    Zero(usize),
}

impl Field {
    /// Length in the binary value, bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Int(_, size) | Self::Address(_, size) | Self::Zero(size) => size,
            Self::End(_) => 2,
            Self::Mac(_) => 6,
            Self::Ip4(_) => 5,
            Self::Ip6(_) => 17,
            Self::Mask(_) => 8,
            Self::Icmp => 3,
        }
    }
}

/// What types without a JSON form have: the reference controller drops them on input.
macro_rules! fields {
    () => {
        None
    };
    ([$($field:expr),*]) => {
        Some(&[$($field),*])
    };
}

/// Makes everything that a number, a name or a size of a rule's type is needed for out of one line for each.
macro_rules! rules {
    ($($number:literal $text:literal $name:ident $(($value:ident: $ty:ty))? $(json $fields:tt)?;)*) => {
        /// Type and value of a rule.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the table in 04 §6.2")]
        pub enum RuleKind {
            $($name $(($ty))?,)*
            /// Type without a meaning here; actions are 0–15, matches 16–63.
            Unknown {
                number: u8,
                value: Box<[u8]>,
            },
        }

        /// All known types, by ascending number.
        pub const RULE_TYPES: &[RuleType] =
            &[$(RuleType { number: $number, name: $text, fields: fields!($($fields)?) }),*];

        impl RuleKind {
            /// Type number, 0–63.
            pub const fn number(&self) -> u8 {
                match self {
                    $(Self::$name { .. } => $number,)*
                    Self::Unknown { number, .. } => *number,
                }
            }

            /// Name as in 04 §6.2; `None` for types without a meaning here.
            pub const fn name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name { .. } => Some($text),)*
                    Self::Unknown { .. } => None,
                }
            }

            fn parse_value(number: u8, r: &mut Reader<'_>) -> Result<Self, ParseError> {
                Ok(match number {
                    $($number => Self::$name $((<$ty as RuleValue>::read(r)?))?,)*
                    _ => Self::Unknown { number, value: r.rest().into() },
                })
            }

            fn emit_value(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
                match self {
                    $(Self::$name $(($value))? => {
                        $($value.write(w)?;)?
                        Ok(())
                    })*
                    Self::Unknown { value, .. } => w.put_bytes(value),
                }
            }
        }

        /// Value length of a known type.
        const fn known_len(number: u8) -> Option<usize> {
            match number {
                $($number => Some(0 $(+ <$ty as RuleValue>::LEN)?),)*
                _ => None,
            }
        }
    };
}

rules! {
    0 "ACTION_DROP" Drop json [];
    1 "ACTION_ACCEPT" Accept json [];
    2 "ACTION_TEE" Tee(v: Forward) json [Field::Address("address", 8), Field::Int("flags", 4), Field::Int("length", 2)];
    3 "ACTION_WATCH" Watch(v: Forward) json [Field::Address("address", 8), Field::Int("flags", 4), Field::Int("length", 2)];
    4 "ACTION_REDIRECT" Redirect(v: Forward) json [Field::Address("address", 8), Field::Int("flags", 4), Field::Zero(2)];
    5 "ACTION_BREAK" Break json [];
    6 "ACTION_PRIORITY" Priority;
    24 "MATCH_SOURCE_ZEROTIER_ADDRESS" SourceAddress(v: Address) json [Field::Address("zt", 5)];
    25 "MATCH_DEST_ZEROTIER_ADDRESS" DestinationAddress(v: Address) json [Field::Address("zt", 5)];
    26 "MATCH_VLAN_ID" VlanId(v: u16) json [Field::Int("vlanId", 2)];
    27 "MATCH_VLAN_PCP" VlanPcp(v: u8) json [Field::Int("vlanPcp", 1)];
    28 "MATCH_VLAN_DEI" VlanDei(v: u8) json [Field::Int("vlanDei", 1)];
    29 "MATCH_MAC_SOURCE" MacSource(v: Mac) json [Field::Mac("mac")];
    30 "MATCH_MAC_DEST" MacDestination(v: Mac) json [Field::Mac("mac")];
    31 "MATCH_IPV4_SOURCE" Ipv4Source(v: Ipv4Prefix) json [Field::Ip4("ip")];
    32 "MATCH_IPV4_DEST" Ipv4Destination(v: Ipv4Prefix) json [Field::Ip4("ip")];
    33 "MATCH_IPV6_SOURCE" Ipv6Source(v: Ipv6Prefix) json [Field::Ip6("ip")];
    34 "MATCH_IPV6_DEST" Ipv6Destination(v: Ipv6Prefix) json [Field::Ip6("ip")];
    35 "MATCH_IP_TOS" IpTos(v: TosMatch) json [Field::Int("mask", 1), Field::Int("start", 1), Field::Int("end", 1)];
    36 "MATCH_IP_PROTOCOL" IpProtocol(v: u8) json [Field::Int("ipProtocol", 1)];
    37 "MATCH_ETHERTYPE" EtherType(v: u16) json [Field::Int("etherType", 2)];
    38 "MATCH_ICMP" Icmp(v: IcmpMatch) json [Field::Icmp];
    39 "MATCH_IP_SOURCE_PORT_RANGE" SourcePort(v: RangeInclusive<u16>) json [Field::Int("start", 2), Field::End("end")];
    40 "MATCH_IP_DEST_PORT_RANGE" DestinationPort(v: RangeInclusive<u16>) json [Field::Int("start", 2), Field::End("end")];
    41 "MATCH_CHARACTERISTICS" Characteristics(v: u64) json [Field::Mask("mask")];
    42 "MATCH_FRAME_SIZE_RANGE" FrameSize(v: RangeInclusive<u16>) json [Field::Int("start", 2), Field::End("end")];
    43 "MATCH_RANDOM" Random(v: u32) json [Field::Int("probability", 4)];
    44 "MATCH_TAGS_DIFFERENCE" TagsDifference(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    45 "MATCH_TAGS_BITWISE_AND" TagsBitwiseAnd(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    46 "MATCH_TAGS_BITWISE_OR" TagsBitwiseOr(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    47 "MATCH_TAGS_BITWISE_XOR" TagsBitwiseXor(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    48 "MATCH_TAGS_EQUAL" TagsEqual(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    49 "MATCH_TAG_SENDER" TagSender(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    50 "MATCH_TAG_RECEIVER" TagReceiver(v: TagMatch) json [Field::Int("id", 4), Field::Int("value", 4)];
    51 "INTEGER_RANGE" IntegerRange(v: IntegerMatch);
}

impl RuleKind {
    /// The first number of a match; those below are actions.
    pub const FIRST_MATCH: u8 = 16;

    /// True for types 0–15, known or not.
    pub const fn is_action(&self) -> bool {
        self.number() < Self::FIRST_MATCH
    }

    /// What a match about tags asks for (04 §6.5).
    pub const fn tag(&self) -> Option<TagMatch> {
        match self {
            Self::TagsDifference(tag)
            | Self::TagsBitwiseAnd(tag)
            | Self::TagsBitwiseOr(tag)
            | Self::TagsBitwiseXor(tag)
            | Self::TagsEqual(tag)
            | Self::TagSender(tag)
            | Self::TagReceiver(tag) => Some(*tag),
            _ => None,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Unknown { value, .. } => value.len(),
            known => known_len(known.number()).unwrap_or(0),
        }
    }
}

/// A value of a rule: always of the same length.
trait RuleValue: Sized {
    const LEN: usize;
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError>;
    fn write(&self, w: &mut Writer<'_>) -> Result<(), BufferFull>;
}

const WHAT: &str = "rule value";

/// Values in their own words: length, reader, writer.
macro_rules! rule_values {
    ($($ty:ty: $len:literal, |$r:ident| $read:expr, |$v:ident, $w:ident| $write:expr;)*) => {
        $(impl RuleValue for $ty {
            const LEN: usize = $len;
            fn read($r: &mut Reader<'_>) -> Result<Self, ParseError> {
                Ok($read)
            }
            fn write(&self, $w: &mut Writer<'_>) -> Result<(), BufferFull> {
                let $v = self;
                $write
            }
        })*
    };
}

rule_values! {
    u8: 1, |r| r.u8(WHAT)?, |v, w| w.put_u8(*v);
    u16: 2, |r| r.u16(WHAT)?, |v, w| w.put_u16(*v);
    u32: 4, |r| r.u32(WHAT)?, |v, w| w.put_u32(*v);
    u64: 8, |r| r.u64(WHAT)?, |v, w| w.put_u64(*v);
    Address: 5, |r| Parse::parse(r)?, |v, w| v.emit(w);
    Mac: 6, |r| Parse::parse(r)?, |v, w| v.emit(w);
    RangeInclusive<u16>: 4, |r| r.u16("rule range")?..=r.u16("rule range")?, |v, w| {
        w.put_u16(*v.start())?;
        w.put_u16(*v.end())
    };
    Ipv4Prefix: 5, |r| Self { ip: r.array::<4>("rule IPv4 prefix")?.into(), bits: r.u8("rule IPv4 prefix")? }, |v, w| {
        w.put_bytes(&v.ip.octets())?;
        w.put_u8(v.bits)
    };
    Ipv6Prefix: 17, |r| Self { ip: r.array::<16>("rule IPv6 prefix")?.into(), bits: r.u8("rule IPv6 prefix")? }, |v, w| {
        w.put_bytes(&v.ip.octets())?;
        w.put_u8(v.bits)
    };
    Forward: 14, |r| {
        let address = Address::new(r.u64("rule target")?);
        Self { address, flags: r.u32("rule target")?, length: r.u16("rule target")? }
    }, |v, w| {
        w.put_u64(v.address.as_u64())?;
        w.put_u32(v.flags)?;
        w.put_u16(v.length)
    };
    TagMatch: 8, |r| Self { id: r.u32("rule tag")?, value: r.u32("rule tag")? }, |v, w| {
        w.put_u32(v.id)?;
        w.put_u32(v.value)
    };
    TosMatch: 3, |r| Self { mask: r.u8(WHAT)?, first: r.u8(WHAT)?, last: r.u8(WHAT)? }, |v, w| {
        w.put_bytes(&[v.mask, v.first, v.last])
    };
    IcmpMatch: 3, |r| Self { kind: r.u8(WHAT)?, code: r.u8(WHAT)?, flags: r.u8(WHAT)? }, |v, w| {
        w.put_bytes(&[v.kind, v.code, v.flags])
    };
    IntegerMatch: 19, |r| {
        Self { first: r.u64(WHAT)?, last: r.u64(WHAT)?, index: r.u16(WHAT)?, format: r.u8(WHAT)? }
    }, |v, w| {
        w.put_u64(v.first)?;
        w.put_u64(v.last)?;
        w.put_u16(v.index)?;
        w.put_u8(v.format)
    };
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// The fields of the JSON form cover the binary value, whose length is what is written.
    #[test]
    fn each_line_of_the_table_says_one_thing() {
        assert!(RULE_TYPES.is_sorted_by(|a, b| a.number < b.number));
        for known in RULE_TYPES {
            let len = known_len(known.number).expect("a known type");
            let kind = RuleKind::parse_value(known.number, &mut Reader::new(&vec![0; len])).expect("whole");
            assert_eq!((kind.number(), kind.name()), (known.number, Some(known.name)));
            assert_eq!(Rule::from(kind).to_vec().len(), 2 + len, "{}", known.name);
            if let Some(fields) = known.fields {
                assert_eq!(fields.iter().map(|field| field.size()).sum::<usize>(), len, "{}", known.name);
            }
        }
        assert_eq!((known_len(7), known_len(52)), (None, None));
    }
}
