//! The machines of the rule sets: a root, controllers and three members, which all networks of a run share.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use zt_wire::{Address, NetworkId};

use super::plan::{Kind, Plan};
use crate::{Daemon, Host, Lab, Program};

/// Which of the three members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The first member, who mostly sends.
    A,
    /// The second, who mostly hears.
    B,
    /// The third: who is told apart, is sent copies, is shut out.
    C,
}

/// All of them.
pub const ROLES: [Role; 3] = [Role::A, Role::B, Role::C];

/// A member: its program, machine and node.
#[derive(Debug)]
pub struct Member {
    /// What it runs.
    pub program: Program,
    /// Where.
    pub host: Host,
    /// The node.
    pub daemon: Daemon,
}

/// All machines.
#[derive(Debug)]
pub struct Cast {
    /// Where they are.
    pub lab: Lab,
    /// The root, which is the controller of our program too, and its machine.
    pub root: (Host, Daemon),
    /// A stock controller and its machine, if there is a stock program.
    pub stock_controller: Option<(Host, Daemon)>,
    /// The members.
    pub members: [Member; 3],
}

/// Who controls a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Controller {
    /// Our program.
    #[default]
    Ours,
    /// The stock one, where there is one.
    Stock,
}

/// Time for what stock nodes do at their leisure.
pub const WAIT: Duration = Duration::from_secs(60);

impl Cast {
    /// Starts everything: members by these programs, and a stock controller if there is a program for it. `None` where the
    /// machine offers no namespaces.
    ///
    /// # Errors
    /// Something does not start.
    pub fn new(name: &str, ours: &Program, programs: [&Program; 3], stock: Option<&Program>) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(name)? else { return Ok(None) };
        let key = lab.identity(1);
        let planet = lab.planet(&[(key.identity(), &["10.0.1.1/9993"])])?;
        let start = |name: &str, number: u64, program: &Program| -> Result<(Host, Daemon)> {
            // Each in a block of its own: roots answer one stranger of a block in two seconds (02 §6.2).
            let host = lab.host(name, &[&format!("10.0.{number}.1/16")])?;
            let mut home = lab.home(name)?.with_planet(&planet)?.with_identity(&lab.identity(number))?;
            home = home.with_local_conf(&json!({ "settings": { "portMappingEnabled": false } }))?;
            let daemon = host.start(program, home)?;
            Ok((host, daemon))
        };
        let root = start("root", 1, ours)?;
        let stock_controller = stock.map(|stock| start("controller", 2, stock)).transpose()?;
        let member = |name: &str, number: u64, program: &Program| -> Result<Member> {
            let (host, daemon) = start(name, number, program)?;
            Ok(Member { program: program.clone(), host, daemon })
        };
        let [a, b, c] = programs;
        let members = [member("a", 3, a)?, member("b", 4, b)?, member("c", 5, c)?];
        let all = members.iter().map(|member| &member.daemon);
        for daemon in all.chain(stock_controller.iter().map(|(_, daemon)| daemon)) {
            daemon.wait_online(WAIT)?;
        }
        Ok(Some(Self { lab, root, stock_controller, members }))
    }

    /// One of the members.
    #[must_use]
    pub fn member(&self, role: Role) -> &Member {
        &self.members[role as usize]
    }

    /// Address of a member.
    #[must_use]
    pub fn address(&self, role: Role) -> Address {
        self.member(role).daemon.address()
    }

    /// The node that controls the networks of this kind.
    #[must_use]
    pub fn controller(&self, kind: Controller) -> &Daemon {
        match (&self.stock_controller, kind) {
            (Some((_, daemon)), Controller::Stock) => daemon,
            _ => &self.root.1,
        }
    }

    /// Makes the network of a plan, the `number`th of this run, lets the members in beforehand, and joins them.
    ///
    /// # Errors
    /// A node refuses.
    pub fn open(&self, plan: &Plan, number: usize) -> Result<NetworkId> {
        let network = match plan.kind {
            Kind::AdHoc(id) => id,
            Kind::By(controller) => {
                let controller = self.controller(controller);
                let network = controller.create_network(&self.settings(plan, number)?)?;
                for role in ROLES {
                    let mut member = json!({
                        "authorized": true, "ipAssignments": [format!("10.{}.0.{}", 100 + number, 1 + role as u8)],
                    });
                    merge(&mut member, plan.members.get(role as usize).unwrap_or(&Value::Null));
                    controller.change_member(network, self.address(role), &member)?;
                }
                network
            }
        };
        for member in &self.members {
            // An old node makes a device before it answers, and answers nobody meanwhile.
            member.daemon.wait("the join", WAIT, || member.daemon.join(network).map(Some))?;
        }
        Ok(network)
    }

    fn settings(&self, plan: &Plan, number: usize) -> Result<Value> {
        let target = format!("10.{}.0.0/24", 100 + number);
        let mut settings = json!({
            "name": "rules", "private": true,
            "v6AssignMode": { "6plane": true, "rfc4193": true, "zt": false },
            "routes": [{ "target": target, "via": null }],
        });
        merge(&mut settings, &plan.table(self).context("rules of the network")?);
        merge(&mut settings, &plan.settings);
        Ok(settings)
    }
}

/// Puts the fields of one object into another.
pub fn merge(into: &mut Value, more: &Value) {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
