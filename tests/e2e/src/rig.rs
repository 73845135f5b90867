//! A small network of one program: a root that is the controller too, and two members.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_wire::{IpPrefix, NetworkId};

use crate::{Daemon, Host, Lab, Program};

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
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.0.1/9993"])])?;
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
        let root = root_host.start(programs[0], home)?;
        let network = root.create_network(&network_settings())?;
        let hosts = hosts(&lab)?;
        let start = |number: usize, seed: u64| -> Result<Daemon> {
            let host: &Host = &hosts[number];
            let home = lab.home(host.name())?.with_planet(&planet)?.with_identity(&lab.identity(seed))?;
            host.start(programs[number + 1], home)
        };
        let members = [start(0, 2)?, start(1, 3)?];
        Ok(Some(Self { lab, root_host, root, hosts, members, network }))
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
