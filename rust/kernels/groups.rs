//! Groups that go through each row in step, layer by layer.
//!
//! A layer's exponentials take long to come, and the next layer's sums wait for them. Another group's
//! layer is work to fill that time with; the groups' layers may be of different widths.

use std::sync::atomic::AtomicBool;

use super::ahead::{Ahead, Nonzeros};
use super::group::Group;
use super::machine::NEAR;
use super::rules::{Rates, Rule};
use super::simd::{Simd, Square, prefetch_row};
use super::steps::Row;
use super::ways::Ways;
use super::{Orders, unless_stopped};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::member::Member;

/// Rows that are looked at ahead.
const ROWS_AHEAD: usize = 256;

/// The rows whose updates are deferred to the next row's way forward (see `deferred`).
enum Defer {
    None,
    /// Of a group that the nearest cache does not hold, which is alone.
    EveryOther,
    All,
}

/// Groups of the same number of layers, activations, batch size and update rule, in step. If they
/// are `SPARSE`, they are plain, and the first layer of some passes over zeros.
pub(crate) struct Groups<'a, S, R, const SLOTS: usize, const SPARSE: bool> {
    in_step: Vec<Group<'a, S, R, SLOTS>>,
    ways: Ways<Group<'a, S, R, SLOTS>>,
    dataset: &'a Dataset,
    /// Whether the nearest cache does not hold the table's inputs and targets.
    far: bool,
    defer: Defer,
    /// Inputs of the row before, if its updates are still to be made.
    deferred: Option<&'a [f32]>,
    /// What the rows to come hear, of sparse groups.
    ahead: Option<Ahead<'a>>,
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const SPARSE: bool>
    Groups<'a, S, R, SLOTS, SPARSE>
{
    /// Groups of at most `S::LANES` members each, in training by these rates.
    #[inline(always)]
    pub(crate) fn new<I: Square>(
        dataset: &'a Dataset,
        groups: &[Vec<&mut Member>],
        rates: impl Fn(&Member) -> Rates,
        nonzeros: Option<&'a Nonzeros>,
    ) -> Self {
        let nonzeros = nonzeros.filter(|_| SPARSE);
        let mut own: Vec<Group<'_, S, R, SLOTS>> = Vec::with_capacity(groups.len());
        for members in groups {
            let rates = members.iter().map(|member| rates(member)).collect();
            own.push(Group::new(dataset, members, rates, nonzeros));
        }
        let batch_size = own[0].rates[0].batch_size;
        let plain = batch_size == 1 && own.iter().all(|group| group.mask.is_empty());
        assert!(!SPARSE || plain && R::STEADY);
        let size: usize = own.iter().map(Group::size).sum();
        // Who passes over zeros makes several rows' updates at once as it is.
        let defer = match !SPARSE && R::STEADY && plain {
            true if size <= NEAR => Defer::All,
            true => Defer::EveryOther,
            false => Defer::None,
        };
        Self {
            dataset,
            far: dataset.numbers() > NEAR,
            defer,
            deferred: None,
            ahead: nonzeros.map(|nonzeros| Ahead::new(dataset, nonzeros)),
            ways: if SPARSE {
                Ways::new::<I, true, false>(&own)
            } else if R::STEADY && plain {
                Ways::new::<I, true, true>(&own)
            } else {
                Ways::new::<I, false, false>(&own)
            },
            in_step: own,
        }
    }

    /// Gives the members what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, groups: &mut [Vec<&mut Member>]) {
        for (group, members) in self.in_step.into_iter().zip(groups) {
            group.finish(members);
        }
    }

    /// Trains through some epochs; adds the last one's losses to `losses`, one for each member, or
    /// none if they are not asked for.
    #[inline(always)]
    pub(crate) fn train(
        &mut self,
        orders: Orders<'_>,
        stop: &AtomicBool,
        losses: &mut [f64],
    ) -> Result<()> {
        let batch_size = self.in_step[0].rates[0].batch_size;
        let Some(&first) = orders.rows.first() else { return Ok(()) };
        let mut row = self.dataset.row(first);
        let (mut past, mut seen) = (0, 0);
        for epoch in orders.rows.chunks(orders.epoch) {
            let asked = if orders.in_last(past) { &mut *losses } else { &mut [] };
            for batch in epoch.chunks(batch_size) {
                unless_stopped(stop)?;
                if let Some(ahead) = &mut self.ahead
                    && past == seen
                {
                    seen = (past + ROWS_AHEAD).min(orders.rows.len());
                    ahead.look(&orders.rows[past..seen]);
                }
                for group in &mut self.in_step {
                    group.begin_step(batch.len());
                }
                for left in (0..batch.len()).rev() {
                    past += 1;
                    let soon = orders.rows.get(past).map(|&row| self.dataset.row(row));
                    // SAFETY: rows of the table.
                    #[allow(unsafe_code, reason = "kernel file")]
                    unsafe {
                        self.take(row, soon, left > 0, !asked.is_empty());
                    }
                    row = soon.unwrap_or(row);
                }
                let totals = self.in_step.iter_mut().flat_map(|group| &mut group.losses);
                for (loss, total) in asked.iter_mut().zip(totals) {
                    *loss += std::mem::take(total);
                }
            }
        }
        Ok(())
    }

    /// Takes a row through the groups, which `soon` comes after, in the same batch if there is `more` of it;
    /// adds up losses if they are `asked` for.
    ///
    /// # Safety
    /// Both are rows of the table.
    #[allow(unsafe_code, reason = "kernel file")]
    #[inline(always)]
    unsafe fn take(
        &mut self,
        [inputs, targets, weight]: [&'a [f32]; 3],
        soon: Option<[&'a [f32]; 3]>,
        more: bool,
        asked: bool,
    ) {
        if let Some(parts) = soon
            && self.far
        {
            prefetch_row(parts);
        }
        let heard = self.ahead.as_ref().map_or(&[][..], Ahead::row);
        let inputs_before = self.deferred.unwrap_or(&[]);
        let row = Row { inputs, inputs_before, targets, weight: weight[0], heard };
        // None are left when the members are given back.
        let defers = soon.is_some()
            && match self.defer {
                Defer::None => false,
                Defer::EveryOther => self.deferred.is_none(),
                Defer::All => true,
            };
        let (ways, groups) = (&self.ways, &mut self.in_step);
        let forward = if self.deferred.is_some() { &ways.updating_forward } else { &ways.forward };
        let back = if defers || more { &ways.back } else { &ways.updating_back };
        // SAFETY: `new` has made the ways for these groups, whose table's row it is, as the row before was.
        unsafe {
            forward.take(groups, &row);
            if asked {
                ways.losses.take(groups, &row);
            }
            back.take(groups, &row);
        }
        if defers {
            groups.iter_mut().for_each(Group::defer);
        }
        self.deferred = defers.then_some(inputs);
        if let Some(ahead) = &mut self.ahead {
            ahead.pass();
        }
    }
}
