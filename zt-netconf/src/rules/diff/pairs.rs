//! From single pairs of groups to a few lines.

use std::collections::{BTreeMap, BTreeSet};

use super::Ways;

/// Senders and receivers, by their groups.
pub(super) type Pairs = BTreeSet<(usize, usize)>;

/// Senders, receivers, and how they are meant.
type Lines = Vec<(Vec<usize>, Vec<usize>, Ways)>;

/// The pairs as a few lines; `alone` says of a group that it has one member, who is no pair with itself.
pub(super) fn lines(pairs: &Pairs, alone: &dyn Fn(usize) -> bool) -> Lines {
    let mirrored = |(from, to): &(usize, usize)| pairs.contains(&(*to, *from));
    let (both, single): (Pairs, Pairs) = pairs.iter().copied().partition(mirrored);
    let mut out = Vec::new();
    mutual(both, alone, &mut out);
    out.extend(products(neighbours(&single)).into_iter().map(|(from, to)| (from, to, Ways::One)));
    out
}

/// Pairs that are there in both directions.
fn mutual(mut pairs: Pairs, alone: &dyn Fn(usize) -> bool, out: &mut Lines) {
    let mut within: BTreeSet<usize> = pairs.iter().filter(|(a, b)| a == b).map(|(a, _)| *a).collect();
    pairs.retain(|(a, b)| a != b);
    loop {
        let clique = clique(&neighbours(&pairs));
        if clique.len() < 2 {
            break;
        }
        let all: Vec<usize> = clique.iter().copied().collect();
        let closed = clique.iter().all(|group| within.contains(group) || alone(*group));
        // Two are a clique too, but are said as what they are.
        if all.len() == 2 && !closed {
            break;
        }
        pairs.retain(|(a, b)| !(clique.contains(a) && clique.contains(b)));
        if closed && all.iter().any(|group| within.contains(group)) {
            within.retain(|group| !clique.contains(group));
            out.push((all.clone(), all, Ways::Both));
        } else if all.len() == 2 {
            out.push((vec![all[0]], vec![all[1]], Ways::Both));
        } else {
            out.push((all.clone(), all, Ways::AnyTwo));
        }
    }
    let mut edges = neighbours(&pairs);
    while let Some((_, to)) = edges.iter().max_by_key(|(_, to)| to.len()).filter(|(_, to)| !to.is_empty()) {
        let to = to.clone();
        let from: Vec<usize> = edges.iter().filter(|(_, others)| **others == to).map(|(group, _)| *group).collect();
        for group in &to {
            edges.entry(*group).or_default().retain(|other| !from.contains(other));
        }
        for group in &from {
            edges.entry(*group).or_default().retain(|other| !to.contains(other));
        }
        let to: Vec<usize> = to.into_iter().collect();
        let first_is_less = (from.len(), &from) <= (to.len(), &to);
        out.push(if first_is_less { (from, to, Ways::Both) } else { (to, from, Ways::Both) });
    }
    out.extend(within.into_iter().map(|group| (vec![group], vec![group], Ways::Both)));
}

/// Some groups of which each is a neighbour of each other, as many as a first try finds.
fn clique(edges: &BTreeMap<usize, BTreeSet<usize>>) -> BTreeSet<usize> {
    let mut order: Vec<usize> = edges.keys().copied().collect();
    order.sort_by_key(|group| std::cmp::Reverse(edges[group].len()));
    let mut found: BTreeSet<usize> = BTreeSet::new();
    for group in order {
        if found.iter().all(|other| edges[&group].contains(other)) {
            found.insert(group);
        }
    }
    found
}

fn neighbours(pairs: &Pairs) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut out: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (from, to) in pairs {
        out.entry(*from).or_default().insert(*to);
    }
    out
}

/// Senders with the same receivers.
fn products(to_of: BTreeMap<usize, BTreeSet<usize>>) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut from_of: BTreeMap<BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
    for (from, to) in to_of {
        from_of.entry(to).or_default().push(from);
    }
    from_of.into_iter().map(|(to, from)| (from, to.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_said_in_few_lines_and_none_is_lost() {
        let two_way =
            |pairs: &[(usize, usize)]| -> Pairs { pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect() };
        let said = |pairs: &Pairs| lines(pairs, &|group| group == 9);
        assert_eq!(said(&two_way(&[(0, 1)])), [(vec![0], vec![1], Ways::Both)]);
        assert_eq!(said(&Pairs::from([(0, 1), (0, 2), (3, 1), (3, 2)])), [(vec![0, 3], vec![1, 2], Ways::One)]);
        let star = two_way(&[(1, 0), (1, 2), (1, 3)]);
        assert_eq!(said(&star), [(vec![1], vec![0, 2, 3], Ways::Both)]);
        let any_two = two_way(&[(0, 1), (1, 2), (2, 0)]);
        assert_eq!(said(&any_two), [(vec![0, 1, 2], vec![0, 1, 2], Ways::AnyTwo)]);
        let all = two_way(&[(0, 0), (0, 1), (1, 1), (0, 9), (1, 9)]);
        assert_eq!(said(&all), [(vec![0, 1, 9], vec![0, 1, 9], Ways::Both)]);
        assert_eq!(said(&two_way(&[(4, 4)])), [(vec![4], vec![4], Ways::Both)]);
        for seed in 1..200_u64 {
            let bit = |n: usize| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (n % 61) & 1 != 0;
            let pairs: Pairs = (0..36).filter(|n| bit(*n)).map(|n| (n / 6, n % 6)).collect();
            let mut told = Pairs::new();
            for (from, to, ways) in said(&pairs) {
                for (a, b) in from.iter().flat_map(|a| to.iter().map(|b| (*a, *b))) {
                    if ways == Ways::AnyTwo && a == b {
                        continue;
                    }
                    told.insert((a, b));
                    if ways != Ways::One {
                        told.insert((b, a));
                    }
                }
            }
            assert_eq!(told, pairs, "{seed}");
        }
    }
}
