//! One member in training: what becomes of a batch of rows.
//!
//! A member's step is three products for each layer (see `products`): forward, with rows in the
//! lanes; the input gradient, likewise; the weight gradient, with a row of the layer's matrix in the
//! lanes (see `matrix`), whose tiles end in the update, so that weights and slots are touched once. Between
//! them what units give is `(units, rows)`; of some layers it stands in rows as well (see `in_rows`), whose
//! products have units in the lanes. The way back is in `backward`. See `group` for the algorithm and for
//! the factor that is put into the output's gradient.

use std::ops::Range;
use std::slice::from_ref;

use super::Orders;
use super::output_gradient::{Asked, output_gradient};
use super::packed::Packed;
use super::row_losses::{Pairs, row_losses, telling_numbers, told_losses};
use super::rules::{Rates, Rule};
use super::simd::{Simd, Square, numbers, zeros};
use super::window::Window;
use crate::dataset::Dataset;
use crate::member::Member;

/// The rows of one member's next update.
pub(super) struct Batch<'a, S> {
    /// Which rows of the table they are.
    pub(super) rows: &'a [u32],
    /// Vectors that hold one number of each row; what is in the last one's lanes behind the last row
    /// is of no account.
    pub(super) vectors: usize,
    /// Where in the window they begin.
    pub(super) start: usize,
    pub(super) window: &'a Window<S>,
    /// Some rows that will be needed soon; none of a table that is at hand.
    pub(super) soon: &'a [u32],
}

/// Where one member after the other does its sums; of what is for each batch, there is room for the
/// largest.
pub(super) struct Desk<S> {
    /// What all units give, `(units, vectors)`.
    pub(super) units: Vec<S>,
    /// The loss's derivative by each unit's weighted sum, times its scale: `(units, vectors)`.
    pub(super) deltas: Vec<S>,
    /// What the units of some layers give as rows (see `in_rows`), layer by layer `(vectors · LANES, width)`.
    pub(super) units_in_rows: Vec<S>,
    /// One layer's deltas as rows, or what it hears, `(vectors · LANES, blocks)`, in whole vectors or
    /// in halves, for which there is room enough.
    pub(super) turned: Vec<S>,
    /// Of each row of the window, and of a vector's lanes behind the last, the number that tells its loss, where
    /// there is one.
    telling: Vec<f32>,
    /// Likewise the loss.
    losses: Vec<f64>,
}

impl<S: Square> Desk<S> {
    /// Without room for anything.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            units: Vec::new(),
            deltas: Vec::new(),
            units_in_rows: Vec::new(),
            turned: Vec::new(),
            telling: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Makes room for a member's batches.
    #[inline(always)]
    pub(super) fn make_room<R: Rule<S, SLOTS>, const SLOTS: usize>(
        &mut self,
        member: &Single<S, R, SLOTS>,
    ) {
        let vectors = member.batch_size().div_ceil(S::LANES);
        let layers = member.network.layers.iter().enumerate();
        // A first layer that is turned has the table's rows.
        let own_rows = layers.filter(|(index, layer)| *index > 0 || !layer.matrix.turned);
        let blocks = own_rows.map(|(_, layer)| layer.matrix.blocks).max().unwrap_or(0);
        for (place, width) in [
            (&mut self.units, member.network.units()),
            (&mut self.deltas, member.network.units()),
            (&mut self.units_in_rows, member.network.row_width()),
            (&mut self.turned, S::LANES * blocks),
        ] {
            if place.len() < width * vectors {
                *place = zeros(width * vectors);
            }
        }
    }

    /// Makes room for the losses of so many rows.
    #[inline(always)]
    pub(super) fn make_room_for_losses(&mut self, rows: usize) {
        self.telling = vec![0.0; rows + S::LANES];
        self.losses = vec![0.0; rows + S::LANES];
    }
}

/// One member in training: its parameters and slots, padded.
pub(super) struct Single<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> {
    pub(super) network: Packed<S>,
    pub(super) rates: [Rates; 1],
    /// Rows of the order seen.
    seen: usize,
    /// Updates made here.
    pub(super) steps: u64,
    /// For layers whose rows stand in whole vectors, and in halves.
    pub(super) rule: R,
    pub(super) half_rule: R::With<S::Half>,
    /// Bits of the lanes where a parameter is live, for as many vectors as if all were halves; empty
    /// if all are.
    pub(super) mask: Vec<u32>,
    /// `SLOTS` vectors for each one of the parameters.
    pub(super) slots: Vec<S>,
}

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Single<S, R, SLOTS> {
    #[inline(always)]
    pub(super) fn new(member: &Member, rates: Rates) -> Self {
        let network = Packed::<S>::new(&member.network, Some(rates.batch_size));
        let kinds = std::array::from_fn::<_, SLOTS, _>(|slot| &member.optimizer.slots[slot][..]);
        let slots = network.pack(kinds);
        let mut mask = Vec::new();
        if member.network.mask().contains(&false) {
            let live: Vec<f32> = member.network.mask().iter().map(|&l| f32::from(l)).collect();
            let live = network.pack([&live]);
            let halves = S::LANES / S::Half::LANES;
            mask.resize(live.len() * halves, 0);
            for layer in &network.layers {
                let rows = numbers(&live[layer.start..layer.end]).chunks_exact(layer.matrix.lanes);
                for (bits, lanes) in mask[layer.start * halves..].iter_mut().zip(rows) {
                    let lanes = lanes.iter().enumerate();
                    *bits = lanes.fold(0, |bits, (lane, &l)| bits | u32::from(l > 0.0) << lane);
                }
            }
        }
        let rates = [rates];
        let (rule, half_rule) = (R::new(&rates), R::With::new(&rates));
        Self { network, rates, seen: 0, steps: 0, rule, half_rule, mask, slots }
    }

    #[inline(always)]
    pub(super) fn finish(self, member: &mut Member) {
        let parameters = member.network.parameters_mut();
        self.network.unpack(&self.network.parameters, (0, 1), parameters);
        for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
            self.network.unpack(&self.slots, (index, SLOTS), slot);
        }
        member.optimizer.steps = self.rates[0].steps + self.steps;
    }

    pub(super) fn batch_size(&self) -> usize {
        self.rates[0].batch_size
    }

    /// Rows of the order seen.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Whether the first layer needs the inputs as rows.
    pub(super) fn hears_rows(&self) -> bool {
        self.network.layers[0].matrix.turned
    }

    /// Where the next batch ends in the order, or past its end if there is none.
    #[inline(always)]
    pub(super) fn next_end(&self, orders: Orders<'_>) -> usize {
        orders.end(self.seen, self.batch_size())
    }

    /// Where the next batch's rows are in the order, which count as seen from now on; none if not all
    /// of them are before the place `last`.
    #[inline(always)]
    pub(super) fn next_batch(&mut self, orders: Orders<'_>, last: usize) -> Option<Range<usize>> {
        let (start, end) = (self.seen, self.next_end(orders));
        if end > last {
            return None;
        }
        self.seen = end;
        Some(start..end)
    }

    /// The way forward, and the output's gradient.
    #[inline(always)]
    pub(super) fn forward(&mut self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        let Batch { vectors, start, window, .. } = *batch;
        let Desk { units, units_in_rows, .. } = desk;
        self.network.forward(window.inputs(start), units, units_in_rows, batch.rows.len());
        let factor = R::factor(&self.rates, batch.rows.len() as f64);
        let asked =
            Asked { targets: window.targets(start), weights: window.weights(start), factor };
        let outputs = self.network.outputs(&desk.units, vectors);
        let first = self.network.layers.last().map_or(0, |layer| layer.units * vectors);
        let deltas = &mut desk.deltas[first..][..outputs.len()];
        output_gradient(dataset.objective(), asked, outputs, deltas, vectors);
    }

    /// Writes each row's loss to the desk, or the number that tells it, after the way `forward`.
    #[inline(always)]
    pub(super) fn losses(&self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        let Batch { vectors, start, window, .. } = *batch;
        let outputs = self.network.outputs(&desk.units, vectors);
        // A last vector's lanes that no row is in are written over by the next batch.
        for vector in 0..vectors {
            let place = start + vector * S::LANES;
            let pairs = Pairs { outputs, targets: window.targets(start), vector, vectors };
            if window.one_number_tells {
                let told = telling_numbers(dataset.objective(), pairs);
                desk.telling[place..][..S::LANES].copy_from_slice(numbers(from_ref(&told)));
            } else {
                let count = S::LANES.min(batch.rows.len() - vector * S::LANES);
                let told = row_losses(dataset.objective(), pairs, count);
                desk.losses[place..][..S::LANES].copy_from_slice(&told[..S::LANES]);
            }
        }
    }

    /// Adds up what `losses` left on the desk for the rows of an epoch's batches, the weighted sum of each
    /// batch by itself; `rows` are the window's.
    #[inline(always)]
    pub(super) fn add_up(
        &self,
        dataset: &Dataset,
        rows: Range<usize>,
        window: &Window<S>,
        desk: &mut Desk<S>,
        total: &mut f64,
    ) {
        let weights = &window.weights(rows.start).numbers[..rows.len()];
        let losses = &mut desk.losses[rows.clone()];
        if window.one_number_tells {
            let targets = &window.targets(rows.start).numbers[..rows.len()];
            told_losses(dataset.objective(), &desk.telling[rows], targets, losses);
        }
        // By themselves, since a sum's steps wait for each other.
        for (loss, &weight) in losses.iter_mut().zip(weights) {
            *loss *= f64::from(weight);
        }
        for batch in losses.chunks(self.batch_size()) {
            let mut sum = 0.0;
            for &loss in batch {
                sum += loss;
            }
            *total += sum;
        }
    }
}
