//! Every MTU of a network over every MTU of the network below.

use anyhow::Result;
use zt_test_e2e::Program;
use zt_test_e2e::mtu_table::{render, table};

#[test]
fn every_mtu_over_every_underlay_changed_while_running() -> Result<()> {
    let Some(cells) = table("mtu-table", &Program::ours()?, |_| {})? else { return Ok(()) };
    assert_eq!(cells.len(), 25);
    assert!(cells.iter().all(|cell| cell.failures.is_empty()), "\n{}", render(&cells));
    Ok(())
}
