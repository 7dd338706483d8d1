//! To and fro between a network's own array of parameters and padded matrices.

use super::matrix::Matrix;
use super::packed::{Packed, PackedLayer};
use super::simd::{Square, numbers, numbers_mut, zeros};

/// Where values stand that follow each other in the network's own array: so many numbers from `start` on,
/// `stride` from one to the next.
struct Run {
    start: usize,
    count: usize,
    stride: usize,
}

impl<S: Square> Packed<S> {
    /// Several values for each parameter, each kind in the order of the network's own array, as
    /// vectors padded with zeros: where the parameters have one vector, there is one of each kind.
    #[inline(always)]
    pub(super) fn pack<const KINDS: usize>(&self, values: [&[f32]; KINDS]) -> Vec<S> {
        let mut padded = zeros(self.layers.last().map_or(0, |layer| layer.end) * KINDS);
        for (kind, mut rest) in values.into_iter().enumerate() {
            self.for_each_run((kind, KINDS), |Run { start, count, stride }| {
                let (first, others) = rest.split_at(count);
                let own = &mut numbers_mut::<S>(&mut padded)[start..];
                if stride == 1 {
                    own[..count].copy_from_slice(first);
                } else {
                    for (own, &value) in own.iter_mut().step_by(stride).zip(first) {
                        *own = value;
                    }
                }
                rest = others;
            });
        }
        padded
    }

    /// Takes the padding out again from vectors of `kinds` kinds, of which one is meant.
    #[inline(always)]
    pub(super) fn unpack(&self, padded: &[S], kind: (usize, usize), values: &mut [f32]) {
        let mut rest = values;
        self.for_each_run(kind, |Run { start, count, stride }| {
            let (first, others) = std::mem::take(&mut rest).split_at_mut(count);
            let own = &numbers(padded)[start..];
            if stride == 1 {
                first.copy_from_slice(&own[..count]);
            } else {
                for (value, &own) in first.iter_mut().zip(own.iter().step_by(stride)) {
                    *value = own;
                }
            }
            rest = others;
        });
    }

    /// Visits all values of one of several kinds, in the order of the network's own array. Loops, since
    /// of iterators of iterators the compiler left calls for each of them.
    #[inline(always)]
    fn for_each_run(&self, (kind, kinds): (usize, usize), mut visit: impl FnMut(Run)) {
        for &PackedLayer { inputs, outputs, start, matrix, .. } in &self.layers {
            let Matrix { turned, lanes, blocks, .. } = matrix;
            let origin = start * kinds * S::LANES + kind * lanes;
            // From one of a row's vectors to the next of its kind.
            let apart = kinds * lanes;
            for input in 0..=inputs {
                if turned {
                    let start = origin + input / lanes * apart + input % lanes;
                    visit(Run { start, count: outputs, stride: blocks * apart });
                    continue;
                }
                let row = origin + input * blocks * apart;
                // With one kind the vectors of a row are adjacent.
                let side_by_side = if kinds == 1 { outputs } else { lanes };
                for (block, output) in (0..outputs).step_by(side_by_side).enumerate() {
                    let count = side_by_side.min(outputs - output);
                    visit(Run { start: row + block * apart, count, stride: 1 });
                }
            }
        }
    }
}
