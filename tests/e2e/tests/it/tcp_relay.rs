//! Members without UDP, by our relay.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::Program;
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
