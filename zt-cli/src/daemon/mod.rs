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
mod metrics_file;
mod node;
mod notify;
mod port_mapping;
pub mod ports;
pub mod prepare;
pub mod proxy;
pub mod sandbox;
pub mod signals;
pub mod store;
mod surroundings;
mod sys;
pub mod tunnel;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::console::Console;

use home::{Home, HomeError};
use http::ListenError;
use local_conf::LocalConfError;
use proxy::Requested;
use sandbox::{Needs, Sandbox, UserError};
use surroundings::Make;

pub use prepare::{Prepared, prepare};
pub use surroundings::{Daemon, Start, Stop, Surroundings};

/// How a daemon is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonOptions {
    /// Home folder.
    pub home: Home,
    /// UDP and HTTP port unless `local.conf` says otherwise; 0 = a random one.
    pub port: u16,
    /// Where to listen for TCP, beside what `local.conf` says.
    pub listen_tcp: Vec<SocketAddr>,
    /// Whether it gives up what it does not need.
    pub sandbox: Sandbox,
    /// The user that it goes on as, when it is started by root.
    pub user: Option<String>,
    /// When the service manager is told that it is ready though no root has answered, whatever `local.conf` says.
    pub ready_after: Option<Duration>,
    /// A new identity may take the place of one that is lost, although networks belong to that.
    pub new_identity: bool,
    /// Networks get a stack of this process in place of devices, with proxies where asked for (docs/userspace.md).
    pub userspace: Option<Requested>,
    /// Only what the original prints: no log unless something is wrong.
    pub quiet: bool,
    /// How much to log, whatever `local.conf` says at the start.
    pub log: Option<logs::Filter>,
}

impl DaemonOptions {
    /// How a daemon runs when nothing else is asked for.
    #[must_use]
    pub fn at(home: Home) -> Self {
        Self {
            home,
            port: crate::DEFAULT_PORT,
            listen_tcp: Vec::new(),
            sandbox: Sandbox::On,
            user: None,
            ready_after: None,
            new_identity: false,
            userspace: None,
            quiet: false,
            log: None,
        }
    }

    /// How a daemon runs as a part of a program: any port, and the program keeps its rights.
    #[must_use]
    pub fn embedded(home: Home) -> Self {
        Self { port: 0, sandbox: Sandbox::Off, ..Self::at(home) }
    }
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
    /// The port cannot be had.
    #[error(transparent)]
    Port(#[from] ListenError),
    /// It cannot become the user that it was asked to.
    #[error(transparent)]
    User(#[from] UserError),
    /// The node itself, in words for the operator.
    #[error("{0}")]
    Node(String),
}

/// Runs a node until it is asked to stop by a signal; with another identity if somebody else owns its address.
pub fn run(options: &DaemonOptions, console: &mut Console<'_>) -> Result<(), DaemonError> {
    let make: Make = Arc::new(Surroundings::of_kernel);
    run_with(options, &make, &Stop::default(), console)
}

fn run_with(options: &DaemonOptions, make: &Make, stop: &Stop, console: &mut Console<'_>) -> Result<(), DaemonError> {
    if options.quiet {
        let color = console.color_err;
        let filter = tracing::level_filters::LevelFilter::WARN.into();
        logs::start(&logs::LogOptions { filter, color, ..logs::LogOptions::default() });
    }
    sys::return_freed_memory();
    if let Some(user) = &options.user {
        sandbox::become_user(user, options.home.path())?;
    }
    let (manager, remark) = notify::Manager::of_environment(console.env);
    if let Some(remark) = remark {
        tracing::warn!("{remark}");
    }
    let mut entered = None;
    loop {
        // Before what takes its time: the first process of a container is not ended by a signal that nobody takes.
        let (runtime, signals) =
            node::runtime().map_err(|error| DaemonError::Node(format!("cannot start: {error}")))?;
        let prepared = prepare(options, console)?;
        // Once, for all nodes of this process: a sandbox cannot be left.
        let entered = entered.get_or_insert_with(|| sandbox::enter(options.sandbox, &needs(&prepared, console)));
        let ready_after = options.ready_after.unwrap_or(prepared.local_conf.settings.ready_after);
        let ground = node::Ground { make, stop, userspace: options.userspace.as_ref() };
        let manager = manager.as_ref().map(|manager| (manager, ready_after));
        match runtime.block_on(node::serve(prepared, &ground, entered, (manager, signals)))? {
            node::End::Asked => return Ok(()),
            node::End::Collision => options.home.retire_identity(console.entropy)?,
        }
    }
}

/// What a prepared node needs of the host.
fn needs(prepared: &Prepared, console: &Console<'_>) -> Needs {
    let settings = &prepared.local_conf.settings;
    let mut read: Vec<PathBuf> =
        settings.tcp.tls.iter().flat_map(|(chain, key)| [chain.clone(), key.clone()]).collect();
    // The platform's roots may be elsewhere, by the variables that every TLS library knows.
    read.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(|name| (console.env)(name)).map(PathBuf::from));
    read.extend(node::controller_folder(&prepared.local_conf));
    let mut write = vec![prepared.home.path().to_owned()];
    write.extend(prepared.sockets.iter().filter_map(|socket| socket.parent()).map(Path::to_owned));
    let proxies = settings.userspace.socks5.iter().chain(&settings.userspace.http_proxy);
    let ports = prepared.listen_tcp.iter().chain(&settings.tcp.listen).chain(proxies).map(SocketAddr::port);
    let ports = ports.chain([prepared.port, settings.secondary_port, settings.tertiary_port]);
    Needs { node: true, read, write, low_port: ports.into_iter().any(|port| (1..1024).contains(&port)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_folder_of_each_socket_for_commands_is_open_to_the_sandbox() {
        let folder = std::env::temp_dir().join(format!("zt-needs-{}", std::process::id()));
        let runtime = [folder.join("run"), folder.join("other")];
        let (mut input, mut out, mut err) = (io::empty(), io::sink(), io::sink());
        let mut console = Console {
            input: &mut input,
            out: &mut out,
            err: &mut err,
            folder: folder.clone(),
            // As systemd says it of a unit with several.
            env: &|name| {
                (name == "RUNTIME_DIRECTORY").then(|| std::env::join_paths(&runtime).expect("no colon in the names"))
            },
            clock: &crate::console::system_clock,
            entropy: &mut zt_node::OsEntropy,
            color: false,
            color_err: false,
            columns: None,
            asks: false,
        };
        let prepared = prepare(&DaemonOptions::embedded(Home::at(folder.join("home"))), &mut console).expect("a home");
        let needs = needs(&prepared, &console);
        assert_eq!(needs.write.first(), Some(&folder.join("home")));
        for socket in &prepared.sockets {
            assert!(needs.write.iter().any(|open| Some(open.as_path()) == socket.parent()), "{socket:?}: {needs:?}");
        }
        assert!(needs.write.contains(&runtime[0]), "{needs:?}");
        drop(prepared);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
