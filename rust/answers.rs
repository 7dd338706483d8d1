//! What networks ought to have answered, and what is worked out of that once for all of them.

use std::sync::OnceLock;

use crate::dataset::Dataset;
use crate::error::{Result, invalid};

/// What the networks ought to have answered for some rows.
#[derive(Clone, Debug)]
pub struct Answers {
    /// `(rows, outputs)`.
    pub(crate) targets: Vec<f32>,
    /// `(rows,)`.
    weights: Vec<f64>,
    /// What the weights add up to.
    total: f64,
    pub(crate) outputs: usize,
    /// `(rows,)`: what [`class`] gives for the targets.
    pub(crate) classes: Vec<usize>,
    /// Whether each row's targets are 0 or 1, and of several just one is 1.
    pub(crate) whole: bool,
    /// `(outputs,)`, once they are asked for: see [`Answers::spread`].
    spreads: OnceLock<Vec<f64>>,
}

impl Answers {
    /// Targets `(rows, outputs)` with a weight for each row.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when the shapes do not fit.
    pub fn new(targets: Vec<f32>, weights: Vec<f64>, outputs: usize) -> Result<Self> {
        if outputs == 0 || weights.is_empty() || targets.len() != weights.len() * outputs {
            return Err(invalid("y", "has no rows, or not one weight for each"));
        }
        Ok(Self::of(targets, weights, outputs))
    }

    fn of(targets: Vec<f32>, weights: Vec<f64>, outputs: usize) -> Self {
        let rows = || targets.chunks_exact(outputs);
        let classes = rows().map(class).collect();
        let whole = rows().all(|row| {
            let (ones, zeros) = (count(row, 1.0), count(row, 0.0));
            ones + zeros == outputs && (outputs == 1 || ones == 1)
        });
        let total = weights.iter().sum();
        Self { targets, weights, total, outputs, classes, whole, spreads: OnceLock::new() }
    }

    /// Those of a dataset's validation rows.
    #[must_use]
    pub(crate) fn of_validation(dataset: &Dataset) -> Self {
        let rows = dataset.validation();
        let targets = rows.iter().flat_map(|&row| dataset.target(row)).copied().collect();
        let weights = rows.iter().map(|&row| f64::from(dataset.weight(row))).collect();
        Self::of(targets, weights, dataset.n_outputs())
    }

    /// Each row's outputs and targets.
    pub(crate) fn rows<'a>(
        &'a self,
        outputs: &'a [f32],
    ) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        outputs.chunks_exact(self.outputs).zip(self.targets.chunks_exact(self.outputs))
    }

    /// The weighted mean of a number for each row.
    pub(crate) fn mean(&self, values: impl Iterator<Item = f64>) -> f64 {
        let sum: f64 = values.zip(&self.weights).map(|(value, weight)| value * weight).sum();
        sum / self.total
    }

    /// The mean squared error of the best constant for one target column: worked out once for all members.
    pub(crate) fn spread(&self, column: usize) -> f64 {
        let one = |c| self.spread_by(c, &squared_error);
        self.spreads.get_or_init(|| (0..self.outputs).map(one).collect())[column]
    }

    /// The weighted mean error of the best constant for one target column: the mean for squares, the
    /// median for absolute values.
    pub(crate) fn spread_by(&self, column: usize, error: &dyn Fn(f32, f32) -> f64) -> f64 {
        let values = || self.targets.iter().skip(column).step_by(self.outputs);
        let mean = self.mean(values().map(|&value| f64::from(value))) as f32;
        let median = weighted_median(values().copied().zip(self.weights.iter().copied()).collect());
        let spread = |constant| self.mean(values().map(|&value| error(value, constant)));
        spread(mean).min(spread(median))
    }

    /// Row weights.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What they add up to.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }
}

/// The most probable class, the first of equals.
pub(crate) fn class(output: &[f32]) -> usize {
    if let [value] = output {
        return usize::from(*value > 0.5);
    }
    // Without a branch, which a processor would guess wrong at every other row.
    let (mut best, mut most) = (0, output[0]);
    for (index, &value) in output.iter().enumerate() {
        let more = value > most;
        best = if more { index } else { best };
        most = if more { value } else { most };
    }
    best
}

/// How many numbers of a row have a value.
fn count(row: &[f32], value: f32) -> usize {
    row.iter().filter(|&&own| own == value).count()
}

pub(crate) fn squared_error(a: f32, b: f32) -> f64 {
    let error = f64::from(a) - f64::from(b);
    error * error
}

fn weighted_median(mut values: Vec<(f32, f64)>) -> f32 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for &(value, weight) in &values {
        below += weight;
        if below >= half {
            return value;
        }
    }
    values.last().map_or(0.0, |&(value, _)| value)
}
