//! Datasets: weights of mean 1, one order of rows for each epoch, and parts that do not fit.

mod common;

use apbt_rs::dataset::{Dataset, Loss, Objective};
use apbt_rs::error::{Error, Result};
use apbt_rs::network::Activation;
use common::{PAIRS, objective};
use proptest::prelude::*;

/// The parts of a dataset of four rows, two inputs and one output.
#[derive(Clone)]
struct Parts {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    outputs: usize,
    weights: Option<Vec<f64>>,
    train: Vec<u32>,
    validation: Vec<u32>,
    objective: Objective,
}

fn parts() -> Parts {
    Parts {
        inputs: vec![0.5; 8],
        targets: vec![0.0, 1.0, 0.0, 1.0],
        outputs: 1,
        weights: Some(vec![1.0, 2.0, 3.0, 4.0]),
        train: vec![0, 1],
        validation: vec![2, 3],
        objective: objective(PAIRS[1], 1),
    }
}

fn new(parts: Parts) -> Result<Dataset> {
    let Parts { inputs, targets, outputs, weights, train, validation, objective } = parts;
    Dataset::new(inputs, targets, outputs, weights, train, validation, objective, 0)
}

#[test]
fn parts_that_do_not_fit_are_refused_by_name() {
    type Damage = fn(&mut Parts);
    assert!(new(parts()).is_ok());
    let damages: [(&str, Damage); 19] = [
        ("X", |parts| parts.inputs.truncate(7)),
        ("X", |parts| parts.inputs.clear()),
        ("X", |parts| parts.inputs[3] = f32::NAN),
        ("y", |parts| parts.targets[1] = f32::INFINITY),
        ("y", |parts| parts.targets.clear()),
        ("y", |parts| parts.outputs = 3),
        ("y", |parts| parts.outputs = 0),
        ("y", |parts| parts.objective.target_scale.clear()),
        ("train", |parts| parts.train.clear()),
        ("train", |parts| parts.train.push(4)),
        ("validation", |parts| parts.validation.clear()),
        ("validation", |parts| parts.validation.push(u32::MAX)),
        ("sample_weight", |parts| parts.weights = Some(vec![1.0; 3])),
        ("sample_weight", |parts| parts.weights = Some(vec![1.0, -1.0, 1.0, 1.0])),
        ("sample_weight", |parts| parts.weights = Some(vec![0.0, 0.0, 1.0, 1.0])),
        ("sample_weight", |parts| parts.weights = Some(vec![1.0, 1.0, f64::NAN, 1.0])),
        ("sample_weight", |parts| parts.weights = Some(vec![1.0, 1.0, 0.0, 0.0])),
        // Beside the training rows' mean too much for 32 bits, or nothing in them.
        ("sample_weight", |parts| parts.weights = Some(vec![1e-30, 1e-30, 1e30, 1.0])),
        ("sample_weight", |parts| parts.weights = Some(vec![1e30, 1e30, 1e-30, 1e-30])),
    ];
    for (number, (argument, damage)) in damages.into_iter().enumerate() {
        let mut damaged = parts();
        damage(&mut damaged);
        let error = new(damaged).expect_err("a refusal");
        let named = matches!(&error, Error::Invalid { argument: told, .. } if *told == argument);
        assert!(named, "damage {number}: {error}");
    }
}

#[test]
fn only_outputs_that_have_the_losses_gradient_are_accepted() {
    for output in Activation::ALL {
        for loss in [Loss::SquaredError, Loss::CrossEntropy] {
            let objective = Objective { output, loss, ..objective(PAIRS[0], 1) };
            let accepted = new(Parts { objective, ..parts() }).is_ok();
            assert_eq!(accepted, PAIRS.contains(&(output, loss)), "{output:?} {loss:?}");
        }
    }
}

proptest! {
    #[test]
    fn weights_have_mean_one_over_the_training_rows(rows in 4..60_usize, seed: u64) {
        let data = common::dataset(rows, (2, 2), objective(PAIRS[0], 2), true, seed);
        let total: f64 = data.train().iter().map(|&row| f64::from(data.weight(row))).sum();
        prop_assert!((total / data.train().len() as f64 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_epoch_visits_every_training_row_once(rows in 4..60_usize, seed: u64, epoch: u64) {
        let data = common::dataset(rows, (2, 2), objective(PAIRS[0], 2), false, seed);
        let mut order = data.order(epoch);
        prop_assert_eq!(&order, &data.order(epoch));
        order.sort_unstable();
        prop_assert_eq!(&order[..], data.train());
    }
}

#[test]
fn epochs_differ_in_their_order() {
    let data = common::dataset(60, (2, 2), objective(PAIRS[0], 2), false, 0);
    assert!((0..20).all(|epoch| data.order(epoch) != data.order(epoch + 1)));
}
