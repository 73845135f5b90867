//! The ZeroTier packet codec: bytes and meaning, no cryptography, no I/O.
