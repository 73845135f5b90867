//! How large the datagrams of one path are.
//!
//! Free choice (02 §3.3 lets a sender cut as it likes; the reference never looks). What is known:
//!
//! * An ECHO as long as the size in question, sent so that nobody on the way may fragment it, and answered: the path carries
//!   that size, and the peer takes it. Nothing else counts; ICMP may be forged, and is often lost.
//! * Several of them unanswered, while something shorter came back since: the path does not carry it.
//!
//! So a path that carries long datagrams is tried with the most that its link takes, then with the sizes that networks
//! have, then by halves. What is in use is asked for again while long datagrams leave: when they vanish on the way, however
//! silently, packets are cut smaller at once, and a larger size is sought from there. That may be a full queue on the way, which
//! takes probes as it takes the rest: so what was given up is tried once more, as soon as the smaller size is proved. A path
//! that became wider is noticed later. An answer proves the path as well, so that no other probe is sent beside. No long datagrams, no probes.

use std::time::Duration;

use zt_wire::{Mono, When};

use crate::link::Room;

/// Datagrams up to this size pass everywhere: the payload in the least MTU of IPv4 (RFC 791).
pub(super) const SURE: u16 = crate::links::path_mtu::LEAST;
/// What is fallen back on first: the payload in the least MTU of IPv6 (RFC 8200).
const LIKELY: u16 = 1232;
/// MTUs that networks have: old tunnels, IPv6, mobile networks, WireGuard, PPPoE, Ethernet, FDDI, jumbo frames.
const USUAL: [u16; 14] = [1280, 1340, 1360, 1400, 1420, 1440, 1460, 1480, 1492, 1500, 2048, 4352, 8000, 9000];
/// Nobody looks for less than this.
const GRAIN: u16 = 32;
/// The size in use is asked for again after this time while many long datagrams leave, or few.
const CONFIRM_MANY: Duration = Duration::from_millis(500);
const CONFIRM_FEW: Duration = Duration::from_millis(1000);
/// So many are many.
const MANY: u32 = 16;
/// Long datagrams that are older need no probes.
const INTEREST: Duration = Duration::from_secs(5);
/// Losses in a row that count; and where other probes are lost as well, or little is lost by waiting: the size is one that all
/// networks have, or packets are cut smaller anyway.
const LOST: u8 = 2;
const LOST_FOR_SURE: u8 = 4;
/// From this part of probes that had to be repeated on, a path is lossy.
const LOSSY: f32 = 0.2;
/// A larger size is tried again after this time, then after longer and longer ones.
const GROW_FIRST: Duration = Duration::from_secs(15);
const GROW_LAST: Duration = Duration::from_secs(300);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeDue {
    /// Nothing before this time (never: [`Mono::FAR`]).
    Wait(Mono),
    /// A probe of this size, in bytes of the datagram.
    Send(u16),
    /// The same, and a short probe beside: nothing was heard since the one before.
    SendBoth(u16),
}

/// Why a size is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Confirm,
    /// It was given up, perhaps by chance.
    Again,
    Search,
    Grow,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    size: u16,
    why: Why,
    first: Mono,
    last: Mono,
    sent: u8,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Size {
    room: Room,
    used: u16,
    /// When an ECHO that does not ask for a size last left.
    last_echo: When,
    /// `None`: no long datagram left yet, as by the paths of most peers of a root.
    search: Option<Box<Search>>,
}

impl Size {
    pub(super) const fn new(room: Room) -> Self {
        Self { room, used: room.base, last_echo: When::NEVER, search: None }
    }

    /// The largest datagram that packets are cut for.
    pub(super) const fn used(&self) -> u16 {
        self.used
    }

    /// The largest datagram for packets that a relay hands on: nobody knows what the rest of their way carries.
    pub(super) const fn relayed(&self) -> u16 {
        if self.used < self.room.base { self.used } else { self.room.base }
    }

    /// The link, or what is configured for it, is another. What was found out holds as far as it fits.
    pub(super) fn set_room(&mut self, room: Room) {
        if room != self.room {
            self.room = room;
            if let Some(search) = &mut self.search {
                search.set_room(room);
            }
            self.used = self.search.as_ref().map_or(room.base, |search| search.used);
        }
    }

    /// A datagram of `len` bytes leaves. Returns when the path is to be looked at for it.
    pub(super) fn sent(&mut self, now: Mono, len: usize) -> Option<Mono> {
        if len <= usize::from(SURE) || !self.room.probed {
            return None;
        }
        self.search().sent(now)
    }

    /// An ECHO of the least length leaves by the path.
    pub(super) fn echoed(&mut self, now: Mono) {
        self.last_echo = When::at(now);
    }

    /// Until when another ECHO would meet the peer's gate, which lets one pass in this time.
    pub(super) fn gate_closed(&self, now: Mono, gate: Duration) -> Option<Mono> {
        let last_size = self.search.as_ref().and_then(|search| search.last_sent);
        self.last_echo.get().max(last_size).map(|at| at + gate).filter(|open| now < *open)
    }

    /// Whether long datagrams leave: then ECHOs are for their size, and whether the path works is asked otherwise.
    pub(super) fn is_sought(&self, now: Mono) -> bool {
        let last = self.search.as_ref().and_then(|search| search.last_long);
        self.room.probed && last.is_some_and(|at| now.saturating_since(at) < INTEREST)
    }

    /// What is due. A probe that is sent is noted. An answer is overdue after `patience`, which is no shorter than the
    /// peer's gate for ECHO; `heard`: when something valid of the peer last came by the path.
    pub(super) fn due(&mut self, now: Mono, patience: Duration, heard: Mono) -> SizeDue {
        let Some(search) = &mut self.search else { return SizeDue::Wait(Mono::FAR) };
        let due = search.due(now, patience, heard);
        self.used = search.used;
        due
    }

    /// A probe of `size`, sent at `sent`, was answered. True when packets are cut otherwise by that.
    pub(super) fn answered(&mut self, now: Mono, size: u16, sent: Mono) -> bool {
        let larger = self.search().answered(now, size, sent);
        self.used = self.search().used;
        larger
    }

    fn search(&mut self) -> &mut Search {
        let room = self.room;
        self.search.get_or_insert_with(|| Box::new(Search::new(room)))
    }
}

/// What is known and sought while long datagrams leave.
#[derive(Clone, Debug)]
struct Search {
    room: Room,
    used: u16,
    /// When the last question was sent that proved the size in use.
    proved: Option<Mono>,
    /// The least size that was lost.
    bound: u16,
    trial: Option<Trial>,
    /// The last size that was given up: its answer may be late.
    given_up: u16,
    /// The largest size that was in use and was given up, until it was tried once more.
    again: u16,
    last_sent: Option<Mono>,
    long: u32,
    last_long: Option<Mono>,
    /// The part of the answered probes that had to be repeated.
    misses: f32,
    grow_at: Mono,
    grow_gap: Duration,
    /// Sizes that the growth of this time still has to try.
    growing: Vec<u16>,
}

impl Search {
    fn new(room: Room) -> Self {
        Self {
            used: room.base,
            bound: above(room.most),
            room,
            proved: None,
            trial: None,
            given_up: 0,
            again: 0,
            last_sent: None,
            long: 0,
            last_long: None,
            misses: 0.0,
            grow_at: Mono::FAR,
            grow_gap: GROW_FIRST,
            growing: Vec::new(),
        }
    }

    fn set_room(&mut self, room: Room) {
        let keeps = room.probed && self.room.probed && self.proved.is_some() && self.used <= room.most;
        let used = if keeps { self.used } else { room.base };
        *self = Self { used, proved: self.proved.filter(|_| keeps), ..Self::new(room) };
    }

    /// A long datagram leaves.
    fn sent(&mut self, now: Mono) -> Option<Mono> {
        self.long = self.long.saturating_add(1);
        self.last_long = Some(now);
        if self.trial.is_some() || self.long > 1 && self.long != MANY {
            // The next look is arranged already.
            return None;
        }
        Some(self.confirm_at().max(now))
    }

    fn due(&mut self, now: Mono, patience: Duration, heard: Mono) -> SizeDue {
        if self.last_long.is_none_or(|at| now.saturating_since(at) >= INTEREST) {
            (self.trial, self.long) = (None, 0);
            return SizeDue::Wait(Mono::FAR);
        }
        if let Some(trial) = self.trial {
            let overdue = trial.last + patience;
            if now < overdue {
                return SizeDue::Wait(overdue);
            }
            let silent = heard <= trial.first;
            if trial.sent < self.losses(&trial) {
                self.trial = Some(Trial { last: now, sent: trial.sent + 1, ..trial });
                self.last_sent = Some(now);
                return if silent { SizeDue::SendBoth(trial.size) } else { SizeDue::Send(trial.size) };
            }
            self.trial = None;
            if silent {
                // Nothing comes back at all: that says nothing about sizes.
                return SizeDue::Wait(now + CONFIRM_FEW);
            }
            self.lost(now, trial);
        }
        if let Some(ready) = self.last_sent.map(|at| at + patience).filter(|at| *at > now) {
            return SizeDue::Wait(ready);
        }
        match self.next(now) {
            Ok((size, why)) => {
                self.trial = Some(Trial { size, why, first: now, last: now, sent: 1 });
                self.last_sent = Some(now);
                SizeDue::Send(size)
            }
            Err(at) => SizeDue::Wait(at),
        }
    }

    fn answered(&mut self, now: Mono, size: u16, sent: Mono) -> bool {
        let given_up = size == self.given_up || size == self.again;
        let asked = self.trial.is_some_and(|t| t.size == size) || given_up || size == self.used;
        if !asked || !self.room.probed || size > self.room.most || size < self.used {
            return false;
        }
        if size >= self.bound {
            // It was chance, or the path is wider now.
            self.bound = above(self.room.most);
        }
        let larger = size > self.used;
        (self.used, self.proved) = (size, self.proved.max(Some(sent)));
        self.long = 0;
        self.given_up = 0;
        self.again = if size >= self.again { 0 } else { self.again };
        if let Some(trial) = self.trial.take_if(|t| t.size <= size) {
            let missed = if trial.sent > 1 { 1.0 } else { 0.0 };
            self.misses += (missed - self.misses) / 8.0;
            if larger && trial.why == Why::Grow {
                (self.grow_gap, self.growing) = (GROW_FIRST, Vec::new());
                self.grow_at = Mono::FAR;
            }
        }
        self.settle(now);
        larger
    }

    /// After how many losses in a row a trial is over.
    fn losses(&self, trial: &Trial) -> u8 {
        let is_usual = trial.why == Why::Confirm && trial.size <= LIKELY;
        if is_usual || trial.why == Why::Again || self.misses > LOSSY { LOST_FOR_SURE } else { LOST }
    }

    fn lost(&mut self, now: Mono, trial: Trial) {
        let Trial { size, why, .. } = trial;
        self.given_up = size;
        if why == Why::Again {
            // It was no chance.
            self.again = 0;
            self.settle(now);
            return;
        }
        if why == Why::Grow {
            self.growing.retain(|s| *s != size);
            if self.growing.is_empty() {
                self.grow_gap = (self.grow_gap * 4).min(GROW_LAST);
                self.grow_at = now + self.grow_gap;
            }
            return;
        }
        self.bound = self.bound.min(size);
        if size <= self.used {
            self.again = self.again.max(size);
            self.used = if size > LIKELY { LIKELY.min(self.room.base) } else { SURE.min(self.room.base) };
            (self.proved, self.grow_gap, self.growing) = (None, GROW_FIRST, Vec::new());
            self.grow_at = Mono::FAR;
            if self.used >= size {
                // Nothing shorter is left to try.
                (self.proved, self.bound) = (Some(now), size);
            }
        }
        self.settle(now);
    }

    /// The size to try now and why, or when there will be one.
    fn next(&mut self, now: Mono) -> Result<(u16, Why), Mono> {
        if self.proved.is_none() && self.bound <= self.room.most {
            return Ok((self.used, Why::Confirm));
        }
        if self.again > self.used {
            return Ok((self.again, Why::Again));
        }
        if let Some(size) = self.candidate() {
            return Ok((size, Why::Search));
        }
        if self.long > 0 && now >= self.confirm_at() {
            return Ok((self.used, Why::Confirm));
        }
        if self.used < self.room.most && now >= self.grow_at {
            if self.growing.is_empty() {
                self.growing = vec![self.room.most];
                self.growing.extend(self.usual().find(|s| *s > self.used).filter(|s| *s < self.room.most));
            }
            return Ok((self.growing[0], Why::Grow));
        }
        let grow = if self.used < self.room.most { self.grow_at } else { Mono::FAR };
        Err(if self.long > 0 { self.confirm_at().min(grow) } else { grow })
    }

    /// The next size to try on the way up; `None`: found, as well as it matters.
    fn candidate(&self) -> Option<u16> {
        if self.used >= self.room.most {
            return None;
        }
        if self.bound > self.room.most {
            return Some(self.room.most);
        }
        let between = || self.usual().filter(|s| *s > self.used && *s < self.bound);
        let usual = between().nth(between().count() / 2);
        let gap = self.bound.saturating_sub(self.used);
        usual.or((gap > GRAIN).then(|| self.used + gap / 2))
    }

    /// When the search is over, the time until the next one begins.
    fn settle(&mut self, now: Mono) {
        let is_over = self.again <= self.used && self.candidate().is_none();
        if self.grow_at == Mono::FAR && self.proved.is_some() && is_over {
            self.grow_at = now + self.grow_gap;
        }
    }

    fn usual(&self) -> impl Iterator<Item = u16> + use<> {
        let headers = self.room.headers;
        USUAL.into_iter().map(move |mtu| mtu - headers)
    }

    fn confirm_at(&self) -> Mono {
        let gap = if self.long >= MANY { CONFIRM_MANY } else { CONFIRM_FEW };
        self.proved.map_or(Mono::ZERO, |at| at + gap)
    }
}

const fn above(size: u16) -> u16 {
    size.saturating_add(1)
}

#[cfg(test)]
mod tests;
