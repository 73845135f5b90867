//! `zt container`: the first program of a container. It takes what the common images of ZeroTier take from the environment.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::thread::CapabilitySet;
use serde_json::{Map, Value, json};
use zt_crypto::SecretIdentity;

use super::log::LogArgs;
use super::service::proxy;
use super::{Globals, Report, network_id};
use crate::api;
use crate::console::Console;
use crate::daemon::home::{Home, HomeError};
use crate::daemon::logs;
use crate::daemon::proxy::Requested;
use crate::daemon::{self, DaemonError, DaemonOptions};

/// Arguments of `zt container`.
#[derive(Debug, Args)]
#[command(after_help = "Environment, all of it optional:
  ZEROTIER_JOIN_NETWORKS        networks to join, apart by blanks or commas
  ZEROTIER_API_SECRET           the token of the HTTP interface
  ZEROTIER_IDENTITY_SECRET      the identity; ZEROTIER_IDENTITY_PUBLIC must fit it if it is there
  ZT_PRIMARY_PORT, ZT_ALLOW_MANAGEMENT_FROM, ZT_PORT_MAPPING_ENABLED,
  ZT_ALLOW_TCP_FALLBACK_RELAY   settings for local.conf if there is none
  ZT_OVERRIDE_LOCAL_CONF=true   write it even if there is one
  ZT_USERSPACE                  true or false: no devices, networks are reached by proxies and forwards
                                [default: true where devices cannot be made]
  ZT_SOCKS5, ZT_HTTP_PROXY      where its proxies listen, as 127.0.0.1:1080
A name with _FILE behind it names a file that holds the value, as secrets are mounted.

Examples:
  zt container 8056c2e21c000001
  zt container --health         for the health check: 0 when online and on all networks")]
pub struct ContainerArgs {
    /// Networks to join, beside those of the environment
    #[arg(value_name = "NETWORK", value_parser = network_id)]
    networks: Vec<String>,
    /// Say whether the node of this container is online and on its networks; the exit code is 1 if not
    #[arg(long)]
    health: bool,
    #[command(flatten)]
    log: LogArgs,
}

/// A file of the home folder that the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    content: String,
    mode: u32,
    /// One that is there stays.
    keep: bool,
}

/// Runs `zt container`.
pub fn run(args: &ContainerArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let value = |name: &str| value(console, name);
    let mut networks = args.networks.clone();
    networks.extend(joined(&value("ZEROTIER_JOIN_NETWORKS")?.unwrap_or_default())?);
    if args.health {
        return health(&networks, globals, console);
    }
    let home = globals.home(console)?;
    home.create()?;
    lay(&home, &wanted(&networks, &value)?)?;
    let userspace = userspace(&value, &may_make_devices)?;
    logs::start(&args.log.options(console)?);
    if userspace.is_some() {
        tracing::info!("no devices: networks are reached by proxies and forwards (ZT_USERSPACE; docs/userspace.md)");
    }
    let options = DaemonOptions { log: args.log.wish(console)?, userspace, ..DaemonOptions::at(home) };
    daemon::run(&options, console).map_err(|error| match &error {
        DaemonError::LocalConf(conf) => anyhow::anyhow!("{}", conf.hint()),
        _ => anyhow::anyhow!("{error}"),
    })?;
    Ok(Report::new(Value::Null, ""))
}

/// A variable, or the file that it names. An empty one counts as missing.
fn value(console: &Console<'_>, name: &str) -> Result<Option<String>> {
    let value = match (console.variable(name), console.variable(&format!("{name}_FILE"))) {
        (Some(_), Some(_)) => bail!("{name} and {name}_FILE are both set; unset one of them"),
        (value, None) => value,
        (None, Some(path)) => {
            Some(fs::read_to_string(console.file(&path)).with_context(|| format!("{name}_FILE: {path}"))?)
        }
    };
    Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// Whether networks get a stack of this process, and where its proxies listen.
fn userspace(
    value: &dyn Fn(&str) -> Result<Option<String>>,
    may_make_devices: &dyn Fn() -> bool,
) -> Result<Option<Requested>> {
    let proxy = |name: &str| -> Result<Option<SocketAddr>> {
        let at = value(name)?.map(|text| proxy(&text).map_err(|hint| anyhow::anyhow!("{name}: {text}: {hint}")));
        at.transpose()
    };
    let asked = Requested { socks5: proxy("ZT_SOCKS5")?, http_proxy: proxy("ZT_HTTP_PROXY")? };
    let wanted = match value("ZT_USERSPACE")?.map(|text| text.parse().map_err(|_| text)) {
        Some(Ok(wanted)) => wanted,
        Some(Err(text)) => bail!("ZT_USERSPACE: write true or false, not {text}"),
        None => asked != Requested::default() || !may_make_devices(),
    };
    if !wanted && asked != Requested::default() {
        bail!("ZT_SOCKS5 and ZT_HTTP_PROXY are of no use with ZT_USERSPACE=false; leave one or the other out");
    }
    Ok(wanted.then_some(asked))
}

/// A container without a device file or without its right is what people get who ask for neither.
fn may_make_devices() -> bool {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    let rights = rustix::thread::capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::NET_ADMIN));
    device.is_ok() && rights
}

fn joined(text: &str) -> Result<Vec<String>> {
    let words = text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty());
    let id = |word| network_id(word).map_err(|hint| anyhow::anyhow!("ZEROTIER_JOIN_NETWORKS: {word}: {hint}"));
    words.map(id).collect()
}

fn wanted(networks: &[String], value: &dyn Fn(&str) -> Result<Option<String>>) -> Result<Vec<Wanted>> {
    let mut files = Vec::new();
    let mut file = |name: &str, content: String, mode, keep| {
        files.push(Wanted { name: name.to_owned(), content, mode, keep });
    };
    let public = value("ZEROTIER_IDENTITY_PUBLIC")?;
    match (value("ZEROTIER_IDENTITY_SECRET")?, public) {
        (Some(secret), public) => {
            let Ok(identity) = SecretIdentity::from_text(&secret) else {
                bail!("ZEROTIER_IDENTITY_SECRET is no secret identity; `zt identity generate` makes one");
            };
            let own = identity.identity().to_string();
            if public.is_some_and(|public| public != own) {
                bail!("ZEROTIER_IDENTITY_PUBLIC is of another identity than ZEROTIER_IDENTITY_SECRET; leave it out");
            }
            file("identity.secret", secret, 0o600, false);
            file("identity.public", own, 0o644, false);
        }
        (None, Some(_)) => bail!("ZEROTIER_IDENTITY_PUBLIC without ZEROTIER_IDENTITY_SECRET is no identity; set both"),
        (None, None) => {}
    }
    if let Some(token) = value("ZEROTIER_API_SECRET")? {
        file("authtoken.secret", token, 0o600, false);
    }
    for network in networks {
        file(&format!("networks.d/{network}.conf"), String::new(), 0o600, true);
    }
    let settings = settings(value)?;
    if !settings.is_empty() {
        let over = value("ZT_OVERRIDE_LOCAL_CONF")?.is_some_and(|text| text == "true" || text == "1");
        file("local.conf", format!("{:#}\n", json!({"settings": settings})), daemon::local_conf::MODE, !over);
    }
    Ok(files)
}

fn settings(value: &dyn Fn(&str) -> Result<Option<String>>) -> Result<Map<String, Value>> {
    let mut settings = Map::new();
    if let Some(text) = value("ZT_PRIMARY_PORT")? {
        let port: u16 = text.parse().with_context(|| format!("ZT_PRIMARY_PORT: {text} is no port"))?;
        settings.insert("primaryPort".to_owned(), json!(port));
    }
    for (name, key) in
        [("ZT_PORT_MAPPING_ENABLED", "portMappingEnabled"), ("ZT_ALLOW_TCP_FALLBACK_RELAY", "allowTcpFallbackRelay")]
    {
        if let Some(text) = value(name)? {
            let on: bool = text.parse().with_context(|| format!("{name}: write true or false, not {text}"))?;
            settings.insert(key.to_owned(), json!(on));
        }
    }
    if let Some(text) = value("ZT_ALLOW_MANAGEMENT_FROM")? {
        let ranges: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty()).collect();
        if let Some(wrong) = ranges.iter().find(|range| daemon::local_conf::read_range(range).is_none()) {
            bail!("ZT_ALLOW_MANAGEMENT_FROM: {wrong} is no address and no range such as 10.0.0.0/8");
        }
        settings.insert("allowManagementFrom".to_owned(), json!(ranges));
    }
    Ok(settings)
}

fn lay(home: &Home, files: &[Wanted]) -> Result<(), HomeError> {
    for Wanted { name, content, mode, keep } in files {
        if !(*keep && home.file(name).exists()) {
            home.write(name, content.as_bytes(), *mode)?;
        }
    }
    Ok(())
}

fn health(networks: &[String], globals: &Globals, console: &Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let status: api::Status = node.get("/status")?;
    let found: Vec<api::Network> = node.get("/network")?;
    let standing = |id: &String| {
        let network = found.iter().find(|network| network.id == *id);
        network.map_or("NOT_JOINED".to_owned(), |network| network.status.to_string())
    };
    let networks: Vec<(String, String)> = networks.iter().map(|id| (id.clone(), standing(id))).collect();
    let well = status.online && networks.iter().all(|(_, standing)| standing == "OK");
    let states: Map<String, Value> = networks.iter().map(|(id, state)| (id.clone(), json!(state))).collect();
    let mut text = format!("{} {}\n", status.address, if status.online { "ONLINE" } else { "OFFLINE" });
    for (id, state) in &networks {
        text += &format!("{id} {state}\n");
    }
    let json = json!({"healthy": well, "online": status.online, "networks": states});
    Ok(Report { code: i32::from(!well), ..Report::new(json, text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = include_str!("../../../tests/e2e/src/identities.txt");

    fn asked(networks: &[&str], values: &[(&str, &str)]) -> Result<Vec<Wanted>> {
        let networks: Vec<String> = networks.iter().map(|id| (*id).to_owned()).collect();
        let value =
            |name: &str| Ok(values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
        wanted(&networks, &value)
    }

    #[test]
    fn what_the_common_images_take_is_laid_into_the_home() {
        let secret = SECRET.lines().next().expect("an identity");
        let files = asked(
            &["8056c2e21c000001"],
            &[
                ("ZEROTIER_IDENTITY_SECRET", secret),
                ("ZEROTIER_API_SECRET", "token"),
                ("ZT_PRIMARY_PORT", "9994"),
                ("ZT_ALLOW_MANAGEMENT_FROM", "127.0.0.1/32,10.0.0.0/8"),
                ("ZT_PORT_MAPPING_ENABLED", "false"),
            ],
        );
        let files = files.expect("usable");
        let file = |name: &str| files.iter().find(|file| file.name == name).expect(name);
        assert_eq!((file("identity.secret").content.as_str(), file("identity.secret").mode), (secret, 0o600));
        assert!(secret.starts_with(&file("identity.public").content));
        assert_eq!((file("authtoken.secret").content.as_str(), file("authtoken.secret").mode), ("token", 0o600));
        assert!(file("networks.d/8056c2e21c000001.conf").keep, "settings of the network stay");
        assert!(file("local.conf").keep, "one that is there stays");
        let conf = daemon::local_conf::LocalConf::parse(file("local.conf").content.as_bytes()).expect("a local.conf");
        assert_eq!((conf.settings.primary_port, conf.settings.port_mapping_enabled), (Some(9994), false));
        assert_eq!(conf.settings.allow_management_from.len(), 2);
        assert!(conf.remarks.is_empty(), "{:?}", conf.remarks);
        let over = asked(&[], &[("ZT_PRIMARY_PORT", "1"), ("ZT_OVERRIDE_LOCAL_CONF", "true")]).expect("usable");
        assert!(!over[0].keep);
        assert_eq!(asked(&[], &[]).expect("usable"), []);
    }

    #[test]
    fn a_container_that_cannot_make_devices_has_a_stack_of_its_own() {
        let of = |values: &'static [(&str, &str)], may: bool| {
            let found = move |name: &str| values.iter().find(|(known, _)| *known == name);
            userspace(&move |name| Ok(found(name).map(|(_, value)| (*value).to_owned())), &move || may)
        };
        assert_eq!(of(&[], true).expect("usable"), None);
        assert_eq!(of(&[], false).expect("usable"), Some(Requested::default()));
        assert_eq!(of(&[("ZT_USERSPACE", "false")], false).expect("usable"), None);
        let asked = of(&[("ZT_SOCKS5", "127.0.0.1:1080")], true).expect("usable").expect("a proxy wants the stack");
        assert_eq!((asked.socks5, asked.http_proxy), (Some(([127, 0, 0, 1], 1080).into()), None));
        for (values, word) in [
            (&[("ZT_USERSPACE", "maybe")][..], "ZT_USERSPACE: write true or false"),
            (&[("ZT_SOCKS5", "0.0.0.0:1080")][..], "ZT_SOCKS5: 0.0.0.0:1080: everybody could use it"),
            (&[("ZT_USERSPACE", "false"), ("ZT_HTTP_PROXY", "127.0.0.1:1")][..], "leave one or the other out"),
        ] {
            assert!(of(values, true).expect_err(word).to_string().contains(word));
        }
    }

    #[test]
    fn what_cannot_be_meant_names_the_variable() {
        for (values, word) in [
            (vec![("ZEROTIER_IDENTITY_SECRET", "abc")], "ZEROTIER_IDENTITY_SECRET is no secret identity"),
            (vec![("ZEROTIER_IDENTITY_PUBLIC", "abc")], "set both"),
            (
                vec![
                    ("ZEROTIER_IDENTITY_PUBLIC", "abc"),
                    ("ZEROTIER_IDENTITY_SECRET", SECRET.lines().next().expect("one")),
                ],
                "another identity",
            ),
            (vec![("ZT_PRIMARY_PORT", "99999")], "ZT_PRIMARY_PORT: 99999"),
            (vec![("ZT_PORT_MAPPING_ENABLED", "yes")], "true or false"),
            (vec![("ZT_ALLOW_MANAGEMENT_FROM", "everybody")], "everybody is no address"),
        ] {
            let error = asked(&[], &values).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(joined("8056c2e21c000001, 8056c2e21c000002\n").is_ok_and(|networks| networks.len() == 2));
        assert!(joined("8056c2e21c").expect_err("short").to_string().contains("16 hexadecimal digits"));
    }
}
