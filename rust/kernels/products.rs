//! Small matrix products whose sums run in index order.
//!
//! One micro-kernel does the forward pass, the input gradient and the weight gradient: a tile of
//! sums stays in registers, and each step of the inner index multiplies a column of numbers, each
//! broadcast, with a row of vectors. A tile is as large as the registers allow, so that a step's
//! multiplications outnumber its loads: with 32 registers a tile of four vectors has 24 sums
//! and ten loads, with 16 one of two has twelve and eight. Each sum is alone in its lane, from the first index to the last.

use std::marker::PhantomData;
use std::slice;

use super::blocks::with_size;
use super::simd::{Simd, Square, Work, anew, anew_mut, numbers, opaque};

/// The most rows that a tile has.
const MOST_ROWS: usize = 8;
/// The most vectors that a tile has.
const MOST_VECTORS: usize = 4;

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

/// The left factor of a product. The number of row `r` at step `k` stands at `r + k · stride` if the
/// `ROWS` are adjacent, else at `r · stride + k`: as a matter of type, since what the compiler knows of
/// saves registers.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, const ROWS: bool> {
    pub(super) numbers: &'a [f32],
    pub(super) stride: usize,
}

/// Of adjacent steps.
pub(super) type Steps<'a> = Left<'a, false>;
/// Of adjacent rows.
pub(super) type Rows<'a> = Left<'a, true>;

impl<const ROWS: bool> Left<'_, ROWS> {
    #[inline(always)]
    fn place(self, r: usize, k: usize) -> usize {
        if ROWS { r + k * self.stride } else { r * self.stride + k }
    }

    /// The same, see [`anew`].
    #[inline(always)]
    fn anew(self) -> Self {
        Self { stride: anew(self.stride), ..self }
    }

    /// How far a row is from row 0 at the same step. Hidden from the compiler, which would otherwise
    /// derive each from the one before at every step; those additions compete with the
    /// multiplications.
    #[inline(always)]
    fn offset(self, r: usize) -> usize {
        if ROWS { r } else { opaque(r * self.stride) }
    }
}

/// Columns of numbers, which need not begin with a vector: number `n` of column `c` stands at
/// `c · step + n`.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) step: usize,
}

impl<'a> Columns<'a> {
    /// Columns of so many vectors each, without a gap.
    #[inline(always)]
    pub(super) fn of<S: Simd>(from: &'a [S], vectors: usize) -> Self {
        Self { numbers: numbers(from), step: vectors * S::LANES }
    }

    /// The same, see [`anew`].
    #[inline(always)]
    fn anew(self) -> Self {
        Self { step: anew(self.step), ..self }
    }

    /// A vector of a column.
    #[inline(always)]
    pub(super) fn vector<S: Simd>(self, column: usize, vector: usize) -> S {
        S::load(&self.numbers[column * self.step + vector * S::LANES..][..S::LANES])
    }
}

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
    let first = matrix[start..start + (HEIGHT - 1) * stride + WIDTH].as_ptr();
    // SAFETY: the last vector of the last row is in the matrix, and no row begins before the first.
    #[allow(unsafe_code, reason = "kernel file")]
    std::array::from_fn(|h| unsafe { &*first.add(h * stride).cast() })
}

/// The same, to be written.
#[inline(always)]
pub(super) fn tile_rows_mut<W, const HEIGHT: usize, const WIDTH: usize>(
    matrix: &mut [W],
    start: usize,
    stride: usize,
) -> [&mut [W; WIDTH]; HEIGHT] {
    assert!(stride >= WIDTH);
    let first = matrix[start..start + (HEIGHT - 1) * stride + WIDTH].as_mut_ptr();
    // SAFETY: likewise, and no row reaches into the next.
    #[allow(unsafe_code, reason = "kernel file")]
    std::array::from_fn(|h| unsafe { &mut *first.add(h * stride).cast() })
}

/// `sums[r, v] = first(r, v) + Σ_k left[r, k] · right[v, k]`, in the order of k: `rows` rows, `steps`
/// steps, each of which is a column of `right`, of which the first `vectors` vectors of the type `W`
/// are used: a single one, if the product is compiled for `ONE`. `W` is `S` or its half, and `S` names
/// the instructions.
#[inline(always)]
pub(super) fn product<S: Square, W: Simd, T: Sums<W>, const ONE: bool, const ROWS: bool>(
    left: Left<'_, ROWS>,
    right: Columns<'_>,
    shape: (usize, usize, usize),
    mut sums: T,
) {
    let sums = &mut sums;
    S::apart(Product::<W, T, ONE, ROWS> { left, right, shape, sums, of: PhantomData });
}

/// A product to be worked out.
struct Product<'a, S, T, const ONE: bool, const ROWS: bool> {
    left: Left<'a, ROWS>,
    right: Columns<'a>,
    shape: (usize, usize, usize),
    /// Where they are, since what is copied is read as vectors, which wait for the numbers that were just
    /// written there.
    sums: &'a mut T,
    of: PhantomData<S>,
}

impl<S: Simd, T: Sums<S>, const ONE: bool, const ROWS: bool> Work for Product<'_, S, T, ONE, ROWS> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { left, right, shape: (rows, steps, vectors), sums, .. } = self;
        const { assert!(S::WIDE_TILE_ROWS <= 6 && S::TILE_ROWS <= MOST_ROWS) }
        // What the unchecked reads below rest on.
        let before = steps.saturating_sub(1);
        assert!(rows > 0 && left.place(rows - 1, before) < left.numbers.len());
        assert!(before * right.step + vectors * S::LANES <= right.numbers.len());
        assert!(!ONE || vectors == 1);
        let mut v = 0;
        // Wide tiles, which load least for each multiplication; vectors outside, rows inside, so that the
        // nearest cache keeps a tile's columns for all rows.
        while const { !ONE && S::WIDE_TILE_ROWS > 0 } && vectors - v > 2 {
            let width = part(vectors - v, MOST_VECTORS);
            let mut r = 0;
            while r < rows {
                let height = part(rows - r, S::WIDE_TILE_ROWS);
                // SAFETY: of rows and vectors there are so many, as asserted above.
                #[allow(unsafe_code, reason = "kernel file")]
                unsafe {
                    with_size!(width, WIDTH => with_size!(height, HEIGHT => {
                        tile::<S, HEIGHT, WIDTH, ROWS>(left, right, (r, v), steps, sums);
                    }; 1 2 3 4 5 6); 3 4);
                }
                r += height;
            }
            v += width;
        }
        if v == vectors {
            return;
        }
        // A single vector leaves registers for more rows.
        let most = if vectors - v == 1 { MOST_ROWS } else { S::TILE_ROWS };
        let mut r = 0;
        while r < rows {
            let height = part(rows - r, most);
            with_size!(height, HEIGHT => {
                // What the tiles of one height need was a hundred instructions for each product when it was
                // made ready for all heights at once.
                let (left, right) = (left.anew(), right.anew());
                let (steps, sums) = (anew(steps), anew_mut(&mut *sums));
                let mut v = v;
                // SAFETY: of rows and vectors there are so many, as asserted above.
                #[allow(unsafe_code, reason = "kernel file")]
                unsafe {
                    while const { !ONE && widest::<S>(HEIGHT) > 2 } && vectors - v > 2 {
                        let width = part(vectors - v, widest::<S>(HEIGHT));
                        with_size!(width, WIDTH => if const { WIDTH <= widest::<S>(HEIGHT) } {
                            tile::<S, HEIGHT, WIDTH, ROWS>(left, right, (r, v), steps, sums);
                        } else {
                            unreachable!("a tile wider than any of so many rows")
                        }; 2 3 4);
                        v += width;
                    }
                    while !ONE && v + 2 <= vectors {
                        tile::<S, HEIGHT, 2, ROWS>(left, right, (r, v), steps, sums);
                        v += 2;
                    }
                    if v < vectors {
                        tile::<S, HEIGHT, 1, ROWS>(left, right, (r, v), steps, sums);
                    }
                }
            });
            r += height;
        }
    }
}

/// The most vectors of a narrow tile of so many rows. A tile of few rows has few sums, each of which waits for
/// its last addition, so that it is wider; where tiles are wide anyway, two or one are left at the most.
const fn widest<S: Simd>(rows: usize) -> usize {
    match rows {
        1 | 2 if S::WIDE_TILE_ROWS == 0 => MOST_VECTORS,
        3 if S::WIDE_TILE_ROWS == 0 => 3,
        _ => 2,
    }
}

/// How many steps of a tile are written out. A small tile's sums wait for each other, not for instructions.
const fn at_once<S: Simd>(rows: usize, vectors: usize) -> usize {
    if rows * vectors < 12 { 1 } else { S::STEPS }
}

/// How many of the rest one tile takes, so that the last two are of like size; as `layout::evenly`, but
/// without its divisions.
#[inline(always)]
fn part(rest: usize, most: usize) -> usize {
    if rest >= 2 * most {
        most
    } else if rest > most {
        rest.div_ceil(2)
    } else {
        rest
    }
}

/// The sums of a tile's rows, from row `r` on, in its vectors, from vector `v` on.
///
/// # Safety
/// `left` must have the tile's rows, and `right` its vectors, at each of the steps.
#[allow(unsafe_code, reason = "kernel file")]
#[inline(always)]
unsafe fn tile<S: Simd, const HEIGHT: usize, const WIDTH: usize, const ROWS: bool>(
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

/// Sums that are stored, `(rows, vectors)`.
pub(super) struct Stored<'a, S> {
    /// Numbers that the rows' sums begin with, and how many places there are from one to the next.
    pub(super) first: (&'a [f32], usize),
    pub(super) to: &'a mut [S],
    pub(super) vectors: usize,
}

impl<S: Simd> Sums<S> for Stored<'_, S> {
    #[inline(always)]
    fn first<const WIDTH: usize>(&self, r: usize, _v: usize) -> [S; WIDTH] {
        [S::splat(self.first.0[r * self.first.1]); WIDTH]
    }

    #[inline(always)]
    fn take_tile<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        sums: [[S; WIDTH]; HEIGHT],
    ) {
        let to = tile_rows_mut::<_, HEIGHT, WIDTH>(self.to, r * self.vectors + v, self.vectors);
        written_out!(HEIGHT, h, {
            *to[h] = sums[h];
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Portable, zeros};
    use crate::kernels::{Kernel, dispatch};

    /// Products of all shapes of tiles, next to sums taken one at a time.
    struct AllShapes;

    impl AllShapes {
        /// Numbers whose sums depend on their order.
        fn some(count: usize, seed: usize) -> Vec<f32> {
            (0..count).map(|n| ((n * 7919 + seed) % 1000) as f32 / 997.0 - 0.4).collect()
        }

        #[inline(always)]
        fn hold<S: Square, W: Simd, const ONE: bool, const ROWS: bool>() {
            let most = if ONE { 1 } else { 10 };
            for (rows, vectors) in (1..=20).flat_map(|rows| (1..=most).map(move |v| (rows, v))) {
                // Columns that begin beside a vector, with a gap behind each.
                let (steps, step) = (1 + 4 * (rows % 2), vectors * W::LANES + 3);
                let left = Self::some(rows * steps, 1);
                let stride = if ROWS { rows } else { steps };
                let right = Self::some(steps * step, 2);
                let first = Self::some(rows, 3);
                let mut to = zeros::<W>(rows * vectors);
                product::<S, W, _, ONE, ROWS>(
                    Left { numbers: &left, stride },
                    Columns { numbers: &right, step },
                    (rows, steps, vectors),
                    Stored { first: (&first, 1), to: &mut to, vectors },
                );
                for (place, &sum) in numbers(&to).iter().enumerate() {
                    let (r, column) = (place / (vectors * W::LANES), place % (vectors * W::LANES));
                    let number = |k| left[if ROWS { r + k * stride } else { r * stride + k }];
                    let expected = (0..steps)
                        .fold(first[r], |sum, k| number(k).mul_add(right[k * step + column], sum));
                    assert_eq!(sum.to_bits(), expected.to_bits(), "{rows} {vectors} {place}");
                }
            }
        }
    }

    impl Kernel for AllShapes {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            Self::hold::<S, S, false, false>();
            Self::hold::<S, S, false, true>();
            Self::hold::<S, S::Half, false, false>();
            Self::hold::<S, S::Half, false, true>();
            Self::hold::<S, S::Half, true, false>();
            Self::hold::<S, S::Half, true, true>();
        }
    }

    #[test]
    fn tiles_of_all_shapes_sum_up_in_order() {
        dispatch(AllShapes);
        AllShapes.run::<Portable>();
    }
}
