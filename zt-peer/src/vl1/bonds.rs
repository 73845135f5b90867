//! Bonds: made when a peer has paths, told about packets, and what they want is done (03 §15).

use std::net::IpAddr;
use std::sync::Arc;

use zt_crypto::Suite;
use zt_wire::verb::{PathNegotiationRequest, QosMeasurement};
use zt_wire::{Address, Body, FlowId, Mono, Now, Verb};

use super::Vl1;
use crate::bond::{BondConfig, BondTask};
use crate::drop_reason::DropReason;
use crate::inbound::{Handled, ReplyTo, Ticket};
use crate::link::{LinkId, Path};
use crate::path_proof::Payer;
use crate::peer::Slot;
use crate::peer_table::PeerId;
use crate::transmit::Transmits;
use crate::wire::Outgoing;

/// Bounds of what [`Vl1::set_bond_mtu`] takes.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;

/// Why a size was not set for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BondMtuError {
    /// Bonding is not in use.
    #[error("Bonding layer isn't active yet")]
    NotInUse,
    /// No datagram has such a size.
    #[error("Specified MTU is not reasonable")]
    Unreasonable,
    /// No bond has a path by that interface from or to that address.
    #[error("Unable to find specified link")]
    NoSuchLink,
}

impl Vl1 {
    /// Takes over what the operator says about bonds. Bonds of peers for which something else holds now begin anew.
    pub fn set_bonding(&mut self, now: Now, config: BondConfig, out: &mut Transmits) {
        if self.bonding == config {
            return;
        }
        self.bonding = config;
        for id in self.peers.ids() {
            self.tend_bond(now, id, out);
        }
    }

    /// Whether bonding is in use. Without it flows need not be told apart.
    pub const fn is_bonding(&self) -> bool {
        self.bonding.in_use
    }

    /// The interface that a link is on, by name.
    pub fn interface(&self, link: LinkId) -> Option<&str> {
        self.links.interface(link)
    }

    /// The interface that a link is on, by name: policies name interfaces. To be told before the link is added.
    pub fn set_interface(&mut self, link: LinkId, name: &str) {
        self.links.set_interface(link, name);
    }

    /// A frame of a flow came from a peer, and was accepted: answers go the same way.
    pub fn flow_came(&mut self, now: Now, from: &ReplyTo, flow: FlowId) {
        if !self.bonding.in_use || from.relayed {
            return;
        }
        if let Some(bond) = self.peers.id(from.address).and_then(|id| self.peers.get_mut(id).bond_mut()) {
            bond.flow_came(now.mono, from.path, flow);
        }
    }

    /// Makes the next path of an active-backup bond the active one, at the next timeout, which is now. False: there is no such bond, or no other path.
    pub fn rotate_bond(&mut self, now: Now, peer: Address) -> bool {
        let Some(id) = self.peers.id(peer) else { return false };
        let rotated = self.peers.get_mut(id).bond_mut().is_some_and(|bond| bond.active().is_some() && bond.rotate());
        if rotated {
            self.peers.arm(id, now.mono);
        }
        rotated
    }

    /// Sets the largest datagram for paths by an interface whose address, ours or the peer's, is `ip`.
    ///
    /// # Errors
    /// Bonding is not in use, the size is none, or no bond has such a path.
    pub fn set_bond_mtu(&mut self, interface: &str, ip: IpAddr, mtu: u32) -> Result<(), BondMtuError> {
        if !self.bonding.in_use {
            return Err(BondMtuError::NotInUse);
        }
        let size = u16::try_from(mtu).ok().filter(|_| MTUS.contains(&mtu)).ok_or(BondMtuError::Unreasonable)?;
        let is_it = |path: Path| {
            let local = self.links.get(path.link).and_then(|link| link.local.ip());
            self.links.interface(path.link) == Some(interface) && (path.remote.ip() == Some(ip) || local == Some(ip))
        };
        let has = |peer: &crate::peer::Peer| {
            peer.bond().is_some_and(|bond| peer.paths().iter().any(|s| bond.knows(s.path()) && is_it(s.path())))
        };
        if !self.peers.iter().any(has) {
            return Err(BondMtuError::NoSuchLink);
        }
        self.links.set_uplink_mtu(interface, ip, size);
        self.refresh_mtus();
        Ok(())
    }

    /// Makes the bond of a peer what it should be: none without a policy, for roots, and without paths; else with all
    /// paths that there are.
    pub(super) fn tend_bond(&mut self, now: Now, id: PeerId, out: &mut Transmits) {
        let peer = self.peers.get(id);
        let address = peer.address();
        let template = self.bonding.template(address).filter(|_| !self.roots.is_upstream(address));
        let Some(template) = template.filter(|_| !peer.paths().is_empty()).map(Arc::clone) else {
            let change = self.peers.get_mut(id).part_paths(now.mono);
            return self.tell_route(now, id, change, out);
        };
        let paths: Vec<Path> = peer.paths().iter().map(Slot::path).collect();
        if self.peers.get_mut(id).join_paths(&template) {
            self.peers.arm(id, now.mono);
        }
        for path in paths {
            let local = self.links.get(path.link).and_then(|link| link.local.ip());
            let local = local.map(|ip| ip.to_string()).unwrap_or_default();
            let interface = self.links.interface(path.link);
            if let Some(bond) = self.peers.get_mut(id).bond_mut()
                && !bond.knows(path)
            {
                bond.nominate(now.mono, path, interface, &local);
                self.peers.arm(id, now.mono);
            }
        }
    }

    /// A packet of a peer counted as received.
    pub(super) fn bond_heard(&mut self, now: Mono, c: &Ticket) {
        if self.bonding.in_use
            && c.hops == 0
            && let Some(bond) = self.peers.get_mut(c.id).bond_mut()
        {
            bond.came(now, c.path, c.packet_id, matches!(c.verb, Verb::OK | Verb::ERROR));
        }
    }

    /// Whether a frame is the copy of one that came by another path.
    pub(super) fn is_copy(&mut self, c: &Ticket) -> bool {
        self.bonding.in_use && self.peers.get_mut(c.id).bond_mut().is_some_and(|bond| bond.is_copy(c.packet_id))
    }

    /// Packets were sealed: their IDs are known now, and peers may report on them.
    pub(super) fn bonds_sealed(&mut self, now: Mono, out: &Transmits) {
        if !self.bonding.in_use {
            return;
        }
        for (to, path, packet) in out.leaving() {
            if let Some(bond) = self.peers.id(to).and_then(|id| self.peers.get_mut(id).bond_mut()) {
                bond.left(now, path, packet);
            }
        }
    }

    /// Does what a bond wants.
    pub(super) fn do_bond_task(&mut self, now: Now, id: PeerId, task: BondTask, out: &mut Transmits) {
        match task {
            // Heartbeats are probes of paths, and were made such.
            BondTask::Heartbeat(_) => {}
            BondTask::Report(path, records) => {
                self.send_plain(now.mono, id, path, &QosMeasurement { records, rest: &[] }, out);
            }
            BondTask::Negotiate(path, utility) => {
                self.send_plain(now.mono, id, path, &PathNegotiationRequest { utility }, out);
            }
        }
    }

    /// Quirk (01 §5.5): messages of bonds are readable.
    fn send_plain(&mut self, now: Mono, id: PeerId, path: Path, body: &dyn Body, out: &mut Transmits) {
        let outgoing = Outgoing { suite: Suite::Poly1305None, ..self.outgoing(now, id, path) };
        let sent = self.make(outgoing, Payer::Nobody, body, out);
        debug_assert!(sent.is_ok(), "short enough");
    }

    pub(super) fn handle_qos(&mut self, now: Now, c: &Ticket, m: &QosMeasurement<'_>) -> Handled {
        let Some(bond) = self.peers.get_mut(c.id).bond_mut().filter(|_| c.hops == 0) else {
            return Handled::Refused(DropReason::NoBond);
        };
        bond.take_report(now.mono, c.path, &m.records).map_or_else(Handled::Refused, |()| Handled::NotCounted)
    }

    pub(super) fn handle_negotiation(&mut self, now: Now, c: &Ticket, m: &PathNegotiationRequest) -> Handled {
        let greater = c.from > self.wire.address();
        let Some(bond) = self.peers.get_mut(c.id).bond_mut().filter(|_| c.hops == 0) else {
            return Handled::Refused(DropReason::NoBond);
        };
        let taken = bond.take_request(now.mono, c.path, m.utility, greater);
        if taken.is_ok() {
            self.peers.arm(c.id, now.mono);
        }
        taken.map_or_else(Handled::Refused, |()| Handled::NotCounted)
    }
}
