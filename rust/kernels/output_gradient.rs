//! The loss's derivative by the output layer's weighted sums, where the way back begins.

use super::products::Columns;
use super::simd::Simd;
use super::units::times_derivatives;
use crate::dataset::{Loss, Objective};
use crate::network::Activation;

/// Whether the loss's derivative by an output's weighted sum is that output less its target: for both pairs of
/// the cross-entropy the derivatives cancel.
pub(super) fn gradient_is_error(objective: &Objective) -> bool {
    objective.loss == Loss::CrossEntropy || objective.output == Activation::Identity
}

/// What the rows, or members, in the lanes of some vectors ask of outputs.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a, S> {
    /// A column for each output.
    pub(super) targets: Columns<'a>,
    /// One column.
    pub(super) weights: Columns<'a>,
    /// What a row of weight 1 has its derivatives multiplied by.
    pub(super) factor: S,
}

/// The loss's derivative by the output layer's weighted sums, times factor and weight: outputs and deltas are
/// `(outputs, vectors)`.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(
    objective: &Objective,
    asked: Asked<'_, S>,
    outputs: &[S],
    deltas: &mut [S],
    vectors: usize,
) {
    let is_error = gradient_is_error(objective);
    for vector in 0..vectors {
        let scale = asked.factor.mul(asked.weights.vector(0, vector));
        let places = EachOutput { vector, vectors, end: outputs.len().min(deltas.len()) };
        if !is_error && objective.output == Activation::Softmax {
            times_jacobian(asked.targets, scale, outputs, deltas, places);
            continue;
        }
        for (unit, place) in places.enumerate() {
            let error = outputs[place].sub(asked.targets.vector(unit, vector));
            deltas[place] = scale.mul(error);
        }
    }
    if !is_error {
        times_derivatives(objective.output, outputs, deltas);
    }
}

/// Takes the errors of one vector's rows back through a softmax, each of whose outputs depends on every
/// weighted sum, and multiplies them by `scale`.
#[inline(always)]
fn times_jacobian<S: Simd>(
    targets: Columns<'_>,
    scale: S,
    outputs: &[S],
    deltas: &mut [S],
    places: EachOutput,
) {
    let mut mean = S::splat(0.0);
    let vector = places.vector;
    for (unit, place) in places.clone().enumerate() {
        deltas[place] = outputs[place].sub(targets.vector(unit, vector));
        mean = deltas[place].mul_add(outputs[place], mean);
    }
    for place in places {
        let error = deltas[place].sub(mean);
        deltas[place] = scale.mul(error).mul(outputs[place]);
    }
}

/// Where a vector of each output stands, among `(outputs, vectors)` up to an end. A range by steps would begin with
/// a division.
#[derive(Clone)]
pub(super) struct EachOutput {
    pub(super) vector: usize,
    pub(super) vectors: usize,
    pub(super) end: usize,
}

impl Iterator for EachOutput {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let place = self.vector;
        self.vector += self.vectors;
        (place < self.end).then_some(place)
    }
}
