//! One connection at a server.

use std::time::Duration;

use zt_wire::Mono;

use super::cause::Cause;
use super::endpoints::Endpoints;
use super::limits::Limits;
use super::sources::Source;

/// A client greets within this time.
const GREETING: Duration = Duration::from_secs(10);
/// A record that was begun ends within this time, and what waits for a client moves.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Client {
    pub(super) source: Source,
    pub(super) since: Mono,
    pub(super) has_greeted: bool,
    pub(super) endpoints: Endpoints,
    /// Bytes that wait for it.
    pub(super) queued: usize,
    /// Something went to or came from it last then.
    pub(super) used: Mono,
    /// It is in the middle of a record since then.
    pub(super) inside: Option<Mono>,
    /// Something waits for it and nothing was written since then.
    pub(super) waits: Option<Mono>,
    /// It is looked at then.
    pub(super) looked_at: Mono,
}

impl Client {
    pub(super) fn new(now: Mono, source: Source) -> Self {
        Self {
            source,
            since: now,
            has_greeted: false,
            endpoints: Endpoints::default(),
            queued: 0,
            used: now,
            inside: None,
            waits: None,
            looked_at: now,
        }
    }

    /// When it is closed, and why, if nothing happens.
    pub(super) fn end(&self, limits: &Limits) -> (Mono, Cause) {
        let greeting = (!self.has_greeted).then(|| (self.since + GREETING, Cause::LateGreeting));
        let cut = self.inside.map(|since| (since + PATIENCE, Cause::CutRecord));
        let stalled = self.waits.map(|since| (since + PATIENCE, Cause::Stalled));
        let idle = (self.used + limits.idle, Cause::Idle);
        [greeting, cut, stalled].into_iter().flatten().fold(idle, |a, b| if b.0 < a.0 { b } else { a })
    }
}
