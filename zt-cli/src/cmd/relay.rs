//! `zt relay`.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::Value;
use zt_peer::tcp_relay::Limits;
use zt_wire::IpPrefix;

use super::log::LogArgs;
use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::logs;
use crate::daemon::sandbox::Sandbox;
use crate::relay::{self, Options};
use crate::say;

/// Arguments of `zt relay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nodes whose network lets no UDP through reach others by a TCP connection to a relay, which sends
what they say as UDP and passes the answers back. It sees addresses and sealed packets, and needs no
identity. It sends to nobody but nodes: to addresses of the Internet, to ports above 1024, and where
nothing answers the protocol no more than a few packets.

Examples:
  sudo zt relay                            on port 443, which most firewalls let through
  zt relay --listen 0.0.0.0:8443           on another port; needs no root
  zt relay --listen 203.0.113.5:443 --listen '[2001:db8::5]:443' --udp 203.0.113.5
  zt relay --allow 10.0.0.0/8              for roots and members with private addresses
  zt --json relay --report 10              one line of JSON every ten seconds

On the nodes, zt or ZeroTier One, in local.conf:
  { \"settings\": { \"tcpFallbackRelay\": \"203.0.113.5/443\" } }"
)]
pub struct RelayArgs {
    /// Where to listen; can be given several times
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:443")]
    listen: Vec<SocketAddr>,
    /// Address to send from [default: whichever the system chooses]
    #[arg(long, value_name = "IP")]
    udp: Option<Ipv4Addr>,
    /// Ports to send from, one for each connection [default: those the system gives]
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    udp_ports: Option<RangeInclusive<u16>>,
    /// Most connections
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one)]
    connections: usize,
    /// Most connections of one source: an IPv4 address, or a /64 of IPv6
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    per_source: usize,
    /// Most traffic of one source in each direction, in Mbit/s; 0 = as much as there is
    #[arg(long, value_name = "MBIT", default_value_t = 100)]
    rate: u32,
    /// Most memory for what waits for slow clients, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = at_least_one)]
    memory: usize,
    /// A connection without traffic is closed after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    idle: u64,
    /// Send to these addresses, too, which are none of the Internet; can be given several times
    #[arg(long, value_name = "IP/BITS")]
    allow: Vec<IpPrefix>,
    /// Print what happened so often, in seconds; 0 = only at the end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    report: u32,
    /// Give up files, system calls and capabilities that a relay does not need
    #[arg(long, value_enum, default_value_t = Sandbox::On)]
    sandbox: Sandbox,
    #[command(flatten)]
    log: LogArgs,
}

impl RelayArgs {
    fn options(self) -> Options {
        Options {
            listen: self.listen,
            address: self.udp.unwrap_or(Ipv4Addr::UNSPECIFIED),
            ports: self.udp_ports,
            limits: Limits {
                clients: self.connections,
                clients_per_source: self.per_source,
                memory: self.memory << 20,
                rate: u64::from(self.rate) * 125_000,
                idle: Duration::from_secs(self.idle),
                allowed: self.allow.into_iter().map(IpPrefix::network).collect(),
                ..Limits::default()
            },
            sandbox: self.sandbox,
            every: (self.report > 0).then(|| Duration::from_secs(self.report.into())),
        }
    }
}

/// Runs `zt relay` until it is asked to stop.
pub fn run(args: RelayArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    logs::start(&args.log.options(console)?);
    let as_json = globals.json;
    let line = |report: &Report| if as_json { format!("{}\n", report.json) } else { report.text.clone() };
    let last = relay::serve(args.options(), &mut |report| say!(console, "{}", line(report)))?;
    Ok(Report::new(Value::Null, line(&last)))
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let hint = "write the first and the last port, such as 20000-29999";
    let (first, last) = text.split_once('-').ok_or(hint)?;
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err(hint.to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "write a whole number of at least 1".to_owned())
}
