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
        while group.len() < most
            && let Some(place) = next(&class, &shape)
        {
            let member = class.remove(place);
            widen(&mut shape, member.network.topology());
            group.push(member);
        }
        groups.push(group);
    }
    if groups.len() <= FEW {
        exchange(&mut groups);
    }
    groups
}

/// The place of who makes a group of this shape wider by the least; among equals of the largest.
fn next(class: &[&mut Member], shape: &[usize]) -> Option<usize> {
    let now = weights(shape.iter().copied());
    let mut best = None;
    for (place, member) in class.iter().enumerate().rev().take(WINDOW) {
        let then = weights(wider(shape, member.network.topology()));
        if then == now {
            return Some(place);
        }
        if best.is_none_or(|(least, _)| then < least) {
            best = Some((then, place));
        }
    }
    best.map(|(_, place)| place)
}

/// Lets two members change places as long as that makes their groups narrower.
fn exchange(groups: &mut [Vec<&mut Member>]) {
    let mut costs: Vec<Costs> = groups.iter().map(|group| Costs::of(group)).collect();
    let mut settled = false;
    while !settled {
        settled = true;
        for second in 1..groups.len() {
            let (others, rest) = groups.split_at_mut(second);
            let group = &mut rest[0];
            for (first, other) in others.iter_mut().enumerate() {
                while let Some((i, j)) =
                    best_exchange((other, &costs[first]), (group, &costs[second]))
                {
                    std::mem::swap(&mut other[i], &mut group[j]);
                    (costs[first], costs[second]) = (Costs::of(other), Costs::of(group));
                    settled = false;
                }
            }
        }
    }
}

/// The places of two groups' members who should change places, if any should.
fn best_exchange(
    (one, one_costs): (&[&mut Member], &Costs),
    (other, other_costs): (&[&mut Member], &Costs),
) -> Option<(usize, usize)> {
    let mut best = (one_costs.now + other_costs.now, None);
    for (i, (least, without)) in one_costs.without_each().enumerate() {
        for (j, (other_least, other_without)) in other_costs.without_each().enumerate() {
            // Who comes in makes no group narrower.
            if least + other_least < best.0 {
                let then = weights(wider(without, other[j].network.topology()))
                    + weights(wider(other_without, one[i].network.topology()));
                if then < best.0 {
                    best = (then, Some((i, j)));
                }
            }
        }
    }
    best.1
}

/// What a group costs in weights, and would without one of its members, for each of them.
struct Costs {
    now: usize,
    without: Vec<usize>,
    /// Its shapes without each, `(members, layers)`.
    shapes: Vec<usize>,
}

impl Costs {
    fn of(group: &[&mut Member]) -> Self {
        let depth = group[0].network.topology().len();
        let mut shapes = vec![0; group.len() * depth];
        // As wide as those before it, and as those after it.
        let mut before = vec![0; depth];
        for (shape, member) in shapes.chunks_exact_mut(depth).zip(group) {
            widen(shape, &before);
            widen(&mut before, member.network.topology());
        }
        let mut after = vec![0; depth];
        for (shape, member) in shapes.chunks_exact_mut(depth).zip(group).rev() {
            widen(shape, &after);
            widen(&mut after, member.network.topology());
        }
        let of = |shape: &[usize]| weights(shape.iter().copied());
        Self { now: of(&before), without: shapes.chunks_exact(depth).map(of).collect(), shapes }
    }

    /// For each member what the group costs without it, and its shape.
    fn without_each(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let depth = self.shapes.len() / self.without.len();
        self.without.iter().copied().zip(self.shapes.chunks_exact(depth))
    }
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
    let mut shape = members[0].network.topology().to_vec();
    members[1..].iter().for_each(|member| widen(&mut shape, member.network.topology()));
    shape
}

/// Makes a shape wide enough for another.
fn widen(shape: &mut [usize], topology: &[usize]) {
    for (width, &units) in shape.iter_mut().zip(topology) {
        *width = units.max(*width);
    }
}

/// A shape wide enough for two.
fn wider(one: &[usize], other: &[usize]) -> impl Iterator<Item = usize> + Clone {
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
