//! What leaves, and what may be answered.

pub(crate) mod expect;
pub(crate) mod random;
