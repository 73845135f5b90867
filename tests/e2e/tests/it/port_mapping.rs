//! Ports of routers that are mapped, by each protocol.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::hostile_router::{self, Mood};
use zt_test_e2e::port_mapping::{self, By};

fn step(what: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:7.2} s  {what}", time.as_secs_f64());
}

#[test]
fn a_port_mapped_by_pcp_is_reached_from_behind_a_nat_that_draws_ports() -> Result<()> {
    port_mapping::mapped(By::Pcp, &mut step).map(drop)
}

#[test]
fn a_port_mapped_by_nat_pmp_is_reached_from_behind_a_nat_that_draws_ports() -> Result<()> {
    port_mapping::mapped(By::NatPmp, &mut step).map(drop)
}

#[test]
fn a_port_mapped_by_upnp_is_reached_from_behind_a_nat_that_draws_ports() -> Result<()> {
    port_mapping::mapped(By::Upnp, &mut step).map(drop)
}

#[test]
fn a_router_that_is_silent_lies_or_floods_costs_next_to_nothing() -> Result<()> {
    hostile_router::endured(&[Mood::Silent, Mood::Lies, Mood::OtherPort, Mood::Floods], &mut step).map(drop)
}

#[test]
fn a_router_that_leads_elsewhere_drips_or_never_ends_costs_next_to_nothing() -> Result<()> {
    hostile_router::endured(&[Mood::LeadsElsewhere, Mood::Drips, Mood::Endless], &mut step).map(drop)
}
