//! `zt service status`: what the supervisor says about the service.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::super::Report;
use super::host::{Host, Init};
use super::plan::USER;
use crate::console::Console;
use crate::render::table::facts;

/// Exit code of a service that does not run, as of `systemctl status`.
const DOWN: i32 = 3;

/// The service as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    state: String,
    since: String,
    enabled: bool,
    pid: Option<u32>,
    user: String,
    words: String,
}

/// Looks, and says it.
pub(super) fn status(host: &Host, init: Init, home: &str, console: &Console<'_>) -> Report {
    let found = match init {
        Init::Systemd => of_systemd(&said(&["systemctl", "show", "zt.service"])),
        Init::Openrc => of_openrc(&said(&["rc-service", "zt", "status"]), host.has("/etc/runlevels/default/zt")),
        Init::Runit => of_runit(&said(&["sv", "status", "zt"]), host.has(&format!("{}/zt", host.services()))),
    };
    let by = match (host.installed(init).is_some(), host.of_package(init)) {
        (true, _) => format!("zt service install ({})", init.unit()),
        (false, Some(path)) => format!("a package ({path})"),
        (false, None) => "nobody: say `zt service install`, or install a package".to_owned(),
    };
    let home = match found.words.find("--home ") {
        Some(at) => found.words[at + 7..].split(' ').next().unwrap_or_default().to_owned(),
        None => home.to_owned(),
    };
    let Found { state, since, enabled, pid, user, .. } = &found;
    let up = state == "active";
    let json = json!({
        "init": init.name(), "state": state, "since": since, "enabled": enabled, "pid": pid, "user": user,
        "home": home, "installedBy": by,
    });
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let text = facts(
        &[
            ("service", format!("{state} (by {})", init.name())),
            ("since", dash(since)),
            ("starts with the host", if *enabled { "yes" } else { "no" }.to_owned()),
            ("process", pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
            ("user", dash(user)),
            ("home", home),
            ("installed by", by),
        ],
        console.color,
    );
    Report { code: if up { 0 } else { DOWN }, ..Report::new(json, text) }
}

/// What a program prints; nothing if it is not there.
fn said(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C").output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn of_systemd(shown: &str) -> Found {
    let values: BTreeMap<&str, &str> = shown.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| values.get(key).copied().unwrap_or_default().to_owned();
    let state = if value("LoadState") == "loaded" { value("ActiveState") } else { "not installed".to_owned() };
    let since = if state == "active" { value("ActiveEnterTimestamp") } else { value("InactiveEnterTimestamp") };
    Found {
        state,
        since,
        enabled: value("UnitFileState") == "enabled",
        pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
        user: value("User"),
        words: value("ExecStart"),
    }
}

fn of_openrc(said: &str, enabled: bool) -> Found {
    let state = if said.contains("started") { "active" } else { "inactive" };
    let pid = fs::read_to_string("/run/supervise-zt.pid").ok().and_then(|text| text.trim().parse().ok());
    let pid = pid.filter(|_| state == "active");
    Found { state: state.to_owned(), enabled, pid, user: USER.to_owned(), ..Found::default() }
}

/// `run: zt: (pid 512) 40s`.
fn of_runit(said: &str, enabled: bool) -> Found {
    let state = if said.starts_with("run:") { "active" } else { "inactive" };
    let pid = said.split("(pid ").nth(1).and_then(|rest| rest.split(')').next()?.parse().ok());
    let seconds = said.split(") ").nth(1).and_then(|rest| rest.split(['s', ';']).next());
    let since = seconds.map_or_else(String::new, |seconds| format!("{seconds} seconds ago"));
    Found { state: state.to_owned(), since, enabled, pid, user: USER.to_owned(), ..Found::default() }
}

/// For scripts that found no supervisor.
pub(super) fn none() -> Value {
    json!({"init": null, "state": "not installed", "enabled": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_supervisors_say_is_read() {
        let shown = "LoadState=loaded\nActiveState=active\nActiveEnterTimestamp=Sun 2026-11-29 18:00:00 UTC\n\
            UnitFileState=enabled\nMainPID=77\nUser=zt\nExecStart={ path=/usr/bin/zt ; argv[]=/usr/bin/zt service --home /srv/zt $ZT ; }\n";
        let found = of_systemd(shown);
        assert_eq!((found.state.as_str(), found.enabled, found.pid), ("active", true, Some(77)));
        assert_eq!((found.user.as_str(), found.since.as_str()), ("zt", "Sun 2026-11-29 18:00:00 UTC"));
        assert!(found.words.contains("--home /srv/zt "));
        assert_eq!(of_systemd("LoadState=not-found\nActiveState=inactive\n").state, "not installed");
        let found = of_runit("run: zt: (pid 512) 40s; run: log: (pid 9) 41s", true);
        assert_eq!((found.state.as_str(), found.pid, found.since.as_str()), ("active", Some(512), "40 seconds ago"));
        assert_eq!(of_runit("down: zt: 3s, normally up", true).state, "inactive");
        assert_eq!(of_openrc(" * status: started\n", true).state, "active");
    }
}
