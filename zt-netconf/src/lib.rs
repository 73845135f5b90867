//! ZeroTier VL2 (virtual networks, credentials, controller) as pure state machines.
