//! The log: what an operator asks about is there, what is secret is not.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_test_e2e::rig::network_settings;
use zt_test_e2e::{Daemon, Options};

use crate::solo::{Solo, WAIT};

/// Logs every packet, as JSON.
fn everything() -> Options {
    Options { log: "trace", wrap: ["env", "ZT_LOG_FORMAT=json"].map(str::to_owned).to_vec(), ..Options::default() }
}

/// The lines with this message.
fn lines(daemon: &Daemon, message: &str) -> Result<Vec<Value>> {
    let output = daemon.output();
    let lines = output.iter().filter(|line| line.starts_with('{'));
    let parsed = lines.map(|line| serde_json::from_str(line).with_context(|| line.clone()));
    let parsed: Vec<Value> = parsed.collect::<Result<_>>()?;
    Ok(parsed.into_iter().filter(|line| line["message"].as_str().is_some_and(|m| m.contains(message))).collect())
}

/// The first line with this message, once it is there.
fn line(daemon: &Daemon, message: &str) -> Result<Value> {
    daemon.wait(&format!("a line with {message:?}"), WAIT, || Ok(lines(daemon, message)?.into_iter().next()))
}

#[test]
fn the_log_tells_what_an_operator_asks_about_and_no_secret() -> Result<()> {
    let Some(solo) = Solo::new("logs")? else { return Ok(()) };
    let home = solo.home("node")?;
    let node = solo.host.start_with(&solo.zt, home.clone(), everything())?;
    let started = line(&node, "node started")?;
    assert_eq!(started["home"], json!(home.path().display().to_string()));
    assert!(started["version"].is_string() && started["udp"].to_string().contains("9993"), "{started}");
    assert_eq!(line(&node, "planet in use")?["roots"], json!(1));
    let network = node.create_network(&network_settings())?;
    assert_eq!(line(&node, "network made")?["network"], json!(network.to_string()));
    // This node joins its own network, and waits.
    node.join(network)?;
    line(&node, "network joined")?;
    let asked = line(&node, "a node asks to join and waits")?;
    assert_eq!(asked["member"], json!(node.address().to_string()));
    let denied = line(&node, "has not let")?;
    assert_eq!((&denied["level"], &denied["status"]), (&json!("WARN"), &json!("ACCESS_DENIED")));
    let command = format!("zt member auth {network} {}", node.address());
    assert!(denied["message"].to_string().contains(&command), "{denied}");
    node.authorise(network, node.address(), true)?;
    line(&node, "member let in")?;
    line(&node, "network is up")?;
    node.leave(network)?;
    line(&node, "network left")?;
    for file in ["authtoken.secret", "metricstoken.secret", "identity.secret"] {
        let secret = String::from_utf8(home.read(file)?)?;
        let secret = secret.trim().rsplit(':').next().context("a secret")?.to_owned();
        assert!(secret.len() > 20, "{file}");
        let told = node.output().into_iter().find(|line| line.contains(&secret));
        assert_eq!(told, None, "{file} is in the log");
    }
    Ok(())
}

#[test]
fn how_much_is_logged_changes_while_the_node_runs() -> Result<()> {
    let Some(solo) = Solo::new("loglevel")? else { return Ok(()) };
    let home = solo.home("node")?;
    let node = solo.host.start_with(&solo.zt, home, Options { log: "warn", ..everything() })?;
    assert_eq!(node.api().get("/log")?, json!({"filter": "warn"}));
    assert_eq!(lines(&node, "node started")?.len(), 0);
    assert_eq!(node.api().post("/log", &json!({"filter": "trace"}))?, json!({"filter": "trace"}));
    // A root that asks somebody else sends something.
    node.join("8056c2e21c000001".parse()?)?;
    line(&node, "network joined")?;
    node.api().post("/log", &json!({"filter": "error", "seconds": 1}))?;
    node.wait("the level of before", Duration::from_secs(20), || {
        Ok((node.api().get("/log")? == json!({"filter": "trace"})).then_some(()))
    })?;
    Ok(())
}

#[test]
fn a_setting_is_in_force_when_the_answer_comes() -> Result<()> {
    let Some(solo) = Solo::new("settings")? else { return Ok(()) };
    let home = solo.home("node")?;
    let node = solo.host.start_with(&solo.zt, home, Options::default())?;
    // Texts of one length, so that nothing but the file itself tells them apart.
    for filter in ["debug", "error", "trace", "debug"] {
        node.api().post("/config/settings", &json!({"log": filter}))?;
        assert_eq!(node.api().get("/log")?, json!({"filter": filter}));
    }
    for port in [20_001, 20_002] {
        node.api().post("/config/settings", &json!({"allowSecondaryPort": true, "secondaryPort": port}))?;
        let status = node.api().get("/status")?;
        let listening = status["config"]["settings"]["listeningOn"].to_string();
        assert!(listening.contains(&format!("/{port}")), "{listening}");
    }
    assert_eq!(node.api().post("/config/settings", &json!({"log": "info"}))?, json!({}));
    let told = node.api().post("/config/settings", &json!({"primryPort": 1}))?["remarks"].to_string();
    assert!(told.contains("settings.primryPort: unknown") && told.contains("primaryPort?"), "{told}");
    Ok(())
}
