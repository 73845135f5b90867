//! A small network of one program: a root that is the controller too, and two members.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_wire::{IpPrefix, NetworkId};

use crate::{Daemon, Home, Host, Lab, Options, Program, Switch};

/// A root, which is the controller too, and two members of one network; all on one switch unless the hosts are given.
#[derive(Debug)]
pub struct Rig {
    /// Where they are.
    pub lab: Lab,
    /// The machine of the root, 10.0.0.1.
    pub root_host: Host,
    /// The root and controller.
    pub root: Daemon,
    /// The machines of the members.
    pub hosts: [Host; 2],
    /// The members.
    pub members: [Daemon; 2],
    /// The network, which is private.
    pub network: NetworkId,
    /// The switch of member B, if it is not that of the others.
    pub far: Option<Switch>,
}

/// Which programs play, and how they are started.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// Those of the root, member A and member B.
    pub programs: [&'a Program; 3],
    /// Log level of ours.
    pub log: &'static str,
    /// `settings` of everybody's `local.conf`; null: no such file.
    pub settings: Value,
}

impl<'a> Setup<'a> {
    /// These programs, as tests have them: with logs for whoever looks for a fault.
    #[must_use]
    pub const fn of(programs: [&'a Program; 3]) -> Self {
        Self { programs, log: "debug", settings: Value::Null }
    }
}

impl Rig {
    /// Hosts 10.0.0.2 and 10.0.0.3 on the switch of the root, our program everywhere. `None` where the machine offers no
    /// namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str) -> Result<Option<Self>> {
        let zt = Program::ours()?;
        let hosts = |lab: &Lab| Ok([lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?]);
        Self::with_hosts(name, [&zt, &zt, &zt], hosts)
    }

    /// As [`Rig::new`], with members on other hosts, and other programs for root, member A and member B.
    ///
    /// # Errors
    /// Something does not start.
    pub fn with_hosts(
        name: &str,
        programs: [&Program; 3],
        hosts: impl FnOnce(&Lab) -> Result<[Host; 2]>,
    ) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let root_host = lab.host("root", &["10.0.0.1/24"])?;
        let hosts = hosts(&lab)?;
        Self::raise(lab, root_host, &["10.0.0.1/9993"], hosts, &Setup::of(programs)).map(Some)
    }

    /// Hosts 10.0.0.2 and, on another switch that only the root is plugged into as well, 10.0.1.3: whatever they send to
    /// each other goes by the root, and no filter has to say so.
    ///
    /// # Errors
    /// Something does not start.
    pub fn apart(name: &str, setup: &Setup<'_>) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let (root_host, hosts, far) = apart(&lab)?;
        let rig = Self::raise(lab, root_host, &["10.0.0.1/9993", "10.0.1.1/9993"], hosts, setup)?;
        Ok(Some(Self { far: Some(far), ..rig }))
    }

    /// As [`Rig::new`], with other programs, settings and logs.
    ///
    /// # Errors
    /// Something does not start.
    pub fn with_setup(name: &str, setup: &Setup<'_>) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let root_host = lab.host("root", &["10.0.0.1/24"])?;
        let hosts = [lab.host("a", &["10.0.0.2/24"])?, lab.host("b", &["10.0.0.3/24"])?];
        Self::raise(lab, root_host, &["10.0.0.1/9993"], hosts, setup).map(Some)
    }

    fn raise(lab: Lab, root_host: Host, endpoints: &[&str], hosts: [Host; 2], setup: &Setup<'_>) -> Result<Self> {
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), endpoints)])?;
        let options = || Options { log: setup.log, ..Options::default() };
        let settled = |home: Home| match &setup.settings {
            Value::Null => Ok(home),
            settings => home.with_local_conf(&json!({ "settings": settings })),
        };
        let home = settled(lab.home("root")?.with_identity(&key)?.with_planet(&planet)?)?;
        let root = root_host.start_with(setup.programs[0], home, options())?;
        let network = root.create_network(&network_settings())?;
        let start = |number: usize, seed: u64| -> Result<Daemon> {
            let host: &Host = &hosts[number];
            let home = lab.home(host.name())?.with_planet(&planet)?.with_identity(&lab.identity(seed))?;
            host.start_with(setup.programs[number + 1], settled(home)?, options())
        };
        let members = [start(0, 2)?, start(1, 3)?];
        Ok(Self { lab, root_host, root, hosts, members, network, far: None })
    }

    /// Joins both members and lets them in; their addresses, IPv4 first.
    ///
    /// # Errors
    /// Not within `patience` each.
    pub fn join(&self, patience: Duration) -> Result<[Vec<IpPrefix>; 2]> {
        for member in &self.members {
            member.wait_online(patience)?;
            member.join(self.network)?;
            member.wait_status(self.network, "ACCESS_DENIED", patience)?;
            self.root.authorise(self.network, member.address(), true)?;
        }
        let [a, b] = &self.members;
        let mut addresses = [a.wait_joined(self.network, patience)?, b.wait_joined(self.network, patience)?];
        for list in &mut addresses {
            list.sort_by_key(|cidr| cidr.address().is_ipv6());
        }
        Ok(addresses)
    }
}

/// A host at 10.0.0.1 and 10.0.1.1, and two hosts that only it can reach, 10.0.0.2 and 10.0.1.3, with the switch of the
/// latter.
///
/// # Errors
/// Of the kernel.
pub fn apart(lab: &Lab) -> Result<(Host, [Host; 2], Switch)> {
    let between = lab.host("root", &["10.0.0.1/24"])?;
    let far = lab.switch()?;
    between.plug("eth1", &far, &["10.0.1.1/24"])?;
    let a = lab.host("a", &["10.0.0.2/24"])?;
    let b = lab.bare_host("b")?;
    b.plug("eth0", &far, &["10.0.1.3/24"])?;
    Ok((between, [a, b], far))
}

/// The first address of a list.
///
/// # Errors
/// It is empty.
pub fn first(addresses: &[IpPrefix]) -> Result<IpAddr> {
    Ok(addresses.first().context("an address")?.address())
}

/// A private network with IPv4, rfc4193 and 6plane addresses.
#[must_use]
pub fn network_settings() -> Value {
    json!({
        "name": "lab", "private": true,
        "v4AssignMode": { "zt": true },
        "v6AssignMode": { "6plane": true, "rfc4193": true, "zt": false },
        "routes": [{ "target": "10.9.0.0/16", "via": null }],
        "ipAssignmentPools": [{ "ipRangeStart": "10.9.0.1", "ipRangeEnd": "10.9.0.99" }],
    })
}
