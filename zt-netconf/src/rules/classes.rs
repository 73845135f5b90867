//! What is left of a table for frames of one class.
//!
//! Most sets of most tables begin by asking for the EtherType, or for what only packets of one family have. For a class of
//! frames that is answered once, when the table is compiled: sets that can never be true are left out, and the others begin
//! behind what is always true. Of what remains the comparison that most likely fails stands beside the beginning of the
//! set, so that a frame passes by sets about other frames without touching them.
//!
//! A frame that hides something is judged by the whole table: nothing here has to know what hides what.

use zt_wire::ether::{ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6};

use super::fields::{Field, Range};
use super::program::{Action, Entry, Match, Op};
use super::verdict::Decision;

/// Classes of frames that tables are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Ipv4,
    Ipv6,
    Arp,
    Other,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::Ipv4, Self::Ipv6, Self::Arp, Self::Other];

    pub(super) const fn of(ethertype: u16) -> Self {
        match ethertype {
            ETHERTYPE_IPV4 => Self::Ipv4,
            ETHERTYPE_IPV6 => Self::Ipv6,
            ETHERTYPE_ARP => Self::Arp,
            _ => Self::Other,
        }
    }

    /// The EtherType of all its frames.
    const fn ethertype(self) -> Option<u16> {
        match self {
            Self::Ipv4 => Some(ETHERTYPE_IPV4),
            Self::Ipv6 => Some(ETHERTYPE_IPV6),
            Self::Arp => Some(ETHERTYPE_ARP),
            Self::Other => None,
        }
    }

    /// What a comparison says of every frame of this class, shown or hidden.
    fn compared(self, range: &Range) -> Option<bool> {
        match (range.field, self) {
            _ if range.is_constant() => Some(range.holds(0)),
            (Field::EtherType, Self::Other) => {
                let (value, others) = range.singled_out()?;
                let known = Self::ALL.into_iter().filter_map(Self::ethertype);
                known.map(u64::from).any(|known| known == value).then_some(others)
            }
            (Field::EtherType, _) => self.ethertype().map(|ethertype| range.holds(ethertype.into())),
            (_, Self::Other) => None,
            (Field::Ipv4Source | Field::Ipv4Destination, Self::Ipv6 | Self::Arp)
            | (Field::Ipv6Source | Field::Ipv6Destination, Self::Ipv4 | Self::Arp)
            | (Field::Tos | Field::Protocol | Field::Icmp | Field::SourcePort | Field::DestinationPort, Self::Arp) => {
                Some(false)
            }
            (Field::TcpBits, Self::Arp) => Some(range.holds(0)),
            _ => None,
        }
    }

    /// What a match says of every frame of this class, if that needs nothing else and does nothing else.
    fn answer(self, op: &Op) -> Option<bool> {
        match (op, self) {
            (Op::Compare(range), _) => self.compared(range),
            (Op::Match(Match::LackedTag { .. }), _)
            | (Op::Match(Match::Ipv6 { .. }), Self::Ipv4 | Self::Arp)
            | (Op::Match(Match::IpProtocol(_) | Match::Icmp { .. }), Self::Arp) => Some(false),
            _ => None,
        }
    }
}

/// Where a set begins for the frames of a class.
#[derive(Debug)]
pub(super) struct Begin {
    /// What fails when the set does. One that always holds where there is none.
    pub(super) guard: Range,
    /// The first entry that is to be asked.
    pub(super) at: u32,
    /// State of the set there.
    pub(super) set: bool,
}

/// A table for the frames of one class that hide nothing.
#[derive(Debug, Default)]
pub(super) struct Sets {
    /// Those that can be true, in their order.
    pub(super) begins: Box<[Begin]>,
    /// The groups of fields that have to be read, and shown.
    pub(super) groups: u8,
    /// What is decided about every frame, and by which entry: nothing of the frame has to be read.
    pub(super) outright: Option<(Decision, u32)>,
}

impl Sets {
    pub(super) fn new(entries: &[Entry], class: Class, inbound: bool) -> Self {
        let (mut begins, mut groups, mut outright) = (Vec::new(), 0, None);
        let mut first = 0;
        while first < entries.len() {
            let ends = entries[first..].iter().position(|entry| matches!(entry.op, Op::Action(_)));
            let end = ends.map_or(entries.len(), |length| first + length);
            let begin = Cut { entries, class, inbound, groups: &mut groups }.set(first, end);
            // Of a frame that hides what a set before asks for, that one decides.
            if begins.is_empty() && groups == 0 {
                outright =
                    begin.as_ref().and_then(|begin| Some((outright_by(&entries[begin.at as usize].op)?, begin.at)));
            }
            begins.extend(begin);
            first = end + 1;
        }
        Self { begins: begins.into(), groups, outright }
    }
}

/// What an action decides by itself.
const fn outright_by(op: &Op) -> Option<Decision> {
    match op {
        Op::Action(Action::Accept) => Some(Decision::Accept),
        Op::Action(Action::Drop) => Some(Decision::Drop),
        _ => None,
    }
}

/// One table being cut down.
struct Cut<'a> {
    entries: &'a [Entry],
    class: Class,
    inbound: bool,
    groups: &'a mut u8,
}

impl Cut<'_> {
    /// The set whose action stands at `end`; `None` when it is never true.
    fn set(&mut self, first: usize, end: usize) -> Option<Begin> {
        let whole = |at: usize, set: bool| Begin { guard: Range::always(true), at: at as u32, set };
        // To look at a tag has an effect without an action, and a false set has one before this action.
        if self.entries.get(end).is_none_or(|entry| matches!(entry.op, Op::Action(Action::Observed))) {
            self.ask(first, end);
            return Some(whole(first, true));
        }
        let (at, set) = self.skip(first, end);
        if at == end {
            return set.then(|| whole(end, true));
        }
        let row = self.row(at, set);
        if !row.is_empty() && self.entries[at].fresh {
            let never = row.clone().find(|at| self.class.answer(&self.entries[*at].op) == Some(false));
            if let Some(never) = never {
                self.ask(at, never);
                return None;
            }
            self.ask(at, end);
            return Some(Begin { guard: self.guard(row), ..whole(at, set) });
        }
        self.ask(at, end);
        Some(whole(at, set))
    }

    /// Passes by what is known, and what is not asked for then: the first entry that is to be asked, and the state there.
    fn skip(&self, first: usize, end: usize) -> (usize, bool) {
        let (mut at, mut set) = (first, true);
        while at < end {
            let entry = &self.entries[at];
            if set || entry.or {
                match self.class.answer(&entry.op) {
                    Some(holds) => set = holds || (entry.or && set),
                    None => break,
                }
            }
            at += 1;
        }
        (at, set)
    }

    /// The comparisons from here that are joined by AND.
    fn row(&self, at: usize, set: bool) -> core::ops::Range<usize> {
        let joined = |entry: &Entry| matches!(entry.op, Op::Compare(_)) && !entry.or;
        // After a false state OR is as AND.
        let begins = matches!(self.entries[at].op, Op::Compare(_)) && !(set && self.entries[at].or);
        let more = if begins { 1 + self.entries[at + 1..].iter().take_while(|entry| joined(entry)).count() } else { 0 };
        at..at + more
    }

    /// The comparison of a row that most likely fails: most sets of a long table are about something else than the frame.
    fn guard(&self, row: core::ops::Range<usize>) -> Range {
        let ranges = self.entries[row].iter().filter_map(|entry| match &entry.op {
            Op::Compare(range) if self.class.compared(range).is_none() => Some(*range),
            _ => None,
        });
        // Of equal ones the first.
        let best = ranges.rev().max_by_key(|range| range.selectivity(self.inbound));
        best.unwrap_or(Range::always(true))
    }

    fn ask(&mut self, from: usize, to: usize) {
        *self.groups |= self.entries[from..to].iter().fold(0, |groups, entry| groups | entry.op.groups());
    }
}
