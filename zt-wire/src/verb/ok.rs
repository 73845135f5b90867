//! OK (02 §6.4): the answer to another verb.

use crate::{BufferFull, Emit, PacketId, Parse, ParseError, Reader, Verb, Writer};

use super::{ConfigChunk, OkEcho, OkExtFrame, OkHello, OkMulticastFrame, OkMulticastGather, OkWhois, Unknown};

/// OK: processed only if the packet it answers is known to have been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct OkReply<'a> {
    /// ID of the packet being answered, as it was on the wire.
    pub in_re_packet: PacketId,
    /// What is answered and how.
    pub body: OkBody<'a>,
}

/// Body of an OK by the verb it answers.
#[derive(Clone, Debug, PartialEq)]
pub enum OkBody<'a> {
    /// OK(HELLO).
    Hello(OkHello<'a>),
    /// OK(WHOIS).
    Whois(OkWhois<'a>),
    /// OK(ECHO); also acknowledges NETWORK_CONFIG, see [`ConfigAck`](super::ConfigAck).
    Echo(OkEcho<'a>),
    /// OK(EXT_FRAME).
    ExtFrame(OkExtFrame<'a>),
    /// OK(NETWORK_CONFIG_REQUEST).
    NetworkConfig(ConfigChunk<'a>),
    /// OK(MULTICAST_GATHER).
    MulticastGather(OkMulticastGather<'a>),
    /// OK(MULTICAST_FRAME).
    MulticastFrame(OkMulticastFrame<'a>),
    /// OK to another verb, ignored: the verb and what follows the packet ID.
    Other(Unknown<'a>),
}

impl OkBody<'_> {
    /// The verb being answered.
    pub const fn in_re_verb(&self) -> Verb {
        match self {
            Self::Hello(_) => Verb::HELLO,
            Self::Whois(_) => Verb::WHOIS,
            Self::Echo(_) => Verb::ECHO,
            Self::ExtFrame(_) => Verb::EXT_FRAME,
            Self::NetworkConfig(_) => Verb::NETWORK_CONFIG_REQUEST,
            Self::MulticastGather(_) => Verb::MULTICAST_GATHER,
            Self::MulticastFrame(_) => Verb::MULTICAST_FRAME,
            Self::Other(other) => other.verb,
        }
    }

    fn as_emit(&self) -> &dyn Emit {
        match self {
            Self::Hello(b) => b,
            Self::Whois(b) => b,
            Self::Echo(b) => b,
            Self::ExtFrame(b) => b,
            Self::NetworkConfig(b) => b,
            Self::MulticastGather(b) => b,
            Self::MulticastFrame(b) => b,
            Self::Other(b) => b,
        }
    }
}

impl OkReply<'_> {
    /// The verb being answered.
    pub const fn in_re_verb(&self) -> Verb {
        self.body.in_re_verb()
    }
}

impl<'a> Parse<'a> for OkReply<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let verb = Verb(r.u8("in-re verb")?);
        let in_re_packet = PacketId(r.u64("in-re packet ID")?);
        let body = match verb {
            Verb::HELLO => OkBody::Hello(Parse::parse(r)?),
            Verb::WHOIS => OkBody::Whois(Parse::parse(r)?),
            Verb::ECHO => OkBody::Echo(Parse::parse(r)?),
            Verb::EXT_FRAME => OkBody::ExtFrame(Parse::parse(r)?),
            Verb::NETWORK_CONFIG_REQUEST => OkBody::NetworkConfig(Parse::parse(r)?),
            Verb::MULTICAST_GATHER => OkBody::MulticastGather(Parse::parse(r)?),
            Verb::MULTICAST_FRAME => OkBody::MulticastFrame(Parse::parse(r)?),
            _ => OkBody::Other(Unknown { verb, body: r.rest() }),
        };
        Ok(Self { in_re_packet, body })
    }
}

impl Emit for OkReply<'_> {
    fn encoded_len(&self) -> usize {
        9 + self.body.as_emit().encoded_len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.in_re_verb().0)?;
        w.put_u64(self.in_re_packet.0)?;
        self.body.as_emit().emit(w)
    }
}
