//! Whether a firewall of this host stands in the way.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::Finding;
use super::ruleset::{Verdict, verdict};

const CHECK: &str = "firewall";

/// Looks at the rules of the kernel as far as they can be read.
pub(super) fn look(port: u16, online: bool) -> Vec<Finding> {
    if !rustix::process::geteuid().is_root() {
        return vec![Finding::skipped(CHECK, "its rules are shown to root only; try `sudo zt doctor`")];
    }
    let mut findings = Vec::new();
    match output("nft", &["-j", "list", "ruleset"]).and_then(|text| serde_json::from_str(&text).ok()) {
        Some(ruleset) => findings.extend(judged(&ruleset, port, online, &manager())),
        None if Path::new("/proc/net/netfilter").exists() => {
            findings.push(Finding::skipped(CHECK, "there is no `nft` here to show the rules of nftables"));
        }
        None => {}
    }
    findings.extend(legacy(port));
    if findings.is_empty() {
        findings.push(Finding::fine(CHECK, format!("nothing drops UDP port {port}")));
    }
    findings
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let done = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Who writes the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Firewalld,
    Ufw,
    Nobody,
}

fn manager() -> Manager {
    let running = |name: &str| output("systemctl", &["is-active", "--quiet", name]).is_some();
    if Path::new("/run/firewalld").exists() || running("firewalld") {
        Manager::Firewalld
    } else if Path::new("/etc/ufw/ufw.conf").exists()
        && std::fs::read_to_string("/etc/ufw/ufw.conf").is_ok_and(|conf| conf.lines().any(|line| line == "ENABLED=yes"))
    {
        Manager::Ufw
    } else {
        Manager::Nobody
    }
}

fn judged(ruleset: &Value, port: u16, online: bool, manager: &Manager) -> Vec<Finding> {
    let mut findings = Vec::new();
    let fix = |chain: &super::ruleset::Chain, direction: &str| match manager {
        Manager::Firewalld => format!("firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload"),
        Manager::Ufw => format!("ufw allow {port}/udp"),
        Manager::Nobody => {
            let super::ruleset::Chain { family, table, name } = chain;
            let field = if direction == "in" { "dport" } else { "sport" };
            format!(
                "nft insert rule {family} {table} {name} udp {field} {port} accept, and the same in the file that sets the rules"
            )
        }
    };
    match verdict(ruleset, "input", port) {
        Verdict::Passes => {}
        Verdict::Dropped(chain) => findings.push(Finding::warning(
            CHECK,
            format!(
                "UDP port {port} is dropped on its way in (chain {} of {} {}): others reach this node only where it wrote first, or \
                 over roots",
                chain.name, chain.family, chain.table
            ),
            fix(&chain, "in"),
        )),
        Verdict::Unsure(chain) => findings.push(Finding::skipped(
            CHECK,
            format!(
                "whether UDP port {port} gets in depends on where it comes from (chain {} of {} {})",
                chain.name, chain.family, chain.table
            ),
        )),
    }
    if let Verdict::Dropped(chain) = verdict(ruleset, "output", port) {
        let text = format!("UDP to port {port} is dropped on its way out (chain {} of {})", chain.name, chain.table);
        let fix = fix(&chain, "out");
        findings.push(if online { Finding::warning(CHECK, text, fix) } else { Finding::fault(CHECK, text, fix) });
    }
    findings
}

/// Rules of iptables from before nftables; with a kernel of nftables they stand in its list.
fn legacy(port: u16) -> Vec<Finding> {
    let tables = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    if !tables.lines().any(|table| table == "filter") {
        return Vec::new();
    }
    let listed = output("iptables-legacy", &["-S", "INPUT"]).or_else(|| output("iptables", &["-S", "INPUT"]));
    listed.map(|rules| legacy_judged(&rules, port)).unwrap_or_default()
}

fn legacy_judged(rules: &str, port: u16) -> Vec<Finding> {
    let names_port = |line: &&str| line.split_whitespace().any(|word| word == port.to_string());
    let drops = |line: &str| line.ends_with("-j DROP") || line.contains("-j REJECT");
    let dropped = rules.lines().filter(names_port).any(drops);
    let closed = rules.lines().any(|line| line == "-P INPUT DROP" || line.starts_with("-A INPUT -j ") && drops(line));
    let open = rules.lines().filter(names_port).any(|line| line.contains("-j ACCEPT"));
    if !dropped && (!closed || open) {
        return Vec::new();
    }
    let text = format!(
        "iptables drops UDP port {port} on its way in: others reach this node only where it wrote first, or over roots"
    );
    vec![Finding::warning(CHECK, text, format!("iptables -I INPUT -p udp --dport {port} -j ACCEPT"))]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Level;
    use super::*;

    #[test]
    fn who_drops_the_port_is_told_with_the_command_that_opens_it() {
        let chain = |hook: &str| {
            json!({"chain": {"family": "inet", "table": "filter", "name": hook, "type": "filter", "hook": hook,
                "policy": "drop"}})
        };
        let ruleset = json!({"nftables": [chain("input"), chain("output")]});
        let told = judged(&ruleset, 9993, false, &Manager::Nobody);
        assert_eq!(told.iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Warning, Level::Fault]);
        let fix = told[0].fix.as_deref().expect("a fix");
        assert!(fix.starts_with("nft insert rule inet filter input udp dport 9993 accept"), "{fix}");
        let told = judged(&ruleset, 9993, true, &Manager::Firewalld);
        assert!(told[0].fix.as_deref().is_some_and(|fix| fix.contains("--add-port=9993/udp")), "{told:?}");
        assert_eq!(told[1].level, Level::Warning);
        assert_eq!(judged(&json!({"nftables": []}), 9993, false, &Manager::Ufw), []);
    }

    #[test]
    fn rules_of_old_iptables_are_read_too() {
        assert_eq!(legacy_judged("-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\n", 9993), []);
        assert_eq!(legacy_judged("-P INPUT DROP\n-A INPUT -p udp -m udp --dport 9993 -j ACCEPT\n", 9993), []);
        assert_eq!(legacy_judged("-P INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n", 9993).len(), 1);
        assert_eq!(legacy_judged("-P INPUT ACCEPT\n-A INPUT -p udp --dport 9993 -j DROP\n", 9993).len(), 1);
    }
}
