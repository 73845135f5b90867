//! Why something had no effect, in all parts of a node.

use core::fmt;

/// Why a datagram, packet or frame had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// VL1 refused it.
    Vl1(zt_peer::DropReason),
    /// VL2 refused it.
    Vl2(zt_netconf::DropReason),
    /// A datagram of this node came out of one of its ports: the tunnel would be inside itself.
    OwnPacket,
    /// A trace from somebody who was not asked for it.
    UnaskedTrace,
    /// It was to be sent and did not leave.
    Unsent(Unsent),
    /// More frames at once than a port takes.
    PortQueueFull,
    /// A frame that is longer than the port's MTU.
    PortFrameTooLong,
    /// A frame that the host did not take.
    PortFrameRefused,
    /// A frame for a network whose port is not there.
    NoPort,
}

/// Why a datagram that was decided did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unsent {
    /// The local address, or its interface, is gone.
    AddressGone,
    /// Another error of the host.
    Failed,
    /// The host forbids it.
    Forbidden,
    /// The host has no memory for it.
    NoMemory,
    /// The host has no way to the destination, or the link does not lead there.
    NoRoute,
    /// No connection leads there, and none is to be made.
    NoConnection,
    /// It is longer than the link takes.
    TooLong,
    /// The link took nothing for so long that no more could wait for it.
    QueueFull,
    /// The link ended before it left.
    LinkGone,
    /// There was no such link any more.
    NoLink,
}

impl DropReason {
    /// Name as shown by `info --drops`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vl1(reason) => reason.name(),
            Self::Vl2(reason) => reason.name(),
            Self::OwnPacket => "own packet in a port",
            Self::UnaskedTrace => "trace not asked for",
            Self::Unsent(cause) => cause.name(),
            Self::PortQueueFull => "port queue full",
            Self::PortFrameTooLong => "port frame too long",
            Self::PortFrameRefused => "port frame refused by the host",
            Self::NoPort => "no port",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Unsent {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::AddressGone,
        Self::Failed,
        Self::Forbidden,
        Self::NoMemory,
        Self::NoRoute,
        Self::NoConnection,
        Self::TooLong,
        Self::QueueFull,
        Self::LinkGone,
        Self::NoLink,
    ];

    /// Name as shown by `info --drops`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRoute => "send-no-route",
            Self::NoConnection => "send-no-connection",
            Self::Forbidden => "send-forbidden",
            Self::NoMemory => "send-no-memory",
            Self::TooLong => "send-too-long",
            Self::AddressGone => "send-address-gone",
            Self::Failed => "send-failed",
            Self::QueueFull => "link-queue-full",
            Self::LinkGone => "link-gone",
            Self::NoLink => "no-link",
        }
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
