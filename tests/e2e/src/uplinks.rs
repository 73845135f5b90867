//! Two members with two uplinks each, and what the policies make of them.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_wire::NetworkId;

use crate::load::{Load, Steady, steady_flows};
use crate::rig::{first, network_settings};
use crate::sent::Sent;
use crate::{Cable, Cut, Daemon, Host, Lab, Ping, Program, Switch};

const WAIT: Duration = Duration::from_secs(60);
/// What each uplink carries, in Mbit/s.
pub const RATE: u32 = 100;
/// Flows at a time.
pub const FLOWS: u16 = 8;
/// Policies can see how good links are for so long, under load, before it is measured.
const SETTLE: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(2);
const WINDOWS: usize = 5;
/// So long a cable is cut, and so long it is well again, before the other is cut.
const AWAY: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(5);

/// A root, which is the controller too, and members A and B: `eth0` of all is on one network and `eth1` on another, each with
/// a cable between A and the rest.
#[derive(Debug)]
pub struct Uplinks {
    _lab: Lab,
    /// Between A and the others.
    pub cables: [Cable; 2],
    switches: [Switch; 2],
    _root_host: Host,
    _root: Daemon,
    /// The machines of the members.
    pub hosts: [Host; 2],
    /// The members.
    pub members: [Daemon; 2],
    /// Their addresses in the network.
    pub addresses: [IpAddr; 2],
    _network: NetworkId,
}

/// What is wrong with the second uplink, or with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Good,
    /// It carries a tenth.
    Slow,
    /// 200 ms more, in each direction.
    Far,
    /// One of ten frames is lost, in each direction.
    Lossy,
    /// It is cut.
    Cut,
}

/// What flows came to, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// Mbit/s of payload.
    pub megabits: f64,
    /// What A sent meanwhile, for people.
    pub sent: String,
}

/// What one policy makes of the uplinks.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// One for each of [`State::ALL`].
    pub rates: Vec<Rate>,
    /// Steady flows while one uplink is cut and healed, then the other.
    pub failover: Steady,
}

impl State {
    /// All of them, the good one first.
    pub const ALL: [Self; 5] = [Self::Good, Self::Slow, Self::Far, Self::Lossy, Self::Cut];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "both good",
            Self::Slow => "10 times slower",
            Self::Far => "200 ms later",
            Self::Lossy => "10 % lost",
            Self::Cut => "cut",
        })
    }
}

impl Uplinks {
    /// Starts and joins everything; each member with its program and this policy for all peers (`none`: no bonding). `None`
    /// where the machine offers no namespaces.
    ///
    /// # Errors
    /// Something does not start, or the members do not meet by both uplinks.
    pub fn new(name: &str, programs: [&Program; 2], policies: [&str; 2]) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let near = [lab.internet().clone(), lab.switch()?];
        let far = [lab.switch()?, lab.switch()?];
        let cables = [Cable::between(&near[0], &far[0])?, Cable::between(&near[1], &far[1])?];
        let machine = |name: &str, number: u8, switches: &[Switch; 2]| -> Result<Host> {
            let host = lab.host(name, &[])?;
            host.unplug("eth0")?;
            host.plug("eth0", &switches[0], &[&format!("10.1.0.{number}/24")])?;
            host.plug("eth1", &switches[1], &[&format!("10.2.0.{number}/24")])?;
            Ok(host)
        };
        let root_host = machine("root", 1, &near)?;
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.1.0.1/9993", "10.2.0.1/9993"])])?;
        let home = lab.home("root")?.with_identity(&key)?.with_planet(&planet)?;
        let root = root_host.start(&Program::ours()?, home)?;
        let network = root.create_network(&network_settings())?;
        let hosts = [machine("a", 2, &far)?, machine("b", 3, &near)?];
        let start = |number: usize| -> Result<Daemon> {
            let home = lab.home(hosts[number].name())?.with_planet(&planet)?;
            let home = home.with_identity(&lab.identity(2 + number as u64))?;
            hosts[number].start(programs[number], home.with_local_conf(&settings(policies[number]))?)
        };
        let members = [start(0)?, start(1)?];
        let join = |member: &Daemon| -> Result<IpAddr> {
            member.wait_online(WAIT)?;
            member.join(network)?;
            root.authorise(network, member.address(), true)?;
            let mut addresses = member.wait_joined(network, WAIT)?;
            addresses.sort_by_key(|cidr| cidr.address().is_ipv6());
            first(&addresses)
        };
        let addresses = [join(&members[0])?, join(&members[1])?];
        let uplinks = Self {
            cables,
            switches: near,
            _root_host: root_host,
            _root: root,
            hosts,
            members,
            addresses,
            _network: network,
            _lab: lab,
        };
        uplinks.hosts[0].ping(uplinks.addresses[1], Ping { patience: WAIT, ..Ping::default() })?;
        if policies != ["none"; 2] {
            uplinks.wait_both()?;
        }
        Ok(Some(uplinks))
    }

    /// Waits until the members that bond know each other by both uplinks.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_both(&self) -> Result<()> {
        for (member, other) in [(0, 1), (1, 0)] {
            let (member, other) = (&self.members[member], &self.members[other]);
            member.wait("both uplinks", WAIT, || Ok((self.ways(member, other)? == [true; 2]).then_some(())))?;
        }
        Ok(())
    }

    /// Which uplinks a member has paths by.
    fn ways(&self, member: &Daemon, other: &Daemon) -> Result<[bool; 2]> {
        let peer = member.peer(other.address())?.context("no peer")?;
        let paths = peer["paths"].as_array().cloned().unwrap_or_default();
        let by = |prefix: &str| {
            let is_there = |path: &Value| path["address"].as_str().is_some_and(|address| address.starts_with(prefix));
            paths.iter().any(|path| is_there(path) && path["expired"] != true)
        };
        Ok([by("10.1."), by("10.2.")])
    }

    /// Cuts one uplink, or heals all.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn cut(&self, which: Option<usize>) -> Result<()> {
        for (number, switch) in self.switches.iter().enumerate() {
            let everything = [Cut::one_way("10.0.0.0/8", "10.0.0.0/8")?];
            switch.cut(if which == Some(number) { &everything } else { &[] })?;
        }
        Ok(())
    }

    /// Brings the second uplink into a state.
    ///
    /// # Errors
    /// `tc` is missing, or of the kernel.
    pub fn set(&self, state: State) -> Result<()> {
        self.cables[0].set_rate(RATE)?;
        self.cables[1].set_rate(if state == State::Slow { RATE / 10 } else { RATE })?;
        self.cables[1].delay(Duration::from_millis(if state == State::Far { 200 } else { 0 }));
        self.cables[1].lose(if state == State::Lossy { 10 } else { 0 });
        self.cut((state == State::Cut).then_some(1))
    }

    /// What flows from A to B come to in a state.
    ///
    /// # Errors
    /// No connection.
    pub fn rate(&self, state: State) -> Result<Rate> {
        self.set(state)?;
        let load = Load::start(&self.hosts[0], &self.hosts[1], self.addresses[1], FLOWS.into())?;
        std::thread::sleep(SETTLE);
        let (before, start) = (Sent::by(&self.hosts[0])?, Instant::now());
        let megabits = load.median(WINDOW, WINDOWS);
        let sent = Sent::by(&self.hosts[0])?.since(&before).over(start.elapsed()).to_string();
        Ok(Rate { megabits, sent })
    }

    /// Steady flows from A to B while one uplink is cut and healed, then the other.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn failover(&self) -> Result<Steady> {
        self.cut(None)?;
        std::thread::sleep(AGAIN);
        steady_flows([&self.hosts[0], &self.hosts[1]], self.addresses[1], FLOWS, || {
            for which in [0, 1] {
                std::thread::sleep(AGAIN);
                self.cut(Some(which))?;
                std::thread::sleep(AWAY);
                self.cut(None)?;
            }
            Ok(())
        })
    }

    /// All figures.
    ///
    /// # Errors
    /// Something cannot be measured.
    pub fn figures(&self) -> Result<Figures> {
        // Where no connection can be made, nothing is carried: a figure like any other.
        let rate = |state| self.rate(state).unwrap_or_else(|error| Rate { megabits: 0.0, sent: format!("{error:#}") });
        let rates = State::ALL.into_iter().map(rate).collect();
        self.set(State::Good)?;
        Ok(Figures { rates, failover: self.failover()? })
    }
}

fn settings(policy: &str) -> Value {
    if policy == "none" { json!({}) } else { json!({ "settings": { "defaultBondingPolicy": policy } }) }
}
