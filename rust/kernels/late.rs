//! Updates that are put off to the next row's way forward.
//!
//! What a batch of one row changes may as well be changed where the next row needs it first. A way back
//! then reads weights and writes deltas alone, and the next way forward makes the update of each weight
//! just before it takes the weight into a sum. That is the same arithmetic in the same order, with two
//! gains:
//!
//! 1. A way forward waits for each layer's exponentials: updates are work to fill that time with, where
//!    no other group does.
//! 2. Every update on the way back would go through the velocities in the same order at each row, the
//!    worst for a cache that is a little too small for them, since what comes next is always what was
//!    dropped last. If the updates of every other row are put off, velocities are used from the first
//!    layer to the last and at once from the last to the first, as weights are.
//!
//! Until then the layers' units and deltas are kept: the group has room for two rows' units.

use super::blocks::Cell;
use super::rules::Rule;
use super::simd::Simd;

/// A layer with an update put off.
pub(super) struct Late<S, R> {
    /// What its inputs gave for the row before.
    pub(super) heard: *const S,
    /// Its outputs' deltas of that row.
    pub(super) deltas: *const S,
    pub(super) outputs: usize,
    pub(super) rule: R,
}

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R> Late<S, R> {
    /// Updates the biases, `(outputs,)`, and writes them to `sums`.
    ///
    /// # Safety
    /// `deltas` points to `outputs` vectors, `biases` to as many cells and `sums` to as many vectors;
    /// nothing else refers to what is written.
    #[inline(always)]
    pub(super) unsafe fn biases<const SLOTS: usize>(
        &self,
        biases: *mut Cell<S, SLOTS>,
        keep: S,
        sums: *mut S,
    ) where
        R: Rule<S, SLOTS>,
    {
        for j in 0..self.outputs {
            // SAFETY: as the caller has promised.
            let (bias, delta) = unsafe { (&mut *biases.add(j), self.deltas.add(j).read()) };
            bias.value = self.rule.update(bias.value, &mut bias.slots, delta, keep);
            // SAFETY: likewise.
            unsafe { sums.add(j).write(bias.value) };
        }
    }

    /// Updates a block, `(outputs, WIDTH)`, whose first input is `input`, and adds up
    /// `to[j] = sums[j] + Σ_i x[i] · block[j, i]`, in the order of i, `x` being what the layer hears now.
    ///
    /// # Safety
    /// `heard` and `x` point to `input + WIDTH` vectors, `deltas`, `sums` and `to` to `outputs`, and
    /// `block` to `outputs · WIDTH` cells. Nothing else refers to what is written, but `to` may be where
    /// `sums` or `deltas` are.
    #[inline(always)]
    pub(super) unsafe fn add_sums<const SLOTS: usize, const WIDTH: usize>(
        &self,
        block: *mut Cell<S, SLOTS>,
        keep: S,
        input: usize,
        x: *const S,
        (sums, to): (*const S, *mut S),
    ) where
        R: Rule<S, SLOTS>,
    {
        // SAFETY: as the caller has promised.
        unsafe {
            let before = self.heard.add(input).cast::<[S; WIDTH]>().read();
            let x = x.add(input).cast::<[S; WIDTH]>().read();
            for j in 0..self.outputs {
                let delta = self.deltas.add(j).read();
                let mut total = sums.add(j).read();
                for i in 0..WIDTH {
                    let cell = &mut *block.add(j * WIDTH + i);
                    let change = before[i].mul_add(delta, S::splat(0.0));
                    cell.value = self.rule.update(cell.value, &mut cell.slots, change, keep);
                    total = x[i].mul_add(cell.value, total);
                }
                to.add(j).write(total);
            }
        }
    }
}
