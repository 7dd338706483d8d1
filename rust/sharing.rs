//! How teams are shared out among threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::grouping::{TEAMS, Team};
use crate::kernels::Orders;

/// Into how many slices the epochs of a team of groups are cut that several threads share.
const SLICES: usize = 12;
/// How much longer than an even share the threads may take rather than cut teams in slices.
const SLACK: f64 = 33.0 / 32.0;
/// Rows that a slice has at the least: to begin one costs some rows' work.
const ROWS_PER_SLICE: usize = 512;
/// The same of members that take turns, of whose table the first rows come late.
const ROWS_PER_TURN: usize = 2048;
/// Rows that a slice of members that take turns has at the least, for each row of their largest batch.
const BATCHES_PER_TURN: usize = 8;

/// Takes all teams through all epochs, on all threads of the pool.
///
/// The team with the most work left is always the next to be taken on. The first go through all
/// epochs at once; the last few are taken on for a slice of the rows at a time, so that all threads are busy
/// to the end: of five whole teams two threads would leave one idle for a third of the time. Groups are cut by
/// whole epochs, and where teams are uneven; members that take turns at any row, and each thread's last teams
/// always: one processor is slower than another, or has others to serve. `train` is given a team, all rows, and
/// which of them it goes through.
pub(crate) fn share_out<'a>(
    teams: Vec<Team<'a>>,
    orders: Orders<'_>,
    train: impl Fn(&mut Team<'a>, Orders<'_>, Range<usize>) -> Result<()> + Sync,
) -> Result<()> {
    let (threads, rows) = (rayon::current_num_threads(), orders.rows.len());
    let costs: Vec<u64> = teams.iter().map(|team| team.cost(orders.epoch)).collect();
    let even = whole(&costs, threads);
    // Where there are no more teams than threads, all are in somebody's hands to the end.
    let last = if threads < teams.len() && threads > 1 { TEAMS * threads } else { 0 };
    let before = teams.len().saturating_sub(last);
    let jobs = teams.into_iter().zip(costs).enumerate().map(|(place, (team, cost))| {
        let whole = match team {
            Team::Groups(_) => place < even,
            Team::Singles(..) => place < even.min(before),
        };
        Job { team, cost, done: 0, whole }
    });
    let slice = |job: &Job<'_>| match job.team {
        _ if job.whole => rows,
        Team::Groups(_) => rows.div_ceil(SLICES).max(ROWS_PER_SLICE).next_multiple_of(orders.epoch),
        Team::Singles(..) => {
            let batches = BATCHES_PER_TURN * job.team.largest_batch(orders.epoch);
            (rows - job.done).div_ceil(2).max(ROWS_PER_TURN).max(batches)
        }
    };
    // The least work left first: they are taken from the end.
    let waiting: Mutex<Vec<_>> = Mutex::new(jobs.rev().collect());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop()
    };
    let put_back = |job: Job<'a>| {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |job: &Job<'_>| ((rows - job.done) as u64).saturating_mul(job.cost);
        let place = waiting.partition_point(|other| left(other) <= left(&job));
        waiting.insert(place, job);
    };
    (0..threads).into_par_iter().with_max_len(1).try_for_each(|_| {
        while let Some(mut job) = next() {
            let end = rows.min(job.done + slice(&job));
            train(&mut job.team, orders, job.done..end)?;
            if end < rows {
                job.done = end;
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
    /// What some rows cost.
    cost: u64,
    /// Rows that it has gone through.
    done: usize,
    /// Whether it goes through all at once.
    whole: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::grouping::tests::population;
    use crate::member::Member;

    /// How many slices a population's teams were cut in, once each team was seen to go through each row
    /// once and in order.
    fn slices(members: &mut [Member], groups: bool, threads: usize, epochs: usize) -> Vec<usize> {
        const EPOCH: usize = 64;
        let count = members.len();
        let team = |member| {
            if groups {
                Team::Groups(vec![vec![member]])
            } else {
                Team::Singles(vec![member], None)
            }
        };
        let teams = members.iter_mut().map(team).collect();
        let rows: Vec<u32> = (0..(epochs * EPOCH) as u32).collect();
        let seen = Mutex::new(BTreeMap::<usize, Vec<Range<usize>>>::new());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let train = |team: &mut Team<'_>, orders: Orders<'_>, places: Range<usize>| {
            let member: &Member = match team {
                Team::Groups(groups) => groups[0][0],
                Team::Singles(members, _) => members[0],
            };
            assert_eq!(orders.rows.len(), epochs * EPOCH);
            let who = std::ptr::from_ref(member).addr();
            seen.lock().unwrap().entry(who).or_default().push(places);
            Ok(())
        };
        let orders = Orders { rows: &rows, epoch: EPOCH };
        pool.install(|| share_out(teams, orders, train)).unwrap();
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.len(), count);
        for parts in seen.values() {
            assert!(parts.iter().all(|part| !groups || part.start % EPOCH == 0));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, rows.len()));
        }
        seen.into_values().map(|parts| parts.len()).collect()
    }

    #[test]
    fn every_team_goes_through_every_row_once_and_in_order() {
        for (count, threads, epochs, cut) in [
            (5, 2, 200, true),
            (5, 2, 6, false),
            (4, 2, 200, false),
            (3, 1, 50, false),
            (2, 4, 90, false),
        ] {
            let slices = slices(&mut population(count, 1), true, threads, epochs);
            let any = slices.iter().any(|&parts| parts > 1);
            assert_eq!(any, cut, "{count} {threads} {epochs}");
        }
        // The last four of any, and more if they are uneven.
        for (count, threads, epochs, cut) in
            [(9, 2, 200, 4), (4, 2, 33, 4), (4, 2, 32, 0), (30, 1, 50, 0), (2, 4, 90, 0)]
        {
            let slices = slices(&mut population(count, 1), false, threads, epochs);
            let several = slices.iter().filter(|&&parts| parts > 1).count();
            assert!((cut..=2 * cut).contains(&several), "{count} {threads} {epochs} {slices:?}");
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
