//! One member in training, a batch of rows at a time.
//!
//! A step is three products for each layer (see `products`): forward, with rows in the lanes; the
//! input gradient, likewise; the weight gradient, with the layer's outputs in the lanes, whose
//! tiles end in the update, so that weights and slots are touched once. Between them what units give
//! is `(units, rows)`; only the deltas are turned over, to be rows for the weight gradient. See
//! `group` for the algorithm and for the factor that is put into the output's gradient.

use super::Trainer;
use super::loss::{output_gradient, weighted_loss};
use super::packed::{Packed, load};
use super::products::{Left, Stored, Sums, product, rows};
use super::rules::{Rates, Rule};
use super::simd::{Simd, Square, numbers, numbers_mut, prefetch, zeros};
use super::units::times_derivatives;
use crate::dataset::Dataset;
use crate::member::Member;

/// One member in training: its parameters, slots and gradient, padded.
pub(crate) struct Single<'a, S, R, const SLOTS: usize> {
    dataset: &'a Dataset,
    network: Packed<S>,
    rates: [Rates; 1],
    /// Updates made here.
    steps: u64,
    rule: R,
    /// Bits of the lanes where a parameter is live; empty if all are.
    mask: Vec<u32>,
    slots: Vec<[S; SLOTS]>,
    /// `(outputs, vectors)`.
    targets: Vec<S>,
    /// The update's factor times each row's weight, `(vectors,)`; zero after the last row.
    scales: Vec<S>,
    /// The loss's derivative by each unit's weighted sum, times its scale: `(units, vectors)`.
    deltas: Vec<S>,
    /// One layer's deltas as rows: `(vectors · LANES, blocks)`.
    delta_rows: Vec<S>,
}

impl<'a, S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Single<'a, S, R, SLOTS> {
    #[inline(always)]
    pub(crate) fn new(
        dataset: &'a Dataset,
        member: &Member,
        rates: Rates,
        batch_size: usize,
    ) -> Self {
        let network = Packed::<S>::new(&member.network, batch_size);
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
        let vectors = network.vectors;
        let blocks = network.layers.iter().map(|layer| layer.blocks).max().unwrap_or(0);
        Self {
            dataset,
            rates: [rates],
            steps: 0,
            rule: R::new(&[rates]),
            mask,
            slots,
            targets: zeros(dataset.n_outputs() * vectors),
            scales: zeros(vectors),
            deltas: zeros(network.units.len()),
            delta_rows: zeros(vectors * S::LANES * blocks),
            network,
        }
    }

    /// Gives the member what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, member: &mut Member) {
        let parameters = member.network.parameters_mut();
        self.network.unpack(&self.network.parameters, (0, 1), parameters);
        let slots = self.slots.as_flattened();
        for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
            self.network.unpack(slots, (index, SLOTS), slot);
        }
        member.optimizer.steps = self.rates[0].steps + self.steps;
    }

    /// Takes the output's deltas back through the layers, and updates each.
    #[inline(always)]
    fn backward(&mut self, batch: usize, next: &[u32]) {
        let vectors = self.network.vectors;
        for index in (0..self.network.layers.len()).rev() {
            let layer = self.network.layers[index];
            // A part of them at each layer: there is only so much that can be on its way at once.
            let part = next.len().div_ceil(self.network.layers.len());
            for &row in next.iter().skip(index * part).take(part) {
                prefetch(self.dataset.input(row));
            }
            let (heard_deltas, deltas) = self.deltas.split_at_mut(layer.units * vectors);
            let deltas = &deltas[..layer.outputs * vectors];
            let heard_span = (layer.units - layer.inputs) * vectors..layer.units * vectors;
            let heard = &self.network.units[heard_span.clone()];
            if index > 0 {
                let heard_deltas = &mut heard_deltas[heard_span];
                let weights = numbers(&self.network.parameters[layer.weights..layer.biases]);
                let left = Left { numbers: weights, row: layer.blocks * S::LANES, step: 1 };
                let shape = (layer.inputs, layer.outputs, vectors);
                let mut sums = Stored { first: &[], to: heard_deltas, vectors };
                product(left, deltas, shape, &mut sums);
                let activation = self.network.layers[index - 1].activation;
                times_derivatives(activation, heard, heard_deltas);
            }
            let delta_rows = &mut self.delta_rows[..vectors * S::LANES * layer.blocks];
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
                product(left, delta_rows, (inputs, batch, layer.blocks), &mut update);
            }
        }
    }

    /// The weighted sum of the rows' losses, in the order of the rows.
    #[inline(always)]
    fn loss(&self, batch: &[u32]) -> f64 {
        let last = self.network.layers[self.network.layers.len() - 1];
        let room = self.network.vectors * S::LANES;
        let outputs = &numbers(&self.network.units)[last.units * room..][..last.outputs * room];
        let mut total = 0.0;
        for (index, &row) in batch.iter().enumerate() {
            let outputs = outputs[index..].iter().copied().step_by(room);
            total += weighted_loss(self.dataset, row, outputs);
        }
        total
    }
}

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Trainer for Single<'_, S, R, SLOTS> {
    #[inline(always)]
    fn step(&mut self, batch: &[u32], next: &[u32], losses: &mut [f64]) {
        self.steps += 1;
        self.rule.begin_step(&self.rates, self.steps);
        let vectors = batch.len().div_ceil(S::LANES);
        // A last batch may be short.
        self.network.vectors = vectors;
        let dataset = self.dataset;
        self.network.forward(batch.iter().map(|&row| dataset.input(row)));
        if let [loss] = losses {
            *loss += self.loss(batch);
        }

        let factor = R::factor(&self.rates, batch.len() as f64);
        let scales = &mut self.scales[..vectors];
        scales.fill(S::splat(0.0));
        for (scale, &row) in numbers_mut(scales).iter_mut().zip(batch) {
            *scale = dataset.weight(row);
        }
        for scale in scales.iter_mut() {
            *scale = factor.mul(*scale);
        }
        let targets = &mut self.targets[..dataset.n_outputs() * vectors];
        load(batch.iter().map(|&row| dataset.target(row)), targets, vectors);
        let own = self.network.layers[self.network.layers.len() - 1];
        let span = own.units * vectors..(own.units + own.outputs) * vectors;
        output_gradient(
            dataset.objective(),
            &self.network.units[span.clone()],
            targets,
            scales,
            &mut self.deltas[span],
        );
        self.backward(batch.len(), next);
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
