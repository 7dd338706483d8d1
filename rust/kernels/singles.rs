//! Members in training one after the other, a batch of rows at a time.
//!
//! A member's step is three products for each layer (see `products`): forward, with rows in the
//! lanes; the input gradient, likewise; the weight gradient, with the layer's outputs in the lanes,
//! whose tiles end in the update, so that weights and slots are touched once. Between them what
//! units give is `(units, rows)`; only the deltas are turned over, to be rows for the weight
//! gradient. See `group` for the algorithm and for the factor that is put into the output's gradient.
//!
//! All members see the rows in the same order, so that members take turns at each batch: a batch is
//! fetched from the table and turned into columns once for all of them, and while they are at it the
//! next one's rows have time to come.

use super::Trainer;
use super::loss::{output_gradient, weighted_loss};
use super::packed::{Packed, load};
use super::products::{Left, Stored, Sums, product, rows};
use super::rules::{Rates, Rule};
use super::simd::{Simd, Square, numbers, numbers_mut, prefetch, zeros};
use super::units::times_derivatives;
use crate::dataset::Dataset;
use crate::member::Member;

/// Members of the same batch size and update rule, taking turns at each batch.
pub(crate) struct Singles<'a, S, R, const SLOTS: usize> {
    dataset: &'a Dataset,
    members: Vec<Single<S, R, SLOTS>>,
    batch: Batch<S>,
    desk: Desk<S>,
}

/// The rows that all members are at.
struct Batch<S> {
    rows: usize,
    /// Vectors that hold one number of each row.
    vectors: usize,
    /// `(inputs, vectors)`.
    inputs: Vec<S>,
    /// `(outputs, vectors)`.
    targets: Vec<S>,
    /// Each row's weight, `(vectors,)`; zero after the last row.
    weights: Vec<S>,
}

/// Where one member after the other does its sums.
struct Desk<S> {
    /// What all units give, `(units, vectors)`.
    units: Vec<S>,
    /// The loss's derivative by each unit's weighted sum, times its scale: `(units, vectors)`.
    deltas: Vec<S>,
    /// One layer's deltas as rows: `(vectors · LANES, blocks)`.
    delta_rows: Vec<S>,
    /// The update's factor times each row's weight, `(vectors,)`.
    scales: Vec<S>,
}

/// One member in training: its parameters and slots, padded.
struct Single<S, R, const SLOTS: usize> {
    network: Packed<S>,
    rates: [Rates; 1],
    /// Updates made here.
    steps: u64,
    rule: R,
    /// Bits of the lanes where a parameter is live; empty if all are.
    mask: Vec<u32>,
    slots: Vec<[S; SLOTS]>,
}

impl<'a, S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Singles<'a, S, R, SLOTS> {
    /// Members in training by these rates.
    #[inline(always)]
    pub(crate) fn new(
        dataset: &'a Dataset,
        members: &[&mut Member],
        rates: impl Fn(&Member) -> Rates,
        batch_size: usize,
    ) -> Self {
        let vectors = batch_size.div_ceil(S::LANES);
        let mut own: Vec<Single<S, R, SLOTS>> = Vec::with_capacity(members.len());
        let (mut units, mut blocks) = (0, 0);
        for member in members {
            let single = Single::new(member, rates(member));
            units = units.max(single.network.units());
            blocks =
                single.network.layers.iter().map(|layer| layer.blocks).fold(blocks, usize::max);
            own.push(single);
        }
        Self {
            dataset,
            members: own,
            batch: Batch {
                rows: batch_size,
                vectors,
                inputs: zeros(dataset.n_inputs() * vectors),
                targets: zeros(dataset.n_outputs() * vectors),
                weights: zeros(vectors),
            },
            desk: Desk {
                units: zeros(units * vectors),
                deltas: zeros(units * vectors),
                delta_rows: zeros(vectors * S::LANES * blocks),
                scales: zeros(vectors),
            },
        }
    }

    /// Gives the members what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, members: &mut [&mut Member]) {
        for (single, member) in self.members.into_iter().zip(members) {
            single.finish(member);
        }
    }
}

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Trainer for Singles<'_, S, R, SLOTS> {
    #[inline(always)]
    fn look_ahead(&mut self, _rows: &[u32]) {}

    #[inline(always)]
    fn step(&mut self, batch: &[u32], next: &[u32], losses: &mut [f64]) {
        self.batch.load(self.dataset, batch);
        // A part of them at each turn: there is only so much that can be on its way at once.
        let part = next.len().div_ceil(self.members.len());
        let mut parts = next.chunks(part.max(1));
        for (place, member) in self.members.iter_mut().enumerate() {
            let next = parts.next().unwrap_or(&[]);
            member.forward(self.dataset, &self.batch, &mut self.desk);
            if let Some(loss) = losses.get_mut(place) {
                *loss += member.loss(self.dataset, batch, &self.batch, &self.desk);
            }
            member.backward(self.dataset, &self.batch, &mut self.desk, next);
        }
    }
}

impl<S: Square> Batch<S> {
    #[inline(always)]
    fn load(&mut self, dataset: &Dataset, batch: &[u32]) {
        // A last batch may be short.
        self.rows = batch.len();
        let vectors = batch.len().div_ceil(S::LANES);
        self.vectors = vectors;
        let inputs = &mut self.inputs[..dataset.n_inputs() * vectors];
        load(batch.iter().map(|&row| dataset.input(row)), inputs, vectors);
        let targets = &mut self.targets[..dataset.n_outputs() * vectors];
        load(batch.iter().map(|&row| dataset.target(row)), targets, vectors);
        let weights = &mut self.weights[..vectors];
        weights.fill(S::splat(0.0));
        for (weight, &row) in numbers_mut(weights).iter_mut().zip(batch) {
            *weight = dataset.weight(row);
        }
    }
}

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Single<S, R, SLOTS> {
    #[inline(always)]
    fn new(member: &Member, rates: Rates) -> Self {
        let network = Packed::<S>::new(&member.network);
        let mut slots = vec![[S::splat(0.0); SLOTS]; network.parameters.len()];
        for (index, slot) in member.optimizer.slots.iter().enumerate().take(SLOTS) {
            for (slots, vector) in slots.iter_mut().zip(network.pack(slot)) {
                slots[index] = vector;
            }
        }
        let mut mask = Vec::new();
        if member.network.mask().contains(&false) {
            let live: Vec<f32> = member.network.mask().iter().map(|&l| f32::from(l)).collect();
            for vector in network.pack(&live) {
                let lanes = numbers(std::slice::from_ref(&vector)).iter().enumerate();
                mask.push(lanes.fold(0, |bits, (lane, &l)| bits | u32::from(l > 0.0) << lane));
            }
        }
        Self { network, rates: [rates], steps: 0, rule: R::new(&[rates]), mask, slots }
    }

    #[inline(always)]
    fn finish(self, member: &mut Member) {
        let parameters = member.network.parameters_mut();
        self.network.unpack(&self.network.parameters, (0, 1), parameters);
        let slots = self.slots.as_flattened();
        for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
            self.network.unpack(slots, (index, SLOTS), slot);
        }
        member.optimizer.steps = self.rates[0].steps + self.steps;
    }

    /// The way forward, and the output's gradient.
    #[inline(always)]
    fn forward(&mut self, dataset: &Dataset, batch: &Batch<S>, desk: &mut Desk<S>) {
        let vectors = batch.vectors;
        self.network.forward(&batch.inputs, &mut desk.units, vectors);
        let factor = R::factor(&self.rates, batch.rows as f64);
        let scales = &mut desk.scales[..vectors];
        for (scale, &weight) in scales.iter_mut().zip(&batch.weights) {
            *scale = factor.mul(weight);
        }
        let outputs = self.network.outputs(&desk.units, vectors);
        let first = self.network.units() * vectors - outputs.len();
        output_gradient(
            dataset.objective(),
            outputs,
            &batch.targets[..outputs.len()],
            scales,
            &mut desk.deltas[first..][..outputs.len()],
        );
    }

    /// The weighted sum of the rows' losses, in the order of the rows.
    #[inline(always)]
    fn loss(&self, dataset: &Dataset, rows: &[u32], batch: &Batch<S>, desk: &Desk<S>) -> f64 {
        let room = batch.vectors * S::LANES;
        let outputs = numbers(self.network.outputs(&desk.units, batch.vectors));
        let mut total = 0.0;
        for (index, &row) in rows.iter().enumerate() {
            let outputs = outputs[index..].iter().copied().step_by(room);
            total += weighted_loss(dataset, row, outputs);
        }
        total
    }

    /// Takes the output's deltas back through the layers, and updates each; meanwhile asks for the
    /// rows that are `next`.
    #[inline(always)]
    fn backward(&mut self, dataset: &Dataset, batch: &Batch<S>, desk: &mut Desk<S>, next: &[u32]) {
        self.steps += 1;
        self.rule.begin_step(&self.rates, self.steps);
        let vectors = batch.vectors;
        for index in (0..self.network.layers.len()).rev() {
            let layer = self.network.layers[index];
            let part = next.len().div_ceil(self.network.layers.len());
            for &row in next.iter().skip(index * part).take(part) {
                prefetch(dataset, row);
            }
            let (heard_deltas, deltas) = desk.deltas.split_at_mut(layer.units * vectors);
            let deltas = &deltas[..layer.outputs * vectors];
            let heard = layer.heard(&batch.inputs, &desk.units, vectors);
            if index > 0 {
                let heard_deltas = &mut heard_deltas[(layer.units - layer.inputs) * vectors..];
                let weights = numbers(&self.network.parameters[layer.weights..layer.biases]);
                let left = Left { numbers: weights, row: layer.blocks * S::LANES, step: 1 };
                let shape = (layer.inputs, layer.outputs, vectors);
                let mut sums = Stored { first: &[], to: heard_deltas, vectors };
                product(left, deltas, shape, &mut sums);
                let activation = self.network.layers[index - 1].activation;
                times_derivatives(activation, heard, heard_deltas);
            }
            let delta_rows = &mut desk.delta_rows[..vectors * S::LANES * layer.blocks];
            rows(deltas, delta_rows, vectors);
            let keep = self.rates[0].keep;
            let ones = [1.0];
            let parts = [(layer.weights, layer.inputs, keep.0), (layer.biases, 1, keep.1)];
            for (start, inputs, keep) in parts {
                let span = start..start + inputs * layer.blocks;
                let mut update = Update {
                    parameters: &mut self.network.parameters[span.clone()],
                    slots: &mut self.slots[span.clone()],
                    mask: if self.mask.is_empty() { &[] } else { &self.mask[span] },
                    rule: self.rule,
                    keep: S::splat(keep),
                    blocks: layer.blocks,
                };
                let left = if start == layer.biases {
                    Left { numbers: &ones, row: 0, step: 0 }
                } else {
                    Left { numbers: numbers(heard), row: vectors * S::LANES, step: 1 }
                };
                product(left, delta_rows, (inputs, batch.rows, layer.blocks), &mut update);
            }
        }
    }
}

/// A layer's weights or biases, `(inputs, blocks)`, updated as soon as a tile of their gradient is
/// summed up.
struct Update<'a, S, R, const SLOTS: usize> {
    parameters: &'a mut [S],
    slots: &'a mut [[S; SLOTS]],
    mask: &'a [u32],
    rule: R,
    keep: S,
    blocks: usize,
}

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Sums<S> for Update<'_, S, R, SLOTS> {
    #[inline(always)]
    fn first(&self, _r: usize) -> S {
        S::splat(0.0)
    }

    #[inline(always)]
    fn take(&mut self, r: usize, v: usize, sums: &[S]) {
        let start = r * self.blocks + v;
        let parameters = &mut self.parameters[start..][..sums.len()];
        let slots = &mut self.slots[start..][..sums.len()];
        for (w, &sum) in sums.iter().enumerate() {
            let gradient = match self.mask.get(start + w) {
                Some(&live) => sum.keep(live),
                None => sum,
            };
            parameters[w] = self.rule.update(parameters[w], &mut slots[w], gradient, self.keep);
        }
    }
}
