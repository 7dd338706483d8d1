//! Training: mini-batch gradient descent on every member, in parallel.
//!
//! [`train`] is the one door. What stands behind it (who is trained beside whom, on which thread,
//! with which instructions) is chosen for speed alone, and changes no bit of what it results in.

use std::collections::BTreeSet;
use std::iter;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::error::Result;
use crate::grouping::{Team, teams};
use crate::hyperparameters::{LEARNING_RATE, MOMENTUM, WEIGHT_DECAY};
use crate::kernels::{
    Adam, Groups, Kernel, Nonzeros, Orders, Rates, Rule, Sgd, Simd, Singles, Square, Work, dispatch,
};
use crate::member::Member;
use crate::sharing::share_out;

/// Row numbers that are drawn ahead for all members: 4 MiB of them.
const ROWS_AHEAD: u64 = 1 << 20;

/// Trains members for some epochs; all see the rows in the same order.
///
/// Runs in the rayon pool that it is called in. Once `stop` is set the call ends with the
/// updates in work, one of each thread.
///
/// # Errors
/// [`crate::error::Error::Stopped`] if `stop` was set; the members are then, as after a panic, as they
/// were before the call.
pub fn train(
    dataset: &Dataset,
    members: &mut [Member],
    epochs: u64,
    stop: &AtomicBool,
) -> Result<()> {
    let backup = Backup::new(members);
    let trained = &mut *backup.members;
    let by_row = trained.iter().any(|member| by_row(member, dataset));
    let nonzeros = if by_row { Nonzeros::of(dataset) } else { None };
    let rows = dataset.train().len();
    let most = (ROWS_AHEAD / rows as u64).max(1);
    let mut done = 0;
    while done < epochs {
        let now = most.min(epochs - done);
        let starts: BTreeSet<u64> = trained.iter().map(|member| member.epochs).collect();
        // From the highest down: nobody who was just trained is met again.
        for start in starts.into_iter().rev() {
            let range = (start..start + now).into_par_iter();
            let orders: Vec<u32> = range.flat_map_iter(|epoch| dataset.order(epoch)).collect();
            let together = trained.iter_mut().filter(|member| member.epochs == start).collect();
            share_out(
                teams(together, rows, rayon::current_num_threads()),
                Orders { rows: &orders, epoch: rows },
                |team, orders, places| {
                    let (nonzeros, tell) = (nonzeros.as_ref(), done + now == epochs);
                    dispatch(Epochs { dataset, nonzeros, team, orders, places, tell, stop })
                },
            )?;
        }
        done += now;
    }
    backup.keep();
    Ok(())
}

/// What training changes, from before: members get it back when this is dropped, after an error or in
/// a panic, unless they are to keep what they learnt.
struct Backup<'a> {
    members: &'a mut [Member],
    before: Vec<Before>,
    kept: bool,
}

/// What training changes of one member: all that `finish` writes.
struct Before {
    /// Parameters, then each slot.
    numbers: Vec<f32>,
    steps: u64,
    epochs: u64,
    train_loss: Option<f64>,
}

impl<'a> Backup<'a> {
    fn new(members: &'a mut [Member]) -> Self {
        let before = |member: &Member| {
            let slots = member.optimizer.slots.iter().map(Vec::as_slice);
            let numbers: Vec<&[f32]> =
                iter::once(member.network.parameters()).chain(slots).collect();
            Before {
                numbers: numbers.concat(),
                steps: member.optimizer.steps,
                epochs: member.epochs,
                train_loss: member.train_loss,
            }
        };
        let before = members.par_iter().map(before).collect();
        Self { members, before, kept: false }
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Backup<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for (member, before) in self.members.iter_mut().zip(&self.before) {
            let mut numbers = &before.numbers[..];
            let slots = member.optimizer.slots.iter_mut().map(Vec::as_mut_slice);
            for own in iter::once(member.network.parameters_mut()).chain(slots) {
                let (first, rest) = numbers.split_at(own.len());
                own.copy_from_slice(first);
                numbers = rest;
            }
            member.optimizer.steps = before.steps;
            member.epochs = before.epochs;
            member.train_loss = before.train_loss;
        }
    }
}

/// Whether a member is of those whose first layer may pass over zeros: plain descent by every row,
/// and nothing pruned.
fn by_row(member: &Member, dataset: &Dataset) -> bool {
    member.batch_size(dataset.train().len()) == 1
        && !member.adam()
        && !member.network.mask().contains(&false)
}

/// Some of one team's epochs.
struct Epochs<'a, 'b> {
    dataset: &'a Dataset,
    nonzeros: Option<&'a Nonzeros>,
    team: &'a mut Team<'b>,
    /// The rows of all of its epochs.
    orders: Orders<'a>,
    /// Those that are meant: of groups whole epochs, of members that take turns any.
    places: Range<usize>,
    /// Whether the losses of the last epoch of all are told.
    tell: bool,
    stop: &'a AtomicBool,
}

impl Kernel for Epochs<'_, '_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Square>(self) -> Result<()> {
        let Team::Groups(groups) = &*self.team else {
            return S::apart(EpochsOfSingles::<S> { epochs: self, of: PhantomData });
        };
        match (groups[0][0].adam(), narrow::<S>(groups), self.sparse(groups)) {
            (false, true, true) => self.train_groups::<S, S::Half, Sgd<S::Half>, 1, true>(),
            (false, true, false) => self.train_groups::<S, S::Half, Sgd<S::Half>, 1, false>(),
            (false, false, true) => self.train_groups::<S, S, Sgd<S>, 1, true>(),
            (false, false, false) => self.train_groups::<S, S, Sgd<S>, 1, false>(),
            (true, true, _) => self.train_groups::<S, S::Half, Adam<S::Half>, 2, false>(),
            (true, false, _) => self.train_groups::<S, S, Adam<S>, 2, false>(),
        }
    }
}

/// Whether all groups have room in half a vector each.
#[inline(always)]
fn narrow<S: Square>(groups: &[Vec<&mut Member>]) -> bool {
    groups.iter().all(|members| members.len() <= <S::Half as Simd>::LANES)
}

impl Epochs<'_, '_> {
    /// Whether the first layer of some group had better pass over zeros, which all members must allow.
    fn sparse(&self, groups: &[Vec<&mut Member>]) -> bool {
        let pays = |nonzeros: &Nonzeros| groups.iter().any(|members| nonzeros.pay(members));
        self.nonzeros.is_some_and(pays)
            && groups.iter().flatten().all(|member| by_row(member, self.dataset))
    }

    /// Trains groups of vectors of the type `W`.
    #[inline(always)]
    fn train_groups<
        S: Square,
        W: Simd,
        R: Rule<W, SLOTS>,
        const SLOTS: usize,
        const SPARSE: bool,
    >(
        self,
    ) -> Result<()> {
        S::apart(EpochsOfGroups::<S, W, R, SLOTS, SPARSE> { epochs: self, of: PhantomData })
    }
}

/// Epochs of a team of groups, as work of its own: each way to train is a function, as each product is. All
/// ways in one function took three times as long to compile.
struct EpochsOfGroups<'a, 'b, I, S, R, const SLOTS: usize, const SPARSE: bool> {
    epochs: Epochs<'a, 'b>,
    of: PhantomData<(I, S, R)>,
}

impl<I: Square, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const SPARSE: bool> Work
    for EpochsOfGroups<'_, '_, I, S, R, SLOTS, SPARSE>
{
    type Output = Result<()>;

    #[inline(always)]
    fn run(self) -> Result<()> {
        let Epochs { dataset, nonzeros, team, orders, places, tell, stop } = self.epochs;
        let Team::Groups(groups) = team else { unreachable!("groups are trained as groups") };
        let last = tell && places.end == orders.rows.len();
        let orders = orders.part(places);
        let rates = |member: &Member| rates(member, dataset);
        let mut trainer = Groups::<S, R, SLOTS, SPARSE>::new::<I>(dataset, groups, rates, nonzeros);
        let members = groups.iter().map(Vec::len).sum();
        let mut losses = vec![0.0; if last { members } else { 0 }];
        trainer.train(orders, stop, &mut losses)?;
        trainer.finish(groups);
        for (index, member) in groups.iter_mut().flatten().enumerate() {
            finish(member, losses.get(index), orders);
        }
        Ok(())
    }
}

/// Epochs of a team of members that take turns, likewise.
struct EpochsOfSingles<'a, 'b, S> {
    epochs: Epochs<'a, 'b>,
    of: PhantomData<S>,
}

impl<S: Square> Work for EpochsOfSingles<'_, '_, S> {
    type Output = Result<()>;

    #[inline(always)]
    fn run(self) -> Result<()> {
        let Epochs { dataset, team, orders, places, tell, stop, .. } = self.epochs;
        let Team::Singles(members, trainer) = team else {
            unreachable!("members that take turns are trained so")
        };
        let rates = |member: &Member| rates(member, dataset);
        let mut own = match trainer.take() {
            Some(trainer) => {
                trainer.downcast::<Singles<S>>().expect("vectors of one kind in a process")
            }
            None => Box::new(Singles::<S>::new(dataset, members, rates)),
        };
        own.train(dataset, orders, places.end, tell, stop)?;
        if places.end < orders.rows.len() {
            *trainer = Some(own);
            return Ok(());
        }
        let losses = own.finish(members);
        for (member, loss) in members.iter_mut().zip(&losses) {
            finish(member, tell.then_some(loss), orders);
        }
        Ok(())
    }
}

/// Records that a member went through some epochs, the last with that sum of losses. What it writes,
/// [`Backup`] puts back.
#[inline(always)]
fn finish(member: &mut Member, loss: Option<&f64>, orders: Orders<'_>) {
    member.train_loss = loss.map(|loss| loss / orders.epoch as f64);
    member.epochs += orders.epochs() as u64;
    // A zero has a sign, be it a product's, a sum's, or what stands for a subnormal number, and which one
    // depends on who stood beside it. Nothing else depends on the sign, so it is removed; so is a
    // subnormal number that no update has met, which equals zero here.
    let mut finite = true;
    let slots = member.optimizer.slots.iter_mut().map(Vec::as_mut_slice);
    for numbers in slots.chain([member.network.parameters_mut()]) {
        for number in numbers {
            *number = if *number == 0.0 { 0.0 } else { *number };
            finite &= number.is_finite();
        }
    }
    if !finite {
        // Nothing finite comes of it any more, and which of its numbers are infinite and which are
        // none depends on who stood beside it.
        member.diverge();
    }
}

fn rates(member: &Member, dataset: &Dataset) -> Rates {
    let values = &member.hyperparameters;
    let keep = (1.0 - values[LEARNING_RATE] * values[WEIGHT_DECAY]) as f32;
    Rates {
        batch_size: member.batch_size(dataset.train().len()),
        learning_rate: values[LEARNING_RATE],
        momentum: values[MOMENTUM] as f32,
        keep: (keep, if dataset.objective().decay_biases { keep } else { 1.0 }),
        steps: member.optimizer.steps,
    }
}
