//! The archive: equal to a search through everything that was ever shown to it.

mod common;

use apbt_rs::archive::{Archive, Snapshot};
use apbt_rs::member::Member;
use apbt_rs::metrics::Answers;
use apbt_rs::network::Activation;
use apbt_rs::scoring::{Score, Scored};
use proptest::prelude::*;

const ROWS: usize = 4;

/// One network that was shown: its score, and when and where.
#[derive(Clone, Debug)]
struct Shown {
    score: Score,
    row_losses: Vec<f32>,
    generation: u64,
    member: u32,
}

impl Shown {
    fn value(&self) -> f64 {
        self.score.score.unwrap()
    }

    fn loss(&self) -> f64 {
        self.score.loss.unwrap()
    }

    fn name(&self) -> (u64, u32) {
        (self.generation, self.member)
    }
}

/// Fitness, score, size, row losses: few values each, so that many are equal.
type Drawn = (Option<i32>, u8, usize, [u8; ROWS]);

/// Several generations of members' scores.
fn generations() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let fitness = prop_oneof![6 => (-3..9_i32).prop_map(Some), 1 => Just(None)];
    let drawn = (fitness, 0..6_u8, 0..9_usize, prop::array::uniform4(0..4_u8));
    prop::collection::vec(prop::collection::vec(drawn, 1..7), 1..7)
}

fn weights() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        Just(vec![1.0; ROWS]),
        Just(vec![0.0, 0.0, 2.0, 0.0]),
        prop::collection::vec(prop_oneof![Just(0.0), 0.1..3.0], ROWS)
            .prop_filter("some weight", |weights| weights.iter().sum::<f64>() > 0.0),
    ]
}

fn weighted_mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    let sum: f64 = values.zip(weights).map(|(value, weight)| value * weight).sum();
    sum / weights.iter().sum::<f64>()
}

fn scored(&(fitness, score, size, rows): &Drawn, weights: &[f64]) -> Scored {
    let alive = fitness.is_some();
    let score = Score {
        score: alive.then_some(f64::from(score)),
        loss: alive.then(|| weighted_mean(rows.iter().map(|&loss| f64::from(loss)), weights)),
        log_fitness: fitness.map_or(f64::NEG_INFINITY, f64::from),
        size,
    };
    Scored { score, row_losses: rows.map(f32::from).to_vec() }
}

/// The archive of these generations, and all that was shown to it and had not diverged.
fn show(generations: &[Vec<Drawn>], weights: &[f64]) -> (Archive, Vec<Shown>) {
    let network = common::network(&[1, 1], &[Activation::Sigmoid], 1.0, 0);
    let members: Vec<Member> = vec![common::member(network, [0.1, 0.0, 0.0, 1.0, 0.0]); 7];
    let (mut archive, mut shown) = (Archive::default(), Vec::new());
    for (generation, drawn) in generations.iter().enumerate() {
        let generation = generation as u64;
        let scored: Vec<Scored> = drawn.iter().map(|drawn| scored(drawn, weights)).collect();
        archive.add(&members[..scored.len()], &scored, generation);
        let alive = (0_u32..).zip(scored).filter(|(_, one)| one.score.score.is_some());
        shown.extend(alive.map(|(member, Scored { score, row_losses })| Shown {
            score,
            row_losses,
            generation,
            member,
        }));
    }
    (archive, shown)
}

/// Those that no other matches on both quality and size while beating it on one; of equals on both
/// the one of lowest loss, then the first. From the smallest to the largest.
fn front(shown: &[Shown], quality: impl Fn(&Shown) -> f64) -> Vec<Shown> {
    let matches = |a: &Shown, b: &Shown| quality(a) >= quality(b) && a.score.size <= b.score.size;
    let beaten = |b: &Shown| shown.iter().any(|a| matches(a, b) && !matches(b, a));
    let mut front: Vec<Shown> = Vec::new();
    for size in 0..9 {
        let of_size = shown.iter().filter(|shown| shown.score.size == size && !beaten(shown));
        front.extend(first_of_lowest_loss(of_size).cloned());
    }
    front
}

fn first_of_lowest_loss<'a>(shown: impl Iterator<Item = &'a Shown>) -> Option<&'a Shown> {
    // `min_by` gives the first of equals.
    shown.min_by(|a, b| a.loss().total_cmp(&b.loss()))
}

fn highest(shown: &[Shown], value: impl Fn(&Shown) -> f64) -> Option<(u64, u32)> {
    let most = shown.iter().map(&value).fold(f64::NEG_INFINITY, f64::max);
    first_of_lowest_loss(shown.iter().filter(|shown| value(shown) == most)).map(Shown::name)
}

fn names(snapshots: &[Snapshot]) -> Vec<(u64, u32)> {
    snapshots.iter().map(|snapshot| (snapshot.generation, snapshot.member)).collect()
}

fn name(snapshot: Option<&Snapshot>) -> Option<(u64, u32)> {
    snapshot.map(|snapshot| (snapshot.generation, snapshot.member))
}

/// Whether the mean of the differences is no more than its standard error.
fn within_one_se(a: &Shown, lowest: &Shown, weights: &[f64]) -> bool {
    let rows = a.row_losses.iter().zip(&lowest.row_losses);
    let differences: Vec<f64> = rows.map(|(a, b)| f64::from(a - b)).collect();
    let mean = weighted_mean(differences.iter().copied(), weights);
    let n = weights.iter().filter(|&&weight| weight > 0.0).count() as f64;
    let total: f64 = weights.iter().sum();
    let part = |(d, w): (&f64, &f64)| (w / total) * (w / total) * (d - mean) * (d - mean);
    let sum: f64 = differences.iter().zip(weights).map(part).sum();
    let variance = if n > 1.0 { sum * n / (n - 1.0) } else { sum };
    mean <= variance.sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_fronts_are_what_nothing_shown_beats(generations in generations()) {
        let (archive, shown) = show(&generations, &[1.0; ROWS]);
        let by_score: Vec<_> = front(&shown, Shown::value).iter().map(Shown::name).collect();
        let by_loss: Vec<_> = front(&shown, |s| -s.loss()).iter().map(Shown::name).collect();
        prop_assert_eq!(names(archive.front()), by_score);
        prop_assert_eq!(names(archive.loss_front()), by_loss);
    }

    #[test]
    fn the_champions_are_the_highest_ever_shown(generations in generations()) {
        let (archive, shown) = show(&generations, &[1.0; ROWS]);
        prop_assert_eq!(name(archive.best()), highest(&shown, |s| s.score.log_fitness));
        prop_assert_eq!(name(archive.most_accurate()), highest(&shown, Shown::value));
    }

    #[test]
    fn improved_is_when_a_record_last_fell(generations in generations()) {
        let (archive, shown) = show(&generations, &[1.0; ROWS]);
        let (mut fitness, mut value) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut improved = 0;
        for shown in &shown {
            if shown.score.log_fitness > fitness || shown.value() > value {
                improved = shown.generation;
            }
            fitness = fitness.max(shown.score.log_fitness);
            value = value.max(shown.value());
        }
        prop_assert_eq!(archive.improved(), improved);
    }

    #[test]
    fn one_se_is_the_smallest_archived_within_one_standard_error(
        generations in generations(),
        weights in weights(),
    ) {
        let (archive, shown) = show(&generations, &weights);
        let answers = Answers::new(vec![0.0; ROWS], weights.clone(), 1).unwrap();
        let by_loss = front(&shown, |shown| -shown.loss());
        let by_score = front(&shown, Shown::value);
        let archived = by_loss.iter().chain(&by_score).cloned();
        let mut within: Vec<Shown> = archived
            .filter(|shown| within_one_se(shown, by_loss.last().unwrap(), &weights))
            .collect();
        within.sort_by(|a, b| {
            a.score.size.cmp(&b.score.size).then(a.loss().total_cmp(&b.loss()))
        });
        prop_assert_eq!(name(archive.one_se(&answers)), within.first().map(Shown::name));
    }

    #[test]
    fn order_of_arrival_is_all_that_generations_matter_for(generations in generations()) {
        let (archive, _) = show(&generations, &[1.0; ROWS]);
        let scores = |snapshots: &[Snapshot]| -> Vec<Score> {
            snapshots.iter().map(|snapshot| snapshot.score).collect()
        };
        let one_by_one: Vec<Vec<Drawn>> =
            generations.concat().into_iter().map(|drawn| vec![drawn]).collect();
        let (other, _) = show(&one_by_one, &[1.0; ROWS]);
        prop_assert_eq!(scores(archive.front()), scores(other.front()));
        prop_assert_eq!(scores(archive.loss_front()), scores(other.loss_front()));
    }
}

#[test]
fn an_archive_of_nothing_finite_is_empty() {
    let (archive, _) = show(&[vec![(None, 0, 0, [0; ROWS]); 3]], &[1.0; ROWS]);
    assert_eq!(archive, Archive::default());
    assert!(archive.best().is_none() && archive.most_accurate().is_none());
    let answers = Answers::new(vec![0.0], vec![1.0], 1).unwrap();
    assert!(archive.one_se(&answers).is_none());
}
