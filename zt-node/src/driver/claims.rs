//! Which network has a route that several offer, and what of a network has no effect on the host.

use crate::status::WithheldStatus;
use std::collections::BTreeMap;
use zt_tap::{Change, HostError, HostRoute, HostState};
use zt_wire::{IpPrefix, NetworkId};

/// The part of a network's wish that its port gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// What the port gets.
    pub(super) state: HostState,
    /// Routes, as the network has them, of which another network has at least a part.
    pub(super) yielded: Vec<(HostRoute, NetworkId)>,
}

/// Shares out what the networks want, in ascending order of their numbers: a target belongs to the first that has it. So it
/// does not matter which network came up first.
pub(super) fn share_out<'a>(wanted: impl Iterator<Item = (NetworkId, &'a HostState)>) -> BTreeMap<NetworkId, Share> {
    let mut owners: BTreeMap<IpPrefix, NetworkId> = BTreeMap::new();
    let mut shares = BTreeMap::new();
    for (network, wanted) in wanted {
        let mut share = Share { state: HostState { routes: Vec::new(), ..wanted.clone() }, yielded: Vec::new() };
        for route in &wanted.routes {
            let mut lost_to = None;
            for part in installed(route) {
                match *owners.entry(part.target).or_insert(network) {
                    owner if owner == network => share.state.routes.push(part),
                    owner => lost_to = Some(owner),
                }
            }
            share.yielded.extend(lost_to.map(|owner| (*route, owner)));
        }
        shares.insert(network, share);
    }
    shares
}

/// A route as it is installed: a default route is two.
fn installed(route: &HostRoute) -> Vec<HostRoute> {
    HostState { routes: vec![*route], ..HostState::default() }.installed_routes()
}

/// What of a network's wish has no effect, and why. `refused`: what the host did not take; `outside`: prefixes on its
/// other interfaces.
pub(super) fn without_effect(
    wanted: &HostState,
    yielded: &[(HostRoute, NetworkId)],
    refused: &[(Change, HostError)],
    outside: &[IpPrefix],
) -> Vec<WithheldStatus> {
    let mut found = Vec::new();
    for address in &wanted.addresses {
        let is_it = |change: &Change| matches!(change, Change::AddressAdded(added) if added == address);
        if let Some((_, error)) = refused.iter().find(|(change, _)| is_it(change)) {
            let why = format!("the host refuses it: {error}");
            found.push(WithheldStatus { is_route: false, prefix: *address, via: None, why, setting: None });
        }
    }
    for route in &wanted.routes {
        let parts = installed(route);
        let is_it = |change: &Change| matches!(change, Change::RouteAdded(added) if parts.contains(added));
        let why = if outside.iter().any(|prefix| prefix.network() == route.target.network()) {
            "this host is in that subnet itself, which comes first".to_owned()
        } else if let Some((_, owner)) = yielded.iter().find(|(other, _)| other == route) {
            format!("network {owner} has it")
        } else if let Some((_, error)) = refused.iter().find(|(change, _)| is_it(change)) {
            format!("the host refuses it: {error}")
        } else {
            continue;
        };
        found.push(WithheldStatus { is_route: true, prefix: route.target, via: route.via, why, setting: None });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> IpPrefix {
        text.parse().expect("a prefix")
    }

    fn wish(routes: &[&str]) -> HostState {
        let routes = routes.iter().map(|text| HostRoute::new(prefix(text), None)).collect();
        HostState { routes, ..HostState::default() }
    }

    fn shares(wanted: &[(u64, HostState)]) -> Vec<(Vec<String>, Vec<String>)> {
        let shares = share_out(wanted.iter().map(|(number, state)| (NetworkId(*number), state)));
        let text = |share: &Share| {
            let gets = share.state.routes.iter().map(|route| route.target.to_string()).collect();
            let yields = share.yielded.iter().map(|(route, to)| format!("{} to {:x}", route.target, to.0)).collect();
            (gets, yields)
        };
        shares.values().map(text).collect()
    }

    #[test]
    fn a_target_belongs_to_the_lowest_network_that_has_it() {
        let first = (1, wish(&["10.1.0.0/16", "0.0.0.0/0"]));
        let second = (2, wish(&["10.2.0.0/16", "10.1.0.0/16", "0.0.0.0/0", "::/0"]));
        let of_first = (vec!["10.1.0.0/16".to_owned(), "0.0.0.0/1".to_owned(), "128.0.0.0/1".to_owned()], vec![]);
        let shared = shares(&[first.clone(), second.clone()]);
        assert_eq!(shared[0], of_first);
        assert_eq!(shared[1].0, ["10.2.0.0/16", "::/1", "8000::/1"]);
        assert_eq!(shared[1].1, ["10.1.0.0/16 to 1", "0.0.0.0/0 to 1"]);
        assert_eq!(shares(&[second])[0].1, Vec::<String>::new(), "alone it has all");
        assert_eq!(shares(&[(3, wish(&["0.0.0.0/1"])), (4, wish(&["0.0.0.0/0"]))])[1].0, ["128.0.0.0/1"], "the rest");
    }

    #[test]
    fn what_has_no_effect_is_told_once_and_with_the_best_reason() {
        let mut wanted = wish(&["0.0.0.0/0", "10.0.0.0/24", "10.7.0.0/16", "10.8.0.0/16"]);
        wanted.addresses = vec![prefix("10.9.0.1/16"), prefix("fd00::1/64")];
        let route = |text: &str| Change::RouteAdded(HostRoute::new(prefix(text), None));
        let refused = [
            (Change::AddressAdded(prefix("fd00::1/64")), HostError::Unsupported),
            (route("128.0.0.0/1"), HostError::Exists),
            (route("10.0.0.0/24"), HostError::Exists),
        ];
        let yielded = [(wanted.routes[2], NetworkId(0xfe39_e980_ad00_0001))];
        let told = without_effect(&wanted, &yielded, &refused, &[prefix("10.0.0.5/24")]);
        let told: Vec<String> = told.iter().map(|item| format!("{}: {}", item.prefix, item.why)).collect();
        let expected = [
            "fd00::1/64: the host refuses it: not supported by the host",
            "0.0.0.0/0: the host refuses it: address or route exists already",
            "10.0.0.0/24: this host is in that subnet itself, which comes first",
            "10.7.0.0/16: network fe39e980ad000001 has it",
        ];
        assert_eq!(told, expected);
    }
}
