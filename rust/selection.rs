//! Truncation selection (paper §3.3): who keeps its network, and who copies whose.

use std::cmp::Ordering;

use crate::random::{Purpose, Random};
use crate::scoring::Score;

/// What one member does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on with what it has.
    Keep,
    /// It exploits this member.
    Copy(u32),
    /// It is drawn anew: there is nobody to copy.
    Fresh,
}

/// The share of the population at each end: those who copy, and those who are copied.
const FRACTION: f64 = 0.2;

/// Ranks members on one snapshot and lets each of the bottom fifth exploit one of the top fifth.
///
/// A member without a finite fitness is never a donor and always replaced. `ages` are the members'
/// own counts of generations, which key their draws.
#[must_use]
pub fn plan(scores: &[Score], ages: &[u64], seed: u64) -> Vec<Action> {
    let ranking = rank(scores);
    let n = ((FRACTION * scores.len() as f64) as usize).max(1);
    let alive = |place: &usize| scores[*place].log_fitness.is_finite();
    let donors: Vec<usize> = ranking.iter().copied().take(n).filter(alive).collect();
    let mut plan = vec![Action::Keep; scores.len()];
    for (rank, &place) in ranking.iter().enumerate() {
        let struggles = rank >= n && rank + n >= scores.len();
        if struggles || !alive(&place) {
            plan[place] = if donors.is_empty() {
                Action::Fresh
            } else {
                let mut random = Random::new(seed, ages[place], place as u32, Purpose::Exploit);
                Action::Copy(donors[random.below(donors.len())] as u32)
            };
        }
    }
    plan
}

/// Members from best to worst: by fitness, then by evaluation loss, then by place.
#[must_use]
pub fn rank(scores: &[Score]) -> Vec<usize> {
    let mut ranking: Vec<usize> = (0..scores.len()).collect();
    ranking.sort_by(|&a, &b| compare(&scores[b], &scores[a]));
    ranking
}

/// Orders scores by fitness; of equals the one with the lower evaluation loss is greater.
#[must_use]
pub fn compare(a: &Score, b: &Score) -> Ordering {
    a.log_fitness.total_cmp(&b.log_fitness).then_with(|| compare_losses(b, a))
}

/// Orders scores by evaluation loss; no loss at all is greater than any.
pub(crate) fn compare_losses(a: &Score, b: &Score) -> Ordering {
    a.loss.unwrap_or(f64::INFINITY).total_cmp(&b.loss.unwrap_or(f64::INFINITY))
}
