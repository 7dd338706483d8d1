//! A network laid out for products, and its forward pass over many rows at once.
//!
//! A layer's weights and biases are a matrix whose rows are padded with zeros to whole vectors, since
//! the weight gradient has a row's numbers in its lanes: `(inputs + 1, outputs)`, the last row being
//! the biases, or, where that is less work, `(outputs, inputs + 1)`. Rows that have room in half a vector
//! stand in halves. So the small layers of small networks fill their lanes.
//!
//! What units give is `(units, vectors)`, with rows of the table in the lanes, so that no layer is too
//! narrow to fill them, and a row's outputs do not depend on the rows beside it. After the units of
//! each layer stands one that always gives 1, so that the biases' gradient is part of the weights': by
//! itself it would be a chain of additions that each wait for the one before.

use super::products::{Columns, Rows, Steps, Stored, product};
use super::simd::{Simd, Square, numbers, numbers_mut, zeros};
use super::units::activate;
use super::window::load;
use crate::lanes::WHOLE;
use crate::network::{Activation, Network};

/// Where one layer stands; offsets of parameters count whole vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) matrix: Matrix,
    /// Offset of the weights and biases.
    pub(super) start: usize,
    /// Offset of what is behind them.
    pub(super) end: usize,
    /// Number of the first of the layer's units, of which the table's columns are none.
    pub(super) units: usize,
    /// Number of the first unit of the layer before.
    pub(super) before: usize,
    pub(super) activation: Activation,
}

/// How a layer's weights and biases stand, as a matrix whose rows are padded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    /// Whether a row has the weights of one output, and its bias, rather than those of one input.
    pub(super) turned: bool,
    rows: usize,
    /// Numbers of the vectors in which rows stand: those of a whole vector or of a half.
    pub(super) lanes: usize,
    /// Such vectors that hold one row.
    pub(super) blocks: usize,
}

/// What it costs a row of a batch to turn over the columns of one of a row's vectors, in such vectors of
/// a product. With 4 a layer of 128 inputs and 10 outputs was turned, and 3 % slower.
const SQUARE: usize = 6;

impl Matrix {
    /// The one of less work for a layer. Lanes are those of a whole vector and of a half.
    #[inline(always)]
    pub(crate) fn of(shape: (usize, usize), first: bool, lanes: (usize, usize)) -> Self {
        let (inputs, outputs) = shape;
        let upright = Self::upright(shape, lanes);
        let turned = Self::padded(true, (outputs, inputs + 1), lanes);
        // The table's rows are at hand.
        let square = if first { 0 } else { SQUARE };
        let less = turned.cost(square, lanes) <= upright.cost(SQUARE, lanes);
        if less { turned } else { upright }
    }

    /// One whose rows have the weights of one input each.
    #[inline(always)]
    fn upright((inputs, outputs): (usize, usize), lanes: (usize, usize)) -> Self {
        Self::padded(false, (inputs + 1, outputs), lanes)
    }

    #[inline(always)]
    fn padded(
        turned: bool,
        (rows, columns): (usize, usize),
        (whole, half): (usize, usize),
    ) -> Self {
        let lanes = if columns <= half { half } else { whole };
        Self { turned, rows, lanes, blocks: columns.div_ceil(lanes) }
    }

    /// What the weight gradient costs a row of a batch, where a vector's columns are turned over for
    /// `square`: in halves of vectors, a whole one counting as the halves that it costs.
    #[inline(always)]
    fn cost(self, square: usize, (whole, half): (usize, usize)) -> f64 {
        let one = if self.lanes == whole && half < whole { WHOLE } else { 1.0 };
        ((self.rows + square) * self.blocks) as f64 * one
    }

    /// Numbers of a row, padding and all.
    #[inline(always)]
    pub(super) fn row_width(self) -> usize {
        self.blocks * self.lanes
    }

    /// Numbers in all, padding and all.
    #[inline(always)]
    pub(crate) fn numbers(self) -> usize {
        self.rows * self.row_width()
    }
}

/// A network's parameters, padded.
pub(super) struct Packed<S> {
    pub(super) layers: Vec<PackedLayer>,
    pub(super) parameters: Vec<S>,
    /// Whether some layer's rows stand in whole vectors, and in halves.
    pub(super) wholes: bool,
    pub(super) halves: bool,
}

impl<S: Square> Packed<S> {
    /// For training, or else for the way forward alone, where a turned matrix has no use.
    #[inline(always)]
    pub(super) fn new(network: &Network, training: bool) -> Self {
        let (mut start, mut units, mut before) = (0, 0, 0);
        let mut layers = Vec::with_capacity(network.activations().len());
        for (layer, &activation) in network.layers().zip(network.activations()) {
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let lanes = (S::LANES, S::Half::LANES);
            let matrix = if training {
                Matrix::of((inputs, outputs), layers.is_empty(), lanes)
            } else {
                Matrix::upright((inputs, outputs), lanes)
            };
            let end = start + matrix.numbers().div_ceil(S::LANES);
            layers.push(PackedLayer {
                inputs,
                outputs,
                matrix,
                start,
                end,
                units,
                before,
                activation,
            });
            before = units;
            units += outputs + 1;
            start = end;
        }
        let has =
            |lanes: usize| layers.iter().any(|layer: &PackedLayer| layer.matrix.lanes == lanes);
        let (wholes, halves) = (has(S::LANES), S::Half::LANES < S::LANES && has(S::Half::LANES));
        let mut packed = Self { layers, parameters: Vec::new(), wholes, halves };
        packed.parameters = packed.pack([network.parameters()]);
        packed
    }

    /// Units of all layers, those that give 1 included.
    pub(super) fn units(&self) -> usize {
        self.layers.iter().map(|layer| layer.outputs + 1).sum()
    }

    /// Several values for each parameter, each kind in the order of the network's own array, as
    /// vectors padded with zeros: where the parameters have one vector, there is one of each kind.
    #[inline(always)]
    pub(super) fn pack<const KINDS: usize>(&self, values: [&[f32]; KINDS]) -> Vec<S> {
        let mut padded = zeros(self.layers.last().map_or(0, |layer| layer.end) * KINDS);
        for (kind, mut rest) in values.into_iter().enumerate() {
            for (start, count) in self.places(kind, KINDS) {
                let (first, others) = rest.split_at(count);
                numbers_mut::<S>(&mut padded)[start..][..count].copy_from_slice(first);
                rest = others;
            }
        }
        padded
    }

    /// Takes the padding out again from vectors of `kinds` kinds, of which one is meant.
    #[inline(always)]
    pub(super) fn unpack(&self, padded: &[S], (kind, kinds): (usize, usize), values: &mut [f32]) {
        let mut rest = values;
        for (start, count) in self.places(kind, kinds) {
            let (first, others) = rest.split_at_mut(count);
            first.copy_from_slice(&numbers(padded)[start..][..count]);
            rest = others;
        }
    }

    /// Where the values of one of several kinds stand, in the order of the network's own array: the
    /// places of numbers, and how many values stand there side by side.
    fn places(&self, kind: usize, kinds: usize) -> impl Iterator<Item = (usize, usize)> {
        self.layers.iter().flat_map(move |&layer| {
            let PackedLayer { inputs, outputs, start, .. } = layer;
            let Matrix { turned, lanes, blocks, .. } = layer.matrix;
            // With one kind the vectors of a row are adjacent.
            let side_by_side = match (turned, kinds) {
                (true, _) => 1,
                (false, 1) => outputs,
                (false, _) => lanes,
            };
            (0..=inputs).flat_map(move |i| {
                (0..outputs).step_by(side_by_side).map(move |j| {
                    let (row, column) = if turned { (j, i) } else { (i, j) };
                    let vector = (row * blocks + column / lanes) * kinds + kind;
                    let place = start * kinds * S::LANES + vector * lanes + column % lanes;
                    (place, side_by_side.min(outputs - j))
                })
            })
        })
    }

    /// A layer's weights and biases, as numbers.
    #[inline(always)]
    pub(super) fn numbers(&self, layer: &PackedLayer) -> &[f32] {
        numbers(&self.parameters[layer.start..layer.end])
    }

    /// Writes what the units give, `(units, vectors)`, for columns of inputs.
    #[inline(always)]
    pub(super) fn forward(&self, inputs: Columns<'_>, units: &mut [S], vectors: usize) {
        for layer in &self.layers {
            let (before, own) = units.split_at_mut(layer.units * vectors);
            let (own, after) = own.split_at_mut(layer.outputs * vectors);
            let (weights, row) = (self.numbers(layer), layer.matrix.row_width());
            let heard = layer.heard(inputs, before, vectors);
            let shape = (layer.outputs, layer.inputs, vectors);
            if layer.matrix.turned {
                let left = Steps { numbers: weights, stride: row };
                let sums = Stored { first: (&weights[layer.inputs..], row), to: own, vectors };
                product::<S, S, _, false, _>(left, heard, shape, sums);
            } else {
                let left = Rows { numbers: weights, stride: row };
                let first = (&weights[layer.inputs * row..], 1);
                let sums = Stored { first, to: own, vectors };
                product::<S, S, _, false, _>(left, heard, shape, sums);
            }
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
    let packed = Packed::<S>::new(network, false);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_turned_where_that_is_less_work() {
        let turned = |shape, first, lanes| Matrix::of(shape, first, lanes).turned;
        for lanes in [(16, 8), (8, 8)] {
            // Thirty columns and five units: five rows in place of 31.
            assert!(turned((30, 5), true, lanes));
            // What a later layer hears must be turned over first.
            assert!(turned((12, 1), false, lanes));
            assert!(!turned((128, 10), false, lanes) && !turned((64, 64), false, lanes));
        }
        assert!(turned((5, 4), false, (16, 8)) && turned((12, 3), false, (16, 8)));
    }
}
