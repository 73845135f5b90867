//! Everything a node needs from its home folder before it starts (06 §1.4, §1.5).

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use zt_crypto::SecretIdentity;
use zt_node::driver::StateKey;
use zt_node::{FileState, StateStore as _};

use super::home::{Home, Lock};
use super::http::SOCKET_NAME;
use super::local_conf::{LocalConf, LocalConfError, Watch};
use super::node::controller_folder;
use super::store::{self, Store};
use super::tunnel::proxy::Proxies;
use super::{DaemonError, DaemonOptions, import, logs, ports};
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
    /// Where to listen for TCP, beside what the settings say.
    pub listen_tcp: Vec<SocketAddr>,
    /// The proxy that the environment names.
    pub proxies: Proxies,
    /// Where sockets for commands are to be (docs/http-api.md).
    pub sockets: Vec<PathBuf>,
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
    if options.log.is_none() {
        heed_log(None, &local_conf);
    }
    for remark in &local_conf.remarks {
        tracing::warn!("local.conf: {remark}");
    }
    for note in &local_conf.notes {
        tracing::info!("local.conf: {note}");
    }
    let controller_d = controller_folder(&local_conf).unwrap_or_else(|| home.file("controller.d"));
    let identity = home.identity(console.entropy, options.new_identity, || holds(&home, &controller_d))?;
    home.write_pid();
    let control_token = home.control_token(console.entropy)?;
    let metrics_token = home.metrics_token(console.entropy)?;
    let wanted = local_conf.settings.primary_port.unwrap_or(options.port);
    let port = ports::choose(wanted, console.entropy).inspect_err(|_| drop(home.remove("zerotier-one.pid")))?;
    home.write_port(port)?;
    let listen_tcp = options.listen_tcp.clone();
    let (proxies, remark) = Proxies::of_environment(&|name| console.variable(name));
    if let Some(remark) = remark {
        tracing::warn!("{remark}");
    }
    let sockets = sockets(&home, (console.env)("RUNTIME_DIRECTORY").as_deref());
    Ok(Prepared {
        home,
        lock,
        identity,
        control_token,
        metrics_token,
        local_conf,
        watch,
        listen_tcp,
        proxies,
        sockets,
        port,
    })
}

/// Where sockets for commands are to be. `runtime` is what a service manager says of its folders: one, or several with a colon
/// between them, of which the first is ours.
fn sockets(home: &Home, runtime: Option<&OsStr>) -> Vec<PathBuf> {
    let folder =
        runtime.and_then(|folders| std::env::split_paths(folders).find(|folder| !folder.as_os_str().is_empty()));
    folder.map(|folder| folder.join(SOCKET_NAME)).into_iter().chain([home.file(SOCKET_NAME)]).collect()
}

/// Logs as much as the settings say, when they say something else than before.
pub(super) fn heed_log(before: Option<&LocalConf>, after: &LocalConf) {
    if let (Some(filter), Some(logs)) = (&after.settings.log, logs::running())
        && before.is_none_or(|before| before.settings.log != after.settings.log)
    {
        logs.set(filter.clone());
    }
}

/// Networks that belong to the identity of a home, in words; none if there are none.
fn holds(home: &Home, controller_d: &Path) -> Option<String> {
    let joined = FileState::new(home.path()).keys().unwrap_or_default();
    let joined = joined.iter().filter(|key| matches!(key, StateKey::NetworkConfig(_))).count();
    let of_controller = match Store::peek(home.path()) {
        Ok(Some(count)) => (count > 0).then(|| format!("{count} networks of its controller ({})", store::FILE)),
        Ok(None) => match import::read(controller_d) {
            Ok(found) => {
                let count = found.map_or(0, |found| found.counts().0);
                (count > 0).then(|| format!("{count} networks of its controller ({})", controller_d.display()))
            }
            Err(error) => Some(format!("a controller's networks ({error})")),
        },
        Err(error) => Some(format!("a controller's networks ({error})")),
    };
    let joined = (joined > 0).then(|| format!("{joined} joined networks (networks.d)"));
    let parts: Vec<String> = joined.into_iter().chain(of_controller).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_runtime_folders_the_first_has_the_socket() {
        let home = Home::at("/var/lib/x");
        let of = |runtime: Option<&str>| sockets(&home, runtime.map(OsStr::new));
        let own = [PathBuf::from("/var/lib/x").join(SOCKET_NAME)];
        assert_eq!(of(None), own);
        assert_eq!(of(Some("")), own);
        assert_eq!(of(Some("/run/zt:/run/other")), [&[PathBuf::from("/run/zt").join(SOCKET_NAME)], &own[..]].concat());
    }
}
