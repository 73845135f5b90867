#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod credential;
pub mod cursor;
pub mod datagram;
pub mod dictionary;
pub mod error;
pub mod ether;
pub mod fragment;
pub mod ident;
pub mod identity;
pub mod inet;
pub mod lz4;
pub mod netconf;
mod number;
pub mod packet;
pub mod rules;
pub mod time;
pub mod verb;
pub mod world;

pub use credential::capability::{Capability, Custody};
pub use credential::membership::{Membership, Qualifier};
pub use credential::ownership::{Ownership, Thing};
pub use credential::revocation::Revocation;
pub use credential::tag::Tag;
pub use credential::{Credential, CredentialKind, Signature};
pub use cursor::{Emit, Parse, Reader, Writer, emit_all, parse_all, parse_until_error};
pub use datagram::{Datagram, LanBeacon, classify};
pub use dictionary::{Dictionary, DictionaryWriter};
pub use error::{BufferFull, ParseError, TextError};
pub use ether::EthernetRef;
pub use fragment::Fragment;
pub use ident::{Address, Mac, MulticastGroup, NetworkId, PacketId};
pub use identity::Identity;
pub use inet::{InetAddress, Scope};
pub use packet::{Cipher, Packet, write_header};
pub use rules::{Rule, RuleKind, RuleTable};
pub use time::{Mono, Now};
pub use verb::{Body, Message, Verb};
pub use world::{Root, World, WorldKind};
