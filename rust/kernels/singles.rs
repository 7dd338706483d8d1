//! Members in training one after the other, a batch of rows at a time.
//!
//! A member's step is three products for each layer (see `products`): forward, with rows in the
//! lanes; the input gradient, likewise; the weight gradient, with a row of the layer's matrix in the
//! lanes (see `packed`), whose tiles end in the update, so that weights and slots are touched once.
//! Between them what units give is `(units, rows)`; only the deltas are turned over, where they are
//! the rows of the weight gradient. See `group` for the algorithm and for the factor that is put into
//! the output's gradient.
//!
//! All members see the rows in the same order, so that members take turns at a window of rows (see
//! `window`), which is fetched from the table and turned into columns once for all of them; while they
//! are at it the next one's rows have time to come.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::loss::{output_gradient, weighted_loss};
use super::packed::{Packed, PackedLayer};
use super::products::{Columns, Left, Stored, Sums, product, rows};
use super::rules::{Rates, Rule};
use super::simd::{MOST_LANES, Simd, Square, narrowed, narrowed_mut, numbers, prefetch, zeros};
use super::units::times_derivatives;
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

/// The rows of one member's next update.
struct Batch<'a, S> {
    /// Which rows of the table they are.
    rows: &'a [u32],
    /// Vectors that hold one number of each row; what is in the last one's lanes behind the last row
    /// is of no account.
    vectors: usize,
    /// Where in the window they begin.
    start: usize,
    window: &'a Window<S>,
    /// Some rows that will be needed soon.
    soon: &'a [u32],
}

/// Where one member after the other does its sums; of what is for each batch, there is room for the
/// largest.
struct Desk<S> {
    /// What all units give, `(units, vectors)`.
    units: Vec<S>,
    /// The loss's derivative by each unit's weighted sum, times its scale: `(units, vectors)`.
    deltas: Vec<S>,
    /// One layer's deltas as rows: `(vectors · LANES, blocks)`.
    delta_rows: Vec<S>,
    /// `(outputs, vectors)`.
    targets: Vec<S>,
    /// The update's factor times each row's weight, `(vectors,)`.
    scales: Vec<S>,
}

/// One member in training: its parameters and slots, padded.
struct Single<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> {
    network: Packed<S>,
    rates: [Rates; 1],
    /// Rows seen here.
    seen: usize,
    /// Updates made here.
    steps: u64,
    /// For layers whose rows stand in whole vectors, and in halves.
    rule: R,
    half_rule: R::With<S::Half>,
    /// Bits of the lanes where a parameter is live, for as many vectors as if all were halves; empty
    /// if all are.
    mask: Vec<u32>,
    /// `SLOTS` vectors for each one of the parameters.
    slots: Vec<S>,
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
        let (mut units, mut blocks, mut vectors) = (0, 0, 0);
        for member in members {
            let single = Single::new(member, rates(member));
            let wide = single.network.layers.iter().map(|layer| layer.blocks).max().unwrap_or(0);
            let high = single.rates[0].batch_size.div_ceil(S::LANES);
            units = units.max(single.network.units() * high);
            blocks = blocks.max(wide * high);
            vectors = vectors.max(high);
            own.push(single);
        }
        Self {
            dataset,
            window: Window::new(
                dataset,
                own.iter().map(|single| single.rates[0].batch_size),
                own.iter().any(|single| single.network.layers[0].turned),
            ),
            members: own,
            desk: Desk {
                units: zeros(units),
                deltas: zeros(units),
                delta_rows: zeros(S::LANES * blocks),
                targets: zeros(dataset.n_outputs() * vectors),
                scales: zeros(vectors),
            },
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
        let Self { dataset, members, window, desk } = self;
        let mut first = 0;
        while first < orders.rows.len() {
            let (ahead, room) = (&orders.rows[first..], window.rows());
            let (now, later) = ahead.split_at(room.min(ahead.len()));
            let last = first + now.len();
            window.load(dataset, now);
            let turns = members.len();
            let mut next = last;
            for (turn, member) in members.iter_mut().enumerate() {
                while let Some(range) = member.next_batch(orders, last) {
                    unless_stopped(stop)?;
                    let start = range.start - first;
                    // A part of the rows at each batch: there is only so much that can be on its way
                    // at once.
                    let soon = |row: usize| later.len().min((turn * room + row) / turns);
                    let batch = Batch {
                        rows: &orders.rows[range.clone()],
                        vectors: range.len().div_ceil(S::LANES),
                        start,
                        window,
                        soon: &later[soon(start)..soon(start + range.len())],
                    };
                    member.forward(dataset, &batch, desk);
                    if let Some(loss) = losses.get_mut(turn)
                        && orders.in_last(range.start)
                    {
                        *loss += member.loss(dataset, &batch, desk);
                    }
                    member.backward(dataset, &batch, desk);
                }
                next = next.min(member.seen);
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

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Single<S, R, SLOTS> {
    #[inline(always)]
    fn new(member: &Member, rates: Rates) -> Self {
        let network = Packed::<S>::new(&member.network);
        let kinds = std::array::from_fn::<_, SLOTS, _>(|slot| &member.optimizer.slots[slot][..]);
        let slots = network.pack(kinds);
        let mut mask = Vec::new();
        if member.network.mask().contains(&false) {
            let live: Vec<f32> = member.network.mask().iter().map(|&l| f32::from(l)).collect();
            let live = network.pack([&live]);
            let halves = S::LANES / S::Half::LANES;
            mask.resize(live.len() * halves, 0);
            for layer in &network.layers {
                let rows = numbers(&live[layer.start..layer.end]).chunks_exact(layer.lanes);
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
    fn finish(self, member: &mut Member) {
        let parameters = member.network.parameters_mut();
        self.network.unpack(&self.network.parameters, (0, 1), parameters);
        for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
            self.network.unpack(&self.slots, (index, SLOTS), slot);
        }
        member.optimizer.steps = self.rates[0].steps + self.steps;
    }

    /// Where the next batch's rows are in the order, which count as seen from now on; none if not all
    /// of them are before the place `last`.
    #[inline(always)]
    fn next_batch(&mut self, orders: Orders<'_>, last: usize) -> Option<Range<usize>> {
        let start = self.seen;
        let end = orders.end(start, self.rates[0].batch_size);
        if start == last || end > last {
            return None;
        }
        self.seen = end;
        Some(start..end)
    }

    /// The way forward, and the output's gradient.
    #[inline(always)]
    fn forward(&mut self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        let Batch { vectors, start, window, .. } = *batch;
        self.network.forward(window.inputs(start), &mut desk.units, vectors);
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

    /// The weighted sum of the rows' losses, in the order of the rows.
    #[inline(always)]
    fn loss(&self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &Desk<S>) -> f64 {
        let room = batch.vectors * S::LANES;
        let outputs = numbers(self.network.outputs(&desk.units, batch.vectors));
        let mut total = 0.0;
        for (index, &row) in batch.rows.iter().enumerate() {
            let outputs = outputs[index..].iter().copied().step_by(room);
            total += weighted_loss(dataset, row, outputs);
        }
        total
    }

    /// Takes the output's deltas back through the layers, and updates each; meanwhile asks for rows
    /// that will be needed soon.
    #[inline(always)]
    fn backward(&mut self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        self.steps += 1;
        self.rule.begin_step(&self.rates, self.steps);
        self.half_rule.begin_step(&self.rates, self.steps);
        let Batch { vectors, soon, .. } = *batch;
        let part = soon.len().div_ceil(self.network.layers.len());
        for index in (0..self.network.layers.len()).rev() {
            let layer = self.network.layers[index];
            for &row in soon.iter().skip(index * part).take(part) {
                prefetch(dataset, row);
            }
            let (heard_deltas, deltas) = desk.deltas.split_at_mut(layer.units * vectors);
            let deltas = &deltas[..layer.outputs * vectors];
            if index > 0 {
                let span = layer.before * vectors..(layer.before + layer.inputs) * vectors;
                let heard_deltas = &mut heard_deltas[span.clone()];
                // Only the first layer's matrix may be turned.
                let left =
                    Left { numbers: self.network.numbers(&layer), row: layer.row(), step: 1 };
                let shape = (layer.inputs, layer.outputs, vectors);
                let mut sums = Stored { first: None, to: heard_deltas, vectors };
                product::<S, false>(left, Columns::of(deltas, vectors), shape, &mut sums);
                let activation = self.network.layers[index - 1].activation;
                times_derivatives(activation, &desk.units[span], heard_deltas);
            }
            if S::LANES == S::Half::LANES || layer.lanes == S::LANES {
                self.update::<S, R, false>(self.rule, &layer, batch, desk);
            } else {
                self.update::<S::Half, _, true>(self.half_rule, &layer, batch, desk);
            }
        }
    }

    /// Updates a layer, whose rows stand in vectors of the type `W`, or in just `ONE`.
    #[inline(always)]
    fn update<W: Square, Q: Rule<W, SLOTS>, const ONE: bool>(
        &mut self,
        rule: Q,
        layer: &PackedLayer,
        batch: &Batch<'_, S>,
        desk: &mut Desk<S>,
    ) {
        let Batch { vectors, start, window, .. } = *batch;
        let PackedLayer { inputs, outputs, turned, blocks, .. } = *layer;
        let deltas = &desk.deltas[layer.units * vectors..][..outputs * vectors];
        let (keep, keep_biases) = self.rates[0].keep;
        let mut lanes = [keep; MOST_LANES];
        lanes[inputs % W::LANES] = keep_biases;
        let slots = &mut self.slots[layer.start * SLOTS..layer.end * SLOTS];
        let masks = layer.start * (S::LANES / S::Half::LANES);
        let mut update = Update {
            parameters: narrowed_mut(&mut self.network.parameters[layer.start..layer.end]),
            slots: narrowed_mut(slots).as_chunks_mut().0,
            mask: self.mask.get(masks..).unwrap_or(&[]),
            rule,
            keep: W::splat(keep),
            keep_biases: W::splat(keep_biases),
            keep_end: W::load(&lanes),
            row_of_biases: if turned { usize::MAX } else { inputs },
            end_of_row: if turned { blocks } else { usize::MAX },
            blocks,
        };
        let (numbers, row, right, rows) = if turned {
            (numbers(deltas), vectors * S::LANES, window.input_rows(start), outputs)
        } else {
            let delta_rows = narrowed_mut::<S, W>(&mut desk.delta_rows);
            let delta_rows = &mut delta_rows[..vectors * S::LANES * blocks];
            rows(narrowed(deltas), delta_rows, vectors * (S::LANES / W::LANES));
            let heard = layer.heard(window.inputs(start), &desk.units, vectors);
            (heard.numbers, heard.step, Columns::of(delta_rows, blocks), inputs + 1)
        };
        let left = Left { numbers, row, step: 1 };
        product::<W, ONE>(left, right, (rows, batch.rows.len(), blocks), &mut update);
    }
}

/// A layer's weights and biases, updated as soon as a tile of their gradient is summed up.
struct Update<'a, W, R, const SLOTS: usize> {
    parameters: &'a mut [W],
    slots: &'a mut [[W; SLOTS]],
    mask: &'a [u32],
    rule: R,
    /// What an update multiplies weights by, biases, and the last of a row that ends in a bias.
    keep: W,
    keep_biases: W,
    keep_end: W,
    /// The row that has the biases, or the number of vectors in a row that ends in one.
    row_of_biases: usize,
    end_of_row: usize,
    /// Vectors of a row.
    blocks: usize,
}

impl<W: Simd, R: Rule<W, SLOTS>, const SLOTS: usize> Sums<W> for Update<'_, W, R, SLOTS> {
    #[inline(always)]
    fn first(&self, _r: usize) -> W {
        W::splat(0.0)
    }

    #[inline(always)]
    fn take<const WIDTH: usize>(&mut self, r: usize, v: usize, sums: [W; WIDTH]) {
        let start = r * self.blocks + v;
        let parameters = &mut self.parameters[start..][..WIDTH];
        let slots = &mut self.slots[start..][..WIDTH];
        let keep = if r == self.row_of_biases { self.keep_biases } else { self.keep };
        let keep_end = if v + WIDTH == self.end_of_row { self.keep_end } else { keep };
        for w in 0..WIDTH {
            let gradient = match self.mask.get(start + w) {
                Some(&live) => sums[w].keep(live),
                None => sums[w],
            };
            let keep = if w + 1 == WIDTH { keep_end } else { keep };
            parameters[w] = self.rule.update(parameters[w], &mut slots[w], gradient, keep);
        }
    }
}
