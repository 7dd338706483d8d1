//! The end of a weight gradient: a layer's parameters, updated tile by tile.

use super::matrix::Matrix;
use super::packed::PackedLayer;
use super::products::{Sums, written_out};
use super::rules::Rule;
use super::simd::Simd;

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
    // Only of a layer with a mask: `take_tile` takes the sums of others.
    #[inline(always)]
    fn take<const WIDTH: usize>(&mut self, r: usize, v: usize, sums: [W; WIDTH]) {
        let start = r * self.blocks + v;
        let parameters = &mut self.parameters[start..][..WIDTH];
        let slots = &mut self.slots[start..][..WIDTH];
        let keep = if r == self.row_of_biases { self.keep_biases } else { self.keep };
        let keep_end = if v + WIDTH == self.end_of_row { self.keep_end } else { keep };
        for w in 0..WIDTH {
            let gradient = sums[w].keep(self.mask[start + w]);
            let keep = if w + 1 == WIDTH { keep_end } else { keep };
            parameters[w] = self.rule.update(parameters[w], &mut slots[w], gradient, keep);
        }
    }

    #[inline(always)]
    fn take_tile<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        sums: [[W; WIDTH]; HEIGHT],
    ) {
        if !self.mask.is_empty() {
            written_out!(HEIGHT, h, {
                self.take(r + h, v, sums[h]);
            });
            return;
        }
        // Bounds are checked once for the tile: where they were for each row, there were more
        // instructions for that than for the updates.
        let start = r * self.blocks + v;
        let places = start..start + (HEIGHT - 1) * self.blocks + WIDTH;
        let parameters = self.parameters[places.clone()].as_mut_ptr();
        let slots = self.slots[places].as_mut_ptr();
        let end_of_row = v + WIDTH == self.end_of_row;
        // Read once: a compiler cannot know that what is stored is none of it.
        let Self { rule, keep: keep_weights, keep_biases, blocks, row_of_biases, .. } = *self;
        let keep_end = self.keep_end;
        written_out!(HEIGHT, h, {
            let keep = if r + h == row_of_biases { keep_biases } else { keep_weights };
            let keep_end = if end_of_row { keep_end } else { keep };
            for w in 0..WIDTH {
                let place = h * blocks + w;
                // SAFETY: one of the tile's places, the last of which is within both slices; each is
                // visited once, and nothing else refers to either slice meanwhile.
                #[allow(unsafe_code, reason = "kernel file")]
                let (parameter, own) =
                    unsafe { (&mut *parameters.add(place), &mut *slots.add(place)) };
                let keep = if w + 1 == WIDTH { keep_end } else { keep };
                *parameter = rule.update(*parameter, own, sums[h][w], keep);
            }
        });
    }
}
