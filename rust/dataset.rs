//! The table that a run trains on and scores on: arrays, row weights, splits.

use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::error::{Result, invalid};
use crate::network::Activation;
use crate::random::{Purpose, Random};
use crate::validation::Validation;

/// What training makes small, for each row, summed over outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// `½ ‖t − o‖²`.
    SquaredError,
    /// `−Σ t·ln o`, and for a sigmoid output also `−(1 − t)·ln(1 − o)`.
    CrossEntropy,
}

/// What the outputs stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// One column per class holding 0 or 1; a single column is the second of two classes.
    Classification,
    /// One column per target, standardised.
    Regression,
}

/// What every network of a run is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// What the outputs stand for.
    pub task: Task,
    /// The output layer's activation.
    pub output: Activation,
    /// What training makes small.
    pub loss: Loss,
    /// Whether weight decay works on biases too, as in the paper.
    pub decay_biases: bool,
    /// For regression the standard deviation of each target, which brings an error back into the
    /// user's units; ones otherwise.
    pub target_scale: Vec<f64>,
}

/// The encoded table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// `(rows, n_inputs)`, in row order.
    inputs: Vec<f32>,
    n_inputs: usize,
    /// `(rows, n_outputs)`, in row order.
    targets: Vec<f32>,
    n_outputs: usize,
    /// `(rows,)`: weights with mean 1 over the training rows.
    weights: Vec<f32>,
    /// Rows that gradients come from.
    train: Vec<u32>,
    /// Rows that scores come from.
    validation: Vec<u32>,
    objective: Objective,
    /// The seed of the rows' order in each epoch.
    seed: u64,
    #[serde(skip)]
    prepared: Validation,
}

impl Dataset {
    /// A dataset; weights are scaled to mean 1 over the training rows.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] naming the argument that does not fit.
    #[allow(clippy::too_many_arguments, reason = "the parts of a table; each is named by its type")]
    pub fn new(
        inputs: Vec<f32>,
        targets: Vec<f32>,
        n_outputs: usize,
        weights: Option<Vec<f64>>,
        train: Vec<u32>,
        validation: Vec<u32>,
        objective: Objective,
        seed: u64,
    ) -> Result<Self> {
        let rows = targets.len().checked_div(n_outputs).unwrap_or(0);
        if rows == 0 || targets.len() != rows * n_outputs {
            return Err(invalid("y", "needs at least one row and one column"));
        }
        let n_inputs = inputs.len() / rows;
        if n_inputs == 0 || inputs.len() != rows * n_inputs {
            return Err(invalid("X", format!("needs at least one column for each of {rows} rows")));
        }
        let mut dataset = Self {
            inputs,
            n_inputs,
            targets,
            n_outputs,
            weights: vec![1.0; rows],
            train,
            validation,
            objective,
            seed,
            prepared: Validation::default(),
        };
        dataset.check()?;
        if let Some(weights) = weights {
            if weights.len() != rows {
                let problem = format!("has {} values for {rows} rows", weights.len());
                return Err(invalid("sample_weight", problem));
            }
            dataset.weights = scaled_weights(&weights, &dataset.train)?;
            dataset.check_weights()?;
        }
        Ok(dataset)
    }

    /// Whether its parts fit together.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] naming the argument that does not fit.
    pub fn check(&self) -> Result<()> {
        let Self { train, validation, objective, n_inputs, n_outputs, .. } = self;
        let rows = self.weights.len();
        let fits = |values: &[f32], columns: usize| {
            columns > 0 && rows.checked_mul(columns) == Some(values.len())
        };
        if rows == 0 || !fits(&self.inputs, *n_inputs) || !fits(&self.targets, *n_outputs) {
            return Err(invalid("X", "needs as many rows as y and the weights, and columns"));
        }
        for (name, values) in [("X", &self.inputs), ("y", &self.targets)] {
            if values.iter().any(|value| !value.is_finite()) {
                return Err(invalid(name, "has a value that is not a finite 32-bit number"));
            }
        }
        for (name, split) in [("train", train), ("validation", validation)] {
            if split.is_empty() {
                return Err(invalid(name, "has no rows"));
            }
            if split.iter().any(|&row| row as usize >= rows) {
                return Err(invalid(name, format!("names a row past the last, {}", rows - 1)));
            }
        }
        self.check_weights()?;
        if objective.target_scale.len() != *n_outputs {
            return Err(invalid("y", "needs one scale for each target column"));
        }
        match (objective.output, objective.loss) {
            (Activation::Sigmoid | Activation::Softmax, _)
            | (Activation::Identity, Loss::SquaredError) => {}
            (output, loss) => {
                let name = output.name();
                return Err(invalid(
                    "objective",
                    format!("{name} outputs do not go with {loss:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Whether the weights can be worked with, in both splits.
    fn check_weights(&self) -> Result<()> {
        if self.weights.iter().any(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(invalid(
                "sample_weight",
                "must be finite and not negative, in 32 bits too",
            ));
        }
        let some = |split: &[u32]| split.iter().any(|&row| self.weight(row) > 0.0);
        if !some(&self.train) || !some(&self.validation) {
            return Err(invalid("sample_weight", "is zero for all rows of a split"));
        }
        Ok(())
    }

    /// All inputs, `(rows, n_inputs)`.
    #[must_use]
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// All targets, `(rows, n_outputs)`.
    #[must_use]
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// How many numbers the inputs and targets are.
    pub(crate) fn numbers(&self) -> usize {
        self.inputs.len() + self.targets.len()
    }

    /// Columns that networks read.
    #[must_use]
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Columns that networks give.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// One row's inputs, `(n_inputs,)`.
    #[must_use]
    pub fn input(&self, row: u32) -> &[f32] {
        &self.inputs[row as usize * self.n_inputs..][..self.n_inputs]
    }

    /// One row's targets, `(n_outputs,)`.
    #[must_use]
    pub fn target(&self, row: u32) -> &[f32] {
        &self.targets[row as usize * self.n_outputs..][..self.n_outputs]
    }

    /// One row's weight.
    #[must_use]
    pub fn weight(&self, row: u32) -> f32 {
        self.weights[row as usize]
    }

    /// All that there is of one row: inputs, targets, weight.
    #[inline(always)]
    pub(crate) fn row(&self, row: u32) -> [&[f32]; 3] {
        [self.input(row), self.target(row), std::slice::from_ref(&self.weights[row as usize])]
    }

    /// Rows that gradients come from.
    #[must_use]
    pub fn train(&self) -> &[u32] {
        &self.train
    }

    /// Rows that scores come from.
    #[must_use]
    pub fn validation(&self) -> &[u32] {
        &self.validation
    }

    /// What the validation rows ought to be answered.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        self.prepared.answers(self)
    }

    /// The validation rows' inputs in blocks of columns, unless they are too many.
    pub(crate) fn columns(&self) -> Option<&[f32]> {
        self.prepared.columns(self)
    }

    /// What networks are asked to do.
    #[must_use]
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// The training rows in the order in which an epoch visits them, the same for all members.
    #[must_use]
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.train.clone();
        Random::new(self.seed, epoch, 0, Purpose::Order).shuffle(&mut order);
        order
    }
}

/// Weights with mean 1 over the training rows; in 32 bits they need not be finite any more, nor positive.
fn scaled_weights(weights: &[f64], train: &[u32]) -> Result<Vec<f32>> {
    if weights.iter().any(|&weight| !(weight.is_finite() && weight >= 0.0)) {
        return Err(invalid("sample_weight", "must be finite and not negative"));
    }
    let total: f64 = train.iter().map(|&row| weights[row as usize]).sum();
    let mean = total / train.len() as f64;
    if mean <= 0.0 {
        return Err(invalid("sample_weight", "is zero for all rows of a split"));
    }
    Ok(weights.iter().map(|weight| (weight / mean) as f32).collect())
}
