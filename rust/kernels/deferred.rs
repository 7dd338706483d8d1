//! Updates that are deferred to the next row's way forward.
//!
//! What a batch of one row changes may as well be changed where the next row needs it first. A way back
//! then reads weights and writes deltas alone, and the next way forward makes the update of each weight
//! just before it takes the weight into a sum. That is the same arithmetic in the same order, with two
//! gains:
//!
//! 1. A way forward waits for each layer's exponentials: updates are work to fill that time with.
//! 2. Updates on the way back alone go through the velocities in the same order at each row, the worst
//!    for a cache that is a little too small for them, since what comes next is what was used longest
//!    ago. If the updates of every other row are deferred, velocities (of whole vectors, in lines of
//!    their own) are used from the first layer to the last and then from the last to the first, as
//!    weights are.
//!
//! Until then a row's units and deltas are kept, so that a group has room for those of two rows.

use super::blocks::{Cell, with_width};
use super::group::Group;
use super::rules::Rule;
use super::simd::Simd;

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Group<'_, S, R, SLOTS> {
    /// Keeps what a row has left whose updates are deferred.
    #[inline(always)]
    pub(super) fn defer(&mut self) {
        std::mem::swap(&mut self.units, &mut self.spare);
    }

    /// A layer's weighted sums, by weights that are updated first from the row before.
    #[inline(always)]
    pub(super) fn update_and_add_sums(&mut self, index: usize) {
        let layer = &self.layers[index];
        let (cells, units) = (self.cells.as_mut_ptr(), self.units.as_mut_ptr());
        let sums = self.sums.as_mut_ptr();
        // SAFETY: `layers` has laid out cells and units, of which there are as many, one after another;
        // `spare` is as large as `units`, `sums` as the widest layer, and all four are vectors of their
        // own. What the layer heard for the row before stands in `spare`, its deltas where it is to
        // write now: each is read before a sum takes its place, with the last block.
        #[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
        unsafe {
            let (x, own) = (units.add(layer.heard).cast_const(), units.add(layer.units));
            let before = Deferred {
                heard: self.spare.as_ptr().add(layer.heard),
                deltas: own.cast_const(),
                outputs: layer.outputs,
                rule: self.rule,
                keep: self.keep,
                biases: cells.add(layer.biases),
            };
            for block in &layer.blocks {
                let last = block.input + block.width == layer.inputs;
                let sums = (sums.cast_const(), if last { own } else { sums });
                let cells = cells.add(block.start);
                if block.input == 0 {
                    with_width!(S, block.width, WIDTH =>
                        before.add_sums::<WIDTH, true>(cells, block.input, x, sums));
                } else {
                    with_width!(S, block.width, WIDTH =>
                        before.add_sums::<WIDTH, false>(cells, block.input, x, sums));
                }
            }
        }
    }
}

/// A layer's update from the row before.
struct Deferred<S, R, const SLOTS: usize> {
    /// What the layer's inputs gave.
    heard: *const S,
    /// Its outputs' deltas.
    deltas: *const S,
    outputs: usize,
    rule: R,
    /// As the group's.
    keep: (S, S),
    /// Its outputs' biases.
    biases: *mut Cell<S, SLOTS>,
}

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Deferred<S, R, SLOTS> {
    /// Updates a block, `(outputs, WIDTH)`, whose first input is `input`, and adds up
    /// `to[j] = before[j] + Σ_i x[i] · block[j, i]`, in the order of i: `x` is what the layer hears now, and
    /// `before` are `sums`, or for the `FIRST` block the biases, which are updated as well. In a loop of
    /// their own they took small networks 2 to 4 % longer.
    ///
    /// A bias's gradient is its delta, which `blocks` multiplies by 1.
    ///
    /// # Safety
    /// `heard` and `x` point to `input + WIDTH` vectors, `deltas`, `to` and unless it is `FIRST` `sums` to
    /// `outputs`, `biases` to `outputs` cells and `block` to `outputs · WIDTH` others. Nothing else refers
    /// to what is written, but `to` may be where `sums` or `deltas` are.
    #[inline(always)]
    unsafe fn add_sums<const WIDTH: usize, const FIRST: bool>(
        &self,
        block: *mut Cell<S, SLOTS>,
        input: usize,
        x: *const S,
        (sums, to): (*const S, *mut S),
    ) {
        // SAFETY: as the caller has promised.
        unsafe {
            let heard = self.heard.add(input).cast::<[S; WIDTH]>().read();
            let x = x.add(input).cast::<[S; WIDTH]>().read();
            for j in 0..self.outputs {
                let delta = self.deltas.add(j).read();
                let mut total = if FIRST {
                    let bias = &mut *self.biases.add(j);
                    bias.value = self.rule.update(bias.value, &mut bias.slots, delta, self.keep.1);
                    bias.value
                } else {
                    sums.add(j).read()
                };
                for i in 0..WIDTH {
                    let cell = &mut *block.add(j * WIDTH + i);
                    let change = heard[i].mul(delta);
                    cell.value = self.rule.update(cell.value, &mut cell.slots, change, self.keep.0);
                    total = x[i].mul_add(cell.value, total);
                }
                to.add(j).write(total);
            }
        }
    }
}
