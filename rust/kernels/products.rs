//! Small matrix products whose sums run in index order.
//!
//! One micro-kernel does the forward pass, the input gradient and the weight gradient: a tile of
//! sums stays in registers, and each step of the inner index multiplies a column of numbers, each
//! broadcast, with a row of vectors. A tile is as large as the registers allow, so that a step's
//! multiplications outnumber its loads; each sum is alone in its lane, from the first index to the
//! last.

use std::marker::PhantomData;

use super::simd::{MOST_LANES, Simd, Square, Work, numbers, opaque};

/// The most rows that a tile has.
const MOST_ROWS: usize = 8;

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
    /// Asks for what `take` will need.
    #[inline(always)]
    fn prepare<const WIDTH: usize>(&self, _r: usize, _v: usize) {}
    /// Takes the sums of row `r`, from vector `v` on.
    fn take<const WIDTH: usize>(&mut self, r: usize, v: usize, sums: [S; WIDTH]);
    /// Takes the sums of a tile, from row `r` and vector `v` on.
    #[inline(always)]
    fn take_tile<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        sums: [[S; WIDTH]; HEIGHT],
    ) {
        written_out!(HEIGHT, h, {
            self.take(r + h, v, sums[h]);
        });
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
    sums: T,
) {
    S::apart(Product::<W, T, ONE, ROWS> { left, right, shape, sums, of: PhantomData });
}

/// A product to be worked out.
struct Product<'a, S, T, const ONE: bool, const ROWS: bool> {
    left: Left<'a, ROWS>,
    right: Columns<'a>,
    shape: (usize, usize, usize),
    sums: T,
    of: PhantomData<S>,
}

impl<S: Simd, T: Sums<S>, const ONE: bool, const ROWS: bool> Work for Product<'_, S, T, ONE, ROWS> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { left, right, shape: (rows, steps, vectors), mut sums, .. } = self;
        // What the unchecked reads below rest on.
        let before = steps.saturating_sub(1);
        assert!(rows > 0 && left.place(rows - 1, before) < left.numbers.len());
        assert!(before * right.step + vectors * S::LANES <= right.numbers.len());
        assert!(!ONE || vectors == 1);
        let mut v = 0;
        while v < vectors {
            let width = if ONE { 1 } else { part(vectors - v, S::TILE_VECTORS) };
            let mut r = 0;
            while r < rows {
                let height = part(rows - r, S::TILE_ROWS[width - 1]);
                // SAFETY: of rows and vectors there are so many, as asserted above.
                #[allow(unsafe_code, reason = "kernel file")]
                unsafe {
                    match width {
                        1 => column::<S, 1, ROWS>(left, right, (r, v), steps, height, &mut sums),
                        2 if !ONE => {
                            column::<S, 2, ROWS>(left, right, (r, v), steps, height, &mut sums)
                        }
                        3 if !ONE && S::TILE_VECTORS > 2 => {
                            column::<S, 3, ROWS>(left, right, (r, v), steps, height, &mut sums)
                        }
                        4 if !ONE && S::TILE_VECTORS > 2 => {
                            column::<S, 4, ROWS>(left, right, (r, v), steps, height, &mut sums)
                        }
                        _ => unreachable!("a tile has at most so many vectors"),
                    }
                }
                r += height;
            }
            v += width;
        }
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

/// A tile of so many rows.
#[allow(unsafe_code, reason = "kernel file")]
#[inline(always)]
unsafe fn column<S: Simd, const WIDTH: usize, const ROWS: bool>(
    left: Left<'_, ROWS>,
    right: Columns<'_>,
    place: (usize, usize),
    steps: usize,
    height: usize,
    sums: &mut impl Sums<S>,
) {
    macro_rules! tiles {
        ($($height:literal),*) => {
            match height {
                // SAFETY: the caller's promise.
                $($height if $height <= S::TILE_ROWS[WIDTH - 1] => unsafe {
                    tile::<S, $height, WIDTH, ROWS>(left, right, place, steps, sums);
                },)*
                _ => unreachable!("a tile has at most {MOST_ROWS} rows"),
            }
        };
    }
    tiles!(1, 2, 3, 4, 5, 6, 7, 8);
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
        sums.prepare::<WIDTH>(r + h, v);
    }
    let mut offsets = [0; HEIGHT];
    for h in 1..HEIGHT {
        offsets[h] = left.offset(h);
    }
    let first = left.place(r, 0);
    for k in 0..steps {
        let mut row = [S::splat(0.0); WIDTH];
        for w in 0..WIDTH {
            let start = k * right.step + (v + w) * S::LANES;
            // SAFETY: the caller's promise.
            let vector = unsafe { right.numbers.get_unchecked(start..start + S::LANES) };
            row[w] = S::load(vector);
        }
        for h in 0..HEIGHT {
            // SAFETY: the caller's promise.
            let number =
                unsafe { left.numbers.get_unchecked(first + left.place(0, k) + offsets[h]) };
            let number = S::splat(*number);
            for w in 0..WIDTH {
                sum[h][w] = number.mul_add(row[w], sum[h][w]);
            }
        }
    }
    sums.take_tile(r, v, sum);
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
    fn take<const WIDTH: usize>(&mut self, r: usize, v: usize, sums: [S; WIDTH]) {
        self.to[r * self.vectors + v..][..WIDTH].copy_from_slice(&sums);
    }
}

/// Turns rows of as many numbers each into columns: `to` is `(columns, vectors)`, and vector `vector`
/// of each column gets its number from each of the rows in turn. There are at most `S::LANES` rows;
/// lanes after the last are zero.
#[inline(always)]
pub(super) fn columns<S: Square>(rows: &[&[f32]], to: &mut [S], vectors: usize, vector: usize) {
    for (block, to) in to.chunks_mut(S::LANES * vectors).enumerate() {
        let mut square = [S::splat(0.0); MOST_LANES];
        written_out!(S::LANES, lane, {
            // What is not there is not read by a masked load either: a processor takes hundreds of
            // cycles to find out that such a load has no lane to read.
            if let Some(row) = rows.get(lane) {
                square[lane] = S::load(&row[block * S::LANES..]);
            }
        });
        S::transpose(&mut square[..S::LANES]);
        let to = &mut to[vector..];
        written_out!(S::LANES, lane, {
            if let Some(to) = to.get_mut(lane * vectors) {
                *to = square[lane];
            }
        });
    }
}

/// Turns columns into rows: `from` is `(columns, vectors)`, and row `n` of `to`, which is
/// `(vectors · LANES, ⌈columns / LANES⌉)` or has fewer rows of the last vectors, gets the `n`-th number of
/// each column, then zeros.
#[inline(always)]
pub(super) fn rows<S: Square>(from: &[S], to: &mut [S], vectors: usize) {
    let blocks = from.len().div_ceil(vectors * S::LANES);
    let mut square = [S::splat(0.0); MOST_LANES];
    let square = &mut square[..S::LANES];
    for vector in 0..vectors {
        let to = &mut to[vector * S::LANES * blocks..];
        if to.is_empty() {
            return;
        }
        for block in 0..blocks {
            for (lane, row) in square.iter_mut().enumerate() {
                let column = block * S::LANES + lane;
                *row = from.get(column * vectors + vector).copied().unwrap_or(S::splat(0.0));
            }
            S::transpose(square);
            // Where no row is missing their number is a constant, and the compiler leaves out counting.
            match to.get_mut(..S::LANES * blocks) {
                Some(to) => put(square, to, block, blocks),
                None => put(square, to, block, blocks),
            }
        }
    }
}

/// Puts vectors in the place `block` of as many rows as there are, each of `blocks` vectors.
#[inline(always)]
fn put<S: Simd>(vectors: &[S], rows: &mut [S], block: usize, blocks: usize) {
    for (row, vector) in rows.chunks_exact_mut(blocks).zip(vectors) {
        row[block] = *vector;
    }
}
