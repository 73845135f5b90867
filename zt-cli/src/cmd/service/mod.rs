//! `zt service`: runs a node; `install`, `uninstall` and `status` have the host's supervisor do that.

mod host;
mod plan;
mod status;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::consent::Consent;
use super::log::LogArgs;
use super::{Globals, Report};
use crate::console::Console;
use crate::daemon::home::STOCK_HOME;
use crate::daemon::http::ListenError;
use crate::daemon::local_conf::{listen_addresses, proxy_address};
use crate::daemon::proxy::Requested;
use crate::daemon::sandbox::Sandbox;
use crate::daemon::{self, DaemonError, DaemonOptions, logs};
use host::{Host, Init};
use plan::{Step, Wanted};

/// Arguments of `zt service`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  sudo zt service
  sudo zt service install   have the host's supervisor run it, now and after each start
  sudo zt service --home /tmp/node --port 0 --log debug
  sudo zt service --listen-tcp 443
                            a root that members without UDP reach as well
  zt service --userspace --home ~/.zt --socks5 127.0.0.1:1080
                            without rights and devices: networks are reached by a proxy

Without a planet file in the home folder the public planet is used.
Settings: local.conf in the home folder; changes are taken up while running."
)]
pub struct ServiceArgs {
    #[command(subcommand)]
    pub(super) command: Option<ServiceCommand>,
    /// Port for UDP and for the HTTP interface; 0 = a random one
    #[arg(long, default_value_t = crate::DEFAULT_PORT)]
    port: u16,
    /// Let members without UDP come by TCP, TLS and WebSockets: a port, or an address with its port; for roots
    #[arg(long, value_name = "ADDR", value_parser = listen_tcp)]
    listen_tcp: Vec<Vec<SocketAddr>>,
    /// Make a new identity if the secret one is lost, although the home holds networks of the old one
    #[arg(long)]
    new_identity: bool,
    /// User to go on as when root starts it; the home folder is given to it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Give up files, system calls and capabilities that a node does not need
    #[arg(long, value_enum, default_value_t = Sandbox::On)]
    sandbox: Sandbox,
    /// Seconds until the service manager is told "ready" though no root has answered [default: settings.readyAfter, else 10]
    #[arg(long, value_name = "SECONDS")]
    ready_after: Option<u64>,
    /// Make no devices and need no rights: networks are reached by proxies and forwards
    #[arg(long)]
    userspace: bool,
    /// Where a SOCKS5 proxy listens, as 127.0.0.1:1080
    #[arg(long, value_name = "ADDR", requires = "userspace", value_parser = proxy)]
    socks5: Option<SocketAddr>,
    /// Where an HTTP proxy listens, as 127.0.0.1:8118
    #[arg(long, value_name = "ADDR", requires = "userspace", value_parser = proxy)]
    http_proxy: Option<SocketAddr>,
    #[command(flatten)]
    log: LogArgs,
}

/// What to do with the host's supervisor.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Have the host run a node, now and after each start, as a user of its own
    ///
    /// For hosts without a package of zt; knows systemd, OpenRC and runit. A service of ZeroTier One is switched off, its
    /// home folder taken over.
    #[command(after_help = "Examples:
  sudo zt service install
  zt service install --dry-run          what would be done
  sudo zt service install --home /srv/zt")]
    Install(InstallArgs),
    /// Take away what `install` made; the home folder with the identity stays
    #[command(after_help = "Examples:
  sudo zt service uninstall
  sudo zt service uninstall --purge --yes   the home folder goes, too: this node's address is lost")]
    Uninstall(UninstallArgs),
    /// Show whether the service runs, since when, as whom, and who installed it
    #[command(after_help = "Examples:
  zt service status
  zt service status --json

Exit code 3: it does not run.")]
    Status,
}

/// Arguments of `zt service install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Print what would be done
    #[arg(long)]
    dry_run: bool,
    /// The supervisor [default: the one found]
    #[arg(long, value_enum)]
    init: Option<Init>,
}

/// Arguments of `zt service uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Print what would be done
    #[arg(long)]
    dry_run: bool,
    /// Delete the home folder and the user as well
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    consent: Consent,
}

fn listen_tcp(text: &str) -> std::result::Result<Vec<SocketAddr>, String> {
    let hint = "write a port such as 443, or an address with its port such as 192.0.2.1:443 or [2001:db8::1]:443";
    listen_addresses(text).ok_or_else(|| hint.to_owned())
}

/// Where a proxy listens that asks nobody who they are.
pub(super) fn proxy(text: &str) -> std::result::Result<SocketAddr, String> {
    let at = proxy_address(text).ok_or("write an address with its port, such as 127.0.0.1:1080")?;
    if at.ip().is_loopback() {
        return Ok(at);
    }
    Err("everybody could use it: name an address of loopback, or set it with user and password in local.conf (settings.userspace)".to_owned())
}

/// Runs `zt service` until it is asked to stop, or one of its commands.
pub fn run(args: &ServiceArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let Some(command) = &args.command else { return run_node(args, globals, console) };
    let host = Host::new("/", (console.env)("PATH"));
    match command {
        ServiceCommand::Install(args) => install(args, &host, globals, console),
        ServiceCommand::Uninstall(args) => uninstall(args, &host, globals, console),
        ServiceCommand::Status => Ok(match host.init() {
            Some(init) => status::status(&host, init, &home(globals, console).to_string_lossy(), console),
            None => {
                Report { json: status::none(), text: format!("{NO_INIT}\n"), code: 3, ..Report::new(Value::Null, "") }
            }
        }),
    }
}

/// The home of the service; what the environment of this shell says is not the service's.
fn home(globals: &Globals, console: &Console<'_>) -> PathBuf {
    globals.home.as_ref().map_or_else(|| PathBuf::from(STOCK_HOME), |home| console.file(home))
}

const NO_INIT: &str = "no supervisor that this program knows (systemd, OpenRC, runit) is on this host; run `zt service --user zt` \
    from the one that is, or name it with --init";

fn install(args: &InstallArgs, host: &Host, globals: &Globals, console: &Console<'_>) -> Result<Report> {
    let init = args.init.or_else(|| host.init()).context(NO_INIT)?;
    if let Some(path) = host.of_package(init) {
        bail!(
            "{path} belongs to a package, or to somebody else: nothing was changed. Start that with your supervisor, or remove it first"
        );
    }
    let running = std::env::current_exe().context("where this program is")?;
    let wanted = Wanted { init, home: home(globals, console), running };
    let steps = plan::install(host, &wanted);
    act(&steps, args.dry_run, "installed; `zt service status` shows how it does")
}

fn uninstall(args: &UninstallArgs, host: &Host, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    let inits = [Init::Systemd, Init::Openrc, Init::Runit];
    let Some(init) = inits.into_iter().find(|init| host.installed(*init).is_some()) else {
        match inits.into_iter().find_map(|init| host.of_package(init)) {
            Some(path) => bail!("{path} belongs to a package: remove that, as with `apt remove zt` or `dnf remove zt`"),
            None => bail!("nothing was installed by `zt service install`"),
        }
    };
    let home = home(globals, console);
    if args.purge && !args.dry_run {
        args.consent.to_lose(console, &format!("{} with the identity of this node is deleted", home.display()))?;
    }
    let steps = plan::uninstall(host, init, &home, args.purge);
    let kept = if args.purge { String::new() } else { format!("; {} stays", home.display()) };
    act(&steps, args.dry_run, &format!("uninstalled{kept}"))
}

fn act(steps: &[Step], dry_run: bool, done: &str) -> Result<Report> {
    let mut text: String = steps.iter().map(|step| format!("{}\n", step.text())).collect();
    if dry_run {
        for step in steps {
            if let Step::Write { path, text: content, .. } = step {
                text += &format!("\n{}:\n{content}", path.display());
            }
        }
    } else {
        if !rustix::process::geteuid().is_root() {
            bail!("only root can do that; say it with sudo, or look at it with --dry-run");
        }
        for step in steps {
            step.act()?;
        }
        text += &format!("{done}\n");
    }
    let steps: Vec<Value> = steps.iter().map(Step::json).collect();
    Ok(Report::new(json!({"done": !dry_run, "steps": steps}), text))
}

fn run_node(args: &ServiceArgs, globals: &Globals, console: &mut Console<'_>) -> Result<Report> {
    logs::start(&args.log.options(console)?);
    let listen_tcp = args.listen_tcp.iter().flatten().copied().collect();
    let options = DaemonOptions {
        port: args.port,
        listen_tcp,
        sandbox: args.sandbox,
        user: args.user.clone(),
        new_identity: args.new_identity,
        ready_after: args.ready_after.map(Duration::from_secs),
        log: args.log.wish(console)?,
        userspace: args.userspace.then_some(Requested { socks5: args.socks5, http_proxy: args.http_proxy }),
        ..DaemonOptions::at(globals.home(console)?)
    };
    daemon::run(&options, console).map_err(|error| match &error {
        DaemonError::LocalConf(conf) => anyhow!("{}", conf.hint()),
        DaemonError::Port(ListenError { port, source }) if source.kind() == ErrorKind::AddrInUse => {
            anyhow!("{error}: another program uses port {port}; stop it or choose another with --port")
        }
        DaemonError::Port(ListenError { source, .. }) => anyhow!("{error}: {source}; choose another port with --port"),
        _ => anyhow!("{error}"),
    })?;
    Ok(Report::new(Value::Null, ""))
}
