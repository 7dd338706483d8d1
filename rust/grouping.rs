//! Who is trained beside whom.
//!
//! Members that take few rows at a time are trained side by side, one in each lane; a layer is then
//! as wide as the widest member's, so that members of like shape should be together, and few of them
//! rather than many that differ. Members that take many rows at a time are trained one after the
//! other, with rows in the lanes, but take turns at a window of rows, so that it is fetched once.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::kernels::{Kernel, Machine, NEAR, Simd, Square, Standing, dispatch, standing};
use crate::lanes::{ROW, groups, joined, n_parameters, shape};
use crate::member::Member;
use crate::network::Activation;

/// From this batch size on a member fills the lanes by itself.
const ROWS_FOR_ONE: usize = 8;
/// Weights and velocities of the members that take turns at a window of rows: they stay in the
/// second-level cache, or not far from it.
const TURNS: usize = 131_072;
/// Numbers of a batch so large that who has it shares a window with its like alone.
const LARGE: usize = 131_072;
/// Rows that costs are for.
const ROWS: u64 = 256;
/// What a batch costs each layer besides its sums, in multiply-adds of a vector.
const LAYER: u64 = 400;
/// What the update of a vector of parameters costs with Adam, in the same unit.
const ADAM_UPDATE: u64 = 8;
/// What a group's row costs for each half vector of parameters, in the same unit.
const HALF_UPDATE: f64 = 3.0;
/// What Adam adds to that for each batch: a guess.
const HALF_ADAM_UPDATE: f64 = 3.0;
/// Teams that each of several threads has: more would fetch more windows, and with fewer no thread could take
/// over what another is slow with.
pub(crate) const TEAMS: usize = 2;

/// Members that one thread trains at a time.
pub(crate) enum Team<'a> {
    /// Groups in step, each with at most one member for each lane of a vector: all alike in depth,
    /// activations, batch size and update rule.
    Groups(Vec<Vec<&'a mut Member>>),
    /// Members that take turns at a window of rows, and what trains them once it is made: a
    /// [`crate::kernels::Singles`] of whichever vectors.
    Singles(Vec<&'a mut Member>, Option<Box<dyn Any + Send>>),
}

impl Team<'_> {
    /// What training costs where an epoch has so many rows, in the unit of [`cost`].
    pub(crate) fn cost(&self, rows: usize) -> u64 {
        match self {
            Self::Groups(groups) => groups.iter().map(|members| group_cost(members, rows)).sum(),
            Self::Singles(members, _) => members.iter().map(|member| cost(member, rows)).sum(),
        }
    }

    /// Rows of the largest batch.
    pub(crate) fn largest_batch(&self, rows: usize) -> usize {
        let batch_size = |member: &&mut Member| member.batch_size(rows);
        match self {
            Self::Groups(groups) => groups.iter().flatten().map(batch_size).max(),
            Self::Singles(members, _) => members.iter().map(batch_size).max(),
        }
        .unwrap_or(1)
    }

    /// Weights and biases that are worked on for each row, those that pad out lanes included.
    #[cfg(feature = "python")]
    fn padded(&self) -> usize {
        match self {
            Self::Groups(groups) => groups.iter().map(|members| padded(members)).sum(),
            Self::Singles(members, _) => {
                members.iter().map(|member| member.network.parameters().len()).sum()
            }
        }
    }
}

/// Weights and biases of some members, and what they become padded out in teams, where an epoch has
/// so many rows.
#[cfg(feature = "python")]
pub(crate) fn padding(members: &mut [Member], rows: usize) -> (usize, usize) {
    let live = members.iter().map(|member| member.network.n_parameters()).sum();
    (live, teams(members.iter_mut().collect(), rows, 1).iter().map(Team::padded).sum())
}

/// All members in teams, those of the most work first, where an epoch has so many rows.
pub(crate) fn teams(members: Vec<&mut Member>, rows: usize, threads: usize) -> Vec<Team<'_>> {
    let (lanes, half) = dispatch(Lanes);
    let (many_rows, mut few_rows): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|member| member.batch_size(rows) >= ROWS_FOR_ONE);
    few_rows.sort_by_key(|member| member.network.parameters().len());
    let mut classes: BTreeMap<_, Vec<&mut Member>> = BTreeMap::new();
    for member in few_rows {
        classes.entry(class(member, rows)).or_default().push(member);
    }
    let mut classes: Vec<_> = classes.into_values().map(|class| groups(class, half)).collect();
    // No thread goes without work for the sake of wider vectors or of company: joining may leave half as many.
    if classes.iter().map(Vec::len).sum::<usize>() >= 2 * threads {
        classes = classes.into_iter().map(|halves| joined(halves, lanes)).collect();
    }
    let most = most_in_step(classes.iter().map(Vec::len).sum(), threads);
    let mut teams = singles(many_rows, rows, threads);
    for groups in classes {
        // Of five groups three and two rather than four and one, if the cache holds as many.
        let in_step = groups.len().div_ceil(groups.len().div_ceil(most));
        let mut team: Vec<Vec<&mut Member>> = Vec::new();
        for group in groups {
            let company = team.first().is_some_and(|first| {
                let before: usize = team.iter().map(|one| numbers(one, rows)).sum();
                team.len() < in_step
                    && (first.len() <= half) == (group.len() <= half)
                    && before + numbers(&group, rows) <= NEAR
            });
            if !company && !team.is_empty() {
                teams.push(Team::Groups(std::mem::take(&mut team)));
            }
            team.push(group);
        }
        teams.push(Team::Groups(team));
    }
    teams.sort_by_cached_key(|team| Reverse(team.cost(rows)));
    teams
}

/// How many of so many groups go in step, at the most. More than two only where each of several threads
/// has two teams at the least: a team is of the largest groups that are left, so that there must be some
/// to make up for it.
fn most_in_step(groups: usize, threads: usize) -> usize {
    let teams = if threads > 1 { TEAMS * threads } else { 1 };
    let more = (groups / teams).min(Machine::this().in_step);
    (groups / threads).clamp(1, 2).max(more)
}

/// Members that fill the lanes by themselves, as many teams for one thread as for another.
fn singles(mut members: Vec<&mut Member>, rows: usize, threads: usize) -> Vec<Team<'_>> {
    members.sort_by_cached_key(|member| Reverse(cost(member, rows)));
    let mut classes: BTreeMap<_, Vec<&mut Member>> = BTreeMap::new();
    for member in members {
        let (batch_size, topology) = (member.batch_size(rows), member.network.topology());
        let width = topology[0] + topology[topology.len() - 1];
        let large = (batch_size * width > LARGE).then_some(batch_size);
        classes.entry(large).or_default().push(member);
    }
    let mut teams = Vec::new();
    for class in classes.into_values() {
        let numbers: usize = class.iter().map(|member| member.network.parameters().len() * 2).sum();
        let needed = numbers.div_ceil(TURNS).next_multiple_of(threads);
        let least = if threads > 1 { TEAMS * threads } else { 1 };
        let count = needed.max(least).min(class.len());
        let mut shares: Vec<(u64, Vec<&mut Member>)> = (0..count).map(|_| (0, vec![])).collect();
        // The largest first, each to those who have the least to do.
        for member in class {
            if let Some((work, team)) = shares.iter_mut().min_by_key(|(work, _)| *work) {
                *work += cost(member, rows);
                team.push(member);
            }
        }
        teams.extend(shares.into_iter().map(|(_, team)| Team::Singles(team, None)));
    }
    teams
}

/// What must be alike in one team: depth and activations, batch size and update rule.
fn class(member: &Member, rows: usize) -> (Vec<Activation>, usize, bool) {
    let activations = member.network.activations().to_vec();
    (activations, member.batch_size(rows), member.adam())
}

/// What training a member by `ROWS` rows costs with rows in the lanes, in multiply-adds of a vector.
///
/// Fitted to 160 networks of up to two hidden layers and 64 units, batches of 8 to 64: times are within
/// 26 % of it (standard deviation), where weights alone were wrong by a factor of 2.6. That was before
/// layers after the first were turned, units stood in rows and tiles were wide; what turning over costs, and
/// what a product in rows or a wide tile saves, is not counted.
fn cost(member: &Member, rows: usize) -> u64 {
    let (whole, half) = dispatch(Lanes);
    let batch_size = member.batch_size(rows);
    let vectors = batch_size.div_ceil(whole);
    let update = if member.adam() { ADAM_UPDATE } else { 1 };
    let standings = standing(member.network.topology(), batch_size, (whole, half));
    let batch: u64 = member
        .network
        .layers()
        .zip(standings)
        .enumerate()
        .map(|(index, (layer, Standing { matrix, .. }))| {
            let ways = if index > 0 { 2 } else { 1 };
            let sums = ways * layer.inputs * layer.outputs * vectors;
            let updates = matrix.numbers() as u64 * (batch_size as u64 + update);
            LAYER + sums as u64 + updates / whole as u64
        })
        .sum();
    batch * ROWS / batch_size as u64
}

/// What training a group by `ROWS` rows costs, in the unit of [`cost`].
fn group_cost(members: &[&mut Member], rows: usize) -> u64 {
    let (_, half) = dispatch(Lanes);
    let parameters = n_parameters(shape(members).into_iter()) + ROW;
    let update = if members[0].adam() { HALF_ADAM_UPDATE } else { 0.0 };
    let one = HALF_UPDATE + update / members[0].batch_size(rows) as f64;
    let one = if members.len() <= half { one } else { one * Machine::this().whole };
    (parameters as f64 * one) as u64 * ROWS
}

/// Numbers that a group works on for each row: parameters, slots, and the sums of a batch.
fn numbers(group: &[&mut Member], rows: usize) -> usize {
    let sums = group[0].batch_size(rows) > 1;
    padded(group) * (2 + usize::from(group[0].adam()) + usize::from(sums))
}

/// Weights and biases of a group's lanes.
fn padded(members: &[&mut Member]) -> usize {
    let (lanes, half) = dispatch(Lanes);
    let used = if members.len() <= half { half } else { lanes };
    n_parameters(shape(members).into_iter()) * used
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

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::hyperparameters::{ADAM, BATCH_SIZE, Domain, OPTIMIZER, Table};
    use crate::member::Space;

    /// So many members: as many classes as given, hidden layers of unequal widths.
    pub(crate) fn population(k: usize, classes: usize) -> Vec<Member> {
        (0..k).map(|place| born(&space(place, place % classes, classes), place)).collect()
    }

    fn space(place: usize, class: usize, classes: usize) -> Space {
        let adam = if place.is_multiple_of(2) { 0.0 } else { ADAM };
        let values = [0.1, 0.5, 0.0, 1.0 + class as f64, adam * f64::from(classes > 1)];
        Space {
            hidden_layers: Domain::Fixed((class % 3) as f64),
            hidden_units: Domain::Fixed((1 + place * 7 % 11) as f64),
            activations: vec![Activation::Tanh],
            density: Domain::Fixed(1.0),
            table: Table::new(values.map(Domain::Fixed).to_vec()).expect("a valid table"),
        }
    }

    fn born(space: &Space, place: usize) -> Member {
        space.birth((4, 3), Activation::Softmax, 0, place as u32, 0)
    }

    #[test]
    fn everybody_is_in_one_team_with_its_like_and_no_thread_goes_without() {
        let (lanes, half) = dispatch(Lanes);
        for (k, classes) in [(2, 1), (16, 1), (80, 1), (128, 1), (81, 3), (200, 12)] {
            for threads in [1, 2, 3, 8, 64] {
                let mut members = population(k, classes);
                let teams = teams(members.iter_mut().collect(), 100, threads);
                let mut seen = 0;
                for team in &teams {
                    seen += match team {
                        Team::Singles(members, _) => members.len(),
                        Team::Groups(groups) => {
                            assert!(groups.iter().all(|group| group.len() <= lanes));
                            let classes = groups.iter().flatten().map(|one| class(one, 100));
                            assert_eq!(classes.clone().collect::<BTreeSet<_>>().len(), 1);
                            classes.count()
                        }
                    };
                }
                assert_eq!(seen, k);
                assert!(teams.len() >= threads.min(k.div_ceil(half)), "{k} {classes} {threads}");
                let many =
                    |team: &Team<'_>| matches!(team, Team::Groups(groups) if groups.len() > 2);
                let uneven = threads > 1 && teams.iter().any(many);
                assert!(!uneven || teams.len() > threads, "{k} {classes} {threads}");
            }
        }
    }

    #[test]
    fn what_is_more_work_costs_more() {
        let deep = |layers| Space { hidden_layers: Domain::Fixed(layers), ..space(1, 3, 1) };
        let [mut flat, mut member] = [0.0, 1.0].map(|layers| born(&deep(layers), 1));
        for one in [&mut flat, &mut member] {
            one.hyperparameters[BATCH_SIZE] = 32.0;
            one.hyperparameters[OPTIMIZER] = 0.0;
        }
        let with = |place: usize, value: f64| {
            let mut other = member.clone();
            other.hyperparameters[place] = value;
            cost(&other, 100)
        };
        assert!(cost(&member, 100) > cost(&flat, 100));
        assert!(with(OPTIMIZER, ADAM) > cost(&member, 100));
        assert!(with(BATCH_SIZE, 8.0) > with(BATCH_SIZE, 16.0));
        assert!(with(BATCH_SIZE, 33.0) > cost(&member, 100)); // one row more, one vector more
        // No batch is larger than an epoch.
        assert_eq!(with(BATCH_SIZE, 1e300), with(BATCH_SIZE, 100.0));
        let mut members = population(40, 1);
        let costs = [1, 4, 8, 9, 16]
            .map(|count| group_cost(&members[..count].iter_mut().collect::<Vec<_>>(), 100));
        assert!(costs.is_sorted());
    }

    #[test]
    fn teams_of_large_batches_are_even_or_more_than_the_threads() {
        for k in [2, 5, 9, 20, 50, 80] {
            for threads in [1, 2, 4, 8, 16, 64] {
                let mut members = population(k, 1);
                for member in &mut members {
                    member.hyperparameters[BATCH_SIZE] = 32.0;
                }
                let teams = teams(members.iter_mut().collect(), 100, threads);
                let sizes: BTreeSet<usize> = teams
                    .iter()
                    .map(|team| match team {
                        Team::Singles(members, _) => members.len(),
                        Team::Groups(_) => panic!("32 rows fill the lanes"),
                    })
                    .collect();
                assert!(sizes.len() == 1 || teams.len() > threads, "{k} {threads} {sizes:?}");
            }
        }
    }
}
