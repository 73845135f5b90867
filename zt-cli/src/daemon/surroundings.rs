//! What a daemon finds around it: what opens ports, what gives them addresses and names, what knows the interfaces.
//!
//! A program with a backend of its own hands in its own, and keeps the HTTP interface, the home folder, `local.conf`, the
//! controller and the command line:
//!
//! ```no_run
//! # use zt_cli::daemon::{Daemon, DaemonOptions, Surroundings, home::Home};
//! # fn my_taps() -> zt_tap::channel::ChannelTaps { zt_tap::channel::ChannelTaps::new() }
//! let options = DaemonOptions::embedded(Home::at("/var/lib/my-node"));
//! let taps = my_taps();
//! let daemon = Daemon::new(options).on(move |_| Ok(Surroundings::with_taps(Box::new(taps.clone()))));
//! let stop = daemon.stop();
//! let thread = std::thread::spawn(move || daemon.run());
//! // … until the program ends:
//! stop.now();
//! thread.join().expect("no panic").expect("a clean end");
//! ```

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use zt_tap::host::MemoryHost;
use zt_tap::{
    DnsConfig, HostConfig, InterfaceWatch, LinuxDns, LinuxHost, LinuxInterfaces, LinuxTaps, NoDns, ResolverPlaces,
    TapFactory,
};
use zt_wire::Address;

use super::local_conf::LocalConf;
use super::node::node_error;
use super::{DaemonError, DaemonOptions, run_with};
use crate::console::{Console, system_clock};
use crate::userspace::{PortDns, Ports};

/// What networks get on this host.
pub struct Surroundings {
    /// What opens a port for each network.
    pub taps: Box<dyn TapFactory>,
    /// What gives ports addresses and routes.
    pub host: Box<dyn HostConfig>,
    /// What is told the networks' servers of names.
    pub dns: Box<dyn DnsConfig>,
    /// What tells the interfaces and addresses of this host, to which UDP sockets are bound.
    pub interfaces: Box<dyn InterfaceWatch>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Ports of one's own on a host of Linux: addresses and routes are remembered and given to nobody.
    #[must_use]
    pub fn with_taps(taps: Box<dyn TapFactory>) -> Self {
        Self {
            taps,
            host: Box::new(MemoryHost::new()),
            dns: Box::new(NoDns::new()),
            interfaces: Box::new(LinuxInterfaces::new()),
        }
    }

    /// Stacks of this process.
    #[must_use]
    pub fn of_userspace(ports: &Ports) -> Self {
        Self {
            host: Box::new(ports.clone()),
            dns: Box::new(PortDns::new(ports.clone())),
            ..Self::with_taps(Box::new(ports.clone()))
        }
    }

    /// Devices, routing tables and resolvers of this host.
    ///
    /// # Errors
    /// The kernel lets nobody configure it.
    pub fn of_kernel(start: &Start<'_>) -> Result<Self, DaemonError> {
        let dns = LinuxDns::new(&start.address.to_string(), ResolverPlaces::default());
        Ok(Self {
            host: Box::new(LinuxHost::new().map_err(|error| node_error(error.kind(), &error))?),
            dns: Box::new(dns),
            ..Self::with_taps(Box::new(LinuxTaps { offloads: start.local_conf.settings.tap_offload }))
        })
    }
}

/// What is known when surroundings are made: at the start, and again when another identity is needed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start<'a> {
    /// Address of the node.
    pub address: Address,
    /// Settings.
    pub local_conf: &'a LocalConf,
}

/// Makes surroundings; inside the runtime of the node.
pub(super) type Make = Arc<dyn Fn(&Start<'_>) -> Result<Surroundings, DaemonError> + Send + Sync>;

/// A daemon as part of a program.
#[derive(Clone)]
pub struct Daemon {
    options: DaemonOptions,
    make: Make,
    stop: Stop,
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Daemon").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Daemon {
    /// A daemon on the kernel of this host.
    #[must_use]
    pub fn new(options: DaemonOptions) -> Self {
        Self { options, make: Arc::new(Surroundings::of_kernel), stop: Stop::default() }
    }

    /// On other surroundings. They are made inside the runtime of the node.
    #[must_use]
    pub fn on(
        mut self,
        make: impl Fn(&Start<'_>) -> Result<Surroundings, DaemonError> + Send + Sync + 'static,
    ) -> Self {
        self.make = Arc::new(make);
        self
    }

    /// What stops the daemon.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs on this thread until it is stopped: by [`Stop`], or by SIGTERM or SIGINT to the process.
    ///
    /// # Errors
    /// What keeps a node from running.
    pub fn run(&self) -> Result<(), DaemonError> {
        let env = |name: &str| std::env::var_os(name);
        let (mut input, mut out, mut err) = (std::io::empty(), std::io::sink(), std::io::sink());
        let mut console = Console {
            input: &mut input,
            out: &mut out,
            err: &mut err,
            folder: std::env::current_dir().unwrap_or_default(),
            env: &env,
            clock: &system_clock,
            entropy: &mut zt_node::OsEntropy,
            color: false,
            color_err: false,
            columns: None,
            asks: false,
        };
        run_with(&self.options, &self.make, &self.stop, &mut console)
    }
}

/// Stops a daemon, from any thread.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Asks the daemon to stop: it removes what it made on the host and writes what it knows.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Until it was asked to stop.
    pub(super) async fn wait(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}
