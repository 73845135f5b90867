//! The C programs of `zt-node/capi/examples/c`: how they are built, and hosts that run them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use zt_tap::netns::{Namespace, Process};
use zt_wire::{Address, IpPrefix, NetworkId};

use crate::program::{cargo_build, profile_folder};
use crate::{Home, Host, wait_for};

/// One of the C programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Example {
    /// A host on the interface of 2015.
    Zt1Host,
    /// A host on the ZT interface; links with the stock core, too.
    ZtHost,
    /// TCP on one side, UDP on the other.
    Relay,
    /// Two nodes without sockets on the interface of 2015.
    Zt1TwoNodes,
    /// Two nodes without sockets on the ZT interface.
    ZtTwoNodes,
}

/// The core that a program is linked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoreLibrary {
    /// Our static library.
    Ours(PathBuf),
    /// The stock core's, which is C++.
    Stock(PathBuf),
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../zt-node/capi/examples/c");
const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../zt-node/capi/include");

impl CoreLibrary {
    /// Our library, built if needed, in the profile of the running program.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn ours() -> Result<Self> {
        static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
        let build = || -> Result<PathBuf> {
            let folder = profile_folder()?;
            let status = cargo_build(&folder).args(["-p", "zt-capi"]).status().context("cannot run cargo")?;
            let library = folder.join("libztcore.a");
            ensure!(status.success() && library.is_file(), "cargo build -p zt-capi: {status}");
            Ok(library)
        };
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        built.clone().map(Self::Ours).map_err(|error| anyhow!("cannot build the C library: {error}"))
    }

    /// The stock core's library, `libzerotiercore.a`.
    ///
    /// # Errors
    /// It is not there.
    pub fn stock(path: &Path) -> Result<Self> {
        ensure!(path.is_file(), "{} is missing", path.display());
        Ok(Self::Stock(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Ours(path) | Self::Stock(path) => path,
        }
    }

    fn system_libraries(&self) -> &'static [&'static str] {
        match self {
            Self::Ours(_) => &["-lpthread", "-ldl", "-lm"],
            Self::Stock(_) => &["-lstdc++", "-lpthread", "-lm"],
        }
    }

    /// `ours` or `stock`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Stock(_) => "stock",
        }
    }
}

impl Example {
    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Zt1Host => &[
                "zt1_host.c",
                "zt1_links.c",
                "zt1_master.c",
                "zt1_report.c",
                "files.c",
                "json.c",
                "signals.c",
                "tap.c",
                "tunnel.c",
                "udp.c",
            ],
            Self::ZtHost => &["zt_host.c", "files.c", "json.c", "signals.c", "tap.c", "udp.c"],
            Self::Relay => &["relay.c", "json.c", "signals.c", "tunnel.c", "udp.c"],
            Self::Zt1TwoNodes => &["zt1_two_nodes.c", "memory.c", "zt1_master.c"],
            Self::ZtTwoNodes => &["zt_two_nodes.c", "memory.c"],
        }
    }

    /// The program, linked with a core; built beside the running program if this process has not done so. `CC` and
    /// `ZT_C_FLAGS` count.
    ///
    /// # Errors
    /// There is no C compiler, or it has something to complain about.
    pub fn build(self, core: &CoreLibrary) -> Result<PathBuf> {
        static BUILT: Mutex<BTreeMap<(Example, PathBuf), PathBuf>> = Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self, core.path().to_owned());
        if let Some(program) = built.get(&key) {
            return Ok(program.clone());
        }
        let program = self.compile(core)?;
        built.insert(key, program.clone());
        Ok(program)
    }

    fn compile(self, core: &CoreLibrary) -> Result<PathBuf> {
        let folder = profile_folder()?.join("c-examples");
        std::fs::create_dir_all(&folder)?;
        let sources = self.sources();
        let program = folder.join(format!("{}-{}", sources[0].trim_end_matches(".c"), core.kind()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I", INCLUDE, "-o"]).arg(&program);
        // Sanitizers, say.
        let flags = std::env::var("ZT_C_FLAGS").unwrap_or_default();
        command.args(flags.split_whitespace());
        command.args(sources.iter().map(|source| Path::new(EXAMPLES).join(source)));
        command.arg(core.path()).args(core.system_libraries());
        let output = command.output().with_context(|| {
            format!("cannot run the C compiler {}: install one, or name it in CC", compiler.display())
        })?;
        ensure!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(program)
    }
}

/// A C program that runs on a [`Host`] and tells what happens as lines of JSON; killed when dropped.
#[derive(Debug)]
pub struct CHost {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    host: Arc<Namespace>,
    process: Process,
    start: Value,
}

impl CHost {
    /// Starts a node on a host with this home and further arguments, and waits until it runs.
    ///
    /// # Errors
    /// It cannot be built or started, or ends.
    pub fn start(host: &Host, program: &Path, home: &Home, arguments: &[&str]) -> Result<Self> {
        let home = ["--home".as_ref(), home.path().as_os_str()].map(OsStr::to_owned);
        let arguments = home.into_iter().chain(arguments.iter().map(OsString::from)).collect();
        Self::spawn(host.name(), program.to_owned(), arguments, Arc::clone(host.namespace()))
    }

    /// Starts a relay on a host.
    ///
    /// # Errors
    /// As [`CHost::start`].
    pub fn relay(host: &Host, core: &CoreLibrary, port: u16) -> Result<Self> {
        let arguments = ["--listen".to_owned(), port.to_string()].map(OsString::from).to_vec();
        Self::spawn(host.name(), Example::Relay.build(core)?, arguments, Arc::clone(host.namespace()))
    }

    fn spawn(name: &str, program: PathBuf, arguments: Vec<OsString>, host: Arc<Namespace>) -> Result<Self> {
        let mut command = Command::new(&program);
        command.args(&arguments);
        let process = host.spawn(command).with_context(|| format!("cannot start {}", program.display()))?;
        let mut this = Self { name: name.to_owned(), program, arguments, host, process, start: Value::Null };
        this.start = this.await_event("start", START_PATIENCE, |event| is_start(event).then(|| event.clone()))?;
        Ok(this)
    }

    /// Address of the node.
    ///
    /// # Errors
    /// It is none, as that of a relay.
    pub fn address(&self) -> Result<Address> {
        let text = self.start["address"].as_str().context("no address")?;
        text.parse().map_err(|_| anyhow!("{text} is no address"))
    }

    /// The network that the node is the controller of.
    ///
    /// # Errors
    /// There is none.
    pub fn network(&self) -> Result<NetworkId> {
        let text = self.start["network"].as_str().context("no network")?;
        text.parse().map_err(|_| anyhow!("{text} is no network"))
    }

    /// What was told so far, as a place for [`CHost::await_event_after`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.process.output().len()
    }

    /// Waits for something that is told, or has been.
    ///
    /// # Errors
    /// Not within `patience`, or the program ended; with its last lines.
    pub fn await_event<T>(&mut self, what: &str, patience: Duration, pick: impl Fn(&Value) -> Option<T>) -> Result<T> {
        self.await_event_after(0, what, patience, pick)
    }

    /// As [`CHost::await_event`], for what is told after a mark.
    ///
    /// # Errors
    /// As [`CHost::await_event`].
    pub fn await_event_after<T>(
        &mut self,
        mark: usize,
        what: &str,
        patience: Duration,
        pick: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let Self { process, name, .. } = self;
        let found = wait_for(what, patience, || {
            let lines = process.output();
            let events = lines.iter().skip(mark).filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let found = events.filter_map(|event| pick(&event)).next();
            match process.exited()? {
                Some(status) if found.is_none() => Ok(Some(Err(anyhow!("{what}: the program ended with {status}")))),
                _ => Ok(found.map(Ok)),
            }
        });
        found.and_then(|found| found).with_context(|| format!("{name}:\n{}", process.output().join("\n")))
    }

    /// Waits until a network of the node is configured and the device has its addresses; returns them.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn await_joined(&mut self, network: NetworkId, patience: Duration) -> Result<Vec<IpPrefix>> {
        self.await_event(&format!("addresses in {network}"), patience, |event| {
            let of_network = event["event"] == "port" && event["network"] == network.to_string();
            let joined = of_network && (event["status"] == "AUTHORIZED" || event["status"] == "OK");
            let list = event["addresses"].as_array().filter(|list| joined && !list.is_empty())?;
            list.iter().map(|text| text.as_str()?.parse().ok()).collect()
        })
    }

    /// Waits until the node says that it is online.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn await_online(&mut self, patience: Duration) -> Result<()> {
        self.await_event("online", patience, |event| (event["code"] == "ONLINE").then_some(()))
    }

    /// All there is to ask for at this moment.
    ///
    /// # Errors
    /// The program does not answer.
    pub fn dump(&mut self) -> Result<Value> {
        let mark = self.mark();
        self.process.signal(Signal::USR1)?;
        let is_dump = |event: &Value| (event["event"] == "dump").then(|| event.clone());
        self.await_event_after(mark, "dump", START_PATIENCE, is_dump)
    }

    /// Asks for [`CHost::dump`] again and again until there is what is looked for.
    ///
    /// # Errors
    /// It is not there within `patience`.
    pub fn await_dump<T>(&mut self, what: &str, patience: Duration, pick: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            let dump = self.dump()?;
            match pick(&dump) {
                Some(found) => return Ok(found),
                None if start.elapsed() > patience => bail!("{what}: not within {patience:?}; {dump}"),
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Asks the program to end (SIGTERM) and waits; it must end well and leave no device behind.
    ///
    /// # Errors
    /// It does not end within some seconds, ends with a failure, or left a device.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()
    }

    /// Ends the program and starts it again with the same home, and these arguments in the place of the former ones.
    ///
    /// # Errors
    /// As [`CHost::stop`] and [`CHost::start`].
    pub fn restart(mut self, arguments: &[&str]) -> Result<Self> {
        self.arguments.truncate(2);
        self.arguments.extend(arguments.iter().map(OsString::from));
        self.restart_in_place()?;
        Ok(self)
    }

    /// Ends the program and starts it again with the same arguments.
    ///
    /// # Errors
    /// As [`CHost::stop`] and [`CHost::start`].
    pub fn restart_in_place(&mut self) -> Result<()> {
        self.terminate()?;
        *self = Self::spawn(&self.name, self.program.clone(), self.arguments.clone(), Arc::clone(&self.host))?;
        Ok(())
    }

    fn terminate(&mut self) -> Result<()> {
        let what = format!("end of {}", self.name);
        let status = self.process.terminate(START_PATIENCE);
        let status = status.with_context(|| format!("{what}:\n{}", self.process.output().join("\n")))?;
        ensure!(status.success(), "{what}: {status}:\n{}", self.process.output().join("\n"));
        match self.host.netlink()?.links()?.iter().find(|link| link.name.starts_with("zt")) {
            Some(left) => bail!("{what}: device {} was left behind", left.name),
            None => Ok(()),
        }
    }
}

const START_PATIENCE: Duration = Duration::from_secs(20);

fn is_start(event: &Value) -> bool {
    event["event"] == "start" || event["event"] == "ready"
}
