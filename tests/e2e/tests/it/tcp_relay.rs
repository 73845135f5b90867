//! Members without UDP, by our relay.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use zt_test_e2e::Program;
use zt_test_e2e::tcp_relay::abuse::Abuse;
use zt_test_e2e::tcp_relay::{self, our_server};

fn step(name: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:7.2} s  {name}", time.as_secs_f64());
}

#[test]
fn a_member_without_udp_goes_by_the_relay_and_comes_back() -> Result<()> {
    let zt = Program::ours()?;
    tcp_relay::cut_and_healed([&zt, &zt], &our_server, &mut step).map(drop)
}

#[test]
fn a_member_that_is_told_to_uses_nothing_but_the_relay() -> Result<()> {
    let zt = Program::ours()?;
    tcp_relay::forced([&zt, &zt, &zt], &our_server, &mut step).map(drop)
}

#[test]
fn a_relay_serves_without_a_right_of_roots_and_without_the_calls_that_it_does_not_need() -> Result<()> {
    let Some(relay) = Abuse::new()? else { return Ok(()) };
    let process = relay.process()?;
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        ensure!(process.lines().any(|found| found == line), "{line}\n{process}");
    }
    relay.served()?;
    Ok(())
}

/// Bytes that a relay with 16 MiB for slow clients may have at most.
const MOST_MEMORY: u64 = 64 << 20;

#[test]
fn a_relay_is_no_open_proxy_and_no_amplifier_and_serves_on_under_ten_thousand_silent_connections() -> Result<()> {
    let Some(abuse) = Abuse::new()? else { return Ok(()) };
    let say = |text: &str| {
        let memory = abuse.memory()?;
        let _ = writeln!(
            std::io::stdout(),
            "{text}; {} kB resident, {} at most; an honest client is served in {} ms",
            memory.now / 1000,
            memory.most / 1000,
            abuse.served()?.as_millis(),
        );
        ensure!(memory.most < MOST_MEMORY, "{text}: {memory:?}");
        Ok(())
    };
    say("at first")?;
    abuse.open_proxy()?;
    say("nothing passed an open proxy")?;
    let (sent, reached, back) = abuse.amplifier()?;
    say(&format!("{reached} of {sent} bytes reached a victim, {back} of its answers came back"))?;
    say(&format!("{} of 2000 datagrams of 200 clients reached one address", abuse.crowd_at_one()?))?;
    abuse.bad_records()?;
    say("bad records were named")?;
    say(&format!("{} slow readers", abuse.slow_readers()?))?;
    say(&format!("{} silent connections", abuse.silent(10_000)?))?;
    let memory = abuse.memory()?;
    ensure!(memory.most < MOST_MEMORY, "{memory:?}");
    Ok(())
}
