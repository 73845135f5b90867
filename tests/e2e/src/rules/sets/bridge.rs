//! A bridge with a host behind it, which gets its addresses through the network.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::super::cast::Role::{A, B, C};
use super::super::frame::SYN;
use super::super::plan::{Plan, RuleSet};
use super::super::report::Wanted;
use super::super::scene::{PATIENCE, Scene};
use crate::{Host, Ping, wait_for};

pub(super) const SETS: &[RuleSet] = &[RuleSet::new("a host behind a bridge, DHCP and RA", bridged, try_bridged)];

fn bridged() -> Plan {
    Plan {
        rules: "drop ipprotocol tcp and dport 25; accept;",
        members: vec![json!({ "activeBridge": true })],
        settings: json!({ "multicastLimit": 32 }),
        ..Plan::default()
    }
}

fn try_bridged(s: &Scene<'_>) -> Result<()> {
    let (a, b) = (s.member(A), s.member(B));
    // The host's LAN, bridged with A's port. B gives out addresses.
    let lan = s.cast.lab.switch()?;
    a.host.plug("lan0", &lan, &[])?;
    a.host.namespace().add_bridge("br0")?;
    a.host.namespace().join_bridge("lan0", "br0")?;
    a.host.namespace().join_bridge(&s.station(A).device, "br0")?;
    let host = s.cast.lab.host("behind", &[])?;
    host.unplug("eth0")?;
    host.plug("eth0", &lan, &[])?;
    let net = s.v4(B).octets();
    let (first, device) = (format!("{}.{}.{}", net[0], net[1], net[2]), &s.station(B).device);
    let prefix = format!("fd00:{:x}::", net[1]);
    b.host.add_address(device, &format!("{prefix}1/64"))?;
    let mut server = Command::new("dnsmasq");
    server.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--user=root"]);
    server.args(["--log-facility=-", "--pid-file=", "--dhcp-authoritative", "--enable-ra", "--leasefile-ro"]);
    server.arg(format!("--interface={device}")).arg(format!("--dhcp-range={first}.100,{first}.150,255.255.255.0,1h"));
    server.arg(format!("--dhcp-range={prefix},ra-only,64"));
    let server = b.host.namespace().spawn(server).context("dnsmasq")?;
    let lease = lease(s, &host).with_context(|| server.output().join("\n"));
    let address = lease.as_ref().ok().cloned();
    s.note("host→A→B DHCP", Wanted::Pass, lease.map(drop));
    let announced = wait_for("an address by the router advertisement", PATIENCE, || {
        let list = host.namespace().addresses("eth0")?;
        let of_prefix = |text: &str| text.starts_with(&prefix[..prefix.len() - 1]);
        Ok(list.iter().any(|one| of_prefix(&one.cidr.address().to_string())).then_some(()))
    });
    s.note("B→A→host router advertisement", Wanted::Pass, announced);
    let how = Ping { patience: PATIENCE, ..Ping::default() };
    s.note("host pings B over IPv6", Wanted::Pass, host.ping(format!("{prefix}1").parse()?, how).map(drop));
    if let Some(address) = address {
        s.note("host pings B", Wanted::Pass, host.ping(s.v4(B).into(), how).map(drop));
        s.note("C pings the host", Wanted::Pass, s.member(C).host.ping(address.parse()?, how).map(drop));
        s.note("C→host TCP", Wanted::Pass, crate::tcp(&s.member(C).host, &host, address.parse()?, 100_000).map(drop));
    }
    // From behind A every MAC may come, but not what the rules refuse; from C, no bridge, none but its own.
    let foreign = zt_wire::Mac([2, 0, 0, 0, 0, 9]);
    s.passes("UDP from a MAC behind", A, B, &s.udp4(A, B, 1, 53).spoofed(foreign));
    s.passes("UDP from the MAC of C, from behind", A, B, &s.udp4(A, B, 1, 53).spoofed(s.station(C).mac));
    s.blocked("mail from a MAC behind", A, B, &s.tcp4(A, B, 40000, 25, SYN).spoofed(foreign));
    s.blocked("UDP from a MAC behind, who is no bridge", C, B, &s.udp4(C, B, 1, 53).spoofed(foreign));
    // The port of A goes out of the bridge again, before another set looks at it.
    a.host.namespace().delete_device("br0")?;
    a.host.unplug("lan0")?;
    b.host.delete_address(device, &format!("{prefix}1/64"))?;
    drop(server);
    Ok(())
}

/// The address that a DHCP client of the host gets.
fn lease(s: &Scene<'_>, host: &Host) -> Result<String> {
    let script = s.cast.lab.folder().join("udhcpc.sh");
    std::fs::write(&script, "#!/bin/sh\n[ \"$1\" = bound ] && echo \"lease $ip/$mask\"\nexit 0\n")?;
    let mut permissions = std::fs::metadata(&script)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&script, permissions)?;
    let mut client = Command::new("busybox");
    client.args(["udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "100", "-T", "1", "-s"]).arg(&script);
    let (status, output) = host.run(client, Duration::from_secs(110))?;
    ensure!(status.success(), "{output}");
    let line = output.lines().find_map(|line| line.strip_prefix("lease ")).context("no lease")?.to_owned();
    host.add_address("eth0", &line)?;
    Ok(line.split('/').next().unwrap_or_default().to_owned())
}
