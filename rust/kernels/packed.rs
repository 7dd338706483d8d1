//! One member at a time, a layer's outputs in the lanes.
//!
//! The textbook's algorithm, for one row: each layer is `a = f(b + W·x)`; the output's gradient goes
//! back as `d = W'·d` times the derivative; each weight's gradient is `x·d`, summed over the rows of
//! a batch; then the update. It departs from the textbook in three ways:
//!
//! 1. Weights are stored `(inputs, outputs)` with the outputs padded to whole vectors of [`LANES`],
//!    so a layer is a sum of rows times broadcast inputs and needs no remainder loop. Padded
//!    parameters are zero, and gradients of padded units are zero, so they stay so.
//! 2. The factor that the update gives a gradient, −η over the batch's rows for plain descent, is
//!    put into the output's gradient, from where it reaches every weight's.
//! 3. A pruned weight's gradient is cleared by its bit mask, in the update alone.

use std::ops::Range;

use super::{activate, derivative};
use crate::dataset::{Dataset, Loss, Objective};
use crate::math::{ln, power};
use crate::network::{Activation, Network};

/// Numbers in one vector.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// Where one layer stands in the padded arrays; offsets count vectors.
#[derive(Clone, Copy, Debug)]
struct PackedLayer {
    inputs: usize,
    outputs: usize,
    /// Vectors that hold one row of outputs.
    blocks: usize,
    /// Offset of the weights, `(inputs, blocks)`.
    weights: usize,
    /// Offset of the biases, `(blocks,)`.
    biases: usize,
    /// Offset of what the layer gives, `(blocks,)`, among all layers' units.
    units: usize,
    activation: Activation,
}

impl PackedLayer {
    /// The weights' place and the biases', each with its own of the two numbers.
    #[inline(always)]
    fn spans(&self, (weights, biases): (f32, f32)) -> [(Range<usize>, f32); 2] {
        let end = self.biases + self.blocks;
        [
            (self.weights..self.biases, weights),
            (self.biases..end, biases),
        ]
    }
}

/// A network's parameters, padded.
#[derive(Clone, Debug)]
pub(crate) struct PackedNetwork {
    layers: Vec<PackedLayer>,
    parameters: Vec<Lanes>,
    /// Vectors that hold all layers' units.
    units: usize,
}

impl PackedNetwork {
    pub(crate) fn new(network: &Network) -> Self {
        let (mut parameters, mut units) = (0, 0);
        let layers = network
            .layers()
            .zip(network.activations())
            .map(|(layer, &activation)| {
                let blocks = layer.outputs.div_ceil(LANES);
                let packed = PackedLayer {
                    inputs: layer.inputs,
                    outputs: layer.outputs,
                    blocks,
                    weights: parameters,
                    biases: parameters + layer.inputs * blocks,
                    units,
                    activation,
                };
                parameters = packed.biases + blocks;
                units += blocks;
                packed
            })
            .collect();
        let mut packed = Self {
            layers,
            parameters: vec![[0.0; LANES]; parameters],
            units,
        };
        packed.parameters = packed.pack(network.parameters());
        packed
    }

    /// Values shaped like the network's parameters, padded with zeros.
    fn pack(&self, values: &[f32]) -> Vec<Lanes> {
        let mut padded = vec![[0.0; LANES]; self.parameters.len()];
        let mut rest = values;
        for row in self.rows(&mut padded) {
            let (first, others) = rest.split_at(row.len());
            row.copy_from_slice(first);
            rest = others;
        }
        padded
    }

    /// Takes the padding out again.
    fn unpack(&self, padded: &mut [Lanes], values: &mut [f32]) {
        let mut rest = values;
        for row in self.rows(padded) {
            let (first, others) = rest.split_at_mut(row.len());
            first.copy_from_slice(row);
            rest = others;
        }
    }

    /// The rows of outputs in padded values, layer by layer, weights before biases: in the order of
    /// the network's own array, each without its padding.
    fn rows<'a>(&'a self, padded: &'a mut [Lanes]) -> impl Iterator<Item = &'a mut [f32]> {
        let mut rest = padded;
        self.layers
            .iter()
            .flat_map(|layer| std::iter::repeat_n(layer, layer.inputs + 1))
            .map(move |layer| {
                let (row, others) = std::mem::take(&mut rest).split_at_mut(layer.blocks);
                rest = others;
                &mut row.as_flattened_mut()[..layer.outputs]
            })
    }

    /// What `forward` writes into.
    pub(crate) fn scratch(&self) -> Vec<Lanes> {
        vec![[0.0; LANES]; self.units]
    }

    /// One row through the network: input `(inputs,)`, units `(units,)` of all layers. Gives the
    /// outputs.
    #[inline(always)]
    pub(crate) fn forward<'a>(&self, input: &[f32], units: &'a mut [Lanes]) -> &'a [f32] {
        let mut outputs = 0..0;
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, own) = units.split_at_mut(layer.units);
            let own = &mut own[..layer.blocks];
            let heard = if index == 0 {
                input
            } else {
                let previous = self.layers[index - 1].units;
                &before[previous..].as_flattened()[..layer.inputs]
            };
            own.copy_from_slice(&self.parameters[layer.biases..][..layer.blocks]);
            let weights = &self.parameters[layer.weights..layer.biases];
            weighted_sums(heard, weights, own);
            if layer.activation == Activation::Softmax {
                activate(
                    layer.activation,
                    &mut own.as_flattened_mut()[..layer.outputs],
                );
            } else {
                for block in own {
                    activate(layer.activation, block);
                }
            }
            outputs = layer.units * LANES..layer.units * LANES + layer.outputs;
        }
        &units.as_flattened()[outputs]
    }
}

/// `sums[j] += Σ_i input[i] · weights[i, j]`, in the order of i: input is `(inputs,)`, weights are
/// `(inputs, blocks)`, sums `(blocks,)`.
#[inline(always)]
fn weighted_sums(input: &[f32], weights: &[Lanes], sums: &mut [Lanes]) {
    let blocks = sums.len();
    for (block, sums) in sums.iter_mut().enumerate() {
        let mut sum = *sums;
        for (&x, row) in input.iter().zip(weights.chunks_exact(blocks)) {
            sum = multiply_add(x, &row[block], sum);
        }
        *sums = sum;
    }
}

#[inline(always)]
fn multiply_add(x: f32, weights: &Lanes, sum: Lanes) -> Lanes {
    let mut result = sum;
    for lane in 0..LANES {
        result[lane] = x.mul_add(weights[lane], result[lane]);
    }
    result
}

/// The numbers of one update rule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// `v ← μ·v − η·g; w ← (1 − η·λ)·w + v`.
    Sgd { learning_rate: f64, momentum: f64 },
    /// Kingma and Ba 2015, with decay decoupled (Loshchilov and Hutter 2019).
    Adam { learning_rate: f64 },
}

const ADAM_BETA_1: f64 = 0.9;
const ADAM_BETA_2: f64 = 0.999;
const ADAM_EPSILON: f32 = 1e-8;

/// One member in training: its parameters, slots and gradient, padded.
pub(crate) struct Trainer<'a> {
    dataset: &'a Dataset,
    network: PackedNetwork,
    rule: Rule,
    /// What an update multiplies weights by, and biases.
    keep: (f32, f32),
    /// All bits set where a parameter is live.
    mask: Vec<[u32; LANES]>,
    gradient: Vec<Lanes>,
    slots: Vec<Vec<Lanes>>,
    steps: u64,
    units: Vec<Lanes>,
    /// The loss's derivative by each unit's weighted sum, times the update's factor.
    deltas: Vec<Lanes>,
}

impl<'a> Trainer<'a> {
    pub(crate) fn new(
        dataset: &'a Dataset,
        network: &Network,
        rule: Rule,
        keep: (f32, f32),
        slots: &[Vec<f32>],
        steps: u64,
    ) -> Self {
        let live: Vec<f32> = network.mask().iter().map(|&live| f32::from(live)).collect();
        let network = PackedNetwork::new(network);
        let bits = |live: f32| if live > 0.0 { u32::MAX } else { 0 };
        let scratch = network.scratch();
        Self {
            dataset,
            rule,
            keep,
            mask: network
                .pack(&live)
                .into_iter()
                .map(|lanes| lanes.map(bits))
                .collect(),
            gradient: vec![[0.0; LANES]; network.parameters.len()],
            slots: slots.iter().map(|slot| network.pack(slot)).collect(),
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
        for (padded, slot) in self.slots.iter_mut().zip(slots) {
            self.network.unpack(padded, slot);
        }
        self.steps
    }

    /// One update from a batch of rows. Gives the weighted sum of the rows' losses, if asked for.
    #[inline(always)]
    pub(crate) fn step(&mut self, batch: &[u32], with_loss: bool) -> f64 {
        let rows = batch.len() as f64;
        let factor = match self.rule {
            Rule::Sgd { learning_rate, .. } => -learning_rate / rows,
            Rule::Adam { .. } => 1.0 / rows,
        };
        let loss = self.accumulate(batch, factor as f32, with_loss);
        self.steps += 1;
        match self.rule {
            Rule::Sgd { momentum, .. } => self.update_sgd(momentum as f32),
            Rule::Adam { learning_rate } => self.update_adam(learning_rate),
        }
        loss
    }

    /// Adds the batch's gradient, times `factor`, to what stands in `gradient`.
    #[inline(always)]
    fn accumulate(&mut self, batch: &[u32], factor: f32, with_loss: bool) -> f64 {
        let objective = self.dataset.objective();
        let mut total = 0.0;
        for &row in batch {
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
            self.backward(input);
        }
        total
    }

    /// Takes the output's deltas back through the layers, adding to each weight's gradient.
    #[inline(always)]
    fn backward(&mut self, input: &[f32]) {
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
                let stride = layer.blocks * LANES;
                for ((delta, &unit), row) in deltas
                    .iter_mut()
                    .zip(units)
                    .zip(weights.chunks_exact(stride))
                {
                    let mut sum = 0.0_f32;
                    for (&weight, &d) in row.iter().zip(own) {
                        sum = weight.mul_add(d, sum);
                    }
                    *delta = sum * derivative(previous.activation, unit);
                }
                units
            };
            let gradient = &mut self.gradient[layer.weights..layer.biases + layer.blocks];
            let (weights, biases) = gradient.split_at_mut(layer.inputs * layer.blocks);
            for (&x, row) in heard.iter().zip(weights.chunks_exact_mut(layer.blocks)) {
                for (sum, d) in row.iter_mut().zip(own) {
                    *sum = multiply_add(x, d, *sum);
                }
            }
            for (sum, d) in biases.iter_mut().zip(own) {
                *sum = multiply_add(1.0, d, *sum);
            }
        }
    }

    /// Momentum's update; `gradient` holds −η·g and is cleared.
    #[inline(always)]
    fn update_sgd(&mut self, momentum: f32) {
        let [velocity] = self.slots.as_mut_slice() else {
            return;
        };
        for layer in &self.network.layers {
            for (span, keep) in layer.spans(self.keep) {
                let parameters = &mut self.network.parameters[span.clone()];
                let gradient = &mut self.gradient[span.clone()];
                let (velocity, mask) = (&mut velocity[span.clone()], &self.mask[span]);
                for (((w, v), g), live) in
                    parameters.iter_mut().zip(velocity).zip(gradient).zip(mask)
                {
                    for lane in 0..LANES {
                        let change = f32::from_bits(g[lane].to_bits() & live[lane]);
                        v[lane] = momentum.mul_add(v[lane], change);
                        w[lane] = w[lane].mul_add(keep, v[lane]);
                        g[lane] = 0.0;
                    }
                }
            }
        }
    }

    /// Adam's update; `gradient` holds g and is cleared.
    #[inline(always)]
    fn update_adam(&mut self, learning_rate: f64) {
        let [first, second] = self.slots.as_mut_slice() else {
            return;
        };
        let rate = (learning_rate / (1.0 - power(ADAM_BETA_1, self.steps))) as f32;
        let unbias = (1.0 / (1.0 - power(ADAM_BETA_2, self.steps)).sqrt()) as f32;
        let (beta_1, beta_2) = (ADAM_BETA_1 as f32, ADAM_BETA_2 as f32);
        let (rest_1, rest_2) = ((1.0 - ADAM_BETA_1) as f32, (1.0 - ADAM_BETA_2) as f32);
        for layer in &self.network.layers {
            for (span, keep) in layer.spans(self.keep) {
                let parameters = &mut self.network.parameters[span.clone()];
                let gradient = &mut self.gradient[span.clone()];
                let (first, second) = (&mut first[span.clone()], &mut second[span.clone()]);
                let mask = &self.mask[span];
                for ((((w, m), s), g), live) in parameters
                    .iter_mut()
                    .zip(first)
                    .zip(second)
                    .zip(gradient)
                    .zip(mask)
                {
                    for lane in 0..LANES {
                        let slope = f32::from_bits(g[lane].to_bits() & live[lane]);
                        m[lane] = beta_1.mul_add(m[lane], rest_1 * slope);
                        s[lane] = beta_2.mul_add(s[lane], rest_2 * (slope * slope));
                        let spread = s[lane].sqrt().mul_add(unbias, ADAM_EPSILON);
                        w[lane] = w[lane].mul_add(keep, -(rate * (m[lane] / spread)));
                        g[lane] = 0.0;
                    }
                }
            }
        }
    }
}

/// The loss's derivative by the output layer's weighted sums, times `scale`: all are `(outputs,)`.
#[inline(always)]
fn output_gradient(
    objective: &Objective,
    outputs: &[f32],
    target: &[f32],
    scale: f32,
    deltas: &mut [f32],
) {
    let errors = outputs
        .iter()
        .zip(target)
        .map(|(&output, &target)| output - target);
    match (objective.loss, objective.output) {
        (Loss::SquaredError, Activation::Softmax) => {
            // The softmax's Jacobian: each output depends on every weighted sum.
            let mut mean = 0.0_f32;
            for (error, &output) in errors.clone().zip(outputs) {
                mean = error.mul_add(output, mean);
            }
            for ((delta, error), &output) in deltas.iter_mut().zip(errors).zip(outputs) {
                *delta = (scale * (error - mean)) * output;
            }
        }
        (Loss::SquaredError, activation) => {
            for ((delta, error), &output) in deltas.iter_mut().zip(errors).zip(outputs) {
                *delta = (scale * error) * derivative(activation, output);
            }
        }
        // For both pairs of the cross-entropy the derivatives cancel.
        (Loss::CrossEntropy, _) => {
            for (delta, error) in deltas.iter_mut().zip(errors) {
                *delta = scale * error;
            }
        }
    }
}

/// One row's loss; outputs and target are `(outputs,)`. Probabilities are kept away from 0 and 1 by
/// 2⁻²³, the spacing of 32-bit numbers at 1.
#[inline(always)]
pub(crate) fn row_loss(loss: Loss, activation: Activation, outputs: &[f32], target: &[f32]) -> f64 {
    match (loss, activation) {
        (Loss::SquaredError, _) => {
            let mut sum = 0.0_f32;
            for (&output, &target) in outputs.iter().zip(target) {
                sum = (target - output).mul_add(target - output, sum);
            }
            f64::from(0.5 * sum)
        }
        (Loss::CrossEntropy, Activation::Sigmoid) => outputs
            .iter()
            .zip(target)
            .map(|(&output, &target)| {
                surprise(target, f64::from(output))
                    + surprise(1.0 - target, 1.0 - f64::from(output))
            })
            .sum(),
        (Loss::CrossEntropy, _) => outputs
            .iter()
            .zip(target)
            .map(|(&output, &t)| surprise(t, f64::from(output)))
            .sum(),
    }
}

/// `−share · ln(probability)`; nothing at all where the share is zero.
#[inline(always)]
pub(crate) fn surprise(share: f32, probability: f64) -> f64 {
    const SMALLEST: f64 = f32::EPSILON as f64;
    if share == 0.0 && !probability.is_nan() {
        return 0.0;
    }
    let probability = if probability < SMALLEST {
        SMALLEST
    } else {
        probability
    };
    let probability = if probability > 1.0 - SMALLEST {
        1.0 - SMALLEST
    } else {
        probability
    };
    -f64::from(share) * ln(probability)
}
