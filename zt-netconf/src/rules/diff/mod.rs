//! What a change of rules opens and cuts, before it is applied.
//!
//! Members that no rule tells apart are one group. Of frames one of each sort is tried that the constants of both sets of rules tell apart:
//! ethertypes, protocols, the parts that port ranges cut the ports in, ICMP types, flags of TCP, prefixes, and so on. Each is judged between
//! each two groups, in both directions, under the rules of before and those of after; what differs is put together to few words.

mod constants;
mod groups;
mod merge;
mod pairs;
mod space;

use std::collections::{BTreeMap, BTreeSet};

use zt_wire::ident::{Address, NetworkId};

use self::constants::Constants;
use self::pairs::Pairs;
use super::script::Script;
use super::trial::{self, Fate, Link, Party, RuleSet, Seat};

/// Most groups of members that are compared with one another.
pub const MAX_GROUPS: usize = 128;

/// Most verdicts that are compared; beyond, the rest of the pairs is left out, and that is said.
const MAX_TRIALS: usize = 4_000_000;

/// Names of tags and capabilities, for people.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tags: BTreeMap<u32, (String, BTreeMap<u32, String>)>,
    capabilities: BTreeMap<u32, String>,
}

impl Names {
    /// Those of a text; numbers stand for what it does not name.
    #[must_use]
    pub fn of(script: &Script) -> Self {
        let mut names = Self::default();
        for tag in &script.tags {
            let values = tag.flags.iter().chain(&tag.enums).map(|(name, value)| (*value, name.clone()));
            names.tags.insert(tag.id, (tag.name.clone(), values.collect()));
        }
        names.capabilities = script.capabilities.iter().map(|c| (c.id, c.name.clone())).collect();
        names
    }

    /// Takes others as well; theirs count where both name a thing.
    pub fn extend(&mut self, newer: Self) {
        for (id, (name, values)) in newer.tags {
            let known = self.tags.entry(id).or_default();
            known.0 = name;
            known.1.extend(values);
        }
        self.capabilities.extend(newer.capabilities);
    }

    /// `tag=value`.
    #[must_use]
    pub fn tag(&self, id: u32, value: u32) -> String {
        let name = self.tags.get(&id).and_then(|(_, values)| values.get(&value));
        format!("{}={}", self.tag_name(id), name.cloned().unwrap_or_else(|| value.to_string()))
    }

    fn tag_name(&self, id: u32) -> String {
        self.tags.get(&id).map_or_else(|| format!("tag {id}"), |(name, _)| name.clone())
    }

    /// The name of a capability.
    #[must_use]
    pub fn capability(&self, id: u32) -> String {
        self.capabilities.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// Members that no rule tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are, in words.
    pub name: String,
    /// Their places in the list of members.
    pub members: Vec<usize>,
}

/// How the end of some frames changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// They pass, and did not.
    Opened,
    /// They do not pass, and did.
    Cut,
    /// They go to this node instead.
    Redirected(Address),
    /// They pass or not by chance.
    ByChance,
    /// This node gets a copy, and did not.
    Copied(Address),
    /// This node gets no copy any more.
    NotCopied(Address),
}

/// How the senders and receivers of a line are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ways {
    /// From each sender to each receiver.
    One,
    /// The same in the other direction; between members of one group where it stands on both sides.
    Both,
    /// Between any two different groups of the list, which stands on both sides.
    AnyTwo,
}

impl Change {
    /// How frames end after it.
    fn end(self) -> Fate {
        match self {
            Self::Cut => Fate::Dropped,
            Self::Redirected(to) => Fate::Redirected(to),
            Self::ByChance => Fate::ByChance,
            Self::Opened | Self::Copied(_) | Self::NotCopied(_) => Fate::Accepted,
        }
    }
}

/// One change, from these groups to those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What changes.
    pub change: Change,
    /// Senders, by their places among the groups.
    pub from: Vec<usize>,
    /// Receivers.
    pub to: Vec<usize>,
    /// How they are meant.
    pub ways: Ways,
    /// The frames, in words.
    pub frames: Vec<String>,
}

/// What a change of rules does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The changes.
    pub lines: Vec<Line>,
    /// The groups that were compared, those with the most members first.
    pub groups: Vec<Group>,
    /// Groups that differ from those only in values of tags that no rule names: what holds between groups with such values
    /// holds for these too.
    pub alike: Vec<Group>,
    /// Frames that were judged under both sets of rules.
    pub tried: usize,
    /// What was not looked at, in words.
    pub left_out: Vec<String>,
}

impl Difference {
    /// A line in words, such as `opened`, `alice -> bob`: what happens, and between whom.
    #[must_use]
    pub fn words(&self, line: &Line, members: &[Party]) -> [String; 2] {
        let node = |address: Address| {
            members.iter().find(|party| party.address == address).map_or(address.to_string(), Party::title)
        };
        let change = match line.change {
            Change::Opened => "opened".to_owned(),
            Change::Cut => "cut".to_owned(),
            Change::Redirected(to) => format!("to {} instead", node(to)),
            Change::ByChance => "by chance".to_owned(),
            Change::Copied(to) => format!("copied to {}", node(to)),
            Change::NotCopied(to) => format!("not copied to {}", node(to)),
        };
        let names = |groups: &[usize]| {
            let names: Vec<&str> = groups.iter().map(|at| self.groups[*at].name.as_str()).collect();
            names.join("; ")
        };
        let whole = line.from.len() == self.groups.len();
        let between = match (line.ways, line.from == line.to) {
            (Ways::AnyTwo, _) if whole => "between any two groups".to_owned(),
            (Ways::AnyTwo, _) => format!("between any two of {}", names(&line.from)),
            (Ways::Both, true) if whole => "between any two members".to_owned(),
            (_, true) => format!("within {}", names(&line.from)),
            (Ways::Both, false) => format!("{} <-> {}", names(&line.from), names(&line.to)),
            (Ways::One, false) => format!("{} -> {}", names(&line.from), names(&line.to)),
        };
        [change, between]
    }

    /// True if nothing changes for anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Compares two sets of rules for the members of a network. `progress` is told how many of how many pairs of groups are done.
pub fn compare(
    network: NetworkId,
    [old, new]: [&RuleSet; 2],
    members: &[Party],
    names: &Names,
    progress: &mut dyn FnMut(usize, usize),
) -> Difference {
    let constants = Constants::of([old, new]);
    let groups::Groups { tried: mut groups, alike } = groups::of(network, [old, new], members, &constants, names);
    let (spaces, limits) = space::all(&constants);
    let mut left_out: Vec<String> =
        limits.into_iter().map(|what| format!("not all combinations of {what} were tried")).collect();
    let beyond = groups.split_off(groups.len().min(MAX_GROUPS));
    if !beyond.is_empty() {
        let count: usize = beyond.iter().map(|group| group.members.len()).sum();
        left_out.push(format!("{count} members in {} smaller groups were not compared", beyond.len()));
    }
    let points: usize = spaces.iter().map(space::Space::len).sum();
    // Two of each group where it has two, so that members of one group are compared with one another.
    let sit = |set: &RuleSet| -> Vec<Vec<Seat>> {
        let of_group = |group: &Group| {
            let two = group.members.iter().take(2);
            two.map(|at| Seat::new(network, set, &members[*at])).collect()
        };
        groups.iter().map(of_group).collect()
    };
    let seats = [sit(old), sit(new)];
    let pairs: Vec<(usize, usize)> = (0..groups.len())
        .flat_map(|from| (0..groups.len()).map(move |to| (from, to)))
        .filter(|(from, to)| from != to || groups[*from].members.len() > 1)
        .collect();
    let affordable = (MAX_TRIALS / points.max(1)).max(1);
    if pairs.len() > affordable {
        left_out.push(format!("{} of {} pairs of groups were not compared", pairs.len() - affordable, pairs.len()));
    }
    let mut found: BTreeMap<(Change, String), Pairs> = BTreeMap::new();
    let total = pairs.len().min(affordable);
    for (done, (from, to)) in pairs.iter().copied().take(affordable).enumerate() {
        progress(done, total);
        let second = usize::from(from == to);
        let parties = [&members[groups[from].members[0]], &members[groups[to].members[second]]];
        let ends = trial::ends(network, parties[0], parties[1]);
        let links = [&seats[0], &seats[1]].map(|seats| Link::new(&seats[from][0], &seats[to][second]));
        let (changes, quiet) = changes(&links, &spaces, &ends, constants.random);
        for (change, forms) in changes {
            let quiet = quiet.get(&change.end()).cloned().unwrap_or_default();
            for words in merge::words(&spaces, &forms, &quiet, &constants) {
                found.entry((change, words)).or_default().insert((from, to));
            }
        }
    }
    // What happens between the same groups is one line.
    let mut together: BTreeMap<(Change, Pairs), Vec<String>> = BTreeMap::new();
    for ((change, words), pairs) in found {
        together.entry((change, pairs)).or_default().push(words);
    }
    let mut lines: Vec<Line> = together
        .into_iter()
        .flat_map(|((change, pairs), frames)| {
            pairs::lines(&pairs, &|group| groups[group].members.len() < 2).into_iter().map(move |(from, to, ways)| {
                let frames = frames.clone();
                Line { change, from, to, ways, frames }
            })
        })
        .collect();
    lines.sort_by(|a, b| (a.change, &a.from, &a.to).cmp(&(b.change, &b.from, &b.to)));
    Difference { lines, groups, alike, tried: total * points, left_out }
}

/// Forms, by the kind of frame.
type Forms = BTreeMap<usize, Vec<Vec<u16>>>;

/// What changes between two members; and the kinds of frames that all end in one way, before and after.
fn changes(
    links: &[Link<'_>; 2],
    spaces: &[space::Space],
    ends: &super::words::Ends,
    chance: bool,
) -> (BTreeMap<Change, Forms>, BTreeMap<Fate, BTreeSet<usize>>) {
    let mut found: BTreeMap<Change, Forms> = BTreeMap::new();
    let mut quiet: BTreeMap<Fate, BTreeSet<usize>> = BTreeMap::new();
    for (kind, space) in spaces.iter().enumerate() {
        let mut ends_as = BTreeSet::new();
        for point in (0..space.len()).map(|number| space.point(number)) {
            let frame = space.frame(&point, ends);
            let [(old, old_copies), (new, new_copies)] = [0, 1].map(|at| links[at].fate(&frame, chance));
            ends_as.extend([old, new]);
            let mut note = |change| found.entry(change).or_default().entry(kind).or_default().push(point.clone());
            if old != new {
                note(match new {
                    Fate::Accepted => Change::Opened,
                    Fate::Dropped => Change::Cut,
                    Fate::Redirected(to) => Change::Redirected(to),
                    Fate::ByChance => Change::ByChance,
                });
            }
            new_copies.difference(&old_copies).for_each(|node| note(Change::Copied(*node)));
            old_copies.difference(&new_copies).for_each(|node| note(Change::NotCopied(*node)));
        }
        if let (Some(fate), 1) = (ends_as.first(), ends_as.len()) {
            quiet.entry(*fate).or_default().insert(kind);
        }
    }
    (found, quiet)
}

#[cfg(test)]
mod tests;
