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

use super::ahead::Heard;
use super::blocks::{Back, Cell, with_size};
use super::layout::evenly;
use super::rules::Rule;
use super::simd::Simd;

/// Some of a first layer's outputs, side by side.
#[derive(Clone, Copy)]
struct Tile {
    /// The first of them.
    output: usize,
    /// How many the layer has.
    outputs: usize,
}

impl Tile {
    /// How many outputs the tile has, none past the last: as many as stay in registers, each with
    /// its weight and what the rule remembers, and tiles of like width.
    #[inline(always)]
    fn width<S: Simd>(self) -> usize {
        evenly(self.outputs - self.output, S::TILE_ROWS)
    }
}

/// `sums[j] = biases[j] + Σ_i x[i] · weights[i, j]`, in the order of i, over the inputs heard, for
/// all outputs.
///
/// # Safety
/// `weights` points to `(inputs, outputs)` cells, `heard` names inputs of those; `biases` points to
/// `(outputs,)` cells, `sums` to as many vectors, and to none of the others.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn add_heard<S: Simd, const SLOTS: usize>(
    heard: &[Heard],
    weights: *const Cell<S, SLOTS>,
    biases: *const Cell<S, SLOTS>,
    sums: *mut S,
    outputs: usize,
) {
    let mut tile = Tile { output: 0, outputs };
    while tile.width::<S>() > 0 {
        // SAFETY: as the caller has promised; the tile ends with the outputs.
        with_size!(tile.width::<S>(), WIDTH => unsafe {
            add_tile::<S, SLOTS, WIDTH>(heard, weights, biases, sums, tile);
        });
        tile.output += tile.width::<S>();
    }
}

/// [`add_heard`] for one tile.
///
/// # Safety
/// As there; the tile is within the outputs.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
unsafe fn add_tile<S: Simd, const SLOTS: usize, const WIDTH: usize>(
    heard: &[Heard],
    weights: *const Cell<S, SLOTS>,
    biases: *const Cell<S, SLOTS>,
    sums: *mut S,
    tile: Tile,
) {
    // SAFETY: as the caller has promised.
    unsafe {
        let mut total = [S::splat(0.0); WIDTH];
        for j in 0..WIDTH {
            total[j] = (*biases.add(tile.output + j)).value;
        }
        for one in heard {
            let x = S::splat(one.x);
            let weights = weights.add(one.input as usize * tile.outputs + tile.output);
            for j in 0..WIDTH {
                total[j] = x.mul_add((*weights.add(j)).value, total[j]);
            }
        }
        sums.add(tile.output).cast::<[S; WIDTH]>().write(total);
    }
}

/// Updates the weights of the inputs that a row hears, then as often as the rows after it do without
/// them. The rule's update must be the same at every step, and no weight masked.
///
/// # Safety
/// The first of `back`'s cells are `(inputs, outputs)` weights, to which nothing else refers; `heard`
/// names inputs of those; `back`'s deltas are `(outputs,)`.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn update_heard<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize>(
    back: &Back<S, R, SLOTS>,
    keep: S,
    heard: &[Heard],
) {
    let mut tile = Tile { output: 0, outputs: back.outputs };
    while tile.width::<S>() > 0 {
        // SAFETY: as the caller has promised; the tile ends with the outputs.
        with_size!(tile.width::<S>(), WIDTH => unsafe {
            update_tile::<S, R, SLOTS, WIDTH>(back, keep, heard, tile);
        });
        tile.output += tile.width::<S>();
    }
}

/// [`update_heard`] for one tile.
///
/// # Safety
/// As there; the tile is within the outputs.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
unsafe fn update_tile<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const WIDTH: usize>(
    back: &Back<S, R, SLOTS>,
    keep: S,
    heard: &[Heard],
    tile: Tile,
) {
    let zero = S::splat(0.0);
    for one in heard {
        let start = one.input as usize * tile.outputs + tile.output;
        // SAFETY: as the caller has promised.
        let cells = unsafe { back.cells.add(start).cast::<[Cell<S, SLOTS>; WIDTH]>() };
        // SAFETY: likewise.
        let mut own = unsafe { cells.read() };
        let x = S::splat(one.x);
        for j in 0..WIDTH {
            // SAFETY: likewise.
            let delta = unsafe { back.deltas.add(tile.output + j).read() };
            let Cell { value, slots } = &mut own[j];
            *value = back.rule.update(*value, slots, x.mul(delta), keep);
        }
        for _ in 0..one.rest {
            for Cell { value, slots } in &mut own {
                *value = back.rule.update(*value, slots, zero, keep);
            }
        }
        // SAFETY: likewise.
        unsafe { cells.write(own) };
    }
}
