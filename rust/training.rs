//! Training: mini-batch gradient descent on every member, in parallel.
//!
//! [`train`] is the one door. What stands behind it (who is trained beside whom, on which thread,
//! with which instructions) is chosen for speed alone, and changes no bit of what it results in.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::grouping::{Team, teams};
use crate::hyperparameters::{ADAM, BATCH_SIZE, LEARNING_RATE, MOMENTUM, OPTIMIZER, WEIGHT_DECAY};
use crate::kernels::{
    Adam, Groups, Kernel, Rates, Rule, Sgd, Simd, Singles, Square, Trainer, dispatch,
};
use crate::member::Member;

/// Row numbers that are drawn ahead for all members: 4 MiB of them.
const ROWS_AHEAD: u64 = 1 << 20;
/// Into how many slices the epochs of a team are cut where there are few teams for each thread.
const SLICES: usize = 12;
/// Rows that a slice has at the least.
const ROWS_PER_SLICE: usize = 512;
/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 256;

/// Trains members for some epochs; all see the rows in the same order.
///
/// Runs in the rayon pool that it is called in. Once `stop` is set the call ends within a few
/// hundred rows of each member in work.
///
/// # Errors
/// [`Error::Stopped`] if `stop` was set; the members are then as they were before the call.
pub fn train(
    dataset: &Dataset,
    members: &mut [Member],
    epochs: u64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut trained: Vec<Member> = members.par_iter().cloned().collect();
    let most = (ROWS_AHEAD / dataset.train().len() as u64).max(1);
    let mut done = 0;
    while done < epochs {
        let now = most.min(epochs - done);
        let starts: BTreeSet<u64> = trained.iter().map(|member| member.epochs).collect();
        // From the highest down: nobody who was just trained is met again.
        for start in starts.into_iter().rev() {
            let orders: Vec<Vec<u32>> =
                (start..start + now).into_par_iter().map(|epoch| dataset.order(epoch)).collect();
            let together = trained.iter_mut().filter(|member| member.epochs == start).collect();
            share_out(
                teams(together, rayon::current_num_threads()),
                &orders,
                |team, orders, last| {
                    let last = last && done + now == epochs;
                    dispatch(Epochs { dataset, team, orders, last, stop })
                },
            )?;
        }
        done += now;
    }
    members.swap_with_slice(&mut trained);
    Ok(())
}

/// Takes all teams through all epochs, on all threads of the pool.
///
/// The team with the most work left is always the next to be taken on, for a slice of the epochs:
/// five teams keep two threads busy to the end, where whole teams would leave one idle for a sixth
/// of the time. `train` is given a team, some epochs, and whether they are its last.
fn share_out<'a>(
    teams: Vec<Team<'a>>,
    orders: &[Vec<u32>],
    train: impl Fn(&mut Team<'a>, &[Vec<u32>], bool) -> Result<()> + Sync,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    // As many teams as threads have nothing to share out; to begin a slice costs some rows' work.
    let sliced = threads > 1 && teams.len() > threads && teams.len() < SLICES * threads;
    let rows = orders.first().map_or(1, Vec::len).max(1);
    let least = ROWS_PER_SLICE.div_ceil(rows);
    let slice = if sliced { orders.len().div_ceil(SLICES).max(least) } else { orders.len() };
    // Each with what is done of it and what an epoch of it costs; the least work left first.
    let job = |team: Team<'a>| {
        let cost = team.padded();
        (team, 0, cost)
    };
    let waiting: Mutex<Vec<_>> = Mutex::new(teams.into_iter().rev().map(job).collect());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop()
    };
    let put_back = |team: Team<'a>, done: usize, cost: usize| {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |done: usize, cost: usize| (orders.len() - done) * cost;
        let place = waiting.partition_point(|other| left(other.1, other.2) <= left(done, cost));
        waiting.insert(place, (team, done, cost));
    };
    (0..threads).into_par_iter().with_max_len(1).try_for_each(|_| {
        while let Some((mut team, done, cost)) = next() {
            let now = slice.min(orders.len() - done);
            let last = done + now == orders.len();
            train(&mut team, &orders[done..done + now], last)?;
            if !last {
                put_back(team, done + now, cost);
            }
        }
        Ok(())
    })
}

/// Some epochs of one team.
struct Epochs<'a, 'b> {
    dataset: &'a Dataset,
    team: &'a mut Team<'b>,
    orders: &'a [Vec<u32>],
    /// Whether they are the call's last, whose losses are told.
    last: bool,
    stop: &'a AtomicBool,
}

impl Kernel for Epochs<'_, '_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Square>(self) -> Result<()> {
        let adam = self.team.first().hyperparameters[OPTIMIZER] == ADAM;
        match (adam, &*self.team) {
            (false, Team::Groups(groups)) if narrow::<S>(groups) => {
                self.train_groups::<S::Half, Sgd<S::Half>, 1>()
            }
            (false, Team::Groups(_)) => self.train_groups::<S, Sgd<S>, 1>(),
            (true, Team::Groups(groups)) if narrow::<S>(groups) => {
                self.train_groups::<S::Half, Adam<S::Half>, 2>()
            }
            (true, Team::Groups(_)) => self.train_groups::<S, Adam<S>, 2>(),
            (false, Team::Singles(_)) => self.train_singles::<S, Sgd<S>, 1>(),
            (true, Team::Singles(_)) => self.train_singles::<S, Adam<S>, 2>(),
        }
    }
}

/// Whether all groups have room in half a vector each.
#[inline(always)]
fn narrow<S: Square>(groups: &[Vec<&mut Member>]) -> bool {
    groups.iter().all(|members| members.len() <= <S::Half as Simd>::LANES)
}

impl Epochs<'_, '_> {
    #[inline(always)]
    fn train_groups<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize>(self) -> Result<()> {
        let batch_size = batch_size(self.team.first(), self.dataset);
        let Team::Groups(groups) = self.team else { return Ok(()) };
        let rates = |member: &Member| rates(member, self.dataset);
        let mut trainer = Groups::<S, R, SLOTS>::new(self.dataset, groups, rates, batch_size);
        let members = groups.iter().map(Vec::len).sum();
        let mut losses = vec![0.0; if self.last { members } else { 0 }];
        run(&mut trainer, self.orders, batch_size, self.stop, &mut losses)?;
        trainer.finish(groups);
        for (index, member) in groups.iter_mut().flatten().enumerate() {
            finish(member, losses.get(index), self.orders);
        }
        Ok(())
    }

    #[inline(always)]
    fn train_singles<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize>(self) -> Result<()> {
        let batch_size = batch_size(self.team.first(), self.dataset);
        let Team::Singles(members) = self.team else { return Ok(()) };
        let rates = |member: &Member| rates(member, self.dataset);
        let mut trainer = Singles::<S, R, SLOTS>::new(self.dataset, members, rates, batch_size);
        let mut losses = vec![0.0; if self.last { members.len() } else { 0 }];
        run(&mut trainer, self.orders, batch_size, self.stop, &mut losses)?;
        trainer.finish(members);
        for (index, member) in members.iter_mut().enumerate() {
            finish(member, losses.get(index), self.orders);
        }
        Ok(())
    }
}

/// Trains through some epochs; adds the last one's losses to `losses`, one for each member, or none
/// if they are not asked for.
#[inline(always)]
fn run(
    trainer: &mut impl Trainer,
    orders: &[Vec<u32>],
    batch_size: usize,
    stop: &AtomicBool,
    losses: &mut [f64],
) -> Result<()> {
    let batches_per_look = (ROWS_PER_LOOK / batch_size).max(1);
    for (epoch, order) in orders.iter().enumerate() {
        let asked = if epoch + 1 == orders.len() { &mut *losses } else { &mut [] };
        for (index, batch) in order.chunks(batch_size).enumerate() {
            if index % batches_per_look == 0 && stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let after = &order[index * batch_size + batch.len()..];
            trainer.step(batch, &after[..batch_size.min(after.len())], asked);
        }
    }
    Ok(())
}

/// Records that a member went through some epochs, the last with that sum of losses.
fn finish(member: &mut Member, loss: Option<&f64>, orders: &[Vec<u32>]) {
    let rows = orders.last().map_or(0, Vec::len);
    member.train_loss = loss.map(|loss| loss / rows as f64);
    member.epochs += orders.len() as u64;
    let slots = member.optimizer.slots.iter().flatten();
    if !(member.network.is_finite() && slots.copied().all(f32::is_finite)) {
        // Nothing finite comes of it any more, and which of its numbers are infinite and which are
        // none depends on who stood beside it.
        member.diverge();
    }
}

fn rates(member: &Member, dataset: &Dataset) -> Rates {
    let values = &member.hyperparameters;
    let keep = (1.0 - values[LEARNING_RATE] * values[WEIGHT_DECAY]) as f32;
    Rates {
        learning_rate: values[LEARNING_RATE],
        momentum: values[MOMENTUM] as f32,
        keep: (keep, if dataset.objective().decay_biases { keep } else { 1.0 }),
        steps: member.optimizer.steps,
    }
}

fn batch_size(member: &Member, dataset: &Dataset) -> usize {
    (member.hyperparameters[BATCH_SIZE].max(1.0) as usize).min(dataset.train().len())
}
