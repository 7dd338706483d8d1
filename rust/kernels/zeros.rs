//! The first layer, where a table has many zeros: categories and flags, one column for each.
//!
//! An input that is zero adds nothing to a sum and gives its weights no gradient: their update,
//! `v ← μ·v; w ← (1 − η·λ)·w + v`, needs nothing of the row. All members see the rows in an order
//! that is known ahead. So a row's way forward and back goes through the weights of its other
//! inputs alone, and while those are in registers they are taken as far as the next row that needs
//! them: most loads and stores, which an update mostly waits for, fall away. This is for batches of
//! one row, for rules whose updates are the same at every step, and for groups without a mask.
//!
//! The bits are those of `blocks`: `0·w` added to a sum changes it by nothing but the sign of a
//! zero, which `training` removes in the end.
//! Where a delta or a weight is not finite, `0·∞` is missed; but then the bias or that weight is not
//! finite either, and stays so until the call ends and the member counts as diverged.
//!
//! Weights stand as in blocks of one input: `(inputs, outputs)`.

use super::blocks::{Cell, deltas};
use super::group::Group;
use super::rules::Rule;
use super::simd::Simd;
use super::steps::{Place, Routine, Row};

/// A layer's sums over the inputs heard, `WIDTH` of its outputs from a place on, side by side:
/// `sums[j] = biases[j] + Σ_i x[i] · weights[i, j]`, in the order of i.
pub(super) struct SumsOfHeard<const WIDTH: usize>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const WIDTH: usize>
    Routine<Group<'_, S, R, SLOTS>> for SumsOfHeard<WIDTH>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let (cells, units) = (group.cells.as_ptr(), group.units.as_mut_ptr());
        // SAFETY: the weights are among the cells, `(inputs, outputs)`, where inputs are the table's, as the rows
        // hear; the biases are among them, the layer's units among the units, `(outputs,)`, and of each there are
        // `WIDTH` from the place on.
        unsafe {
            let mut total = [S::splat(0.0); WIDTH];
            for j in 0..WIDTH {
                total[j] = (*cells.add(place.biases + j)).value;
            }
            for one in row.heard {
                let x = S::splat(one.x);
                let weights = cells.add(place.block + one.input as usize * place.outputs);
                for j in 0..WIDTH {
                    total[j] = x.mul_add((*weights.add(j)).value, total[j]);
                }
            }
            units.add(place.units).cast::<[S; WIDTH]>().write(total);
        }
    }
}

/// Updates the weights of the inputs that a row hears, then as often as the rows after it do without
/// them, and the biases once: those of `WIDTH` outputs, as above, whose weights and what the rule remembers stay
/// in registers. The rule's update must be the same at every step, and no weight masked.
pub(super) struct UpdateHeard<const WIDTH: usize>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const WIDTH: usize>
    Routine<Group<'_, S, R, SLOTS>> for UpdateHeard<WIDTH>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let deltas = deltas(group, place, false);
        let (cells, rule, keep, zero) =
            (group.cells.as_mut_ptr(), group.rule, group.keep, S::splat(0.0));
        // SAFETY: likewise, with the layer's deltas, `(outputs,)`, among all.
        unsafe {
            for one in row.heard {
                let start = place.block + one.input as usize * place.outputs;
                let cells = cells.add(start).cast::<[Cell<S, SLOTS>; WIDTH]>();
                let mut own = cells.read();
                let x = S::splat(one.x);
                for j in 0..WIDTH {
                    let Cell { value, slots } = &mut own[j];
                    rule.update(value, slots, x.mul(deltas.add(j).read()), keep.0);
                }
                for _ in 0..one.rest {
                    for Cell { value, slots } in &mut own {
                        rule.update(value, slots, zero, keep.0);
                    }
                }
                cells.write(own);
            }
            for j in 0..WIDTH {
                let bias = &mut *cells.add(place.biases + j);
                rule.update(&mut bias.value, &mut bias.slots, deltas.add(j).read(), keep.1);
            }
        }
    }
}
