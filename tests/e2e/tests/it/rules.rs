//! Rule sets between members of our program; `cargo xtask interop` plays all of them, with stock members too.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use zt_test_e2e::Program;
use zt_test_e2e::rules::{Outcome, Pairing, all};

/// Plays the sets whose name contains one of these.
fn play(names: &[&str]) -> Result<()> {
    let zt = Program::ours()?;
    let mut sets = all();
    sets.retain(|set| set.is_ours() && names.iter().any(|name| set.name.contains(name)));
    ensure!(sets.len() == names.len(), "{} sets are called so", sets.len());
    let mut tell = |outcome: &Outcome| {
        let _ =
            writeln!(std::io::stdout(), "{:6.2} s  {}: {}", outcome.time.as_secs_f64(), outcome.set, outcome.cell());
    };
    let pairing = Pairing::new(("ours", &zt), ("ours", &zt));
    let Some(outcomes) = pairing.play(&zt, None, &sets, &mut tell)? else { return Ok(()) };
    let failures: Vec<String> = outcomes.iter().flat_map(Outcome::failures).collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

#[test]
fn headers_and_credentials_decide() -> Result<()> {
    play(&["one TCP port closed", "tag equality", "a capability of one side", "spoofed IP refused", "a member revoked"])
}

#[test]
fn the_first_ping_of_a_network_of_tags_is_answered() -> Result<()> {
    play(&["tags alone, no rule for ARP", "tags alone, BREAK"])
}

#[test]
fn copies_and_redirected_frames_reach_a_third() -> Result<()> {
    play(&["TEE to a third", "WATCH by a third", "REDIRECT to a third"])
}

#[test]
fn networks_without_a_controller() -> Result<()> {
    play(&["ad-hoc network of ports", "ad-hoc network of IPv4"])
}

#[test]
fn a_host_behind_a_bridge_gets_its_addresses() -> Result<()> {
    for program in ["dnsmasq", "busybox"] {
        let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            ensure!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must have {program}");
            let _ = writeln!(std::io::stderr(), "skipped: {program} is missing");
            return Ok(());
        }
    }
    play(&["a host behind a bridge", "a default route"])
}
