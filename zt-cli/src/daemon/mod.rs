//! The daemon: what surrounds a running node on a host.

pub mod authtoken;
mod backend;
mod bonded;
mod decisions;
pub mod home;
pub mod http;
pub mod import;
pub mod joined;
pub mod local_conf;
pub mod logs;
mod node;
mod port_mapping;
pub mod ports;
pub mod prepare;
pub mod signals;
pub mod store;
mod sys;
pub mod tunnel;

use thiserror::Error;

use crate::console::Console;

use home::{Home, HomeError};
use local_conf::LocalConfError;

pub use prepare::{Prepared, prepare};

/// How a daemon is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonOptions {
    /// Home folder.
    pub home: Home,
    /// UDP and HTTP port unless `local.conf` says otherwise; 0 = a random one.
    pub port: u16,
    /// Where to listen for TCP, beside what `local.conf` says.
    pub listen_tcp: Vec<std::net::SocketAddr>,
    /// Only what the original prints: no log unless something is wrong.
    pub quiet: bool,
}

/// Why the daemon did not run, or ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The home folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// `local.conf`.
    #[error(transparent)]
    LocalConf(#[from] LocalConfError),
    /// The port is taken.
    #[error("cannot bind to local control interface port {port}")]
    Port {
        /// Port asked for, 0 for any.
        port: u16,
    },
    /// The node itself, in words for the operator.
    #[error("{0}")]
    Node(String),
}

/// Runs a node until it is asked to stop by a signal; with another identity if somebody else owns its address.
pub fn run(options: &DaemonOptions, console: &mut Console<'_>) -> Result<(), DaemonError> {
    if options.quiet {
        logs::start(logs::LogLevel::Warn);
    }
    sys::return_freed_memory();
    loop {
        match node::serve(prepare(options, console)?)? {
            node::End::Asked => return Ok(()),
            node::End::Collision => options.home.retire_identity(console.entropy)?,
        }
    }
}
