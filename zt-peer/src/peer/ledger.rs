//! What a peer has sent, as far as it pays for something: see [`crate::path_proof`].

use std::time::Duration;

use zt_wire::{Gate, Mono};

use crate::link::{Endpoint, Path};
use crate::rate::PUSH_RELAYED;

/// Most unproved addresses of a peer with an account; the one heard longest ago gives way.
const MAX_ACCOUNTS: usize = 16;
/// Most bytes that an unproved address may have to its credit, and how many of them after some silence: the answers to a
/// newcomer's first packets go by them, not a flood at somebody who was quiet.
const MAX_CREDIT: u32 = 1 << 10;
const QUIET_CREDIT: u32 = 128;
const CREDIT_LASTS: Duration = Duration::from_millis(250);
/// Most bytes that a peer may have saved for probes of addresses that it names.
const MAX_SAVINGS: u32 = 4 << 10;
/// Members of a common network get so many bytes of probes once in [`PUSH_RELAYED`], whatever they sent: they meet soon
/// then, and a stranger has no part in it.
const ALLOWANCE: u32 = 4 << 10;
/// Most addresses that a peer named which wait until its savings suffice.
const MAX_NAMED: usize = 16;
/// Length of an answer to an empty ECHO.
const SHORT_ANSWER: usize = 37;

/// What one peer has sent, as far as it pays for something.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: Vec<Account>,
    savings: u32,
    /// Bytes of probes that a member has beyond that, and since when.
    allowance: u32,
    allowed: Gate,
    /// Addresses it named that are still to be probed.
    named: Vec<Endpoint>,
}

/// Bytes that came from an unproved address and were not answered yet.
#[derive(Clone, Copy, Debug)]
struct Account {
    path: Path,
    credit: u32,
    heard: Mono,
}

impl Ledger {
    /// A packet of `len` bytes came from an unproved address.
    pub(crate) fn earn_at(&mut self, now: Mono, path: Path, len: usize) {
        let account = match self.accounts.iter_mut().position(|a| a.path == path) {
            Some(at) => &mut self.accounts[at],
            None => {
                if self.accounts.len() >= MAX_ACCOUNTS {
                    let oldest = (0..self.accounts.len()).min_by_key(|i| self.accounts[*i].heard);
                    self.accounts.swap_remove(oldest.unwrap_or(0));
                }
                self.accounts.reserve_exact(1);
                self.accounts.push(Account { path, credit: 0, heard: now });
                self.accounts.last_mut().expect("pushed above")
            }
        };
        if now.saturating_since(account.heard) >= CREDIT_LASTS {
            account.credit = account.credit.min(QUIET_CREDIT);
        }
        account.heard = now;
        account.credit = account.credit.saturating_add(bytes(len)).min(MAX_CREDIT);
    }

    /// A packet of `len` bytes came by a proved path.
    pub(crate) fn save(&mut self, len: usize) {
        self.savings = self.savings.saturating_add(bytes(len)).min(MAX_SAVINGS);
    }

    /// Bytes that may be sent to an unproved address.
    pub(crate) fn credit(&self, path: Path) -> usize {
        self.accounts.iter().find(|a| a.path == path).map_or(0, |a| a.credit as usize)
    }

    /// Pays for a packet of `len` bytes that costs `price` to an unproved address. Where we ask for the peer ourselves
    /// (`asked`) and its own question crosses with ours, what is missing comes from what the peer sent by proved paths:
    /// OK(ECHO) is longer than ECHO by nine bytes, and two that are as strict as we are must not wait for each other.
    pub(crate) fn pay(&mut self, path: Path, len: usize, price: usize, asked: bool) -> bool {
        if asked && len <= SHORT_ANSWER { self.spend_both(path, len) } else { self.spend_at(path, price) }
    }

    /// Pays for probes of `len` bytes in all to an address that the peer named from an unproved address.
    pub(crate) fn spend_at(&mut self, path: Path, len: usize) -> bool {
        self.accounts.iter_mut().find(|a| a.path == path).is_some_and(|a| take(&mut a.credit, len))
    }

    /// The same from a proved one. Something is left for the answers to what comes back.
    pub(crate) fn spend_saved(&mut self, len: usize) -> bool {
        let rest = (self.savings as usize).saturating_sub(SHORT_ANSWER);
        take(&mut self.allowance, len) || rest >= len && take(&mut self.savings, len)
    }

    /// The peer is a member of a network of ours.
    pub(crate) fn allow(&mut self, now: Mono) {
        if self.allowed.pass(now, PUSH_RELAYED) {
            self.allowance = ALLOWANCE;
        }
    }

    /// An address was proved: what came from its host and was not spent is saved.
    pub(crate) fn close(&mut self, host: &Endpoint) {
        let (closed, open) =
            std::mem::take(&mut self.accounts).into_iter().partition(|a| a.path.remote.same_host(host));
        self.accounts = open;
        let left: usize = Vec::into_iter(closed).map(|a: Account| a.credit as usize).sum();
        self.save(left);
    }

    /// Whether addresses that the peer named wait to be probed.
    pub(crate) const fn has_named(&self) -> bool {
        !self.named.is_empty()
    }

    /// The addresses that wait to be probed are these; a few at most.
    pub(crate) fn name(&mut self, remotes: impl IntoIterator<Item = Endpoint>) {
        self.named.clear();
        for remote in remotes {
            if self.named.len() < MAX_NAMED && !self.named.contains(&remote) {
                self.named.push(remote);
            }
        }
    }

    /// Takes the addresses that wait to be probed.
    pub(crate) fn take_named(&mut self) -> Vec<Endpoint> {
        std::mem::take(&mut self.named)
    }

    /// As [`Ledger::spend_at`]; what is missing comes from the savings.
    fn spend_both(&mut self, path: Path, len: usize) -> bool {
        let credit = self.credit(path).min(len);
        let enough = take(&mut self.savings, len - credit);
        enough && self.spend_at(path, credit)
    }
}

/// A length, of which no account holds more than some thousands.
fn bytes(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn take(from: &mut u32, len: usize) -> bool {
    let enough = *from >= bytes(len);
    if enough {
        *from -= bytes(len);
    }
    enough
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::LinkId;

    const T: Mono = Mono(60_000_000);

    fn at(n: u16) -> Path {
        Path { link: LinkId(1), remote: Endpoint::Ip(std::net::SocketAddr::from(([10, 0, 0, 1], n))) }
    }

    #[test]
    fn no_address_gets_more_than_came_from_it() {
        let mut l = Ledger::default();
        assert!(!l.spend_at(at(1), 1));
        l.earn_at(T, at(1), 100);
        l.earn_at(T, at(2), 7);
        assert!(l.spend_at(at(1), 60) && !l.spend_at(at(1), 41) && l.spend_at(at(1), 40));
        assert_eq!((l.credit(at(1)), l.credit(at(2))), (0, 7));
        l.earn_at(T, at(1), usize::MAX / 2);
        assert_eq!(l.credit(at(1)), MAX_CREDIT as usize);
        l.earn_at(T + CREDIT_LASTS, at(1), 5);
        assert_eq!(l.credit(at(1)), QUIET_CREDIT as usize + 5);
    }

    #[test]
    fn accounts_are_few_and_the_one_heard_longest_ago_gives_way_with_its_credit() {
        let mut l = Ledger::default();
        for n in 0..1000 {
            l.earn_at(T + Duration::from_millis(u64::from(n)), at(n), 100);
        }
        assert_eq!(l.accounts.len(), MAX_ACCOUNTS);
        assert_eq!((l.credit(at(999)), l.credit(at(0))), (100, 0));
        l.close(&at(5).remote);
        assert!(l.accounts.is_empty());
        assert_eq!(l.savings, 100 * MAX_ACCOUNTS as u32);
    }

    #[test]
    fn members_get_an_allowance_now_and_then() {
        let mut l = Ledger::default();
        l.save(10);
        l.allow(T);
        assert!(take(&mut l.allowance, ALLOWANCE as usize) && !take(&mut l.allowance, 1));
        l.allow(T);
        assert_eq!((l.allowance, l.savings), (0, 10));
        l.allow(T + PUSH_RELAYED);
        assert_eq!(l.allowance, ALLOWANCE);
    }

    #[test]
    fn two_that_ask_each_other_pay_for_the_short_answer_from_what_they_saved() {
        let mut l = Ledger::default();
        l.earn_at(T, at(1), 28);
        assert!(!l.pay(at(1), 37, 37, false), "nine bytes are missing");
        l.save(9);
        assert!(!l.pay(at(1), 37, 37, false), "who did not ask pays by what came from there");
        assert!(l.pay(at(1), 37, 37, true));
        assert_eq!((l.credit(at(1)), l.savings), (0, 0));
        l.earn_at(T, at(1), 100);
        assert!(!l.pay(at(1), 60, 120, true) && l.pay(at(1), 38, 76, true), "longer ones cost their price");
    }

    #[test]
    fn named_addresses_are_probed_for_what_was_saved_and_something_is_left() {
        let mut l = Ledger::default();
        l.name([at(1).remote, at(1).remote, at(2).remote]);
        assert!(l.has_named());
        assert_eq!(l.take_named(), [at(1).remote, at(2).remote]);
        l.save(28 + SHORT_ANSWER - 1);
        assert!(!l.spend_saved(28));
        l.save(1);
        assert!(l.spend_saved(28) && !l.spend_saved(1));
        l.allow(T);
        assert!(l.spend_saved(ALLOWANCE as usize) && l.savings as usize == SHORT_ANSWER);
        l.name((0..1000).map(|n| at(n).remote));
        assert_eq!(l.take_named().len(), MAX_NAMED);
    }
}
