//! Why something was not taken, by name, and how often.

/// Why a message, frame or part of one was refused; each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The message belongs to a network that is not joined.
    NotJoined,
    /// The network has no configuration yet.
    NotConfigured,
    /// The sender's certificate is missing or does not agree with ours (04 §4.6).
    NotMember,
    /// The peer's certificate was revoked.
    PeerRevoked,
    /// The recipient of a multicast frame has shown no certificate that agrees with ours: the copy waits for it.
    RecipientUnproven,
    /// Our own certificate was revoked.
    SelfRevoked,
    /// A rule said DROP.
    RuleDrop,
    /// A rule asked for a header that the frame hides from rules.
    RuleEvaded,
    /// A rule redirected the frame: it does not go where it was meant to go.
    Redirected,
    /// No rule accepted the frame.
    RuleNoMatch,
    /// The rules would let the frame pass if its sender held something that it has not shown: it was asked, and the frame
    /// waits. Counted for each try.
    CredentialsAwaited,
    /// The source MAC of the frame is zero, a group, or our own.
    InvalidSource,
    /// The sender used a MAC that is not its own and is no active bridge (04 §8 event 2002).
    BridgingRemote,
    /// The frame is for a MAC behind us and we are no active bridge.
    BridgingLocal,
    /// A frame of a foreign MAC came from our port and we are no active bridge.
    NotABridge,
    /// The network has broadcast disabled.
    BroadcastDisabled,
    /// The network has a multicast limit of 0.
    MulticastDisabled,
    /// A multicast frame is addressed to a MAC that is no group.
    InvalidDestination,
    /// An answer names members of a group that its sender was not asked about.
    NotAsked,
    /// The destination MAC stands for a reserved address.
    ReservedDestination,
    /// Nobody is known to bridge to the destination MAC.
    NoBridge,
    /// The message or frame holds no data.
    Empty,
    /// The frame is longer than a packet can carry.
    TooLong,
    /// The chunk lies outside its configuration or the configuration is too long.
    ChunkRange,
    /// The same chunk was taken before.
    ChunkDuplicate,
    /// The chunk's signature is not the controller's.
    ChunkSignature,
    /// An unsigned configuration came from someone who is not the controller.
    ChunkUnsigned,
    /// The identity of a signer is not known (asked for).
    SignerUnknown,
    /// An assembled configuration cannot be read.
    ConfigMalformed,
    /// The configuration is for another node or network.
    ConfigForOther,
    /// The configuration is older than the one held and answers no request of ours.
    ConfigOlder,
    /// A credential is malformed; the rest of the message is discarded.
    CredentialMalformed,
    /// Credentials come from this peer too often.
    CredentialRate,
    /// A credential was refused: revoked, older than the one held, or wrongly signed.
    CredentialRefused,
    /// The message is for a controller and came from, or to, someone else.
    NotController,
    /// The peer may not use our subscription service for this network.
    NotAuthorised,
    /// A table is full.
    TableFull,
    /// An error to this peer was held back (one a second).
    ErrorRate,
    /// A trace for the target of the network was held back: so many in a second and no more.
    TraceRate,
    /// The verb is none of VL2.
    Unhandled,
}

impl DropReason {
    /// All reasons, in order of declaration.
    pub const ALL: [Self; 40] = [
        Self::NotJoined,
        Self::NotConfigured,
        Self::NotMember,
        Self::PeerRevoked,
        Self::RecipientUnproven,
        Self::SelfRevoked,
        Self::RuleDrop,
        Self::RuleEvaded,
        Self::Redirected,
        Self::RuleNoMatch,
        Self::CredentialsAwaited,
        Self::InvalidSource,
        Self::BridgingRemote,
        Self::BridgingLocal,
        Self::NotABridge,
        Self::BroadcastDisabled,
        Self::MulticastDisabled,
        Self::InvalidDestination,
        Self::NotAsked,
        Self::ReservedDestination,
        Self::NoBridge,
        Self::Empty,
        Self::TooLong,
        Self::ChunkRange,
        Self::ChunkDuplicate,
        Self::ChunkSignature,
        Self::ChunkUnsigned,
        Self::SignerUnknown,
        Self::ConfigMalformed,
        Self::ConfigForOther,
        Self::ConfigOlder,
        Self::CredentialMalformed,
        Self::CredentialRate,
        Self::CredentialRefused,
        Self::NotController,
        Self::NotAuthorised,
        Self::TableFull,
        Self::ErrorRate,
        Self::TraceRate,
        Self::Unhandled,
    ];

    /// Name of the counter, as shown to an operator.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotJoined => "network not joined",
            Self::NotConfigured => "network not configured",
            Self::NotMember => "not a member",
            Self::PeerRevoked => "peer revoked",
            Self::RecipientUnproven => "recipient without certificate",
            Self::SelfRevoked => "own membership revoked",
            Self::RuleDrop => "dropped by rule",
            Self::RuleEvaded => "header hidden from rules",
            Self::Redirected => "redirected by rule",
            Self::RuleNoMatch => "no rule accepts",
            Self::CredentialsAwaited => "credentials awaited",
            Self::InvalidSource => "invalid source mac",
            Self::BridgingRemote => "bridging not allowed (remote)",
            Self::BridgingLocal => "bridging not allowed (local)",
            Self::NotABridge => "not a bridge",
            Self::BroadcastDisabled => "broadcast disabled",
            Self::MulticastDisabled => "multicast disabled",
            Self::InvalidDestination => "destination is no group",
            Self::ReservedDestination => "reserved destination",
            Self::NoBridge => "no bridge known",
            Self::Empty => "no data",
            Self::TooLong => "frame too long",
            Self::ChunkRange => "configuration chunk out of range",
            Self::ChunkDuplicate => "configuration chunk repeated",
            Self::ChunkSignature => "configuration not signed by controller",
            Self::ChunkUnsigned => "unsigned configuration not from controller",
            Self::SignerUnknown => "signer unknown",
            Self::ConfigMalformed => "configuration malformed",
            Self::ConfigForOther => "configuration for another node or network",
            Self::ConfigOlder => "configuration older than ours",
            Self::CredentialMalformed => "credential malformed",
            Self::CredentialRate => "credentials too often",
            Self::CredentialRefused => "credential refused",
            Self::NotController => "not from or for the controller",
            Self::NotAsked => "members not asked for",
            Self::NotAuthorised => "subscription service refused",
            Self::TableFull => "table full",
            Self::ErrorRate => "error held back",
            Self::TraceRate => "trace held back",
            Self::Unhandled => "verb not handled",
        }
    }
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Counters, one for each [`DropReason`].
#[derive(Clone, Debug)]
pub(crate) struct Drops([u64; DropReason::ALL.len()]);

impl Drops {
    pub(crate) const fn new() -> Self {
        Self([0; DropReason::ALL.len()])
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        let slot = &mut self.0[reason as usize];
        *slot = slot.saturating_add(1);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.0[reason as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_at_its_own_index() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index, "{reason}");
        }
        let names: std::collections::BTreeSet<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
    }

    #[test]
    fn counts_are_kept_apart() {
        let mut drops = Drops::new();
        drops.count(DropReason::RuleDrop);
        drops.count(DropReason::RuleDrop);
        let seen: Vec<_> = drops.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(seen, vec![(DropReason::RuleDrop, 2)]);
    }
}
