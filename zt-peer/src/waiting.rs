//! What waits for its other half, for an identity or for a route.

pub(crate) mod pending;
pub(crate) mod reassembly;
