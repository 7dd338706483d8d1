//! The loops over side-by-side networks' weights.
//!
//! Weights stand in blocks of a few inputs, `(outputs, inputs of the block)`, each beside what the
//! update rule remembers of it: both ways go through memory in order, with the block's inputs, or
//! their sums, in registers.

use super::rules::Rule;
use super::simd::Simd;
use super::units::times_derivatives;
use crate::network::Activation;

/// Calls a function that is generic over a size of a block or tile.
macro_rules! with_size {
    ($size:expr, $name:ident => $call:expr) => {
        with_size!($size, $name => $call; 1 2 3 4 5 6 7 8)
    };
    ($size:expr, $name:ident => $call:expr; $($number:literal)*) => {
        match $size {
            $($number => { const $name: usize = $number; $call })*
            _ => unreachable!("none of the sizes"),
        }
    };
}
pub(super) use with_size;

/// Calls a function that is generic over the width of a block.
macro_rules! with_width {
    ($simd:ty, $width:expr, $name:ident => $call:expr) => {
        $crate::kernels::blocks::with_size!($width, $name => {
            // Wider ones are not compiled for vectors that have none.
            if const { $name <= <$simd>::MOST_INPUTS } {
                $call
            } else {
                unreachable!("a block of more inputs than any has")
            }
        }; 1 2 3 4 5 6 7 8 9 10)
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

/// `sums[j] = first[j] + Σ_i heard[i] · block[j, i]`, in the order of i, for so many outputs;
/// `first` stands `stride` vectors apart.
///
/// # Safety
/// `heard` points to `WIDTH` vectors, `block` to `outputs · WIDTH` cells, `first` and `sums` to
/// `outputs` vectors, and `sums` to none of the others but, perhaps, `first`.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn add_sums<S: Simd, const SLOTS: usize, const WIDTH: usize>(
    heard: *const S,
    mut block: *const Cell<S, SLOTS>,
    (mut first, stride): (*const S, usize),
    mut sums: *mut S,
    outputs: usize,
) {
    // SAFETY: as the caller has promised; the last step leaves pointers just past the end.
    unsafe {
        let x = heard.cast::<[S; WIDTH]>().read();
        for _ in 0..outputs {
            let mut total = first.read();
            for i in 0..WIDTH {
                total = x[i].mul_add((*block.add(i)).value, total);
            }
            sums.write(total);
            (block, first, sums) = (block.add(WIDTH), first.wrapping_add(stride), sums.add(1));
        }
    }
}

/// What the way back through a layer needs.
pub(super) struct Back<S, R, const SLOTS: usize> {
    /// The parameters of all layers.
    pub(super) cells: *mut Cell<S, SLOTS>,
    /// Sums over earlier rows, shaped like the cells; null if there are none.
    pub(super) gradient: *mut S,
    /// Lanes that are live, shaped like the cells; null if all are.
    pub(super) mask: *const u32,
    /// Those of the layer's outputs.
    pub(super) deltas: *const S,
    pub(super) outputs: usize,
    /// What gave what the layer hears.
    pub(super) activation: Activation,
    pub(super) rule: R,
}

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Back<S, R, SLOTS> {
    /// `back[i] = Σ_j block[j, i] · deltas[j]`, in the order of j, times the derivative of what gave
    /// `heard[i]`, unless `back` is null; and the gradient, or with `UPDATE` the update, of each
    /// weight, but neither if it is `PLAIN` without `UPDATE`. The block is the one at `start`; `heard` is
    /// what its inputs gave. Without gradient and mask it is `PLAIN`.
    ///
    /// # Safety
    /// `heard` points to `WIDTH` vectors, `deltas` to `outputs`, `cells` to `start + outputs · WIDTH`
    /// cells. `back` points to `WIDTH` vectors or is null, `gradient` and `mask` point to as many as
    /// `cells` or are null. Nothing else refers to what `cells`, `gradient` and `back` point to, but
    /// `heard` may be where `back` is.
    #[inline(always)]
    pub(super) unsafe fn block<const WIDTH: usize, const UPDATE: bool, const PLAIN: bool>(
        &self,
        start: usize,
        keep: S,
        heard: *const S,
        back: *mut S,
    ) {
        // SAFETY: as the caller has promised.
        let x = unsafe { heard.cast::<[S; WIDTH]>().read() };
        let mut total = [S::splat(0.0); WIDTH];
        for j in 0..self.outputs {
            // SAFETY: likewise.
            let delta = unsafe { self.deltas.add(j).read() };
            for i in 0..WIDTH {
                let place = start + j * WIDTH + i;
                // SAFETY: likewise.
                let cell = unsafe { &mut *self.cells.add(place) };
                total[i] = cell.value.mul_add(delta, total[i]);
                let mut change = if PLAIN || self.gradient.is_null() {
                    // As 0 + x·delta but for the sign of a zero, which `training` removes in the end.
                    x[i].mul(delta)
                } else {
                    // SAFETY: likewise.
                    let sum = unsafe { &mut *self.gradient.add(place) };
                    let change = x[i].mul_add(delta, *sum);
                    *sum = if UPDATE { S::splat(0.0) } else { change };
                    change
                };
                if UPDATE {
                    if !PLAIN && !self.mask.is_null() {
                        // SAFETY: likewise.
                        change = change.keep(unsafe { self.mask.add(place).read() });
                    }
                    cell.value = self.rule.update(cell.value, &mut cell.slots, change, keep);
                }
            }
        }
        if !back.is_null() {
            times_derivatives(self.activation, &x, &mut total);
            // SAFETY: likewise.
            unsafe { back.cast::<[S; WIDTH]>().write(total) };
        }
    }
}
