//! Members behind NATs, our program everywhere.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use zt_test_e2e::{Program, nats};

fn print(what: &str, time: Duration) {
    let _ = writeln!(std::io::stdout(), "{:8.3} s  {what}", time.as_secs_f64());
}

#[test]
fn two_nats_that_keep_ports_are_crossed() -> Result<()> {
    let zt = Program::ours()?;
    nats::crossed([&zt, &zt, &zt], &mut print).map(drop)
}

#[test]
fn two_nats_with_random_ports_are_relayed() -> Result<()> {
    let zt = Program::ours()?;
    nats::relayed([&zt, &zt, &zt], &mut print).map(drop)
}
