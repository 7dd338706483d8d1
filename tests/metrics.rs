//! Metrics: equal to the textbook's formulas; anchors that no constant prediction beats.

#![expect(clippy::disallowed_methods, reason = "an oracle of values, not of bits")]

mod common;

use apbt_rs::dataset::{Objective, Task};
use apbt_rs::error::Error;
use apbt_rs::metrics::{Answers, Metric, anchors, evaluation_losses, probabilities, score};
use apbt_rs::network::Activation;
use common::{PAIRS, objective, random};
use proptest::prelude::*;

/// Outputs, targets and weights of some rows.
#[derive(Clone, Debug)]
struct Rows {
    objective: Objective,
    outputs: Vec<Vec<f32>>,
    targets: Vec<Vec<f32>>,
    weights: Vec<f64>,
}

impl Rows {
    fn answers(&self) -> Answers {
        Answers::new(self.targets.concat(), self.weights.clone(), self.columns()).unwrap()
    }

    fn columns(&self) -> usize {
        self.targets[0].len()
    }

    fn score(&self, metric: Metric) -> f64 {
        score(metric, &self.objective, &self.outputs.concat(), &self.answers())
    }

    fn skill(&self, metric: Metric) -> f64 {
        let (constant, perfect) = anchors(metric, &self.objective, &self.answers()).unwrap();
        (self.score(metric) - constant) / (perfect - constant)
    }

    fn metrics(&self) -> impl Iterator<Item = Metric> + use<> {
        let task = self.objective.task;
        Metric::ALL.into_iter().filter(move |metric| metric.task() == Some(task))
    }

    /// Each row's class probabilities and the place of the right class; one output is the second
    /// class's.
    fn classes(&self) -> Vec<(Vec<f64>, usize)> {
        let both = |row: &[f32]| match row {
            [one] => vec![1.0 - f64::from(*one), f64::from(*one)],
            _ => row.iter().map(|&value| f64::from(value)).collect(),
        };
        let row = |(output, target): (&Vec<f32>, &Vec<f32>)| {
            let total: f64 = both(output).iter().sum();
            let shares = both(output).iter().map(|share| share / total).collect();
            (shares, both(target).iter().position(|&share| share == 1.0).unwrap())
        };
        self.outputs.iter().zip(&self.targets).map(row).collect()
    }

    fn mean(&self, value: impl Fn(usize) -> f64) -> f64 {
        let sum: f64 = self.weights.iter().enumerate().map(|(row, w)| w * value(row)).sum();
        sum / self.weights.iter().sum::<f64>()
    }

    fn error(&self, row: usize, column: usize) -> f64 {
        f64::from(self.outputs[row][column]) - f64::from(self.targets[row][column])
    }

    /// The mean over columns.
    fn columns_mean(&self, value: impl Fn(usize) -> f64) -> f64 {
        (0..self.columns()).map(value).sum::<f64>() / self.columns() as f64
    }

    /// The metric, from its definition.
    fn textbook(&self, metric: Metric) -> f64 {
        let scale = |column: usize| self.objective.target_scale[column];
        match metric {
            Metric::Accuracy => {
                let classes = self.classes();
                self.mean(|row| {
                    let (shares, right) = &classes[row];
                    let most = shares.iter().copied().fold(0.0, f64::max);
                    f64::from(shares.iter().position(|&share| share == most) == Some(*right))
                })
            }
            Metric::SoftAccuracy => {
                let outputs = |row: usize| match self.columns() {
                    1 => 2.0 * self.error(row, 0).powi(2),
                    n => (0..n).map(|column| self.error(row, column).powi(2)).sum(),
                };
                self.mean(|row| 1.0 - 0.5 * outputs(row))
            }
            Metric::NegLogLoss => {
                let classes = self.classes();
                self.mean(|row| classes[row].0[classes[row].1].ln())
            }
            Metric::NegMeanSquaredError => {
                self.columns_mean(|c| -self.mean(|row| (scale(c) * self.error(row, c)).powi(2)))
            }
            Metric::NegMeanAbsoluteError => {
                self.columns_mean(|c| -self.mean(|row| (scale(c) * self.error(row, c)).abs()))
            }
            Metric::R2 => self.columns_mean(|c| {
                let target = |row: usize| f64::from(self.targets[row][c]);
                let mean = self.mean(target);
                let spread = self.mean(|row| (target(row) - mean).powi(2));
                1.0 - self.mean(|row| self.error(row, c).powi(2)) / spread
            }),
            Metric::Custom => panic!("not the core's"),
        }
    }

    /// The same rows with this prediction for each of them.
    fn predicting(&self, outputs: impl Fn(usize) -> Vec<f32>) -> Self {
        Self { outputs: (0..self.targets.len()).map(outputs).collect(), ..self.clone() }
    }
}

/// One row's outputs, as networks with this output layer give them.
fn output(
    activation: Activation,
    columns: usize,
    random: &mut apbt_rs::random::Random,
) -> Vec<f32> {
    let row: Vec<f32> = (0..columns).map(|_| random.uniform(0.01, 0.99) as f32).collect();
    let total: f32 = row.iter().sum();
    let value = |value: f32| match activation {
        Activation::Softmax => value / total,
        Activation::Identity => value * 4.0 - 2.0,
        _ => value,
    };
    row.into_iter().map(value).collect()
}

/// Rows whose targets differ; in every column of a regression by so much that it does not matter that the
/// core's mean is one that a network can give, of 32 bits.
fn rows() -> impl Strategy<Value = Rows> {
    let pair = prop::sample::select(&PAIRS[..]);
    (pair, 1..5_usize, 2..20_usize, prop::bool::ANY, any::<u64>())
        .prop_map(|(pair, columns, rows, weighted, seed)| {
            let columns = if pair.0 == Activation::Softmax { columns + 1 } else { columns };
            let (mut random, objective) = (random(seed), objective(pair, columns));
            let targets = common::targets(objective.task, rows, columns, &mut random);
            let mut weight = || if weighted { random.uniform(0.1, 2.0) } else { 1.0 };
            let weights = (0..rows).map(|_| weight()).collect();
            Rows {
                outputs: (0..rows).map(|_| output(pair.0, columns, &mut random)).collect(),
                targets: targets.chunks_exact(columns).map(<[f32]>::to_vec).collect(),
                weights,
                objective,
            }
        })
        .prop_filter("targets that differ", |rows| {
            let first = &rows.targets[0];
            let mut columns = 0..rows.columns();
            let differ = |c: usize| rows.targets.iter().any(|row| (row[c] - first[c]).abs() > 0.01);
            match rows.objective.task {
                Task::Regression => columns.all(differ),
                Task::Classification => columns.any(differ),
            }
        })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_metric_is_what_its_definition_says(rows in rows()) {
        for metric in rows.metrics() {
            let (told, expected) = (rows.score(metric), rows.textbook(metric));
            prop_assert!(close(told, expected), "{metric:?}: {told} against {expected}");
        }
    }

    #[test]
    fn the_evaluation_loss_is_log_loss_or_half_the_squared_error(rows in rows()) {
        let losses = evaluation_losses(&rows.objective, &rows.outputs.concat(), &rows.answers());
        for (row, loss) in losses.into_iter().enumerate() {
            let expected = match rows.objective.task {
                Task::Classification => -rows.classes()[row].0[rows.classes()[row].1].ln(),
                Task::Regression => {
                    0.5 * (0..rows.columns()).map(|c| rows.error(row, c).powi(2)).sum::<f64>()
                }
            };
            prop_assert!(close(loss, expected), "{loss} against {expected}");
        }
    }

    #[test]
    fn a_rows_evaluation_loss_does_not_depend_on_the_rows_beside_it(rows in rows(), share in 0.1_f32..0.9) {
        let alone = evaluation_losses(&rows.objective, &rows.outputs.concat(), &rows.answers());
        let mut more = rows.clone();
        // A row of several classes in part.
        let mut target = vec![0.0; rows.columns()];
        (target[0], target[rows.columns() - 1]) = (share, 1.0 - share);
        more.targets.push(target);
        more.outputs.push(rows.outputs[0].clone());
        more.weights.push(1.0);
        let beside = evaluation_losses(&more.objective, &more.outputs.concat(), &more.answers());
        for (alone, beside) in alone.iter().zip(&beside) {
            prop_assert_eq!(alone.to_bits(), beside.to_bits());
        }
    }

    #[test]
    fn a_perfect_prediction_has_a_skill_of_one(rows in rows()) {
        let perfect = rows.predicting(|row| rows.targets[row].clone());
        for metric in rows.metrics() {
            prop_assert!(close(perfect.skill(metric), 1.0), "{metric:?}");
        }
    }

    #[test]
    fn no_constant_has_a_skill_above_zero(rows in rows(), seed: u64) {
        let mut random = random(seed);
        for _ in 0..10 {
            let constant = output(rows.objective.output, rows.columns(), &mut random);
            let constant = rows.predicting(|_| constant.clone());
            for metric in rows.metrics() {
                if !matches!(metric, Metric::Accuracy | Metric::SoftAccuracy) {
                    let skill = constant.skill(metric);
                    prop_assert!(skill <= 1e-6, "{metric:?}: {skill}");
                }
            }
        }
    }

    #[test]
    fn the_best_constant_has_a_skill_of_zero(rows in rows()) {
        let target = |row: usize, c: usize| rows.targets[row][c];
        let mean = |c: usize| rows.mean(|row| f64::from(target(row, c))) as f32;
        let means: Vec<f32> = (0..rows.columns()).map(mean).collect();
        // Of constants, one of the targets has the lowest absolute error.
        let absolute = |c: usize, value: f32| {
            rows.mean(|row| (f64::from(target(row, c)) - f64::from(value)).abs())
        };
        let median = |c: usize| {
            let values = rows.targets.iter().map(|target| target[c]);
            values.min_by(|&a, &b| absolute(c, a).total_cmp(&absolute(c, b))).unwrap()
        };
        let medians: Vec<f32> = (0..rows.columns()).map(median).collect();
        for metric in rows.metrics() {
            let best = match metric {
                Metric::Accuracy | Metric::SoftAccuracy => continue,
                Metric::NegMeanAbsoluteError => medians.clone(),
                _ => means.clone(),
            };
            let skill = rows.predicting(|_| best.clone()).skill(metric);
            prop_assert!(skill.abs() < 1e-5, "{metric:?}: {skill}");
        }
    }

    #[test]
    fn validation_rows_that_are_all_alike_are_refused(rows in rows()) {
        let alike = Rows { targets: vec![rows.targets[0].clone(); rows.targets.len()], ..rows };
        for metric in alike.metrics() {
            let told = anchors(metric, &alike.objective, &alike.answers());
            if matches!(metric, Metric::Accuracy | Metric::SoftAccuracy) {
                prop_assert_eq!(told, Ok((0.0, 1.0)));
            } else {
                let refused = matches!(told, Err(Error::Invalid { argument: "validation", .. }));
                prop_assert!(refused, "{metric:?}: {told:?}");
            }
        }
    }

    #[test]
    fn class_probabilities_add_up_to_one(rows in rows()) {
        prop_assume!(rows.objective.task == Task::Classification);
        let columns = rows.columns();
        let told = probabilities(rows.objective.output, &rows.outputs.concat(), columns);
        let classes = rows.classes();
        for (told, (shares, _)) in told.chunks_exact(columns.max(2)).zip(&classes) {
            prop_assert!((told.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            prop_assert!(told.iter().zip(shares).all(|(&a, &b)| close(f64::from(a), b)));
        }
        prop_assert_eq!(told.len(), rows.targets.len() * columns.max(2));
    }

    #[test]
    fn a_row_of_weight_two_counts_as_two_rows(rows in rows(), pick: prop::sample::Index) {
        let row = pick.index(rows.targets.len());
        let (mut heavy, mut twice) = (rows.clone(), rows.clone());
        heavy.weights[row] *= 2.0;
        twice.weights.push(rows.weights[row]);
        twice.outputs.push(rows.outputs[row].clone());
        twice.targets.push(rows.targets[row].clone());
        for metric in rows.metrics() {
            prop_assert!(close(heavy.score(metric), twice.score(metric)), "{metric:?}");
        }
    }
}

#[test]
fn answers_of_the_wrong_shape_are_refused() {
    for (targets, weights, columns) in [(3, 2, 1), (2, 2, 0), (0, 0, 1), (4, 2, 1)] {
        let answers = Answers::new(vec![0.0; targets], vec![1.0; weights], columns);
        assert!(matches!(answers, Err(Error::Invalid { .. })));
    }
}
