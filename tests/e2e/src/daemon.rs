//! A running node.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use zt_tap::netns::{Namespace, Process};
use zt_wire::{Address, IpPrefix, NetworkId};

use crate::{Api, Home, Host, Options, Program, wait_for};

/// A node that runs on a [`Host`]; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    program: Program,
    options: Options,
    home: Home,
    namespace: Arc<Namespace>,
    process: Process,
    api: Api,
    address: Address,
}

impl Host {
    /// Starts a node with this home and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not answer; with its last lines of output.
    pub fn start(&self, program: &Program, home: Home) -> Result<Daemon> {
        self.start_with(program, home, Options::default())
    }

    /// As [`Host::start`], with options.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn start_with(&self, program: &Program, home: Home, options: Options) -> Result<Daemon> {
        Daemon::start(self.name(), program.clone(), home, Arc::clone(self.namespace()), options)
    }
}

impl Daemon {
    fn start(name: &str, program: Program, home: Home, namespace: Arc<Namespace>, options: Options) -> Result<Self> {
        // Of an earlier run: the process is up when it has written its own.
        let _ = fs::remove_file(home.path().join("zerotier-one.port"));
        if matches!(program, Program::Ours(_)) {
            home.lay_settings_under()?;
        }
        let mut process =
            namespace.spawn(program.service(home.path(), &options)).with_context(|| format!("cannot start {name}"))?;
        let ready = wait_for("answer of the node", START_PATIENCE, || {
            if process.exited()?.is_some() {
                // Its last words are waited for.
                let status = process.wait(STOP_PATIENCE)?;
                return Ok(Some(Err(anyhow!("the node ended with {status}"))));
            }
            let api = Api::new(Arc::clone(&namespace), home.path())?;
            let status = api.get("/status")?;
            Ok(Some(Ok((api, address_of(&status)?))))
        });
        match ready.and_then(|ready| ready) {
            Ok((api, address)) => {
                let name = name.to_owned();
                Ok(Self { name, program, options, home, namespace, process, api, address })
            }
            Err(error) => Err(error.context(format!("{name}:\n{}", process.output().join("\n")))),
        }
    }

    /// Address of the node.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its HTTP interface.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Bytes of memory that its process has in the machine.
    ///
    /// # Errors
    /// It has ended.
    pub fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the process lives")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// Its last lines of output, both streams.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.process.output()
    }

    /// Waits until the node says that it is online.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn wait_online(&self, patience: Duration) -> Result<()> {
        self.wait("online", patience, || {
            let status = self.api.get("/status")?;
            Ok((status["online"] == true).then_some(()))
        })
    }

    /// Waits for anything; on failure the last lines of output are part of the error.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn wait<T>(&self, what: &str, patience: Duration, question: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        wait_for(what, patience, question).with_context(|| {
            let output = self.output();
            let last = output.len().saturating_sub(LINES_OF_ERRORS);
            format!("{} ({}):\n{}", self.name, self.address, output[last..].join("\n"))
        })
    }

    /// Joins a network; it is configured later.
    ///
    /// # Errors
    /// The node refuses.
    pub fn join(&self, network: NetworkId) -> Result<Value> {
        self.api.post(&format!("/network/{network}"), &json!({}))
    }

    /// Leaves a network.
    ///
    /// # Errors
    /// The node refuses.
    pub fn leave(&self, network: NetworkId) -> Result<()> {
        self.api.delete(&format!("/network/{network}")).map(drop)
    }

    /// The network as the node sees it.
    ///
    /// # Errors
    /// It is not joined.
    pub fn network(&self, network: NetworkId) -> Result<Value> {
        self.api.get(&format!("/network/{network}"))
    }

    /// Waits until a network has this status, as `OK` or `ACCESS_DENIED`.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn wait_status(&self, network: NetworkId, status: &str, patience: Duration) -> Result<Value> {
        self.wait(&format!("network {network} {status}"), patience, || {
            let found = self.network(network)?;
            Ok((found["status"] == status).then_some(found))
        })
    }

    /// Waits until a network is OK, has an address of each kind the network gives, and the host has them on the device;
    /// returns them.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn wait_joined(&self, network: NetworkId, patience: Duration) -> Result<Vec<IpPrefix>> {
        self.wait(&format!("addresses in {network}"), patience, || {
            let found = self.network(network)?;
            let addresses = addresses_of(&found)?;
            if found["status"] != "OK" || addresses.is_empty() {
                return Ok(None);
            }
            let device = found["portDeviceName"].as_str().unwrap_or_default();
            let present = self.namespace.addresses(device)?;
            let is_there = |wanted: &IpPrefix| present.iter().any(|a| a.cidr == *wanted && !a.is_transient());
            Ok(addresses.iter().all(is_there).then_some(addresses))
        })
    }

    /// What the node knows of another.
    ///
    /// # Errors
    /// Of the interface; an unknown peer is `Ok(None)`.
    pub fn peer(&self, address: Address) -> Result<Option<Value>> {
        let peer = self.api.get(&format!("/peer/{address}"))?;
        Ok(peer.get("address").is_some().then_some(peer))
    }

    /// Whether the node has a direct path to another (else packets go by a root).
    ///
    /// # Errors
    /// Of the interface.
    pub fn is_direct(&self, address: Address) -> Result<bool> {
        let peer = self.peer(address)?.unwrap_or_default();
        let paths = peer["paths"].as_array().cloned().unwrap_or_default();
        Ok(paths.iter().any(|path| path["expired"] != true))
    }

    /// Waits for a direct path.
    ///
    /// # Errors
    /// Not within `patience`.
    pub fn wait_direct(&self, address: Address, patience: Duration) -> Result<()> {
        self.wait(&format!("direct path to {address}"), patience, || Ok(self.is_direct(address)?.then_some(())))
    }

    /// Makes a network on this node, which is its controller, with a free number.
    ///
    /// # Errors
    /// The node refuses.
    pub fn create_network(&self, settings: &Value) -> Result<NetworkId> {
        let made = self.api.post(&format!("/controller/network/{}______", self.address), settings)?;
        let id = made["id"].as_str().context("no id")?;
        id.parse().map_err(|_| anyhow!("{id} is no network"))
    }

    /// Changes a network of this controller.
    ///
    /// # Errors
    /// The node refuses.
    pub fn change_network(&self, network: NetworkId, settings: &Value) -> Result<Value> {
        self.api.post(&format!("/controller/network/{network}"), settings)
    }

    /// Lets a node into a network of this controller, or shuts it out.
    ///
    /// # Errors
    /// The node refuses.
    pub fn authorise(&self, network: NetworkId, member: Address, yes: bool) -> Result<Value> {
        self.change_member(network, member, &json!({ "authorized": yes }))
    }

    /// Changes a member of this controller.
    ///
    /// # Errors
    /// The node refuses.
    pub fn change_member(&self, network: NetworkId, member: Address, settings: &Value) -> Result<Value> {
        self.api.post(&format!("/controller/network/{network}/member/{member}"), settings)
    }

    /// Asks the node to end (SIGTERM) and waits; it must end well and leave no device behind.
    ///
    /// # Errors
    /// It does not end within some seconds, ends with a failure, or left a device.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()
    }

    /// Kills it (SIGKILL).
    pub fn kill(mut self) {
        self.end();
    }

    /// As [`Daemon::kill`], for a value that another node takes the place of.
    pub fn end(&mut self) {
        self.process.kill();
    }

    /// Ends the node and starts it again with the same home.
    ///
    /// # Errors
    /// As [`Daemon::stop`] and [`Host::start`].
    pub fn restart(mut self) -> Result<Self> {
        self.terminate()?;
        let Self { name, program, options, home, namespace, process, .. } = self;
        drop(process);
        Self::start(&name, program, home, namespace, options)
    }

    fn terminate(&mut self) -> Result<()> {
        let what = format!("end of {}", self.name);
        let status = self.process.terminate(STOP_PATIENCE);
        let status = status.with_context(|| format!("{what}:\n{}", self.output().join("\n")))?;
        // Quirk (06 §1.6): a stock daemon may abort while it ends; nothing is wrong with the network then.
        let stock_abort = matches!(self.program, Program::Stock(_))
            && status.signal() == Some(rustix::process::Signal::ABORT.as_raw());
        if !status.success() && !stock_abort {
            bail!("{what}: {status}:\n{}", self.output().join("\n"));
        }
        let links = self.namespace.netlink()?.links()?;
        match links.iter().find(|link| link.name.starts_with("zt")) {
            Some(left) => bail!("{what}: device {} was left behind", left.name),
            None => Ok(()),
        }
    }
}

const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const LINES_OF_ERRORS: usize = 60;

fn address_of(status: &Value) -> Result<Address> {
    let text = status["address"].as_str().context("no address")?;
    text.parse().map_err(|_| anyhow!("{text} is no address"))
}

fn addresses_of(network: &Value) -> Result<Vec<IpPrefix>> {
    let list = network["assignedAddresses"].as_array().context("no addresses")?;
    list.iter()
        .map(|text| {
            let text = text.as_str().context("address is no text")?;
            text.parse().map_err(|_| anyhow!("{text} is not IP/BITS"))
        })
        .collect()
}
