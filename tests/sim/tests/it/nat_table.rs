//! All pairs of NAT behaviours (issue 3, Show 4).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zt_test_sim::{Depends, Dice, Lab, Nat, NatKind, Place, Traffic};

/// Two NAT boxes and what the nodes behind them know: the model that says which pairs can be opened at all.
struct Pair {
    nats: [Nat; 2],
    inner: [SocketAddr; 2],
    /// Addresses of the other side that each has heard of.
    known: [BTreeSet<SocketAddr>; 2],
    confirmed: [bool; 2],
    dice: Dice,
}

impl Pair {
    fn new(kinds: [NatKind; 2]) -> Self {
        let ip = |n: u8| IpAddr::from([50, 0, 0, n]);
        let root: SocketAddr = ([40, 0, 0, 1], 9993).into();
        let mut nats = [Nat::new(kinds[0], ip(1)), Nat::new(kinds[1], ip(2))];
        let inner = [1, 2].map(|n| SocketAddr::from(([192, 168, n, 10], 9993)));
        let mut dice = Dice::new(1);
        let seen = [0, 1].map(|side| nats[side].outbound(0, inner[side], root, &mut dice));
        let known = [BTreeSet::from([seen[1]]), BTreeSet::from([seen[0]])];
        Self { nats, inner, known, confirmed: [false; 2], dice }
    }

    /// Sends to an address; gives the source as the other side sees it, when it arrives.
    fn send(&mut self, side: usize, to: SocketAddr) -> Option<SocketAddr> {
        let source = self.nats[side].outbound(1, self.inner[side], to, &mut self.dice);
        let other = &self.nats[1 - side];
        (to.ip() == other.outer() && other.inbound(1, source, to.port()).is_some()).then_some(source)
    }

    /// Asks an address; it is confirmed when the answer comes from there (rule 1 of the safety list).
    fn ask(&mut self, side: usize, to: SocketAddr) {
        let Some(seen) = self.send(side, to) else { return };
        self.known[1 - side].insert(seen);
        if let Some(answered) = self.send(1 - side, seen) {
            self.confirmed[side] |= answered == to;
            self.known[side].insert(answered);
        }
    }
}

/// Whether both can find a path on which answers come from where they were asked, without guessing ports.
fn can_be_direct(a: NatKind, b: NatKind) -> bool {
    let mut pair = Pair::new([a, b]);
    for _ in 0..6 {
        for side in [0, 1] {
            for to in pair.known[side].clone() {
                pair.ask(side, to);
            }
        }
    }
    pair.confirmed == [true; 2]
}

#[test]
fn every_pair_of_nat_kinds_works() {
    let kinds: Vec<NatKind> = Depends::ALL
        .iter()
        .flat_map(|&mapping| Depends::ALL.iter().map(move |&filtering| NatKind::of(mapping, filtering)))
        .collect();
    let name = |kind: &NatKind| format!("{}/{}", kind.mapping.short(), kind.filtering.short());
    let mut table =
        String::from("first traffic to direct in seconds, by mapping/filtering; 'relayed' where no path is possible\n");
    table += &format!("{:>9}", "");
    kinds.iter().for_each(|kind| table += &format!("{:>9}", name(kind)));
    let mut failures = Vec::new();
    for (i, a) in kinds.iter().enumerate() {
        table += &format!("\n{:>9}", name(a));
        for (j, b) in kinds.iter().enumerate() {
            if j < i {
                table += &format!("{:>9}", "");
                continue;
            }
            let seed = 1000 + (i * 9 + j) as u64;
            let mut lab = Lab::new("nat pair", seed, &[Place::Behind(*a), Place::Behind(*b)]);
            let (x, y, network) = (lab.members[0], lab.members[1], lab.network);
            let ip = lab.sim.ip4(y, network).expect("up");
            let start = lab.sim.time();
            let ping = lab.sim.stream(x, network, ip, Traffic::Ping, Duration::from_millis(100), 400);
            let direct = lab.sim.run_until(Duration::from_secs(20), |sim| sim.both_direct(x, y));
            lab.sim.run_for(Duration::from_secs(41).saturating_sub(direct.unwrap_or(Duration::from_secs(20))));
            let result = lab.sim.result(ping);
            // The first second may be lost to address resolution over a root; nothing after it.
            let (sent, got) = result.between(start + 1_000_000, u64::MAX);
            if got < sent {
                failures.push(format!("{} with {}: {got} of {sent} pings", name(a), name(b)));
            }
            let possible = can_be_direct(*a, *b);
            match direct {
                Some(time) if time <= Duration::from_secs(5) => table += &format!("{:>9.2}", time.as_secs_f64()),
                Some(time) => {
                    table += &format!("{:>8.2}!", time.as_secs_f64());
                    failures.push(format!("{} with {}: direct after {time:?} only", name(a), name(b)));
                }
                None => {
                    table += &format!("{:>9}", if possible { "never!" } else { "relayed" });
                    if possible {
                        failures.push(format!("{} with {}: never direct", name(a), name(b)));
                    }
                }
            }
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "{failures:#?}");
}
