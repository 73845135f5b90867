//! `zt member`: members of a network hosted by this node's controller (05 §3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use zt_netconf::controller::Member;
use zt_netconf::rules::cases;
use zt_netconf::rules::diff::Names;

use super::consent::Consent;
use super::join::yes_no;
use super::rules::hosted;
use super::{Globals, Node, Report, named, node_address};
use crate::console::Console;
use crate::render::json::pretty;
use crate::render::table::{Table, Tone};

/// Arguments of `zt member`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt member list 8056c2e21c000001
  zt member auth 8056c2e21c000001 fe39e980ad
  zt member auth 8056c2e21c000001 fe39e980ad --ip 10.9.8.7 --name laptop
  zt member set 8056c2e21c000001 fe39e980ad --tag department=sales --capability admin
  zt member deauth 8056c2e21c000001 fe39e980ad
  zt member delete 8056c2e21c000001 fe39e980ad --yes

A node can be let in before it ever asked.")]
pub struct MemberArgs {
    #[command(subcommand)]
    command: MemberCommand,
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    /// List members, those waiting included
    List {
        /// Network: its ID, or its name
        #[arg(value_parser = named::network)]
        network: String,
    },
    /// Let a node in
    #[command(alias = "authorize", alias = "authorise")]
    Auth {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        changes: Changes,
    },
    /// Shut a node out, at once
    #[command(alias = "deauthorize", alias = "deauthorise")]
    Deauth {
        #[command(flatten)]
        who: Who,
    },
    /// Change a member without letting it in or out
    Set {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        changes: Changes,
    },
    /// Show everything about a member
    Show {
        #[command(flatten)]
        who: Who,
    },
    /// Forget a member, with its addresses and all that it was given
    #[command(alias = "remove")]
    Delete {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        consent: Consent,
    },
}

impl MemberCommand {
    /// The network that is meant.
    fn network_mut(&mut self) -> &mut String {
        match self {
            Self::List { network } => network,
            Self::Auth { who, .. }
            | Self::Deauth { who }
            | Self::Set { who, .. }
            | Self::Show { who }
            | Self::Delete { who, .. } => &mut who.network,
        }
    }
}

/// A member of a network.
#[derive(Debug, Args)]
struct Who {
    /// Network: its ID, or its name
    #[arg(value_parser = named::network)]
    network: String,
    /// Node address
    #[arg(value_parser = node_address)]
    member: String,
}

/// What `auth` and `set` may say.
#[derive(Debug, Args)]
struct Changes {
    /// Name, for the operator only
    #[arg(long)]
    name: Option<String>,
    /// Give exactly these addresses; free ones inside the routes of the network
    #[arg(long, value_name = "IP")]
    ip: Vec<IpAddr>,
    /// The member may bridge other devices into the network
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    bridge: Option<bool>,
    /// No addresses out of the pools
    #[arg(long, value_name = "yes|no", value_parser = yes_no)]
    no_auto_assign: Option<bool>,
    /// Give a tag of the rules: names as in their text, or numbers
    #[arg(long, value_name = "TAG=VALUE")]
    tag: Vec<String>,
    /// Take a tag away
    #[arg(long, value_name = "TAG")]
    remove_tag: Vec<String>,
    /// Give a capability of the rules
    #[arg(long, value_name = "NAME")]
    capability: Vec<String>,
    /// Take a capability away
    #[arg(long, value_name = "NAME")]
    remove_capability: Vec<String>,
}

impl Changes {
    fn body(&self, authorized: Option<bool>, node: &Node, who: &Who) -> Result<Value> {
        let mut body = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        set("authorized", authorized.map(|v| json!(v)));
        set("name", self.name.as_ref().map(|v| json!(v)));
        let addresses: Vec<String> = self.ip.iter().map(ToString::to_string).collect();
        set("ipAssignments", (!addresses.is_empty()).then(|| json!(addresses)));
        set("activeBridge", self.bridge.map(|v| json!(v)));
        set("noAutoAssignIps", self.no_auto_assign.map(|v| json!(v)));
        if self.has_credentials() {
            let (tags, capabilities) = self.credentials(node, who)?;
            set("tags", Some(json!(tags.into_iter().collect::<Vec<(u32, u32)>>())));
            set("capabilities", Some(json!(capabilities)));
        }
        Ok(Value::Object(body))
    }

    fn has_credentials(&self) -> bool {
        [&self.tag, &self.remove_tag, &self.capability, &self.remove_capability].iter().any(|list| !list.is_empty())
    }

    /// All tags and capabilities as they are to be; names are those of the text that the network keeps.
    fn credentials(&self, node: &Node, who: &Who) -> Result<(BTreeMap<u32, u32>, BTreeSet<u64>)> {
        let network = hosted::network(node, &who.network)?;
        let script = hosted::kept_script(&network);
        let members: Map<String, Value> = node.get(&format!("/controller/network/{}/member", who.network))?;
        let held = match members.contains_key(&who.member) {
            true => Some(node.get::<Map<String, Value>>(&who.path())?),
            false => None,
        };
        let address = who.member.parse().with_context(|| format!("{} is no node address", who.member))?;
        let held = held.map(|object| Member::from_json(network.id, address, object, 0));
        let mut tags: BTreeMap<u32, u32> = held.iter().flat_map(|held| held.tags.iter().copied()).collect();
        let mut capabilities: BTreeSet<u64> = held.iter().flat_map(|held| held.capabilities.iter().copied()).collect();
        for text in &self.tag {
            let (tag, value) = text.split_once('=').with_context(|| format!("--tag {text}: write TAG=VALUE"))?;
            let found = cases::tag_value(&script, tag, value);
            let (id, value) = found.with_context(|| format!("--tag {text}: expected {}", cases::tags(&script, tag)))?;
            tags.insert(id, value);
        }
        for text in &self.remove_tag {
            let id = cases::tag_value(&script, text, "0").map(|(id, _)| id);
            let id = id.with_context(|| format!("--remove-tag {text}: expected {}", cases::tags(&script, "")))?;
            ensure!(tags.remove(&id).is_some(), "--remove-tag {text}: the member has no such tag");
        }
        let capability = |option: &str, text: &String| {
            let id = cases::capability(&script, text);
            id.with_context(|| format!("--{option} {text}: expected {}", cases::capabilities(&script)))
        };
        for text in &self.capability {
            let id = capability("capability", text)?;
            ensure!(
                network.capabilities.iter().any(|known| known.id == id),
                "--capability {text}: network {} has no such capability; give it rules that define it first",
                who.network
            );
            capabilities.insert(id.into());
        }
        for text in &self.remove_capability {
            let id = capability("remove-capability", text)?;
            ensure!(capabilities.remove(&id.into()), "--remove-capability {text}: the member has no such capability");
        }
        Ok((tags, capabilities))
    }
}

impl Who {
    fn path(&self) -> String {
        format!("/controller/network/{}/member/{}", self.network, self.member)
    }

    fn context(&self) -> String {
        format!("member {} of network {} on this controller", self.member, self.network)
    }
}

/// Runs `zt member`.
pub fn run(args: MemberArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let mut command = args.command;
    let network = command.network_mut();
    *network = named::hosted(&node, network)?;
    match command {
        MemberCommand::List { network } => list(&node, &network, console),
        MemberCommand::Auth { who, changes } => {
            let body = changes.body(Some(true), &node, &who)?;
            let member: Value = node.post(&who.path(), &body).with_context(|| who.context())?;
            Ok(Report::new(member, format!("{} may use {}\n", who.member, who.network)))
        }
        MemberCommand::Deauth { who } => {
            let body = json!({"authorized": false});
            let member: Value = node.post(&who.path(), &body).with_context(|| who.context())?;
            Ok(Report::new(member, format!("{} is shut out of {}\n", who.member, who.network)))
        }
        MemberCommand::Set { who, changes } => {
            let body = changes.body(None, &node, &who)?;
            let member: Value = node.post(&who.path(), &body).with_context(|| who.context())?;
            let text = pretty(&member, 2) + "\n";
            Ok(Report::new(member, text))
        }
        MemberCommand::Show { who } => {
            let member: Value = node.get(&who.path()).with_context(|| who.context())?;
            let text = pretty(&member, 2) + "\n";
            Ok(Report::new(member, text))
        }
        MemberCommand::Delete { who, consent } => {
            let (member, network) = (&who.member, &who.network);
            let what = format!("Network {network} forgets member {member} with its name, addresses and credentials");
            consent.to_lose(console, &what)?;
            let member: Value = node.delete(&who.path()).with_context(|| who.context())?;
            Ok(Report::new(member, format!("{} is forgotten in {}\n", who.member, who.network)))
        }
    }
}

fn list(node: &Node, network: &str, console: &Console<'_>) -> Result<Report> {
    let path = format!("/unstable/controller/network/{network}/member");
    let answer: Value = node.get(&path).with_context(|| format!("network {network} on this controller"))?;
    let members = answer.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    // What rules know of members is worth its columns where there is any.
    let holds = |key: &str| members.iter().any(|m| m.get(key).and_then(Value::as_array).is_some_and(|a| !a.is_empty()));
    let credentials = holds("tags") || holds("capabilities");
    let mut titles = vec!["member", "state", "name", "version", "addresses"];
    titles.extend(credentials.then_some(["tags", "capabilities"]).into_iter().flatten());
    let names = match credentials {
        true => Names::of(&hosted::kept_script(&hosted::network(node, network)?)),
        false => Names::default(),
    };
    let mut table = Table::new(&titles);
    for member in &members {
        let text = |key: &str| member.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| member.get(key).and_then(Value::as_i64).unwrap_or(-1);
        let authorized = member.get("authorized").and_then(Value::as_bool).unwrap_or(false);
        let state = if authorized { ("AUTHORISED", Tone::Good) } else { ("WAITING", Tone::Fair) };
        let version = match number("vMajor") {
            major @ 0.. => format!("{major}.{}.{}", number("vMinor"), number("vRev")),
            _ => "-".to_owned(),
        };
        let addresses = member.get("ipAssignments").and_then(Value::as_array).cloned().unwrap_or_default();
        let addresses: Vec<&str> = addresses.iter().filter_map(Value::as_str).collect();
        let mut cells = vec![
            (text("id"), Tone::Plain),
            (state.0.to_owned(), state.1),
            (text("name"), Tone::Plain),
            (version, Tone::Plain),
            (addresses.join(" "), Tone::Plain),
        ];
        if credentials {
            let list = |key: &str| member.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            let word = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
            let tag = |pair: &Value| Some(names.tag(word(pair.get(0)?)?, word(pair.get(1)?)?));
            let tags: Vec<String> = list("tags").iter().filter_map(tag).collect();
            let held = list("capabilities");
            let held: Vec<String> = held.iter().filter_map(word).map(|id| names.capability(id)).collect();
            cells.extend([(tags.join(" "), Tone::Plain), (held.join(" "), Tone::Plain)]);
        }
        table.row(cells);
    }
    let text = if table.is_empty() { "no members\n".to_owned() } else { table.render(console.screen()) };
    Ok(Report::new(Value::Array(members), text))
}
