//! `zt log`, and the options of what logs.

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum as _};
use serde_json::{Value, json};

use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::logs::{Filter, LogFormat, LogOptions};

/// Options of the commands that run until they are stopped.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// How much to log: off, error, warn, info, debug, trace (every packet), or parts as well: info,zt_peer=debug
    /// [default: $ZT_LOG, else settings.log of local.conf, else info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<Filter>,
    /// Form of the log on standard error [default: $ZT_LOG_FORMAT, else auto: text, and the journal's own form where systemd reads it]
    #[arg(long, value_enum, value_name = "FORM")]
    log_format: Option<LogFormat>,
}

impl LogArgs {
    /// What was asked for, here or in the environment; `info` when nothing was.
    pub fn options(&self, console: &Console<'_>) -> Result<LogOptions> {
        let filter = self.wish(console)?.unwrap_or_default();
        Ok(LogOptions { filter, format: self.format(console)?, color: console.color_err })
    }

    fn format(&self, console: &Console<'_>) -> Result<LogFormat> {
        match (self.log_format, console.variable("ZT_LOG_FORMAT")) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(LogFormat::default()),
            (None, Some(text)) => LogFormat::from_str(&text, true)
                .map_err(|_| anyhow!("$ZT_LOG_FORMAT is {text:?}; write auto, text, json or journal")),
        }
    }

    /// How much, if somebody said so.
    pub fn wish(&self, console: &Console<'_>) -> Result<Option<Filter>> {
        if self.log.is_some() {
            return Ok(self.log.clone());
        }
        console.variable("ZT_LOG").map(|text| text.parse().map_err(|error| anyhow!("$ZT_LOG: {error}"))).transpose()
    }
}

/// Arguments of `zt log`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zt log                          how much the running node logs
  zt log debug                    what happens to peers and paths, until the next start
  zt log trace --for 10           every packet, for ten seconds
  zt log info,zt_peer=debug       more of one part: zt_peer, zt_netconf, zt_node, zt_tap, zt_cli
  zt config set log debug         for good

Where the lines go is decided by who starts the node: `journalctl -u zt -f` shows those of a service.")]
pub struct LogArguments {
    /// How much from now on [default: only show]
    filter: Option<Filter>,
    /// Go back to what it was after so many seconds
    #[arg(long = "for", value_name = "SECONDS", requires = "filter", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
}

/// Runs `zt log`.
pub fn run(args: &LogArguments, globals: &Globals, console: &Console<'_>) -> Result<Report> {
    let node = globals.node(console)?;
    let answer: Value = match &args.filter {
        None => node.get("/log")?,
        Some(filter) => node.post("/log", &json!({"filter": filter.to_string(), "seconds": args.seconds}))?,
    };
    let shown = answer["filter"].as_str().unwrap_or_default();
    let text = match (&args.filter, args.seconds) {
        (None, _) => format!("{shown}\n"),
        (Some(_), None) => format!("the node logs {shown} until it is started again\n"),
        (Some(_), Some(seconds)) => format!("the node logs {shown} for {seconds} s\n"),
    };
    Ok(Report::new(answer, text))
}
