//! `zt doctor`: looks for what keeps this node from working, each finding with what mends it.

mod firewall;
mod home;
mod host;
mod nat;
mod node;
mod ruleset;

use std::net::IpAddr;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{Globals, Report};
use crate::api;
use crate::console::Console;
use crate::render::table::{Tone, harmless, paint};
use crate::render::{Screen, wrapped};

/// Arguments of `zt doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo zt doctor           as root it sees rules of the firewall and rights of the node
  zt doctor --home /tmp/node
  zt doctor --json | jq '.findings[] | select(.level == \"fault\")'

It works with and without a running node, looks only, and sends nothing to anybody but this node.
Exit code: 0 nothing is wrong, or warnings only, 1 there are faults.")]
pub struct DoctorArgs {}

/// Columns of the word for how bad a finding is.
const WORD: usize = 7;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Fine,
    /// It could not be found out.
    Skipped,
    Warning,
    Fault,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Fine => Tone::Good,
            Self::Skipped => Tone::Faint,
            Self::Warning => Tone::Fair,
            Self::Fault => Tone::Bad,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// What was looked at, in a word.
    check: &'static str,
    level: Level,
    text: String,
    /// What mends it.
    fix: Option<String>,
}

impl Finding {
    fn fine(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, level: Level::Fine, text: text.into(), fix: None }
    }

    fn skipped(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, level: Level::Skipped, text: text.into(), fix: None }
    }

    fn warning(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, text: text.into(), fix: Some(fix.into()) }
    }

    fn fault(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, level: Level::Fault, text: text.into(), fix: Some(fix.into()) }
    }
}

/// What a running node says about itself.
struct Running {
    status: api::Status,
    networks: Vec<api::Network>,
    /// What it lost, by reason.
    drops: Vec<api::Drops>,
    /// Its process, if that is on this host and known.
    pid: Option<u32>,
}

impl Running {
    /// The value of a setting in effect.
    fn setting(&self, key: &str) -> Option<&Value> {
        self.status.config.pointer(&format!("/settings/{key}"))
    }

    /// Addresses with ports in a list of the settings in effect.
    fn addresses(&self, key: &str) -> Vec<(IpAddr, u16)> {
        let items = self.setting(key).and_then(Value::as_array).into_iter().flatten();
        let read = |text: &str| {
            let (ip, port) = text.rsplit_once('/')?;
            Some((ip.parse().ok()?, port.parse().ok()?))
        };
        items.filter_map(|item| read(item.as_str()?)).collect()
    }

    fn port(&self) -> u16 {
        let port = self.setting("primaryPort").and_then(Value::as_u64);
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(crate::DEFAULT_PORT)
    }
}

/// Runs `zt doctor`.
pub fn run(globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let home = globals.home(console)?;
    let local = globals.host.as_deref().is_none_or(|host| host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()));
    let (running, mut findings) = node::look(globals, console, &home, local);
    let port = running.as_ref().map_or(crate::DEFAULT_PORT, Running::port);
    findings.extend(home::look(&home, running.as_ref()));
    if local {
        findings.extend(host::rights(running.as_ref().map(|running| running.pid)));
        let silent = running.is_none().then(|| node::process(&home)).flatten();
        findings.extend(host::port(port, running.is_some(), silent));
        findings.extend(firewall::look(port, running.as_ref().is_some_and(|running| running.status.online)));
        findings.extend(host::underlay());
    }
    findings.extend(host::clock((console.clock)(), running.as_ref()));
    if let Some(running) = &running {
        findings.extend(nat::look(running));
        findings.extend(node::networks(running));
        findings.extend(node::twins(&running.status.address, &running.drops));
    }
    findings.extend(host::dns(running.as_ref()));
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
    let json = json!({
        "faults": faults,
        "warnings": warnings,
        "findings": findings.iter().map(|f| json!({
            "check": f.check, "level": f.level.word(), "text": f.text, "fix": f.fix,
        })).collect::<Vec<_>>(),
    });
    let text = told(&findings, console.screen()) + &format!("{faults} faults, {warnings} warnings\n");
    Ok(Report { code: i32::from(faults > 0), ..Report::new(json, text) })
}

/// The findings for people, what is fine in one line each.
fn told(findings: &[Finding], screen: Screen) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let before = " ".repeat(WORD + width + 4);
    let room = screen.columns.map_or(usize::MAX, |columns| columns.saturating_sub(before.len()).max(16));
    let mut out = String::new();
    for Finding { check, level, text, fix } in findings {
        let word = level.word();
        let pad = WORD - word.len();
        out += &format!("{}{:pad$}  {check:width$}  ", paint(word, level.tone(), screen.color), "");
        out += &wrapped(&harmless(text), room).join(&format!("\n{before}"));
        out.push('\n');
        if let Some(fix) = fix {
            let fix = wrapped(&format!("fix: {}", harmless(fix)), room).join(&format!("\n{before}"));
            out += &format!("{before}{fix}\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_their_fix_and_fit_the_terminal() {
        let findings = [
            Finding::fine("clock", "is right"),
            Finding::fault("port", "UDP 9993 is taken by another program of this host", "choose another with --port"),
        ];
        let whole = told(&findings, Screen::default());
        assert!(whole.starts_with("ok       clock  is right\nfault    port   UDP 9993 is taken"), "{whole}");
        assert!(whole.contains("\n                fix: choose another with --port\n"), "{whole}");
        let narrow = told(&findings, Screen { color: false, columns: Some(40) });
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
    }
}
