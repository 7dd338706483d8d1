//! The archive: of all networks ever scored, the ones worth keeping.
//!
//! It holds the front by score and the front by evaluation loss, one network for a size, and the two
//! champions, `best` and `most_accurate`. Everything in it is a snapshot taken when it scored. It is
//! filled in member order, and of equals the earlier stays, so it is the same for any threads.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::member::Member;
use crate::metrics::Answers;
use crate::network::Network;
use crate::scoring::{Score, Scored};
use crate::selection::compare_losses;

/// A network as it was when it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The network.
    pub network: Network,
    /// How it did.
    pub score: Score,
    /// The evaluation loss of each validation row.
    pub row_losses: Vec<f32>,
    /// One value per row of the table of hyperparameters.
    pub hyperparameters: Vec<f64>,
    /// The generation in which it scored.
    pub generation: u64,
    /// Its place in the population.
    pub member: u32,
}

/// The networks worth keeping; see the module's essay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// The front by score: sizes and scores both rise.
    by_score: Vec<Snapshot>,
    /// The front by evaluation loss: sizes rise, losses fall.
    by_loss: Vec<Snapshot>,
    best: Option<Snapshot>,
    most_accurate: Option<Snapshot>,
    /// The last generation in which the best fitness or the highest score rose.
    improved: u64,
}

impl Archive {
    /// Shows a generation's members to the archive. Those that diverged are passed over.
    pub fn add(&mut self, members: &[Member], scored: &[Scored], generation: u64) {
        for (place, (member, Scored { score, row_losses })) in
            members.iter().zip(scored).enumerate()
        {
            if !score.log_fitness.is_finite() {
                continue;
            }
            let snapshot = || Snapshot {
                network: member.network.clone(),
                score: *score,
                row_losses: row_losses.clone(),
                hyperparameters: member.hyperparameters.clone(),
                generation,
                member: place as u32,
            };
            admit(&mut self.by_score, score, value, &snapshot);
            admit(&mut self.by_loss, score, minus_loss, &snapshot);
            let champions: [(&mut Option<Snapshot>, Measure); 2] =
                [(&mut self.best, |score| score.log_fitness), (&mut self.most_accurate, value)];
            for (champion, measure) in champions {
                let (by_measure, by_loss) =
                    champion.as_ref().map_or((Ordering::Greater, Ordering::Equal), |held| {
                        let measures = (measure(score), measure(&held.score));
                        (measures.0.total_cmp(&measures.1), compare_losses(&held.score, score))
                    });
                if by_measure == Ordering::Greater {
                    self.improved = generation;
                }
                if by_measure.then(by_loss) == Ordering::Greater {
                    *champion = Some(snapshot());
                }
            }
        }
    }

    /// Highest fitness; ties go to the lower evaluation loss. None before anything finite scored.
    #[must_use]
    pub fn best(&self) -> Option<&Snapshot> {
        self.best.as_ref()
    }

    /// Highest score; ties go to the lower evaluation loss.
    #[must_use]
    pub fn most_accurate(&self) -> Option<&Snapshot> {
        self.most_accurate.as_ref()
    }

    /// The front by score, from the smallest network to the largest.
    #[must_use]
    pub fn front(&self) -> &[Snapshot] {
        &self.by_score
    }

    /// The front by evaluation loss, from the smallest network to the largest.
    #[must_use]
    pub fn loss_front(&self) -> &[Snapshot] {
        &self.by_loss
    }

    /// All that it holds; some stand in several places.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        let champions = self.best.iter().chain(&self.most_accurate);
        self.by_score.iter().chain(&self.by_loss).chain(champions)
    }

    /// The last generation in which the best fitness or the highest score rose.
    #[must_use]
    pub fn improved(&self) -> u64 {
        self.improved
    }

    /// The one-standard-error rule: the smallest archived network whose mean evaluation loss is
    /// within one standard error, of the paired differences by row, of the lowest.
    ///
    /// After Breiman et al. 1984, *Classification and Regression Trees*, §3.4.3; the differences
    /// are paired because all networks were asked about the same rows.
    #[must_use]
    pub fn one_se(&self, answers: &Answers) -> Option<&Snapshot> {
        let lowest = self.by_loss.last()?;
        self.by_loss
            .iter()
            .chain(&self.by_score)
            .filter(|candidate| within_one_se(candidate, lowest, answers))
            .min_by(|a, b| {
                a.score.size.cmp(&b.score.size).then_with(|| compare_losses(&a.score, &b.score))
            })
    }
}

fn within_one_se(candidate: &Snapshot, lowest: &Snapshot, answers: &Answers) -> bool {
    let rows = candidate.row_losses.iter().zip(&lowest.row_losses);
    let differences: Vec<f64> = rows.map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
    let mean = answers.mean(differences.iter().copied());
    let weights = answers.weights();
    let squares: f64 = differences
        .iter()
        .zip(weights)
        .map(|(difference, weight)| (weight * (difference - mean)) * (weight * (difference - mean)))
        .sum();
    let rows = weights.iter().filter(|&&weight| weight > 0.0).count() as f64;
    let correction = if rows > 1.0 { rows / (rows - 1.0) } else { 1.0 };
    mean <= (squares * correction).sqrt() / answers.total()
}

/// What a score is compared by, higher being better.
type Measure = fn(&Score) -> f64;

fn value(score: &Score) -> f64 {
    score.score.unwrap_or(f64::NEG_INFINITY)
}

fn minus_loss(score: &Score) -> f64 {
    score.loss.map_or(f64::NEG_INFINITY, |loss| -loss)
}

/// Puts a network into a front, unless another matches it on quality and size; throws out what it
/// matches in turn. Of equals on both, the one with the lower evaluation loss stays. The front is in
/// order of size, and quality rises along it.
fn admit(
    front: &mut Vec<Snapshot>,
    score: &Score,
    quality: Measure,
    snapshot: &dyn Fn() -> Snapshot,
) {
    let first = front.partition_point(|held| held.score.size < score.size);
    if front[..first].last().is_some_and(|held| quality(&held.score) >= quality(score)) {
        return;
    }
    let same_size = front.get(first).filter(|held| held.score.size == score.size);
    if same_size.is_some_and(|held| {
        let order = quality(score).total_cmp(&quality(&held.score));
        order.then_with(|| compare_losses(&held.score, score)) != Ordering::Greater
    }) {
        return;
    }
    let matched = |held: &&Snapshot| quality(&held.score) <= quality(score);
    let end = first + front[first..].iter().take_while(matched).count();
    front.splice(first..end, [snapshot()]);
}
