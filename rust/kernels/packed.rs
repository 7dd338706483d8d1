//! A network laid out for products, and its forward pass over many rows at once.
//!
//! A layer's weights and biases are a matrix, upright or turned (see `matrix`).
//!
//! What units give is `(units, vectors)`, with rows of the table in the lanes, so that no layer is too
//! narrow to fill them, and a row's outputs do not depend on the rows beside it. After the units of
//! each layer stands one that always gives 1, so that the biases' gradient is part of the weights': by
//! itself it would be a chain of additions that each wait for the one before. Some layers' units stand in
//! rows as well (see `in_rows`).

use super::in_rows;
use super::matrix::{Matrix, Standing, standing};
use super::products::{Columns, Rows, Steps, Stored, product};
use super::simd::{Simd, Square, narrowed_mut, numbers};
use super::turning::rows;
use super::units::activate;
use crate::network::{Activation, Layer, Network};

/// Where one layer stands; offsets of parameters count whole vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) matrix: Matrix,
    /// Where its units stand in rows as well, if they do.
    pub(super) in_rows: Option<InRows>,
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

/// Where a layer's units stand in rows, each of which is as long as a row of the next layer's matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct InRows {
    /// Numbers that a row of the table has in the layers before that stand in rows.
    start: usize,
    /// Numbers of a row.
    pub(super) width: usize,
}

impl InRows {
    /// What has so many vectors of the table's rows, of one layer.
    #[inline(always)]
    pub(super) fn of<S>(self, all: &[S], vectors: usize) -> &[S] {
        &all[self.start * vectors..][..self.width * vectors]
    }

    #[inline(always)]
    fn of_mut<S>(self, all: &mut [S], vectors: usize) -> &mut [S] {
        &mut all[self.start * vectors..][..self.width * vectors]
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
    /// For training by batches of so many rows, or else for the way forward alone, where a turned matrix
    /// has no use.
    #[inline(always)]
    pub(super) fn new(network: &Network, batch_size: Option<usize>) -> Self {
        let lanes = (S::LANES, S::Half::LANES);
        let upright = |layer: Layer| Matrix::upright((layer.inputs, layer.outputs), lanes);
        let standing = batch_size.map_or_else(
            || network.layers().map(upright).map(Standing::in_columns).collect(),
            |batch_size| standing(network.topology(), batch_size, lanes),
        );
        let (mut start, mut units, mut before, mut row) = (0, 0, 0, 0);
        let mut layers = Vec::with_capacity(standing.len());
        for (index, (layer, &activation)) in network.layers().zip(network.activations()).enumerate()
        {
            let Standing { matrix, in_rows } = standing[index];
            let next = in_rows.then(|| standing[index + 1].matrix);
            let in_rows = next.map(|next| InRows { start: row, width: next.row_width() });
            let end = start + matrix.numbers().div_ceil(S::LANES);
            layers.push(PackedLayer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                matrix,
                in_rows,
                start,
                end,
                units,
                before,
                activation,
            });
            before = units;
            units += layer.outputs + 1;
            row += in_rows.map_or(0, |in_rows| in_rows.width);
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

    /// Numbers that a row of the table has in all layers' units that stand in rows.
    pub(super) fn row_width(&self) -> usize {
        self.layers.iter().filter_map(|layer| layer.in_rows).map(|in_rows| in_rows.width).sum()
    }

    /// A layer's weights and biases, as numbers.
    #[inline(always)]
    pub(super) fn numbers(&self, layer: &PackedLayer) -> &[f32] {
        numbers(&self.parameters[layer.start..layer.end])
    }

    /// Writes what the units give, `(units, vectors)`, for columns of inputs of so many rows, and of some
    /// layers, one after the other, in rows as well, `(vectors · LANES, width)`.
    #[inline(always)]
    pub(super) fn forward(
        &self,
        inputs: Columns<'_>,
        units: &mut [S],
        rows_of_units: &mut [S],
        count: usize,
    ) {
        let vectors = count.div_ceil(S::LANES);
        for layer in &self.layers {
            let (before, own) = units.split_at_mut(layer.units * vectors);
            let heard = layer.heard(inputs, before, vectors);
            let (own, after) = own.split_at_mut(layer.outputs * vectors);
            after[..vectors].fill(S::splat(1.0));
            if let Some(place) = layer.in_rows {
                let units = place.of_mut(rows_of_units, vectors);
                let shape = (count, place.width);
                if layer.is_whole::<S>() {
                    self.forward_in_rows::<S, false>(layer, heard, shape, units, own);
                } else {
                    self.forward_in_rows::<S::Half, true>(layer, heard, shape, units, own);
                }
                continue;
            }
            let (weights, row) = (self.numbers(layer), layer.matrix.row_width());
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
        }
    }

    /// The way forward of a layer whose units stand in rows, `units`, `(count, width)` and some rows of no
    /// account, and in `columns`, `(outputs, vectors)`. Its matrix has vectors of the type `W`, or just
    /// `ONE`.
    #[inline(always)]
    fn forward_in_rows<W: Square, const ONE: bool>(
        &self,
        layer: &PackedLayer,
        heard: Columns<'_>,
        (count, width): (usize, usize),
        units: &mut [S],
        columns: &mut [S],
    ) {
        let (weights, blocks) = (self.numbers(layer), width / W::LANES);
        let sums = narrowed_mut(units);
        in_rows::weighted_sums::<S, W, ONE>(layer, weights, heard, blocks, sums, count);
        // Whichever vectors are beside each other, as no hidden layer has softmax. Where the last one of
        // a row has no unit, it is left out if enough are left for exponentials side by side; that is so
        // of whole vectors alone, since units that fill half a one have a next matrix of whole ones.
        let all = (count * width).div_ceil(S::LANES);
        let (at_once, present) = match (width / S::LANES, layer.matrix.row_width() < width) {
            (row, true) if row > 4 => (row, row - 1),
            _ => (all, all),
        };
        for units in units[..all].chunks_exact_mut(at_once) {
            activate(layer.activation, &mut units[..present], 1);
        }
        let own = narrowed_mut::<S, W>(units);
        in_rows::end_with_ones(&mut own[..count * blocks], blocks, layer.outputs);
        rows(own, narrowed_mut(columns), blocks);
    }

    /// What the last layer gives, `(outputs, vectors)`, among what all units give.
    #[inline(always)]
    pub(super) fn outputs<'a>(&self, units: &'a [S], vectors: usize) -> &'a [S] {
        let Some(last) = self.layers.last() else { return &[] };
        &units[last.units * vectors..][..last.outputs * vectors]
    }
}

impl PackedLayer {
    /// Whether its matrix has whole vectors, rather than halves; where there are no halves, the compiler
    /// knows.
    #[inline(always)]
    pub(super) fn is_whole<S: Square>(&self) -> bool {
        S::LANES == S::Half::LANES || self.matrix.lanes == S::LANES
    }

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
