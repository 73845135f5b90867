//! ZeroTier VL1 (peers, paths, roots) as one pure state machine.
