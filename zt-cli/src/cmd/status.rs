//! `zt status`: all that matters of this node, on one screen.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::next_step::next_step;
use super::{Globals, Report, networks};
use crate::api;
use crate::console::Console;
use crate::render::table::{Tone, facts, harmless, paint};

/// Arguments of `zt status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt status
  zt status --json | jq .warnings    what is wrong, each with the next step

Exit code 0 also with warnings; `zt doctor` looks for their causes.")]
pub struct StatusArgs {}

/// What a node says about itself.
struct Seen {
    status: api::Status,
    networks: Vec<api::Network>,
    peers: Vec<api::Peer>,
    planets: Vec<api::Planet>,
    moons: Vec<api::Moon>,
}

/// Something that is not as it should be.
struct Warning {
    text: String,
    next: String,
}

/// Runs `zt status`.
pub fn run(globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let seen = Seen {
        status: node.get("/status")?,
        networks: node.get("/network")?,
        peers: node.get("/peer")?,
        // ZeroTier One has no such thing.
        planets: node.get("/planet").unwrap_or_default(),
        moons: node.get("/moon").unwrap_or_default(),
    };
    let warnings = seen.warnings();
    Ok(Report::new(seen.json(&warnings)?, seen.text(&warnings, console)))
}

impl Seen {
    fn setting<'a>(&'a self, key: &str) -> Option<&'a Value> {
        self.status.config.pointer(&format!("/settings/{key}"))
    }

    fn list(&self, key: &str) -> Vec<&str> {
        self.setting(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// UDP ports: the primary, and the others that it has.
    fn ports(&self) -> Vec<u64> {
        let ports =
            ["primaryPort", "secondaryPort", "tertiaryPort"].map(|key| self.setting(key).and_then(Value::as_u64));
        let mut ports: Vec<u64> = ports.into_iter().flatten().filter(|port| *port != 0).collect();
        ports.dedup();
        ports
    }

    /// All peers, those with a direct path, roots.
    fn counts(&self) -> (usize, usize, usize) {
        let direct = self.peers.iter().filter(|peer| !peer.paths.is_empty()).count();
        let roots = self.peers.iter().filter(|peer| peer.role.to_string() != "LEAF").count();
        (self.peers.len(), direct, roots)
    }

    /// Milliseconds that the node has been online.
    fn online_for(&self) -> Option<i64> {
        Some(self.status.clock.saturating_sub(self.status.zt_online_since?).max(0))
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |text: String, next: String| warnings.push(Warning { text, next });
        match self.status.zt_version.as_deref() {
            Some(crate::VERSION) => {}
            Some(other) => warn(
                format!("the node runs version {other}, this command is {}", crate::VERSION),
                "start the service again to run the version that is installed".to_owned(),
            ),
            None => warn(
                format!("the node is ZeroTier One {}, or a zt older than this one", self.status.version),
                "some of what this command shows is missing".to_owned(),
            ),
        }
        if !self.status.online {
            let port = self.ports().first().copied().unwrap_or(crate::DEFAULT_PORT.into());
            warn(
                "OFFLINE: no root answers".to_owned(),
                format!("is UDP port {port} let out? `zt doctor` looks at that"),
            );
        } else if self.status.tcp_fallback_active {
            warn(
                "UDP does not get through: all goes over a TCP relay".to_owned(),
                "let UDP out for better speed; `zt doctor` looks at firewalls".to_owned(),
            );
        }
        for network in &self.networks {
            let name = named(network);
            if let Some(step) = next_step(network) {
                warn(format!("network {name}: {}", network.status), step);
            }
            if network.passes_nothing {
                let next = "its owner mends that by `zt network rules`".to_owned();
                warn(format!("network {name}: its rules accept nothing, so no frame passes"), next);
            }
            if let Some(why) = &network.dns_problem {
                let next = "`zt doctor` looks for a resolver".to_owned();
                warn(format!("network {name}: its DNS is not applied: {}", harmless(why)), next);
            }
            if !network.withheld.is_empty() {
                let next = "`zt networks --routes` says which, why, and what allows them".to_owned();
                warn(format!("network {name}: {} addresses or routes are not used", network.withheld.len()), next);
            }
        }
        for port in self.status.zt_ethernet.iter().filter(|port| port.problem.is_some()) {
            let problem = harmless(port.problem.as_deref().unwrap_or_default());
            let next = "see settings.ethernet in local.conf".to_owned();
            warn(format!("raw Ethernet on {}: {problem}", harmless(&port.interface)), next);
        }
        warnings
    }

    fn json(&self, warnings: &[Warning]) -> Result<Value> {
        let (all, direct, roots) = self.counts();
        let roots_of = |roots: &[api::Root]| roots.iter().map(|root| address(root).to_owned()).collect::<Vec<_>>();
        let planets = self.planets.iter();
        let moons = self.moons.iter();
        Ok(json!({
            "version": crate::VERSION,
            "nodeVersion": self.status.zt_version,
            "speaksAs": self.status.version,
            "address": self.status.address,
            "online": self.status.online,
            "onlineSince": self.status.zt_online_since,
            "home": self.setting("homeDir"),
            "ports": self.ports(),
            "listeningOn": self.list("listeningOn"),
            "surfaceAddresses": self.list("surfaceAddresses"),
            "planets": planets.map(|p| json!({"id": p.id, "source": p.source, "roots": roots_of(&p.roots)})).collect::<Vec<_>>(),
            "moons": moons.map(|m| json!({"id": m.id, "waiting": m.waiting, "roots": roots_of(&m.roots)})).collect::<Vec<_>>(),
            "networks": serde_json::to_value(&self.networks)?,
            "peers": {"all": all, "direct": direct, "relayed": all - direct, "roots": roots},
            "warnings": warnings.iter().map(|w| json!({"text": w.text, "next": w.next})).collect::<Vec<_>>(),
        }))
    }

    fn text(&self, warnings: &[Warning], console: &Console<'_>) -> String {
        let (color, status) = (console.color, &self.status);
        let (word, tone) = if status.online { ("ONLINE", Tone::Good) } else { ("OFFLINE", Tone::Bad) };
        let by = if status.tcp_fallback_active { " by the TCP relay" } else { "" };
        let since = self.online_for().map_or(String::new(), |ms| format!(" for {}", lasting(ms)));
        let mut out =
            format!("{} {}{by}{since}\n", paint(&status.address, Tone::Strong, color), paint(word, tone, color));
        let version = match status.zt_version.as_deref() {
            Some(crate::VERSION) | None => crate::VERSION.to_owned(),
            Some(other) => format!("{} (the node {other})", crate::VERSION),
        };
        let list = |items: Vec<&str>| if items.is_empty() { "-".to_owned() } else { items.join(" ") };
        let ports: Vec<String> = self.ports().iter().map(ToString::to_string).collect();
        let (all, direct, roots) = self.counts();
        let mut rows = vec![
            ("version", format!("{version}, speaks as {}", status.version)),
            ("UDP ports", list(ports.iter().map(String::as_str).collect())),
            ("seen as", list(self.list("surfaceAddresses"))),
        ];
        for planet in &self.planets {
            let roots: Vec<&str> = planet.roots.iter().map(address).collect();
            rows.push(("planet", format!("{} ({}), roots {}", planet.id, planet.source, roots.join(" "))));
        }
        for moon in &self.moons {
            let roots: Vec<&str> = moon.roots.iter().map(address).collect();
            let waiting = if moon.waiting { ", asked for" } else { "" };
            rows.push(("moon", format!("{}{waiting}, roots {}", moon.id, roots.join(" "))));
        }
        rows.push(("peers", format!("{all}: {direct} direct, {} relayed; {roots} of them roots", all - direct)));
        out += &facts(&rows, console.screen());
        out.push('\n');
        out += &match self.networks.is_empty() {
            true => "no networks; join one with `zt join <network ID>`\n".to_owned(),
            false => networks::table(&self.networks, console.screen()),
        };
        if !warnings.is_empty() {
            out.push('\n');
        }
        for Warning { text, next } in warnings {
            let told = console.screen().wrap(&format!("! {text}\n    {next}\n"), 2);
            let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
            out += &format!("{}\n{rest}", paint(first, Tone::Fair, color));
        }
        out
    }
}

/// A network as people know it.
fn named(network: &api::Network) -> String {
    if network.name.is_empty() { network.id.clone() } else { format!("{} ({})", network.id, harmless(&network.name)) }
}

fn address(root: &api::Root) -> &str {
    root.identity.split(':').next().unwrap_or_default()
}

/// A time in its two largest units.
fn lasting(ms: i64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units() {
        let told = [900, 61_000, 3_660_000, 90_000_000].map(lasting);
        assert_eq!(told, ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
