//! The links of the node, and what is allowed on them.

pub(crate) mod desperation;
pub(crate) mod path_consent;
pub(crate) mod path_mtu;
pub(crate) mod path_policy;
