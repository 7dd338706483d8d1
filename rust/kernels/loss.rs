//! Losses of one row, and their derivatives by the output layer's weighted sums.

use std::slice::from_ref;

use super::simd::{MOST_LANES, Simd, numbers};
use super::units::times_derivatives;
use crate::dataset::{Loss, Objective};
use crate::math::{ln, ln_of_normal};
use crate::network::Activation;

/// Whether the loss's derivative by an output's weighted sum is that output less its target: for both pairs of
/// the cross-entropy the derivatives cancel.
pub(super) fn gradient_is_error(objective: &Objective) -> bool {
    objective.loss == Loss::CrossEntropy || objective.output == Activation::Identity
}

/// The loss's derivative by the output layer's weighted sums, times `scales`: outputs, targets and
/// deltas are `(outputs, vectors)`, scales `(vectors,)`.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(
    objective: &Objective,
    outputs: &[S],
    targets: &[S],
    scales: &[S],
    deltas: &mut [S],
) {
    for (delta, (output, &target)) in deltas.iter_mut().zip(outputs.iter().zip(targets)) {
        *delta = output.sub(target);
    }
    if !gradient_is_error(objective) && objective.output == Activation::Softmax {
        return times_jacobian(outputs, scales, deltas);
    }
    for unit in deltas.chunks_exact_mut(scales.len()) {
        for (delta, &scale) in unit.iter_mut().zip(scales) {
            *delta = scale.mul(*delta);
        }
    }
    if !gradient_is_error(objective) {
        times_derivatives(objective.output, outputs, deltas);
    }
}

/// Takes errors, `(outputs, vectors)`, back through a softmax, each of whose outputs depends on every
/// weighted sum, and multiplies them by `scales`, `(vectors,)`.
#[inline(always)]
fn times_jacobian<S: Simd>(outputs: &[S], scales: &[S], deltas: &mut [S]) {
    let vectors = scales.len();
    for (vector, &scale) in scales.iter().enumerate() {
        let mut mean = S::splat(0.0);
        for place in (vector..outputs.len()).step_by(vectors) {
            mean = deltas[place].mul_add(outputs[place], mean);
        }
        for place in (vector..outputs.len()).step_by(vectors) {
            let error = deltas[place].sub(mean);
            deltas[place] = scale.mul(error).mul(outputs[place]);
        }
    }
}

/// The losses of the rows, or members, in the first `count` lanes of a vector, each by [`row_loss`] to
/// the bit; outputs and targets are `(outputs, vectors)`.
#[inline(always)]
pub(super) fn row_losses<S: Simd>(
    objective: &Objective,
    outputs: &[S],
    targets: &[S],
    (vector, vectors): (usize, usize),
    count: usize,
) -> [f64; MOST_LANES] {
    let pairs = Pairs { outputs: &outputs[vector..], targets: &targets[vector..], vectors };
    if objective.loss == Loss::SquaredError {
        squared_errors(pairs)
    } else if whole_classes(objective, targets, (vector, vectors), count) {
        log_losses(pairs, objective.output == Activation::Softmax)
    } else {
        let mut losses = [0.0; MOST_LANES];
        for (lane, loss) in losses.iter_mut().enumerate().take(count) {
            let output = pairs.each().map(|(output, _)| numbers(from_ref(output))[lane]);
            let target = pairs.each().map(|(_, target)| numbers(from_ref(target))[lane]);
            *loss = row_loss(objective.loss, objective.output, output, target);
        }
        losses
    }
}

/// Outputs and targets, the first of each column of so many vectors being meant.
#[derive(Clone, Copy)]
struct Pairs<'a, S> {
    outputs: &'a [S],
    targets: &'a [S],
    vectors: usize,
}

impl<'a, S> Pairs<'a, S> {
    #[inline(always)]
    fn each(self) -> impl Iterator<Item = (&'a S, &'a S)> {
        let targets = self.targets.iter().step_by(self.vectors);
        self.outputs.iter().step_by(self.vectors).zip(targets)
    }
}

#[inline(always)]
fn squared_errors<S: Simd>(pairs: Pairs<'_, S>) -> [f64; MOST_LANES] {
    let mut sum = S::splat(0.0);
    for (&output, &target) in pairs.each() {
        let error = target.sub(output);
        sum = error.mul_add(error, sum);
    }
    widened(sum.mul(S::splat(0.5)))
}

/// Whether the targets of the rows in the first `count` lanes of a vector are 0 or 1 each, and with softmax
/// just one of a row's is 1; targets are `(outputs, vectors)`.
#[inline(always)]
pub(super) fn whole_classes<S: Simd>(
    objective: &Objective,
    targets: &[S],
    (vector, vectors): (usize, usize),
    count: usize,
) -> bool {
    let (mut total, mut most) = (S::splat(0.0), S::splat(0.0));
    for &target in targets[vector..].iter().step_by(vectors) {
        total = total.add(target);
        // Zero for 0 and 1 alone.
        let part = target.mul(target).sub(target);
        most = most.above(part).above(part.neg());
    }
    let softmax = objective.output == Activation::Softmax;
    let (total, most) = (widened(total), widened(most));
    let mut whole = true;
    for lane in 0..count {
        whole &= most[lane] == 0.0 && (!softmax || total[lane] == 1.0);
    }
    whole
}

/// Of whole classes, which need one logarithm for each output, or with softmax one in all, and no
/// branch.
#[inline(always)]
fn log_losses<S: Simd>(pairs: Pairs<'_, S>, softmax: bool) -> [f64; MOST_LANES] {
    let mut losses = [0.0; MOST_LANES];
    if softmax {
        losses = chances_of_class(pairs);
        surprises(&mut losses[..S::LANES]);
        return losses;
    }
    for (&output, &target) in pairs.each() {
        let mut chances = chances(output, target);
        surprises(&mut chances[..S::LANES]);
        for lane in 0..S::LANES {
            losses[lane] += chances[lane];
        }
    }
    losses
}

/// Whether a row's loss is the surprise at one probability, if classes are whole.
pub(super) fn has_one_probability(objective: &Objective, outputs: usize) -> bool {
    objective.loss == Loss::CrossEntropy
        && (objective.output == Activation::Softmax || outputs == 1)
}

/// Those probabilities of the rows in a vector's lanes; outputs and targets are `(outputs, vectors)`.
#[inline(always)]
pub(super) fn row_probabilities<S: Simd>(
    objective: &Objective,
    outputs: &[S],
    targets: &[S],
    (vector, vectors): (usize, usize),
) -> [f64; MOST_LANES] {
    if objective.output == Activation::Softmax {
        let (outputs, targets) = (&outputs[vector..], &targets[vector..]);
        chances_of_class(Pairs { outputs, targets, vectors })
    } else {
        chances(outputs[vector], targets[vector])
    }
}

/// What softmax gives the class whose target is 1.
#[inline(always)]
fn chances_of_class<S: Simd>(pairs: Pairs<'_, S>) -> [f64; MOST_LANES] {
    let mut chance = S::splat(0.0);
    for (&output, &target) in pairs.each() {
        chance = target.mul_add(output, chance);
    }
    widened(chance)
}

/// What a sigmoid gives to its target, 0 or 1.
#[inline(always)]
fn chances<S: Simd>(output: S, target: S) -> [f64; MOST_LANES] {
    let (mut chances, target) = (widened(output), widened(target));
    for lane in 0..S::LANES {
        let chance = chances[lane];
        chances[lane] = if target[lane] == 1.0 { chance } else { 1.0 - chance };
    }
    chances
}

/// A vector's numbers in double precision, then zeros.
#[inline(always)]
fn widened<S: Simd>(vector: S) -> [f64; MOST_LANES] {
    let mut wide = [0.0; MOST_LANES];
    for (to, &number) in wide.iter_mut().zip(numbers(from_ref(&vector))) {
        *to = f64::from(number);
    }
    wide
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Task;
    use crate::kernels::simd::{Portable, Square, zeros};
    use crate::kernels::{Kernel, dispatch};

    /// Losses of rows of every pair of these outputs and targets, in every lane, before some that are
    /// of no account.
    struct AtTheEnds(Activation, Loss);

    impl AtTheEnds {
        #[inline(always)]
        fn hold<S: Simd>(&self) {
            let Self(output, loss) = *self;
            let task = Task::Classification;
            let target_scale = vec![1.0; 2];
            let objective = Objective { task, output, loss, decay_biases: false, target_scale };
            let outputs = [0.0, 1e-40, f32::EPSILON, 0.5, 1.0 - f32::EPSILON, 1.0, f32::NAN];
            let rows = [
                [0.0, 1.0],
                [1.0, 0.0],
                [1.0, 1.0],
                [0.0, 0.0],
                [0.25, 0.75],
                [1.0 - f32::EPSILON / 2.0, 1e-40],
            ];
            for a in outputs {
                for (b, target) in outputs.into_iter().flat_map(|b| rows.map(|row| (b, row))) {
                    for lane in 0..S::LANES {
                        // The vector is the second of two in each column.
                        let mut units: Vec<S> = zeros(4);
                        let mut targets: Vec<S> = zeros(4);
                        for (unit, given) in [a, b].into_iter().enumerate() {
                            let mut own = [f32::NAN; MOST_LANES];
                            own[..=lane].fill(given);
                            units[2 * unit + 1] = S::load(&own);
                            let mut own = [0.3; MOST_LANES];
                            own[..=lane].fill(target[unit]);
                            targets[2 * unit + 1] = S::load(&own);
                        }
                        let told = row_losses(&objective, &units, &targets, (1, 2), lane + 1);
                        let expected =
                            row_loss(loss, output, [a, b].into_iter(), target.into_iter());
                        let same = told[lane].to_bits() == expected.to_bits();
                        let same = same || told[lane].is_nan() && expected.is_nan();
                        assert!(same, "{output:?} {a} {b} {target:?}: {} {expected}", told[lane]);
                    }
                }
            }
        }
    }

    impl Kernel for AtTheEnds {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            self.hold::<S>();
            self.hold::<S::Half>();
            self.hold::<Portable>();
        }
    }

    #[test]
    fn losses_side_by_side_are_those_of_single_rows() {
        for output in [Activation::Sigmoid, Activation::Softmax] {
            for loss in [Loss::SquaredError, Loss::CrossEntropy] {
                dispatch(AtTheEnds(output, loss));
            }
        }
    }
}
