//! ERROR (02 §6.6).

use core::fmt;

use crate::{BufferFull, Emit, MulticastGroup, NetworkId, PacketId, Parse, ParseError, Reader, Verb, Writer};

/// Code of an ERROR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u8);

#[expect(missing_docs, reason = "the names are those of the table in 02 §6.6")]
impl ErrorCode {
    pub const NONE: Self = Self(0);
    pub const INVALID_REQUEST: Self = Self(1);
    pub const BAD_PROTOCOL_VERSION: Self = Self(2);
    pub const OBJ_NOT_FOUND: Self = Self(3);
    pub const IDENTITY_COLLISION: Self = Self(4);
    pub const UNSUPPORTED_OPERATION: Self = Self(5);
    pub const NEED_MEMBERSHIP_CERTIFICATE: Self = Self(6);
    pub const NETWORK_ACCESS_DENIED: Self = Self(7);
    pub const UNWANTED_MULTICAST: Self = Self(8);
    pub const NETWORK_AUTHENTICATION_REQUIRED: Self = Self(9);
}

impl ErrorCode {
    /// Name as in 02 §6.6; `None` for unassigned codes.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NONE => "NONE",
            Self::INVALID_REQUEST => "INVALID_REQUEST",
            Self::BAD_PROTOCOL_VERSION => "BAD_PROTOCOL_VERSION",
            Self::OBJ_NOT_FOUND => "OBJ_NOT_FOUND",
            Self::IDENTITY_COLLISION => "IDENTITY_COLLISION",
            Self::UNSUPPORTED_OPERATION => "UNSUPPORTED_OPERATION",
            Self::NEED_MEMBERSHIP_CERTIFICATE => "NEED_MEMBERSHIP_CERTIFICATE",
            Self::NETWORK_ACCESS_DENIED => "NETWORK_ACCESS_DENIED",
            Self::UNWANTED_MULTICAST => "UNWANTED_MULTICAST",
            Self::NETWORK_AUTHENTICATION_REQUIRED => "NETWORK_AUTHENTICATION_REQUIRED",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "code 0x{:02x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// ERROR: something went wrong with another packet. Make it with the constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReply<'a> {
    /// Verb the error is about.
    pub in_re_verb: Verb,
    /// Packet the error is about.
    pub in_re_packet: PacketId,
    /// What went wrong.
    pub code: ErrorCode,
    /// What the code demands.
    pub detail: ErrorDetail<'a>,
    /// Trailing bytes.
    pub rest: &'a [u8],
}

/// Code-specific part of an ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDetail<'a> {
    /// Codes without a payload, and unassigned ones.
    Nothing,
    /// Codes 3, 5, 6, 7.
    Network(NetworkId),
    /// UNWANTED_MULTICAST.
    Group(NetworkId, MulticastGroup),
    /// NETWORK_AUTHENTICATION_REQUIRED, with a dictionary if there is a readable one.
    Authentication(NetworkId, Option<&'a [u8]>),
}

impl<'a> ErrorReply<'a> {
    /// An ERROR without a payload.
    pub const fn plain(in_re_verb: Verb, in_re_packet: PacketId, code: ErrorCode) -> Self {
        Self { in_re_verb, in_re_packet, code, detail: ErrorDetail::Nothing, rest: &[] }
    }

    /// An ERROR about a network.
    pub const fn network_error(in_re_verb: Verb, in_re_packet: PacketId, code: ErrorCode, network: NetworkId) -> Self {
        Self { detail: ErrorDetail::Network(network), ..Self::plain(in_re_verb, in_re_packet, code) }
    }

    /// NETWORK_AUTHENTICATION_REQUIRED in answer to a configuration request.
    pub const fn authentication_required(
        in_re_packet: PacketId,
        network: NetworkId,
        dictionary: Option<&'a [u8]>,
    ) -> Self {
        let (verb, code) = (Verb::NETWORK_CONFIG_REQUEST, ErrorCode::NETWORK_AUTHENTICATION_REQUIRED);
        let detail = ErrorDetail::Authentication(network, dictionary);
        Self { detail, ..Self::plain(verb, in_re_packet, code) }
    }

    /// The network the error is about, if the code has one.
    pub const fn network(&self) -> Option<NetworkId> {
        match self.detail {
            ErrorDetail::Nothing => None,
            ErrorDetail::Network(n) | ErrorDetail::Group(n, _) | ErrorDetail::Authentication(n, _) => Some(n),
        }
    }

    /// True for an authentication error whose dictionary overruns the packet: to be ignored (02 §6.6).
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.detail, ErrorDetail::Authentication(_, None)) && self.rest.len() > 2
    }
}

impl<'a> Parse<'a> for ErrorReply<'a> {
    fn parse(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let in_re_verb = Verb(r.u8("in-re verb")?);
        let in_re_packet = PacketId(r.u64("in-re packet ID")?);
        let code = ErrorCode(r.u8("error code")?);
        let detail = match code {
            ErrorCode::OBJ_NOT_FOUND
            | ErrorCode::UNSUPPORTED_OPERATION
            | ErrorCode::NEED_MEMBERSHIP_CERTIFICATE
            | ErrorCode::NETWORK_ACCESS_DENIED => ErrorDetail::Network(NetworkId::parse(r)?),
            ErrorCode::UNWANTED_MULTICAST => ErrorDetail::Group(NetworkId::parse(r)?, MulticastGroup::parse(r)?),
            ErrorCode::NETWORK_AUTHENTICATION_REQUIRED => {
                let network = NetworkId::parse(r)?;
                ErrorDetail::Authentication(network, authentication(r))
            }
            _ => ErrorDetail::Nothing,
        };
        Ok(Self { in_re_verb, in_re_packet, code, detail, rest: r.rest() })
    }
}

/// Takes the dictionary if more than two bytes are left and it fits; else takes nothing.
fn authentication<'a>(r: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut ahead = r.clone();
    if ahead.remaining() <= 2 {
        return None;
    }
    let n = ahead.u16("length of authentication data").ok()?;
    let dictionary = ahead.bytes(usize::from(n), "authentication data").ok()?;
    *r = ahead;
    Some(dictionary)
}

impl Emit for ErrorReply<'_> {
    fn encoded_len(&self) -> usize {
        let detail = match self.detail {
            ErrorDetail::Nothing => 0,
            ErrorDetail::Network(_) => 8,
            ErrorDetail::Group(..) => 18,
            ErrorDetail::Authentication(_, d) => 8 + d.map_or(0, |d| 2 + d.len()),
        };
        10 + detail + self.rest.len()
    }

    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        w.put_u8(self.in_re_verb.0)?;
        w.put_u64(self.in_re_packet.0)?;
        w.put_u8(self.code.0)?;
        match self.detail {
            ErrorDetail::Nothing => {}
            ErrorDetail::Network(n) => n.emit(w)?,
            ErrorDetail::Group(n, group) => {
                n.emit(w)?;
                group.emit(w)?;
            }
            ErrorDetail::Authentication(n, dictionary) => {
                n.emit(w)?;
                if let Some(d) = dictionary {
                    w.put_u16(u16::try_from(d.len()).map_err(|_| BufferFull)?)?;
                    w.put_bytes(d)?;
                }
            }
        }
        w.put_bytes(self.rest)
    }
}
