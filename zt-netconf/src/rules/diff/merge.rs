//! From single frames to a few words: forms that differ in one thing only are put together, and what holds for all
//! values of a thing is not said.

use std::collections::{BTreeMap, BTreeSet};

use super::constants::Constants;
use super::space::{Cast, Icmp, Kind, Place, Space, Trait, icmp_name};
use crate::rules::words::names::{self, FLAGS};

/// Forms of one kind of frame: for each thing that varies the values, by their places.
type Block = Vec<BTreeSet<u16>>;

/// The fewest blocks that this finds for some points.
pub(super) fn blocks(points: &[Vec<u16>]) -> Vec<Block> {
    let mut blocks: Vec<Block> =
        points.iter().map(|point| point.iter().map(|at| BTreeSet::from([*at])).collect()).collect();
    let dims = points.first().map_or(0, Vec::len);
    // What a rule says last, ports and types, is merged last.
    for dim in (0..dims).rev() {
        let mut merged: BTreeMap<Block, BTreeSet<u16>> = BTreeMap::new();
        for mut block in blocks {
            let values = std::mem::take(&mut block[dim]);
            merged.entry(block).or_default().extend(values);
        }
        blocks = merged
            .into_iter()
            .map(|(mut block, values)| {
                block[dim] = values;
                block
            })
            .collect();
    }
    blocks
}

/// What the frames of some kinds have in common, in few words.
pub(super) fn words(spaces: &[Space], changed: &BTreeMap<usize, Vec<Vec<u16>>>, constants: &Constants) -> Vec<String> {
    let whole = |at: usize| changed.get(&at).is_some_and(|points| points.len() == spaces[at].len());
    if (0..spaces.len()).all(whole) {
        return vec!["everything".to_owned()];
    }
    let mut out = Vec::new();
    let family = |at: usize| if let Kind::Ip(ipv4, ..) = spaces[at].kind { Some(ipv4) } else { None };
    let all_of = |ipv4: bool| (0..spaces.len()).filter(|at| family(*at) == Some(ipv4)).all(whole);
    let said = [all_of(true), all_of(false)];
    for (all, name) in said.into_iter().zip(["IPv4", "IPv6"]) {
        out.extend(all.then(|| name.to_owned()));
    }
    let mut told: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (at, points) in changed.iter().filter(|(at, _)| family(**at).is_none_or(|ipv4| !said[usize::from(!ipv4)])) {
        told.insert(*at, blocks(points).iter().map(|block| spaces[*at].words(block, constants)).collect());
    }
    // What is the same for every kind is said of all at once: first of any, then of a family.
    let sets: [(&str, &dyn Fn(usize) -> bool); 3] = [
        ("any kind", &|at| spaces[at].kind != Kind::Arp),
        ("IPv4", &|at| family(at) == Some(true)),
        ("IPv6", &|at| family(at) == Some(false)),
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
        Trait::DestinationPort(..) => intervals(chosen),
        Trait::SourcePort(..) => format!("from port {}", intervals(chosen)),
        Trait::Size(..) => format!("of {} bytes", intervals(chosen)),
        Trait::Flags(_) => match (chosen, rest().as_slice()) {
            (_, [Trait::Flags(0x02)]) => "but the first packet of a connection".to_owned(),
            ([Trait::Flags(0x02)], _) => "the first packet of a connection (syn)".to_owned(),
            _ => format!(
                "with {}",
                list(chosen.iter().filter_map(|t| if let Trait::Flags(f) = t { Some(flags(*f)) } else { None }))
            ),
        },
        Trait::Icmp(_) => {
            let ipv4 = matches!(kind, Kind::Ip(true, ..));
            list(chosen.iter().filter_map(|t| if let Trait::Icmp(icmp) = t { Some(icmp.words(ipv4)) } else { None }))
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

/// Ranges, neighbours joined.
fn intervals(chosen: &[Trait]) -> String {
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
    list(joined.into_iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") }))
}

fn flags(flags: u16) -> String {
    let names: Vec<&str> = FLAGS.iter().filter(|(_, flag)| flags & flag != 0).map(|(name, _)| *name).collect();
    debug_assert!(names::name(FLAGS, 0x02) == Some("syn"));
    names.join(" ")
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
