//! Scoring: predictions equal the plain twin's bit for bit, row by row, and what diverged says so.

mod common;
mod plain;

use apbt_rs::error::Error;
use apbt_rs::metrics::{Metric, evaluation_losses, score as metric_score};
use apbt_rs::network::{Activation, Network};
use apbt_rs::scoring::{Fitness, Judge, Score, predict, score, validation_outputs};
use common::{PAIRS, Shape, dataset, layers_of, member, network, objective, random};
use plain::textbook;
use proptest::prelude::*;

const VALUES: [f64; 5] = [0.1, 0.0, 0.0, 1.0, 0.0];

/// A network and inputs for it.
fn problems() -> impl Strategy<Value = (Network, Vec<f32>)> {
    let sizes = (1..20_usize, 1..10_usize, 1..30_usize);
    (common::shapes(), sizes, 0.2..1.0, any::<u64>()).prop_map(problem)
}

fn problem(
    (shape, (inputs, outputs, rows), density, seed): (Shape, (usize, usize, usize), f64, u64),
) -> (Network, Vec<f32>) {
    let (topology, activations) = layers_of(&shape, inputs, outputs);
    let mut random = random(seed);
    let values = (0..rows * inputs).map(|_| random.uniform(-3.0, 3.0) as f32).collect();
    (network(&topology, &activations, density, seed), values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn prediction_equals_the_plain_twin((network, inputs) in problems()) {
        let told = predict(&network, &inputs);
        let values = textbook::parameters(&network);
        let rows = inputs.chunks_exact(network.inputs());
        prop_assert_eq!(told.len(), rows.len() * network.outputs());
        for (told, row) in told.chunks_exact(network.outputs()).zip(rows) {
            let expected = plain::forward(&network, network.parameters(), row).pop().unwrap();
            prop_assert_eq!(told, &expected[..]);
            for (&told, expected) in told.iter().zip(textbook::outputs(&network, &values, row)) {
                prop_assert!((f64::from(told) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn fitness_is_the_papers_formula(score in 0.0..1.0_f64, size in 0..500_usize) {
        // 1.09^(100·score) / 1.02^size, by its logarithm.
        let expected = 8.617_769_624_105_241 * score - 0.019_802_627_296_179_713 * size as f64;
        prop_assert!((Fitness::PAPER.logarithm(score, size) - expected).abs() < 1e-9);
    }

    #[test]
    fn a_score_is_the_metric_on_the_validation_rows(
        seed: u64,
        pair in prop::sample::select(&PAIRS[..]),
    ) {
        let data = dataset(30, (4, 3), objective(pair, 3), true, seed);
        let member = member(network(&[4, 3], &[pair.0], 0.8, seed), VALUES);
        let (answers, members) = (data.answers(), [member]);
        let outputs = validation_outputs(&data, &members).remove(0);
        let rows: Vec<f32> =
            data.validation().iter().flat_map(|&row| data.input(row)).copied().collect();
        prop_assert_eq!(&outputs, &predict(&members[0].network, &rows));
        let losses = evaluation_losses(data.objective(), &outputs, answers);
        for metric in Metric::ALL.into_iter().filter(|m| m.task() == Some(data.objective().task)) {
            let Ok(judge) = Judge::new(&data, metric, Fitness::PAPER, None) else { continue };
            let told = score(&data, &members, &judge, None).unwrap().remove(0);
            let expected = metric_score(metric, data.objective(), &outputs, answers);
            prop_assert_eq!(told.score.score, Some(expected));
            prop_assert_eq!(told.score.size, members[0].network.size());
            prop_assert!(told.row_losses.iter().zip(&losses).all(|(&a, &b)| a == b as f32));
            prop_assert_eq!(told.row_losses.len(), data.validation().len());
        }
    }
}

#[test]
fn a_prediction_never_depends_on_the_rows_beside_it_or_on_threads() {
    for shape in [vec![], vec![(Activation::Tanh, 5)], vec![(Activation::Relu, 2); 2]] {
        let (network, mut inputs) = problem(((shape, PAIRS[3]), (3, 2, 10_000), 1.0, 1));
        // What is no number must not reach its neighbours either.
        for (place, input) in inputs.iter_mut().enumerate().filter(|(place, _)| place % 71 == 0) {
            *input = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][place % 3];
        }
        let bits = |outputs: Vec<f32>| outputs.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let rows = inputs.chunks_exact(3);
        let alone = bits(rows.flat_map(|row| predict(&network, row)).collect());
        for threads in [1, 3] {
            let told = common::pool(threads).install(|| predict(&network, &inputs));
            assert!(bits(told) == alone, "{:?} {threads}", network.topology());
        }
    }
}

/// Validation rows, turned over once for all members, are told apart in blocks, and in parts for threads.
#[test]
fn validation_outputs_are_predictions_whatever_the_number_of_rows() {
    for rows in [65, 64, 200, 4096 + 70] {
        let data = dataset(3 * rows + 1, (5, 3), objective(PAIRS[3], 3), false, 2);
        let layers = [(vec![5, 3], 1.0), (vec![5, 9, 3], 0.6), (vec![5, 2, 40, 3], 1.0)];
        let members = layers.map(|(topology, density)| {
            let mut activations = vec![Activation::Tanh; topology.len() - 2];
            activations.push(PAIRS[3].0);
            member(network(&topology, &activations, density, 3), VALUES)
        });
        assert_eq!(data.validation().len(), rows);
        let chosen = data.validation().iter().flat_map(|&row| data.input(row));
        let chosen: Vec<f32> = chosen.copied().collect();
        let expected: Vec<_> = members.iter().map(|one| predict(&one.network, &chosen)).collect();
        for threads in [1, 3] {
            let told = common::pool(threads).install(|| validation_outputs(&data, &members));
            assert!(told == expected, "{rows} {threads}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_leave_no_score() {
    let data = dataset(30, (2, 3), objective(PAIRS[3], 3), false, 0);
    let judge = Judge::new(&data, Metric::Accuracy, Fitness::PAPER, None).unwrap();
    let sound = member(network(&[2, 3], &[PAIRS[3].0], 1.0, 0), VALUES);
    let with = |value: f32| {
        let mut parameters = sound.network.parameters().to_vec();
        parameters[1] = value;
        let (topology, mask) = (sound.network.topology(), sound.network.mask());
        let activations = sound.network.activations().to_vec();
        let network = Network::new(topology.to_vec(), activations, parameters, mask.to_vec());
        member(network.unwrap(), VALUES)
    };
    let mut lost = sound.clone();
    lost.train_loss = Some(f64::NAN);
    let members = [with(f32::NAN), with(f32::INFINITY), lost, sound];
    let scored = score(&data, &members, &judge, None).unwrap();
    let scores: Vec<Score> = scored.into_iter().map(|one| one.score).collect();
    for diverged in &scores[..3] {
        assert_eq!((diverged.score, diverged.loss), (None, None));
        assert_eq!(diverged.log_fitness, f64::NEG_INFINITY);
    }
    assert!(scores[3].log_fitness.is_finite() && scores[3].score.is_some());
}

#[test]
fn a_metric_of_the_users_own_brings_its_scores_and_anchors() {
    let data = dataset(30, (2, 3), objective(PAIRS[3], 3), false, 0);
    let members = [member(network(&[2, 3], &[PAIRS[3].0], 1.0, 0), VALUES)];
    let judge = Judge::new(&data, Metric::Custom, Fitness::PAPER, Some((10.0, 30.0))).unwrap();
    let scored = |custom| score(&data, &members, &judge, custom);
    let told = scored(Some(&[25.0])).unwrap().remove(0).score;
    assert_eq!(told.score, Some(25.0));
    assert_eq!(told.log_fitness, Fitness::PAPER.logarithm(0.75, 6));
    let nan = scored(Some(&[f64::NAN])).unwrap().remove(0).score;
    assert_eq!((nan.score, nan.log_fitness), (None, f64::NEG_INFINITY));
    for wrong in [None, Some(&[][..]), Some(&[1.0, 2.0][..])] {
        assert!(matches!(scored(wrong), Err(Error::Invalid { .. })));
    }
}

#[test]
fn judges_that_cannot_judge_are_refused() {
    let data = dataset(30, (2, 3), objective(PAIRS[3], 3), false, 0);
    let judge = |metric, score_base, size_base, anchors| {
        Judge::new(&data, metric, Fitness { score_base, size_base }, anchors)
    };
    assert!(judge(Metric::Accuracy, 1.09, 1.0, None).is_ok());
    for refused in [
        judge(Metric::R2, 1.09, 1.02, None),
        judge(Metric::Accuracy, 1.0, 1.02, None),
        judge(Metric::Accuracy, 1.09, 0.9, None),
        judge(Metric::Accuracy, f64::NAN, 1.02, None),
        judge(Metric::Custom, 1.09, 1.02, Some((1.0, 1.0))),
        judge(Metric::Custom, 1.09, 1.02, Some((0.0, f64::INFINITY))),
        judge(Metric::Custom, 1.09, 1.02, Some((f64::NAN, 1.0))),
    ] {
        assert!(matches!(refused, Err(Error::Invalid { .. })));
    }
}
