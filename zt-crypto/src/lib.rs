//! Keys, identities and packet armor of the ZeroTier protocol.
