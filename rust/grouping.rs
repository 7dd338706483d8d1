//! Who is trained beside whom.
//!
//! Members that take few rows at a time are trained side by side, one in each lane; a layer is then
//! as wide as the widest member's, so that members of like shape should be together, and few of them
//! rather than many that differ. Members that take many rows at a time are trained one by one, with
//! rows in the lanes.

use crate::hyperparameters::{ADAM, BATCH_SIZE, OPTIMIZER};
use crate::kernels::{Kernel, Simd, Square, dispatch};
use crate::member::Member;

/// From this batch size on a member fills the lanes by itself.
const ROWS_FOR_ONE: f64 = 8.0;
/// How many of the largest are looked at for a place in a group: grouping stays a small part of a
/// large population's work.
const WINDOW: usize = 64;
/// What a whole vector costs where half a vector costs 1: from 1.4, measured where a processor works
/// on whole ones at once, to 2, where it works through their halves.
const WHOLE: f64 = 1.8;
/// What a row costs a group besides its weights, in weights.
const ROW: usize = 25;
/// Numbers of a team that stay in the nearest cache.
const NEAR: usize = 8192;

/// Members that one thread trains at a time.
pub(crate) enum Team<'a> {
    /// Groups in step, each with at most one member for each lane of a vector: all alike in depth,
    /// activations, batch size and update rule.
    Groups(Vec<Vec<&'a mut Member>>),
    /// One.
    Single(&'a mut Member),
}

impl Team<'_> {
    /// The first member, whose batch size and update rule are those of all.
    pub(crate) fn first(&self) -> &Member {
        match self {
            Self::Groups(groups) => groups[0][0],
            Self::Single(member) => member,
        }
    }

    /// Weights and biases that are worked on for each row, those that pad out lanes included.
    pub(crate) fn padded(&self) -> usize {
        match self {
            Self::Groups(groups) => groups.iter().map(|members| padded(members)).sum(),
            Self::Single(member) => weights(member.network.topology().iter().copied()),
        }
    }
}

/// Weights and biases of some members, and what they become padded out in teams.
#[cfg(feature = "python")]
pub(crate) fn padding(members: &mut [Member]) -> (usize, usize) {
    let live = members.iter().map(|member| member.network.n_parameters()).sum();
    (live, teams(members.iter_mut().collect(), 1).iter().map(Team::padded).sum())
}

/// All members in teams, those of the most work first.
pub(crate) fn teams(members: Vec<&mut Member>, threads: usize) -> Vec<Team<'_>> {
    let (lanes, half) = dispatch(Lanes);
    let (many_rows, mut few_rows): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|member| member.hyperparameters[BATCH_SIZE] >= ROWS_FOR_ONE);
    let mut teams: Vec<Team<'_>> = many_rows.into_iter().map(Team::Single).collect();
    few_rows.sort_by_key(|member| weights(member.network.topology().iter().copied()));
    // No thread goes without work for the sake of company.
    let in_step = (few_rows.len() / half / threads).clamp(1, 2);
    while let Some(largest) = few_rows.pop() {
        let (mut class, others): (Vec<_>, Vec<_>) =
            few_rows.into_iter().partition(|member| alike(member, largest));
        few_rows = others;
        class.push(largest);
        let mut team: Vec<Vec<&mut Member>> = Vec::new();
        for group in joined(groups(class, half), lanes) {
            let adam = group[0].hyperparameters[OPTIMIZER] == ADAM;
            let numbers = |group: &[&mut Member]| padded(group) * if adam { 3 } else { 2 };
            let together: usize = team.iter().map(|group| numbers(group)).sum();
            let company = team.first().is_some_and(|first| {
                team.len() < in_step
                    && (first.len() <= half) == (group.len() <= half)
                    && together + numbers(&group) <= NEAR
            });
            if !company && !team.is_empty() {
                teams.push(Team::Groups(std::mem::take(&mut team)));
            }
            team.push(group);
        }
        teams.push(Team::Groups(team));
    }
    teams.sort_by_cached_key(|team| usize::MAX - team.padded());
    teams
}

/// Members of one class, the smallest first, in groups of at most so many, the largest first.
fn groups(mut class: Vec<&mut Member>, most: usize) -> Vec<Vec<&mut Member>> {
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
    groups
}

/// Groups of half a vector, two as one of a whole vector where that is less work.
fn joined(halves: Vec<Vec<&mut Member>>, lanes: usize) -> Vec<Vec<&mut Member>> {
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

/// Whether two members can be in one team.
fn alike(one: &Member, other: &Member) -> bool {
    one.network.activations() == other.network.activations()
        && [BATCH_SIZE, OPTIMIZER]
            .into_iter()
            .all(|row| one.hyperparameters[row] == other.hyperparameters[row])
}

/// Weights and biases of a group's lanes.
fn padded(members: &[&mut Member]) -> usize {
    let (lanes, half) = dispatch(Lanes);
    let used = if members.len() <= half { half } else { lanes };
    weights(shape(members).into_iter()) * used
}

/// A shape wide enough for some members.
fn shape(members: &[&mut Member]) -> Vec<usize> {
    let first = members[0].network.topology().to_vec();
    let others = members[1..].iter().map(|member| member.network.topology());
    others.fold(first, |shape, topology| wider(&shape, topology).collect())
}

/// A shape wide enough for two.
fn wider(one: &[usize], other: &[usize]) -> impl Iterator<Item = usize> + Clone {
    one.iter().zip(other).map(|(&width, &units)| width.max(units))
}

/// Weights and biases of a shape.
fn weights(shape: impl Iterator<Item = usize> + Clone) -> usize {
    shape.clone().zip(shape.skip(1)).map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
}

/// The lanes of a vector, and of a narrower one.
struct Lanes;

impl Kernel for Lanes {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Square>(self) -> (usize, usize) {
        (S::LANES, <S::Half as Simd>::LANES)
    }
}
