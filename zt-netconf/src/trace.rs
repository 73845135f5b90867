//! Remote trace: what a member tells a node that its controller named (04 §8).

use std::borrow::Cow;

use zt_wire::dictionary::Dictionary;
use zt_wire::ident::{Address, NetworkId};
use zt_wire::verb::RemoteTrace;

use crate::rules::RULE_LOG_LEN;

/// How much of a network is traced (04 §8). Any number is a level; these have names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceLevel(pub u64);

impl TraceLevel {
    /// Paths and credentials.
    pub const NORMAL: Self = Self(0);
    /// And dropped frames.
    pub const VERBOSE: Self = Self(10);
    /// And each decision of the rules.
    pub const RULES: Self = Self(15);
    /// Nothing more; defined by the protocol.
    pub const DEBUG: Self = Self(20);
    /// Nothing more; defined by the protocol.
    pub const INSANE: Self = Self(30);

    /// The named levels, ascending.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("normal", Self::NORMAL),
        ("verbose", Self::VERBOSE),
        ("rules", Self::RULES),
        ("debug", Self::DEBUG),
        ("insane", Self::INSANE),
    ];

    /// The level of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }
}

/// Number of a traced event (02 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceEvent(pub u16);

macro_rules! events {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl TraceEvent {
            $(#[doc = concat!("\"", $text, "\".")] pub const $name: Self = Self($number);)*

            /// All events with a name, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The event in words; `None` for a number without a meaning.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    RESETTING_PATHS = 0x1000, "resetting paths in scope";
    CONFIRMING_PATH = 0x1001, "confirming unknown path";
    LEARNED_PATH = 0x1002, "learned new path";
    REDIRECTED = 0x1003, "peer redirected";
    PACKET_MAC_FAILURE = 0x1004, "packet MAC failure";
    PACKET_INVALID = 0x1005, "packet invalid";
    DROPPED_HELLO = 0x1006, "dropped HELLO";
    OUTGOING_DROPPED = 0x2000, "outgoing frame dropped";
    ACCESS_DENIED = 0x2001, "incoming access denied";
    INCOMING_DROPPED = 0x2002, "incoming frame dropped";
    CREDENTIAL_REJECTED = 0x2003, "credential rejected";
    CREDENTIAL_ACCEPTED = 0x2004, "credential accepted";
    CONFIG_REQUESTED = 0x2005, "config request sent";
    FILTER = 0x2006, "filter trace";
}

impl TraceEvent {
    /// The level from which a network's target gets it, `None` for those that only a target of the whole node gets (04 §8).
    pub const fn level(self) -> Option<TraceLevel> {
        match self {
            Self::RESETTING_PATHS
            | Self::CONFIRMING_PATH
            | Self::LEARNED_PATH
            | Self::REDIRECTED
            | Self::CREDENTIAL_REJECTED => Some(TraceLevel::NORMAL),
            Self::OUTGOING_DROPPED | Self::ACCESS_DENIED | Self::INCOMING_DROPPED => Some(TraceLevel::VERBOSE),
            Self::FILTER => Some(TraceLevel::RULES),
            _ => None,
        }
    }
}

impl core::fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "event {:04x}", self.0),
        }
    }
}

/// Keys of a trace (02 §9) that this implementation reads or writes.
pub mod key {
    /// The event, four hex digits.
    pub const EVENT: &str = "event";
    /// The network it is about.
    pub const NETWORK: &str = "networkId";
    /// A peer: of a path, of a packet.
    pub const REMOTE: &str = "remoteZtAddr";
    /// Where that peer is, `IP/port`.
    pub const REMOTE_AT: &str = "remotePhyAddr";
    /// Our side of a path.
    pub const LOCAL_AT: &str = "localPhyAddr";
    /// Scope of an address.
    pub const SCOPE: &str = "phyAddrIpScope";
    /// The packet.
    pub const PACKET: &str = "packetId";
    /// Its verb.
    pub const VERB: &str = "packetVerb";
    /// Sender of a frame.
    pub const SOURCE: &str = "sourceZtAddr";
    /// Receiver of a frame.
    pub const DESTINATION: &str = "destZtAddr";
    /// MAC of the sender.
    pub const SOURCE_MAC: &str = "sourceMac";
    /// MAC of the receiver.
    pub const DESTINATION_MAC: &str = "destMac";
    /// EtherType.
    pub const ETHERTYPE: &str = "etherType";
    /// VLAN ID, always 0.
    pub const VLAN: &str = "vlanId";
    /// Bytes of payload.
    pub const LENGTH: &str = "frameLength";
    /// The first of them.
    pub const DATA: &str = "frameData";
    /// The decision was about a copy, or one of several recipients.
    pub const NO_TEE: &str = "filterNoTee";
    /// The frame came in.
    pub const INBOUND: &str = "filterInbound";
    /// 0 drop, 1 accept, 2 super-accept.
    pub const RESULT: &str = "filterResult";
    /// Four bits for each rule of the network.
    pub const BASE_LOG: &str = "filterBaseRuleLog";
    /// The same of the capability that accepted.
    pub const CAPABILITY_LOG: &str = "filterCapRuleLog";
    /// ID of that capability.
    pub const CAPABILITY: &str = "filterMatchingCapId";
    /// Type of a credential.
    pub const CREDENTIAL: &str = "credType";
    /// Its ID.
    pub const CREDENTIAL_ID: &str = "credId";
    /// When it was made.
    pub const CREDENTIAL_TIME: &str = "credTs";
    /// Whose it is.
    pub const CREDENTIAL_HOLDER: &str = "credIssuedTo";
    /// Whom a revocation is about.
    pub const CREDENTIAL_TARGET: &str = "credRevocationTarget";
    /// Why.
    pub const REASON: &str = "reason";
}

/// One dictionary that a member sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// When it arrived, milliseconds since 1970.
    pub at: i64,
    /// Who sent it.
    pub member: Address,
    /// What happened.
    pub event: TraceEvent,
    /// The network it is about; `None` for some events of VL1.
    pub network: Option<NetworkId>,
    text: Vec<u8>,
}

impl TraceRecord {
    /// Reads a dictionary; `None` when it names no event or is too long.
    pub fn read(at: i64, member: Address, text: &[u8]) -> Option<Self> {
        if text.len() > RemoteTrace::MAX_DICTIONARY_LEN {
            return None;
        }
        let dictionary = Dictionary::new(text);
        let event = TraceEvent(u16::try_from(dictionary.u64(key::EVENT, 0)).ok().filter(|event| *event != 0)?);
        let network = Some(NetworkId(dictionary.u64(key::NETWORK, 0))).filter(|network| network.0 != 0);
        Some(Self { at, member, event, network, text: text.to_vec() })
    }

    /// All keys and values, in the order sent. A stranger chose them: keys may repeat and be anything.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, [u8]>)> {
        Dictionary::new(&self.text).entries().map(|(key, value)| (String::from_utf8_lossy(key), value))
    }

    /// A value.
    pub fn get(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        Dictionary::new(&self.text).get(key)
    }

    /// A number; `None` when it is not told.
    pub fn number(&self, key: &str) -> Option<u64> {
        let dictionary = Dictionary::new(&self.text);
        dictionary.get(key).filter(|value| !value.is_empty()).map(|_| dictionary.u64(key, 0))
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

/// What a rule log says of one rule (04 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedRule {
    /// The match before NOT; `None` when it was not evaluated.
    pub plain: Option<bool>,
    /// The state of its set before it; `None` for actions, and after the end.
    pub set: Option<bool>,
}

/// Reads a rule log: one entry for each rule, also beyond the end of the table.
pub fn rule_log(log: &[u8]) -> impl Iterator<Item = LoggedRule> + '_ {
    let state = |bits: u8| match bits & 3 {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    };
    log.iter()
        .take(RULE_LOG_LEN)
        .flat_map(|byte| [byte & 15, byte >> 4])
        .map(move |four| LoggedRule { plain: state(four >> 2), set: state(four) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read_whatever_else_is_in_it() {
        let member = Address::new(0x1_2345_6789);
        let text = b"event=2006\nnetworkId=8056c2e21c000001\nreason=a\\nb\nodd=\xff\nfilterResult=0000000000000002";
        let record = TraceRecord::read(7, member, text).expect("a trace");
        assert_eq!((record.event, record.network), (TraceEvent::FILTER, Some(NetworkId(0x8056_c2e2_1c00_0001))));
        assert_eq!(record.number(key::RESULT), Some(2));
        assert_eq!(record.number(key::LENGTH), None);
        assert_eq!(record.get(key::REASON).as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(record.fields().count(), 5);
        for none in [&b"reason=x"[..], b"event=", b"event=0", b"event=12345", b"event=zz"] {
            assert_eq!(TraceRecord::read(7, member, none), None);
        }
        let long = [b"event=1000\nx=".to_vec(), vec![b'x'; RemoteTrace::MAX_DICTIONARY_LEN]].concat();
        assert_eq!(TraceRecord::read(7, member, &long), None);
        assert_eq!(TraceEvent(0x1234).to_string(), "event 1234");
    }

    #[test]
    fn events_reach_a_network_from_their_level_on() {
        let level = |event: TraceEvent| event.level().map(|level| level.0);
        let levels: Vec<_> = TraceEvent::ALL.iter().map(|event| (event.0, level(*event))).collect();
        let expected = [
            (0x1000, Some(0)),
            (0x1001, Some(0)),
            (0x1002, Some(0)),
            (0x1003, Some(0)),
            (0x1004, None),
            (0x1005, None),
            (0x1006, None),
            (0x2000, Some(10)),
            (0x2001, Some(10)),
            (0x2002, Some(10)),
            (0x2003, Some(0)),
            (0x2004, None),
            (0x2005, None),
            (0x2006, Some(15)),
        ];
        assert_eq!(levels, expected);
        assert_eq!(TraceLevel::named("rules"), Some(TraceLevel::RULES));
    }

    #[test]
    fn a_rule_log_has_four_bits_for_each_rule() {
        let rules: Vec<_> = rule_log(&[0x1a, 0x60]).collect();
        let rule = |plain, set| LoggedRule { plain, set };
        let expected =
            [rule(Some(true), Some(true)), rule(None, Some(false)), rule(None, None), rule(Some(false), Some(true))];
        assert_eq!(rules, expected);
        assert_eq!(rule_log(&[0; 4096]).count(), 1024, "no longer than the longest table");
    }
}
