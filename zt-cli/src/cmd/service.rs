//! `zt service`.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::Value;

use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::local_conf::listen_addresses;
use crate::daemon::logs::LogLevel;
use crate::daemon::{self, DaemonError, DaemonOptions, logs};

/// Arguments of `zt service`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo zt service
  sudo zt service --home /tmp/node --port 0 --log debug
  sudo zt service --listen-tcp 443
                            a root that members without UDP reach as well

Without a planet file in the home folder the public planet is used.
Settings: local.conf in the home folder; changes are taken up while running.")]
pub struct ServiceArgs {
    /// Port for UDP and for the HTTP interface; 0 = a random one
    #[arg(long, default_value_t = crate::DEFAULT_PORT)]
    port: u16,
    /// Let members without UDP come by TCP, TLS and WebSockets: a port, or an address with its port; for roots
    #[arg(long, value_name = "ADDR", value_parser = listen_tcp)]
    listen_tcp: Vec<Vec<SocketAddr>>,
    /// How much to log on standard error
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    log: LogLevel,
}

fn listen_tcp(text: &str) -> std::result::Result<Vec<SocketAddr>, String> {
    let hint = "write a port such as 443, or an address with its port such as 192.0.2.1:443 or [2001:db8::1]:443";
    listen_addresses(text).ok_or_else(|| hint.to_owned())
}

/// Runs `zt service` until it is asked to stop.
pub fn run(args: &ServiceArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    logs::start(args.log);
    let listen_tcp = args.listen_tcp.iter().flatten().copied().collect();
    let options = DaemonOptions { home: globals.home(console)?, port: args.port, listen_tcp, quiet: false };
    daemon::run(&options, console).map_err(|error| match &error {
        DaemonError::LocalConf(conf) => anyhow!("{}", conf.hint()),
        DaemonError::Port { port } => {
            anyhow!("{error}: another program uses port {port}; stop it or choose another with --port")
        }
        _ => anyhow!("{error}"),
    })?;
    Ok(Report::new(Value::Null, ""))
}
