//! Members in training one after the other, a batch of rows at a time.
//!
//! All members see the rows in the same order, so that members take turns at a window of rows (see
//! `window`), which is fetched from the table and turned into columns once for all of them; while they
//! are at it the next one's rows have time to come, if the table is not at hand anyway. What a member does
//! with a batch is in `single`.

use std::sync::atomic::AtomicBool;

use super::machine::AT_HAND;
use super::rules::{Rates, Rule};
use super::simd::Square;
use super::single::{Batch, Desk, Single};
use super::window::Window;
use super::{Orders, unless_stopped};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::member::Member;

/// Members of the same update rule, taking turns at a window of rows.
pub(crate) struct Singles<'a, S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> {
    dataset: &'a Dataset,
    members: Vec<Single<S, R, SLOTS>>,
    window: Window<S>,
    desk: Desk<S>,
}

impl<'a, S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Singles<'a, S, R, SLOTS> {
    /// Members in training by these rates.
    #[inline(always)]
    pub(crate) fn new(
        dataset: &'a Dataset,
        members: &[&mut Member],
        rates: impl Fn(&Member) -> Rates,
    ) -> Self {
        let mut own: Vec<Single<S, R, SLOTS>> = Vec::with_capacity(members.len());
        for member in members {
            own.push(Single::new(member, rates(member)));
        }
        let batch_sizes = own.iter().map(Single::batch_size);
        let in_rows = own.iter().any(Single::hears_rows);
        let window = Window::new(dataset, batch_sizes, in_rows);
        let desk = Desk::new(dataset, &own, &window);
        Self { dataset, members: own, window, desk }
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
        let Self { dataset, members, window, desk } = self;
        let far = dataset.numbers() > AT_HAND;
        let mut first = 0;
        while first < orders.rows.len() {
            let (ahead, room) = (&orders.rows[first..], window.rows());
            let (now, later) = ahead.split_at(room.min(ahead.len()));
            let last = first + now.len();
            window.load(dataset, now);
            let told = if losses.is_empty() { last } else { orders.first_in_last() };
            if told < last {
                window.find_whole_classes(dataset, now.len());
            }
            let turns = members.len();
            let mut next = last;
            for (turn, member) in members.iter_mut().enumerate() {
                let from = told.max(member.seen());
                while let Some(range) = member.next_batch(orders, last) {
                    unless_stopped(stop)?;
                    let start = range.start - first;
                    // Of a table that is not at hand a part of the rows at each batch: there is only so much
                    // that can be on its way at once.
                    let place = |row: usize| later.len().min((turn * room + row) / turns);
                    let soon = if far { place(start)..place(start + range.len()) } else { 0..0 };
                    let batch = Batch {
                        rows: &orders.rows[range.clone()],
                        vectors: range.len().div_ceil(S::LANES),
                        start,
                        window,
                        soon: &later[soon],
                    };
                    member.forward(dataset, &batch, desk);
                    if range.start >= from {
                        member.losses(dataset, &batch, desk);
                    }
                    member.backward(dataset, &batch, desk);
                }
                if let Some(loss) = losses.get_mut(turn)
                    && from < member.seen()
                {
                    member.add_up(from - first..member.seen() - first, window, desk, loss);
                }
                next = next.min(member.seen());
            }
            first = next;
        }
        Ok(())
    }

    /// Gives the members what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, members: &mut [&mut Member]) {
        for (single, member) in self.members.into_iter().zip(members) {
            single.finish(member);
        }
    }
}
