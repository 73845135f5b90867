//! The commands of docs/nat-and-firewalls.md, on a host whose firewall drops what it is not told to let in.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Ping, Program};

const WAIT: Duration = Duration::from_secs(20);

/// As in the `/etc/nftables.conf` of distributions, with a policy that drops.
const USUAL: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif lo accept
    }
    chain forward { type filter hook forward priority filter; policy drop; }
    chain output { type filter hook output priority filter; }
}";

/// The blocks of shell commands below a heading.
fn blocks(heading: &str) -> Result<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nat-and-firewalls.md");
    let text = std::fs::read_to_string(page)?;
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    Ok(blocks.map(str::to_owned).collect())
}

#[test]
fn the_rules_of_the_page_let_a_root_and_its_networks_in() -> Result<()> {
    let Some(mut rig) = Rig::new("firewall")? else { return Ok(()) };
    let [of_a, of_b] = rig.join(WAIT)?;
    rig.hosts[0].ping(first(&of_b)?, Ping::default())?;
    let how = Ping { patience: WAIT, ..Ping::default() };
    // Nobody has a reason to speak to the other by way of the root: what it sends itself opens its firewall for the answer.
    rig.members.into_iter().try_for_each(Daemon::stop)?;
    for host in [&rig.root_host, &rig.hosts[0], &rig.hosts[1]] {
        host.namespace().nft(USUAL)?;
    }
    // The root is closed: who starts anew does not reach it.
    let zt = Program::ours()?;
    let b = rig.hosts[1].start(&zt, rig.lab.home("b")?)?;
    b.wait("word of it", WAIT, || Ok((b.api().get("/status")?["online"] == false).then_some(())))?;
    let commands = blocks("nftables")?;
    ensure!(commands.len() == 5, "{commands:?}");
    for host in [&rig.root_host, &rig.hosts[0], &rig.hosts[1]] {
        for block in &commands {
            let mut command = Command::new("sh");
            command.args(["-ec", block]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            let (status, output) = host.run(command, WAIT)?;
            ensure!(status.success(), "{block}: {output}");
        }
    }
    let a = rig.hosts[0].start(&zt, rig.lab.home("a")?)?;
    [&a, &b].into_iter().try_for_each(|member| member.wait_online(WAIT))?;
    rig.members = [a, b];
    rig.hosts[0].ping(first(&of_b)?, how)?;
    rig.hosts[1].ping(first(&of_a)?, how)?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    rig.members.into_iter().try_for_each(Daemon::stop)
}
