//! A network laid out for products, and its forward pass over many rows at once.
//!
//! Weights are `(inputs, blocks)`: a row of outputs padded with zeros to whole vectors, since the
//! weight gradient has outputs in its lanes; biases are one more such row. What units give is
//! `(units, vectors)`, with rows of the table in the lanes, so that no layer is too narrow to fill
//! them, and a row's outputs do not depend on the rows beside it. After the units of each layer
//! stands one that always gives 1, so that the biases' gradient is a row of the weights': by itself
//! it would be a chain of additions that each wait for the one before.

use super::products::{Columns, Left, Stored, product};
use super::simd::{Simd, Square, numbers, numbers_mut, zeros};
use super::units::activate;
use super::window::load;
use crate::network::{Activation, Network};

/// Where one layer stands; offsets of parameters count vectors.
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
    /// Number of the first of the layer's units, of which the table's columns are none.
    pub(super) units: usize,
    /// Number of the first unit of the layer before.
    pub(super) before: usize,
    pub(super) activation: Activation,
}

/// A network's parameters, padded.
pub(super) struct Packed<S> {
    pub(super) layers: Vec<PackedLayer>,
    pub(super) parameters: Vec<S>,
}

impl<S: Square> Packed<S> {
    #[inline(always)]
    pub(super) fn new(network: &Network) -> Self {
        let (mut parameters, mut units, mut before) = (0, 0, 0);
        let mut layers = Vec::with_capacity(network.activations().len());
        for (layer, &activation) in network.layers().zip(network.activations()) {
            let blocks = layer.outputs.div_ceil(S::LANES);
            let packed = PackedLayer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                blocks,
                weights: parameters,
                biases: parameters + layer.inputs * blocks,
                units,
                before,
                activation,
            };
            before = units;
            units += layer.outputs + 1;
            parameters = packed.biases + blocks;
            layers.push(packed);
        }
        let mut packed = Self { layers, parameters: Vec::new() };
        packed.parameters = packed.pack(network.parameters());
        packed
    }

    /// Units of all layers, those that give 1 included.
    pub(super) fn units(&self) -> usize {
        self.layers.iter().map(|layer| layer.outputs + 1).sum()
    }

    /// Values shaped like the network's parameters, padded with zeros.
    #[inline(always)]
    pub(super) fn pack(&self, values: &[f32]) -> Vec<S> {
        let mut padded = zeros(self.layers.last().map_or(0, |layer| layer.biases + layer.blocks));
        let mut rest = values;
        for (row, outputs) in self.rows() {
            let (first, others) = rest.split_at(outputs);
            numbers_mut::<S>(&mut padded)[row * S::LANES..][..outputs].copy_from_slice(first);
            rest = others;
        }
        padded
    }

    /// Takes the padding out again; `padded` has `slots` vectors for each one of the parameters, of
    /// which the one in place `slot` is meant.
    #[inline(always)]
    pub(super) fn unpack(&self, padded: &[S], (slot, slots): (usize, usize), values: &mut [f32]) {
        let mut rest = values;
        for (row, outputs) in self.rows() {
            let (first, others) = rest.split_at_mut(outputs);
            let vectors = padded[row * slots + slot..].iter().step_by(slots);
            for (values, vector) in first.chunks_mut(S::LANES).zip(vectors) {
                values.copy_from_slice(&numbers(std::slice::from_ref(vector))[..values.len()]);
            }
            rest = others;
        }
    }

    /// The rows of outputs, in the order of the network's own array: where each begins, and how many
    /// outputs it has.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        self.layers.iter().flat_map(|layer| {
            let row = move |i: usize| (layer.weights + i * layer.blocks, layer.outputs);
            (0..=layer.inputs).map(row)
        })
    }

    /// Writes what the units give, `(units, vectors)`, for columns of inputs.
    #[inline(always)]
    pub(super) fn forward(&self, inputs: Columns<'_>, units: &mut [S], vectors: usize) {
        for layer in &self.layers {
            let (before, own) = units.split_at_mut(layer.units * vectors);
            let (own, after) = own.split_at_mut(layer.outputs * vectors);
            let weights = numbers(&self.parameters[layer.weights..layer.biases]);
            let left = Left { numbers: weights, row: 1, step: layer.blocks * S::LANES };
            let biases = numbers(&self.parameters[layer.biases..][..layer.blocks]);
            let shape = (layer.outputs, layer.inputs, vectors);
            let mut sums = Stored { first: biases, to: own, vectors };
            product(left, layer.heard(inputs, before, vectors), shape, &mut sums);
            activate(layer.activation, own, vectors);
            after[..vectors].fill(S::splat(1.0));
        }
    }

    /// What the last layer gives, `(outputs, vectors)`, among what all units give.
    #[inline(always)]
    pub(super) fn outputs<'a>(&self, units: &'a [S], vectors: usize) -> &'a [S] {
        let Some(last) = self.layers.last() else { return &[] };
        &units[last.units * vectors..][..last.outputs * vectors]
    }
}

impl PackedLayer {
    /// What the layer hears: the table's columns, or those of the layer before, which are of so many
    /// vectors each and end with one that gives 1.
    #[inline(always)]
    pub(super) fn heard<'a, S: Simd>(
        &self,
        inputs: Columns<'a>,
        units: &'a [S],
        vectors: usize,
    ) -> Columns<'a> {
        if self.units == 0 {
            inputs
        } else {
            Columns::of(&units[self.before * vectors..self.units * vectors], vectors)
        }
    }
}

/// A network's outputs, to be written to `to`, `(rows, outputs)`, for rows of inputs `(inputs,)`.
#[inline(always)]
pub(crate) fn outputs<'a, S: Square>(
    network: &Network,
    mut rows: impl ExactSizeIterator<Item = &'a [f32]>,
    to: &mut [f32],
) {
    const ROWS: usize = 64;
    if rows.len() == 0 {
        return;
    }
    let packed = Packed::<S>::new(network);
    let (vectors, width) = (ROWS.min(rows.len()).div_ceil(S::LANES), network.outputs());
    let mut inputs: Vec<S> = zeros(network.inputs() * vectors);
    let mut units = zeros(packed.units() * vectors);
    let room = vectors * S::LANES;
    for to in to.chunks_mut(room * width) {
        load(rows.by_ref().take(to.len() / width), &mut inputs, vectors);
        packed.forward(Columns::of(&inputs, vectors), &mut units, vectors);
        let outputs = numbers(packed.outputs(&units, vectors));
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            for (unit, number) in to.iter_mut().enumerate() {
                *number = outputs[unit * room + row];
            }
        }
    }
}
