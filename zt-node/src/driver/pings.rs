//! Questions to peers whose answers somebody waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use zt_peer::Endpoint;

/// Most questions that wait for an answer at once.
const MOST: usize = 1024;

/// The answer of a peer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// Where it came from: the peer, or the root that relayed it.
    pub from: Endpoint,
    /// A root relayed it.
    pub relayed: bool,
    /// Time from the question to the answer.
    pub round_trip: Duration,
}

/// What became of a ping.
pub(super) enum Asked {
    /// It leaves, and the answer will be told there.
    Now(oneshot::Receiver<Pong>),
    /// The peer answers one that leaves after so long.
    Later(Duration),
}

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Pings {
    last: u64,
    waiting: BTreeMap<u64, oneshot::Sender<Pong>>,
}

impl Pings {
    /// A token of its own for a question, and where the answer will be told.
    pub(super) fn ask(&mut self) -> (u64, oneshot::Receiver<Pong>) {
        self.waiting.retain(|_, asker| !asker.is_closed());
        if self.waiting.len() >= MOST {
            // The oldest has waited longest in vain.
            self.waiting.pop_first();
        }
        let (sender, receiver) = oneshot::channel();
        self.last += 1;
        self.waiting.insert(self.last, sender);
        (self.last, receiver)
    }

    /// An answer came.
    pub(super) fn answered(&mut self, token: u64, pong: Pong) {
        if let Some(asker) = self.waiting.remove(&token) {
            let _ = asker.send(pong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_finds_who_asked_and_nobody_waits_without_end() {
        let pong = |ms| Pong {
            from: Endpoint::Ip(([192, 0, 2, 1], 9993).into()),
            relayed: false,
            round_trip: Duration::from_millis(ms),
        };
        let mut pings = Pings::default();
        let ((a, mut first), (b, mut second)) = (pings.ask(), pings.ask());
        pings.answered(b, pong(2));
        pings.answered(a, pong(1));
        pings.answered(a, pong(9));
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(pong(1)), Ok(pong(2))));
        let asked: Vec<_> = (0..2 * MOST).map(|_| pings.ask()).collect();
        assert_eq!(pings.waiting.len(), MOST);
        drop(asked);
        let _asked = pings.ask();
        assert_eq!(pings.waiting.len(), 1);
    }
}
