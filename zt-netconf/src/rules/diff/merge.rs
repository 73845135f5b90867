//! From single frames to a few words: forms that differ in one thing only are put together, and what holds for all
//! values of a thing is not said.

use std::collections::{BTreeMap, BTreeSet};

use super::Forms;
use super::constants::Constants;
use super::space::{Cast, Icmp, Kind, Place, Space, Trait, icmp_name};
use crate::rules::words::names::FLAGS;

/// Forms of one kind of frame: for each thing that varies the values, by their places.
type Block = Vec<BTreeSet<u16>>;

/// Few blocks that together are some points; they may overlap.
pub(super) fn blocks(points: &[Vec<u16>], sizes: &[usize]) -> Vec<Block> {
    let single = |point: &Vec<u16>| point.iter().map(|at| BTreeSet::from([*at])).collect();
    let mut blocks: Vec<Block> = points.iter().map(single).collect();
    // What a rule says last, ports and types, is merged last.
    for dim in (0..sizes.len()).rev() {
        let mut merged: BTreeMap<Block, BTreeSet<u16>> = BTreeMap::new();
        for mut block in blocks {
            let values = std::mem::take(&mut block[dim]);
            merged.entry(block).or_default().extend(values);
        }
        let whole = |(mut block, values): (Block, BTreeSet<u16>)| {
            block[dim] = values;
            block
        };
        blocks = merged.into_iter().map(whole).collect();
    }
    // What holds whatever the value of a thing is need not say it, even if another block says it too.
    let all: BTreeSet<&[u16]> = points.iter().map(Vec::as_slice).collect();
    for block in &mut blocks {
        for (dim, size) in sizes.iter().enumerate() {
            let kept = std::mem::replace(&mut block[dim], (0..*size as u16).collect());
            if kept.len() < *size && !all_in(block, &all) {
                block[dim] = kept;
            }
        }
    }
    let inside = |a: &Block, b: &Block| a.iter().zip(b).all(|(a, b)| a.is_subset(b));
    let mut few: Vec<Block> = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let covered =
            |(other, wide): (usize, &Block)| other != at && inside(block, wide) && (wide != block || other < at);
        if !blocks.iter().enumerate().any(covered) {
            few.push(block.clone());
        }
    }
    few
}

/// Every point of a block is one of these.
fn all_in(block: &Block, points: &BTreeSet<&[u16]>) -> bool {
    let mut ways = vec![Vec::with_capacity(block.len())];
    for values in block {
        let longer = |way: &Vec<u16>| values.iter().map(|at| [way.as_slice(), &[*at]].concat()).collect::<Vec<_>>();
        ways = ways.iter().flat_map(longer).collect();
        if ways.len() > points.len() {
            return false;
        }
    }
    ways.iter().all(|way| points.contains(way.as_slice()))
}

/// Most exceptions that are named behind "but".
const FEW: usize = 3;

/// What the frames of some kinds have in common, in few words. `quiet`: kinds of which all frames end as these do, and did
/// before.
pub(super) fn words(spaces: &[Space], changed: &Forms, quiet: &BTreeSet<usize>, constants: &Constants) -> Vec<String> {
    let all: Vec<usize> = (0..spaces.len()).collect();
    let of = |ipv4: bool| all.iter().copied().filter(move |at| spaces[*at].family() == Some(ipv4)).collect::<Vec<_>>();
    let parts = Parts { spaces, constants, quiet };
    let mut changed = changed.clone();
    if let Some(words) = parts.but("everything", &all, &changed) {
        return vec![words];
    }
    let mut out = Vec::new();
    for (name, kinds) in [("IPv4", of(true)), ("IPv6", of(false))] {
        if let Some(words) = parts.but(name, &kinds, &changed) {
            out.push(words);
            kinds.iter().for_each(|at| drop(changed.remove(at)));
        }
    }
    out.extend(parts.one_by_one(&changed));
    out
}

/// Kinds of frames and how to speak of them.
struct Parts<'s> {
    spaces: &'s [Space],
    constants: &'s Constants,
    quiet: &'s BTreeSet<usize>,
}

impl Parts<'_> {
    /// All of these kinds, or all but a little; `None`: it is shorter to say what it is.
    fn but(&self, name: &str, kinds: &[usize], changed: &Forms) -> Option<String> {
        let mut rest = Forms::new();
        let mut here = Forms::new();
        // Kinds that were so already are passed over, unless they are most of all.
        let counts = |at: &usize| changed.contains_key(at) || !self.quiet.contains(at);
        let counted: Vec<usize> = kinds.iter().copied().filter(counts).collect();
        let kinds = if counted.len() * 2 > kinds.len() { counted.as_slice() } else { kinds };
        for at in kinds {
            let points = changed.get(at).cloned().unwrap_or_default();
            let known: BTreeSet<&[u16]> = points.iter().map(Vec::as_slice).collect();
            let space = &self.spaces[*at];
            let others =
                (0..space.len()).map(|number| space.point(number)).filter(|point| !known.contains(point.as_slice()));
            let others: Vec<Vec<u16>> = others.collect();
            if !others.is_empty() {
                rest.insert(*at, others);
            }
            if !points.is_empty() {
                here.insert(*at, points);
            }
        }
        if rest.is_empty() {
            return Some(name.to_owned());
        }
        let others = self.one_by_one(&rest);
        let shorter = others.len() <= FEW && others.len() < self.one_by_one(&here).len();
        shorter.then(|| format!("{name} but {}", others.join("; ").replace(&format!("{name} "), "")))
    }

    /// Kind by kind; what is the same of several is said once.
    fn one_by_one(&self, changed: &Forms) -> Vec<String> {
        let Self { spaces, constants, .. } = self;
        let mut told: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (at, points) in changed {
            let space = &spaces[*at];
            let sizes: Vec<usize> = space.dims.iter().map(Vec::len).collect();
            told.insert(*at, blocks(points, &sizes).iter().map(|block| space.words(block, constants)).collect());
        }
        let mut out = Vec::new();
        // What is the same for every kind is said of all at once: first of any, then of a family.
        let sets: [(&str, &dyn Fn(usize) -> bool); 3] = [
            ("any kind", &|at| spaces[at].kind != Kind::Arp),
            ("IPv4", &|at| spaces[at].family() == Some(true)),
            ("IPv6", &|at| spaces[at].family() == Some(false)),
        ];
        for (name, of) in sets {
            let kinds: Vec<usize> = (0..spaces.len()).filter(|at| of(*at)).collect();
            let Some(first) = told.get(&kinds[0]).cloned() else { continue };
            for words in first.into_iter().filter(|words| !words.is_empty()) {
                if kinds.iter().all(|at| told.get(at).is_some_and(|told| told.contains(&words))) {
                    out.push(format!("{name}{words}"));
                    kinds.iter().filter_map(|at| told.get_mut(at).map(|told| told.remove(&words))).for_each(drop);
                }
            }
        }
        // The same words of both families are said once.
        let mut lines: Vec<(String, BTreeSet<Option<bool>>, String)> = Vec::new();
        for (at, told) in told {
            let (name, family) = spaces[at].kind.name();
            for words in told {
                match lines.iter_mut().find(|line| line.0 == name && line.2 == words && family.is_some()) {
                    Some(line) => _ = line.1.insert(family),
                    None => lines.push((name.clone(), BTreeSet::from([family]), words)),
                }
            }
        }
        out.extend(lines.into_iter().map(|(name, families, words)| {
            let mut families = families.into_iter();
            match (families.next().flatten(), families.next()) {
                (Some(ipv4), None) => format!("{} {name}{words}", if ipv4 { "IPv4" } else { "IPv6" }),
                _ => format!("{name}{words}"),
            }
        }));
        out
    }
}

impl Space {
    /// What is special about a block, each thing behind a blank; nothing where it is all of the kind.
    fn words(&self, block: &Block, constants: &Constants) -> String {
        let mut out = String::new();
        for (values, chosen) in self.dims.iter().zip(block) {
            if chosen.len() == values.len() {
                continue;
            }
            let chosen: Vec<Trait> = chosen.iter().map(|at| values[usize::from(*at)]).collect();
            out.push(' ');
            out.push_str(&traits(&chosen, values, self.kind, constants));
        }
        out
    }
}

/// Some values of one thing.
fn traits(chosen: &[Trait], all: &[Trait], kind: Kind, constants: &Constants) -> String {
    let rest = || all.iter().copied().filter(|value| !chosen.contains(value)).collect::<Vec<_>>();
    match chosen[0] {
        Trait::DestinationPort(..) => but(chosen, &rest()),
        Trait::SourcePort(..) => format!("from port {}", but(chosen, &rest())),
        Trait::Size(..) => format!("of {} bytes", list(intervals(chosen))),
        Trait::Flags(_) => match (chosen, rest().as_slice()) {
            (_, [Trait::Flags(0x02)]) => "established connections".to_owned(),
            ([Trait::Flags(0x02)], _) => "new connections (syn)".to_owned(),
            _ => format!(
                "with {}",
                list(chosen.iter().filter_map(|t| if let Trait::Flags(f) = t { Some(flags(*f)) } else { None }))
            ),
        },
        Trait::Icmp(_) => {
            let ipv4 = matches!(kind, Kind::Ip(true, ..));
            let name = |value: &Trait| if let Trait::Icmp(icmp) = value { Some(icmp.words(ipv4)) } else { None };
            let names = list(chosen.iter().filter_map(name));
            names.replace("neighbour solicitation, neighbour advertisement", "neighbour discovery")
        }
        Trait::Cast(_) if kind == Kind::Arp => {
            (if chosen == [Trait::Cast(Cast::All)] { "questions" } else { "answers" }).to_owned()
        }
        Trait::Cast(_) => {
            let name = |cast: &Trait| match cast {
                Trait::Cast(Cast::One) => Some("to one receiver".to_owned()),
                Trait::Cast(Cast::All) if constants.parts_broadcast() => Some("broadcast".to_owned()),
                Trait::Cast(Cast::All) => Some("broadcast and multicast".to_owned()),
                Trait::Cast(Cast::Group(mac)) if constants.macs.contains(mac) => Some(format!("to {mac}")),
                Trait::Cast(Cast::Group(_)) => Some("multicast".to_owned()),
                _ => None,
            };
            list(chosen.iter().filter_map(name))
        }
        Trait::Source(_) => format!("from {}", list(chosen.iter().filter_map(|t| t.place(chosen)))),
        Trait::Destination(_) => format!("to {}", list(chosen.iter().filter_map(|t| t.place(chosen)))),
        Trait::Tos(_) => {
            let tos = |t: &Trait| if let Trait::Tos(tos) = t { Some(tos.to_string()) } else { None };
            format!("of service {}", list(chosen.iter().filter_map(tos)))
        }
    }
}

impl Trait {
    /// An address; that of the member goes without saying where its range is said.
    fn place(&self, chosen: &[Self]) -> Option<String> {
        let (Self::Source(place) | Self::Destination(place)) = self else { return None };
        match place {
            Place::Own => (chosen.len() == 1).then(|| "its own address".to_owned()),
            Place::In(range, _) if range.bits() == 0 => Some("addresses elsewhere".to_owned()),
            Place::In(range, _) => Some(range.to_string()),
            Place::Nobody(_) => Some("an address that is not the sender's".to_owned()),
        }
    }
}

impl Icmp {
    fn words(self, ipv4: bool) -> String {
        match self {
            Self::Type(kind) => icmp_name(kind, ipv4),
            Self::Code(kind, code) => format!("{} code {code}", icmp_name(kind, ipv4)),
            Self::OtherCode(kind, _) => format!("{} with other codes", icmp_name(kind, ipv4)),
            Self::Other(_) => "other types".to_owned(),
        }
    }
}

/// Ranges, or all but a few.
fn but(chosen: &[Trait], rest: &[Trait]) -> String {
    let (those, others) = (intervals(chosen), intervals(rest));
    if others.len() < those.len() { format!("all but {}", list(others)) } else { list(those) }
}

/// Ranges, neighbours joined.
fn intervals(chosen: &[Trait]) -> Vec<String> {
    let mut joined: Vec<(u32, u32)> = Vec::new();
    let mut all: Vec<(u32, u32)> = chosen
        .iter()
        .filter_map(|value| match value {
            Trait::DestinationPort(a, b) | Trait::SourcePort(a, b) | Trait::Size(a, b) => Some((*a, *b)),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    for (first, last) in all {
        match joined.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => joined.push((first, last)),
        }
    }
    joined.into_iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") }).collect()
}

fn flags(flags: u16) -> String {
    let names: Vec<&str> = FLAGS.iter().filter(|(_, flag)| flags & flag != 0).map(|(name, _)| *name).collect();
    names.join(" ")
}

fn list(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}
