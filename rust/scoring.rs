//! Scoring: prediction, the metric on the validation rows, and fitness.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::error::{Result, invalid};
use crate::kernels::{self, BLOCK, Inputs, Kernel, Square, dispatch};
use crate::math::ln;
use crate::member::Member;
use crate::metrics::{self, Answers, Metric};
use crate::network::Network;

/// How a member did on the validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The metric, higher is better; none where it is no number.
    pub score: Option<f64>,
    /// Mean evaluation loss; none where it is no number.
    pub loss: Option<f64>,
    /// The logarithm of fitness; −∞ for a member that diverged.
    pub log_fitness: f64,
    /// Live weights.
    pub size: usize,
}

/// A member's score, and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The score.
    pub score: Score,
    /// The evaluation loss of each validation row.
    pub row_losses: Vec<f32>,
}

/// What a score and a size are worth (paper §3.2): the two bases of
/// `score_base^(100·skill) / size_base^size`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitness {
    /// 1.09 in the paper.
    pub score_base: f64,
    /// 1.02 in the paper.
    pub size_base: f64,
}

impl Fitness {
    /// The paper's.
    pub const PAPER: Self = Self { score_base: 1.09, size_base: 1.02 };

    /// The logarithm of fitness: fitness itself overflows.
    #[must_use]
    pub fn logarithm(&self, skill: f64, size: usize) -> f64 {
        100.0 * skill * ln(self.score_base) - size as f64 * ln(self.size_base)
    }

    fn check(&self) -> Result<()> {
        let fine = |base: f64| base.is_finite() && base >= 1.0;
        if fine(self.score_base) && fine(self.size_base) && self.score_base > 1.0 {
            return Ok(());
        }
        Err(invalid("fitness", "needs a score base above 1 and a size base of at least 1"))
    }
}

/// How members are judged: settings that a whole run shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    metric: Metric,
    fitness: Fitness,
    /// The scores of a constant and of a perfect prediction.
    anchors: (f64, f64),
}

impl Judge {
    /// A judge for a dataset; `anchors` are given for a metric of the user's own, and worked out for
    /// the others.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when the metric is for another task, or cannot tell
    /// predictions apart on these rows.
    pub fn new(
        dataset: &Dataset,
        metric: Metric,
        fitness: Fitness,
        anchors: Option<(f64, f64)>,
    ) -> Result<Self> {
        fitness.check()?;
        let objective = dataset.objective();
        if metric.task().is_some_and(|task| task != objective.task) {
            let problem = format!("{} is not for this task", metric.name());
            return Err(invalid("metric", problem));
        }
        let anchors = match anchors {
            Some((constant, perfect)) if constant < perfect && (perfect - constant).is_finite() => {
                (constant, perfect)
            }
            Some(_) => {
                return Err(invalid("metric", "a perfect score must be above a constant one's"));
            }
            None => metrics::anchors(metric, objective, dataset.answers())?,
        };
        Ok(Self { metric, fitness, anchors })
    }

    /// Whether fitness and anchors are numbers that make sense.
    pub(crate) fn check(&self) -> Result<()> {
        let (constant, perfect) = self.anchors;
        if !(constant < perfect && (perfect - constant).is_finite()) {
            return Err(invalid("metric", "a perfect score must be above a constant one's"));
        }
        self.fitness.check()
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }
}

/// Scores members on the validation rows; `custom` has one score each where the metric is the
/// user's own. Runs in the rayon pool that it is called in.
///
/// # Errors
/// [`crate::error::Error::Invalid`] when `custom` does not go with the metric or the members.
pub fn score(
    dataset: &Dataset,
    members: &[Member],
    judge: &Judge,
    custom: Option<&[f64]>,
) -> Result<Vec<Scored>> {
    let wanted = (judge.metric == Metric::Custom).then_some(members.len());
    if custom.map(<[f64]>::len) != wanted {
        return Err(invalid("metric", "needs one score for each member, and only if it is custom"));
    }
    let (answers, columns) = (dataset.answers(), dataset.columns());
    let one = |(place, member): (usize, &Member)| {
        let outputs = on_validation(&member.network, dataset, columns);
        judge.judge(dataset, member, custom.map(|scores| scores[place]), &outputs, answers)
    };
    Ok(members.par_iter().enumerate().map(one).collect())
}

impl Judge {
    fn judge(
        &self,
        dataset: &Dataset,
        member: &Member,
        custom: Option<f64>,
        outputs: &[f32],
        answers: &Answers,
    ) -> Scored {
        let losses = metrics::evaluation_losses(dataset.objective(), outputs, answers);
        let loss = answers.mean(losses.iter().copied());
        let score = match (custom, self.metric) {
            (Some(score), _) => score,
            // That is what the loss is.
            (None, Metric::NegLogLoss) => -loss,
            (None, metric) => metrics::score(metric, dataset.objective(), outputs, answers),
        };
        let size = member.network.size();
        let sound = member.network.is_finite()
            && outputs.iter().all(|value| value.is_finite())
            && member.train_loss.is_none_or(f64::is_finite)
            && loss.is_finite()
            && score.is_finite();
        let (constant, perfect) = self.anchors;
        let skill = (score - constant) / (perfect - constant);
        let log_fitness =
            if sound { self.fitness.logarithm(skill, size) } else { f64::NEG_INFINITY };
        let (score, loss) = (sound.then_some(score), sound.then_some(loss));
        Scored {
            score: Score { score, loss, log_fitness, size },
            row_losses: losses.into_iter().map(|loss| loss as f32).collect(),
        }
    }
}

/// Each member's outputs on the validation rows, `(rows, outputs)`: what a metric of the user's own
/// is given.
#[must_use]
pub fn validation_outputs(dataset: &Dataset, members: &[Member]) -> Vec<Vec<f32>> {
    let columns = dataset.columns();
    let one = |member: &Member| on_validation(&member.network, dataset, columns);
    members.par_iter().map(one).collect()
}

/// A network's outputs `(rows, outputs)` for the validation rows, of which these are the columns.
fn on_validation(network: &Network, dataset: &Dataset, columns: Option<&[f32]>) -> Vec<f32> {
    let rows = dataset.validation();
    let mut outputs = vec![0.0; rows.len() * network.outputs()];
    let inputs = match columns {
        Some(columns) => Inputs::Columns(columns),
        None => Inputs::Chosen(dataset.inputs(), rows),
    };
    dispatch(Outputs { network, inputs, to: &mut outputs });
    outputs
}

/// Rows that one thread predicts at a time, a whole number of blocks; for fewer, one thread is enough.
pub const ROWS_PER_TASK: usize = 64 * BLOCK;

/// A network's outputs `(rows, outputs)` for inputs `(rows, inputs)`; the pool's threads share the
/// rows, each of which is worked out by itself.
#[must_use]
pub fn predict(network: &Network, inputs: &[f32]) -> Vec<f32> {
    let (columns, width) = (network.inputs(), network.outputs());
    let mut outputs = vec![0.0; inputs.len() / columns * width];
    let part = |(inputs, to): (&[f32], &mut [f32])| {
        dispatch(Outputs { network, inputs: Inputs::All(inputs), to });
    };
    if inputs.len() <= ROWS_PER_TASK * columns {
        part((inputs, &mut outputs));
    } else {
        let parts = outputs.par_chunks_mut(ROWS_PER_TASK * width);
        inputs.par_chunks(ROWS_PER_TASK * columns).zip(parts).for_each(part);
    }
    outputs
}

/// The working out of a network's outputs for some rows.
struct Outputs<'a> {
    network: &'a Network,
    inputs: Inputs<'a>,
    /// `(rows, outputs)`.
    to: &'a mut [f32],
}

impl Kernel for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Square>(self) {
        kernels::outputs::<S>(self.network, self.inputs, self.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Loss, Objective, Task};
    use crate::network::Activation;
    use crate::random::{Purpose, Random};

    #[test]
    fn rows_that_are_too_many_for_columns_have_the_same_outputs() {
        let mut random = Random::new(1, 0, 0, Purpose::Split);
        let rows = 5000_u32;
        let x = (0..3 * rows).map(|_| random.uniform(-2.0, 2.0) as f32).collect();
        let kept: Vec<u32> = (0..rows).rev().filter(|row| row % 7 > 0).collect();
        let objective = Objective {
            task: Task::Regression,
            output: Activation::Identity,
            loss: Loss::SquaredError,
            decay_biases: false,
            target_scale: vec![1.0],
        };
        let y = vec![0.5; rows as usize];
        let data = Dataset::new(x, y, 1, None, vec![0], kept, objective, 0).unwrap();
        let layers = vec![Activation::Tanh, Activation::Identity];
        let network = Network::random(vec![3, 6, 1], layers, 1.0, &mut random);
        let told = on_validation(&network, &data, data.columns());
        assert!(data.columns().is_some());
        assert_eq!(told, on_validation(&network, &data, None));
        assert!(told.iter().any(|output| *output != told[0]));
    }
}
