//! Two uplinks at each of two members.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use zt_test_e2e::load::steady_flows;
use zt_test_e2e::uplinks::{FLOWS, Uplinks};
use zt_test_e2e::{Daemon, Ping, Program, figure};

const WAIT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(1);

/// Flows that a member has on each of its uplinks towards another.
fn flows(member: &Daemon, other: &Daemon) -> Result<[u64; 2]> {
    let bond = member.api().get(&format!("/bond/show/{}", other.address()))?;
    let paths = bond["paths"].as_array().context("paths")?;
    let on = |interface: &str| {
        let is_on = |path: &&Value| path["ifname"] == interface && path["expired"] != true;
        paths.iter().filter(is_on).filter_map(|path| path["assignedFlowCount"].as_u64()).sum()
    };
    Ok([on("eth0"), on("eth1")])
}

#[test]
fn flows_take_both_uplinks_and_a_cut_one_is_left_within_a_second() -> Result<()> {
    let zt = Program::ours()?;
    let Some(uplinks) = Uplinks::new("bonding", [&zt, &zt], ["balance-aware"; 2])? else { return Ok(()) };
    let ([a, b], hosts) = (&uplinks.members, [&uplinks.hosts[0], &uplinks.hosts[1]]);
    let mut seen = [0; 2];
    let steady = steady_flows(hosts, uplinks.addresses[1], FLOWS, || {
        a.wait("flows on both uplinks", WAIT, || {
            seen = flows(a, b)?;

            Ok(seen.iter().all(|count| *count > 0).then_some(()))
        })?;
        uplinks.cut(Some(1))?;
        a.wait("flows on one uplink", WAIT, || Ok((flows(a, b)?[1] == 0).then_some(())))?;
        hosts[0].ping(uplinks.addresses[1], Ping { patience: WAIT, ..Ping::default() })?;
        uplinks.cut(None)
    })?;
    figure(&format!("longest gap of {FLOWS} flows, {seen:?} by uplink"), steady.longest_gap, LIMIT)
}
