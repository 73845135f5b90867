//! Names for what a server refuses, drops and closes, and counters of them.

use std::fmt;

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a connection was refused or closed, or a datagram dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Cause {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Name as shown to people and scripts.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

causes! {
    /// Refused: all places are taken.
    Full = "refused-full",
    /// Refused: the source has as many connections as one may have.
    SourceFull = "refused-source-full",
    /// Refused: the source connects too often.
    SourcePace = "refused-source-pace",
    /// Closed: what it sends are no records.
    NotARecord = "closed-not-a-record",
    /// Closed: its first record is no greeting.
    NoGreeting = "closed-no-greeting",
    /// Closed: it did not greet in time.
    LateGreeting = "closed-late-greeting",
    /// Closed before it greeted, for somebody else.
    GaveWay = "closed-gave-way",
    /// Closed: a record was begun and not ended.
    CutRecord = "closed-cut-record",
    /// Closed: it reads nothing.
    Stalled = "closed-stalled",
    /// Closed: no traffic for long.
    Idle = "closed-idle",
    /// Closed: no UDP socket can be had for it.
    NoSocket = "closed-no-socket",
    /// A record of a length that nothing has (03 §16.3).
    BadLength = "bad-length",
    /// A record with an address type that is not served.
    AddressType = "address-type",
    /// Longer than any datagram of the protocol.
    TooLong = "too-long",
    /// Shorter than 16 bytes.
    TooShort = "too-short",
    /// To a port below 1025, where other services are.
    LowPort = "low-port",
    /// To or from an address that is not one of the Internet, and not allowed.
    ForbiddenAddress = "forbidden-address",
    /// Not of the protocol.
    NotAPacket = "not-a-packet",
    /// To an endpoint that has not answered, more than is needed to find out.
    Unanswered = "unanswered",
    /// From an endpoint that nothing was sent to, for somebody else.
    Uninvited = "uninvited",
    /// Above the rate of the source.
    AboveRate = "above-rate",
    /// The client reads too slowly.
    SlowClient = "slow-client",
    /// What waits for all clients takes all the memory there is for it.
    MemoryFull = "memory-full",
    /// The system did not send it.
    NotSent = "not-sent",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a server has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    causes: [u64; Cause::ALL.len()],
    /// Connections taken.
    pub connections: u64,
    /// Datagrams sent as UDP.
    pub datagrams_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Datagrams of UDP passed on to clients.
    pub datagrams_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
}

impl Counts {
    pub(super) fn add(&mut self, cause: Cause) {
        self.causes[cause as usize] += 1;
    }

    /// How often something was refused, closed or dropped for a cause.
    #[must_use]
    pub fn of(&self, cause: Cause) -> u64 {
        self.causes[cause as usize]
    }

    /// All causes that there were.
    pub fn causes(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        Cause::ALL.iter().map(|cause| (*cause, self.of(*cause))).filter(|(_, count)| *count > 0)
    }
}
