//! Numbers turned over, square by square: rows of a table into columns, and back.

use super::simd::{MOST_LANES, Simd, Square};
use super::tiles::written_out;

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
