//! ECHO for people: whether a peer answers, by which way and how soon (02 §6.11).

use std::time::Duration;

use zt_wire::verb::Echo;
use zt_wire::{Address, Mono, Now};

use super::Vl1;
use crate::config::SendOptions;
use crate::drop_reason::DropReason;
use crate::event::Vl1Event;
use crate::inbound::{Handled, Ticket};
use crate::outgoing::SendError;
use crate::transmit::Transmits;
use crate::wire::expect::Expected;

impl Vl1 {
    /// How long to wait until [`Vl1::ping`]: a peer lets few ECHOs pass, and probes of ours are ECHOs too.
    #[must_use]
    pub fn ping_wait(&self, now: Mono, to: Address) -> Duration {
        self.peers.id(to).map_or(Duration::ZERO, |id| self.peers.get(id).echo_wait(now))
    }

    /// Asks a peer to answer at once, by the way that traffic takes: [`Vl1Event::Pong`] tells the answer, with the same token. A
    /// peer that is not known is looked for first. Stock peers answer once a second.
    ///
    /// # Errors
    /// The address is our own or reserved.
    pub fn ping(&mut self, now: Now, to: Address, token: u64, out: &mut Transmits) -> Result<(), SendError> {
        let options = SendOptions { compress: false, expect_reply: true };
        self.send(now, to, &Echo { data: &token.to_be_bytes() }, options, out)?;
        if let Some(id) = self.peers.id(to) {
            self.peers.get_mut(id).paths_mut().echoes(now.mono);
        }
        Ok(())
    }

    /// The answer. It says nothing about sizes: those that ask for that are probes.
    pub(super) fn answered_ping(&mut self, now: Mono, c: &Ticket, expected: &Expected, data: &[u8]) -> Handled {
        let Ok(token) = data.try_into().map(u64::from_be_bytes) else {
            return Handled::Refused(DropReason::NotExpected);
        };
        let (relayed, round_trip) = (c.hops > 0, now.saturating_since(expected.sent));
        self.event(Vl1Event::Pong { peer: c.from, token, path: c.path, relayed, round_trip });
        Handled::Counted
    }
}
