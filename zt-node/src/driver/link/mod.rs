//! Links: what carries the datagrams of a node.

pub(super) mod refusals;
pub(super) mod udp;
