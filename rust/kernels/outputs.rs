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

/// What a network is asked about.
pub(crate) enum Inputs<'a, R> {
    /// Rows, `(inputs,)` each.
    Rows(R),
    /// The columns that [`turn`] made of rows.
    Columns(&'a [f32]),
}

/// A network's outputs, to be written to `to`, `(rows, outputs)`.
#[inline(always)]
pub(crate) fn outputs<'a, S: Square>(
    network: &Network,
    mut inputs: Inputs<'_, impl ExactSizeIterator<Item = &'a [f32]>>,
    to: &mut [f32],
) {
    if to.is_empty() {
        return;
    }
    let packed = Packed::<S>::new(network, None);
    let width = network.outputs();
    let vectors = BLOCK.min(to.len() / width).div_ceil(S::LANES);
    let mut turned: Vec<S> = match inputs {
        Inputs::Rows(_) => zeros(network.inputs() * vectors),
        Inputs::Columns(_) => Vec::new(),
    };
    let mut units = zeros(packed.units() * vectors);
    let room = vectors * S::LANES;
    for (block, to) in to.chunks_mut(BLOCK * width).enumerate() {
        let heard = match &mut inputs {
            Inputs::Rows(rows) => {
                load(rows.by_ref().take(to.len() / width), &mut turned, vectors);
                Columns::of(&turned, vectors)
            }
            Inputs::Columns(all) => {
                Columns { numbers: &all[block * network.inputs() * BLOCK..], step: BLOCK }
            }
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

/// Turns rows into columns, to be written to `to`, blocks of `(inputs, BLOCK)`; what is behind the last row
/// is any finite numbers.
#[inline(always)]
pub(crate) fn turn<'a, S: Square>(
    mut rows: impl ExactSizeIterator<Item = &'a [f32]>,
    inputs: usize,
    to: &mut [f32],
) {
    let vectors = BLOCK / S::LANES;
    let mut block: Vec<S> = zeros(inputs * vectors);
    for to in to.chunks_exact_mut(inputs * BLOCK) {
        load(rows.by_ref().take(BLOCK), &mut block, vectors);
        to.copy_from_slice(numbers(&block));
    }
}
