//! When a path is suspected, and when it is trusted again.
//!
//! Free choice (03 §6, §15), decided by what we can know: **only our own probe answered on a path proves both of its
//! directions**. What we hear proves one; what we send, none. So:
//!
//! * While traffic leaves by a path, it is probed once a second, and sooner when nothing comes back.
//! * A probe unanswered after the measured round trip (`srtt + 4 rttvar`, at least 250 ms) puts the path in doubt:
//!   probes then follow each other quickly, without waiting for each to time out.
//! * The path is suspected when so many of them in a row are lost that, at the loss measured on it, chance does that
//!   about once in 10 000 times: 4 on a clean path, up to 12 on a lossy one.
//! * When traffic that came by a path stops, one probe is sent: if our address changed on the way (a NAT forgot us),
//!   this is what tells the other side.
//! * The peer itself shows that it has left the path (its packets come over a root): fewer lost probes are needed.
//! * A suspected path is probed behind; one answer brings it back.
//! * No traffic, no probes.

use std::time::Duration;

use zt_wire::{Mono, When};

/// Shortest time after which a probe counts as unanswered.
const RTO_FLOOR: Duration = Duration::from_millis(250);
/// Longest such time.
const RTO_CEILING: Duration = Duration::from_millis(3000);
/// Before the first measurement.
const RTO_UNKNOWN: Duration = Duration::from_millis(1000);
/// A path that carries our traffic is proved so often.
const PROVE_EVERY: Duration = Duration::from_millis(1000);
/// Sent and nothing heard for this long (or the round trip, if longer): probe.
const QUIET: Duration = Duration::from_millis(300);
/// Received traffic stopped for this long: probe once.
const STOPPED: Duration = Duration::from_millis(500);
/// Distance of probes while in doubt.
const DOUBT_SPACING: Duration = Duration::from_millis(90);
/// The same when the peer has shown that it left the path.
const LEFT_SPACING: Duration = Duration::from_millis(30);
/// Distance of probes on a suspected path, at first and later.
const BEHIND: Duration = Duration::from_millis(1000);
const BEHIND_LATER: Duration = Duration::from_millis(5000);
/// A suspected path is probed for this long after the peer's last traffic.
const INTEREST: Duration = Duration::from_millis(10_000);
/// Unanswered probes of a path in doubt after which the peer's other paths must prove themselves too.
const DEEP_DOUBT: usize = 3;
/// Lost probes that are enough when the peer has shown that it left the path.
const NEEDED_WHEN_LEFT: usize = 3;
/// Most probes awaiting an answer.
const MAX_OUTSTANDING: usize = 16;
/// Loss of a probe's round trip assumed on a path not yet known: 20 % each way.
const LOSS_PRIOR: f32 = 0.36;
/// Unanswered probes that say nothing as long as something is heard: their answers may be behind other traffic.
const LATE_ANSWERS: usize = 2;

/// Round trip estimate (RFC 6298).
#[derive(Clone, Copy, Debug, Default)]
struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
}

impl RoundTrip {
    fn sample(&mut self, rtt: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
    }

    /// After this time an answer is overdue.
    fn timeout(&self) -> Duration {
        self.smoothed.map_or(RTO_UNKNOWN, |s| (s + self.variation * 4).clamp(RTO_FLOOR, RTO_CEILING))
    }
}

/// What to send as a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Cheap; stock peers answer one per 166 ms and path.
    Echo,
    /// Answered without limit by peers that know us: used when probes follow each other quickly.
    Hello,
}

/// What is due on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this time (never: [`Mono::FAR`]).
    Wait(Mono),
    /// Send this, report it by [`Liveness::sent_probe`], ask again.
    Send(Probe),
    /// It has become suspect; ask again.
    Suspected,
}

/// Of one path: what its probes and its traffic say.
#[derive(Clone, Debug)]
pub(super) struct Liveness {
    rtt: RoundTrip,
    loss: f32,
    /// Share of probes lost lately, without assumptions.
    lost_lately: f32,
    /// Last probe answered.
    proved: Mono,
    /// Last valid packet.
    heard: Mono,
    /// First traffic sent since something was heard.
    unheard: When,
    last_traffic_out: When,
    last_traffic_in: When,
    /// When the probes awaiting an answer were sent.
    outstanding: Vec<Mono>,
    suspected: When,
    /// When the first of the probes was sent that made it suspect.
    doubt_began: Mono,
    /// The peer has shown that it left this path.
    left: bool,
    /// Something newer may have replaced it: not preferred until a probe is answered.
    doubted: bool,
    last_probe: When,
}

impl Liveness {
    /// State of a path that was just confirmed by an answer, which took so long if it answered a probe.
    pub(super) fn new(now: Mono, took: Option<Duration>) -> Self {
        let mut rtt = RoundTrip::default();
        if let Some(took) = took {
            rtt.sample(took);
        }
        Self {
            rtt,
            loss: LOSS_PRIOR,
            lost_lately: 0.0,
            proved: now,
            heard: now,
            unheard: When::NEVER,
            last_traffic_out: When::NEVER,
            last_traffic_in: When::NEVER,
            outstanding: Vec::new(),
            suspected: When::NEVER,
            doubt_began: Mono::ZERO,
            left: false,
            doubted: false,
            last_probe: When::NEVER,
        }
    }

    /// Measured round trip.
    pub(super) const fn latency(&self) -> Option<Duration> {
        self.rtt.smoothed
    }

    /// Measured round trip, and how much it varies.
    pub(super) fn round_trip(&self) -> Option<(Duration, Duration)> {
        self.rtt.smoothed.map(|smoothed| (smoothed, self.rtt.variation))
    }

    /// Share of probes lost lately.
    pub(super) const fn lost_lately(&self) -> f32 {
        self.lost_lately
    }

    /// Probes whose answers are overdue, as far as they say that the path has failed.
    pub(super) fn unanswered(&self, now: Mono) -> usize {
        let timeout = self.rtt.timeout();
        let overdue = self.outstanding.iter().filter(|sent| now.saturating_since(**sent) >= timeout).count();
        let heard = self.outstanding.first().is_some_and(|first| self.heard > *first);
        if heard { overdue.saturating_sub(LATE_ANSWERS) } else { overdue }
    }

    /// After this time an answer is overdue.
    pub(super) fn timeout(&self) -> Duration {
        self.rtt.timeout()
    }

    pub(super) const fn last_heard(&self) -> Mono {
        self.heard
    }

    pub(super) const fn is_suspected(&self) -> bool {
        self.suspected.has_come()
    }

    pub(super) const fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// In doubt after some unanswered probes: since when.
    pub(super) fn deep_doubt(&self) -> Option<Mono> {
        let deep = !self.suspected.has_come() && self.outstanding.len() >= DEEP_DOUBT;
        self.outstanding.first().copied().filter(|_| deep)
    }

    /// When the probes began that made it suspect.
    pub(super) const fn doubt_began(&self) -> Mono {
        self.doubt_began
    }

    pub(super) fn is_proved_since(&self, since: Mono) -> bool {
        self.proved >= since
    }

    pub(super) fn is_probed_since(&self, since: Mono) -> bool {
        self.last_probe >= When::at(since)
    }

    /// Another path of the peer is dead, and this one has not proved itself since: not trusted either.
    pub(super) fn suspect(&mut self, now: Mono) {
        self.doubt_began = self.outstanding.first().copied().unwrap_or(now);
        self.suspected = When::at(now);
        self.left = false;
        self.outstanding.clear();
    }

    /// The peer's packets come over a root. `said`: it says so on purpose, not by traffic that may cross with ours. True
    /// when the path is to be looked at now.
    pub(super) fn peer_left(&mut self, now: Mono, said: bool) -> bool {
        let timeout = self.rtt.timeout();
        let heard = !said && now.saturating_since(self.heard) < timeout;
        let proving = self.outstanding.is_empty() && self.last_probe.get().is_some_and(|t| t + PROVE_EVERY > now);
        if self.left || self.suspected.has_come() || heard || proving || now.saturating_since(self.proved) < timeout {
            return false;
        }
        self.left = true;
        true
    }

    /// Not proved for a while, and not being proved.
    pub(super) fn is_stale(&self, now: Mono) -> bool {
        self.outstanding.is_empty() && now.saturating_since(self.proved) >= PROVE_EVERY
    }

    /// The peer has shown up elsewhere: others are preferred until this path answers again.
    pub(super) const fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Whether traffic uses it in one direction or the other.
    pub(super) fn is_wanted(&self, now: Mono) -> bool {
        let lately = |at: When| at.since(now).is_some_and(|passed| passed < INTEREST);
        lately(self.last_traffic_out) || lately(self.last_traffic_in)
    }

    /// Traffic leaves by this path (or would, if it were not suspected). Returns when to look at it.
    pub(super) fn traffic_out(&mut self, now: Mono) -> Mono {
        self.last_traffic_out = When::at(now);
        let unheard = self.unheard.get_or_set(now);
        if self.suspected.has_come() {
            return self.behind_due();
        }
        if let Some(first) = self.outstanding.first() {
            return *first + self.rtt.timeout();
        }
        (self.proved + PROVE_EVERY).max(now).min(unheard + self.quiet())
    }

    /// Something valid arrived by this path. `traffic`: more than keep-alive. Returns when to look at it.
    pub(super) fn heard(&mut self, now: Mono, traffic: bool) -> Option<Mono> {
        self.heard = now;
        self.unheard = When::NEVER;
        if !traffic {
            return None;
        }
        self.last_traffic_in = When::at(now);
        (!self.suspected.has_come() && self.outstanding.is_empty()).then(|| now + self.stopped())
    }

    /// A probe left.
    pub(super) fn sent_probe(&mut self, now: Mono) {
        self.last_probe = When::at(now);
        if self.outstanding.len() == MAX_OUTSTANDING {
            self.outstanding.remove(0);
        }
        self.outstanding.push(now);
    }

    /// The answer to a probe sent at `sent`. True when the path was suspected or doubted.
    pub(super) fn answered(&mut self, sent: Mono, now: Mono) -> bool {
        self.rtt.sample(now.saturating_since(sent));
        self.proved = now;
        self.heard = now;
        self.unheard = When::NEVER;
        let timeout = self.rtt.timeout();
        let lost = self.outstanding.iter().filter(|s| **s < sent && now.saturating_since(**s) >= timeout).count();
        for _ in 0..lost {
            self.note_loss(1.0);
        }
        self.note_loss(0.0);
        self.outstanding.retain(|s| *s > sent);
        self.left = false;
        let doubted = std::mem::take(&mut self.doubted);
        std::mem::take(&mut self.suspected).has_come() || doubted
    }

    /// Our address changed: what was proved is proved no more.
    pub(super) fn shaken(&mut self, now: Mono) {
        self.proved = Mono::ZERO;
        self.unheard.get_or_set(now);
        self.last_traffic_out.get_or_set(now);
    }

    /// Nobody listened for `time`: answers that did not come say nothing, no path expires by that, and what was proved is
    /// proved no more.
    pub(super) fn resume(&mut self, now: Mono, time: Duration) {
        self.outstanding.clear();
        self.heard = (self.heard + time).min(now);
        self.shaken(now);
    }

    /// What is to be done now. `wanted`: the peer has traffic that would use the path if it worked.
    pub(super) fn due(&mut self, now: Mono, wanted: bool) -> Due {
        if self.suspected.has_come() {
            return self.due_behind(now, wanted);
        }
        if self.outstanding.is_empty() {
            return self.due_calm(now);
        }
        let timeout = self.rtt.timeout();
        let needed = self.needed(now);
        let overdue = self.outstanding.iter().filter(|s| now.saturating_since(**s) >= timeout).count();
        if overdue == 0 && !self.left {
            return Due::Wait(self.outstanding[0] + timeout);
        }
        if overdue >= needed {
            self.suspect(now);
            return Due::Suspected;
        }
        let last = self.outstanding.last().copied().unwrap_or(now);
        if self.outstanding.len() < needed {
            let at = last + if self.left { LEFT_SPACING } else { DOUBT_SPACING };
            return if now >= at { Due::Send(Probe::Hello) } else { Due::Wait(at) };
        }
        let next = self.outstanding.iter().map(|s| *s + timeout).find(|t| *t > now);
        Due::Wait(next.unwrap_or(now + DOUBT_SPACING))
    }

    fn due_calm(&self, now: Mono) -> Due {
        if self.left {
            return Due::Send(Probe::Hello);
        }
        let mut next = Mono::FAR;
        let mut consider = |at: Mono| next = next.min(at);
        if let Some(out) = self.last_traffic_out.get()
            && out > self.proved
        {
            consider(self.proved + PROVE_EVERY);
            if let Some(unheard) = self.unheard.get() {
                consider(unheard + self.quiet());
            }
        }
        if let Some(t) = self.last_traffic_in.get()
            && t > self.proved
        {
            consider(t + self.stopped());
        }
        if next <= now { Due::Send(Probe::Echo) } else { Due::Wait(next) }
    }

    fn due_behind(&mut self, now: Mono, wanted: bool) -> Due {
        if !wanted {
            return Due::Wait(Mono::FAR);
        }
        let at = self.behind_due();
        if now >= at { Due::Send(Probe::Hello) } else { Due::Wait(at) }
    }

    fn behind_due(&self) -> Mono {
        let since = self.suspected.get().unwrap_or(Mono::ZERO);
        let last = self.last_probe.get().unwrap_or(since);
        let spacing = if last.saturating_since(since) < Duration::from_secs(20) { BEHIND } else { BEHIND_LATER };
        last + spacing
    }

    /// Losses in a row that chance explains badly.
    fn needed(&self, now: Mono) -> usize {
        // Somewhat above ln(1e-4) / ln(loss), as the measured loss lags behind; a table is the same on every machine.
        const TABLE: [(f32, usize); 7] = [(0.04, 4), (0.08, 5), (0.12, 6), (0.16, 7), (0.22, 8), (0.30, 9), (0.42, 10)];
        if self.left {
            return NEEDED_WHEN_LEFT;
        }
        let by_loss = TABLE.iter().find(|(loss, _)| self.loss <= *loss).map_or(12, |(_, n)| *n);
        // The other direction works: only ours can be dead, or the answers are late behind other traffic.
        let hears = now.saturating_since(self.heard) < self.rtt.timeout();
        if hears { by_loss + 3 } else { by_loss }
    }

    fn note_loss(&mut self, lost: f32) {
        self.loss += (lost - self.loss) / 32.0;
        self.lost_lately += (lost - self.lost_lately) / 16.0;
    }

    fn quiet(&self) -> Duration {
        self.rtt.timeout().max(QUIET)
    }

    fn stopped(&self) -> Duration {
        self.rtt.timeout().max(STOPPED)
    }
}

#[cfg(test)]
mod tests;
