//! The administrator of a simulated network: everything he does is a [`Command`].

use crate::node::NodeId;
use crate::setup::Lab;
use crate::sim::Sim;
use zt_netconf::controller::{Answer, AssignV6, Command, Member, NetworkPatch, Pool, Route};
use zt_wire::{IpPrefix, NetworkId};

impl Sim {
    /// Executes a command on a node's controller. What it changes is on the disk some time later.
    ///
    /// # Panics
    /// When the controller refuses.
    pub fn command(&mut self, controller: NodeId, command: Command) -> Answer {
        let time = self.time();
        let node = self.node_mut(controller);
        let now = node.now(time);
        let engine = node.engine.as_mut().expect("the node does not run");
        let answered = engine.controller_command(now, command).expect("the node is no controller");
        self.touch(controller);
        answered.expect("the controller does it").answer
    }

    /// Makes a network with IPv4 and rfc4193 addresses, public or private.
    ///
    /// # Panics
    /// When the controller refuses.
    pub fn create_network(&mut self, controller: NodeId, private: bool) -> NetworkId {
        let patch = NetworkPatch {
            name: Some("sim".to_owned()),
            private: Some(private),
            assign_v4: Some(true),
            assign_v6: Some(AssignV6 { rfc4193: true, ..AssignV6::default() }),
            routes: Some(vec![Route { target: IpPrefix::clamped([10, 147, 0, 0].into(), 16), via: None }]),
            pools: Some(vec![Pool { start: [10, 147, 0, 1].into(), end: [10, 147, 255, 254].into() }]),
            ..NetworkPatch::default()
        };
        let answer = self.command(controller, Command::create_network(patch));
        answer.into_network().expect("a network was made").id
    }

    /// Authorises a member, or takes it back.
    pub fn authorize(&mut self, controller: NodeId, network: NetworkId, member: NodeId, yes: bool) {
        let address = self.node(member).address();
        self.command(controller, Command::authorize(network, address, yes));
    }

    /// The controller's record of a member.
    ///
    /// # Panics
    /// When there is none.
    pub fn record(&mut self, controller: NodeId, network: NetworkId, member: NodeId) -> Member {
        let address = self.node(member).address();
        let answer = self.command(controller, Command::GetMember(network, address));
        Member::clone(&answer.into_member().expect("a member"))
    }
}

impl Lab {
    /// Makes the network private; who is a member stays one.
    pub fn make_private(&mut self) {
        let patch = NetworkPatch { private: Some(true), ..NetworkPatch::default() };
        self.sim.command(self.controller, Command::set_network(self.network, patch));
    }
}
