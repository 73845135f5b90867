//! The scenario of the roles with our program in all of them.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::Program;
use zt_test_e2e::roles::{Cast, Roles, Scenario, Underlay};

fn play(scenario: Scenario) -> Result<()> {
    let mut step = |name: &str, time: Duration| {
        let _ = writeln!(std::io::stdout(), "{:7.2} s  {name}", time.as_secs_f64());
    };
    scenario.run(&mut step).map(drop)
}

fn scenario() -> Result<Scenario> {
    Ok(Scenario::new(Roles::all(&Program::ours()?)))
}

#[test]
fn each_role_on_a_machine_of_its_own() -> Result<()> {
    play(scenario()?)
}

#[test]
fn an_underlay_with_ipv6_only() -> Result<()> {
    play(Scenario { underlay: Underlay::V6, ..scenario()? })
}

#[test]
fn hosts_with_two_interfaces() -> Result<()> {
    play(Scenario { underlay: Underlay::TwoInterfaces, ..scenario()? })
}

#[test]
fn a_controller_in_its_own_network() -> Result<()> {
    play(Scenario { cast: Cast::ControllerJoins, ..scenario()? })
}

#[test]
fn one_daemon_in_three_roles() -> Result<()> {
    play(Scenario { cast: Cast::AllInOne, ..scenario()? })
}
