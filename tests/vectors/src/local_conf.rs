//! `local-conf.json`: settings files, read by the daemon's own code; what `/status` shows of them, and what follows.

mod apps;
mod no_port;

use std::net::IpAddr;

use serde_json::{Map, Value};
use zt_cli::daemon::http::Access;
use zt_cli::daemon::local_conf::{Effective, LocalConf};

use crate::service::effective;
use crate::{Case, Suite, same, text};

/// The suite.
pub(crate) const SUITE: Suite = Suite { file: "local-conf.json", expected: 44, cases, alter };

fn cases(file: &Value) -> Vec<Case> {
    let all = file["cases"].as_array().expect("a list of cases").iter().enumerate();
    let named = all.map(|(number, case)| {
        let case = case.clone();
        Case::new(format!("{number} {}", text(&case, "description")), move || run(&case))
    });
    named.collect()
}

fn alter(file: &mut Value) {
    file["cases"][3]["observed"]["status"]["settings"]["primaryPort"] = Value::from(12346);
}

/// The file as bytes: recorded as an object, as text, or not there.
fn parse(recorded: &Value) -> Result<LocalConf, String> {
    let text = match recorded {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    LocalConf::parse(text.as_bytes()).map_err(|e| e.to_string())
}

fn run(case: &Value) -> Result<(), String> {
    let (recorded, observed) = (&case["local_conf"], &case["observed"]);
    if text(case, "description") == "tap device cannot be created" {
        return no_port::run(case);
    }
    if observed.get("/app/page").is_some() {
        return apps::run(&parse(recorded)?, observed);
    }
    if recorded.is_object() {
        bonding(case, &parse(recorded)?)?;
    }
    match recorded.as_array() {
        Some(steps) => {
            // A file that changes while the node runs: every step is looked at alone.
            let states = [("before", 0), ("after_13s", 1), ("after_33s", 1)];
            for (name, step) in states.iter().filter(|(name, _)| observed[name].is_object()) {
                shown(&parse(&steps[*step])?, &observed[name])?;
            }
            if let Some(Value::String(broken)) = steps.get(1) {
                return refused(case, broken);
            }
            if observed["before"].is_number() {
                same("before", &status_for(&parse(&steps[0])?, "88.7.7.3"), &observed["before"].as_u64())?;
                same("after", &status_for(&parse(&steps[1])?, "88.7.7.3"), &observed["after"].as_u64())?;
            }
        }
        None => {
            let conf = parse(recorded)?;
            if observed["status"].is_object() {
                shown(&conf, &observed["status"])?;
                follows(&conf, observed)?;
            }
            if observed["file_after"].is_string() {
                changed(&conf, observed)?;
            }
            sources(&conf, observed, text(case, "description"))?;
        }
    }
    Ok(())
}

/// What the original said about bonding policies, ours says; and bonding is in use where it switched the TCP relay off.
fn bonding(case: &Value, conf: &LocalConf) -> Result<(), String> {
    let told: Vec<&str> = text(case, "stderr").lines().filter(|line| line.starts_with("error:")).collect();
    let ours: Vec<&str> = conf.remarks.iter().map(String::as_str).filter(|line| line.starts_with("error:")).collect();
    same("told about policies", &ours, &told)?;
    let settings = &case["local_conf"]["settings"];
    let wanted = case["observed"]["status"]["settings"]["allowTcpFallbackRelay"] == false
        && settings.get("allowTcpFallbackRelay").is_none()
        || case["observed"]["see"].is_string();
    same("bonding in use", &conf.bonding.in_use, &wanted)
}

/// `config.settings` of `/status`.
fn shown(conf: &LocalConf, status: &Value) -> Result<(), String> {
    let wanted = status["settings"].as_object().cloned().unwrap_or_default();
    // Where the file has a port, that is shown and not the one in use (06 §4.5).
    let written = |key: &str| conf.raw.get("settings").is_some_and(|s| s.get(key).is_some());
    let other = |key: &str, port: u16| if written(key) { 1 } else { port };
    let now = effective(&wanted);
    let now = Effective {
        primary_port: other("primaryPort", now.primary_port),
        secondary_port: other("secondaryPort", now.secondary_port),
        tertiary_port: other("tertiaryPort", now.tertiary_port),
        ..now
    };
    let config = conf.status_config(&now);
    let ours: Map<String, Value> = config["settings"].as_object().cloned().unwrap_or_default();
    same("settings", &Value::Object(ours), &Value::Object(wanted))
}

/// What the settings do to ports and addresses.
fn follows(conf: &LocalConf, observed: &Value) -> Result<(), String> {
    let settings = &observed["status"]["settings"];
    let listening: Vec<&str> =
        settings["listeningOn"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let forced = settings["forceTcpRelay"] == true;
    let port = conf.settings.primary_port.unwrap_or(9993);
    if let Some(file) = observed["port_file"].as_str().filter(|_| port != 0) {
        same("zerotier-one.port", &port.to_string().as_str(), &file)?;
        let bound = listening.iter().any(|a| a.ends_with(&format!("/{port}")));
        same("primary port bound", &(bound || listening.is_empty()), &true)?;
    }
    if conf.settings.secondary_port != 0 {
        let bound = listening.iter().any(|a| a.ends_with(&format!("/{}", conf.settings.secondary_port)));
        same("secondary port bound", &bound, &true)?;
    }
    // A host with 88.7.7.4 and 2a0f:7707::4 on eth0.
    let interface = |prefix: &String| "eth0".starts_with(prefix.as_str());
    let unused = conf.settings.interface_prefix_blacklist.iter().any(interface) || forced;
    for address in ["88.7.7.4", "2a0f:7707::4"] {
        let ip: IpAddr = address.parse().expect("an address");
        let black = conf.physical.iter().any(|p| p.blacklist && p.prefix.contains(ip));
        let bind = &conf.settings.bind;
        let ours = !unused && !black && (bind.is_empty() || bind.contains(&ip));
        let theirs = listening.iter().any(|a| a.split('/').next() == Some(address));
        same(&format!("{address} bound"), &ours, &theirs)?;
    }
    for address in &conf.settings.bind {
        let theirs = listening.iter().any(|a| a.split('/').next() == Some(&address.to_string()));
        same(&format!("{address} bound"), &theirs, &true)?;
    }
    Ok(())
}

/// `POST /config/settings` (06 §4.11).
fn changed(conf: &LocalConf, observed: &Value) -> Result<(), String> {
    let settings = |text: &str| -> Map<String, Value> {
        let file: Value = serde_json::from_str(text).unwrap_or_default();
        file["settings"].as_object().cloned().unwrap_or_default()
    };
    let (first, second) = (text(observed, "file_after"), text(observed, "file_after2"));
    let mut changes = settings(first);
    changes.retain(|key, _| conf.raw["settings"].get(key).is_none());
    let after = conf.with_settings(&changes).map_err(|e| e.to_string())?;
    same("file", &after.to_text().as_str(), &first)?;
    let compact = zt_cli::render::json::sorted(Value::Object(after.raw.clone())).to_string();
    same("/config", &compact.as_str(), &text(observed, "config_after"))?;
    let mut changes = settings(second);
    changes.retain(|key, _| after.raw["settings"].get(key).is_none());
    let after = after.with_settings(&changes).map_err(|e| e.to_string())?;
    same("file after the second change", &after.to_text().as_str(), &second)?;
    shown(&after, &observed["status_after2"])
}

/// Who may use the interface.
fn sources(conf: &LocalConf, observed: &Value, description: &str) -> Result<(), String> {
    let status = |address: &str| status_for(conf, address);
    let asked = [
        ("own_address", "88.7.7.4"),
        ("from_other_host", "88.7.7.3"),
        ("from_other_host_ipv6", "2a0f:7707::3"),
        ("request_from_88.7.7.3", "88.7.7.3"),
        ("request_from_ipv6", "2a0f:7707::3"),
    ];
    for (name, address) in asked {
        let Some(recorded) = observed[name].as_u64() else { continue };
        // Deliberate (06 §4.2): an entry without a prefix length means one address, not every one.
        let wanted = if description.starts_with("SECURITY:") { 401 } else { recorded };
        same(name, &status(address), &Some(wanted))?;
    }
    Ok(())
}

fn status_for(conf: &LocalConf, address: &str) -> Option<u64> {
    let allow_from = conf.settings.allow_management_from.clone();
    let access = Access { allow_from, ..Access::default() };
    Some(if access.allows_from(address.parse().expect("an address")) { 200 } else { 401 })
}

/// A file that is broken while the node runs. Deliberate (06 §3): ours keeps its settings and reports the same text.
fn refused(case: &Value, broken: &str) -> Result<(), String> {
    let error = LocalConf::parse(broken.as_bytes()).err().map(|e| e.to_string()).unwrap_or_default();
    let told = text(case, "stderr").lines().any(|line| line == error);
    same("the message is told", &told, &true)
}
