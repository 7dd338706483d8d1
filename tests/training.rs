//! Training: equal to the plain twin bit for bit, right in value, the same however it is called.

mod common;
mod plain;

use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::{Dataset, Objective};
use apbt_rs::error::Error;
use apbt_rs::member::Member;
use apbt_rs::network::Activation;
use apbt_rs::training::train;
use common::{
    HIDDEN, PAIRS, Shape, bits, dataset, dataset_with_zeros, hash, layers_of, member, network,
    objective,
};
use plain::textbook;
use proptest::prelude::*;

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

/// Learning rate, momentum, decay, batch size, optimiser.
fn hyperparameters() -> impl Strategy<Value = [f64; 5]> {
    let sgd = (1e-3..0.2, prop_oneof![Just(0.0), 0.0..0.95], prop_oneof![Just(0.0), 0.0..0.5]);
    (sgd, prop_oneof![Just(1_u32), 2..40_u32, 2..80_u32], prop::bool::ANY).prop_map(
        |((rate, momentum, decay), batch, adam)| {
            [rate, momentum, decay, f64::from(batch), f64::from(u8::from(adam))]
        },
    )
}

/// The share of inputs that are zero. Where most are, the first layer passes over them.
fn zeros() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(0.0), 2 => 0.5..1.0, 1 => Just(1.0)]
}

/// A member with a dataset that fits it.
fn problems() -> impl Strategy<Value = (Dataset, Member)> {
    // Batches of several vectors, and a last one of fewer.
    let rows = prop_oneof![3 => 4..40_usize, 1 => 40..100_usize];
    let flags = (prop::bool::ANY, prop::bool::ANY);
    let data = (rows, 1..=20_usize, 1..=10_usize, flags, zeros());
    let density = prop_oneof![Just(1.0), 0.0..1.0];
    (common::shapes(), data, density, hyperparameters(), any::<u64>()).prop_map(problem)
}

/// Up to forty members on one dataset, few enough kinds of them that most share the lanes, or take
/// turns at a batch.
fn crowds() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    let data = (4..20_usize, 1..=14_usize, 2..=4_usize, prop::bool::ANY, zeros());
    let widest = prop_oneof![Just(4_usize), Just(8), Just(25)];
    let batch = prop_oneof![2 => 1..8_u32, 1 => 8..20_u32];
    let kinds = (0..PAIRS.len(), 0..HIDDEN.len(), 0..4_usize, batch, prop::bool::ANY, widest);
    (data, kinds, 1..=40_usize, prop_oneof![Just(1.0), 0.5..1.0], any::<u64>()).prop_map(crowd_of)
}

/// Members that update by every row of a table with many zeros: more rows than are looked at ahead,
/// first layers for which that pays beside others for which it does not, rates that diverge.
fn crowds_that_pass_over_zeros() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    let rate = prop_oneof![3 => 1e-3..0.2, 1 => Just(1e3), 1 => Just(1e30)];
    let data = (100..200_usize, 1..=12_usize, prop_oneof![0.3..0.7, 0.7..1.0], 0..PAIRS.len());
    (data, rate, 1..=30_usize, any::<u64>()).prop_map(
        |((rows, inputs, zeros, pair), rate, k, seed)| {
            let (size, objective) = ((inputs, 2), objective(PAIRS[pair], 2));
            let dataset = dataset_with_zeros(rows, size, objective, true, seed, zeros);
            let mut random = common::random(seed);
            let members = (0..k as u64).map(|place| {
                let hidden = HIDDEN[random.below(4)];
                let layers = (0..=random.below(2)).map(|_| (hidden, 1 + random.below(9)));
                let (topology, activations) =
                    layers_of(&(layers.collect(), PAIRS[pair]), inputs, 2);
                let network = network(&topology, &activations, 1.0, seed ^ place);
                member(network, [rate, random.uniform(0.0, 0.9), 0.01, 1.0, 0.0])
            });
            let members = members.collect();
            (dataset, members)
        },
    )
}

type Table = (usize, usize, usize, bool, f64);
type Kinds = (usize, usize, usize, u32, bool, usize);

fn crowd_of(
    (data, kinds, k, density, seed): (Table, Kinds, usize, f64, u64),
) -> (Dataset, Vec<Member>) {
    let (rows, inputs, outputs, weighted, zeros) = data;
    let (pair, hidden, depth, batch, adam, widest) = kinds;
    let (size, objective) = ((inputs, outputs), objective(PAIRS[pair], outputs));
    let dataset = dataset_with_zeros(rows, size, objective, weighted, seed, zeros);
    let mut random = common::random(seed);
    let members = (0..k as u64).map(|place| {
        // Who takes turns need not be as deep as the others.
        let depth = if batch < 8 { depth } else { random.below(4) };
        let layers = (0..depth).map(|_| (HIDDEN[hidden], 1 + random.below(widest))).collect();
        let (topology, activations) = layers_of(&(layers, PAIRS[pair]), inputs, outputs);
        let rates = [random.uniform(1e-3, 0.2), random.uniform(0.0, 0.9), random.uniform(0.0, 0.3)];
        let [rate, momentum, decay] = rates;
        let values = [rate, momentum, decay, f64::from(batch), f64::from(u8::from(adam))];
        // Some members of a crowd are pruned, some have been trained before.
        let density = if place.is_multiple_of(3) { 1.0 } else { density };
        let mut member = member(network(&topology, &activations, density, seed ^ place), values);
        member.optimizer.steps = [0, 5, 30_000][random.below(3)];
        member
    });
    let members = members.collect();
    (dataset, members)
}

type Data = (usize, usize, usize, (bool, bool), f64);

fn problem(
    (shape, data, density, values, seed): (Shape, Data, f64, [f64; 5], u64),
) -> (Dataset, Member) {
    let (rows, inputs, outputs, (weighted, decay_biases), zeros) = data;
    let objective = Objective { decay_biases, ..objective(shape.1, outputs) };
    let size = (inputs, outputs);
    let dataset = dataset_with_zeros(rows, size, objective, weighted, seed, zeros);
    let (topology, activations) = layers_of(&shape, inputs, outputs);
    (dataset, member(network(&topology, &activations, density, seed), values))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

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
        let mut plain = members.clone();
        for member in &mut plain {
            plain::train(&dataset, member, epochs);
        }
        for threads in [1, 2, 4] {
            let mut fast = members.clone();
            common::pool(threads).install(|| train(&dataset, &mut fast, epochs, &go())).unwrap();
            for (fast, plain) in fast.iter().zip(&plain) {
                prop_assert_eq!(bits(fast), bits(plain));
            }
        }
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

    #[test]
    fn a_stopped_call_leaves_members_as_they_were((dataset, member) in problems()) {
        let mut members = [member.clone(), member.clone()];
        let stopped = train(&dataset, &mut members, 3, &AtomicBool::new(true));
        prop_assert_eq!(stopped, Err(Error::Stopped));
        prop_assert_eq!(members, [member.clone(), member]);
    }
}

/// Members of many shapes on one dataset, not all at the same epoch.
fn crowd(pair: (Activation, apbt_rs::dataset::Loss), zeros: f64) -> (Dataset, Vec<Member>) {
    let dataset = dataset_with_zeros(50, (5, 3), objective(pair, 3), true, 1, zeros);
    let members = (0..24_u64).map(|seed| {
        let mut random = common::random(seed);
        let hidden = (0..seed % 4)
            .map(|_| (HIDDEN[random.below(4)], 1 + random.below(12)))
            .collect::<Vec<_>>();
        let (topology, activations) = layers_of(&(hidden, pair), 5, 3);
        let batch = [1.0, 7.0, 32.0, 100.0][random.below(4)];
        let values = [random.uniform(0.001, 0.1), 0.9, 0.01, batch, random.below(2) as f64];
        let mut member = member(network(&topology, &activations, 0.8, seed), values);
        member.epochs = seed % 3;
        member
    });
    let members = members.collect();
    (dataset, members)
}

#[test]
fn grouping_slices_and_threads_change_no_bit() {
    // So many that a team's epochs are cut in slices.
    const EPOCHS: u64 = 60;
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

fn hash_of_trained(pair: (Activation, apbt_rs::dataset::Loss)) -> u64 {
    let (dataset, mut members) = crowd(pair, 0.0);
    train(&dataset, &mut members, 3, &go()).unwrap();
    hash(members.iter().flat_map(bits))
}

/// Other hashes say that behaviour changed: the same data, settings and seed give other networks.
/// That belongs into CHANGELOG.md.
#[test]
fn trajectories_are_frozen() {
    let frozen = [
        0x2073_9948_b31b_c59c,
        0xf9da_483c_a008_eabf,
        0x3641_273f_807d_d447,
        0xff8b_79d4_b378_fd10,
        0xfdf0_ba02_7a1b_4746,
    ];
    assert_eq!(PAIRS.map(hash_of_trained), frozen);
    assert_eq!(hash_of_groups(), 0xb609_b583_9659_80a8);
}

/// Of groups in step, some of half a vector and some of a whole one, plain and with Adam and masks.
fn hash_of_groups() -> u64 {
    let kinds = [
        ((0, 0, 2, 1, false, 4), 1.0),
        ((1, 0, 2, 3, true, 4), 0.7),
        ((2, 0, 0, 1, false, 4), 1.0),
        ((0, 0, 2, 1, false, 25), 1.0),
        ((1, 0, 3, 3, false, 25), 0.7),
        ((2, 0, 1, 1, true, 25), 1.0),
    ];
    let with_zeros = kinds.map(|(kinds, density)| (kinds, density, 0.7));
    let kinds = kinds.map(|(kinds, density)| (kinds, density, 0.0));
    hash(kinds.into_iter().chain(with_zeros).flat_map(|(kinds, density, zeros)| {
        let (dataset, mut members) = crowd_of(((12, 5, 3, true, zeros), kinds, 40, density, 7));
        common::pool(1).install(|| train(&dataset, &mut members, 3, &go())).unwrap();
        members.iter().flat_map(bits).collect::<Vec<_>>()
    }))
}

#[test]
#[ignore = "run by `every_instruction_set_gives_the_same_bits`"]
fn print_hash_of_trained() {
    println!("trained {:?} {}", PAIRS.map(hash_of_trained), hash_of_groups());
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let told = |instructions: &str| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["print_hash_of_trained", "--exact", "--ignored", "--nocapture"])
            .env("APBT_RS_INSTRUCTIONS", instructions)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // With one test thread the line begins with the test's name.
        text.split_once("trained [")?.1.lines().next().map(str::to_owned)
    };
    let baseline = told("baseline");
    assert!(baseline.is_some());
    assert_eq!(baseline, told("avx2"));
    assert_eq!(baseline, told("detected"));
}
