//! Small matrix products whose sums run in index order.
//!
//! One micro-kernel does the forward pass, the input gradient and the weight gradient: a tile of
//! sums stays in registers, and each step of the inner index multiplies a column of numbers, each
//! broadcast, with a row of vectors. A tile is as large as the registers allow, so that a step's
//! multiplications outnumber its loads: with 32 registers a tile of four vectors has 24 sums
//! and ten loads, with 16 one of two has twelve and eight. Each sum is alone in its lane, from the first
//! index to the last. What a tile does is in `tiles`.

use std::marker::PhantomData;

use super::blocks::{with_size, with_size_to};
use super::simd::{Simd, Square, Work, anew, anew_mut, numbers, opaque};
use super::tiles::{Sums, tile, tile_rows_mut, written_out};

/// The most rows that a tile has.
pub(super) const MOST_ROWS: usize = 8;
/// The most vectors that a tile has.
const MOST_VECTORS: usize = 4;

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
    /// Where a row's number at a step stands.
    #[inline(always)]
    pub(super) fn place(self, r: usize, k: usize) -> usize {
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
    pub(super) fn offset(self, r: usize) -> usize {
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

    /// A number of a column.
    #[inline(always)]
    pub(super) fn number(self, column: usize, number: usize) -> f32 {
        self.numbers[column * self.step + number]
    }

    /// A vector of a column.
    #[inline(always)]
    pub(super) fn vector<S: Simd>(self, column: usize, vector: usize) -> S {
        S::load(&self.numbers[column * self.step + vector * S::LANES..][..S::LANES])
    }
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
        // What the tiles' unchecked reads rest on.
        assert!(rows > 0);
        let before = steps.saturating_sub(1);
        let (far, near) = if ROWS { (before, rows - 1) } else { (rows - 1, before) };
        let last = reach(far, left.stride, near);
        assert!(last.is_some_and(|last| last < left.numbers.len()));
        let end = reach(before, right.step, vectors * S::LANES);
        assert!(end.is_some_and(|end| end <= right.numbers.len()));
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
                        with_size_to!(widest::<S>(HEIGHT), width, WIDTH => {
                            tile::<S, HEIGHT, WIDTH, ROWS>(left, right, (r, v), steps, sums);
                        }; 2 3 4);
                        v += width;
                    }
                    // Higher ones have one vector alone.
                    while const { !ONE && HEIGHT <= S::TILE_ROWS } && v + 2 <= vectors {
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

/// How far it is to the last of so many steps of a size, and on.
#[inline(always)]
fn reach(steps: usize, size: usize, more: usize) -> Option<usize> {
    steps.checked_mul(size)?.checked_add(more)
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
    fn take<const HEIGHT: usize, const WIDTH: usize>(
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
                let (steps, step) = ((rows + vectors) % 9, vectors * W::LANES + 3);
                // A gap behind each column, or row, of the left factor as well.
                let stride = if ROWS { rows } else { steps } + 2;
                let left = Self::some(stride * if ROWS { steps.max(1) } else { rows }, 1);
                let right = Self::some(steps.max(1) * step, 2);
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
