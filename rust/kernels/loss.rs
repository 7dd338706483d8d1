//! Losses of one row, and their derivatives by the output layer's weighted sums.

use super::simd::Simd;
use super::units::times_derivatives;
use crate::dataset::{Dataset, Loss, Objective};
use crate::math::ln;
use crate::network::Activation;

/// The loss's derivative by the output layer's weighted sums, times `scale`: outputs, targets and
/// deltas are `(outputs, vectors)`, scales `(vectors,)`.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(
    objective: &Objective,
    outputs: &[S],
    targets: &[S],
    scales: &[S],
    deltas: &mut [S],
) {
    let vectors = scales.len();
    for (delta, (output, &target)) in deltas.iter_mut().zip(outputs.iter().zip(targets)) {
        *delta = output.sub(target);
    }
    let softmax = objective.output == Activation::Softmax;
    if objective.loss == Loss::SquaredError && softmax {
        // The softmax's Jacobian: each output depends on every weighted sum.
        for vector in 0..vectors {
            let mut mean = S::splat(0.0);
            for place in (vector..outputs.len()).step_by(vectors) {
                mean = deltas[place].mul_add(outputs[place], mean);
            }
            for place in (vector..outputs.len()).step_by(vectors) {
                let error = deltas[place].sub(mean);
                deltas[place] = scales[vector].mul(error).mul(outputs[place]);
            }
        }
        return;
    }
    for unit in deltas.chunks_exact_mut(vectors) {
        for (delta, &scale) in unit.iter_mut().zip(scales) {
            *delta = scale.mul(*delta);
        }
    }
    // For both pairs of the cross-entropy the derivatives cancel.
    if objective.loss == Loss::SquaredError {
        times_derivatives(objective.output, outputs, deltas);
    }
}

/// One row's loss times the row's weight; the outputs are `(outputs,)`.
#[inline(always)]
pub(super) fn weighted_loss(
    dataset: &Dataset,
    row: u32,
    outputs: impl Iterator<Item = f32>,
) -> f64 {
    let objective = dataset.objective();
    let loss = row_loss(objective.loss, objective.output, outputs, dataset.target(row));
    f64::from(dataset.weight(row)) * loss
}

/// One row's loss; outputs and target are `(outputs,)`. Probabilities are kept away from 0 and 1 by
/// 2⁻²³, the spacing of 32-bit numbers at 1.
#[inline(always)]
pub(crate) fn row_loss(
    loss: Loss,
    activation: Activation,
    outputs: impl Iterator<Item = f32>,
    target: &[f32],
) -> f64 {
    let pairs = outputs.zip(target.iter().copied());
    // Loops, since a closure would not be compiled with the wider instructions.
    match (loss, activation) {
        (Loss::SquaredError, _) => {
            let mut sum = 0.0_f32;
            for (output, target) in pairs {
                sum = (target - output).mul_add(target - output, sum);
            }
            f64::from(0.5 * sum)
        }
        (Loss::CrossEntropy, Activation::Sigmoid) => {
            let mut sum = 0.0;
            for (output, target) in pairs {
                let output = f64::from(output);
                sum += surprise(target, output) + surprise(1.0 - target, 1.0 - output);
            }
            sum
        }
        (Loss::CrossEntropy, _) => {
            let mut sum = 0.0;
            for (output, target) in pairs {
                sum += surprise(target, f64::from(output));
            }
            sum
        }
    }
}

/// `−share · ln(probability)`; nothing at all where the share is zero.
#[inline(always)]
pub(crate) fn surprise(share: f32, probability: f64) -> f64 {
    const SMALLEST: f64 = f32::EPSILON as f64;
    if share == 0.0 && !probability.is_nan() {
        return 0.0;
    }
    let probability = if probability < SMALLEST { SMALLEST } else { probability };
    let probability = if probability > 1.0 - SMALLEST { 1.0 - SMALLEST } else { probability };
    -f64::from(share) * ln(probability)
}
