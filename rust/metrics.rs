//! Metrics: how good a network's answers are, and how that is brought to a common scale.
//!
//! A score is the metric, higher is better. A skill is the score moved to a scale on which a perfect
//! prediction has 1 and, for losses, the best constant prediction has 0: fitness needs one.

use serde::{Deserialize, Serialize};

use crate::answers::{class, squared_error};
use crate::dataset::{Loss, Objective, Task};
use crate::error::{Error, Result};
use crate::kernels::{Kernel, Square, dispatch, row_loss, surprise, surprises};
use crate::math::ln;
use crate::network::Activation;

pub use crate::answers::Answers;

/// A metric; losses are negated, so that higher is better throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    /// Share of rows whose most probable class is right.
    Accuracy,
    /// Mean of `1 − ½ ‖t − o‖²` over rows: what the paper's tables call accuracy.
    SoftAccuracy,
    /// Minus the mean of `−ln p` of the right class.
    NegLogLoss,
    /// The coefficient of determination, averaged over target columns.
    R2,
    /// Minus the mean squared error, averaged over target columns, in the user's units.
    NegMeanSquaredError,
    /// Minus the mean absolute error, averaged over target columns, in the user's units.
    NegMeanAbsoluteError,
    /// A function of the user's own: its scores come from outside.
    Custom,
}

impl Metric {
    /// All that the core works out itself.
    pub const ALL: [Self; 6] = [
        Self::Accuracy,
        Self::SoftAccuracy,
        Self::NegLogLoss,
        Self::R2,
        Self::NegMeanSquaredError,
        Self::NegMeanAbsoluteError,
    ];

    /// The name in the Python API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::SoftAccuracy => "soft_accuracy",
            Self::NegLogLoss => "neg_log_loss",
            Self::R2 => "r2",
            Self::NegMeanSquaredError => "neg_mean_squared_error",
            Self::NegMeanAbsoluteError => "neg_mean_absolute_error",
            Self::Custom => "custom",
        }
    }

    /// The task that the metric is for; none for the user's own.
    #[must_use]
    pub const fn task(self) -> Option<Task> {
        match self {
            Self::Accuracy | Self::SoftAccuracy | Self::NegLogLoss => Some(Task::Classification),
            Self::R2 | Self::NegMeanSquaredError | Self::NegMeanAbsoluteError => {
                Some(Task::Regression)
            }
            Self::Custom => None,
        }
    }
}

/// A metric's score for outputs `(rows, outputs)`.
#[must_use]
pub fn score(metric: Metric, objective: &Objective, outputs: &[f32], answers: &Answers) -> f64 {
    match metric {
        Metric::Accuracy => {
            let told = outputs.chunks_exact(answers.outputs).zip(&answers.classes);
            answers.mean(told.map(|(output, &right)| f64::from(class(output) == right)))
        }
        Metric::SoftAccuracy => {
            // A single output stands for two, whose errors are the same: ½ (e² + e²).
            let share = if answers.outputs == 1 { 1.0 } else { 0.5 };
            1.0 - share
                * answers.mean(answers.rows(outputs).map(|(output, target)| {
                    output.iter().zip(target).map(|(&o, &t)| squared_error(o, t)).sum()
                }))
        }
        Metric::NegLogLoss => {
            -answers.mean(evaluation_losses(objective, outputs, answers).into_iter())
        }
        Metric::R2 => {
            let column =
                |c| 1.0 - column_error(outputs, answers, c, &squared_error) / answers.spread(c);
            mean_of_columns(answers, column)
        }
        Metric::NegMeanSquaredError => -mean_of_columns(answers, |c| {
            let scale = objective.target_scale[c];
            scale * scale * column_error(outputs, answers, c, &squared_error)
        }),
        Metric::NegMeanAbsoluteError => -mean_of_columns(answers, |c| {
            objective.target_scale[c] * column_error(outputs, answers, c, &absolute_error)
        }),
        Metric::Custom => f64::NAN,
    }
}

/// Each row's evaluation loss, fixed by the task whatever a member trains on: the log-loss of the
/// right class, or half the squared error.
#[must_use]
pub fn evaluation_losses(objective: &Objective, outputs: &[f32], answers: &Answers) -> Vec<f64> {
    dispatch(EvaluationLosses { objective, outputs, answers })
}

struct EvaluationLosses<'a> {
    objective: &'a Objective,
    outputs: &'a [f32],
    answers: &'a Answers,
}

impl Kernel for EvaluationLosses<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<S: Square>(self) -> Vec<f64> {
        let Self { objective, outputs, answers } = self;
        let mut losses = Vec::with_capacity(answers.weights().len());
        if objective.task == Task::Classification && answers.whole {
            // Of one probability each, whose logarithms are worked out side by side.
            for (output, &class) in outputs.chunks_exact(answers.outputs).zip(&answers.classes) {
                losses.push(match output {
                    [second] if class == 0 => 1.0 - f64::from(*second),
                    [second] => f64::from(*second),
                    _ if objective.output == Activation::Sigmoid => {
                        f64::from(output[class]) / total(output)
                    }
                    _ => f64::from(output[class]),
                });
            }
            surprises(&mut losses);
            return losses;
        }
        for (output, target) in answers.rows(outputs) {
            losses.push(match objective.task {
                Task::Regression => {
                    let values = output.iter().copied();
                    row_loss(Loss::SquaredError, objective.output, values, target.iter().copied())
                }
                Task::Classification if independent(objective.output, output) => {
                    let (total, mut sum) = (total(output), 0.0);
                    for (&value, &share) in output.iter().zip(target) {
                        sum += surprise(share, f64::from(value) / total);
                    }
                    sum
                }
                Task::Classification => {
                    let values = output.iter().copied();
                    row_loss(Loss::CrossEntropy, objective.output, values, target.iter().copied())
                }
            });
        }
        losses
    }
}

/// Class probabilities `(rows, classes)` of a classifier's outputs: a single output gives two
/// columns; several sigmoid outputs are divided by their sum.
#[must_use]
pub fn probabilities(output: Activation, outputs: &[f32], columns: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(outputs.len() * if columns == 1 { 2 } else { 1 });
    for row in outputs.chunks_exact(columns) {
        if let [value] = row {
            result.extend([1.0 - value, *value]);
        } else if independent(output, row) {
            let total = total(row);
            result.extend(row.iter().map(|&value| (f64::from(value) / total) as f32));
        } else {
            result.extend(row);
        }
    }
    result
}

/// What a row's outputs add up to.
#[inline(always)]
fn total(row: &[f32]) -> f64 {
    let mut total = 0.0;
    for &value in row {
        total += f64::from(value);
    }
    total
}

/// Whether the outputs are one sigmoid for each class, which do not add up to 1.
fn independent(output: Activation, row: &[f32]) -> bool {
    output == Activation::Sigmoid && row.len() > 1
}

/// The scores of the best constant and of a perfect prediction, between which skill is measured:
/// (0, 1) for a metric that is its own skill.
///
/// # Errors
/// [`Error::Invalid`] when the validation rows leave nothing to tell apart.
pub fn anchors(metric: Metric, objective: &Objective, answers: &Answers) -> Result<(f64, f64)> {
    let loss = match metric {
        Metric::Accuracy | Metric::SoftAccuracy | Metric::Custom => return Ok((0.0, 1.0)),
        Metric::NegLogLoss => constant_log_loss(answers),
        Metric::R2 => (0..answers.outputs).map(|c| answers.spread(c)).fold(f64::INFINITY, f64::min),
        Metric::NegMeanSquaredError => mean_of_columns(answers, |c| {
            let scale = objective.target_scale[c];
            scale * scale * answers.spread(c)
        }),
        Metric::NegMeanAbsoluteError => mean_of_columns(answers, |c| {
            objective.target_scale[c] * answers.spread_by(c, &absolute_error)
        }),
    };
    if loss <= 0.0 {
        let problem = "the validation rows all have the same target: no prediction can be better \
                       than another; hold out more rows";
        return Err(Error::Invalid { argument: "validation", problem: problem.to_owned() });
    }
    Ok(if metric == Metric::R2 { (0.0, 1.0) } else { (-loss, 0.0) })
}

fn absolute_error(a: f32, b: f32) -> f64 {
    (f64::from(a) - f64::from(b)).abs()
}

fn mean_of_columns(answers: &Answers, column: impl Fn(usize) -> f64) -> f64 {
    (0..answers.outputs).map(column).sum::<f64>() / answers.outputs as f64
}

/// The weighted mean error of one output column.
fn column_error(
    outputs: &[f32],
    answers: &Answers,
    column: usize,
    error: &dyn Fn(f32, f32) -> f64,
) -> f64 {
    answers
        .mean(answers.rows(outputs).map(|(output, target)| error(output[column], target[column])))
}

/// The log-loss of predicting each class with its share of the rows: the classes' entropy.
fn constant_log_loss(answers: &Answers) -> f64 {
    let share = |c: usize| {
        answers.mean(answers.targets.iter().skip(c).step_by(answers.outputs).map(|&t| f64::from(t)))
    };
    let mut shares: Vec<f64> = (0..answers.outputs).map(share).collect();
    if let [second] = shares[..] {
        shares.push(1.0 - second);
    }
    // Zero to the bit where all rows have one class, which `surprise` is not.
    shares.into_iter().filter(|&share| share > 0.0).map(|share| -share * ln(share)).sum()
}
