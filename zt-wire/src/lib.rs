#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod batch;
pub mod credential;
pub mod cursor;
pub mod datagram;
pub mod dictionary;
pub mod error;
pub mod ether;
pub mod flow;
pub mod fragment;
pub mod gate;
pub mod ident;
pub mod identity;
pub mod inet;
pub mod lane;
pub mod lz4;
pub mod mss;
pub mod netconf;
mod number;
pub mod packet;
pub mod prefix;
pub mod raw_ethernet;
pub mod record;
pub mod rules;
pub mod tcp_relay;
pub mod time;
pub mod train;
pub mod tunnel;
pub mod verb;
pub mod version;
pub mod world;

#[doc(inline)]
pub use batch::FrameBatch;
#[doc(inline)]
pub use credential::capability::{Capability, Custody};
#[doc(inline)]
pub use credential::membership::{Membership, Qualifier};
#[doc(inline)]
pub use credential::ownership::{Ownership, Thing};
#[doc(inline)]
pub use credential::revocation::Revocation;
#[doc(inline)]
pub use credential::tag::Tag;
#[doc(inline)]
pub use credential::{Credential, CredentialKind, Signature};
#[doc(inline)]
pub use cursor::{Emit, Parse, Reader, Writer, emit_all, parse_all, parse_until_error};
#[doc(inline)]
pub use datagram::{Datagram, LanBeacon, classify};
#[doc(inline)]
pub use dictionary::{Dictionary, DictionaryWriter};
#[doc(inline)]
pub use error::{BufferFull, ParseError, TextError};
#[doc(inline)]
pub use ether::EthernetRef;
#[doc(inline)]
pub use flow::FlowId;
#[doc(inline)]
pub use fragment::Fragment;
#[doc(inline)]
pub use gate::{Gate, Gates, Pace};
#[doc(inline)]
pub use ident::{Address, Mac, MulticastGroup, NetworkId, PacketId};
#[doc(inline)]
pub use identity::Identity;
#[doc(inline)]
pub use inet::{InetAddress, Scope};
#[doc(inline)]
pub use lane::Lane;
#[doc(inline)]
pub use packet::{Cipher, Opened, Packet, write_header};
#[doc(inline)]
pub use prefix::IpPrefix;
#[doc(inline)]
pub use rules::{Rule, RuleKind, RuleTable};
#[doc(inline)]
pub use time::{Mono, Now, When};
#[doc(inline)]
pub use verb::{Body, Message, Verb};
#[doc(inline)]
pub use version::SoftwareVersion;
#[doc(inline)]
pub use world::{Root, World, WorldKind};
