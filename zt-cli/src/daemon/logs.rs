//! The log: lines with levels on standard error.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What stops something from working.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens to the node: start, networks, roots.
    #[default]
    Info,
    /// What happens to peers and paths.
    Debug,
    /// Every packet.
    Trace,
}

/// Starts logging to standard error. Called twice, the first level stays.
pub fn start(level: LogLevel) {
    let filter = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let terminal = io::stderr().is_terminal();
    let logger = fmt().with_max_level(filter).with_writer(io::stderr).with_ansi(terminal).with_target(false);
    // A second start in one process (tests) keeps the first logger.
    let _ = logger.try_init();
}
