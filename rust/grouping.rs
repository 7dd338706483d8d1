//! Who is trained beside whom.
//!
//! Members that take few rows at a time are trained side by side, one in each lane; a layer is then
//! as wide as the widest member's, so that members of like shape should be together. Members that
//! take many rows at a time are trained one by one, with rows in the lanes.

use crate::hyperparameters::{ADAM, BATCH_SIZE, OPTIMIZER};
use crate::kernels::{Kernel, Simd, Square, dispatch};
use crate::member::Member;

/// From this batch size on a member fills the lanes by itself.
const ROWS_FOR_ONE: f64 = 8.0;
/// Up to this size a group takes two members for each lane: sums wait for longer than there is else
/// to do, and all of it stays in the nearest cache. (Adam has enough to do.)
const WEIGHTS_FOR_TWO: usize = 200;
/// How many of the largest are looked at for a place in a group: grouping stays a small part of a
/// large population's work.
const WINDOW: usize = 64;

/// Members that one thread trains at a time.
pub(crate) enum Team<'a> {
    /// One or two for each lane, or fewer: alike in depth, activations, batch size and update rule.
    Group(Vec<&'a mut Member>),
    /// One.
    Single(&'a mut Member),
}

impl Team<'_> {
    /// The first member, whose batch size and update rule are those of all.
    pub(crate) fn first(&self) -> &Member {
        match self {
            Self::Group(members) => members[0],
            Self::Single(member) => member,
        }
    }

    /// Weights and biases that are worked on for each row, those that pad out lanes included.
    pub(crate) fn padded(&self) -> usize {
        match self {
            Self::Group(members) => {
                let mut shape = Vec::new();
                for member in members {
                    widen(&mut shape, member);
                }
                let (lanes, half) = dispatch(Lanes);
                let used = if members.len() <= half { half } else { lanes };
                weights(shape.into_iter()) * members.len().next_multiple_of(used)
            }
            Self::Single(member) => weights(member.network.topology().iter().copied()),
        }
    }
}

/// Weights and biases of some members, and what they become padded out in teams.
#[cfg(feature = "python")]
pub(crate) fn padding(members: &mut [Member]) -> (usize, usize) {
    let live = members.iter().map(|member| member.network.n_parameters()).sum();
    (live, teams(members.iter_mut().collect()).iter().map(Team::padded).sum())
}

/// All members in teams, those of the most work first.
pub(crate) fn teams(members: Vec<&mut Member>) -> Vec<Team<'_>> {
    let (lanes, _) = dispatch(Lanes);
    let (many_rows, mut few_rows): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|member| member.hyperparameters[BATCH_SIZE] >= ROWS_FOR_ONE);
    let mut teams: Vec<Team<'_>> = many_rows.into_iter().map(Team::Single).collect();
    // The largest last, from where the first of each team is taken.
    few_rows.sort_by_key(|member| weights(member.network.topology().iter().copied()));
    while let Some(first) = few_rows.pop() {
        let mut shape = first.network.topology().to_vec();
        let mut team = vec![first];
        let adam = team[0].hyperparameters[OPTIMIZER] == ADAM;
        let room = |shape: &[usize]| {
            if !adam && weights(shape.iter().copied()) <= WEIGHTS_FOR_TWO {
                2 * lanes
            } else {
                lanes
            }
        };
        while team.len() < room(&shape) {
            // Who makes the group wider by the least; among equals the largest.
            let alike =
                few_rows.iter().enumerate().rev().filter(|(_, member)| alike(member, team[0]));
            let next = alike.take(WINDOW).min_by_key(|(place, member)| {
                let topology = member.network.topology();
                let wider = shape.iter().zip(topology).map(|(&width, &units)| width.max(units));
                (weights(wider), usize::MAX - place)
            });
            let Some((place, _)) = next else { break };
            let member = few_rows.remove(place);
            widen(&mut shape, member);
            team.push(member);
        }
        teams.push(Team::Group(team));
    }
    teams.sort_by_cached_key(|team| usize::MAX - team.padded());
    teams
}

/// Whether two members can be in one group.
fn alike(one: &Member, other: &Member) -> bool {
    one.network.activations() == other.network.activations()
        && [BATCH_SIZE, OPTIMIZER]
            .into_iter()
            .all(|row| one.hyperparameters[row] == other.hyperparameters[row])
}

/// Makes a shape wide enough for one more member.
fn widen(shape: &mut Vec<usize>, member: &Member) {
    let topology = member.network.topology();
    shape.resize(topology.len(), 0);
    for (width, &units) in shape.iter_mut().zip(topology) {
        *width = units.max(*width);
    }
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
