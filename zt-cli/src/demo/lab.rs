//! The machines of the demo: namespaces on one switch, a daemon in each.

use super::eventually;
use super::folder::Children;
use crate::client::Client;
use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use zt_tap::netns::{Namespace, Process};
use zt_wire::IpPrefix;

/// A machine: a namespace with one cable to the switch, and the home of its daemon.
pub(super) struct Machine {
    pub(super) name: &'static str,
    pub(super) namespace: Namespace,
    pub(super) home: PathBuf,
    daemon: Option<Process>,
    children: Children,
}

/// The switch and the machines on it.
pub(super) struct Lab {
    pub(super) machines: Vec<Machine>,
    _switch: Namespace,
}

/// Physical address of the machine with the given number, from 1.
pub(super) fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(172, 31, 77, number).into()
}

impl Lab {
    /// Cables machines of the given names to one switch.
    /// Daemons started in them are added to `children`.
    pub(super) fn new(folder: &Path, names: &[&'static str], children: Children) -> Result<Self> {
        let switch = Namespace::new().context("cannot make a network namespace")?;
        switch.add_bridge("sw0").context("cannot make a bridge device")?;
        let mut machines = Vec::new();
        for (number, &name) in (1u8..).zip(names) {
            let namespace = Namespace::new().context("cannot make a network namespace")?;
            let port = format!("port{number}");
            namespace.connect("eth0", &switch, &port).context("cannot make a veth pair")?;
            switch.join_bridge(&port, "sw0").context("cannot plug into the bridge")?;
            let cidr = IpPrefix::new(address(number), 24).ok_or_else(|| anyhow!("address"))?;
            namespace.add_address("eth0", cidr).context("cannot set an address")?;
            let home = folder.join(name);
            std::fs::create_dir_all(&home).context("cannot make a home folder")?;
            machines.push(Machine { name, namespace, home, daemon: None, children: children.clone() });
        }
        Ok(Self { machines, _switch: switch })
    }

    /// Ends all daemons, politely.
    pub(super) fn shut_down(&mut self) {
        for machine in &mut self.machines {
            if let Some(mut daemon) = machine.daemon.take()
                && daemon.terminate(Duration::from_secs(3)).is_err()
            {
                daemon.kill();
            }
        }
    }
}

impl Machine {
    /// Starts `zt service` in the machine.
    pub(super) fn start(&mut self) -> Result<()> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.arg("service").arg("--home").arg(&self.home).stdin(Stdio::null()).stdout(Stdio::null());
        let daemon = self.namespace.spawn(command).with_context(|| format!("cannot start {}", self.name))?;
        self.children.add(daemon.id());
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Waits until the daemon answers with a root in sight.
    pub(super) fn wait_online(&mut self) -> Result<Value> {
        eventually(&format!("{} online", self.name), Duration::from_secs(30), || {
            self.check_alive()?;
            let status = self.get("/status")?;
            if status["online"] != true { Err(anyhow!("{} is not online", self.name)) } else { Ok(status) }
        })
    }

    fn check_alive(&mut self) -> Result<()> {
        if let Some(daemon) = &mut self.daemon
            && let Some(status) = daemon.exited()?
        {
            bail!("the daemon of {} ended ({status}):\n{}", self.name, daemon.output().join("\n"));
        }
        Ok(())
    }

    /// `GET` from the daemon's interface, asked inside the machine.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.ask(|client| client.get(path), path)
    }

    /// `POST` likewise.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(|client| client.post(path, &body.to_string()), path)
    }

    fn ask(&self, request: impl FnOnce(&Client) -> crate::client::Answer + Send, path: &str) -> Result<Value> {
        let read = |name: &str| std::fs::read_to_string(self.home.join(name)).with_context(|| format!("no {name} yet"));
        let port: u16 = read("zerotier-one.port")?.trim().parse().context("port file")?;
        let client = Client::new("127.0.0.1", port, read("authtoken.secret")?.trim());
        let answer = self.namespace.run(|| request(&client)).context("cannot enter the namespace")?;
        if answer.status != 200 {
            bail!("{} answered {} to {path}: {}", self.name, answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).with_context(|| format!("{} answered no JSON to {path}", self.name))
    }
}
