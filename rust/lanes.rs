//! Who shares a vector's lanes.
//!
//! A group's layer is as wide as its widest member's, and what pads out the others is work for
//! nothing: members of like shape belong together.

use crate::member::Member;

/// How many of the largest are looked at for a place in a group: grouping stays a small part of a
/// large population's work.
const WINDOW: usize = 64;
/// Groups of one class that exchange members: where there are more, like is beside like already.
const FEW: usize = 6;
/// What a whole vector costs where half a vector costs 1: from 1.4, measured where a processor works
/// on whole ones at once, to 2, where it works through their halves.
const WHOLE: f64 = 1.8;
/// What a row costs a group besides its weights, in weights.
const ROW: usize = 25;

/// Members of one class, the smallest first, in groups of at most so many, the largest first.
pub(crate) fn groups(mut class: Vec<&mut Member>, most: usize) -> Vec<Vec<&mut Member>> {
    let mut groups = Vec::new();
    while let Some(first) = class.pop() {
        let mut shape = first.network.topology().to_vec();
        let mut group = vec![first];
        while group.len() < most {
            // Who makes the group wider by the least; among equals the largest.
            let next = class.iter().enumerate().rev().take(WINDOW).min_by_key(|(place, member)| {
                (weights(wider(&shape, member.network.topology())), usize::MAX - place)
            });
            let Some((place, _)) = next else { break };
            let member = class.remove(place);
            shape = wider(&shape, member.network.topology()).collect();
            group.push(member);
        }
        groups.push(group);
    }
    if groups.len() <= FEW {
        exchange(&mut groups);
    }
    groups
}

/// Lets two members change places as long as that makes their groups narrower.
fn exchange(groups: &mut [Vec<&mut Member>]) {
    let mut settled = false;
    while !settled {
        settled = true;
        for second in 1..groups.len() {
            let (others, rest) = groups.split_at_mut(second);
            let group = &mut rest[0];
            for other in others {
                while let Some((i, j)) = best_exchange(other, group) {
                    std::mem::swap(&mut other[i], &mut group[j]);
                    settled = false;
                }
            }
        }
    }
}

/// The places of two groups' members who should change places, if any should.
fn best_exchange(one: &[&mut Member], other: &[&mut Member]) -> Option<(usize, usize)> {
    let (ones, others) = (without_each(one), without_each(other));
    let width = |i: usize, j: usize| {
        weights(wider(&ones[i], other[j].network.topology()))
            + weights(wider(&others[j], one[i].network.topology()))
    };
    let pairs = (0..one.len()).flat_map(|i| (0..other.len()).map(move |j| (i, j)));
    let best = pairs.map(|(i, j)| (width(i, j), (i, j))).min();
    let now = weights(shape(one).into_iter()) + weights(shape(other).into_iter());
    best.filter(|&(then, _)| then < now).map(|(_, pair)| pair)
}

/// The shape of a group without one of its members, for each of them.
fn without_each(group: &[&mut Member]) -> Vec<Vec<usize>> {
    let mut shapes = vec![vec![0; group[0].network.topology().len()]; group.len()];
    for (place, shape) in shapes.iter_mut().enumerate() {
        for (_, member) in group.iter().enumerate().filter(|(other, _)| *other != place) {
            *shape = wider(shape, member.network.topology()).collect();
        }
    }
    shapes
}

/// Groups of half a vector, two as one of a whole vector where that is less work.
pub(crate) fn joined(halves: Vec<Vec<&mut Member>>, lanes: usize) -> Vec<Vec<&mut Member>> {
    let cost = |shape: &[usize]| (weights(shape.iter().copied()) + ROW) as f64;
    let mut groups = Vec::new();
    let mut halves = halves.into_iter().peekable();
    while let Some(mut group) = halves.next() {
        let own = shape(&group);
        let next = halves.next_if(|next| {
            let other = shape(next);
            let together: Vec<usize> = wider(&own, &other).collect();
            group.len() + next.len() <= lanes && WHOLE * cost(&together) < cost(&own) + cost(&other)
        });
        group.extend(next.into_iter().flatten());
        groups.push(group);
    }
    groups
}

/// A shape wide enough for some members.
pub(crate) fn shape(members: &[&mut Member]) -> Vec<usize> {
    let first = members[0].network.topology().to_vec();
    let others = members[1..].iter().map(|member| member.network.topology());
    others.fold(first, |shape, topology| wider(&shape, topology).collect())
}

/// A shape wide enough for two.
pub(crate) fn wider(one: &[usize], other: &[usize]) -> impl Iterator<Item = usize> + Clone {
    one.iter().zip(other).map(|(&width, &units)| width.max(units))
}

/// Weights and biases of a shape.
pub(crate) fn weights(shape: impl Iterator<Item = usize> + Clone) -> usize {
    shape.clone().zip(shape.skip(1)).map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grouping::tests::population;

    #[test]
    fn an_exchange_that_makes_groups_narrower_is_made() {
        let mut members = population(8, 2);
        // With hidden layers of 8, 11, 3 and 6 units.
        let mut hidden = members.iter_mut().skip(1).step_by(2);
        let mut next = || hidden.next().expect("four members have a hidden layer");
        let (eight, eleven, three, six) = (next(), next(), next(), next());
        let mut groups = vec![vec![eight, three], vec![eleven, six]];
        exchange(&mut groups);
        let mut shapes: Vec<_> = groups.iter().map(|group| shape(group)).collect();
        shapes.sort();
        assert_eq!(shapes, [[4, 6, 3], [4, 11, 3]]);
    }
}
