//! One member in training: what becomes of a batch of rows.
//!
//! A member's step is three products for each layer (see `products`): forward, with rows in the
//! lanes; the input gradient, likewise; the weight gradient, with a row of the layer's matrix in the
//! lanes (see `matrix`), whose tiles end in the update, so that weights and slots are touched once. Between
//! them what units give is `(units, rows)`; of some layers it stands in rows as well (see `in_rows`), whose
//! products have units in the lanes. The way back is in `backward`. See `group` for the algorithm and for
//! the factor that is put into the output's gradient.

use std::ops::Range;

use super::Orders;
use super::loss::{output_gradient, row_losses, row_probabilities, surprises};
use super::packed::Packed;
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
    /// `(outputs, vectors)`.
    targets: Vec<S>,
    /// The update's factor times each row's weight, `(vectors,)`.
    scales: Vec<S>,
    /// Of each row of the window, and of a vector's lanes behind the last, once they are told.
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
            targets: Vec::new(),
            scales: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Makes room for a member's batches, of tables with so many outputs.
    #[inline(always)]
    pub(super) fn make_room<R: Rule<S, SLOTS>, const SLOTS: usize>(
        &mut self,
        member: &Single<S, R, SLOTS>,
        outputs: usize,
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
            (&mut self.targets, outputs),
            (&mut self.scales, 1),
        ] {
            if place.len() < width * vectors {
                *place = zeros(width * vectors);
            }
        }
    }

    /// Makes room for the losses of so many rows.
    #[inline(always)]
    pub(super) fn make_room_for_losses(&mut self, rows: usize) {
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
        let (weights, targets) = (window.weights(start), window.targets(start));
        let scales = &mut desk.scales[..vectors];
        for (vector, scale) in scales.iter_mut().enumerate() {
            *scale = factor.mul(weights.vector(0, vector));
        }
        let outputs = self.network.outputs(&desk.units, vectors);
        let own = &mut desk.targets[..outputs.len()];
        for (unit, own) in own.chunks_exact_mut(vectors).enumerate() {
            for (vector, target) in own.iter_mut().enumerate() {
                *target = targets.vector(unit, vector);
            }
        }
        let first = self.network.layers.last().map_or(0, |layer| layer.units * vectors);
        let deltas = &mut desk.deltas[first..][..outputs.len()];
        output_gradient(dataset.objective(), outputs, own, scales, deltas);
    }

    /// Writes each row's loss to the desk, or, of a window with whole classes, the probability whose
    /// surprise it is, after the way `forward`.
    #[inline(always)]
    pub(super) fn losses(&self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        let vectors = batch.vectors;
        let outputs = self.network.outputs(&desk.units, vectors);
        let targets = &desk.targets[..outputs.len()];
        // A last vector's lanes that no row is in are written over by the next batch.
        let to = desk.losses[batch.start..].chunks_exact_mut(S::LANES);
        for (vector, to) in to.enumerate().take(vectors) {
            let place = (vector, vectors);
            let told = if batch.window.whole_classes {
                row_probabilities(dataset.objective(), outputs, targets, place)
            } else {
                let count = S::LANES.min(batch.rows.len() - vector * S::LANES);
                row_losses(dataset.objective(), outputs, targets, place, count)
            };
            to.copy_from_slice(&told[..S::LANES]);
        }
    }

    /// Adds up what `losses` left on the desk for the rows of an epoch's batches, the weighted sum of each
    /// batch by itself; `rows` are the window's.
    #[inline(always)]
    pub(super) fn add_up(
        &self,
        rows: Range<usize>,
        window: &Window<S>,
        desk: &mut Desk<S>,
        total: &mut f64,
    ) {
        let weights = &window.weights(rows.start).numbers[..rows.len()];
        let losses = &mut desk.losses[rows];
        if window.whole_classes {
            surprises(losses);
        }
        let batches = losses.chunks(self.batch_size()).zip(weights.chunks(self.batch_size()));
        for (losses, weights) in batches {
            let mut sum = 0.0;
            for (&loss, &weight) in losses.iter().zip(weights) {
                sum += f64::from(weight) * loss;
            }
            *total += sum;
        }
    }
}
