//! Datagrams that came together from one sender: what the account of one packet said holds for the next ones.

use crate::inbound::Ticket;
use crate::outgoing::is_frame;
use crate::peer_table::PeerId;

use super::Vl1;

/// What is known of the train in hand.
#[derive(Debug, Default)]
pub(super) enum Train {
    /// There is none: each packet stands for itself.
    #[default]
    None,
    /// No frame of it was put to account yet, or something else came in between.
    Open,
    /// Frames like this one were put to account, at this very moment.
    Accounted(Account),
}

/// All that the account of a frame depends on but the time and the path, which are one for a train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    id: PeerId,
    hops: u8,
    trust: bool,
}

impl Account {
    /// Of a frame; other packets teach or ask something, and are never like another.
    pub(super) fn of(c: &Ticket, trust: bool) -> Option<Self> {
        (is_frame(c.verb) && c.teaches.is_none()).then_some(Self { id: c.id, hops: c.hops, trust })
    }
}

impl Train {
    /// Whether a frame like this one was put to account, by a path that was found to be its sender's.
    pub(super) fn repeats(&self, account: &Account) -> bool {
        matches!(self, Self::Accounted(before) if before == account)
    }

    /// Whether the address by which a packet came is known to be proved.
    pub(super) fn has_proved(&self, c: &Ticket) -> bool {
        matches!(self, Self::Accounted(before) if before.id == c.id && before.hops == c.hops)
    }

    /// A packet was put to account; `settled`: by a path of its sender that is proved, with nothing left that waits for it.
    pub(super) fn note(&mut self, account: Option<Account>, settled: bool) {
        if !matches!(self, Self::None) {
            *self = account.filter(|_| settled).map_or(Self::Open, Self::Accounted);
        }
    }
}

impl Vl1 {
    /// The datagrams that are handed in from here to [`Vl1::end_train`] came together, from one address, and all are handed
    /// in with one time: the account of a frame like the last one is not made again. It changes nothing else.
    pub const fn begin_train(&mut self) {
        self.train = Train::Open;
    }

    /// See [`Vl1::begin_train`].
    pub const fn end_train(&mut self) {
        self.train = Train::None;
    }
}
