//! A tile of a product (see `products`): its sums, step by step, and the rows that they go to.
//!
//! Where registers are few, and so a tile's sums, four steps of the largest tiles are written out: of the 24
//! instructions of a step by itself four are the loop's, and a processor whose core serves another thread as well
//! takes half as many at a time.

use std::ops::Range;
use std::{array, slice};

use super::products::{Columns, Left, MOST_ROWS};
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
    fn take<const HEIGHT: usize, const WIDTH: usize>(
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
    let places = places::<W, HEIGHT, WIDTH>(matrix.len(), start, stride);
    let first = matrix[places].as_ptr();
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
    assert!(stride >= WIDTH);
    let places = places::<W, HEIGHT, WIDTH>(matrix.len(), start, stride);
    let first = matrix[places].as_mut_ptr();
    // SAFETY: likewise, and no row reaches into the next.
    #[allow(unsafe_code, reason = "kernel file")]
    array::from_fn(|h| unsafe { &mut *first.add(h * stride).cast() })
}

/// From a tile's first vector to its last, in a matrix of so many.
#[inline(always)]
fn places<W, const HEIGHT: usize, const WIDTH: usize>(
    len: usize,
    start: usize,
    stride: usize,
) -> Range<usize> {
    // So few rows of a stride that the matrix has are fewer bytes than there are addresses: nothing wraps around.
    const { assert!(0 < HEIGHT && HEIGHT <= MOST_ROWS && 2 * size_of::<W>() >= MOST_ROWS) }
    assert!(stride <= len);
    start..start + (HEIGHT - 1) * stride + WIDTH
}

/// The fewest sums of a tile some of whose steps are written out: of tiles with eight it gained nothing.
const MANY_SUMS: usize = 12;

/// How many steps of a tile are written out.
const fn at_once<S: Simd>(rows: usize, vectors: usize) -> usize {
    if rows * vectors < MANY_SUMS { 1 } else { S::TILE_STEPS }
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
        written_out!(const { at_once::<S>(HEIGHT, WIDTH) }, n, {
            // SAFETY: the caller's promise.
            unsafe { step(&mut place, next, &offsets, &mut sum) };
        });
    }
    for _ in 0..steps % const { at_once::<S>(HEIGHT, WIDTH) } {
        // SAFETY: the caller's promise.
        unsafe { step(&mut place, next, &offsets, &mut sum) };
    }
    sums.take(r, v, sum);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_its_own_rows_alone() {
        let mut matrix: Vec<u32> = (0..12).collect();
        assert_eq!(tile_rows::<_, 3, 2>(&matrix, 1, 4), [&[1, 2], &[5, 6], &[9, 10]]);
        for row in tile_rows_mut::<_, 2, 3>(&mut matrix, 5, 4) {
            *row = [0; 3];
        }
        assert_eq!(matrix, [0, 1, 2, 3, 4, 0, 0, 0, 8, 0, 0, 0]);
    }

    #[test]
    fn a_tile_that_is_not_in_its_matrix_is_refused() {
        let refused = |work: fn(&mut [u32])| {
            std::panic::catch_unwind(|| work(&mut [0; 12])).expect_err("a tile of other numbers");
        };
        refused(|matrix| {
            tile_rows::<_, 3, 2>(matrix, 3, 4);
        });
        refused(|matrix| {
            tile_rows_mut::<_, 3, 2>(matrix, 3, 4);
        });
        // Three rows of this stride are four numbers, where places begin anew.
        refused(|matrix| {
            tile_rows::<_, 3, 2>(matrix, 0, 1 << (usize::BITS - 1));
        });
        refused(|matrix| {
            tile_rows::<_, 2, 2>(matrix, usize::MAX - 1, 1);
        });
        // Rows that reach into each other.
        refused(|matrix| {
            tile_rows_mut::<_, 2, 3>(matrix, 0, 2);
        });
    }
}
