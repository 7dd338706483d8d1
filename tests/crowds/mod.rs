//! Members on a table that fits them, one and many: strategies of the tests of training.

#![allow(dead_code, reason = "each test uses its own part")]

use apbt_rs::dataset::{Dataset, Loss, Objective};
use apbt_rs::hyperparameters::LEARNING_RATE;
use apbt_rs::math;
use apbt_rs::member::Member;
use apbt_rs::network::{Activation, Network};
use proptest::prelude::*;

use crate::common::{
    self, HIDDEN, PAIRS, Shape, dataset_with_zeros, layers_of, member, network, objective,
};

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
pub fn problems() -> impl Strategy<Value = (Dataset, Member)> {
    // Batches of several vectors, and a last one of fewer.
    let rows = prop_oneof![3 => 4..40_usize, 1 => 40..100_usize];
    let flags = (prop::bool::ANY, prop::bool::ANY);
    let columns = prop_oneof![4 => 1..=20_usize, 1 => 20..=50_usize];
    let data = (rows, columns, 1..=14_usize, flags, zeros());
    let density = prop_oneof![Just(1.0), 0.0..1.0];
    (common::shapes(), data, density, hyperparameters(), any::<u64>()).prop_map(problem)
}

/// Up to forty members on one dataset, few enough kinds of them that most share the lanes, or take
/// turns at a window.
pub fn crowds() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    let data = (4..20_usize, 1..=14_usize, 2..=4_usize, prop::bool::ANY, zeros());
    let widest = prop_oneof![Just(4_usize), Just(8), Just(25)];
    let batch = prop_oneof![2 => 1..8_u32, 1 => 8..20_u32];
    let kinds = (0..PAIRS.len(), 0..HIDDEN.len(), 0..4_usize, batch, prop::bool::ANY, widest);
    (
        data,
        kinds.prop_map(|kinds| (kinds, 40)),
        1..=40_usize,
        prop_oneof![Just(1.0), 0.5..1.0],
        any::<u64>(),
    )
        .prop_map(crowd_of)
}

/// Members that update by every row of a table with many zeros: more rows than are looked at ahead,
/// first layers for which that pays beside others for which it does not, in step if all are alike in depth
/// and activation, or that give the outputs themselves, rates that diverge.
pub fn crowds_that_pass_over_zeros() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    let rate = prop_oneof![3 => 1e-3..0.2, 1 => Just(1e3), 1 => Just(1e30)];
    let outputs = prop_oneof![3 => Just(2_usize), 1 => 7..=14_usize];
    let zeros = prop_oneof![0.3..0.7, 0.7..1.0];
    let data = (100..200_usize, 1..=12_usize, outputs, zeros, 0..PAIRS.len());
    let alike = prop_oneof![Just(None), (0..HIDDEN.len(), 0..=2_usize).prop_map(Some)];
    (data, rate, alike, 1..=40_usize, any::<u64>()).prop_map(
        |((rows, inputs, outputs, zeros, pair), rate, alike, k, seed)| {
            let (size, objective) = ((inputs, outputs), objective(PAIRS[pair], outputs));
            let dataset = dataset_with_zeros(rows, size, objective, true, seed, zeros);
            let mut random = common::random(seed);
            let members = (0..k as u64).map(|place| {
                let (hidden, depth) = alike.unwrap_or((random.below(4), random.below(3)));
                // Of one or two units it seldom pays, of nine it does.
                let mut width = || match alike {
                    Some(_) => [1, 2, 9][random.below(3)],
                    None => 1 + random.below(9),
                };
                let layers = (0..depth).map(|_| (HIDDEN[hidden], width()));
                let (topology, activations) =
                    layers_of(&(layers.collect(), PAIRS[pair]), inputs, outputs);
                let network = network(&topology, &activations, 1.0, seed ^ place);
                member(network, [rate, random.uniform(0.0, 0.9), 0.01, 1.0, 0.0])
            });
            let members = members.collect();
            (dataset, members)
        },
    )
}

/// Members that update by every row of a table without zeros, most of which share the lanes: several
/// groups in step, groups that the nearest cache does not hold, rates that diverge.
pub fn crowds_that_defer_updates() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    let rate = prop_oneof![6 => 1e-3..0.2, 1 => Just(1e3), 1 => Just(1e30)];
    let flags = (prop::bool::ANY, prop::bool::ANY);
    let outputs = prop_oneof![3 => 2..=4_usize, 1 => 5..=14_usize];
    let data = (4..30_usize, 1..=14_usize, outputs, 0..PAIRS.len(), flags);
    let widest = prop_oneof![
        2 => (Just(4_usize), 1..=100_usize),
        2 => (Just(10), 1..=40_usize),
        1 => (Just(25), 1..=40_usize),
    ];
    let hidden = prop::collection::vec(0..HIDDEN.len(), 0..=3);
    (data, rate, hidden, widest, any::<u64>()).prop_map(
        |((rows, inputs, outputs, pair, flags), rate, hidden, (widest, k), seed)| {
            let (weighted, decay_biases) = flags;
            let objective = Objective { decay_biases, ..objective(PAIRS[pair], outputs) };
            let size = (inputs, outputs);
            let dataset = dataset_with_zeros(rows, size, objective, weighted, seed, 0.0);
            let mut random = common::random(seed);
            let members = (0..k as u64).map(|place| {
                let depth = hidden.len().min(1 + random.below(hidden.len().max(1)));
                let layers = hidden[..depth]
                    .iter()
                    .map(|&activation| (HIDDEN[activation], 1 + random.below(widest)))
                    .collect();
                let (topology, activations) = layers_of(&(layers, PAIRS[pair]), inputs, outputs);
                let network = network(&topology, &activations, 1.0, seed ^ place);
                let momentum = random.uniform(0.0, 0.9);
                // The first one may leave infinite numbers to the others.
                let rate = if place == 0 { rate } else { 0.05 };
                member(network, [rate, momentum, 0.01, 1.0, 0.0])
            });
            let members = members.collect();
            (dataset, members)
        },
    )
}

/// Members of batches of many sizes, and tables that are longer than a window of rows.
pub fn crowds_that_take_turns() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    // A window has some hundred rows of these tables, or two of the largest batches.
    let columns = prop_oneof![3 => 10..40_usize, 1 => 40..70_usize];
    let data = (100..400_usize, columns, 2..=4_usize, prop::bool::ANY, Just(0.0));
    let batch = prop_oneof![2 => 8..20_u32, 1 => 100..300_u32];
    let kinds = (0..PAIRS.len(), 0..HIDDEN.len(), 0..4_usize, batch, prop::bool::ANY, 2..9_usize);
    let sizes = prop_oneof![Just(1_usize), Just(40)];
    let density = prop_oneof![Just(1.0), 0.5..1.0];
    let rate = prop_oneof![3 => Just(0.1), 1 => Just(1e30)];
    ((data, (kinds, sizes), 1..=9_usize, density, any::<u64>()), rate).prop_map(|(crowd, rate)| {
        let (dataset, mut members) = crowd_of(crowd);
        members[0].hyperparameters[LEARNING_RATE] = rate;
        (dataset, members)
    })
}

/// Members by whole and by half vectors, many of whose layers have units that stand in rows: the matrix
/// before them is upright, as of wide tables and of widths at or just below a vector's, the one behind
/// them turned, as of few outputs.
pub fn crowds_in_rows() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    const WIDTHS: [usize; 15] = [5, 6, 7, 8, 14, 15, 16, 17, 24, 31, 32, 40, 48, 63, 64];
    // Of wide tables, with more vectors or fewer, even and odd numbers of them; by halves.
    const SURE: [(usize, &[usize], usize); 5] = [
        (64, &[128], 10),
        (64, &[48], 10),
        (64, &[24], 10),
        (64, &[31, 7, 40], 3),
        (20, &[20, 7], 2),
    ];
    let sure = prop_oneof![2 => Just(None), 1 => prop::sample::select(&SURE[..]).prop_map(Some)];
    let data = (30..90_usize, 16..70_usize, 1..=10_usize, 0..PAIRS.len(), sure);
    let batch = prop_oneof![1 => Just(8_usize), 3 => 8..40_usize];
    let rate = prop_oneof![3 => Just(0.05), 1 => Just(1e30)];
    let rates = (batch, prop::bool::ANY, prop_oneof![Just(1.0), 0.5..1.0], rate);
    (data, rates, 1..=3_usize, any::<u64>()).prop_map(
        |((rows, inputs, outputs, pair, sure), (batch, adam, density, rate), k, seed)| {
            let (inputs, outputs) =
                sure.map_or((inputs, outputs), |(inputs, _, outputs)| (inputs, outputs));
            let (size, objective) = ((inputs, outputs), objective(PAIRS[pair], outputs));
            let dataset = dataset_with_zeros(rows, size, objective, true, seed, 0.0);
            let mut random = common::random(seed);
            let members = (0..k as u64).map(|place| {
                let widths = match sure {
                    Some((_, widths, _)) => widths.to_vec(),
                    None => {
                        (0..=random.below(3)).map(|_| WIDTHS[random.below(WIDTHS.len())]).collect()
                    }
                };
                let layers = widths.into_iter().map(|width| (HIDDEN[random.below(4)], width));
                let (topology, activations) =
                    layers_of(&(layers.collect(), PAIRS[pair]), inputs, outputs);
                let network = network(&topology, &activations, density, seed ^ place);
                let batch = (batch + random.below(9) * place as usize) as f64;
                // The first one may leave infinite numbers to the others.
                let rate = if place == 0 { rate } else { 0.05 };
                member(network, [rate, 0.8, 0.01, batch, f64::from(u8::from(adam))])
            });
            let members = members.collect();
            (dataset, members)
        },
    )
}

/// Members whose rates are so small that their changes are subnormal, as are slots that die away, and
/// some of their parameters, on a table with such numbers.
pub fn crowds_of_tiny_numbers() -> impl Strategy<Value = (Dataset, Vec<Member>)> {
    (crowds(), 30..40_u64).prop_map(|((dataset, members), power)| {
        let mut inputs = dataset.inputs().to_vec();
        inputs.iter_mut().step_by(3).for_each(|x| *x = TINY.copysign(*x));
        let rows = (dataset.train().to_vec(), dataset.validation().to_vec());
        let (targets, objective) = (dataset.targets().to_vec(), dataset.objective().clone());
        let columns = dataset.n_outputs();
        let dataset =
            Dataset::new(inputs, targets, columns, None, rows.0, rows.1, objective, 1).unwrap();
        let members = members.into_iter().map(|mut member| {
            member.hyperparameters[LEARNING_RATE] = math::power(0.1, power);
            let mask = member.network.mask().to_vec();
            for slot in &mut member.optimizer.slots {
                for (number, &live) in slot.iter_mut().zip(&mask) {
                    *number = if live { 1.2e-38 } else { 0.0 };
                }
            }
            let mut parameters = member.network.parameters().to_vec();
            for (number, &live) in parameters.iter_mut().zip(&mask).step_by(4) {
                *number = if live { TINY.copysign(*number) } else { 0.0 };
            }
            let network = &member.network;
            let (topology, activations) = (network.topology(), network.activations());
            member.network =
                Network::new(topology.to_vec(), activations.to_vec(), parameters, mask).unwrap();
            member
        });
        (dataset, members.collect())
    })
}

/// A subnormal number.
const TINY: f32 = 1e-39;

type Table = (usize, usize, usize, bool, f64);
/// Those of [`crowd_of`], and of how many sizes batches of 8 rows and more are.
type Kinds = ((usize, usize, usize, u32, bool, usize), usize);

pub fn crowd_of(
    (data, kinds, k, density, seed): (Table, Kinds, usize, f64, u64),
) -> (Dataset, Vec<Member>) {
    let (rows, inputs, outputs, weighted, zeros) = data;
    let ((pair, hidden, depth, batch, adam, widest), sizes) = kinds;
    let (size, objective) = ((inputs, outputs), objective(PAIRS[pair], outputs));
    let dataset = dataset_with_zeros(rows, size, objective, weighted, seed, zeros);
    let mut random = common::random(seed);
    let members = (0..k as u64).map(|place| {
        // Who takes turns need not be as deep as the others, nor take as many rows at a time.
        let depth = if batch < 8 { depth } else { random.below(4) };
        let layers = (0..depth).map(|_| (HIDDEN[hidden], 1 + random.below(widest))).collect();
        let (topology, activations) = layers_of(&(layers, PAIRS[pair]), inputs, outputs);
        let batch = if batch < 8 { batch } else { batch + random.below(sizes) as u32 };
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

/// Members of many shapes on one dataset, not all at the same epoch.
pub fn crowd(pair: (Activation, Loss), zeros: f64) -> (Dataset, Vec<Member>) {
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
