//! Layers whose units stand in rows as well.
//!
//! The weight gradient of a turned matrix has in its lanes what the layer hears, that of an upright one
//! the layer's deltas (see `matrix`). Where a turned matrix follows an upright one, both are of the same
//! units, and products can have them in the lanes from the start: forward the upright matrix has a row of
//! outputs to each input, and on the way back the turned one a row of inputs to each output. So neither the
//! deltas of the one nor what the other hears is turned over for the weight gradients. Columns are still
//! needed by others: of what the units give by the next layer's way forward, of deltas, but for the first
//! layer's, by the layer before.

use super::packed::PackedLayer;
use super::products::{Columns, Rows, product};
use super::simd::{Simd, Square};
use super::tiles::{Sums, tile_rows, tile_rows_mut, written_out};
use super::units::times_derivatives;
use crate::network::Activation;

/// Writes a layer's weighted sums for so many rows of what it hears, `(rows, blocks)`: its weights are
/// `weights`.
#[inline(always)]
pub(super) fn weighted_sums<S: Square, W: Simd, const ONE: bool>(
    layer: &PackedLayer,
    weights: &[f32],
    heard: Columns<'_>,
    blocks: usize,
    to: &mut [W],
    rows: usize,
) {
    let left = Rows { numbers: heard.numbers, stride: heard.step };
    let (own, step) = (layer.matrix.blocks, layer.matrix.row_width());
    let biases = &weights[layer.inputs * step..];
    let width = at_a_time::<W>(own);
    for v in (0..own).step_by(width) {
        let right = Columns { numbers: &weights[v * W::LANES..], step };
        let biases = &biases[v * W::LANES..];
        let sums = WeightedSums { biases, to: &mut to[v..], blocks };
        let shape = (rows, layer.inputs, (own - v).min(width));
        product::<S, W, _, ONE, _>(left, right, shape, sums);
    }
}

/// Writes the deltas of the layer `before` as rows, `(rows, blocks of before)`, from the `weights` of the
/// layer behind it and from that one's deltas, which are columns; `units` is what `before` gave, `(rows,
/// blocks of layer)`.
#[inline(always)]
pub(super) fn deltas<S: Square, W: Simd, const ONE: bool>(
    (layer, before): (&PackedLayer, &PackedLayer),
    weights: &[f32],
    deltas: Columns<'_>,
    units: &[W],
    to: &mut [W],
    rows: usize,
) {
    let left = Rows { numbers: deltas.numbers, stride: deltas.step };
    let (own, step) = (before.matrix.blocks, layer.matrix.row_width());
    let width = at_a_time::<W>(own);
    for v in (0..own).step_by(width) {
        let right = Columns { numbers: &weights[v * W::LANES..], step };
        let sums = DeltasInRows {
            activation: before.activation,
            units: &units[v..],
            blocks: layer.matrix.blocks,
            to: &mut to[v..],
            own,
            end: own - v,
            present: present(before.outputs, W::LANES),
        };
        let shape = (rows, layer.outputs, (own - v).min(width));
        product::<S, W, _, ONE, _>(left, right, shape, sums);
    }
}

/// How many of a row's vectors one product works out: of narrow tiles two, whose weights the nearest cache
/// then keeps for all rows; of wide ones all, since the product goes by vectors first.
#[inline(always)]
fn at_a_time<W: Simd>(vectors: usize) -> usize {
    if W::WIDE_TILE_ROWS > 0 { vectors } else { 2 }
}

/// Bits of the lanes that hold one of so many numbers, in the last of the vectors that hold them all.
fn present(count: usize, lanes: usize) -> u32 {
    u32::MAX >> (31 - (count - 1) % lanes)
}

/// Ends each row, behind its `count` units, with a one for the next layer's biases, then zeros.
#[inline(always)]
pub(super) fn end_with_ones<W: Simd>(units: &mut [W], blocks: usize, count: usize) {
    let one = W::splat(1.0).keep(1 << (count % W::LANES));
    let before = (1 << (count % W::LANES)) - 1;
    for row in units.chunks_exact_mut(blocks) {
        row[blocks - 1] = row[blocks - 1].keep(before).add(one);
    }
}

/// Weighted sums, some vectors of each row; they begin with the `biases`.
struct WeightedSums<'a, W> {
    biases: &'a [f32],
    to: &'a mut [W],
    /// Vectors from one row to the next.
    blocks: usize,
}

impl<W: Simd> Sums<W> for WeightedSums<'_, W> {
    #[inline(always)]
    fn first<const WIDTH: usize>(&self, _r: usize, v: usize) -> [W; WIDTH] {
        let mut first = [W::splat(0.0); WIDTH];
        for w in 0..WIDTH {
            first[w] = W::load(&self.biases[(v + w) * W::LANES..][..W::LANES]);
        }
        first
    }

    #[inline(always)]
    fn take<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        sums: [[W; WIDTH]; HEIGHT],
    ) {
        let to = tile_rows_mut::<_, HEIGHT, WIDTH>(self.to, r * self.blocks + v, self.blocks);
        written_out!(HEIGHT, h, {
            *to[h] = sums[h];
        });
    }
}

/// A layer's deltas, some vectors of each row: the input gradient of the layer behind it times the
/// derivative of what gave `units`.
struct DeltasInRows<'a, W> {
    activation: Activation,
    units: &'a [W],
    /// Vectors from one row of units to the next.
    blocks: usize,
    to: &'a mut [W],
    /// Vectors from one row of deltas to the next.
    own: usize,
    /// Behind which vector a row of deltas ends.
    end: usize,
    /// Bits of the lanes that it has in the last one.
    present: u32,
}

impl<W: Simd> Sums<W> for DeltasInRows<'_, W> {
    #[inline(always)]
    fn take<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        mut sums: [[W; WIDTH]; HEIGHT],
    ) {
        let units = tile_rows::<_, HEIGHT, WIDTH>(self.units, r * self.blocks + v, self.blocks);
        let to = tile_rows_mut::<_, HEIGHT, WIDTH>(self.to, r * self.own + v, self.own);
        let last = v + WIDTH == self.end;
        written_out!(HEIGHT, h, {
            times_derivatives(self.activation, units[h], &mut sums[h]);
            if last {
                // Behind the last weight stands a bias.
                sums[h][WIDTH - 1] = sums[h][WIDTH - 1].keep(self.present);
            }
            *to[h] = sums[h];
        });
    }
}
