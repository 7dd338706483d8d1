//! The loops over side-by-side networks' weights.
//!
//! Weights stand in blocks of a few inputs, `(outputs, inputs of the block)`, each beside what the
//! update rule remembers of it: both ways go through memory in order, with the block's inputs, or
//! their sums, in registers.

use super::rules::Rule;
use super::simd::Simd;

/// Calls a function that is generic over the width of a block.
macro_rules! with_width {
    ($width:expr, $name:ident => $call:expr) => {
        with_width!($width, $name => $call; 1 2 3 4 5 6 7 8)
    };
    ($width:expr, $name:ident => $call:expr; $($number:literal)*) => {
        match $width {
            $($number => { const $name: usize = $number; $call })*
            _ => unreachable!("a block has at most 8 inputs"),
        }
    };
}
pub(super) use with_width;

/// A parameter of all members, with what the update rule remembers of it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Cell<S, const SLOTS: usize> {
    pub(super) value: S,
    pub(super) slots: [S; SLOTS],
}

/// `sums[j] += Σ_i heard[i] · block[j, i]`, in the order of i.
#[inline(always)]
pub(super) fn add_sums<S: Simd, const SLOTS: usize, const WIDTH: usize>(
    heard: &[S],
    block: &[Cell<S, SLOTS>],
    sums: &mut [S],
) {
    let mut x = [S::splat(0.0); WIDTH];
    x.copy_from_slice(heard);
    for (sum, cells) in sums.iter_mut().zip(block.as_chunks::<WIDTH>().0) {
        let mut total = *sum;
        for i in 0..WIDTH {
            total = x[i].mul_add(cells[i].value, total);
        }
        *sum = total;
    }
}

/// Some inputs' weights, `(outputs, inputs of the block)`, with the deltas of the outputs.
pub(super) struct Block<'a, S, R, const SLOTS: usize> {
    pub(super) cells: &'a mut [Cell<S, SLOTS>],
    pub(super) gradient: &'a mut [S],
    pub(super) mask: &'a [u32],
    pub(super) rule: R,
    pub(super) keep: S,
    pub(super) deltas: &'a [S],
}

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Block<'_, S, R, SLOTS> {
    /// `sums[i] = Σ_j block[j, i] · deltas[j]`, in the order of j; and the gradient, or
    /// with `UPDATE` the update, of each weight. `heard` is what the inputs gave.
    #[inline(always)]
    pub(super) fn back<const WIDTH: usize, const UPDATE: bool, const PLAIN: bool>(
        self,
        heard: &[S],
        sums: &mut [S],
    ) {
        let Self { cells, gradient, mask, rule, keep, deltas } = self;
        let zero = S::splat(0.0);
        let mut x = [zero; WIDTH];
        x.copy_from_slice(heard);
        let mut total = [zero; WIDTH];
        for (j, (cells, &delta)) in
            cells.as_chunks_mut::<WIDTH>().0.iter_mut().zip(deltas).enumerate()
        {
            for i in 0..WIDTH {
                let Cell { value, slots } = &mut cells[i];
                total[i] = value.mul_add(delta, total[i]);
                let before = if PLAIN { None } else { gradient.get_mut(j * WIDTH + i) };
                let mut change = x[i].mul_add(delta, before.as_ref().map_or(zero, |sum| **sum));
                if let Some(sum) = before {
                    *sum = if UPDATE { zero } else { change };
                }
                if UPDATE {
                    if !PLAIN && let Some(&live) = mask.get(j * WIDTH + i) {
                        change = change.keep(live);
                    }
                    *value = rule.update(*value, slots, change, keep);
                }
            }
        }
        sums.copy_from_slice(&total);
    }
}
