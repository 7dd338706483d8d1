//! Losses of one row, and their derivatives by the output layer's weighted sums.

use super::derivative;
use crate::dataset::{Loss, Objective};
use crate::math::ln;
use crate::network::Activation;

/// The loss's derivative by the output layer's weighted sums, times `scale`: all are `(outputs,)`.
#[inline(always)]
pub(super) fn output_gradient(
    objective: &Objective,
    outputs: &[f32],
    target: &[f32],
    scale: f32,
    deltas: &mut [f32],
) {
    let errors = outputs.iter().zip(target).map(|(&output, &target)| output - target);
    match (objective.loss, objective.output) {
        (Loss::SquaredError, Activation::Softmax) => {
            // The softmax's Jacobian: each output depends on every weighted sum.
            let mut mean = 0.0_f32;
            for (error, &output) in errors.clone().zip(outputs) {
                mean = error.mul_add(output, mean);
            }
            for ((delta, error), &output) in deltas.iter_mut().zip(errors).zip(outputs) {
                *delta = (scale * (error - mean)) * output;
            }
        }
        (Loss::SquaredError, activation) => {
            for ((delta, error), &output) in deltas.iter_mut().zip(errors).zip(outputs) {
                *delta = (scale * error) * derivative(activation, output);
            }
        }
        // For both pairs of the cross-entropy the derivatives cancel.
        (Loss::CrossEntropy, _) => {
            for (delta, error) in deltas.iter_mut().zip(errors) {
                *delta = scale * error;
            }
        }
    }
}

/// One row's loss; outputs and target are `(outputs,)`. Probabilities are kept away from 0 and 1 by
/// 2⁻²³, the spacing of 32-bit numbers at 1.
#[inline(always)]
pub(crate) fn row_loss(loss: Loss, activation: Activation, outputs: &[f32], target: &[f32]) -> f64 {
    match (loss, activation) {
        (Loss::SquaredError, _) => {
            let mut sum = 0.0_f32;
            for (&output, &target) in outputs.iter().zip(target) {
                sum = (target - output).mul_add(target - output, sum);
            }
            f64::from(0.5 * sum)
        }
        (Loss::CrossEntropy, Activation::Sigmoid) => outputs
            .iter()
            .zip(target)
            .map(|(&output, &target)| {
                surprise(target, f64::from(output))
                    + surprise(1.0 - target, 1.0 - f64::from(output))
            })
            .sum(),
        (Loss::CrossEntropy, _) => {
            outputs.iter().zip(target).map(|(&output, &t)| surprise(t, f64::from(output))).sum()
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
