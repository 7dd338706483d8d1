//! Who shares a vector's lanes.
//!
//! A group's layer is as wide as its widest member's, and what pads out the others is work for
//! nothing: members of like shape belong together.

use std::cmp::Reverse;

use crate::kernels::Machine;
use crate::member::Member;

/// How many of the largest are looked at for a place in a group: grouping stays a small part of a
/// large population's work.
const WINDOW: usize = 64;
/// Groups of one class that exchange members: where there are more, like is beside like already.
const FEW: usize = 6;
/// What a row costs a group besides its weights, in weights.
pub(crate) const ROW: usize = 25;

/// Members of one class, the smallest first, in groups of at most so many, the largest first.
pub(crate) fn groups(class: Vec<&mut Member>, most: usize) -> Vec<Vec<&mut Member>> {
    let shapes: Vec<&[usize]> = class.iter().map(|member| member.network.topology()).collect();
    let partition = partition(&shapes, most);
    let mut class: Vec<Option<&mut Member>> = class.into_iter().map(Some).collect();
    let mut members = |group: Vec<usize>| -> Vec<&mut Member> {
        group.into_iter().filter_map(|place| class[place].take()).collect()
    };
    partition.into_iter().map(&mut members).collect()
}

/// Shapes of one depth, the smallest first, in groups of at most so many, the largest first.
///
/// To find the groups of the fewest weights would take too long. Few groups are set out from in
/// several ways, and made better by exchanges as long as that can be.
fn partition(shapes: &[&[usize]], most: usize) -> Vec<Vec<usize>> {
    let mut best = nearest(shapes, most);
    if (2..=FEW).contains(&best.len()) {
        let mut least = exchange(shapes, &mut best);
        for layer in 1..shapes[0].len() - 1 {
            let mut other = sorted(shapes, most, layer);
            let cost = exchange(shapes, &mut other);
            if cost < least {
                (least, best) = (cost, other);
            }
        }
    }
    best.sort_by_cached_key(|group| usize::MAX - n_parameters(shape_of(shapes, group).into_iter()));
    best
}

/// Groups of the largest and of those that make it wider by the least.
fn nearest(shapes: &[&[usize]], most: usize) -> Vec<Vec<usize>> {
    let mut rest: Vec<usize> = (0..shapes.len()).collect();
    let mut groups = Vec::new();
    while let Some(first) = rest.pop() {
        let mut shape = shapes[first].to_vec();
        let mut group = vec![first];
        while group.len() < most
            && let Some(place) = next(shapes, &rest, &shape)
        {
            let place = rest.remove(place);
            widen(&mut shape, shapes[place]);
            group.push(place);
        }
        groups.push(group);
    }
    groups
}

/// Who of the rest makes a group of this shape wider by the least; among equals the largest.
fn next(shapes: &[&[usize]], rest: &[usize], shape: &[usize]) -> Option<usize> {
    let now = n_parameters(shape.iter().copied());
    let mut best = None;
    for (index, &place) in rest.iter().enumerate().rev().take(WINDOW) {
        let then = n_parameters(wider(shape, shapes[place]));
        if then == now {
            return Some(index);
        }
        if best.is_none_or(|(least, _)| then < least) {
            best = Some((then, index));
        }
    }
    best.map(|(_, index)| index)
}

/// Groups of those that are alike in one layer first, then in those after it, then in those before.
fn sorted(shapes: &[&[usize]], most: usize, layer: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    order.sort_by_key(|&place| {
        let (before, after) = shapes[place].split_at(layer);
        Reverse((after, before))
    });
    order.chunks(most).map(<[usize]>::to_vec).collect()
}

/// Lets two members change places as long as that makes their groups narrower; returns the weights
/// of all groups.
fn exchange(shapes: &[&[usize]], groups: &mut [Vec<usize>]) -> usize {
    let mut costs: Vec<Costs> = groups.iter().map(|group| Costs::of(shapes, group)).collect();
    let mut settled = false;
    while !settled {
        settled = true;
        for second in 1..groups.len() {
            let (others, rest) = groups.split_at_mut(second);
            let group = &mut rest[0];
            for (first, other) in others.iter_mut().enumerate() {
                while let Some((i, j)) =
                    best_exchange(shapes, (other, &costs[first]), (group, &costs[second]))
                {
                    std::mem::swap(&mut other[i], &mut group[j]);
                    costs[first] = Costs::of(shapes, other);
                    costs[second] = Costs::of(shapes, group);
                    settled = false;
                }
            }
        }
    }
    costs.iter().map(|costs| costs.now).sum()
}

/// The places of two groups' members who should change places, if any should.
fn best_exchange(
    shapes: &[&[usize]],
    (one, one_costs): (&[usize], &Costs),
    (other, other_costs): (&[usize], &Costs),
) -> Option<(usize, usize)> {
    let mut best = (one_costs.now + other_costs.now, None);
    for (i, (least, without)) in one_costs.without_each().enumerate() {
        for (j, (other_least, other_without)) in other_costs.without_each().enumerate() {
            // Who comes in makes no group narrower.
            if least + other_least < best.0 {
                let then = n_parameters(wider(without, shapes[other[j]]))
                    + n_parameters(wider(other_without, shapes[one[i]]));
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
    fn of(shapes: &[&[usize]], group: &[usize]) -> Self {
        let depth = shapes[group[0]].len();
        let mut without = vec![0; group.len() * depth];
        // As wide as those before it, and as those after it.
        let mut before = vec![0; depth];
        for (shape, &place) in without.chunks_exact_mut(depth).zip(group) {
            widen(shape, &before);
            widen(&mut before, shapes[place]);
        }
        let mut after = vec![0; depth];
        for (shape, &place) in without.chunks_exact_mut(depth).zip(group).rev() {
            widen(shape, &after);
            widen(&mut after, shapes[place]);
        }
        let of = |shape: &[usize]| n_parameters(shape.iter().copied());
        let costs = without.chunks_exact(depth).map(of).collect();
        Self { now: of(&before), without: costs, shapes: without }
    }

    /// For each member what the group costs without it, and its shape.
    fn without_each(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let depth = self.shapes.len() / self.without.len();
        self.without.iter().copied().zip(self.shapes.chunks_exact(depth))
    }
}

/// Groups of half a vector, two as one of a whole vector where that is less work.
pub(crate) fn joined(halves: Vec<Vec<&mut Member>>, lanes: usize) -> Vec<Vec<&mut Member>> {
    let cost = |shape: &[usize]| (n_parameters(shape.iter().copied()) + ROW) as f64;
    let whole = Machine::this().whole;
    let mut groups = Vec::new();
    let mut halves = halves.into_iter().peekable();
    while let Some(mut group) = halves.next() {
        let own = shape(&group);
        let next = halves.next_if(|next| {
            let other = shape(next);
            let together: Vec<usize> = wider(&own, &other).collect();
            group.len() + next.len() <= lanes && whole * cost(&together) < cost(&own) + cost(&other)
        });
        group.extend(next.into_iter().flatten());
        groups.push(group);
    }
    groups
}

/// A shape wide enough for some members.
pub(crate) fn shape(members: &[&mut Member]) -> Vec<usize> {
    widest(members.iter().map(|member| member.network.topology()))
}

/// A shape wide enough for a group of these.
fn shape_of(shapes: &[&[usize]], group: &[usize]) -> Vec<usize> {
    widest(group.iter().map(|&place| shapes[place]))
}

/// A shape wide enough for all.
fn widest<'a>(mut shapes: impl Iterator<Item = &'a [usize]>) -> Vec<usize> {
    let mut shape = shapes.next().unwrap_or(&[]).to_vec();
    shapes.for_each(|other| widen(&mut shape, other));
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
pub(crate) fn n_parameters(shape: impl Iterator<Item = usize> + Clone) -> usize {
    shape.clone().zip(shape.skip(1)).map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Random};

    /// Of one hidden layer each.
    fn hidden(widths: &[usize]) -> Vec<[usize; 3]> {
        widths.iter().map(|&width| [4, width, 3]).collect()
    }

    fn slices(shapes: &[[usize; 3]]) -> Vec<&[usize]> {
        shapes.iter().map(<[usize; 3]>::as_slice).collect()
    }

    #[test]
    fn an_exchange_that_makes_groups_narrower_is_made() {
        let shapes = hidden(&[8, 11, 3, 6]);
        let mut groups = vec![vec![0, 2], vec![1, 3]];
        // (4 + 1 + 3) · width + 3 of each group.
        assert_eq!(exchange(&slices(&shapes), &mut groups), 8 * (6 + 11) + 6);
        for group in &mut groups {
            group.sort_unstable();
        }
        groups.sort();
        assert_eq!(groups, [[0, 1], [2, 3]]);
    }

    #[test]
    fn other_ways_of_grouping_are_taken_where_they_are_narrower() {
        let mut random = Random::new(0, 0, 0, Purpose::Split);
        let mut won = 0;
        for _ in 0..20 {
            let shapes: Vec<Vec<usize>> =
                (0..24).map(|_| vec![3, 1 + random.below(9), 1 + random.below(9), 2]).collect();
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            let first = exchange(&shapes, &mut nearest(&shapes, 8));
            let best: usize = partition(&shapes, 8)
                .iter()
                .map(|group| n_parameters(shape_of(&shapes, group).into_iter()))
                .sum();
            assert!(best <= first);
            won += usize::from(best < first);
        }
        assert!(won > 0);
    }

    #[test]
    fn everybody_is_in_one_group_none_of_which_is_too_large_and_the_largest_are_first() {
        let mut random = Random::new(0, 0, 0, Purpose::Split);
        for k in [1_usize, 7, 8, 9, 40, 100] {
            let mut shapes: Vec<Vec<usize>> =
                (0..k).map(|_| vec![3, 1 + random.below(9), 1 + random.below(9), 2]).collect();
            shapes.sort_by_key(|shape| n_parameters(shape.iter().copied()));
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            let groups = partition(&shapes, 8);
            let costs: Vec<usize> = groups
                .iter()
                .map(|group| n_parameters(shape_of(&shapes, group).into_iter()))
                .collect();
            assert!(costs.is_sorted_by(|one, other| one >= other));
            assert_eq!(groups.len(), k.div_ceil(8));
            let mut all: Vec<usize> = groups.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..k));
            // No worse than the simplest way.
            let simple: Vec<Vec<usize>> =
                (0..k).rev().collect::<Vec<_>>().chunks(8).map(<[usize]>::to_vec).collect();
            let simple: usize =
                simple.iter().map(|group| n_parameters(shape_of(&shapes, group).into_iter())).sum();
            assert!(costs.iter().sum::<usize>() <= simple, "{k}");
        }
    }
}
