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

use super::blocks::heard;
use super::group::Group;
use super::rules::Rule;
use super::simd::Simd;
use super::steps::{Place, Routine, Row};

impl<S, R, const SLOTS: usize> Group<'_, S, R, SLOTS> {
    /// Keeps what a row has left whose updates are deferred.
    #[inline(always)]
    pub(super) fn defer(&mut self) {
        std::mem::swap(&mut self.units, &mut self.spare);
    }
}

/// A block's part of a layer's sums, by weights that are updated first from the row before:
/// `sums[j] = before[j] + Σ_i x[i] · block[j, i]`, in the order of i, where `before` are the biases for the
/// `FIRST` block, which are updated as well (in a loop of their own they took small networks 2 to 4 % longer),
/// else what the sums are so far.
pub(super) struct UpdatedSums<const WIDTH: usize, const FIRST: bool, const FIRST_LAYER: bool>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<
    S: Simd,
    R: Rule<S, SLOTS>,
    const SLOTS: usize,
    const WIDTH: usize,
    const FIRST: bool,
    const FIRST_LAYER: bool,
> Routine<Group<'_, S, R, SLOTS>> for UpdatedSums<WIDTH, FIRST, FIRST_LAYER>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let (cells, units, sums) =
            (group.cells.as_mut_ptr(), group.units.as_mut_ptr(), group.sums.as_mut_ptr());
        let (units_before, rule, keep) = (group.spare.as_ptr(), group.rule, group.keep);
        // SAFETY: the block and the biases are among the cells, `(outputs, WIDTH)` and `(outputs,)`; what the
        // block hears, `(WIDTH,)`, is of the row or among the units, as are the layer's own, `(outputs,)`,
        // apart; `spare` is as large, `sums` as the widest layer, and all four are vectors of their own. What
        // the block heard of the row before is of that or in `spare`, the layer's deltas stand where its units
        // will: each is read before a sum takes its place, with the last block.
        unsafe {
            let (block, biases) = (cells.add(place.block), cells.add(place.biases));
            let own = units.add(place.units);
            let to = if place.last_block { own } else { sums };
            // Units of the row before are read where they are used, which takes no instruction of its own: few
            // processors have registers enough for them.
            let inputs_before = if FIRST_LAYER {
                heard::<S, WIDTH, FIRST_LAYER>(units_before, row.inputs_before, place)
            } else {
                [S::splat(0.0); WIDTH]
            };
            let x = heard::<S, WIDTH, FIRST_LAYER>(units, row.inputs, place);
            for j in 0..place.outputs {
                let delta = own.add(j).read();
                let mut total = if FIRST {
                    // A bias's gradient is its delta, which `blocks` multiplies by 1.
                    let bias = &mut *biases.add(j);
                    rule.update(&mut bias.value, &mut bias.slots, delta, keep.1);
                    bias.value
                } else {
                    sums.add(j).read()
                };
                for i in 0..WIDTH {
                    let cell = &mut *block.add(j * WIDTH + i);
                    let x_before = if FIRST_LAYER {
                        inputs_before[i]
                    } else {
                        units_before.add(place.heard + i).read()
                    };
                    let change = x_before.mul(delta);
                    rule.update(&mut cell.value, &mut cell.slots, change, keep.0);
                    total = x[i].mul_add(cell.value, total);
                }
                to.add(j).write(total);
            }
        }
    }
}
