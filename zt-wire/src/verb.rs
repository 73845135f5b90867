//! Verbs, message bodies, and the single place where a verb number chooses a layout (02 §6).

use core::fmt;

use crate::{BufferFull, Emit, Parse, ParseError, Reader, Writer};

pub mod config_request;
pub mod credentials;
mod display;
pub mod echo;
pub mod error;
pub mod ext_frame;
pub mod frame;
pub mod hello;
pub mod multicast_frame;
pub mod multicast_gather;
pub mod multicast_like;
pub mod netconf;
pub mod ok;
pub mod push_paths;
pub mod qos;
pub mod rendezvous;
pub mod small;
pub mod trace;
pub mod user;
pub mod whois;

pub use config_request::NetworkConfigRequest;
pub use credentials::{CredentialsEnd, NetworkCredentials};
pub use echo::{Echo, OkEcho};
pub use error::{ErrorCode, ErrorDetail, ErrorReply};
pub use ext_frame::{ExtFrame, OkExtFrame};
pub use frame::Frame;
pub use hello::{Hello, OkHello, WorldVersion, emit_moons, parse_moons};
pub use multicast_frame::{MulticastFrame, OkMulticastFrame};
pub use multicast_gather::{GatherResults, MulticastGather, OkMulticastGather};
pub use multicast_like::{MulticastLike, Subscription};
pub use netconf::{ChunkSeal, ConfigAck, ConfigChunk, NetworkConfig, NetworkConfigRefresh};
pub use ok::{OkBody, OkReply};
pub use push_paths::{PathAddress, PathRecord, PushDirectPaths};
pub use qos::{QosMeasurement, QosRecord};
pub use rendezvous::Rendezvous;
pub use small::{Ack, Nop, PathNegotiationRequest, Unknown};
pub use trace::RemoteTrace;
pub use user::UserMessage;
pub use whois::{OkWhois, Whois};

/// Number of a verb: 5 bits in a packet, a whole byte as "in-re verb".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verb(pub u8);

macro_rules! verbs {
    ($($number:literal $name:ident $text:literal)*) => {
        #[expect(missing_docs, reason = "the names are those of the table in 02 §6.1")]
        impl Verb {
            $(pub const $name: Self = Self($number);)*

            /// Name as in 02 §6.1; `None` for unassigned numbers.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

verbs! {
    0x00 NOP "NOP"
    0x01 HELLO "HELLO"
    0x02 ERROR "ERROR"
    0x03 OK "OK"
    0x04 WHOIS "WHOIS"
    0x05 RENDEZVOUS "RENDEZVOUS"
    0x06 FRAME "FRAME"
    0x07 EXT_FRAME "EXT_FRAME"
    0x08 ECHO "ECHO"
    0x09 MULTICAST_LIKE "MULTICAST_LIKE"
    0x0a NETWORK_CREDENTIALS "NETWORK_CREDENTIALS"
    0x0b NETWORK_CONFIG_REQUEST "NETWORK_CONFIG_REQUEST"
    0x0c NETWORK_CONFIG "NETWORK_CONFIG"
    0x0d MULTICAST_GATHER "MULTICAST_GATHER"
    0x0e MULTICAST_FRAME "MULTICAST_FRAME"
    0x0f SET_EPHEMERAL_KEY "SET_EPHEMERAL_KEY"
    0x10 PUSH_DIRECT_PATHS "PUSH_DIRECT_PATHS"
    0x11 CIRCUIT_TEST "CIRCUIT_TEST"
    0x12 ACK "ACK"
    0x13 QOS_MEASUREMENT "QOS_MEASUREMENT"
    0x14 USER_MESSAGE "USER_MESSAGE"
    0x15 REMOTE_TRACE "REMOTE_TRACE"
    0x16 PATH_NEGOTIATION_REQUEST "PATH_NEGOTIATION_REQUEST"
}

impl Verb {
    /// True if the reference sends this verb authenticated but not encrypted (02 §6.1).
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::HELLO | Self::ACK | Self::QOS_MEASUREMENT | Self::PATH_NEGOTIATION_REQUEST)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "verb 0x{:02x}", self.0),
        }
    }
}

impl fmt::Debug for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message body: a payload that knows its verb. Object safe.
pub trait Body: Emit + fmt::Debug {
    /// Verb of the packet that carries it.
    fn verb(&self) -> Verb;
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $verb:ident;)*) => {
        /// A parsed payload. The variants borrow from the payload.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message<'a> {
            $($(#[$doc])* $name($ty),)*
            /// Unassigned or deprecated verb, or a USER_MESSAGE too short to have a type: ignored, but received.
            Unknown(Unknown<'a>),
        }

        impl<'a> Message<'a> {
            /// Reads the payload (decrypted and decompressed) of a packet with this verb.
            pub fn parse(verb: Verb, payload: &'a [u8]) -> Result<Self, ParseError> {
                let mut r = Reader::new(payload);
                match verb {
                    Verb::USER_MESSAGE if payload.len() < UserMessage::MIN_LEN => {
                        Ok(Self::Unknown(Unknown { verb, body: payload }))
                    }
                    $(Verb::$verb => Parse::parse(&mut r).map(Self::$name),)*
                    _ => Ok(Self::Unknown(Unknown { verb, body: payload })),
                }
            }

            /// The message as an object that can be sent.
            pub fn as_body(&self) -> &(dyn Body + 'a) {
                match self {
                    $(Self::$name(m) => m,)*
                    Self::Unknown(m) => m,
                }
            }
        }

        $(impl<'a> Body for $ty {
            fn verb(&self) -> Verb {
                Verb::$verb
            }
        })*

        $(impl<'a> From<$ty> for Message<'a> {
            fn from(m: $ty) -> Self {
                Self::$name(m)
            }
        })*
    };
}

messages! {
    /// NOP (02 §6.23).
    Nop(Nop<'a>) = NOP;
    /// HELLO (02 §6.2).
    Hello(Hello<'a>) = HELLO;
    /// ERROR (02 §6.6).
    Error(ErrorReply<'a>) = ERROR;
    /// OK (02 §6.4).
    Ok(OkReply<'a>) = OK;
    /// WHOIS (02 §6.7).
    Whois(Whois<'a>) = WHOIS;
    /// RENDEZVOUS (02 §6.8).
    Rendezvous(Rendezvous<'a>) = RENDEZVOUS;
    /// FRAME (02 §6.9).
    Frame(Frame<'a>) = FRAME;
    /// EXT_FRAME (02 §6.10).
    ExtFrame(ExtFrame<'a>) = EXT_FRAME;
    /// ECHO (02 §6.11).
    Echo(Echo<'a>) = ECHO;
    /// MULTICAST_LIKE (02 §6.12).
    MulticastLike(MulticastLike<'a>) = MULTICAST_LIKE;
    /// NETWORK_CREDENTIALS (02 §6.13).
    NetworkCredentials(NetworkCredentials<'a>) = NETWORK_CREDENTIALS;
    /// NETWORK_CONFIG_REQUEST (02 §6.14).
    NetworkConfigRequest(NetworkConfigRequest<'a>) = NETWORK_CONFIG_REQUEST;
    /// NETWORK_CONFIG (02 §6.13).
    NetworkConfig(NetworkConfig<'a>) = NETWORK_CONFIG;
    /// MULTICAST_GATHER (02 §6.15).
    MulticastGather(MulticastGather<'a>) = MULTICAST_GATHER;
    /// MULTICAST_FRAME (02 §6.16).
    MulticastFrame(MulticastFrame<'a>) = MULTICAST_FRAME;
    /// PUSH_DIRECT_PATHS (02 §6.17).
    PushDirectPaths(PushDirectPaths<'a>) = PUSH_DIRECT_PATHS;
    /// ACK (02 §6.18).
    Ack(Ack<'a>) = ACK;
    /// QOS_MEASUREMENT (02 §6.19).
    QosMeasurement(QosMeasurement<'a>) = QOS_MEASUREMENT;
    /// USER_MESSAGE (02 §6.20).
    UserMessage(UserMessage<'a>) = USER_MESSAGE;
    /// REMOTE_TRACE (02 §6.21).
    RemoteTrace(RemoteTrace<'a>) = REMOTE_TRACE;
    /// PATH_NEGOTIATION_REQUEST (02 §6.22).
    PathNegotiationRequest(PathNegotiationRequest) = PATH_NEGOTIATION_REQUEST;
}

impl Body for Unknown<'_> {
    fn verb(&self) -> Verb {
        self.verb
    }
}

impl Message<'_> {
    /// Verb of the message.
    pub fn verb(&self) -> Verb {
        self.as_body().verb()
    }
}

impl Emit for Message<'_> {
    fn encoded_len(&self) -> usize {
        self.as_body().encoded_len()
    }
    fn emit(&self, w: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.as_body().emit(w)
    }
}

impl Body for Message<'_> {
    fn verb(&self) -> Verb {
        self.verb()
    }
}

/// The bit if the field it announces is there.
const fn flag(bit: u8, there: bool) -> u8 {
    if there { bit } else { 0 }
}
