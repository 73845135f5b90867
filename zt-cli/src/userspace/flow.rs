//! What one connection may send, and what of it was lost: congestion control and recovery in front of smoltcp.
//!
//! smoltcp sends again one segment after three duplicate acknowledgements, and for each further one that was lost in the
//! same window it waits a second, then two, four, eight: a burst of losses stops a transfer for good. It also has no
//! selective acknowledgements to send by. So each connection has one of these between it and the wire:
//!
//! * the window in what comes is made no wider than the congestion window, so that smoltcp sends no more;
//! * what was lost is known from selective acknowledgements and from silence, and smoltcp is then made to send again by
//!   what it understands: three duplicate acknowledgements, which are made here;
//! * of what it sends again, what the other side has is left out.
//!
//! Time is in microseconds and comes in.

use super::segment::{ACK, FIN, RST, SYN, Segment, distance};

/// Most payload of one long segment: what smoltcp sends at once, and sends again at once.
pub(super) const LONG: usize = 61_000;
/// Segments that a new connection may send at once (RFC 6928).
const FIRST_WINDOW: u64 = 10;
/// The congestion window after a loss, in tenths (RFC 9438).
const KEPT: u64 = 7;
/// RFC 9438 §4.1.3, in segments per cubic second.
const CUBIC: f64 = 0.4;
/// Wider than any buffer here.
const WIDEST: u64 = 16 << 20;
/// Ranges that are remembered as received; more are not needed for what fits a window.
const RANGES: usize = 64;
/// Silence after which something in flight counts as lost, at least and at most.
const PATIENCE: std::ops::RangeInclusive<i64> = 30_000..=900_000;
/// A receiver may hold back an acknowledgement for so long.
const DELAYED_ACK: i64 = 25_000;
/// What is sent again is sent once more after a round trip and this, at the earliest.
const GUARD: i64 = 2_000;
/// Silences in a row after which smoltcp's own timer is left to it.
const PROBES: u32 = 6;
/// Slow start ends when round trips become longer than the shortest by this.
const QUEUED: i64 = 4_000;

/// What is to be done beside handing a segment to smoltcp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand it over.
    Pass,
    /// It says nothing that smoltcp should hear.
    Keep,
    /// Hand it over, then let smoltcp send again.
    PassAndRepeat,
    /// Let smoltcp send again.
    KeepAndRepeat,
}

/// A connection as seen on the wire.
#[derive(Debug)]
pub(super) struct Flow {
    /// Payload of a segment towards the other side.
    mss: usize,
    /// What the other side's window is shifted by.
    scale: u8,
    is_open: bool,
    was_answered: bool,
    /// All before was acknowledged.
    una: u32,
    /// All before was sent.
    sent: u32,
    /// Where the other side's data ends, as far as it was seen.
    heard: u32,
    window: CongestionWindow,
    /// Received by the other side beyond `una`, in order.
    sacked: Vec<(u32, u32)>,
    duplicates: u32,
    /// A loss is being made up for, until this number is acknowledged.
    recovery: Option<u32>,
    /// Since when.
    recovering_since: i64,
    /// All holes before were sent again, at that time.
    again: (u32, i64),
    /// smoltcp was asked to send again and has not yet.
    is_asked: bool,
    /// Where smoltcp was made to send again last: its counter has passed three there.
    asked_at: Option<u32>,
    /// The window field that smoltcp was given last, and the other side's own.
    given: u16,
    theirs: u16,
    round_trip: RoundTrip,
    /// When silence counts as loss.
    due: Option<i64>,
    probes: u32,
    /// A bare acknowledgement of the other side, to make others of.
    model: Vec<u8>,
}

#[derive(Debug)]
struct CongestionWindow {
    size: u64,
    threshold: u64,
    /// Before the last loss.
    before: u64,
    /// When growth by the cubic curve began, and how many seconds later it is where the loss was.
    since: Option<i64>,
    back: f64,
    /// What Reno would have.
    reno: u64,
}

#[derive(Debug, Default)]
struct RoundTrip {
    smoothed: i64,
    variation: i64,
    least: Option<i64>,
    /// The number whose acknowledgement is waited for, and since when.
    timed: Option<(u32, i64)>,
}

impl Flow {
    /// A connection that begins with a segment of ours or theirs; `mss` is what our side of the network takes.
    pub(super) fn new(mss: usize) -> Self {
        Self {
            mss,
            scale: 0,
            is_open: false,
            was_answered: false,
            una: 0,
            sent: 0,
            heard: 0,
            window: CongestionWindow::new(mss),
            sacked: Vec::new(),
            duplicates: 0,
            recovery: None,
            recovering_since: 0,
            again: (0, 0),
            is_asked: false,
            asked_at: None,
            given: 0,
            theirs: 0,
            round_trip: RoundTrip::default(),
            due: None,
            probes: 0,
            model: Vec::new(),
        }
    }

    /// The network takes shorter segments from now on.
    pub(super) fn shorten(&mut self, mss: usize) {
        self.mss = self.mss.min(mss);
    }

    /// Payload of each segment on the wire, for a long one with this length of header.
    pub(super) fn segment_len(&self, segment: &Segment) -> usize {
        let options = segment.payload - segment.tcp - 20;
        self.mss.saturating_sub(options).max(8)
    }

    /// Whether the other side ever said something.
    pub(super) fn was_answered(&self) -> bool {
        self.was_answered
    }

    fn in_flight(&self) -> u64 {
        u64::try_from(distance(self.una, self.sent)).unwrap_or(0)
    }

    /// A segment leaves.
    pub(super) fn handle_sent(&mut self, now: i64, frame: &[u8], segment: &Segment) {
        let (from, end) = (segment.sequence(frame), segment.sequence_end(frame));
        if segment.flags(frame) & SYN != 0 {
            (self.una, self.sent) = (from, end);
            self.again = (from, 0);
            return;
        }
        if distance(self.sent, end) > 0 {
            if self.round_trip.timed.is_none() && distance(self.sent, from) >= 0 {
                self.round_trip.timed = Some((end, now));
            }
            if self.in_flight() == 0 {
                self.arm(now);
            }
            self.sent = end;
        }
    }

    /// Of a segment that is sent again: the part from `from` to `end` is to leave.
    pub(super) fn is_wanted(&mut self, now: i64, from: u32, end: u32) -> bool {
        if distance(self.una, end) <= 0
            || self.sacked.iter().any(|(a, b)| distance(*a, from) >= 0 && distance(end, *b) >= 0)
        {
            return false;
        }
        if distance(from, self.again.0) > 0 && now - self.again.1 < self.guard() {
            return false;
        }
        true
    }

    /// Whether this is a segment that was sent before: then [`Flow::plan_again`] says what of it leaves.
    pub(super) fn is_again(&self, frame: &[u8], segment: &Segment) -> bool {
        let begins_before = distance(segment.sequence(frame), self.sent) > 0;
        // A keep-alive is a byte that was acknowledged.
        self.is_open && begins_before && segment.len() > 0 && distance(self.una, segment.sequence_end(frame)) > 0
    }

    /// Which segments of what smoltcp sends again leave, by number; `each` sees the first number and that behind the last.
    pub(super) fn plan_again(&mut self, now: i64, frame: &[u8], segment: &Segment, step: usize) -> Vec<bool> {
        let (begin, step) = (segment.sequence(frame), step.max(1));
        self.round_trip.timed = None;
        // Without being asked it is smoltcp's own timer, which begins again from the first.
        let asked = std::mem::take(&mut self.is_asked);
        let lost = self.lost_before(now);
        let count = segment.len().div_ceil(step);
        let mut plan = Vec::with_capacity(count);
        let mut last = None;
        for index in 0..count {
            let from = begin.wrapping_add((index * step) as u32);
            let end = begin.wrapping_add(((index + 1) * step).min(segment.len()) as u32);
            let known_lost = (index == 0 && from == self.una) || distance(end, lost) >= 0;
            let is_new = distance(self.sent, end) > 0;
            let leaves = is_new || ((known_lost || !asked) && self.is_wanted(now, from, end));
            if leaves && !is_new {
                last = Some(end);
            }
            plan.push(leaves);
        }
        if let Some(last) = last {
            if distance(self.again.0, last) > 0 || now - self.again.1 >= self.guard() {
                self.again = (last, now);
            }
            self.arm(now);
        }
        plan
    }

    /// A segment comes. Its window is made no wider than what may be sent.
    pub(super) fn handle_received(&mut self, now: i64, frame: &mut [u8], segment: &Segment) -> Verdict {
        let flags = segment.flags(frame);
        self.was_answered = true;
        if flags & RST != 0 {
            return Verdict::Pass;
        }
        let end = segment.sequence_end(frame);
        if flags & SYN != 0 {
            self.open(frame, segment);
            self.heard = end;
            return Verdict::Pass;
        }
        if flags & ACK == 0 {
            return Verdict::Pass;
        }
        if distance(self.heard, end) > 0 {
            self.heard = end;
        }
        let acknowledged = segment.acknowledged(frame);
        let advance = distance(self.una, acknowledged);
        if advance < 0 || distance(acknowledged, self.sent) < 0 {
            // Old, or of something never sent: smoltcp knows what to say to that.
            self.narrow(frame, segment);
            return Verdict::Pass;
        }
        let bare = segment.len() == 0 && flags & (FIN | SYN) == 0;
        let news = self.hear_of_ranges(frame, segment);
        let mut repeat = false;
        if advance > 0 {
            repeat = self.advance(now, acknowledged, u64::from(advance.unsigned_abs()));
        } else if bare && self.in_flight() > 0 && (news || segment.window(frame) == self.theirs) {
            self.duplicates += 1;
            if self.recovery.is_none() && self.duplicates >= 3 {
                self.lose(now);
                repeat = true;
            } else if self.recovery.is_some() && news {
                repeat = self.has_hole(now);
            }
        }
        let before = self.given;
        self.narrow(frame, segment);
        if bare {
            self.model.clear();
            self.model.extend_from_slice(&frame[..segment.end]);
        }
        // Duplicates are counted here; smoltcp hears of them when it shall send again.
        let keep = bare && advance == 0 && self.in_flight() > 0 && self.given == before;
        match (keep, repeat) {
            (false, false) => Verdict::Pass,
            (false, true) => Verdict::PassAndRepeat,
            (true, false) => Verdict::Keep,
            (true, true) => Verdict::KeepAndRepeat,
        }
    }

    /// When [`Flow::handle_timeout`] has something to do.
    pub(super) fn due(&self) -> Option<i64> {
        self.due
    }

    /// Nothing was heard for too long: true when smoltcp is to send again.
    pub(super) fn handle_timeout(&mut self, now: i64) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        if self.in_flight() == 0 || self.model.is_empty() || self.probes >= PROBES {
            return false;
        }
        self.probes += 1;
        if self.recovery.is_none() {
            self.lose(now);
        }
        if self.probes > 2 {
            self.window.collapse(self.mss);
        }
        self.again = (self.una, 0);
        self.arm(now);
        true
    }

    /// The acknowledgements that make smoltcp send again from the first number that was not acknowledged.
    pub(super) fn duplicates(&mut self) -> Vec<Vec<u8>> {
        let Some(segment) = Segment::of(&self.model) else { return Vec::new() };
        self.is_asked = true;
        let field = self.field(self.theirs).max(1);
        let mut frame = self.model.clone();
        segment.set_sequence(&mut frame, self.heard);
        segment.set_acknowledged(&mut frame, self.una);
        let with = |window: u16| {
            let mut frame = frame.clone();
            segment.set_window(&mut frame, window);
            frame
        };
        let mut frames = Vec::new();
        // A window that changes begins the count of duplicates anew.
        if self.asked_at == Some(self.una) || field != self.given {
            if field == self.given {
                frames.push(with(field ^ 1));
            }
            frames.push(with(field));
        }
        frames.extend((0..3).map(|_| with(field)));
        self.asked_at = Some(self.una);
        self.given = field;
        frames
    }

    fn open(&mut self, frame: &mut [u8], segment: &Segment) {
        let options = segment.options(frame);
        let theirs = options.mss.map_or(if segment.is_ipv6 { 1220 } else { 536 }, usize::from);
        self.mss = self.mss.min(theirs).max(48);
        self.scale = options.window_scale.unwrap_or(0);
        self.window = CongestionWindow::new(self.mss);
        self.is_open = true;
        // smoltcp sends long segments, which are cut when they leave.
        segment.set_mss(frame, u16::MAX);
        let window = u64::from(segment.window(frame)).min(self.window.size);
        segment.set_window(frame, u16::try_from(window).unwrap_or(u16::MAX));
    }

    /// The window field that lets smoltcp send what the congestion window has room for, in whole segments: it sends
    /// whatever fits, and would fill every gap with a small one.
    fn field(&self, theirs: u16) -> u16 {
        let (mss, flight) = (self.mss as u64, self.in_flight());
        let room = self.window.size.saturating_sub(flight) / mss * mss;
        let wide = if room > 0 { flight + room } else { self.window.size.min(flight) };
        let field = u16::try_from((wide >> self.scale).max(1)).unwrap_or(u16::MAX);
        theirs.min(field)
    }

    fn narrow(&mut self, frame: &mut [u8], segment: &Segment) {
        self.theirs = segment.window(frame);
        let field = self.field(self.theirs);
        segment.set_window(frame, field);
        self.given = field;
    }

    fn advance(&mut self, now: i64, acknowledged: u32, count: u64) -> bool {
        let was_full = self.in_flight() * 2 >= self.window.size;
        self.una = acknowledged;
        self.duplicates = 0;
        self.probes = 0;
        self.sacked.retain(|range| distance(acknowledged, range.1) > 0);
        if distance(self.again.0, acknowledged) > 0 {
            self.again.0 = acknowledged;
        }
        if let Some((end, since)) = self.round_trip.timed
            && distance(end, acknowledged) >= 0
        {
            self.round_trip.sample(now - since);
            self.round_trip.timed = None;
            if self.round_trip.is_queued() {
                self.window.end_slow_start();
            }
        }
        if self.in_flight() == 0 {
            self.due = None;
        } else {
            self.arm(now);
        }
        match self.recovery {
            Some(until) if distance(until, acknowledged) < 0 => self.has_hole(now),
            Some(_) => {
                self.recovery = None;
                false
            }
            None => {
                if was_full {
                    self.window.grow(now, count, self.mss, self.round_trip.smoothed);
                }
                false
            }
        }
    }

    fn lose(&mut self, now: i64) {
        self.recovery = Some(self.sent);
        self.recovering_since = now;
        self.again = (self.una, 0);
        self.window.shrink(now, self.mss);
    }

    /// What the other side has not, and was sent before this number, counts as lost.
    fn lost_before(&self, now: i64) -> u32 {
        let trip = self.round_trip.smoothed + self.round_trip.variation;
        match self.recovery {
            // What was under way when the loss was noticed is there by now, or will never be.
            Some(until) if self.probes > 0 || now - self.recovering_since > trip => until,
            _ => self.sacked.last().map_or(self.una.wrapping_add(1), |range| range.1),
        }
    }

    /// Whether something that counts as lost was not sent again yet, of what smoltcp sends again at once.
    fn has_hole(&self, now: i64) -> bool {
        let from = if now - self.again.1 < self.guard() { self.again.0 } else { self.una };
        let mut at = later(self.una, from);
        let end = earlier(self.lost_before(now), self.una.wrapping_add(LONG as u32));
        for (begin, behind) in &self.sacked {
            if distance(at, *begin) > 0 {
                break;
            }
            at = later(at, *behind);
        }
        distance(at, end) > 0
    }

    /// Takes up what the other side says it has; true when that is more than before.
    fn hear_of_ranges(&mut self, frame: &[u8], segment: &Segment) -> bool {
        let mut news = false;
        for (from, end) in segment.options(frame).sacked.into_iter().flatten() {
            let sane = distance(self.una, from) >= 0 && distance(from, end) > 0 && distance(end, self.sent) >= 0;
            if sane && !self.sacked.iter().any(|(a, b)| distance(*a, from) >= 0 && distance(end, *b) >= 0) {
                self.remember(from, end);
                news = true;
            }
        }
        news
    }

    fn remember(&mut self, mut from: u32, mut end: u32) {
        self.sacked.retain(|&(a, b)| {
            let apart = distance(b, from) > 0 || distance(end, a) > 0;
            if !apart {
                (from, end) = (earlier(a, from), later(b, end));
            }
            apart
        });
        let una = self.una;
        let at = self.sacked.partition_point(|range| distance(una, range.0) < distance(una, from));
        self.sacked.insert(at, (from, end));
        // The nearest matter: they are made up for first.
        self.sacked.truncate(RANGES);
    }

    fn patience(&self) -> i64 {
        let trip = &self.round_trip;
        (trip.smoothed * 2 + trip.variation * 4).clamp(*PATIENCE.start(), *PATIENCE.end())
    }

    /// How long what is sent again is waited for before it is sent once more.
    fn guard(&self) -> i64 {
        self.round_trip.smoothed + 4 * self.round_trip.variation + GUARD
    }

    fn arm(&mut self, now: i64) {
        // Who misses something acknowledges at once what comes.
        let wait = if self.recovery.is_some() { self.guard() * 2 } else { self.patience() + DELAYED_ACK };
        self.due = Some(now + (wait << self.probes.min(5)));
    }
}

fn earlier(a: u32, b: u32) -> u32 {
    if distance(a, b) >= 0 { a } else { b }
}

fn later(a: u32, b: u32) -> u32 {
    if distance(a, b) >= 0 { b } else { a }
}

impl CongestionWindow {
    fn new(mss: usize) -> Self {
        Self { size: FIRST_WINDOW * mss as u64, threshold: u64::MAX, before: 0, since: None, back: 0.0, reno: 0 }
    }

    fn end_slow_start(&mut self) {
        self.threshold = self.threshold.min(self.size);
    }

    fn grow(&mut self, now: i64, count: u64, mss: usize, trip: i64) {
        let mss = mss as u64;
        if self.size < self.threshold {
            self.size = (self.size + count).min(WIDEST);
            return;
        }
        let since = match self.since {
            Some(since) => since,
            None => {
                (self.before, self.reno, self.back) = (self.size, self.size, 0.0);
                self.since = Some(now);
                now
            }
        };
        let t = (now - since + trip) as f64 / 1e6;
        let cubic = (CUBIC * (t - self.back).powi(3)).mul_add(mss as f64, self.before as f64).max(0.0);
        // Reno's pace, by what was acknowledged and not by how many acknowledgements say so.
        self.reno = self.reno.saturating_add((count * mss / self.reno.max(1)).max(1));
        let target = (cubic as u64).min(self.size + self.size / 2).max(self.reno);
        if target > self.size {
            self.size += ((target - self.size) * count / self.size.max(1)).max(1).min(count);
        }
        self.size = self.size.max(self.reno).min(WIDEST);
    }

    fn shrink(&mut self, now: i64, mss: usize) {
        self.before = self.size;
        self.back = (self.size as f64 / mss as f64 * (10 - KEPT) as f64 / 10.0 / CUBIC).cbrt();
        self.size = (self.size * KEPT / 10).max(2 * mss as u64);
        self.threshold = self.size;
        self.reno = self.size;
        self.since = Some(now);
    }

    /// Nothing of what was sent came through.
    fn collapse(&mut self, mss: usize) {
        self.threshold = (self.size / 2).max(4 * mss as u64);
        self.size = 4 * mss as u64;
        self.since = None;
    }
}

impl RoundTrip {
    fn sample(&mut self, trip: i64) {
        self.least = Some(self.least.map_or(trip, |least| least.min(trip)));
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (trip.max(1), trip / 2);
            return;
        }
        self.variation += ((self.smoothed - trip).abs() - self.variation) / 4;
        self.smoothed = (self.smoothed + (trip - self.smoothed) / 8).max(1);
    }

    fn is_queued(&self) -> bool {
        self.least.is_some_and(|least| self.smoothed > least + least / 2 + QUEUED)
    }
}
