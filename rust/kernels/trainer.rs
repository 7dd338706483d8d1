//! The training of one member, one row at a time, a layer's outputs in the lanes.
//!
//! The textbook's algorithm: forward; the output's gradient goes back as `d = W'·d` times the
//! derivative; each weight's gradient is `x·d`, summed over the rows of a batch; then the update. It
//! departs from the textbook in three ways:
//!
//! 1. The factor that the update gives a gradient, −η over the batch's rows for plain descent, is put
//!    into the output's gradient, from where it reaches every weight's.
//! 2. With the batch's last row a layer is updated as soon as its deltas have gone through it: its
//!    gradient is at hand, and the work fills the time in which the next layer's sums wait for their
//!    last addition.
//! 3. A pruned weight's gradient is cleared by its bit mask, in the update alone.

use super::derivative;
use super::loss::{output_gradient, row_loss};
use super::packed::{LANES, Lanes, PackedNetwork, multiply_add};
use super::rules::Rule;
use crate::dataset::Dataset;
use crate::network::Network;

/// One member in training: its parameters, slots and gradient, padded.
pub(crate) struct Trainer<'a, R, const SLOTS: usize> {
    dataset: &'a Dataset,
    network: PackedNetwork,
    rule: R,
    /// What an update multiplies weights by, and biases.
    keep: (f32, f32),
    /// All bits set where a parameter is live.
    mask: Vec<[u32; LANES]>,
    gradient: Vec<Lanes>,
    slots: Vec<[Lanes; SLOTS]>,
    steps: u64,
    units: Vec<Lanes>,
    /// The loss's derivative by each unit's weighted sum, times the update's factor.
    deltas: Vec<Lanes>,
}

impl<'a, R: Rule<SLOTS>, const SLOTS: usize> Trainer<'a, R, SLOTS> {
    pub(crate) fn new(
        dataset: &'a Dataset,
        network: &Network,
        rule: R,
        keep: (f32, f32),
        slots: &[Vec<f32>],
        steps: u64,
    ) -> Self {
        let live: Vec<f32> = network.mask().iter().map(|&live| f32::from(live)).collect();
        let network = PackedNetwork::new(network);
        let bits = |live: f32| if live > 0.0 { u32::MAX } else { 0 };
        let scratch = network.scratch();
        let mut padded = vec![[[0.0; LANES]; SLOTS]; network.parameters.len()];
        for (index, slot) in slots.iter().enumerate().take(SLOTS) {
            for (padded, lanes) in padded.iter_mut().zip(network.pack(slot)) {
                padded[index] = lanes;
            }
        }
        Self {
            dataset,
            rule,
            keep,
            mask: network.pack(&live).into_iter().map(|lanes| lanes.map(bits)).collect(),
            gradient: vec![[0.0; LANES]; network.parameters.len()],
            slots: padded,
            steps,
            units: scratch.clone(),
            deltas: scratch,
            network,
        }
    }

    /// Gives back what training changed; returns the number of steps.
    pub(crate) fn finish(mut self, parameters: &mut [f32], slots: &mut [Vec<f32>]) -> u64 {
        let mut padded = std::mem::take(&mut self.network.parameters);
        self.network.unpack(&mut padded, parameters);
        for (index, slot) in slots.iter_mut().enumerate().take(SLOTS) {
            for (padded, lanes) in padded.iter_mut().zip(&self.slots) {
                *padded = lanes[index];
            }
            self.network.unpack(&mut padded, slot);
        }
        self.steps
    }

    /// One update from a batch of rows. Gives the weighted sum of the rows' losses, if asked for.
    #[inline(always)]
    pub(crate) fn step(&mut self, batch: &[u32], with_loss: bool) -> f64 {
        self.steps += 1;
        self.rule.begin_step(self.steps);
        let factor = self.rule.factor(batch.len() as f64);
        let objective = self.dataset.objective();
        let mut total = 0.0;
        for (index, &row) in batch.iter().enumerate() {
            let (input, target) = (self.dataset.input(row), self.dataset.target(row));
            let outputs = self.network.forward(input, &mut self.units);
            let weight = self.dataset.weight(row);
            if with_loss {
                let loss = row_loss(objective.loss, objective.output, outputs, target);
                total += f64::from(weight) * loss;
            }
            let last = self.network.layers[self.network.layers.len() - 1];
            let deltas = self.deltas[last.units..].as_flattened_mut();
            let deltas = &mut deltas[..last.outputs];
            output_gradient(objective, outputs, target, factor * weight, deltas);
            if index + 1 < batch.len() {
                self.backward::<false>(input);
            } else {
                self.backward::<true>(input);
            }
        }
        total
    }

    /// Takes the output's deltas back through the layers, adding to each weight's gradient. On the
    /// batch's last row each layer is updated as soon as its deltas have gone through it.
    #[inline(always)]
    fn backward<const UPDATE: bool>(&mut self, input: &[f32]) {
        for index in (0..self.network.layers.len()).rev() {
            let layer = self.network.layers[index];
            let (before, own) = self.deltas.split_at_mut(layer.units);
            let own = &own[..layer.blocks];
            let heard = if index == 0 {
                input
            } else {
                let previous = self.network.layers[index - 1];
                let units = &self.units[previous.units..].as_flattened()[..layer.inputs];
                let deltas = &mut before[previous.units..].as_flattened_mut()[..layer.inputs];
                let weights = self.network.parameters[layer.weights..layer.biases].as_flattened();
                let own = &own.as_flattened()[..layer.outputs];
                heard_back(weights, layer.blocks * LANES, own, deltas);
                for (delta, &unit) in deltas.iter_mut().zip(units) {
                    *delta *= derivative(previous.activation, unit);
                }
                units
            };
            let end = layer.biases + layer.blocks;
            let spans = [
                (layer.weights..layer.biases, heard, self.keep.0),
                (layer.biases..end, &[1.0], self.keep.1),
            ];
            for (span, heard, keep) in spans {
                let gradient = &mut self.gradient[span.clone()];
                if UPDATE {
                    let parameters = &mut self.network.parameters[span.clone()];
                    let (slots, mask) = (&mut self.slots[span.clone()], &self.mask[span]);
                    update(&self.rule, heard, own, gradient, parameters, slots, mask, keep);
                } else {
                    accumulate(heard, own, gradient);
                }
            }
        }
    }
}

/// `gradient[i, j] += heard[i] · deltas[j]`: heard is `(inputs,)`, deltas `(blocks,)`.
#[inline(always)]
fn accumulate(heard: &[f32], deltas: &[Lanes], gradient: &mut [Lanes]) {
    for (&x, row) in heard.iter().zip(gradient.chunks_exact_mut(deltas.len())) {
        for (sum, delta) in row.iter_mut().zip(deltas) {
            *sum = multiply_add(x, delta, *sum);
        }
    }
}

/// [`accumulate`], and at once the update; the gradient is cleared. All are `(inputs, blocks)`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arrays of one loop")]
fn update<R: Rule<SLOTS>, const SLOTS: usize>(
    rule: &R,
    heard: &[f32],
    deltas: &[Lanes],
    gradient: &mut [Lanes],
    parameters: &mut [Lanes],
    slots: &mut [[Lanes; SLOTS]],
    mask: &[[u32; LANES]],
    keep: f32,
) {
    let blocks = deltas.len();
    for (i, &x) in heard.iter().enumerate() {
        let row = i * blocks..(i + 1) * blocks;
        let sums = gradient[row.clone()].iter_mut().zip(deltas);
        let moved = parameters[row.clone()].iter_mut().zip(&mut slots[row.clone()]);
        for (((sum, delta), (w, slots)), live) in sums.zip(moved).zip(&mask[row]) {
            let gradient = masked(&multiply_add(x, delta, *sum), live);
            rule.update(w, slots, gradient, keep);
            *sum = [0.0; LANES];
        }
    }
}

/// `sums[i] = Σ_j weights[i, j] · deltas[j]`, in the order of j: weights are `(inputs, stride)`,
/// deltas `(outputs,)`, sums `(inputs,)`. Several sums run side by side, since each by itself waits
/// for its last addition.
#[inline(always)]
fn heard_back(weights: &[f32], stride: usize, deltas: &[f32], sums: &mut [f32]) {
    let rows = sums.len();
    let row = |i: usize| &weights[i * stride..][..deltas.len()];
    let (fours, _) = sums.as_chunks_mut::<4>();
    for (block, sums) in fours.iter_mut().enumerate() {
        let i = 4 * block;
        let (a, b, c, d) = (row(i), row(i + 1), row(i + 2), row(i + 3));
        let mut sum = [0.0_f32; 4];
        for (j, &delta) in deltas.iter().enumerate() {
            sum[0] = a[j].mul_add(delta, sum[0]);
            sum[1] = b[j].mul_add(delta, sum[1]);
            sum[2] = c[j].mul_add(delta, sum[2]);
            sum[3] = d[j].mul_add(delta, sum[3]);
        }
        *sums = sum;
    }
    for i in rows - rows % 4..rows {
        let mut sum = 0.0_f32;
        for (&weight, &delta) in row(i).iter().zip(deltas) {
            sum = weight.mul_add(delta, sum);
        }
        sums[i] = sum;
    }
}

/// The gradient where the mask has a parameter live, zero elsewhere.
#[inline(always)]
fn masked(gradient: &Lanes, live: &[u32; LANES]) -> Lanes {
    let mut result = *gradient;
    for lane in 0..LANES {
        result[lane] = f32::from_bits(result[lane].to_bits() & live[lane]);
    }
    result
}
