//! Members in training one after the other, a batch of rows at a time.
//!
//! All members see the rows in the same order, so that members take turns at a window of rows (see
//! `window`), which is fetched from the table and turned into columns once for all of them, whatever their
//! update rules; while they are at it the next one's rows have time to come, if the table is not at hand
//! anyway. What a member does with a batch is in `single`.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::machine::AT_HAND;
use super::rules::{Adam, Rates, Rule, Sgd};
use super::simd::Square;
use super::single::{Batch, Desk, Single};
use super::window::Window;
use super::{Orders, unless_stopped};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::member::Member;

/// Members taking turns at a window of rows.
pub(crate) struct Singles<S: Square> {
    sgd: Vec<Placed<S, Sgd<S>, 1>>,
    adam: Vec<Placed<S, Adam<S>, 2>>,
    window: Window<S>,
    desk: Desk<S>,
}

/// A member, its place among all, and the sum of the last epoch's losses, as far as they are told.
struct Placed<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> {
    place: usize,
    single: Single<S, R, SLOTS>,
    loss: f64,
}

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Placed<S, R, SLOTS> {
    /// One who has room on the desk.
    #[inline(always)]
    fn new(place: usize, member: &Member, rates: Rates, desk: &mut Desk<S>) -> Self {
        let single = Single::new(member, rates);
        desk.make_room(&single);
        Self { place, single, loss: 0.0 }
    }

    #[inline(always)]
    fn finish(self, members: &mut [&mut Member], losses: &mut [f64]) {
        self.single.finish(members[self.place]);
        losses[self.place] = self.loss;
    }
}

impl<S: Square> Singles<S> {
    /// Members in training by these rates.
    #[inline(always)]
    pub(crate) fn new(
        dataset: &Dataset,
        members: &[&mut Member],
        rates: impl Fn(&Member) -> Rates,
    ) -> Self {
        let (mut sgd, mut adam) = (Vec::new(), Vec::new());
        let mut batch_sizes = Vec::with_capacity(members.len());
        let mut desk = Desk::new();
        for (place, member) in members.iter().enumerate() {
            let rates = rates(member);
            batch_sizes.push(rates.batch_size);
            if member.adam() {
                adam.push(Placed::new(place, member, rates, &mut desk));
            } else {
                sgd.push(Placed::new(place, member, rates, &mut desk));
            }
        }
        let in_rows = sgd.iter().any(|one: &Placed<S, _, 1>| one.single.hears_rows())
            || adam.iter().any(|one: &Placed<S, _, 2>| one.single.hears_rows());
        let window = Window::new(dataset, &batch_sizes, in_rows);
        desk.make_room_for_losses(window.rows());
        Self { sgd, adam, window, desk }
    }

    /// Trains each member by the batches that end before a place in the order, or at it, and that it has not
    /// been trained by; adds up the last epoch's losses if they are to be told.
    #[inline(always)]
    pub(crate) fn train(
        &mut self,
        dataset: &Dataset,
        orders: Orders<'_>,
        end: usize,
        tell: bool,
        stop: &AtomicBool,
    ) -> Result<()> {
        let Self { sgd, adam, window, desk } = self;
        let (far, turns) = (dataset.numbers() > AT_HAND, sgd.len() + adam.len());
        let told = if tell { orders.first_in_last() } else { end };
        loop {
            let (mut first, mut next) = (usize::MAX, usize::MAX);
            for Placed { single, .. } in &*sgd {
                (first, next) = (first.min(single.seen()), next.min(single.next_end(orders)));
            }
            for Placed { single, .. } in &*adam {
                (first, next) = (first.min(single.seen()), next.min(single.next_end(orders)));
            }
            if next > end {
                return Ok(());
            }
            let last = end.min(first + window.rows());
            window.load(dataset, &orders.rows[first..last]);
            if told < last {
                window.find_whether_one_number_tells(dataset, last - first);
            }
            let later = if far { &orders.rows[last..] } else { &[] };
            let stretch =
                Stretch { dataset, orders, rows: first..last, window, told, later, turns };
            stretch.take_turns(sgd, 0, desk, stop)?;
            stretch.take_turns(adam, sgd.len(), desk, stop)?;
        }
    }

    /// Gives the members what training changed; returns the sums of their losses.
    #[inline(always)]
    pub(crate) fn finish(self, members: &mut [&mut Member]) -> Vec<f64> {
        let mut losses = vec![0.0; members.len()];
        for one in self.sgd {
            one.finish(members, &mut losses);
        }
        for one in self.adam {
            one.finish(members, &mut losses);
        }
        losses
    }
}

/// A stretch of the rows in their order, at which members take turns.
struct Stretch<'a, S> {
    dataset: &'a Dataset,
    orders: Orders<'a>,
    /// Its places in the order.
    rows: Range<usize>,
    window: &'a Window<S>,
    /// From which place on losses are told.
    told: usize,
    /// What follows in the order, of a table that is not at hand.
    later: &'a [u32],
    /// How many turns there are.
    turns: usize,
}

impl<S: Square> Stretch<'_, S> {
    /// Some members' turns, the first of which has the number `turn`.
    #[inline(always)]
    fn take_turns<R: Rule<S, SLOTS>, const SLOTS: usize>(
        &self,
        members: &mut [Placed<S, R, SLOTS>],
        turn: usize,
        desk: &mut Desk<S>,
        stop: &AtomicBool,
    ) -> Result<()> {
        let Self { dataset, orders, ref rows, window, told, later, turns } = *self;
        for (turn, Placed { single, loss, .. }) in (turn..).zip(members) {
            let from = told.max(single.seen());
            while let Some(range) = single.next_batch(orders, rows.end) {
                unless_stopped(stop)?;
                let start = range.start - rows.start;
                // Of what follows a part at each batch: there is only so much that can be on its way at once.
                let place = |row: usize| later.len().min((turn * window.rows() + row) / turns);
                let none = later.is_empty();
                let soon = if none { 0..0 } else { place(start)..place(start + range.len()) };
                let batch = Batch {
                    rows: &orders.rows[range.clone()],
                    vectors: range.len().div_ceil(S::LANES),
                    start,
                    window,
                    soon: &later[soon],
                };
                single.forward(dataset, &batch, desk);
                if range.start >= from {
                    single.losses(dataset, &batch, desk);
                }
                single.backward(dataset, &batch, desk);
            }
            if from < single.seen() {
                let rows = from - rows.start..single.seen() - rows.start;
                single.add_up(dataset, rows, window, desk, loss);
            }
        }
        Ok(())
    }
}
