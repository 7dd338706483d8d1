//! How teams are shared out among threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::grouping::Team;
use crate::kernels::Orders;

/// Into how many slices the epochs of a team are cut that several threads share.
const SLICES: usize = 12;
/// How much longer than an even share the threads may take rather than cut teams in slices.
const SLACK: f64 = 33.0 / 32.0;
/// Rows that a slice has at the least.
const ROWS_PER_SLICE: usize = 512;

/// Takes all teams through all epochs, on all threads of the pool.
///
/// The team with the most work left is always the next to be taken on. The first go through all
/// epochs at once; the last few, where need be, are taken on for a slice of the epochs at a time, so
/// that all threads are busy to the end: of five whole teams two threads would leave one idle for a
/// third of the time. `train` is given a team, some epochs, and whether they are its last.
pub(crate) fn share_out<'a>(
    teams: Vec<Team<'a>>,
    orders: Orders<'_>,
    train: impl Fn(&mut Team<'a>, Orders<'_>, bool) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    let costs: Vec<u64> = teams.iter().map(|team| team.cost(orders.epoch)).collect();
    let whole = whole(&costs, threads);
    // To begin a slice costs some rows' work.
    let slice = orders.epochs().div_ceil(SLICES).max(ROWS_PER_SLICE.div_ceil(orders.epoch));
    let jobs = teams.into_iter().zip(costs).enumerate().map(|(place, (team, cost))| Job {
        team,
        cost,
        done: 0,
        slice: if place < whole { orders.epochs() } else { slice },
    });
    // The least work left first: they are taken from the end.
    let waiting: Mutex<Vec<_>> = Mutex::new(jobs.rev().collect());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop()
    };
    let put_back = |job: Job<'a>| {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |job: &Job<'_>| (orders.epochs() - job.done) as u64 * job.cost;
        let place = waiting.partition_point(|other| left(other) <= left(&job));
        waiting.insert(place, job);
    };
    (0..threads).into_par_iter().with_max_len(1).try_for_each(|_| {
        while let Some(mut job) = next() {
            let now = job.slice.min(orders.epochs() - job.done);
            let last = job.done + now == orders.epochs();
            train(&mut job.team, orders.part(job.done, now), last)?;
            if !last {
                job.done += now;
                put_back(job);
            }
        }
        Ok(())
    })
}

/// How many of the teams, which cost that much, the most first, go through all epochs at once: as
/// many as can be without taking longer than an even share, or than the largest of all.
fn whole(costs: &[u64], threads: usize) -> usize {
    if costs.len() <= threads {
        return costs.len();
    }
    let share = costs.iter().sum::<u64>() as f64 / threads as f64;
    let most = SLACK * share.max(costs[0] as f64);
    // What the whole teams give each thread to do, the least first.
    let mut loads = vec![0; threads];
    let mut best = 0;
    for whole in 0..=costs.len() {
        if whole > 0 {
            loads[0] += costs[whole - 1];
            loads.sort_unstable();
        }
        let mut end = loads[threads - 1] as f64;
        // A team is on one thread at a time: so many of the others keep as many threads at most.
        let mut work = 0;
        for (place, (load, cost)) in loads.iter().zip(&costs[whole..]).enumerate() {
            work += load + cost;
            end = end.max(work as f64 / (place + 1) as f64);
        }
        if end <= most {
            best = whole;
        }
    }
    best
}

/// A team that is to go through some epochs.
struct Job<'a> {
    team: Team<'a>,
    /// What an epoch costs.
    cost: u64,
    /// Epochs that it has gone through.
    done: usize,
    /// Epochs that it goes through at a time.
    slice: usize,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grouping::tests::population;

    #[test]
    fn every_team_goes_through_every_epoch_once_and_in_order() {
        const EPOCH: usize = 64;
        for (count, threads, epochs, cut) in [
            (5, 2, 200, true),
            (5, 2, 6, false),
            (4, 2, 200, false),
            (3, 1, 50, false),
            (2, 4, 90, false),
        ] {
            let mut members = population(count, 1);
            let teams = members.iter_mut().map(|member| Team::Singles(vec![member])).collect();
            let rows: Vec<u32> = (0..(epochs * EPOCH) as u32).collect();
            let seen = Mutex::new(BTreeMap::<usize, Vec<(Vec<u32>, bool)>>::new());
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let train = |team: &mut Team<'_>, orders: Orders<'_>, last| {
                let Team::Singles(members) = team else { panic!("only such are here") };
                let who = std::ptr::from_ref(&*members[0]).addr();
                let parts = &mut seen.lock().unwrap();
                parts.entry(who).or_default().push((orders.rows.to_vec(), last));
                Ok(())
            };
            let orders = Orders { rows: &rows, epoch: EPOCH };
            pool.install(|| share_out(teams, orders, train)).unwrap();
            let seen = seen.into_inner().unwrap();
            assert_eq!(seen.len(), count);
            for parts in seen.values() {
                let lasts: Vec<bool> = parts.iter().map(|(_, last)| *last).collect();
                assert!(lasts.iter().rev().skip(1).all(|last| !last) && lasts.ends_with(&[true]));
                assert_eq!(
                    parts.iter().flat_map(|(rows, _)| rows.clone()).collect::<Vec<_>>(),
                    rows
                );
            }
            assert_eq!(
                seen.values().any(|parts| parts.len() > 1),
                cut,
                "{count} {threads} {epochs}"
            );
        }
    }

    #[test]
    fn teams_stay_whole_as_far_as_that_leaves_no_thread_idle() {
        for (costs, threads, expected) in [
            (&[5, 4, 3][..], 1, 3),
            (&[3, 3], 2, 2),
            (&[2; 20], 2, 20),
            (&[9, 3, 3, 3, 3, 3], 2, 6),
            (&[90, 1, 1, 1, 1], 2, 5),
            (&[10, 9, 8, 3, 2, 1], 2, 6),
            // Two threads share the last two, and so on.
            (&[2; 5], 2, 3),
            (&[4, 4, 4, 1], 2, 1),
            (&[10, 10, 10, 10, 10, 1, 1, 1], 4, 2),
        ] {
            assert_eq!(whole(costs, threads), expected, "{costs:?} {threads}");
        }
    }
}
