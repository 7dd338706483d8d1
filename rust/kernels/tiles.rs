//! A tile of a product (see `products`): its sums, step by step, and the rows that they go to.
//!
//! Where registers are few, and so a tile's sums, four steps of the largest tiles are written out: a loop of one
//! step is a seventh of instructions that count and add places, and of instructions there are enough to keep a
//! processor from its multiplications while its core serves another thread as well.

use std::{array, slice};

use super::products::{Columns, Left};
use super::simd::Simd;

/// Does something for each of so many numbers, at most 16, written out: an array of vectors stays in
/// registers only if no loop that the compiler leaves one goes over it.
macro_rules! written_out {
    ($count:expr, $number:ident, $body:block) => {
        written_out!($count, $number, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($count:expr, $number:ident, $body:block, $($literal:literal)*) => {{
        const { assert!($count <= 16) }
        $({
            let $number: usize = $literal;
            if $number < $count $body
        })*
    }};
}
pub(super) use written_out;

/// What the sums begin with, and what becomes of them.
pub(super) trait Sums<S: Simd> {
    /// What the sums of row `r` begin with, from vector `v` on.
    #[inline(always)]
    fn first<const WIDTH: usize>(&self, _r: usize, _v: usize) -> [S; WIDTH] {
        [S::splat(0.0); WIDTH]
    }
    /// Takes the sums of a tile, from row `r` and vector `v` on.
    fn take_tile<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        sums: [[S; WIDTH]; HEIGHT],
    );
}

/// The rows of a tile in a matrix, from a place on, with so many vectors from one to the next: checked once for
/// all of them.
#[inline(always)]
pub(super) fn tile_rows<W, const HEIGHT: usize, const WIDTH: usize>(
    matrix: &[W],
    start: usize,
    stride: usize,
) -> [&[W; WIDTH]; HEIGHT] {
    assert!(stride <= matrix.len());
    let first = matrix[start..start + (HEIGHT - 1) * stride + WIDTH].as_ptr();
    // SAFETY: the last vector of the last row is in the matrix, and no row begins before the first.
    #[allow(unsafe_code, reason = "kernel file")]
    array::from_fn(|h| unsafe { &*first.add(h * stride).cast() })
}

/// The same, to be written.
#[inline(always)]
pub(super) fn tile_rows_mut<W, const HEIGHT: usize, const WIDTH: usize>(
    matrix: &mut [W],
    start: usize,
    stride: usize,
) -> [&mut [W; WIDTH]; HEIGHT] {
    assert!((WIDTH..=matrix.len()).contains(&stride));
    let first = matrix[start..start + (HEIGHT - 1) * stride + WIDTH].as_mut_ptr();
    // SAFETY: likewise, and no row reaches into the next.
    #[allow(unsafe_code, reason = "kernel file")]
    array::from_fn(|h| unsafe { &mut *first.add(h * stride).cast() })
}

/// The fewest sums of a tile some of whose steps are written out: where there are fewer it is sums that wait for
/// each other.
const MANY_SUMS: usize = 12;

/// How many steps of a tile are written out.
const fn at_once<S: Simd>(rows: usize, vectors: usize) -> usize {
    if rows * vectors < MANY_SUMS { 1 } else { S::STEPS }
}

/// The sums of a tile's rows, from row `r` on, in its vectors, from vector `v` on.
///
/// # Safety
/// `left` must have the tile's rows, and `right` its vectors, at each of the steps.
#[allow(unsafe_code, reason = "kernel file")]
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const HEIGHT: usize, const WIDTH: usize, const ROWS: bool>(
    left: Left<'_, ROWS>,
    right: Columns<'_>,
    (r, v): (usize, usize),
    steps: usize,
    sums: &mut impl Sums<S>,
) {
    let mut sum = [[S::splat(0.0); WIDTH]; HEIGHT];
    for h in 0..HEIGHT {
        sum[h] = sums.first(r + h, v);
    }
    let mut offsets = [0; HEIGHT];
    for h in 1..HEIGHT {
        offsets[h] = left.offset(h);
    }
    // Where a step's numbers and vectors stand, and how far it is to the next one's.
    let mut place = (
        left.numbers.as_ptr().wrapping_add(left.place(r, 0)),
        right.numbers.as_ptr().wrapping_add(v * S::LANES),
    );
    let next = (left.place(0, 1), right.step);
    for _ in 0..steps / const { at_once::<S>(HEIGHT, WIDTH) } {
        written_out!(const { at_once::<S>(HEIGHT, WIDTH) }, _n, {
            // SAFETY: the caller's promise.
            unsafe { step(&mut place, next, &offsets, &mut sum) };
        });
    }
    for _ in 0..steps % const { at_once::<S>(HEIGHT, WIDTH) } {
        // SAFETY: the caller's promise.
        unsafe { step(&mut place, next, &offsets, &mut sum) };
    }
    sums.take_tile(r, v, sum);
}

/// One step of a tile's sums, by the numbers and vectors at a place, from which it goes on to the next one.
///
/// # Safety
/// They must be there: the vectors one behind the other, the numbers at these offsets.
#[allow(unsafe_code, reason = "kernel file")]
#[inline(always)]
unsafe fn step<S: Simd, const HEIGHT: usize, const WIDTH: usize>(
    (numbers, vectors): &mut (*const f32, *const f32),
    next: (usize, usize),
    offsets: &[usize; HEIGHT],
    sum: &mut [[S; WIDTH]; HEIGHT],
) {
    let mut row = [S::splat(0.0); WIDTH];
    for w in 0..WIDTH {
        // SAFETY: the caller's promise.
        row[w] = S::load(unsafe { slice::from_raw_parts(vectors.add(w * S::LANES), S::LANES) });
    }
    for h in 0..HEIGHT {
        // SAFETY: the caller's promise.
        let number = S::splat(unsafe { *numbers.add(offsets[h]) });
        for w in 0..WIDTH {
            sum[h][w] = number.mul_add(row[w], sum[h][w]);
        }
    }
    // Behind the last step they lead nowhere.
    (*numbers, *vectors) = (numbers.wrapping_add(next.0), vectors.wrapping_add(next.1));
}
