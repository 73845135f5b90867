//! The node: whether it runs, is online, and has its networks up.

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
            let fix = "start it with `zt service`, or by the unit of its package: `systemctl start zt`";
            return (None, vec![Finding::warning("node", format!("{error:#}"), fix)]);
        }
    };
    let networks = node.get("/network").unwrap_or_default();
    let pid = std::fs::read_to_string(home.file("zerotier-one.pid")).ok().filter(|_| local);
    let running = Running { status, networks, pid: pid.and_then(|text| text.trim().parse().ok()) };
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
