//! What networks give for many rows, a block of them at a time.
//!
//! A block's rows stand in the lanes, so that they are turned into columns first. Where many networks are
//! asked about the same rows, that is done once for all of them.

use super::packed::Packed;
use super::products::Columns;
use super::simd::{Square, numbers, zeros};
use super::window::load;
use crate::network::Network;

/// Rows of a block.
pub(crate) const BLOCK: usize = 64;

/// What a network is asked about: rows of a table, `(rows, inputs)`.
#[derive(Clone, Copy)]
pub(crate) enum Inputs<'a> {
    /// All of them.
    All(&'a [f32]),
    /// Those of these numbers.
    Chosen(&'a [f32], &'a [u32]),
    /// The columns that [`to_columns`] made of some.
    Columns(&'a [f32]),
}

/// A network's outputs, to be written to `to`, `(rows, outputs)`.
#[inline(always)]
pub(crate) fn outputs<S: Square>(network: &Network, inputs: Inputs<'_>, to: &mut [f32]) {
    const { assert!(BLOCK.is_multiple_of(S::LANES)) }
    if to.is_empty() {
        return;
    }
    let packed = Packed::<S>::new(network, None);
    let (columns, width) = (network.inputs(), network.outputs());
    let vectors = BLOCK.min(to.len() / width).div_ceil(S::LANES);
    let own = if matches!(inputs, Inputs::Columns(_)) { 0 } else { columns };
    let mut turned: Vec<S> = zeros(own * vectors);
    let mut units = zeros(packed.units() * vectors);
    let room = vectors * S::LANES;
    for (block, to) in to.chunks_mut(BLOCK * width).enumerate() {
        let (first, count) = (block * BLOCK, to.len() / width);
        match inputs {
            Inputs::All(table) => {
                let rows = table[first * columns..].chunks_exact(columns).take(count);
                load(rows, &mut turned, vectors);
            }
            Inputs::Chosen(table, rows) => {
                let row = |&row: &u32| &table[row as usize * columns..][..columns];
                load(rows[first..][..count].iter().map(row), &mut turned, vectors);
            }
            Inputs::Columns(_) => {}
        }
        let heard = match inputs {
            Inputs::Columns(all) => Columns { numbers: &all[first * columns..], step: BLOCK },
            _ => Columns::of(&turned, vectors),
        };
        packed.forward(heard, &mut units, &mut [], room);
        let outputs = numbers(packed.outputs(&units, vectors));
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            for (unit, number) in to.iter_mut().enumerate() {
                *number = outputs[unit * room + row];
            }
        }
    }
}

/// Turns chosen rows of a table, `(rows, inputs)`, into columns, to be written to `to`, blocks of `(inputs,
/// BLOCK)`; what is behind the last row is any finite numbers.
#[inline(always)]
pub(crate) fn to_columns<S: Square>(table: &[f32], inputs: usize, rows: &[u32], to: &mut [f32]) {
    let vectors = BLOCK / S::LANES;
    let mut block: Vec<S> = zeros(inputs * vectors);
    for (rows, to) in rows.chunks(BLOCK).zip(to.chunks_exact_mut(inputs * BLOCK)) {
        let row = |&row: &u32| &table[row as usize * inputs..][..inputs];
        load(rows.iter().map(row), &mut block, vectors);
        to.copy_from_slice(numbers(&block));
    }
}
