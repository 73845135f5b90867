//! `zt service`.

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::Value;

use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::logs::LogLevel;
use crate::daemon::{self, DaemonError, DaemonOptions, logs};

/// Arguments of `zt service`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo zt service
  sudo zt service --home /tmp/node --port 0 --log debug

Without a planet file in the home folder the public planet is used.
Settings: local.conf in the home folder; changes are taken up while running.")]
pub struct ServiceArgs {
    /// Port for UDP and for the HTTP interface; 0 = a random one
    #[arg(long, default_value_t = crate::DEFAULT_PORT)]
    port: u16,
    /// How much to log on standard error
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    log: LogLevel,
}

/// Runs `zt service` until it is asked to stop.
pub fn run(args: &ServiceArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    logs::start(args.log);
    let options = DaemonOptions { home: globals.home(console)?, port: args.port, quiet: false };
    daemon::run(&options, console).map_err(|error| match &error {
        DaemonError::LocalConf(conf) => anyhow!("{}", conf.hint()),
        DaemonError::Port { port } => {
            anyhow!("{error}: another program uses port {port}; stop it or choose another with --port")
        }
        _ => anyhow!("{error}"),
    })?;
    Ok(Report::new(Value::Null, ""))
}
