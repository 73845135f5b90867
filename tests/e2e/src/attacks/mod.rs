//! Floods and amplifications against a running node, and what they do to it: `cargo xtask attacks`.
//!
//! Each attack has a scene of its own: a root, which is the controller too, two members that ping each other, and an
//! attacker that owns a block of addresses and writes any of them on its packets. All packets are made before, from real
//! identities where that is part of the attack.

mod amplify;
mod flood;
mod http;
pub(crate) mod packets;
mod scene;
mod sender;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::Program;
use packets::Forge;
pub use scene::Measured;
use scene::Scene;
use sender::Load;

/// Who is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A member, which is pinged meanwhile.
    Member,
    /// The root, which is the controller.
    Root,
}

/// What an attack is made of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Packets; the number is that of identities used.
    Packets(fn(&mut Forge, usize) -> Load, usize),
    /// Connections to the HTTP interface from the victim's own host, without a token.
    Connections(http::Abuse),
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// Who is attacked.
    pub target: Target,
    /// It wants others to get more bytes than it sends: at a moderate rate, in one forged name.
    pub amplifies: bool,
    kind: Kind,
}

/// How attacks are played.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    /// For how long.
    pub time: Duration,
    /// Packets in a second that are tried.
    pub rate: u32,
    /// The same for amplifications.
    pub amplify_rate: u32,
    /// Most identities of one attack.
    pub identities: usize,
}

impl Default for Play {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), rate: 150_000, amplify_rate: 500, identities: 70 }
    }
}

/// All attacks.
#[must_use]
pub fn all() -> Vec<Attack> {
    let flood = |name, make, identities| Attack {
        name,
        target: Target::Member,
        amplifies: false,
        kind: Kind::Packets(make, identities),
    };
    let amplify = |name, target, make| Attack { name, target, amplifies: true, kind: Kind::Packets(make, 1) };
    let http = |name, abuse| Attack { name, target: Target::Member, amplifies: false, kind: Kind::Connections(abuse) };
    vec![
        flood("garbage", flood::garbage, 0),
        flood("hello-bad-mac", flood::hello_bad_mac, 0),
        flood("hello-bad-identity", flood::hello_bad_identity, 1),
        flood("hello-replayed", flood::hello_replayed, 1),
        flood("fragments", flood::fragments, 0),
        flood("unknown-sources", flood::unknown_sources, 0),
        flood("remote-trace", flood::remote_trace, 1),
        flood("user-message", flood::user_message, 1),
        Attack { target: Target::Root, ..flood("multicast-like", flood::multicast_like, 70) },
        http("http-half-requests", http::Abuse::HalfRequests),
        http("http-bodies", http::Abuse::Bodies),
        amplify("amplify-whois", Target::Root, amplify::whois),
        amplify("amplify-whois-duplicates", Target::Root, amplify::whois_duplicates),
        amplify("amplify-echo", Target::Member, amplify::echo_zeros),
        amplify("amplify-push", Target::Member, amplify::push),
        amplify("amplify-config-request", Target::Root, amplify::config_request),
        amplify("amplify-gather", Target::Root, amplify::gather),
        amplify("amplify-hello", Target::Root, amplify::hello),
    ]
}

/// A scene that is set, for one attack or several after each other.
pub struct Stage(Scene);

impl Stage {
    /// Nodes of a program; `None` where the machine has no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(program: &Program) -> Result<Option<Self>> {
        Ok(Scene::new(program)?.map(Self))
    }

    /// Plays an attack.
    ///
    /// # Errors
    /// Nothing can be measured: the victim has ended.
    pub fn play(&self, attack: &Attack, how: &Play) -> Result<Measured> {
        let (scene, target) = (&self.0, attack.target);
        match attack.kind {
            Kind::Packets(make, identities) => {
                let identities = identities.min(how.identities);
                let mut forge = scene.forge(target)?;
                let load = make(&mut forge, identities);
                let rate = if attack.amplifies { how.amplify_rate } else { how.rate };
                scene.introduce(target, &forge, identities)?;
                scene.under(attack, how.time, |stop| scene.fire(target, &load, rate, stop))
            }
            Kind::Connections(abuse) => {
                scene.under(attack, how.time, |stop| http::hold(scene.victim_namespace(target), abuse, stop))
            }
        }
    }
}

/// Plays one attack against a program, on a stage of its own; `None` where the machine has no namespaces.
///
/// # Errors
/// As [`Stage::new`] and [`Stage::play`].
pub fn play(attack: &Attack, program: &Program, how: &Play) -> Result<Option<Measured>> {
    let Some(stage) = Stage::new(program)? else { return Ok(None) };
    stage.play(attack, how).map(Some)
}

/// Head of the table of [`line()`].
pub const HEAD: &str = "attack                    program   packets/s   loss %   p99 ms    CPU %   RSS MB   growth   out/in   API ms  meets ms";

/// One line of the table.
#[must_use]
pub fn line(attack: &Attack, program: &Program, m: &Measured) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    format!(
        "{:<25} {:<7} {:>11.0} {:>8.2} {:>8} {:>8.0} {:>8.1} {:>8.1} {:>8} {:>8} {:>9}",
        attack.name,
        program.kind(),
        m.rate,
        m.loss * 100.0,
        number(m.p99.map(millis), 1),
        m.cpu * 100.0,
        m.rss_mb,
        m.growth_mb,
        number(m.ratio(), 2),
        number(m.api.map(millis), 0),
        number(m.meets.map(millis), 0),
    )
}

/// The same for programs.
#[must_use]
pub fn as_json(attack: &Attack, program: &Program, m: &Measured) -> Value {
    json!({
        "attack": attack.name,
        "program": program.kind(),
        "packetsPerSecond": m.rate,
        "loss": m.loss,
        "p99Ms": m.p99.map(millis),
        "cpu": m.cpu,
        "rssMb": m.rss_mb,
        "growthMb": m.growth_mb,
        "bytesIn": m.sent_bytes,
        "bytesOut": m.returned_bytes,
        "ratio": m.ratio(),
        "apiMs": m.api.map(millis),
        "meetsMs": m.meets.map(millis),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
