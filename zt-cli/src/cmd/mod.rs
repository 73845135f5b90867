//! The commands of `zt`, one per file. A command returns a [`Report`]; printing it as text or JSON happens here.

pub mod bond;
pub mod completions;
pub mod config;
pub mod consent;
pub mod container;
pub mod demo;
pub mod doctor;
mod examples;
pub mod forward;
mod help;
pub mod identity;
pub mod info;
pub mod join;
pub mod leave;
pub mod log;
pub mod man;
pub mod member;
pub mod moon;
mod named;
pub mod network;
pub mod networks;
mod next_step;
pub mod peers;
pub mod ping;
pub mod planet;
pub mod relay;
pub mod rules;
mod scope;
pub mod service;
pub mod status;
pub mod trace;
pub mod wait;
mod why;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use serde_json::Value;

use crate::client::{Answer, Client, socket_of};
use crate::console::Console;
use crate::daemon::authtoken;
use crate::daemon::home::{Home, read_file};
use crate::render::json::pretty;
use crate::{complain, say};

/// A virtual Ethernet over the Internet, compatible with ZeroTier One.
#[derive(Debug, Parser)]
#[command(
    name = "zt",
    version,
    after_help = "Examples:
  zt service                          run a node in this terminal
  zt join 8056c2e21c000001            join a network
  zt networks                         networks with addresses and status
  zt info --drops                     what was dropped, by reason
  zt network create --name lab --pool 10.9.8.0/24
                                      make a network on this node
  zt member auth 8056c2e21c000001 fe39e980ad
                                      let a node into it

`zt one|cli|idtool …` behave like zerotier-one, zerotier-cli and zerotier-idtool,
and so does this program when it is called by one of these names."
)]
pub struct Zt {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Globals {
    /// Home folder of the node [default: $ZEROTIER_HOME, else /var/lib/zerotier-one]
    #[arg(long, global = true, value_name = "DIR", help_heading = help::GLOBAL)]
    pub home: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    pub json: bool,
    /// Address of the node's HTTP interface [default: 127.0.0.1]
    #[arg(long, global = true, value_name = "IP", hide_short_help = true, help_heading = help::GLOBAL)]
    pub host: Option<String>,
    /// Port of the node's HTTP interface [default: from the home folder]
    #[arg(id = "api_port", long = "api-port", global = true, value_name = "PORT", hide_short_help = true, help_heading = help::GLOBAL)]
    pub port: Option<u16>,
    /// Token of the node's HTTP interface [default: from the home folder]
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true, help_heading = help::GLOBAL)]
    pub token: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a whole virtual LAN at work on this machine, then clean up
    Demo(demo::DemoArgs),
    /// Run a node: member, root and controller as configured
    Service(service::ServiceArgs),
    /// Run a node as the first program of a container, settings from the environment
    Container(container::ContainerArgs),
    /// Run a TCP relay for nodes whose network lets no UDP through
    Relay(relay::RelayArgs),
    /// Show all that matters on one screen: state, networks, peers, warnings with the next step
    Status(status::StatusArgs),
    /// Show this node: address, version, state
    Info(info::InfoArgs),
    /// Wait until the node is online or a network is up
    Wait(wait::WaitArgs),
    /// Show or change how much the running node logs
    Log(log::LogArguments),
    /// Settings of the node: check, show and change them
    Config(config::ConfigArgs),
    /// List known peers and the paths to them
    Peers,
    /// Ask a peer whether it answers, how soon and by which way
    Ping(ping::PingArgs),
    /// Look for what keeps this node from working: firewall, ports, rights, NAT, clock; each finding with a fix
    Doctor(doctor::DoctorArgs),
    /// Several uplinks used together: list and show bonds, rotate their paths
    Bond(bond::BondArgs),
    /// List joined networks
    Networks(networks::NetworksArgs),
    /// Join a network
    Join(join::JoinArgs),
    /// Leave a network
    Leave(leave::LeaveArgs),
    /// Ports that a node without a device hands on, both ways
    Forward(forward::ForwardArgs),
    /// Networks hosted by this node (controller)
    Network(network::NetworkArgs),
    /// Members of a network hosted by this node (controller)
    Member(member::MemberArgs),
    /// Rules of networks as text: compile, test and compare them before they reach anybody
    Rules(rules::RulesArgs),
    /// Show what members of hosted networks tell about themselves (controller)
    Trace(trace::TraceArgs),
    /// Root sets: make, show, sign, add and remove planets
    Planet(planet::PlanetArgs),
    /// Moons: make, sign, orbit and leave them
    Moon(moon::MoonArgs),
    /// Node identities: make and check them, sign and verify files
    Identity(identity::IdentityArgs),
    /// Print what makes a shell complete the commands of zt
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(man::ManArgs),
}

/// What a command found out.
#[derive(Clone, Debug)]
pub struct Report {
    /// For scripts.
    pub json: Value,
    /// For people; ends with a newline unless empty.
    pub text: String,
    /// Exit code: not 0 where a script is to know what was found.
    pub code: i32,
    /// It holds a secret that stands nowhere else: that it could not be written is told, also where nobody reads.
    pub secret: bool,
}

impl Report {
    /// A report of both forms; the command did what it was asked for.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), code: 0, secret: false }
    }
}

/// An error that has more to say to scripts than its text.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refused {
    /// For people.
    pub(crate) text: String,
    /// For scripts, on standard output.
    pub(crate) json: Value,
}

/// Runs `zt` with its arguments (the program name first). Returns the exit code: 0 done, 1 failed, 2 bad usage, or what the
/// report says.
pub fn run(args: &[String], console: &mut Console<'_>) -> i32 {
    let zt = match parse(args, console.columns) {
        Ok(zt) => zt,
        Err(error) => {
            let text = error.render();
            let color = if error.use_stderr() { console.color_err } else { console.color };
            let text = if color { text.ansi().to_string() } else { text.to_string() };
            if error.use_stderr() {
                complain!(console, "{text}");
            } else {
                say!(console, "{text}");
            }
            return error.exit_code();
        }
    };
    match zt.command.run(&zt.globals, console) {
        Ok(report) => {
            let written = if zt.globals.json && !report.json.is_null() {
                console.print(format_args!("{}\n", pretty(&report.json, 2)))
            } else {
                console.print(format_args!("{}", report.text))
            };
            if report.secret && !written {
                complain!(
                    console,
                    "zt: the secret could not be written, and nothing else holds it; make another one\n"
                );
                return 1;
            }
            report.code
        }
        Err(error) => {
            match error.downcast_ref::<Refused>() {
                Some(refused) if zt.globals.json => say!(console, "{}\n", pretty(&refused.json, 2)),
                _ => complain!(console, "zt: {error:#}\n"),
            }
            1
        }
    }
}

/// Reads the arguments; a global option that the command would not heed is an error.
fn parse(args: &[String], columns: Option<usize>) -> Result<Zt, clap::Error> {
    let mut command = help::dressed(Zt::command(), columns);
    let matches = command.try_get_matches_from_mut(args)?;
    let zt = Zt::from_arg_matches(&matches)?;
    scope::refuse_useless(&zt.command, &zt.globals)
        .map_err(|text| command.error(clap::error::ErrorKind::ArgumentConflict, text))?;
    Ok(zt)
}

impl Command {
    fn run(self, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
        match self {
            Self::Demo(args) => demo::run(&args, console),
            Self::Service(args) => service::run(&args, globals, console),
            Self::Container(args) => container::run(&args, globals, console),
            Self::Relay(args) => relay::run(args, globals, console),
            Self::Status(_) => status::run(globals, console),
            Self::Ping(args) => ping::run(&args, globals, console),
            Self::Doctor(_) => doctor::run(globals, console),
            Self::Info(args) => info::run(&args, globals, console),
            Self::Wait(args) => wait::run(&args, globals, console),
            Self::Bond(args) => bond::run(args, globals, console),
            Self::Log(args) => log::run(&args, globals, console),
            Self::Config(args) => config::run(&args, globals, console),
            Self::Peers => peers::run(globals, console),
            Self::Networks(args) => networks::run(&args, globals, console),
            Self::Join(args) => join::run(&args, globals, console),
            Self::Leave(args) => leave::run(&args, globals, console),
            Self::Forward(args) => forward::run(&args, globals, console),
            Self::Network(args) => network::run(args, globals, console),
            Self::Member(args) => member::run(args, globals, console),
            Self::Rules(args) => rules::run(args, globals, console),
            Self::Trace(args) => trace::run(args, globals, console),
            Self::Planet(args) => planet::run(args, globals, console),
            Self::Moon(args) => moon::run(args, globals, console),
            Self::Identity(args) => identity::run(args, console),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args, console),
        }
    }
}

impl Globals {
    /// The home folder, absolute.
    pub fn home(&self, console: &Console<'_>) -> Result<Home> {
        let home = Home::resolve(self.home.as_deref(), console.env)?;
        Ok(Home::at(console.file(home.path())))
    }

    /// A client of the running node.
    pub fn node(&self, console: &Console<'_>) -> Result<Node> {
        let home = self.home(console)?;
        let read = |name: &str| -> Option<String> {
            let text = String::from_utf8(read_file(&home.file(name)).ok()??).ok()?;
            Some(authtoken::trim(&text).to_owned()).filter(|text| !text.is_empty())
        };
        // Who names a host, a port or a token means the port.
        let named = self.host.is_some() || self.port.is_some() || self.token.is_some();
        let socket = if named { None } else { socket_of(home.path()) };
        let (found, token) = (read("zerotier-one.port"), read("authtoken.secret"));
        if let Some(socket) = socket {
            let port = found.as_deref().and_then(|port| port.parse().ok()).unwrap_or(0);
            let client = Client::new("127.0.0.1", port, token.clone().unwrap_or_default()).strict().by_socket(socket);
            if token.is_some() || client.get("/config").status == 200 {
                return Ok(Node { client, host: "127.0.0.1".to_owned(), port });
            }
        }
        let port = self.port.or_else(|| found?.parse().ok()).with_context(|| {
            let home = home.path().display();
            format!("no node has run in {home}; start one with `zt service`, or name its folder with --home")
        })?;
        let token = self.token.clone().or(token).with_context(|| {
            let file = home.file("authtoken.secret");
            format!("cannot read {}; try as root or as a member of the group zt, or give --token", file.display())
        })?;
        let host = self.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        Ok(Node { client: Client::new(host.clone(), port, token).strict(), host, port })
    }

    /// A client of the node if one answers at all.
    pub fn running_node(&self, console: &Console<'_>) -> Option<Node> {
        let node = self.node(console).ok()?;
        (node.client.get("/health").status != 0).then_some(node)
    }
}

/// Stands before the reason why a request was refused.
const CHANGES: &str = "nothing was changed: ";

/// A running node and how to speak about it.
pub struct Node {
    client: Client,
    host: String,
    port: u16,
}

impl Node {
    /// `GET`, parsed.
    pub fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(path, &self.client.get(path), CHANGES)
    }

    /// `POST`, parsed.
    pub fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.read(path, &self.client.post(path, &body.to_string()), CHANGES)
    }

    /// `POST` of a question that changes nothing, parsed.
    pub fn ask<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.read(path, &self.client.post(path, &body.to_string()), "")
    }

    /// `DELETE`, parsed.
    pub fn delete<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(path, &self.client.delete(path), CHANGES)
    }

    /// `refused` stands before the reason of a refusal.
    fn read<T: serde::de::DeserializeOwned>(&self, path: &str, answer: &Answer, refused: &str) -> Result<T> {
        let Self { host, port, .. } = self;
        match answer.status {
            200 => {
                serde_json::from_str(&answer.body).with_context(|| format!("the node's answer to {path} is unknown"))
            }
            0 => bail!("no node answers at {host} port {port} ({}); is `zt service` running?", answer.body),
            401 => bail!("the node refused the token; try as root, or give --token"),
            404 => bail!("not found"),
            400 => match described(answer) {
                Some(text) => bail!("{refused}{text}"),
                None => bail!("the node answered 400: {}", answer.body),
            },
            413 => bail!("the node refused the request as too large"),
            status => {
                bail!("the node answered {status}: {}", described(answer).unwrap_or_else(|| answer.body.clone()))
            }
        }
    }
}

/// The reason in an answer that is an error (06 §4.4).
fn described(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    body.get("description")?.as_str().map(str::to_owned)
}

/// Checks a network ID as typed: 16 hex digits.
pub fn network_id(text: &str) -> Result<String, String> {
    digits(text, 16, "a network ID has 16 hexadecimal digits, such as 8056c2e21c000001")
}

/// Checks a node address as typed: 10 hex digits.
pub fn node_address(text: &str) -> Result<String, String> {
    digits(text, 10, "a node address has 10 hexadecimal digits, such as fe39e980ad")
}

/// Checks a world ID as typed: up to 16 hex digits; returns all 16.
pub fn world_id(text: &str) -> Result<u64, String> {
    let id = u64::from_str_radix(text, 16).ok().filter(|id| *id != 0 && text.len() <= 16);
    id.ok_or_else(|| "a world ID is a hexadecimal number of up to 16 digits".to_owned())
}

fn digits(text: &str, n: usize, hint: &str) -> Result<String, String> {
    if text.len() == n && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(hint.to_owned())
    }
}
