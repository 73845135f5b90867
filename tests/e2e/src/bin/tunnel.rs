//! One TCP stream over two of our nodes and over two stock ones, in the same rig; see `cargo xtask bench tunnel`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Ping, Program, tcp};

const HELP: &str = "usage: tunnel [--peer DIR] [--megabytes N] [--rounds N]

  --peer DIR      folder with the stock zerotier-one to compare with
  --megabytes N   how much each stream moves [200]
  --rounds N      streams of each program, in turn [3]";

const WAIT: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("tunnel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let (mut peer, mut megabytes, mut rounds) = (None, 200_u64, 3_usize);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value\n{HELP}"))?;
        match word.as_str() {
            "--peer" => peer = Some(PathBuf::from(value)),
            "--megabytes" => megabytes = value.parse().context(HELP)?,
            "--rounds" => rounds = value.parse().context(HELP)?,
            other => bail!("unknown argument {other}\n{HELP}"),
        }
    }
    let mut programs = vec![Program::ours()?];
    if let Some(peer) = peer {
        programs.push(Program::stock(&peer)?);
    }
    let mut rigs = Vec::new();
    for program in &programs {
        rigs.push(prepare(program)?);
    }
    // In turn, so that what else the machine does meets all of them.
    let mut speeds = vec![Vec::new(); rigs.len()];
    for _ in 0..rounds.max(1) {
        for ((rig, target), speeds) in rigs.iter().zip(&mut speeds) {
            let moved = tcp(&rig.hosts[0], &rig.hosts[1], *target, megabytes * 1_000_000)?;
            speeds.push(moved.megabits_per_second());
        }
    }
    println!("one TCP stream of {megabytes} MB, MTU 2800, median of {rounds}");
    let mut base = None;
    for (program, speeds) in programs.iter().zip(&mut speeds).rev() {
        speeds.sort_by(f64::total_cmp);
        let median = speeds[speeds.len() / 2];
        let ratio = median / *base.get_or_insert(median);
        println!("{:6} {median:9.0} Mbit/s  ratio {ratio:.2}", program.kind());
    }
    if programs.len() == 1 {
        println!("stock: not measured (--peer DIR)");
    }
    Ok(())
}

fn prepare(program: &Program) -> Result<(Rig, std::net::IpAddr)> {
    let rig = Rig::with_hosts("tunnel", [program; 3], |lab| {
        Ok([lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?])
    })?;
    let rig = rig.context("this machine has no namespaces or TAP devices")?;
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() })?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    tcp(&rig.hosts[0], &rig.hosts[1], target, 5_000_000)?;
    Ok((rig, target))
}
