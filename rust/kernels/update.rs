//! The end of a weight gradient: a layer's parameters, updated tile by tile.

use super::matrix::Matrix;
use super::packed::PackedLayer;
use super::rules::Rule;
use super::simd::Simd;
use super::tiles::{Sums, tile_rows, tile_rows_mut, written_out};

/// Nowhere.
const NONE: usize = usize::MAX;

/// A layer's weights and biases, updated as soon as a tile of their gradient is summed up.
pub(super) struct Update<'a, W, R, const SLOTS: usize> {
    parameters: &'a mut [W],
    slots: &'a mut [[W; SLOTS]],
    mask: &'a [u32],
    rule: R,
    /// What an update multiplies weights by, biases, and the last of a row that ends in a bias.
    keep: W,
    keep_biases: W,
    keep_end: W,
    /// The row that has the biases, or `NONE`.
    row_of_biases: usize,
    /// Vectors of a row that ends in a bias, or `NONE`.
    end_of_row: usize,
    /// Vectors of a row.
    blocks: usize,
}

impl<'a, W: Simd, R: Rule<W, SLOTS>, const SLOTS: usize> Update<'a, W, R, SLOTS> {
    /// Of parameters, slots and masks that begin with the layer's; `keep` is for weights and biases.
    #[inline(always)]
    pub(super) fn new(
        layer: &PackedLayer,
        parameters: &'a mut [W],
        slots: &'a mut [[W; SLOTS]],
        mask: &'a [u32],
        rule: R,
        (keep, keep_biases): (f32, f32),
    ) -> Self {
        let PackedLayer { inputs, matrix: Matrix { turned, blocks, .. }, .. } = *layer;
        let mut update = Self {
            parameters,
            slots,
            mask,
            rule,
            keep: W::splat(keep),
            keep_biases: W::splat(keep_biases),
            keep_end: W::splat(keep),
            row_of_biases: inputs,
            end_of_row: NONE,
            blocks,
        };
        if turned {
            // Not by way of memory, since a vector that is read there waits for all that it is made of.
            let bias = 1 << (inputs % W::LANES);
            update.keep_end = update.keep.keep(!bias).add(update.keep_biases.keep(bias));
            (update.row_of_biases, update.end_of_row) = (NONE, blocks);
        }
        update
    }
}

impl<W: Simd, R: Rule<W, SLOTS>, const SLOTS: usize> Sums<W> for Update<'_, W, R, SLOTS> {
    #[inline(always)]
    fn take<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        mut sums: [[W; WIDTH]; HEIGHT],
    ) {
        // Read once: a compiler cannot know that what is stored is none of it.
        let Self { rule, keep: keep_weights, keep_biases, keep_end, .. } = *self;
        let Self { blocks, row_of_biases, end_of_row, .. } = *self;
        let start = r * blocks + v;
        if !self.mask.is_empty() {
            let masks = tile_rows::<_, HEIGHT, WIDTH>(self.mask, start, blocks);
            written_out!(HEIGHT, h, {
                for w in 0..WIDTH {
                    sums[h][w] = sums[h][w].keep(masks[h][w]);
                }
            });
        }
        let parameters = tile_rows_mut::<_, HEIGHT, WIDTH>(self.parameters, start, blocks);
        let slots = tile_rows_mut::<_, HEIGHT, WIDTH>(self.slots, start, blocks);
        let ends = v + WIDTH == end_of_row;
        written_out!(HEIGHT, h, {
            let keep = if r + h == row_of_biases { keep_biases } else { keep_weights };
            for w in 0..WIDTH {
                let keep = if ends && w + 1 == WIDTH { keep_end } else { keep };
                let (parameter, own) = (&mut parameters[h][w], &mut slots[h][w]);
                rule.update(parameter, own, sums[h][w], keep);
            }
        });
    }
}
