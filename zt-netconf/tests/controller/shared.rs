//! Two controllers of one address over one store: each hears of what the other writes, and neither writes it again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zt_crypto::{Entropy, SecretIdentity, SeededEntropy};
use zt_netconf::controller::{
    Change, Command, Controller, ControllerOutput, Key, MemberPatch, NetworkPatch, Record, Request, SendKind,
};
use zt_wire::{Address, Mono, NetworkId, Now, PacketId};

use crate::bench::{METADATA, START_MS, identity, secret};

/// A store that two controllers write to and that tells each of what the other wrote.
#[derive(Default)]
struct Store {
    records: BTreeMap<Key, Record>,
    /// What each has not heard of yet.
    notices: [VecDeque<Change>; 2],
    /// Commits made, and refused because somebody else was first.
    commits: usize,
    conflicts: usize,
}

impl Store {
    fn commit(&mut self, writer: usize, changes: &[Change]) -> bool {
        if !changes.iter().all(|change| self.is_right(change, changes)) {
            self.conflicts += 1;
            return false;
        }
        self.commits += 1;
        for change in changes {
            match change.record() {
                Some(record) => _ = self.records.insert(change.key(), record.clone()),
                None => match change.key() {
                    Key::Network(id) => self.records.retain(|key, _| key.network() != id),
                    member @ Key::Member(..) => _ = self.records.remove(&member),
                },
            }
            self.notices[1 - writer].push_back(change.clone());
        }
        true
    }

    fn is_right(&self, change: &Change, all: &[Change]) -> bool {
        let gone = |id| all.iter().any(|c| c.key() == Key::Network(id) && c.record().is_none());
        let stored = self.records.get(&change.key()).map(Record::version);
        let made = |id| self.records.get(&Key::Network(id)).map(|n| n.version().made);
        match change.key() {
            // Its network takes it along.
            Key::Member(id, _) if change.record().is_none() && gone(id) => true,
            Key::Member(id, _) => stored == change.replaces() && made(id).is_some() && made(id) == change.within(),
            Key::Network(_) => stored == change.replaces(),
        }
    }
}

/// One of the two, with its commits that are on their way.
struct Seat {
    controller: Controller,
    open: VecDeque<(u64, Vec<Change>)>,
    /// Commits that were refused: what was built on them is refused, too.
    refused: BTreeSet<u64>,
    sent: Vec<(Address, SendKind)>,
}

struct Pair {
    seats: [Seat; 2],
    store: Store,
    now: Now,
    packet: u64,
}

const A: usize = 0;
const B: usize = 1;

impl Pair {
    fn new(seed: u64) -> Self {
        let own: Arc<SecretIdentity> = Arc::new(secret("ctl"));
        let seat = |number: u64| {
            let mut controller = Controller::new(Arc::clone(&own), Box::new(SeededEntropy::new(seed * 2 + number)));
            controller.start();
            Seat { controller, open: VecDeque::new(), refused: BTreeSet::new(), sent: Vec::new() }
        };
        let now = Now { mono: Mono::from_millis(1_000_000), unix_ms: START_MS };
        Self { seats: [seat(0), seat(1)], store: Store::default(), now, packet: 1 }
    }

    fn command(&mut self, seat: usize, command: Command) -> bool {
        self.now = self.now.plus(Duration::from_millis(1));
        let done = self.seats[seat].controller.command(self.now, command).is_ok();
        self.drain(seat);
        done
    }

    fn ask(&mut self, seat: usize, network: NetworkId, who: &str) {
        self.packet += 1;
        let packet = Some(PacketId(self.packet));
        let request = Request { network, from: identity(who), from_path: None, packet, metadata: METADATA };
        _ = self.seats[seat].controller.handle_request(self.now, request);
        self.drain(seat);
    }

    fn drain(&mut self, seat: usize) {
        let Seat { controller, open, sent, .. } = &mut self.seats[seat];
        while let Some(output) = controller.poll_output(self.now) {
            match output {
                ControllerOutput::Commit { seq, changes } => open.push_back((seq, changes)),
                ControllerOutput::Send { to, kind, .. } => sent.push((to, kind)),
                ControllerOutput::Local { .. } | ControllerOutput::LocalRevocation { .. } => {}
            }
        }
    }

    /// The store decides about the next commit of one; false when there is none.
    fn write_one(&mut self, seat: usize) -> bool {
        let Some((seq, changes)) = self.seats[seat].open.pop_front() else { return false };
        let Seat { controller, refused, .. } = &mut self.seats[seat];
        let baseless = changes.iter().filter_map(Change::built_on).any(|base| refused.contains(&base));
        if !baseless && self.store.commit(seat, &changes) {
            controller.handle_committed(self.now, seq);
        } else {
            refused.insert(seq);
            controller.handle_commit_failed(self.now, seq);
        }
        self.drain(seat);
        true
    }

    /// One hears of the next change of the other; false when there is none.
    fn hear_one(&mut self, seat: usize) -> bool {
        let Some(change) = self.store.notices[seat].pop_front() else { return false };
        self.seats[seat].controller.handle_change(self.now, change);
        self.drain(seat);
        true
    }

    /// Until nothing is on its way any more; must come soon.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let moved = [A, B].map(|seat| self.write_one(seat) | self.hear_one(seat));
            if moved == [false, false] {
                return;
            }
        }
        panic!("they go on rewriting each other: {} commits", self.store.commits);
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
        for seat in [A, B] {
            self.seats[seat].controller.handle_timeout(self.now);
            self.drain(seat);
        }
    }

    /// All records as a controller has them.
    fn records(&mut self, seat: usize) -> BTreeMap<Key, Record> {
        let (now, controller) = (self.now, &mut self.seats[seat].controller);
        let mut ask = |command| controller.command(now, command).expect("it is there").answer;
        let networks = ask(Command::ListNetworks).into_networks().expect("networks");
        let mut out = BTreeMap::new();
        for network in networks.into_iter().map(|n| n.network) {
            let members = ask(Command::ListMembers(network.id)).into_members().expect("members");
            out.extend(members.into_iter().map(Record::Member).map(|r| (r.key(), r)));
            let record = Record::Network(network);
            out.insert(record.key(), record);
        }
        out
    }

    fn assert_same(&mut self) {
        let stored = self.store.records.clone();
        for seat in [A, B] {
            let held = self.records(seat);
            let brief = |records: &BTreeMap<Key, Record>| {
                let differs = records.values().filter(|r| stored.get(&r.key()) != held.get(&r.key()));
                differs.map(|r| (r.key(), r.version())).collect::<Vec<_>>()
            };
            assert!(held == stored, "{seat} holds {:?}, stored is {:?}", brief(&held), brief(&stored));
        }
    }
}

fn network(number: u64) -> NetworkId {
    NetworkId(identity("ctl").address.as_u64() << 24 | number)
}

fn named(name: &str) -> NetworkPatch {
    NetworkPatch { name: Some(name.to_owned()), ..NetworkPatch::default() }
}

#[test]
fn what_one_writes_the_other_has_and_does_not_write_again() {
    let mut pair = Pair::new(1);
    let (n, a) = (network(1), identity("a").address);
    assert!(pair.command(A, Command::set_network(n, named("lan"))));
    pair.settle();
    // The member is known to B only, which is told by A's administrator.
    pair.ask(B, n, "a");
    pair.settle();
    assert_eq!(pair.seats[B].sent, [(a, SendKind::Denied)]);
    assert!(pair.command(A, Command::authorize(n, a, true)));
    pair.settle();
    assert_eq!(pair.seats[B].sent.last(), Some(&(a, SendKind::Push)), "it gets its configuration at once");
    assert!(pair.seats[A].sent.is_empty());
    // De-authorised by A, revoked by B.
    assert!(pair.command(A, Command::authorize(n, a, false)));
    pair.settle();
    assert_eq!(pair.seats[B].sent.last(), Some(&(a, SendKind::Revocations)));
    pair.assert_same();
    let commits = pair.store.commits;
    for _ in 0..120 {
        pair.wait(1000);
        pair.settle();
    }
    assert_eq!((pair.store.commits, pair.store.conflicts), (commits, 0));
    assert!(pair.command(B, Command::DeleteNetwork(n)));
    pair.settle();
    pair.assert_same();
    assert!(pair.store.records.is_empty());
}

#[test]
fn of_two_changes_at_once_one_wins_and_the_other_is_refused() {
    let mut pair = Pair::new(2);
    let n = network(1);
    pair.command(A, Command::set_network(n, named("lan")));
    pair.settle();
    pair.command(A, Command::set_network(n, named("by A")));
    pair.command(B, Command::set_network(n, named("by B")));
    // B is first; A hears of it while its own commit is on its way.
    assert!(pair.write_one(B) && pair.hear_one(A) && pair.write_one(A));
    pair.settle();
    assert_eq!(pair.store.conflicts, 1);
    let record = pair.records(A)[&Key::Network(n)].clone();
    assert!(matches!(record, Record::Network(network) if network.name == "by B"));
    pair.assert_same();
    // One removes what the other changes and makes anew what the other removed.
    pair.command(A, Command::DeleteNetwork(n));
    pair.command(B, Command::set_network(n, named("again")));
    assert!(pair.write_one(A) && pair.write_one(B));
    pair.command(A, Command::set_network(n, named("anew")));
    pair.settle();
    pair.assert_same();
    assert!(matches!(&pair.store.records[&Key::Network(n)], Record::Network(network) if network.name == "anew"));
}

#[test]
fn whatever_both_do_they_end_with_what_is_stored() {
    let mut conflicts = 0;
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        let mut dice = SeededEntropy::new(seed ^ 0x7717);
        let mut below = |n: u64| dice.next_u64() % n;
        let mut orders = 0;
        for step in 0..400 {
            let (seat, n) = ([A, B][below(2) as usize], network(1 + below(2)));
            let who = ["a", "b", "d"][below(3) as usize];
            let address = identity(who).address;
            let name = MemberPatch { name: Some(step.to_string()), ..MemberPatch::default() };
            orders += 1;
            match below(16) {
                0 | 1 => _ = pair.command(seat, Command::set_network(n, named(&step.to_string()))),
                2 | 3 => _ = pair.command(seat, Command::set_member(n, address, name)),
                4 => _ = pair.command(seat, Command::authorize(n, address, below(2) == 0)),
                5 => pair.ask(seat, n, who),
                6 if below(3) == 0 => _ = pair.command(seat, Command::DeleteNetwork(n)),
                7 => _ = pair.command(seat, Command::DeleteMember(n, address)),
                8 => pair.wait(1001),
                9..12 => _ = pair.write_one(seat),
                _ => _ = pair.hear_one(seat),
            }
        }
        pair.settle();
        pair.assert_same();
        assert!(pair.store.commits <= orders, "{} commits of {orders} orders", pair.store.commits);
        conflicts += pair.store.conflicts;
    }
    assert!(conflicts > 100, "the test makes conflicts: {conflicts}");
}
