//! Who is who: how identities become known.

pub(crate) mod fair_queue;
pub(crate) mod job;
pub(crate) mod strangers;
pub(crate) mod whois;
