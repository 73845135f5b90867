//! The records of one network in memory, with what is counted and looked up beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use zt_wire::ident::Address;

use super::candidates::Candidates;
use super::command::NetworkSummary;
use super::member::Member;
use super::network::Network;

/// One network and its members.
#[derive(Debug)]
pub(super) struct NetworkState {
    network: Arc<Network>,
    members: BTreeMap<Address, Arc<Member>>,
    /// Who holds an address, authorised or not.
    allocated: BTreeMap<IpAddr, Vec<Address>>,
    candidates: Candidates,
    /// Members that every configuration lists as bridges: every answer needs them.
    bridges: BTreeSet<Address>,
    authorized: usize,
}

impl NetworkState {
    pub(super) fn new(network: Arc<Network>) -> Self {
        Self {
            network,
            members: BTreeMap::new(),
            allocated: BTreeMap::new(),
            candidates: Candidates::default(),
            bridges: BTreeSet::new(),
            authorized: 0,
        }
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        &self.network
    }

    pub(super) fn set_network(&mut self, network: Arc<Network>) -> Arc<Network> {
        std::mem::replace(&mut self.network, network)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    pub(super) fn member(&self, address: Address) -> Option<&Arc<Member>> {
        self.members.get(&address)
    }

    /// Stores or removes a member; returns what was there.
    pub(super) fn set_member(&mut self, address: Address, member: Option<Arc<Member>>) -> Option<Arc<Member>> {
        if let Some(new) = &member {
            self.count(new, true);
        }
        let old = match member {
            Some(new) => self.members.insert(address, new),
            None => self.members.remove(&address),
        };
        if let Some(old) = &old {
            self.count(old, false);
        }
        match self.members.get(&address).filter(|m| m.is_candidate()) {
            Some(candidate) => self.candidates.add(address, candidate.creation_time),
            None => self.candidates.remove(address),
        }
        if self.members.get(&address).is_some_and(|m| m.active_bridge) {
            self.bridges.insert(address);
        } else {
            self.bridges.remove(&address);
        }
        old
    }

    fn count(&mut self, m: &Member, add: bool) {
        let step = |n: &mut usize, on: bool| match (on, add) {
            (false, _) => {}
            (true, true) => *n += 1,
            (true, false) => *n = n.saturating_sub(1),
        };
        step(&mut self.authorized, m.authorized);
        for ip in &m.ips {
            let holders = self.allocated.entry(*ip).or_default();
            if add {
                holders.push(m.address);
            } else if let Some(at) = holders.iter().position(|holder| *holder == m.address) {
                holders.remove(at);
            }
            if holders.is_empty() {
                self.allocated.remove(ip);
            }
        }
    }

    /// Whether any member holds the address.
    pub(super) fn is_allocated(&self, ip: IpAddr) -> bool {
        self.allocated.contains_key(&ip)
    }

    /// Everybody who holds an address, authorised or not.
    pub(super) fn holders(&self, ip: IpAddr) -> impl Iterator<Item = Address> {
        self.allocated.get(&ip).into_iter().flatten().copied()
    }

    /// The authorised member that holds an address.
    pub(super) fn holder(&self, ip: IpAddr) -> Option<Address> {
        self.holders(ip).find(|holder| self.members.get(holder).is_some_and(|m| m.authorized))
    }

    /// The network and its counts.
    pub(super) fn summary(&self) -> NetworkSummary {
        NetworkSummary { network: Arc::clone(&self.network), members: self.members.len(), authorized: self.authorized }
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// A node asked that nobody has authorised.
    pub(super) fn candidate_asked(&mut self, address: Address) {
        self.candidates.asked(address);
    }

    /// The candidate that gives way when one more comes.
    pub(super) fn candidate_in_excess(&self) -> Option<Address> {
        self.candidates.in_excess()
    }

    /// Members that every configuration lists as bridges, ascending (authorised or not, 05 §6).
    pub(super) fn active_bridges(&self) -> impl Iterator<Item = Address> {
        self.bridges.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zt_wire::ident::NetworkId;

    #[test]
    fn counts_follow_the_records() {
        let id = NetworkId(1 << 24);
        let mut n = NetworkState::new(Arc::new(Network::new(id, 0)));
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        for i in 1..=3u64 {
            let mut m = Member::new(id, Address::new(i), 0);
            m.authorized = i == 1;
            m.ips = if i < 3 { vec![ip] } else { vec![] };
            n.set_member(m.address, Some(Arc::new(m)));
        }
        assert_eq!((n.authorized, n.member_count(), n.candidates.len()), (1, 3, 1));
        assert_eq!(n.holder(ip), Some(Address::new(1)), "of two holders the authorised one");
        n.set_member(Address::new(1), None);
        assert!(n.is_allocated(ip));
        assert_eq!(n.holder(ip), None, "nobody is authorised");
        n.set_member(Address::new(2), None);
        assert!(!n.is_allocated(ip));
        assert_eq!((n.authorized, n.member_count(), n.candidates.len()), (0, 1, 1));
    }
}
