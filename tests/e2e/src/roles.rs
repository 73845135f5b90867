//! The scenario that every combination of programs must pass: root, controller and two members, each played by our
//! program or a stock one.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use zt_wire::{IpPrefix, NetworkId};

use crate::rig::network_settings;
use crate::{Daemon, Host, Lab, Ping, Program, multicast, tcp};

/// Who plays what.
#[derive(Debug, Clone)]
pub struct Roles {
    /// The root server.
    pub root: Program,
    /// The network controller.
    pub controller: Program,
    /// The first member.
    pub a: Program,
    /// The second member, whose address changes.
    pub b: Program,
}

/// Which roles one daemon plays together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cast {
    /// Each role has a machine of its own.
    #[default]
    Apart,
    /// The controller is member A, too.
    ControllerJoins,
    /// Root, controller and member A are one daemon.
    AllInOne,
}

/// What the machines have between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Underlay {
    /// IPv4.
    #[default]
    V4,
    /// IPv6 only.
    V6,
    /// Two interfaces, each with IPv4, on two switches.
    TwoInterfaces,
}

/// One run of the scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Who plays what; with [`Cast::AllInOne`] and [`Cast::ControllerJoins`] the first role of a daemon decides.
    pub roles: Roles,
    /// Which roles are one daemon.
    pub cast: Cast,
    /// What is between the machines.
    pub underlay: Underlay,
}

impl Roles {
    /// One program in all roles.
    #[must_use]
    pub fn all(program: &Program) -> Self {
        Self::numbered(0, program, program)
    }

    /// The combination of this number, from 0 to 15: bit 3 is the root, bit 0 member B; a set bit is `other`.
    #[must_use]
    pub fn numbered(number: u8, one: &Program, other: &Program) -> Self {
        let pick = |bit: u8| if number >> bit & 1 == 0 { one } else { other }.clone();
        Self { root: pick(3), controller: pick(2), a: pick(1), b: pick(0) }
    }

    /// As `ours stock ours stock`.
    #[must_use]
    pub fn names(&self) -> String {
        [&self.root, &self.controller, &self.a, &self.b].map(Program::kind).join(" ")
    }
}

impl Scenario {
    /// The plain scenario.
    #[must_use]
    pub fn new(roles: Roles) -> Self {
        Self { roles, cast: Cast::default(), underlay: Underlay::default() }
    }

    /// Runs it; `step` is told each step that passed and how long it took. `None` where the machine has no namespaces.
    ///
    /// # Errors
    /// The first step that failed, with the last output of the daemon in question.
    pub fn run(&self, step: &mut dyn FnMut(&str, Duration)) -> Result<Option<()>> {
        let Some(lab) = Lab::new("roles")? else { return Ok(None) };
        let mut play = Play::new(lab, self)?;
        let mut watch = Instant::now();
        let mut act = |name: &str, result: Result<()>| -> Result<()> {
            result.with_context(|| name.to_owned())?;
            step(name, watch.elapsed());
            watch = Instant::now();
            Ok(())
        };
        act("start, all online", play.start())?;
        act("denied while not authorised", play.join())?;
        act("authorised, addresses set", play.authorise())?;
        act("ping4 and ping6 both ways", play.pings(&[56]))?;
        act("pings of 2,700 and 9,000 bytes", play.pings(&[2700, 9000]))?;
        act("UDP multicast both ways", play.multicast())?;
        act("TCP both ways", play.tcp())?;
        for (name, role) in [("root", ROOT), ("controller", CONTROLLER), ("member A", A), ("member B", B)] {
            act(&format!("restart of the {name}"), play.restart(role))?;
        }
        act("address change of B", play.change_address())?;
        act("B leaves", play.leave())?;
        act("all end and leave nothing behind", play.end())?;
        Ok(Some(()))
    }
}

const ROOT: usize = 0;
const CONTROLLER: usize = 1;
const A: usize = 2;
const B: usize = 3;

/// Stock nodes need up to half a minute after some changes, and more for some paths.
const WAIT: Duration = Duration::from_secs(90);

struct Node {
    program: Program,
    host: Host,
    daemon: Option<Daemon>,
}

struct Play {
    lab: Lab,
    nodes: Vec<Node>,
    /// Index of the node that plays each role.
    cast: [usize; 4],
    underlay: Underlay,
    network: NetworkId,
    addresses: [Vec<IpPrefix>; 2],
}

impl Play {
    fn new(lab: Lab, scenario: &Scenario) -> Result<Self> {
        let Roles { root, controller, a, b } = &scenario.roles;
        let (cast, programs) = match scenario.cast {
            Cast::Apart => ([0, 1, 2, 3], vec![root, controller, a, b]),
            Cast::ControllerJoins => ([0, 1, 1, 2], vec![root, controller, b]),
            Cast::AllInOne => ([0, 0, 0, 1], vec![root, b]),
        };
        let second = lab.switch()?;
        let mut nodes = Vec::new();
        for (number, program) in (1..).zip(programs) {
            let address = underlay_address(scenario.underlay, number);
            let host = lab.host(&format!("node{number}"), &[&address])?;
            if scenario.underlay == Underlay::TwoInterfaces {
                host.plug("eth1", &second, &[&format!("10.1.{number}.1/16")])?;
            }
            nodes.push(Node { program: program.clone(), host, daemon: None });
        }
        let underlay = scenario.underlay;
        Ok(Self { lab, nodes, cast, underlay, network: NetworkId(0), addresses: Default::default() })
    }

    fn start(&mut self) -> Result<()> {
        let key = self.lab.identity(1);
        let endpoint = |address: String| address.split('/').next().map(|ip| format!("{ip}/9993"));
        let mut endpoints: Vec<_> = endpoint(underlay_address(self.underlay, 1)).into_iter().collect();
        if self.underlay == Underlay::TwoInterfaces {
            endpoints.push("10.1.1.1/9993".to_owned());
        }
        let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
        let planet = self.lab.planet(&[(key.identity(), &endpoints)])?;
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let mut home = self.lab.home(node.host.name())?.with_planet(&planet)?;
            home = home.with_local_conf(&json!({ "settings": { "portMappingEnabled": false } }))?;
            home = home.with_identity(&self.lab.identity(number as u64 + 1))?;
            node.daemon = Some(node.host.start(&node.program, home)?);
        }
        for role in [CONTROLLER, A, B] {
            // A root that stands alone has no root to be online with.
            if self.cast[role] != self.cast[ROOT] {
                self.daemon(role)?.wait_online(WAIT)?;
            }
        }
        Ok(())
    }

    fn join(&mut self) -> Result<()> {
        self.network = self.daemon(CONTROLLER)?.create_network(&network_settings())?;
        for role in [A, B] {
            self.daemon(role)?.join(self.network)?;
        }
        for role in [A, B] {
            self.daemon(role)?.wait_status(self.network, "ACCESS_DENIED", WAIT)?;
        }
        Ok(())
    }

    fn authorise(&mut self) -> Result<()> {
        for role in [A, B] {
            let address = self.daemon(role)?.address();
            self.daemon(CONTROLLER)?.authorise(self.network, address, true)?;
        }
        for (place, role) in [A, B].into_iter().enumerate() {
            let list = self.daemon(role)?.wait_joined(self.network, WAIT)?;
            ensure!(list.len() == 3, "an IPv4, an rfc4193 and a 6plane address: {list:?}");
            self.addresses[place] = list;
        }
        Ok(())
    }

    fn pings(&self, payloads: &[usize]) -> Result<()> {
        self.pings_from([A, B], payloads)
    }

    /// Of one to the other and back, in this order.
    fn pings_from(&self, order: [usize; 2], payloads: &[usize]) -> Result<()> {
        for &payload in payloads {
            let how = Ping { payload, patience: WAIT, ..Ping::default() };
            for from in order {
                let to = if from == A { &self.addresses[1] } else { &self.addresses[0] };
                for target in to {
                    self.host(from).ping(target.address(), how)?;
                }
            }
        }
        Ok(())
    }

    fn multicast(&self) -> Result<()> {
        let a = (self.host(A), first_v4(&self.addresses[0])?);
        let b = (self.host(B), first_v4(&self.addresses[1])?);
        multicast(a, b, WAIT)?;
        multicast(b, a, WAIT)?;
        Ok(())
    }

    fn tcp(&self) -> Result<()> {
        for (from, to, place) in [(A, B, 1), (B, A, 0)] {
            for target in &self.addresses[place] {
                tcp(self.host(from), self.host(to), target.address(), 1_000_000)?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, role: usize) -> Result<()> {
        let node = &mut self.nodes[self.cast[role]];
        let daemon = node.daemon.take().context("runs")?;
        node.daemon = Some(daemon.restart()?);
        if self.cast[role] != self.cast[ROOT] {
            self.daemon(role)?.wait_online(WAIT)?;
        }
        for role in [A, B] {
            self.daemon(role)?.wait_joined(self.network, WAIT)?;
        }
        self.pings_from(self.after_restart(role), &[56])
    }

    /// Who speaks first. A stock member keeps to a port that ended with the other member for up to 243 s (03 §6.4), unless that one
    /// speaks; between two of them that is so with any root and controller, and theirs alone.
    fn after_restart(&self, role: usize) -> [usize; 2] {
        let stock = |role: usize| matches!(self.nodes[self.cast[role]].program, Program::Stock(_));
        if role == B && stock(A) && stock(B) { [B, A] } else { [A, B] }
    }

    fn change_address(&self) -> Result<()> {
        let host = self.host(B);
        let number = self.cast[B] + 1;
        host.delete_address("eth0", &underlay_address(self.underlay, number))?;
        host.add_address("eth0", &underlay_address(self.underlay, number + 32))?;
        self.pings(&[56])
    }

    fn leave(&self) -> Result<()> {
        let b = self.daemon(B)?;
        b.leave(self.network)?;
        b.wait("no device left", WAIT, || {
            let links = self.host(B).namespace().netlink()?.links()?;
            Ok((!links.iter().any(|link| link.name.starts_with("zt"))).then_some(()))
        })?;
        for target in &self.addresses[1] {
            self.host(A).silent(target.address(), Duration::from_millis(300))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.daemon.take().context("runs")?.stop()?;
        }
        Ok(())
    }

    fn host(&self, role: usize) -> &Host {
        &self.nodes[self.cast[role]].host
    }

    fn daemon(&self, role: usize) -> Result<&Daemon> {
        self.nodes[self.cast[role]].daemon.as_ref().context("the daemon runs")
    }
}

/// Each machine in a block of its own, as strangers on the internet are: roots answer one stranger of a block in two
/// seconds (02 §6.2).
fn underlay_address(underlay: Underlay, number: usize) -> String {
    match underlay {
        Underlay::V4 | Underlay::TwoInterfaces => format!("10.0.{number}.1/16"),
        Underlay::V6 => format!("fd0a:0:{number:x}::1/32"),
    }
}

fn first_v4(addresses: &[IpPrefix]) -> Result<Ipv4Addr> {
    let found = addresses.iter().find_map(|cidr| match cidr.address() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    found.context("an IPv4 address")
}
