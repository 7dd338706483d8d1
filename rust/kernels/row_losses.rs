//! Losses of rows, or members, side by side, each that of `loss` to the bit.

use std::iter::Enumerate;
use std::slice::from_ref;

use super::loss::{row_loss, surprises};
use super::output_gradient::EachOutput;
use super::products::Columns;
use super::simd::{MOST_LANES, Simd, numbers};
use crate::dataset::{Loss, Objective};
use crate::network::Activation;

/// The losses of the rows, or members, in the first `count` lanes of a vector, each by [`row_loss`] to
/// the bit.
#[inline(always)]
pub(super) fn row_losses<S: Simd>(
    objective: &Objective,
    pairs: Pairs<'_, S>,
    count: usize,
) -> [f64; MOST_LANES] {
    if objective.loss == Loss::SquaredError {
        widened(squared_errors(pairs))
    } else if whole_classes::<S>(
        objective,
        pairs.targets,
        pairs.vector,
        pairs.places().count(),
        count,
    ) {
        log_losses(pairs, objective.output == Activation::Softmax)
    } else {
        let mut losses = [0.0; MOST_LANES];
        for (lane, loss) in losses.iter_mut().enumerate().take(count) {
            let outputs = pairs.places().map(|(_, place)| numbers(&pairs.outputs[place..])[lane]);
            let first = pairs.vector * S::LANES + lane;
            let targets = pairs.places().map(|(unit, _)| pairs.targets.number(unit, first));
            *loss = row_loss(objective.loss, objective.output, outputs, targets);
        }
        losses
    }
}

/// What the rows in a vector's lanes are given, and what they ask for.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'a, S> {
    /// `(outputs, vectors)`.
    pub(super) outputs: &'a [S],
    /// A column for each output.
    pub(super) targets: Columns<'a>,
    pub(super) vector: usize,
    pub(super) vectors: usize,
}

impl<S: Simd> Pairs<'_, S> {
    /// Each output's number, and where it stands.
    #[inline(always)]
    fn places(self) -> Enumerate<EachOutput> {
        let Self { outputs, vector, vectors, .. } = self;
        EachOutput { vector, vectors, end: outputs.len() }.enumerate()
    }

    /// An output with its target.
    #[inline(always)]
    fn pair(self, (unit, place): (usize, usize)) -> (S, S) {
        (self.outputs[place], self.targets.vector(unit, self.vector))
    }
}

/// Half of the squared errors' sums.
#[inline(always)]
fn squared_errors<S: Simd>(pairs: Pairs<'_, S>) -> S {
    let mut sum = S::splat(0.0);
    for place in pairs.places() {
        let (output, target) = pairs.pair(place);
        let error = target.sub(output);
        sum = error.mul_add(error, sum);
    }
    sum.mul(S::splat(0.5))
}

/// Whether the targets of the rows in the first `count` lanes of a vector are 0 or 1 each, and with softmax
/// just one of a row's is 1; targets are a column for each of so many outputs.
#[inline(always)]
fn whole_classes<S: Simd>(
    objective: &Objective,
    targets: Columns<'_>,
    vector: usize,
    outputs: usize,
    count: usize,
) -> bool {
    let (mut total, mut most) = (S::splat(0.0), S::splat(0.0));
    for unit in 0..outputs {
        let target: S = targets.vector(unit, vector);
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
        losses = widened(chances_of_class(pairs));
        surprises(&mut losses[..S::LANES]);
        return losses;
    }
    for place in pairs.places() {
        let (output, target) = pairs.pair(place);
        let mut chances = [0.0; MOST_LANES];
        let (output, target) = (numbers(from_ref(&output)), numbers(from_ref(&target)));
        widen_chances(output, target, &mut chances[..S::LANES]);
        surprises(&mut chances[..S::LANES]);
        for lane in 0..S::LANES {
            losses[lane] += chances[lane];
        }
    }
    losses
}

/// Whether the losses of so many rows each follow from one number of what the row is given (see
/// [`telling_numbers`]); targets are a column for each of so many outputs.
#[inline(always)]
pub(super) fn one_number_tells<S: Simd>(
    objective: &Objective,
    targets: Columns<'_>,
    outputs: usize,
    rows: usize,
) -> bool {
    if objective.loss == Loss::SquaredError {
        return true;
    }
    if objective.output != Activation::Softmax && outputs > 1 {
        return false;
    }
    for vector in 0..rows.div_ceil(S::LANES) {
        let count = S::LANES.min(rows - vector * S::LANES);
        if !whole_classes::<S>(objective, targets, vector, outputs, count) {
            return false;
        }
    }
    true
}

/// The numbers from which the losses of the rows in a vector's lanes follow: the loss itself, or what the row's
/// class is given, or what the only class is given.
#[inline(always)]
pub(super) fn telling_numbers<S: Simd>(objective: &Objective, pairs: Pairs<'_, S>) -> S {
    match (objective.loss, objective.output) {
        (Loss::SquaredError, _) => squared_errors(pairs),
        (Loss::CrossEntropy, Activation::Softmax) => chances_of_class(pairs),
        (Loss::CrossEntropy, _) => pairs.outputs[pairs.vector],
    }
}

/// The losses of some rows from the numbers that tell them; `targets` are those of the first output.
#[inline(always)]
pub(super) fn told_losses(
    objective: &Objective,
    numbers: &[f32],
    targets: &[f32],
    losses: &mut [f64],
) {
    if objective.loss == Loss::CrossEntropy && objective.output != Activation::Softmax {
        widen_chances(numbers, targets, losses);
    } else {
        for (loss, &number) in losses.iter_mut().zip(numbers) {
            *loss = f64::from(number);
        }
    }
    if objective.loss == Loss::CrossEntropy {
        surprises(losses);
    }
}

/// What softmax gives the class whose target is 1.
#[inline(always)]
fn chances_of_class<S: Simd>(pairs: Pairs<'_, S>) -> S {
    let mut chance = S::splat(0.0);
    for place in pairs.places() {
        let (output, target) = pairs.pair(place);
        chance = target.mul_add(output, chance);
    }
    chance
}

/// What sigmoids give to their targets, each 0 or 1.
#[inline(always)]
fn widen_chances(outputs: &[f32], targets: &[f32], chances: &mut [f64]) {
    for (chance, (&output, &target)) in chances.iter_mut().zip(outputs.iter().zip(targets)) {
        let output = f64::from(output);
        *chance = if target == 1.0 { output } else { 1.0 - output };
    }
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
            // What no probability is, but a sum may be.
            let far: &[f32] = match loss {
                Loss::SquaredError => &[-3.0, 1e30, f32::INFINITY],
                Loss::CrossEntropy => &[],
            };
            let outputs = outputs.into_iter().chain(far.iter().copied());
            let rows = [
                [0.0, 1.0],
                [1.0, 0.0],
                [1.0, 1.0],
                [0.0, 0.0],
                [0.25, 0.75],
                [1.0 - f32::EPSILON / 2.0, 1e-40],
            ];
            for a in outputs.clone() {
                for (b, target) in outputs.clone().flat_map(|b| rows.map(|row| (b, row))) {
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
                        let targets = Columns::of(&targets, 2);
                        let pairs = Pairs { outputs: &units, targets, vector: 1, vectors: 2 };
                        let told = row_losses(&objective, pairs, lane + 1);
                        let expected =
                            row_loss(loss, output, [a, b].into_iter(), target.into_iter());
                        let hold = |told: f64, expected: f64| {
                            let same = told.to_bits() == expected.to_bits();
                            let same = same || told.is_nan() && expected.is_nan();
                            assert!(same, "{output:?} {a} {b} {target:?}: {told} {expected}");
                        };
                        hold(told[lane], expected);
                        // The same from one number, of the second vector's rows and of two outputs or one.
                        for outputs in [2, 1] {
                            let whole = |t: &f32| *t == 0.0 || *t == 1.0;
                            let told_by_one = loss == Loss::SquaredError
                                || target[..outputs].iter().all(whole)
                                    && if output == Activation::Softmax {
                                        target[..outputs].iter().sum::<f32>() == 1.0
                                    } else {
                                        outputs == 1
                                    };
                            let targets =
                                Columns { numbers: &targets.numbers[S::LANES..], ..targets };
                            let tells =
                                one_number_tells::<S>(&objective, targets, outputs, lane + 1);
                            assert_eq!(tells, told_by_one);
                            if !tells {
                                continue;
                            }
                            let pairs = Pairs { outputs: &units[..2 * outputs], ..pairs };
                            let telling = telling_numbers(&objective, pairs);
                            let mut told = [0.0; MOST_LANES];
                            let numbers = numbers(from_ref(&telling));
                            told_losses(
                                &objective,
                                numbers,
                                targets.numbers,
                                &mut told[..S::LANES],
                            );
                            let rows = [a, b].into_iter().zip(target).take(outputs);
                            let (given, asked): (Vec<f32>, Vec<f32>) = rows.unzip();
                            let (given, asked) = (given.into_iter(), asked.into_iter());
                            hold(told[lane], row_loss(loss, output, given, asked));
                        }
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
        dispatch(AtTheEnds(Activation::Identity, Loss::SquaredError));
    }
}
