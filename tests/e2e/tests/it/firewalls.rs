//! The commands of docs/nat-and-firewalls.md, on a host whose firewall drops what it is not told to let in.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use zt_test_e2e::nft::Counter;
use zt_test_e2e::rig::{Rig, first};
use zt_test_e2e::{Daemon, Options, Ping, Program};

const WAIT: Duration = Duration::from_secs(20);

/// As in the `/etc/nftables.conf` of distributions, with a policy that drops; what it drops of ours is counted.
const USUAL: &str = "table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif lo accept
        udp dport 9993 counter
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
    let planet = std::fs::read(rig.members[0].home().join("planet"))?;
    rig.members.into_iter().try_for_each(Daemon::stop)?;
    for host in [&rig.root_host, &rig.hosts[0], &rig.hosts[1]] {
        host.namespace().nft(USUAL)?;
    }
    let zt = Program::ours()?;
    // The root is closed. Only a stranger at a port of its own shows it: to places of members that it knows the root may
    // speak first, and what it sends itself opens its firewall for the answer.
    let home = rig.lab.home("stranger")?.with_planet(&planet)?.with_identity(&rig.lab.identity(4))?;
    let stranger = rig.hosts[1].start_with(&zt, home, Options { port: 9995, ..Options::default() })?;
    // Of those that the rules of USUAL drop.
    let dropped = || Counter::of(&rig.root_host, &["chain", "inet", "filter", "input"]).map(|counter| counter.packets);
    stranger.wait("datagrams before the root", WAIT, || Ok((dropped()? >= 2).then_some(())))?;
    ensure!(stranger.api().get("/status")?["online"] == false, "a stranger is let in");
    stranger.stop()?;
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
    let [a, b] = [(0, "a"), (1, "b")].map(|(number, name)| rig.hosts[number].start(&zt, rig.lab.home(name)?));
    let [a, b] = [a?, b?];
    [&a, &b].into_iter().try_for_each(|member| member.wait_online(WAIT))?;
    rig.members = [a, b];
    let how = Ping { patience: WAIT, ..Ping::default() };
    rig.hosts[0].ping(first(&of_b)?, how)?;
    rig.hosts[1].ping(first(&of_a)?, how)?;
    rig.members[0].wait_direct(rig.members[1].address(), WAIT)?;
    rig.members.into_iter().try_for_each(Daemon::stop)
}
