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
    /// The host did not send it: the address it was to leave from is gone.
    SendAddressGone,
    /// The host did not send it, for a cause without a name here.
    SendFailed,
    /// The host does not allow it to be sent.
    SendForbidden,
    /// The host had no memory to send it.
    SendNoMemory,
    /// The host knows no way there.
    SendNoRoute,
    /// The host found it too long to send.
    SendTooLong,
    /// More frames at once than a port takes.
    PortQueueFull,
    /// A frame that is longer than the port's MTU.
    PortFrameTooLong,
    /// A frame that the host did not take.
    PortFrameRefused,
    /// A frame for a network whose port is not there.
    NoPort,
}

impl DropReason {
    /// Name as shown by `info --drops`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vl1(reason) => reason.name(),
            Self::Vl2(reason) => reason.name(),
            Self::OwnPacket => "own packet in a port",
            Self::SendAddressGone => "send-address-gone",
            Self::SendFailed => "send-failed",
            Self::SendForbidden => "send-forbidden",
            Self::SendNoMemory => "send-no-memory",
            Self::SendNoRoute => "send-no-route",
            Self::SendTooLong => "send-too-long",
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
