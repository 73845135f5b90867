//! `zerotier-cli` (07 §2).

use std::path::PathBuf;

use serde_json::Value;
use zt_netconf::NetworkStatus;

use super::{banner, leading_hex, leading_number};
use crate::api::Word;
use crate::client::{Answer, Client, socket_of};
use crate::console::Console;
use crate::daemon::authtoken;
use crate::daemon::home::{Home, read_file};
use crate::render::json::classic;
use crate::render::table::harmless;
use crate::{COMPATIBLE_VERSION, complain, say};

mod bond;
mod dump;
mod get;

/// A parsed command line.
#[derive(Debug, Default)]
struct Options {
    program: String,
    json: bool,
    port: Option<u16>,
    home: Option<String>,
    host: Option<String>,
    token: Option<String>,
    /// Command, first and second argument; empty if absent.
    words: [String; 3],
    /// The command line as typed, for `bond setmtu`.
    args: Vec<String>,
}

/// What the switches ask for before any command runs.
enum Parsed {
    Run(Options),
    Version,
    Help(i32),
}

/// Runs the client; `args[0]` is the name under which it was called. Returns the exit code.
pub fn run(args: &[String], console: &mut Console<'_>) -> i32 {
    let options = match parse(args) {
        Parsed::Run(options) => options,
        Parsed::Version => {
            say!(console, "{COMPATIBLE_VERSION}\n");
            return 0;
        }
        Parsed::Help(code) => {
            say!(console, "{}", help(&args[0]));
            return code;
        }
    };
    match connect(&options, console) {
        Ok((client, home)) => Session { options: &options, client, home }.run(console),
        Err(code) => code,
    }
}

/// The help text.
pub fn help(argv0: &str) -> String {
    format!(
        "{}Usage: {argv0} [-switches] <command/path> [<args>]

Available switches:
  -h                      - Display this help
  -v                      - Show version
  -j                      - Display full raw JSON output
  -D<path>                - ZeroTier home path for parameter auto-detect
  -p<port>                - HTTP port (default: auto)
  -T<token>               - Authentication token (default: auto)

Available commands:
  info                    - Display status info
  listpeers               - List all peers
  peers                   - List all peers (prettier)
  listnetworks            - List all networks
  join <network ID>          - Join a network
  leave <network ID>         - Leave a network
  set <network ID> <setting> - Set a network setting
  get <network ID> <setting> - Get a network setting
  listmoons               - List moons (federated root sets)
  orbit <world ID> <seed> - Join a moon via any member root
  deorbit <world ID>      - Leave a moon
  dump                    - Debug settings dump for support

Available settings:
  Settings to use with [get/set] may include property names from 
  the JSON output of \"zerotier-cli -j listnetworks\". Additionally, 
  (ip, ip4, ip6, ip6plane, and ip6prefix can be used). For instance:
  zerotier-cli get <network ID> ip6plane will return the 6PLANE address
  assigned to this node.
",
        banner(" build 0 (platform 1 arch 2)")
    )
}

fn parse(args: &[String]) -> Parsed {
    let mut options = Options { program: args[0].clone(), args: args.to_vec(), ..Options::default() };
    let words = args[1..].iter().filter(|arg| !arg.is_empty() && !arg.starts_with('-'));
    for (i, word) in words.enumerate() {
        // Third and later words overwrite the second argument (07 §2.1).
        options.words[i.min(2)].clone_from(word);
    }
    for switch in args[1..].iter().filter_map(|arg| arg.strip_prefix('-')) {
        let mut letters = switch.chars();
        let letter = letters.next();
        let value = letters.as_str();
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match letter {
            Some('q') if value.is_empty() => {}
            Some('j') if value.is_empty() => options.json = true,
            Some('v') if value.is_empty() => return Parsed::Version,
            Some('q' | 'j' | 'v') => return Parsed::Help(1),
            Some('p') => match leading_number(value) {
                port @ 1..=65535 => options.port = u16::try_from(port).ok(),
                _ => return Parsed::Help(1),
            },
            Some('D') if text().is_some() => options.home = text(),
            Some('H') if text().is_some() => options.host = text(),
            Some('T') if text().is_some() => options.token = text(),
            Some('D' | 'H' | 'T') => return Parsed::Help(1),
            _ => return Parsed::Help(0),
        }
    }
    Parsed::Run(options)
}

/// Finds port and token (07 §2.1).
fn connect(options: &Options, console: &mut Console<'_>) -> Result<(Client, PathBuf), i32> {
    let named = options.home.as_ref().map(PathBuf::from);
    let home = Home::resolve(named.as_deref(), console.env).map(|home| console.file(home.path()));
    let program = &options.program;
    let Ok(home) = home else {
        if let (Some(port), Some(token)) = (options.port, &options.token) {
            return Ok((client(options, port, token), PathBuf::new()));
        }
        let text = "missing port or authentication token and no home directory specified to auto-detect";
        complain!(console, "{program}: {text}\n");
        return Err(2);
    };
    let shown = options.home.clone().unwrap_or_else(|| home.display().to_string());
    let content = |name: &str| -> String {
        let content = read_file(&home.join(name)).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&content).into_owned()
    };
    let port = options.port.or_else(|| match leading_number(&content("zerotier-one.port")) {
        port @ 1..=65535 => u16::try_from(port).ok(),
        _ => None,
    });
    let Some(port) = port else {
        complain!(console, "{program}: missing port and zerotier-one.port not found in {shown}\n");
        return Err(2);
    };
    let token = options.token.clone().or_else(|| {
        let token = content("authtoken.secret");
        if !token.is_empty() {
            return Some(token);
        }
        let own = PathBuf::from((console.env)("HOME")?).join(".zeroTierOneAuthToken");
        let token = String::from_utf8(read_file(&own).ok()??).ok()?;
        (!token.is_empty()).then_some(token)
    });
    let named = options.host.is_some() || options.port.is_some() || options.token.is_some();
    if let Some(socket) = if named { None } else { socket_of(&home) } {
        // Our own addition: who the service knows by its socket needs no token.
        let client = client(options, port, token.as_deref().unwrap_or_default()).by_socket(socket);
        if token.is_some() || client.get("/config").status == 200 {
            return Ok((client, home));
        }
    }
    let Some(token) = token else {
        let text = "authtoken.secret not found or readable in";
        complain!(console, "{program}: {text} {shown} (try again as root)\n");
        return Err(2);
    };
    Ok((client(options, port, &token), home))
}

fn client(options: &Options, port: u16, token: &str) -> Client {
    // Deliberate: a newline around the token in its file does no harm (07 §2.1 leaves it open).
    Client::new(options.host.as_deref().unwrap_or("127.0.0.1"), port, authtoken::trim(token))
}

/// A command with the service to ask.
struct Session<'a> {
    options: &'a Options,
    client: Client,
    home: PathBuf,
}

impl Session<'_> {
    fn run(&self, console: &mut Console<'_>) -> i32 {
        match self.command() {
            path if path.starts_with('/') => self.raw(console),
            "info" | "status" => self.show(console, "/status", info),
            "listpeers" => self.show(console, "/peer", list_peers),
            "peers" => self.show(console, "/peer", peers),
            "listnetworks" => self.show(console, "/network", list_networks),
            "listmoons" => self.show(console, "/moon", |_, _| None),
            "join" => self.join(console),
            "leave" => self.leave(console),
            "set" => self.set(console),
            "get" => self.get(console),
            "orbit" => self.orbit(console),
            "deorbit" => {
                let answer = self.client.delete(&format!("/moon/{}", self.word(1)));
                self.done(console, &answer, "deorbit", self.options.json)
            }
            "bond" => self.bond(console),
            "listbonds" => self.show(console, "/peer", bond::list),
            "dump" => self.dump(console),
            _ => {
                // Quirk (07 §2.4): no or an unknown command is no failure.
                complain!(console, "{}", help(&self.options.program));
                0
            }
        }
    }

    fn command(&self) -> &str {
        &self.options.words[0]
    }

    fn word(&self, index: usize) -> &str {
        &self.options.words[index]
    }

    /// `<status> <command> <body>` (07 §2.3).
    fn fail(&self, console: &mut Console<'_>, answer: &Answer) -> i32 {
        say!(console, "{} {} {}\n", answer.status, self.command(), answer.body);
        1
    }

    /// The service cannot be reached (07 §2.3); the text names 9993 whatever the port.
    fn unreachable(&self, console: &mut Console<'_>, answer: &Answer) -> i32 {
        say!(
            console,
            "Error connecting to the ZeroTier service: {}\n\nPlease check that the service is running and that TCP port 9993 can be contacted via 127.0.0.1.\n",
            answer.body
        );
        1
    }

    /// Asks and parses; the error is an exit code, its text already printed.
    fn ask(&self, console: &mut Console<'_>, path: &str) -> Result<(Answer, Value), i32> {
        let answer = self.client.get(path);
        if answer.status == 0 {
            return Err(self.unreachable(console, &answer));
        }
        match serde_json::from_str(&answer.body) {
            Ok(value) => Ok((answer, value)),
            Err(error) => {
                say!(console, "{} {} invalid JSON response ({error})\n", answer.status, self.command());
                Err(1)
            }
        }
    }

    /// A command that shows what a path answers: as JSON if asked for or if `text` makes none, else as text.
    fn show(&self, console: &mut Console<'_>, path: &str, text: fn(&Value, i64) -> Option<String>) -> i32 {
        let (answer, value) = match self.ask(console, path) {
            Ok(found) => found,
            Err(code) => return code,
        };
        if answer.status != 200 {
            return self.fail(console, &answer);
        }
        let text = if self.options.json { None } else { text(&value, self.clock(console, path)) };
        say!(console, "{}", text.unwrap_or_else(|| classic(value)));
        0
    }

    /// The present, as the times in an answer count it: by the node's own clock when it tells it.
    // Deliberate: the original takes its own, and shows ages of decades while a clock is being set.
    fn clock(&self, console: &Console<'_>, path: &str) -> i64 {
        let told = || {
            let status: Value = serde_json::from_str(&self.client.get("/status").body).ok()?;
            status.get("clock")?.as_i64()
        };
        if path == "/peer" { told().unwrap_or_else(|| (console.clock)()) } else { (console.clock)() }
    }

    fn raw(&self, console: &mut Console<'_>) -> i32 {
        let answer = self.client.get(self.command());
        if answer.status != 200 {
            return self.fail(console, &answer);
        }
        say!(console, "{}", answer.body);
        0
    }

    /// `200 <word> OK`, or the body as it came.
    fn done(&self, console: &mut Console<'_>, answer: &Answer, word: &str, raw: bool) -> i32 {
        if answer.status != 200 {
            return self.fail(console, answer);
        }
        if raw {
            say!(console, "{}", answer.body);
        } else {
            say!(console, "200 {word} OK\n");
        }
        0
    }

    fn join(&self, console: &mut Console<'_>) -> i32 {
        if self.word(1).len() != 16 {
            say!(console, "invalid network id\n");
            return 2;
        }
        let answer = self.client.post(&format!("/network/{}", self.word(1)), "{}");
        self.done(console, &answer, "join", self.options.json)
    }

    fn leave(&self, console: &mut Console<'_>) -> i32 {
        if self.word(1).len() != 16 {
            say!(console, "invalid network id\n");
            return 2;
        }
        let answer = self.client.delete(&format!("/network/{}", self.word(1)));
        self.done(console, &answer, "leave", self.options.json)
    }

    fn set(&self, console: &mut Console<'_>) -> i32 {
        if self.word(1).len() != 16 {
            complain!(console, "invalid format: must be a 16-digit (network) ID\n");
            return 2;
        }
        if self.word(2).is_empty() {
            complain!(console, "invalid format: include a property name to set\n");
            return 2;
        }
        let Some((name, value)) = self.word(2).split_once('=') else {
            complain!(console, "{}", help(&self.options.program));
            return 2;
        };
        if !["allowManaged", "allowGlobal", "allowDefault", "allowDNS"].contains(&name) {
            // Quirk (07 §2.4): nothing is said about an unknown name.
            return 0;
        }
        let body = format!("{{\"{name}\":{}}}", value.starts_with(['t', '1']));
        let answer = self.client.post(&format!("/network/{}", self.word(1)), &body);
        self.done(console, &answer, "set", true)
    }

    fn orbit(&self, console: &mut Console<'_>) -> i32 {
        if leading_hex(self.word(1)) == 0 || leading_hex(self.word(2)) == 0 {
            // Quirk (07 §2.4): nothing is said about bad arguments.
            return 0;
        }
        let body = format!("{{\"seed\":\"{}\"}}", self.word(2).replace(['"', '\\'], ""));
        let answer = self.client.post(&format!("/moon/{}", self.word(1)), &body);
        self.done(console, &answer, "orbit", false)
    }
}

/// Text of a member, `-` if it is no text.
fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or("-")
}

/// Integer of a member, 0 if it is no number.
fn number(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_i64).unwrap_or(0)
}

/// Elements of an array, none if it is no array.
fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn info(status: &Value, _clock: i64) -> Option<String> {
    let flag = |key: &str| status.get(key).and_then(Value::as_bool).unwrap_or(false);
    let state = match (flag("tcpFallbackActive"), flag("online")) {
        (true, _) => "TUNNELED",
        (false, true) => "ONLINE",
        (false, false) => "OFFLINE",
    };
    Some(format!("200 info {} {} {state}\n", text(status, "address"), text(status, "version")))
}

/// Version of a peer, `-` if unknown (07 §2.5).
fn version(peer: &Value) -> String {
    if peer.get("versionMajor").and_then(Value::as_i64).unwrap_or(-1) < 0 {
        return "-".to_owned();
    }
    format!("{}.{}.{}", number(peer, "versionMajor"), number(peer, "versionMinor"), number(peer, "versionRev"))
}

/// The path in use: address, milliseconds since the last send and receive, −1 if never.
fn preferred(peer: &Value, clock: i64) -> Option<(&str, i64, i64)> {
    let paths = peer.get("paths").map(items).unwrap_or_default();
    let path = paths.iter().find(|p| p.get("preferred").and_then(Value::as_bool) == Some(true))?;
    let age = |key: &str| match number(path, key) {
        0 => -1,
        then => clock.saturating_sub(then).max(0),
    };
    Some((text(path, "address"), age("lastSend"), age("lastReceive")))
}

fn list_peers(peers: &Value, clock: i64) -> Option<String> {
    let mut out = "200 listpeers <ztaddr> <path> <latency> <version> <role>\n".to_owned();
    for peer in items(peers) {
        let path = preferred(peer, clock).map_or("-".to_owned(), |(path, tx, rx)| format!("{path};{tx};{rx}"));
        let (address, latency) = (text(peer, "address"), number(peer, "latency"));
        out += &format!("200 listpeers {address} {path} {latency} {} {}\n", version(peer), text(peer, "role"));
    }
    Some(out)
}

fn peers(peers: &Value, clock: i64) -> Option<String> {
    let mut out = "200 peers\n<ztaddr>   <ver>  <role> <lat> <link>   <lastTX> <lastRX> <path>\n".to_owned();
    let tunneled = |peer: &Value| peer.get("tunneled").and_then(Value::as_bool) == Some(true);
    for peer in items(peers) {
        let link = match preferred(peer, clock) {
            None => "RELAY".to_owned(),
            Some((path, tx, rx)) => {
                let word = if tunneled(peer) { "RELAY " } else { "DIRECT   " };
                format!("{word}{tx:<8} {rx:<8} {path}")
            }
        };
        let (address, role, latency) = (text(peer, "address"), text(peer, "role"), number(peer, "latency"));
        out += &format!("{address} {:<6} {role:<6} {latency:>5} {link}\n", version(peer));
    }
    if items(peers).iter().any(tunneled) {
        out += "NOTE: Currently tunneling through a TCP relay. Ensure that UDP is not blocked.\n";
    }
    Some(out)
}

fn list_networks(networks: &Value, clock: i64) -> Option<String> {
    let mut out = "200 listnetworks <nwid> <name> <mac> <status> <type> <dev> <ZT assigned ips>\n".to_owned();
    for network in items(networks) {
        let field = |key: &str| text(network, key);
        let addresses = network.get("assignedAddresses").map(items).unwrap_or_default();
        let addresses: Vec<&str> = addresses.iter().filter_map(Value::as_str).collect();
        let addresses = if addresses.is_empty() { "-".to_owned() } else { addresses.join(",") };
        // Deliberate: control characters in a controller's name do not reach the terminal (07 §2.7).
        let name = harmless(field("name"));
        out += &format!(
            "200 listnetworks {} {name} {} {} {} {} {addresses}\n",
            field("nwid"),
            field("mac"),
            field("status"),
            field("type"),
            field("portDeviceName"),
        );
        if network.get("ssoEnabled").and_then(Value::as_bool) == Some(true) {
            let expiry = number(network, "authenticationExpiryTime");
            match Word::read(field("status")) {
                Word::Known(NetworkStatus::AuthenticationRequired) => {
                    let url = network.get("authenticationURL").and_then(Value::as_str).unwrap_or("(null)");
                    out += &format!("    AUTH EXPIRED, URL: {}\n", harmless(url));
                }
                Word::Known(NetworkStatus::Ok) if expiry > clock => {
                    out += &format!("    AUTH OK, expires in: {} seconds\n", (expiry - clock) / 1000);
                }
                _ => {}
            }
        }
    }
    Some(out)
}
