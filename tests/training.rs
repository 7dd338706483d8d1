//! Training: equal to the plain twin bit for bit, right in value, the same however it is called.

mod common;
mod crowds;
mod plain;

use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::{Dataset, Loss};
use apbt_rs::hyperparameters::ADAM;
use apbt_rs::member::Member;
use apbt_rs::network::Activation;
use apbt_rs::training::train;
use common::{HIDDEN, PAIRS, bits, dataset, member, network, objective};
use crowds::{
    crowd, crowd_of, crowds, crowds_in_rows, crowds_of_tiny_numbers, crowds_that_defer_updates,
    crowds_that_pass_over_zeros, crowds_that_take_turns, problems,
};
use plain::textbook;
use proptest::prelude::*;

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

/// Fewer where `every_instruction_set_equals_the_plain_twin` asks.
fn cases() -> u32 {
    if std::env::var_os("APBT_RS_INSTRUCTIONS").is_some() { 100 } else { 1000 }
}

fn equals_the_plain_twin_on_any_threads(
    dataset: &Dataset,
    members: &[Member],
    epochs: u64,
) -> Result<(), TestCaseError> {
    let mut plain = members.to_vec();
    for member in &mut plain {
        plain::train(dataset, member, epochs);
    }
    for threads in [1, 2, 4] {
        let mut fast = members.to_vec();
        common::pool(threads).install(|| train(dataset, &mut fast, epochs, &go())).unwrap();
        for (fast, plain) in fast.iter().zip(&plain) {
            prop_assert_eq!(bits(fast), bits(plain));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn training_equals_the_plain_twin((dataset, member) in problems(), epochs in 1..4_u64) {
        let (mut fast, mut plain) = (member.clone(), member);
        train(&dataset, std::slice::from_mut(&mut fast), epochs, &go()).unwrap();
        plain::train(&dataset, &mut plain, epochs);
        prop_assert_eq!(bits(&fast), bits(&plain));
    }

    #[test]
    fn members_trained_together_equal_the_plain_twin(
        (dataset, members) in crowds(), epochs in 1..4_u64,
    ) {
        let mut fast = members.clone();
        // On one thread, where groups go in step; on several they may be too few for it.
        common::pool(1).install(|| train(&dataset, &mut fast, epochs, &go())).unwrap();
        for (fast, mut plain) in fast.iter().zip(members) {
            plain::train(&dataset, &mut plain, epochs);
            prop_assert_eq!(bits(fast), bits(&plain));
        }
    }

    #[test]
    fn who_passes_over_zeros_equals_the_plain_twin(
        (dataset, members) in crowds_that_pass_over_zeros(), epochs in 1..6_u64,
    ) {
        equals_the_plain_twin_on_any_threads(&dataset, &members, epochs)?;
    }

    #[test]
    fn who_defers_updates_equals_the_plain_twin(
        (dataset, members) in crowds_that_defer_updates(), epochs in 1..4_u64,
    ) {
        equals_the_plain_twin_on_any_threads(&dataset, &members, epochs)?;
    }

    #[test]
    fn who_takes_turns_equals_the_plain_twin(
        (dataset, members) in crowds_that_take_turns(), epochs in 1..4_u64,
    ) {
        equals_the_plain_twin_on_any_threads(&dataset, &members, epochs)?;
    }

    #[test]
    fn whose_units_stand_in_rows_equals_the_plain_twin(
        (dataset, members) in crowds_in_rows(), epochs in 1..4_u64,
    ) {
        equals_the_plain_twin_on_any_threads(&dataset, &members, epochs)?;
    }

    #[test]
    fn whose_numbers_are_tiny_equals_the_plain_twin(
        (dataset, members) in crowds_of_tiny_numbers(), epochs in 1..4_u64,
    ) {
        equals_the_plain_twin_on_any_threads(&dataset, &members, epochs)?;
    }

    #[test]
    fn a_pruned_weight_stays_zero_and_so_do_its_slots((dataset, member) in problems()) {
        let mut trained = member.clone();
        train(&dataset, std::slice::from_mut(&mut trained), 2, &go()).unwrap();
        prop_assert_eq!(trained.network.mask(), member.network.mask());
        for (place, live) in member.network.mask().iter().enumerate() {
            if !live {
                prop_assert_eq!(trained.network.parameters()[place], 0.0);
                prop_assert!(trained.optimizer.slots.iter().all(|slot| slot[place] == 0.0));
            }
        }
    }
}

#[test]
fn grouping_slices_and_threads_change_no_bit() {
    // So many that a team's epochs can be cut in slices, and its rows.
    const EPOCHS: u64 = 120;
    for (pair, zeros) in PAIRS.into_iter().flat_map(|pair| [(pair, 0.0), (pair, 0.7)]) {
        let (dataset, members) = crowd(pair, zeros);
        let trained = |threads: usize, size: usize, slice: u64| {
            let mut members = members.clone();
            common::pool(threads).install(|| {
                for group in members.chunks_mut(size) {
                    for _ in 0..EPOCHS / slice {
                        train(&dataset, group, slice, &go()).unwrap();
                    }
                }
            });
            members.iter().map(bits).collect::<Vec<_>>()
        };
        let together = trained(1, members.len(), EPOCHS);
        for (threads, size, slice) in [
            (2, members.len(), EPOCHS),
            (4, members.len(), EPOCHS),
            (1, 1, EPOCHS),
            (2, 5, 15),
            (4, 1, 30),
        ] {
            assert_eq!(trained(threads, size, slice), together, "{threads} {size} {slice}");
        }
    }
}

/// Rows are asked for ahead where the nearest cache does not hold them.
#[test]
fn groups_on_a_table_of_many_rows_equal_the_plain_twin() {
    for zeros in [0.0, 0.7] {
        let (dataset, members) =
            crowd_of(((1300, 5, 3, true, zeros), ((1, 0, 1, 1, false, 6), 1), 20, 1.0, 3));
        equals_the_plain_twin_on_any_threads(&dataset, &members, 1).unwrap();
    }
}

/// As they are for members that take turns, where the second-level cache may not hold them.
#[test]
fn turns_on_a_table_of_many_numbers_equal_the_plain_twin() {
    let (dataset, members) =
        crowd_of(((1300, 50, 3, true, 0.0), ((3, 1, 2, 9, false, 12), 40), 6, 1.0, 3));
    equals_the_plain_twin_on_any_threads(&dataset, &members, 1).unwrap();
}

/// They are shared out in slices of rows, which end anywhere in an epoch and in batches of some members.
#[test]
fn slices_of_turns_equal_the_plain_twin() {
    for (pair, outputs) in PAIRS.into_iter().flat_map(|pair| [(pair, 1), (pair, 3)]) {
        if pair.0 == Activation::Softmax && outputs == 1 {
            continue;
        }
        let mut dataset = dataset(3000, (3, outputs), objective(pair, outputs), true, 5);
        // Among windows of whole classes one that has a row of several, or of the only one, in part.
        let mut targets = dataset.targets().to_vec();
        targets[..outputs].copy_from_slice(&[0.25, 0.25, 0.5][..outputs]);
        let (train, kept) = (dataset.train().to_vec(), dataset.validation().to_vec());
        let (x, own) = (dataset.inputs().to_vec(), dataset.objective().clone());
        dataset = Dataset::new(x, targets, outputs, None, train, kept, own, 5).unwrap();
        let member = |(place, batch): (usize, f64)| {
            let network = network(&[3, 4, outputs], &[Activation::Tanh, pair.0], 0.9, place as u64);
            let (rate, adam) = (if place == 5 { 1e30 } else { 0.02 }, place % 3 == 1);
            member(network, [rate, 0.5, 0.01, batch, if adam { ADAM } else { 0.0 }])
        };
        let batches = [8.0, 9.0, 30.0, 64.0, 100.0, 8.0, 1999.0, 5000.0, 17.0];
        let members: Vec<Member> = batches.into_iter().enumerate().map(member).collect();
        equals_the_plain_twin_on_any_threads(&dataset, &members, 3).unwrap();
    }
}

/// Units go side by side in parts: every member has those of some parts, a few lack units of others.
#[test]
fn units_that_some_members_lack_equal_the_plain_twin() {
    let pair = (Activation::Softmax, Loss::CrossEntropy);
    let dataset = dataset(30, (3, 2), objective(pair, 2), true, 5);
    for hidden in [Activation::Sigmoid, Activation::Tanh, Activation::Relu] {
        for (narrow, wide, batch) in [(7, 8, 1.0), (4, 8, 3.0), (6, 7, 1.0), (1, 12, 1.0)] {
            let member = |place: usize| {
                let width = if place.is_multiple_of(3) { narrow } else { wide };
                let network = network(&[3, width, 2], &[hidden, pair.0], 1.0, place as u64);
                member(network, [0.3, 0.5, 0.01, batch, 0.0])
            };
            let members: Vec<Member> = (0..16).map(member).collect();
            equals_the_plain_twin_on_any_threads(&dataset, &members, 3).unwrap();
        }
    }
}

/// A row's target may be several classes in part, beside rows of one whole class.
#[test]
fn shares_of_classes_equal_the_plain_twin() {
    for output in [Activation::Sigmoid, Activation::Softmax] {
        let pair = (output, Loss::CrossEntropy);
        let mut random = common::random(4);
        let shares = (0..40_usize).flat_map(|row| match row {
            0..=19 => [0.0, 1.0, 0.0],
            20 => [1.0, 1.0, 0.0],
            _ => {
                let share = random.uniform(0.0, 1.0) as f32;
                [share, 0.0, 1.0 - share]
            }
        });
        let shares = shares.collect();
        let x = (0..80).map(|number| (number % 7) as f32 / 3.0 - 1.0).collect();
        let (train, kept) = ((0..36).collect(), (36..40).collect());
        let dataset = Dataset::new(x, shares, 3, None, train, kept, objective(pair, 3), 1).unwrap();
        let member = |batch: u32| {
            let network = network(&[2, 4, 3], &[Activation::Tanh, output], 1.0, 2);
            member(network, [0.1, 0.5, 0.0, f64::from(batch), 0.0])
        };
        let members: Vec<Member> = [1, 1, 20, 36, 17, 3].map(member).into();
        equals_the_plain_twin_on_any_threads(&dataset, &members, 3).unwrap();
    }
}

#[test]
fn one_step_goes_down_the_gradient_of_the_textbooks_loss() {
    for (place, pair) in PAIRS.into_iter().enumerate() {
        for (index, hidden) in HIDDEN.into_iter().enumerate() {
            // One softmax output alone is always 1.
            let least = if pair.0 == Activation::Softmax { 2 } else { 1 };
            for outputs in [least, 3] {
                let seed = (place * 10 + index) as u64;
                let dataset = dataset(12, (3, outputs), objective(pair, outputs), true, seed);
                let other = HIDDEN[(index + 1) % 4];
                let network = network(&[3, 5, 4, outputs], &[hidden, other, pair.0], 1.0, seed);
                let expected =
                    textbook::gradient(&dataset, &network, &textbook::parameters(&network));
                let mut stepped = member(network.clone(), [1.0, 0.0, 0.0, 100.0, 0.0]);
                train(&dataset, std::slice::from_mut(&mut stepped), 1, &go()).unwrap();
                // At a rate of 1 without momentum the velocity is minus the gradient.
                let velocity = &stepped.optimizer.slots[0];
                for (change, slope) in velocity.iter().zip(&expected) {
                    let difference = (f64::from(*change) + slope).abs();
                    assert!(difference < 2e-6, "{pair:?} {hidden:?}: {change} against {slope}");
                }
                let moved = stepped.network.parameters().iter().zip(network.parameters());
                for ((after, before), change) in moved.zip(velocity) {
                    assert_eq!(*after, before + change);
                }
                let loss = textbook::loss(&dataset, &network, &textbook::parameters(&network));
                let told = stepped.train_loss.unwrap();
                assert!((told - loss).abs() < 1e-6, "{pair:?} {hidden:?}: {told} against {loss}");
            }
        }
    }
}

#[test]
fn adam_follows_its_authors_formula() {
    let (rate, decay, steps) = (0.01, 0.1, 30);
    let pair = PAIRS[3];
    let dataset = dataset(12, (3, 3), objective(pair, 3), false, 5);
    let network = network(&[3, 4, 3], &[Activation::Tanh, pair.0], 1.0, 5);
    let mut trained = member(network.clone(), [rate, 0.0, decay, 100.0, 1.0]);
    train(&dataset, std::slice::from_mut(&mut trained), steps, &go()).unwrap();

    let mut weights = textbook::parameters(&network);
    let (mut mean, mut square) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    let (mut rest_1, mut rest_2) = (1.0, 1.0);
    for _ in 0..steps {
        let gradient = textbook::gradient(&dataset, &network, &weights);
        (rest_1, rest_2) = (rest_1 * 0.9, rest_2 * 0.999);
        for layer in network.layers() {
            for p in layer.weights..layer.end() {
                mean[p] = 0.9 * mean[p] + 0.1 * gradient[p];
                square[p] = 0.999 * square[p] + 0.001 * gradient[p] * gradient[p];
                let decay = if p < layer.biases { decay } else { 0.0 };
                let spread = (square[p] / (1.0 - rest_2)).sqrt() + 1e-8;
                weights[p] -= rate * (decay * weights[p] + mean[p] / (1.0 - rest_1) / spread);
            }
        }
    }
    assert_eq!(trained.optimizer.steps, steps);
    for (told, expected) in trained.network.parameters().iter().zip(&weights) {
        assert!((f64::from(*told) - expected).abs() < 2e-5, "{told} against {expected}");
    }
}

#[test]
fn learning_halves_the_loss_of_a_problem_that_can_be_learnt() {
    for pair in PAIRS {
        for optimizer in [0.0, 1.0] {
            let dataset = dataset(12, (6, 2), objective(pair, 2), false, 3);
            let network = network(&[6, 12, 2], &[Activation::Tanh, pair.0], 1.0, 3);
            let rate = if optimizer == 0.0 { 0.05 } else { 0.01 };
            let mut trained = [member(network, [rate, 0.9, 0.0, 4.0, optimizer])];
            train(&dataset, &mut trained, 1, &go()).unwrap();
            let before = trained[0].train_loss.unwrap();
            train(&dataset, &mut trained, 200, &go()).unwrap();
            let after = trained[0].train_loss.unwrap();
            assert!(after < 0.5 * before, "{pair:?} {optimizer}: {before} to {after}");
        }
    }
}

#[test]
fn every_instruction_set_equals_the_plain_twin() {
    for instructions in ["baseline", "avx2"] {
        let (passed, told) =
            common::again(instructions, &["the_plain_twin", "--skip", "every_instruction_set"]);
        assert!(passed && told.contains("12 passed"), "{instructions}: {told}");
    }
}
