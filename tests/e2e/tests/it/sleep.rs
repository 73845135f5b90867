//! Hosts that sleep, daemons that are stopped, and clocks that jump. At full length: `cargo xtask sleep`.
#![expect(clippy::print_stdout, reason = "figures are told")]

use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::sleep::{Away, away, jump};

#[test]
fn a_host_that_slept_has_traffic_again() -> Result<()> {
    let Some(answered) = away("slept", false, Away::Slept(600))? else { return Ok(()) };
    println!("after ten minutes of sleep: {answered:?}");
    Ok(())
}

#[test]
fn a_daemon_that_was_stopped_has_traffic_again_although_its_nat_forgot_it() -> Result<()> {
    let Some(answered) = away("stopped", true, Away::Stopped(Duration::from_secs(6)))? else { return Ok(()) };
    println!("stopped for six seconds, its NAT forgot it: {answered:?}");
    let Some(answered) = away("nats-slept", true, Away::Slept(600))? else { return Ok(()) };
    println!("after ten minutes of sleep, its NAT forgot it: {answered:?}");
    Ok(())
}

#[test]
fn a_wall_clock_that_jumps_an_hour_stops_nothing() -> Result<()> {
    for seconds in [3600, -3600] {
        let Some(worst) = jump("jump", seconds, Duration::from_secs(1))? else { return Ok(()) };
        println!("by {seconds} s: the slowest answer after {worst:?}");
    }
    Ok(())
}
