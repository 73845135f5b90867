//! Names for what was refused, and counters of them.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a datagram, packet or message had no effect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DropReason {
            /// All reasons, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Name as shown by `info --drops`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// Shorter than any packet, or a legacy LAN beacon (02 §2).
    NotAPacket = "not-a-packet",
    /// Longer than 10024 bytes (02 §1).
    TooLong = "too-long",
    /// Arrived by a link that is not there (any more).
    UnknownLink = "unknown-link",
    /// Claims to come from our own address (02 §5).
    FromOurself = "from-ourself",
    /// Source or destination is an address nobody can have.
    ReservedAddress = "reserved-address",
    /// For somebody else, and we do not relay for that sender (03 §4).
    NotOurRelay = "not-our-relay",
    /// Hop limit reached (03 §4).
    HopLimit = "hop-limit",
    /// No way to the destination of a relayed packet.
    NoRelayRoute = "no-relay-route",
    /// Fragment with impossible numbers (02 §3.4).
    BadFragment = "bad-fragment",
    /// Fragment or fragmented head that is already there.
    DuplicateFragment = "duplicate-fragment",
    /// Incomplete packet gave way to newer ones.
    ReassemblyFull = "reassembly-full",
    /// Incomplete packet grew too old.
    ReassemblyExpired = "reassembly-expired",
    /// Cipher number nobody has assigned.
    UnknownCipher = "unknown-cipher",
    /// Trusted path marking without a configured, non-zero ID (03 §13).
    UntrustedPath = "untrusted-path",
    /// Authentication failed.
    BadMac = "bad-mac",
    /// Authentic but readable packet of a verb that is never sent so.
    PlainVerb = "plain-verb",
    /// Compressed payload that does not decompress (02 §4).
    BadCompression = "bad-compression",
    /// Body shorter than its verb needs, or otherwise unreadable.
    Malformed = "malformed",
    /// Waited too long for the sender's identity or for credentials.
    DeferredExpired = "deferred-expired",
    /// Gave way to newer waiting packets.
    DeferredFull = "deferred-full",
    /// Packet to send waited too long for a route.
    SendExpired = "send-expired",
    /// Packet to send gave way to newer ones.
    SendQueueFull = "send-queue-full",
    /// HELLO whose protocol version is too old.
    OldProtocol = "old-protocol",
    /// HELLO whose identity is not that of its source address.
    ForgedHello = "forged-hello",
    /// HELLO of a stranger that found no place to wait: its source, or everybody, has all of its share.
    HelloGate = "hello-gate",
    /// Too many slow jobs already.
    TooManyJobs = "too-many-jobs",
    /// Identity that does not fit its address (01 §3.4).
    InvalidIdentity = "invalid-identity",
    /// Another identity is known for that address (01 §3.8).
    IdentityCollision = "identity-collision",
    /// HELLO older than one already seen.
    StaleHello = "stale-hello",
    /// OK or ERROR to something we did not ask (that peer, recently).
    NotExpected = "not-expected",
    /// WHOIS beyond the rate allowed.
    WhoisGate = "whois-gate",
    /// ECHO beyond the rate allowed.
    EchoGate = "echo-gate",
    /// PUSH_DIRECT_PATHS beyond the rate allowed.
    PushGate = "push-gate",
    /// RENDEZVOUS for a peer without traffic, in low-bandwidth mode.
    NoTraffic = "no-traffic",
    /// Only a root may send this.
    NotARoot = "not-a-root",
    /// Address that may not become a path (03 §8).
    UnusablePath = "unusable-path",
    /// Answer to an address that its peer has not proved, larger than what came from there.
    UnprovedPath = "unproved-path",
    /// World that was refused (03 §11).
    WorldRefused = "world-refused",
    /// Bonding message without a bond.
    NoBond = "no-bond",
    /// Bonding measurements beyond the rate allowed (03 §15.7).
    QosGate = "qos-gate",
    /// Bonding measurements of packets that we did not send there, or too long ago.
    QosUnknown = "qos-unknown",
    /// Requests for another path beyond the rate allowed (03 §15.7).
    NegotiationGate = "negotiation-gate",
    /// Copy of a frame that came by another path (broadcast).
    Copy = "copy",
    /// Own ERROR beyond one a second to a peer.
    ErrorGate = "error-gate",
    /// Message of a peer for which the owner has no room: it does not take events, or there are too many.
    MessagesFull = "messages-full",
    /// Question to the owner for which there is no room; it is asked again.
    QuestionsFull = "questions-full",
    /// The layer above refused it.
    Refused = "refused",
}

/// One counter per [`DropReason`].
#[derive(Clone, Debug)]
pub(crate) struct DropCounters([u64; DropReason::ALL.len()]);

impl DropCounters {
    pub(crate) const fn new() -> Self {
        Self([0; DropReason::ALL.len()])
    }

    pub(crate) fn add(&mut self, reason: DropReason) {
        if let Some(n) = self.0.get_mut(reason as usize) {
            *n += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.0[reason as usize]))
    }
}
