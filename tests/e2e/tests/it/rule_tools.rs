//! Rules by the commands of people, on a running controller: what is foreseen is what happens.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Ping, Program, tcp};

const WAIT: Duration = Duration::from_secs(30);

/// `zt` beside the controller: exit code and output.
fn zt(rig: &Rig, line: &str) -> Result<(i32, String)> {
    let Program::Ours(program) = Program::ours()? else { anyhow::bail!("our program") };
    let mut command = Command::new(program);
    command.arg("--home").arg(rig.root.home()).args(line.split(' '));
    let (status, output) = rig.root_host.run(command, WAIT)?;
    Ok((status.code().context("an exit code")?, output))
}

fn ok(rig: &Rig, line: &str) -> Result<String> {
    let (code, output) = zt(rig, line)?;
    ensure!(code == 0, "{line}: {code}\n{output}");
    Ok(output)
}

/// A TCP connection can be opened, or stays without an answer.
fn tcp_opens(rig: &Rig, target: IpAddr) -> bool {
    let [a, b] = &rig.hosts;
    tcp(a, b, target, 1000).is_ok()
}

#[test]
fn what_a_difference_foresees_is_what_happens() -> Result<()> {
    let Some(mut rig) = Rig::new("ruletools")? else { return Ok(()) };
    let [_, of_b] = rig.join(WAIT)?;
    let target = first(&of_b)?;
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() }).context("before any rule")?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    let file = |name: &str| examples.join(name).display().to_string();
    let network = rig.network;
    let departments = file("departments.rules");
    let [a, b] = [rig.members[0].address(), rig.members[1].address()];

    // Both have no department yet: that cuts everything between them.
    let (code, foreseen) = zt(&rig, &format!("rules diff {network} {departments}"))?;
    ensure!(code == 3 && foreseen.contains("cut     between any two members  everything but"), "{code} {foreseen}");
    ok(&rig, &format!("network rules {network} {departments} --dry-run"))?;
    rig.hosts[0].ping(target, Ping::default()).context("while nothing was changed")?;
    ok(&rig, &format!("network rules {network} {departments}"))?;
    rig.members[0].wait("the ping to be cut", WAIT, || {
        Ok(rig.hosts[0].ping_once(target, Duration::from_millis(200))?.is_none().then_some(()))
    })?;

    // One department: open, by the names of the text that the network keeps.
    for member in [a, b] {
        ok(&rig, &format!("member set {network} {member} --tag department=finance"))?;
    }
    rig.hosts[0].ping(target, Ping { patience: WAIT, ..Ping::default() }).context("within a department")?;
    ensure!(tcp_opens(&rig, target), "within a department");
    let same = ok(&rig, &format!("rules diff {network} {departments}"))?;
    ensure!(same.starts_with("nothing changes"), "{same}");

    // Another one: closed again.
    ok(&rig, &format!("member set {network} {b} --tag department=sales"))?;
    rig.members[0].wait("the ping to be cut again", WAIT, || {
        Ok(rig.hosts[0].ping_once(target, Duration::from_millis(200))?.is_none().then_some(()))
    })?;

    // The text is kept as long as it is true, also over a restart.
    let text = std::fs::read_to_string(&departments)?;
    let shown = || ok(&rig, &format!("network rules {network}"));
    ensure!(shown()?.trim_end() == text.trim_end(), "the text is kept");
    let accept: Value = serde_json::json!({"rules": [{"type": "ACTION_ACCEPT"}]});
    rig.root.change_network(network, &accept)?;
    ensure!(shown()?.starts_with("# Made from the rules"), "it is gone");
    let open = Ping { patience: WAIT, ..Ping::default() };
    rig.hosts[0].ping(target, open).context("with everything accepted again")?;
    ok(&rig, &format!("network rules {network} {departments}"))?;
    rig.root = rig.root.restart()?;
    ensure!(ok(&rig, &format!("network rules {network}"))?.trim_end() == text.trim_end(), "the text is on the disk");
    Ok(())
}
