//! A network's parameters with each row of outputs padded to whole vectors, and its forward pass.
//!
//! A layer is `a = f(b + Σ_i x_i · W[i])`: weights are stored `(inputs, outputs)`, so it is a sum of
//! rows times broadcast inputs, the outputs in the lanes. With outputs padded to whole vectors of
//! [`LANES`] there is no remainder loop. Padded parameters are zero and stay so; what padded units
//! give is never read.

use super::activate;
use crate::network::{Activation, Network};

/// Numbers in one vector.
pub(super) const LANES: usize = 8;
/// One vector.
pub(super) type Lanes = [f32; LANES];

/// Where one layer stands in the padded arrays; offsets count vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Vectors that hold one row of outputs.
    pub(super) blocks: usize,
    /// Offset of the weights, `(inputs, blocks)`.
    pub(super) weights: usize,
    /// Offset of the biases, `(blocks,)`.
    pub(super) biases: usize,
    /// Offset of what the layer gives, `(blocks,)`, among all layers' units.
    pub(super) units: usize,
    pub(super) activation: Activation,
}

/// A network's parameters, padded.
#[derive(Clone, Debug)]
pub(crate) struct PackedNetwork {
    pub(super) layers: Vec<PackedLayer>,
    pub(super) parameters: Vec<Lanes>,
    /// Vectors that hold all layers' units.
    units: usize,
}

impl PackedNetwork {
    pub(crate) fn new(network: &Network) -> Self {
        let (mut parameters, mut units) = (0, 0);
        let layers: Vec<PackedLayer> = network
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
        let mut packed = Self { layers, parameters: vec![[0.0; LANES]; parameters], units };
        packed.parameters = packed.pack(network.parameters());
        packed
    }

    /// Values shaped like the network's parameters, padded with zeros.
    pub(super) fn pack(&self, values: &[f32]) -> Vec<Lanes> {
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
    pub(super) fn unpack(&self, padded: &mut [Lanes], values: &mut [f32]) {
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
        self.layers.iter().flat_map(|layer| std::iter::repeat_n(layer, layer.inputs + 1)).map(
            move |layer| {
                let (row, others) = std::mem::take(&mut rest).split_at_mut(layer.blocks);
                rest = others;
                &mut row.as_flattened_mut()[..layer.outputs]
            },
        )
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
                activate(layer.activation, &mut own.as_flattened_mut()[..layer.outputs]);
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

/// `x · values + sum`, lane by lane.
#[inline(always)]
pub(super) fn multiply_add(x: f32, values: &Lanes, sum: Lanes) -> Lanes {
    let mut result = sum;
    for lane in 0..LANES {
        result[lane] = x.mul_add(values[lane], result[lane]);
    }
    result
}
