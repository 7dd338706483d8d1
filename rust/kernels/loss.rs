//! The loss of one row.

use crate::dataset::Loss;
use crate::math::{ln, ln_of_normal};
use crate::network::Activation;

/// Replaces probabilities by [`surprise`] at a share of 1 of each: of many side by side, since each step of
/// a logarithm waits for the one before.
#[inline(always)]
pub(crate) fn surprises(probabilities: &mut [f64]) {
    for number in probabilities {
        let logarithm = ln_of_normal(held(*number), 0);
        *number = if number.is_nan() { f64::NAN } else { -logarithm };
    }
}

/// One row's loss; outputs and target are `(outputs,)`. Probabilities are kept away from 0 and 1 by
/// 2⁻²³, the spacing of 32-bit numbers at 1.
#[inline(always)]
pub(crate) fn row_loss(
    loss: Loss,
    activation: Activation,
    outputs: impl Iterator<Item = f32>,
    target: impl Iterator<Item = f32>,
) -> f64 {
    let pairs = outputs.zip(target);
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
    if share == 0.0 && !probability.is_nan() {
        return 0.0;
    }
    -f64::from(share) * ln(held(probability))
}

/// A probability, kept away from 0 and 1; NaN stays NaN.
#[inline(always)]
fn held(probability: f64) -> f64 {
    const SMALLEST: f64 = f32::EPSILON as f64;
    let probability = if probability < SMALLEST { SMALLEST } else { probability };
    if probability > 1.0 - SMALLEST { 1.0 - SMALLEST } else { probability }
}
