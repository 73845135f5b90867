//! All pairs of NAT behaviours (issue 3, Show 4).

use std::time::Duration;
use zt_test_sim::{Depends, Lab, NatKind, Place, Traffic};

/// Two NAT kinds can be opened from both sides when no port must be guessed.
fn can_be_direct(a: NatKind, b: NatKind) -> bool {
    let guess = |mapping: NatKind, filtering: NatKind| {
        // The mapping seen by the root is not the one for the peer, and the peer's filter wants to know the port.
        mapping.mapping != Depends::Endpoint && filtering.filtering == Depends::AddressAndPort
    };
    !(guess(a, b) || guess(b, a))
}

#[test]
fn every_pair_of_nat_kinds_works() {
    let kinds: Vec<NatKind> = Depends::ALL
        .iter()
        .flat_map(|&mapping| Depends::ALL.iter().map(move |&filtering| NatKind::of(mapping, filtering)))
        .collect();
    let name = |kind: &NatKind| format!("{}/{}", kind.mapping.short(), kind.filtering.short());
    let mut table = String::from("first traffic to direct in seconds, by mapping/filtering; 'relayed' where no path is possible\n");
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
