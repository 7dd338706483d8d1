//! Losses of one row, and their derivatives by the output layer's weighted sums.

use super::simd::{MOST_LANES, Simd, numbers};
use super::units::times_derivatives;
use crate::dataset::{Loss, Objective};
use crate::math::{ln, ln_of_normal};
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

/// The losses of the rows, or members, that have the first `count` lanes of a vector; outputs and
/// targets are `(outputs, vectors)`. They are those of [`row_loss`] to the bit.
#[inline(always)]
pub(super) fn losses<S: Simd>(
    objective: &Objective,
    outputs: &[S],
    targets: &[S],
    (vector, vectors): (usize, usize),
    count: usize,
) -> [f64; MOST_LANES] {
    let mut losses = [0.0; MOST_LANES];
    let places = || (vector..outputs.len()).step_by(vectors);
    let zero = S::splat(0.0);
    if objective.loss == Loss::SquaredError {
        let mut sum = zero;
        for place in places() {
            let error = targets[place].sub(outputs[place]);
            sum = error.mul_add(error, sum);
        }
        widen(sum.mul(S::splat(0.5)), &mut losses);
        return losses;
    }
    // Of a class that a row has or has not, one logarithm is wanted, which needs no branch.
    let (mut chance, mut shares, mut parts) = (zero, zero, zero);
    for place in places() {
        let share = targets[place];
        let part = share.mul(share).sub(share);
        chance = share.mul_add(outputs[place], chance);
        shares = shares.add(share);
        parts = parts.above(part).above(part.neg());
    }
    let softmax = objective.output == Activation::Softmax;
    let (mut share, mut part) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
    widen(shares, &mut share);
    widen(parts, &mut part);
    let mut whole = true;
    for lane in 0..count {
        whole &= part[lane] == 0.0 && (!softmax || share[lane] == 1.0);
    }
    if !whole {
        for (lane, loss) in losses.iter_mut().enumerate().take(count) {
            let output = places().map(|place| numbers(&outputs[place..=place])[lane]);
            let target = places().map(|place| numbers(&targets[place..=place])[lane]);
            *loss = row_loss(objective.loss, objective.output, output, target);
        }
    } else if softmax {
        widen(chance, &mut losses);
        surprises(&mut losses[..S::LANES]);
    } else {
        let (mut chances, mut shares) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
        for place in places() {
            widen(outputs[place], &mut chances);
            widen(targets[place], &mut shares);
            for lane in 0..S::LANES {
                let chance = chances[lane];
                chances[lane] = if shares[lane] == 1.0 { chance } else { 1.0 - chance };
            }
            surprises(&mut chances[..S::LANES]);
            for lane in 0..S::LANES {
                losses[lane] += chances[lane];
            }
        }
    }
    losses
}

/// A vector's numbers in double precision.
#[inline(always)]
fn widen<S: Simd>(vector: S, to: &mut [f64; MOST_LANES]) {
    for (to, &number) in to.iter_mut().zip(numbers(std::slice::from_ref(&vector))) {
        *to = f64::from(number);
    }
}

/// Replaces probabilities by [`surprise`] at a share of 1, side by side.
#[inline(always)]
fn surprises(probabilities: &mut [f64]) {
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
