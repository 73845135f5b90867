//! Members that no rule tells apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use zt_wire::IpPrefix;
use zt_wire::ident::{Address, NetworkId};

use super::constants::Constants;
use super::{Group, Names};
use crate::rules::trial::{Party, RuleSet};

/// What rules can know of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Tags that rules ask for, and capabilities that the network has: under the rules of before and those of after.
    tags: [BTreeMap<u32, u32>; 2],
    capabilities: [BTreeSet<u32>; 2],
    /// Its own address or MAC stands in a rule.
    named: Option<Address>,
    /// Where its addresses lie: as a source and as a destination, IPv4 and IPv6. `None`: it has none.
    places: Vec<Option<Option<IpPrefix>>>,
}

/// Values of tags that are alike and are tried.
const ALIKE: usize = 3;

/// Groups that are compared, and what they stand for.
pub(super) struct Groups {
    /// Those with the most members first.
    pub(super) tried: Vec<Group>,
    /// Groups that differ from one of those only in values of tags that no rule names, so that the same holds for them.
    pub(super) alike: Vec<Group>,
}

/// Members in groups.
pub(super) fn of(
    network: NetworkId,
    sets: [&RuleSet; 2],
    members: &[Party],
    constants: &Constants,
    names: &Names,
) -> Groups {
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, party) in members.iter().enumerate() {
        groups.entry(Key::of(network, sets, party, constants)).or_default().push(at);
    }
    let only = groups.len() == 1;
    let keys: Vec<Key> = groups.keys().cloned().collect();
    let tried = tried(&groups, constants);
    let mut out: Vec<(bool, Group)> = groups
        .into_iter()
        .map(|(key, of)| {
            let is_tried = tried.contains(&key);
            let name = match of.as_slice() {
                _ if only => "every member".to_owned(),
                [one] => members[*one].title(),
                _ => key.name(&keys, names),
            };
            (is_tried, Group { name, members: of })
        })
        .collect();
    tell_apart(&mut out);
    out.sort_by_key(|(_, group)| std::cmp::Reverse(group.members.len()));
    let (tried, alike): (Vec<_>, Vec<_>) = out.into_iter().partition(|(is_tried, _)| *is_tried);
    let groups = |list: Vec<(bool, Group)>| list.into_iter().map(|(_, group)| group).collect();
    Groups { tried: groups(tried), alike: groups(alike) }
}

/// Groups without those that others stand for. Values that rules can only compare for being equal can be exchanged: what holds for
/// some of them, held by the same sorts of members, holds for all.
fn tried(groups: &BTreeMap<Key, Vec<usize>>, constants: &Constants) -> BTreeSet<Key> {
    let mut by_values: BTreeMap<Values, Vec<&Key>> = BTreeMap::new();
    for key in groups.keys() {
        by_values.entry(key.any_values(constants)).or_default().push(key);
    }
    let mut by_sorts: BTreeMap<Vec<Key>, Vec<Vec<&Key>>> = BTreeMap::new();
    let mut out = BTreeSet::new();
    for (values, keys) in by_values {
        if values.is_empty() {
            out.extend(keys.into_iter().cloned());
            continue;
        }
        let sorts = keys.iter().map(|key| key.without_values(constants)).collect();
        by_sorts.entry(sorts).or_default().push(keys);
    }
    for mut same in by_sorts.into_values() {
        let members = |keys: &[&Key]| keys.iter().filter_map(|key| groups.get(key)).map(Vec::len).sum::<usize>();
        same.sort_by_key(|keys| std::cmp::Reverse(members(keys)));
        out.extend(same.into_iter().take(ALIKE).flatten().cloned());
    }
    out
}

/// Values of tags that no rule names.
type Values = BTreeSet<(u32, u32)>;

/// Two groups of one name get numbers.
fn tell_apart(groups: &mut [(bool, Group)]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (_, group) in groups {
        let n = seen.entry(group.name.clone()).or_default();
        *n += 1;
        if *n > 1 {
            group.name = format!("{} ({n})", group.name);
        }
    }
}

impl Key {
    fn of(network: NetworkId, sets: [&RuleSet; 2], party: &Party, constants: &Constants) -> Self {
        let tags = sets.map(|set| {
            let mut tags = party.tags_in(set);
            tags.retain(|id, _| constants.tags.contains_key(id));
            tags
        });
        let named = constants.nodes.contains(&party.address) || constants.macs.contains(&party.mac(network));
        let first = |ipv4: bool| party.ips.iter().copied().find(|ip: &IpAddr| ip.is_ipv4() == ipv4);
        let place = |prefixes: &BTreeSet<IpPrefix>| {
            let counts = constants.asks_for_owner() || !prefixes.is_empty();
            [true, false].map(|ipv4| first(ipv4).filter(|_| counts).map(|ip| Constants::region(prefixes, ip)))
        };
        let places = [place(&constants.sources), place(&constants.destinations)].concat();
        let capabilities = sets.map(|set| party.capabilities_in(set));
        Self { tags, capabilities, named: named.then_some(party.address), places }
    }

    fn any_values(&self, constants: &Constants) -> Values {
        let all = self.tags.iter().flatten().map(|(id, value)| (*id, *value));
        all.filter(|(id, value)| constants.is_any(*id, *value)).collect()
    }

    /// The same with one value for all that are alike.
    fn without_values(&self, constants: &Constants) -> Self {
        let mut key = self.clone();
        for (id, value) in key.tags.iter_mut().flatten().filter(|(id, value)| constants.is_any(**id, **value)) {
            *value = constants.unnamed(*id);
        }
        key
    }

    /// What it has and others have not.
    fn name(&self, all: &[Self], names: &Names) -> String {
        let [_, new] = &self.tags;
        let told = |id: &u32| all.iter().any(|other| other.tags[1].get(id) != new.get(id));
        let mut words: Vec<String> =
            new.iter().filter(|(id, _)| told(id)).map(|(id, value)| names.tag(*id, *value)).collect();
        let missing = all.iter().flat_map(|other| other.tags[1].keys()).filter(|id| !new.contains_key(id));
        words.extend(
            missing.copied().collect::<BTreeSet<u32>>().into_iter().map(|id| format!("no {}", names.tag_name(id))),
        );
        if self.tags[0] != self.tags[1] {
            let old = self.tags[0].iter().filter(|(id, value)| new.get(id) != Some(value));
            words.extend(old.map(|(id, value)| format!("before: {}", names.tag(*id, *value))));
        }
        let held: BTreeSet<u32> = self.capabilities.iter().flatten().copied().collect();
        let told = |id: &&u32| all.iter().any(|other| !other.capabilities.iter().any(|held| held.contains(id)));
        words.extend(held.iter().filter(told).map(|id| format!("capability {}", names.capability(*id))));
        let told = |at: &usize| all.iter().any(|other| other.places[*at] != self.places[*at]);
        let places = (0..self.places.len()).filter(told).filter_map(|at| self.places[at].flatten());
        let mut places: Vec<String> = places.map(|range| range.to_string()).collect();
        places.dedup();
        words.extend(places);
        if words.is_empty() { "the others".to_owned() } else { words.join(", ") }
    }
}

impl Party {
    /// Its name, or its node.
    #[must_use]
    pub fn title(&self) -> String {
        if self.name.is_empty() { self.address.to_string() } else { self.name.clone() }
    }
}
