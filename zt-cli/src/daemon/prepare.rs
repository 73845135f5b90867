//! Everything a node needs from its home folder before it starts (06 §1.4, §1.5).

use std::fmt;

use zt_crypto::SecretIdentity;

use super::home::{Home, Lock};
use super::local_conf::{LocalConf, LocalConfError, Watch};
use super::{DaemonError, DaemonOptions, ports};
use crate::console::Console;

/// A home folder ready for its node: locked, with identity, tokens, settings and a port that is free.
pub struct Prepared {
    /// Home folder.
    pub home: Home,
    /// Held as long as the node runs.
    pub lock: Lock,
    /// Identity of the node.
    pub identity: SecretIdentity,
    /// Opens the HTTP interface.
    pub control_token: String,
    /// Opens `/metrics` only.
    pub metrics_token: String,
    /// Settings.
    pub local_conf: LocalConf,
    /// Notices changes of the settings.
    pub watch: Watch,
    /// Primary port, written to `zerotier-one.port`.
    pub port: u16,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.identity.identity().address;
        f.debug_struct("Prepared").field("home", &self.home).field("address", &address).finish_non_exhaustive()
    }
}

/// Prepares a home folder in the original's order, so that the same things are missing when it fails.
pub fn prepare(options: &DaemonOptions, console: &mut Console<'_>) -> Result<Prepared, DaemonError> {
    let home = options.home.clone();
    home.create()?;
    let lock = home.lock()?;
    // A bad local.conf is told before anything is created (06 §3).
    let watch = Watch::new(home.file("local.conf"));
    let local_conf = match home.read("local.conf") {
        Ok(content) => LocalConf::parse(&content.unwrap_or_default())?,
        Err(error) => return Err(LocalConfError::Unreadable(error.to_string()).into()),
    };
    for remark in &local_conf.remarks {
        tracing::warn!("local.conf: {remark}");
    }
    let identity = home.identity(console.entropy)?;
    home.write_pid();
    let control_token = home.control_token(console.entropy)?;
    let metrics_token = home.metrics_token(console.entropy)?;
    let wanted = local_conf.settings.primary_port.unwrap_or(options.port);
    let port = ports::choose(wanted, console.entropy).inspect_err(|_| drop(home.remove("zerotier-one.pid")))?;
    home.write_port(port)?;
    Ok(Prepared { home, lock, identity, control_token, metrics_token, local_conf, watch, port })
}
