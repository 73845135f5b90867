//! The node: whether it runs, is online, and has its networks up.

use zt_peer::DropReason;

use super::{Finding, Running};
use crate::api;
use crate::cmd::Globals;
use crate::cmd::next_step::next_step;
use crate::console::Console;
use crate::daemon::home::Home;

/// Asks the node, if one runs, and judges what it says of itself.
pub(super) fn look(
    globals: &Globals,
    console: &Console<'_>,
    home: &Home,
    local: bool,
) -> (Option<Running>, Vec<Finding>) {
    let asked = globals.node(console).and_then(|node| Ok((node.get::<api::Status>("/status")?, node)));
    let (status, node) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let fix = match process(home).filter(|_| local) {
                Some(pid) => format!(
                    "process {pid} is the node of this home, so it runs and is not heard: let traffic to 127.0.0.1 through the \
                     firewall of this host (`nft list ruleset`), or look at its log (`journalctl -u zt`)"
                ),
                None => "start it with `zt service`, or by the unit of its package: `systemctl start zt`".to_owned(),
            };
            return (None, vec![Finding::warning("node", format!("{error:#}"), fix)]);
        }
    };
    let networks = node.get("/network").unwrap_or_default();
    let drops = node.get("/drops").unwrap_or_default();
    let running = Running { status, networks, drops, pid: process(home).filter(|_| local) };
    let mut findings = Vec::new();
    let (address, online) = (&running.status.address, running.status.online);
    match running.status.zt_version.as_deref() {
        Some(version) if version != crate::VERSION => findings.push(Finding::warning(
            "node",
            format!("{address} runs version {version}, this command is {}", crate::VERSION),
            "start the service again to run the version that is installed",
        )),
        _ => findings.push(Finding::fine("node", format!("{address} runs"))),
    }
    findings.push(match (online, running.status.tcp_fallback_active) {
        (true, false) => Finding::fine("online", "a root answers"),
        (true, true) => Finding::warning(
            "online",
            "a root answers, but over the TCP relay only: UDP does not get through",
            format!("let UDP port {} out at the firewall and the router", running.port()),
        ),
        (false, _) => Finding::fault(
            "online",
            "no root answers",
            format!(
                "let UDP port {} out at the firewall and the router; behind proxies see settings.tcp in local.conf; with a planet \
                 of your own look at its roots by `zt planet list`",
                running.port()
            ),
        ),
    });
    (Some(running), findings)
}

/// The living process of the node of a home, if it says so itself.
pub(super) fn process(home: &Home) -> Option<u32> {
    let text = std::fs::read_to_string(home.file("zerotier-one.pid")).ok()?;
    let pid: u32 = text.trim().parse().ok()?;
    // A number that a killed node left may be somebody else's by now.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    ["zt", "zerotier-one"].contains(&name.trim()).then_some(pid)
}

/// Whether another node uses the identity of this one. Packets that name our own address as their sender are all that a node sees
/// of it, where both are on one cable; roots see two paths to one node, as of a host with two uplinks.
pub(super) fn twins(address: &str, drops: &[api::Drops]) -> Option<Finding> {
    let reason = DropReason::FromOurself.name();
    let count = drops.iter().find(|drops| drops.reason == reason)?.count;
    (count > 0).then(|| {
        Finding::warning(
            "duplicates",
            format!(
                "{count} packets came that name {address}, this node itself, as their sender: another node has a copy of its identity, \
                 or somebody forges them"
            ),
            "on the copy (a cloned machine?) stop the node, remove identity.secret and identity.public, start it and let its new \
             address in",
        )
    })
}

/// The networks that are not up.
pub(super) fn networks(running: &Running) -> Vec<Finding> {
    let mut findings = Vec::new();
    for network in &running.networks {
        let (id, status) = (&network.id, &network.status);
        if let Some(step) = next_step(network) {
            findings.push(Finding::fault("network", format!("{id} is {status}"), step));
        }
        if network.passes_nothing {
            let text = format!("the rules of {id} accept nothing: no frame passes");
            findings.push(Finding::warning("network", text, "its owner mends that by `zt network rules`"));
        }
        if !network.withheld.is_empty() {
            let text = format!("{} addresses or routes of {id} are not used", network.withheld.len());
            findings.push(Finding::warning("network", text, "`zt networks --routes` says why, and what allows them"));
        }
    }
    if findings.is_empty() && !running.networks.is_empty() {
        findings.push(Finding::fine("network", format!("{} joined, all up", running.networks.len())));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn packets_in_our_own_name_point_at_a_copy_of_the_identity() {
        let drops = |reason: &str, count| [api::Drops { reason: reason.to_owned(), count }];
        assert_eq!(twins("fe39e980ad", &[]), None);
        assert_eq!(twins("fe39e980ad", &drops("from-ourself", 0)), None);
        let found = twins("fe39e980ad", &drops("from-ourself", 3)).expect("a finding");
        assert!(found.level == Level::Warning && found.text.contains("3 packets"), "{found:?}");
        assert!(found.fix.is_some_and(|fix| fix.contains("remove identity.secret")));
    }

    #[test]
    fn the_process_of_a_node_is_known_by_its_name_and_not_by_a_number_that_was_left() {
        let home = Home::at(std::env::temp_dir().join(format!("zt-doctor-pid-{}", std::process::id())));
        home.create().expect("a folder");
        assert_eq!(process(&home), None);
        home.write_pid();
        assert_eq!(process(&home), None, "this is a test, not a node");
        std::fs::remove_dir_all(home.path()).expect("removed");
    }
}
