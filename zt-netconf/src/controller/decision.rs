//! What an operator of a controller hears of: who asks, who is let in, what comes and goes.

use core::fmt;

use zt_wire::ident::{Address, NetworkId};

use super::member::Member;

/// Something that happened to a network of ours; told once it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// A network was made.
    Created(NetworkId),
    /// A network was removed with its members.
    Removed(NetworkId),
    /// A node asks for the first time, and waits to be let in.
    Asked(NetworkId, Address),
    /// A node was let in: by an administrator, or because its network lets everybody in.
    Authorized(NetworkId, Address),
    /// A member may not take part any more.
    Deauthorized(NetworkId, Address),
    /// A member was forgotten.
    Forgotten(NetworkId, Address),
}

impl Decision {
    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        match self {
            Self::Created(network) | Self::Removed(network) => *network,
            Self::Asked(network, _)
            | Self::Authorized(network, _)
            | Self::Deauthorized(network, _)
            | Self::Forgotten(network, _) => *network,
        }
    }

    /// The member, if it is about one.
    #[must_use]
    pub fn member(&self) -> Option<Address> {
        match self {
            Self::Created(_) | Self::Removed(_) => None,
            Self::Asked(_, member)
            | Self::Authorized(_, member)
            | Self::Deauthorized(_, member)
            | Self::Forgotten(_, member) => Some(*member),
        }
    }

    /// What the change of a member says.
    pub(super) fn of_member(held: Option<&Member>, new: &Member) -> Option<Self> {
        let (network, address) = (new.network, new.address);
        match (held.map(|held| held.authorized), new.authorized) {
            (Some(false) | None, true) => Some(Self::Authorized(network, address)),
            (Some(true), false) => Some(Self::Deauthorized(network, address)),
            // One that an administrator entered before it was heard of has asked nothing.
            (None, false) if new.binding.identity().is_some() => Some(Self::Asked(network, address)),
            (Some(false), false) if held.is_some_and(|held| held.binding.identity().is_none()) => {
                new.binding.identity().map(|_| Self::Asked(network, address))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created(_) => f.write_str("network made"),
            Self::Removed(_) => f.write_str("network removed, with its members"),
            Self::Asked(network, member) => {
                write!(f, "a node asks to join and waits; `zt member auth {network} {member}` lets it in")
            }
            Self::Authorized(..) => f.write_str("member let in"),
            Self::Deauthorized(..) => f.write_str("member shut out"),
            Self::Forgotten(..) => f.write_str("member forgotten"),
        }
    }
}
