//! The loops over side-by-side networks' weights.
//!
//! Weights stand in blocks of a few inputs, `(outputs, inputs of the block)`, each beside what the
//! update rule remembers of it: both ways go through memory in order, with the block's inputs, or
//! their sums, in registers.

use std::ptr::{null, null_mut};

use super::group::Group;
use super::rules::Rule;
use super::simd::Simd;
use super::steps::{Place, Routine, Row};
use super::units::times_derivatives;

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

/// The same of sizes up to the most that there is: larger ones are not compiled.
macro_rules! with_size_to {
    ($most:expr, $size:expr, $name:ident => $call:expr) => {
        with_size_to!($most, $size, $name => $call; 1 2 3 4 5 6 7 8)
    };
    ($most:expr, $size:expr, $name:ident => $call:expr; $($number:literal)*) => {
        $crate::kernels::blocks::with_size!($size, $name => {
            if const { $name <= $most } {
                $call
            } else {
                unreachable!("a size beyond the most")
            }
        }; $($number)*)
    };
}
pub(super) use with_size_to;

/// Calls a function that is generic over the width of a block.
macro_rules! with_width {
    ($simd:ty, $width:expr, $name:ident => $call:expr) => {
        $crate::kernels::blocks::with_size_to!(
            <$simd>::MOST_INPUTS, $width, $name => $call; 1 2 3 4 5 6 7 8 9 10
        )
    };
}
pub(super) use with_width;

/// Calls a function that is generic over the width of a block, and over whether it is the first of its layer's
/// and that the network's first layer.
macro_rules! with_block {
    ($simd:ty, $width:expr, $firsts:expr,
     $name:ident, $first:ident, $first_layer:ident => $call:expr) => {
        $crate::kernels::blocks::with_width!($simd, $width, $name => {
            match $firsts {
                (true, true) => with_block!($first = true, $first_layer = true => $call),
                (true, false) => with_block!($first = true, $first_layer = false => $call),
                (false, true) => with_block!($first = false, $first_layer = true => $call),
                (false, false) => with_block!($first = false, $first_layer = false => $call),
            }
        })
    };
    ($first:ident = $is_first:literal, $first_layer:ident = $is_first_layer:literal
     => $call:expr) => {{
        const $first: bool = $is_first;
        const $first_layer: bool = $is_first_layer;
        $call
    }};
}
pub(super) use with_block;

/// A parameter of all members, with what the update rule remembers of it.
#[derive(Clone, Copy)]
pub(super) struct Cell<S, const SLOTS: usize> {
    pub(super) value: S,
    pub(super) slots: [S; SLOTS],
}

/// What a block hears: a network's `FIRST_LAYER` the row's inputs, any other units.
///
/// # Safety
/// From `place.heard` on there are `WIDTH` numbers among `inputs` if it is the first layer, else at `units`.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn heard<S: Simd, const WIDTH: usize, const FIRST_LAYER: bool>(
    units: *const S,
    inputs: &[f32],
    place: &Place,
) -> [S; WIDTH] {
    let mut x = [S::splat(0.0); WIDTH];
    for i in 0..WIDTH {
        // SAFETY: as the caller has promised.
        x[i] = unsafe {
            if FIRST_LAYER {
                S::splat(*inputs.as_ptr().add(place.heard + i))
            } else {
                units.add(place.heard + i).read()
            }
        };
    }
    x
}

/// A block's part of a layer's sums: `sums[j] = before[j] + Σ_i x[i] · block[j, i]`, in the order of i, where
/// `before` are the biases for the `FIRST` block, else what the sums are so far.
pub(super) struct Sums<const WIDTH: usize, const FIRST: bool, const FIRST_LAYER: bool>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<
    S: Simd,
    R: Rule<S, SLOTS>,
    const SLOTS: usize,
    const WIDTH: usize,
    const FIRST: bool,
    const FIRST_LAYER: bool,
> Routine<Group<'_, S, R, SLOTS>> for Sums<WIDTH, FIRST, FIRST_LAYER>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let (cells, units) = (group.cells.as_ptr(), group.units.as_mut_ptr());
        // SAFETY: the block and the biases are among the cells, `(outputs, WIDTH)` and `(outputs,)`; what the
        // block hears, `(WIDTH,)`, is of the row or among the units, as are the layer's own, `(outputs,)`,
        // apart.
        unsafe {
            let (block, biases) = (cells.add(place.block), cells.add(place.biases));
            let sums = units.add(place.units);
            let x = heard::<S, WIDTH, FIRST_LAYER>(units, row.inputs, place);
            for j in 0..place.outputs {
                let mut total = if FIRST { (*biases.add(j)).value } else { sums.add(j).read() };
                for i in 0..WIDTH {
                    total = x[i].mul_add((*block.add(j * WIDTH + i)).value, total);
                }
                sums.add(j).write(total);
            }
        }
    }
}

/// What becomes of weights on the way back: with `UPDATE` they are updated, else their gradients are added up
/// over a batch's rows; neither if they are `PLAIN`, whose updates are deferred. `PLAIN` groups have neither
/// gradient nor mask.
struct Changes<S, R, const SLOTS: usize, const UPDATE: bool, const PLAIN: bool> {
    /// The parameters of all layers.
    cells: *mut Cell<S, SLOTS>,
    /// Sums over earlier rows, shaped like the cells; null if there are none.
    gradient: *mut S,
    /// Lanes that are live, shaped like the cells; null if all are.
    mask: *const u32,
    rule: R,
}

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize, const UPDATE: bool, const PLAIN: bool>
    Changes<S, R, SLOTS, UPDATE, PLAIN>
{
    #[inline(always)]
    fn of(group: &mut Group<'_, S, R, SLOTS>) -> Self {
        let Group { cells, gradient, mask, rule, .. } = group;
        Self {
            cells: cells.as_mut_ptr(),
            gradient: if gradient.is_empty() { null_mut() } else { gradient.as_mut_ptr() },
            mask: if mask.is_empty() { null() } else { mask.as_ptr() },
            rule: *rule,
        }
    }

    /// Changes the weight at a place by its gradient `x · delta`; `keep` is what remains of it after decay.
    ///
    /// # Safety
    /// The place is among the cells, and nothing refers to them, the gradient or the mask.
    #[inline(always)]
    unsafe fn change(&self, place: usize, x: S, delta: S, keep: S) {
        if PLAIN && !UPDATE {
            return;
        }
        let mut change = if PLAIN || self.gradient.is_null() {
            // As 0 + x·delta but for the sign of a zero, which `training` removes in the end.
            x.mul(delta)
        } else {
            // SAFETY: the gradient is shaped like the cells.
            let sum = unsafe { &mut *self.gradient.add(place) };
            let change = x.mul_add(delta, *sum);
            *sum = if UPDATE { S::splat(0.0) } else { change };
            change
        };
        if UPDATE {
            if !PLAIN && !self.mask.is_null() {
                // SAFETY: so is the mask.
                change = change.keep(unsafe { self.mask.add(place).read() });
            }
            // SAFETY: as the caller has promised.
            let cell = unsafe { &mut *self.cells.add(place) };
            self.rule.update(&mut cell.value, &mut cell.slots, change, keep);
        }
    }
}

/// Where the deltas of a layer stand: of the network's outputs, and if updates are `deferred` all, in
/// `spare`, else in place of what the layer gave.
#[inline(always)]
pub(super) fn deltas<S, R, const SLOTS: usize>(
    group: &Group<'_, S, R, SLOTS>,
    place: &Place,
    deferred: bool,
) -> *const S {
    let all = if deferred || place.last_layer { &group.spare } else { &group.units };
    all.as_ptr().wrapping_add(place.units)
}

/// A block's part of the way back: what it hears gets `back[i] = Σ_j block[j, i] · deltas[j]`, in the order of
/// j, times its derivative, unless the table gave it; and weights change by their gradients (see [`Changes`]),
/// with the `FIRST` block the biases as well, which are weights of an input that is always 1. Deltas overwrite
/// what they are of, but where updates are deferred, which need that: then they go to `spare`.
pub(super) struct Back<
    const WIDTH: usize,
    const UPDATE: bool,
    const PLAIN: bool,
    const FIRST: bool,
    const FIRST_LAYER: bool,
>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<
    S: Simd,
    R: Rule<S, SLOTS>,
    const SLOTS: usize,
    const WIDTH: usize,
    const UPDATE: bool,
    const PLAIN: bool,
    const FIRST: bool,
    const FIRST_LAYER: bool,
> Routine<Group<'_, S, R, SLOTS>> for Back<WIDTH, UPDATE, PLAIN, FIRST, FIRST_LAYER>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let deferred = PLAIN && !UPDATE;
        let deltas = deltas(group, place, deferred);
        let (units, spare) = (group.units.as_mut_ptr(), group.spare.as_mut_ptr());
        let changes = Changes::<S, R, SLOTS, UPDATE, PLAIN>::of(group);
        let (one, keep) = (S::splat(1.0), group.keep);
        // SAFETY: the block is among the cells, `(outputs, WIDTH)`, as are the biases, `(outputs,)`, and the
        // layer's deltas, `(outputs,)`, among all; what the block hears, `(WIDTH,)`, is of the row or among the
        // units before them, and `spare` is shaped like those.
        unsafe {
            let x = heard::<S, WIDTH, FIRST_LAYER>(units, row.inputs, place);
            let mut total = [S::splat(0.0); WIDTH];
            for j in 0..place.outputs {
                let delta = deltas.add(j).read();
                if FIRST {
                    changes.change(place.biases + j, one, delta, keep.1);
                }
                for i in 0..WIDTH {
                    let weight = place.block + j * WIDTH + i;
                    if !FIRST_LAYER {
                        total[i] = (*changes.cells.add(weight)).value.mul_add(delta, total[i]);
                    }
                    changes.change(weight, x[i], delta, keep.0);
                }
            }
            if !FIRST_LAYER {
                // Read once more, since few processors have registers enough to keep it.
                let given = &*units.add(place.heard).cast::<[S; WIDTH]>();
                times_derivatives(place.before, given, &mut total);
                let to = if deferred { spare } else { units };
                to.add(place.heard).cast::<[S; WIDTH]>().write(total);
            }
        }
    }
}
