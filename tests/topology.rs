//! Changes of topology: what stays keeps its values wherever it goes, and the canonical form has
//! the function and neither dead nor constant units.

mod common;
mod plain;

use apbt_rs::member::Member;
use apbt_rs::network::{Activation, Layer, Network};
use apbt_rs::topology::{gain_units, lose_units, simplify};
use common::{Shape, layers_of, member, network, random};
use plain::textbook;
use proptest::prelude::*;

const INPUTS: usize = 4;
const OUTPUTS: usize = 3;

/// A member whose slots name their places: `place + 1` in the first, minus that in the second.
fn tagged((shape, density, seed): (Shape, f64, u64)) -> Member {
    let (topology, activations) = layers_of(&shape, INPUTS, OUTPUTS);
    let network = network(&topology, &activations, density, seed);
    let mut member = member(network, [0.1, 0.0, 0.0, 1.0, 1.0]);
    for (slot, sign) in member.optimizer.slots.iter_mut().zip([1.0, -1.0]) {
        for (place, value) in slot.iter_mut().enumerate() {
            *value = sign * (place + 1) as f32;
        }
    }
    member
}

fn members(density: impl Strategy<Value = f64>) -> impl Strategy<Value = Member> {
    (common::shapes(), density, any::<u64>()).prop_map(tagged)
}

fn with_hidden(density: impl Strategy<Value = f64>) -> impl Strategy<Value = Member> {
    members(density).prop_filter("needs a hidden layer", |m| m.network.topology().len() > 2)
}

fn all_layers(network: &Network) -> Vec<Layer> {
    network.layers().collect()
}

/// Whether every parameter of `after` is that of `before` between the same units, in weights, mask
/// and slots; `old` gives a unit of layer `changed` (0 is the input) its old number, or none if it
/// is new. What is new is live, within ±1/√n, and has slots of zero.
fn assert_moved(
    before: &Member,
    after: &Member,
    changed: usize,
    old: impl Fn(usize) -> Option<usize>,
) {
    let unit = |layer: usize, unit: usize| if layer == changed { old(unit) } else { Some(unit) };
    assert_eq!(after.network.activations(), before.network.activations());
    assert_eq!(after.optimizer.steps, before.optimizer.steps);
    let pairs = all_layers(&before.network).into_iter().zip(all_layers(&after.network));
    for (index, (old_layer, layer)) in pairs.enumerate() {
        for j in 0..layer.outputs {
            let weight = |i: usize| {
                let source = unit(index, i).zip(unit(index + 1, j));
                (layer.weight(i, j), source.map(|(i, j)| old_layer.weight(i, j)))
            };
            let bias = (layer.bias(j), unit(index + 1, j).map(|j| old_layer.bias(j)));
            for (place, source) in (0..layer.inputs).map(weight).chain([bias]) {
                let value = after.network.parameters()[place];
                let slots = after.optimizer.slots.iter().map(|slot| slot[place]);
                if let Some(source) = source {
                    assert_eq!(value, before.network.parameters()[source]);
                    assert_eq!(after.network.mask()[place], before.network.mask()[source]);
                    let tags = before.optimizer.slots.iter().map(|slot| slot[source]);
                    assert!(slots.eq(tags));
                } else {
                    assert!(value.abs() <= 1.0 / (layer.inputs as f32).sqrt());
                    assert!(after.network.mask()[place]);
                    assert_eq!(slots.collect::<Vec<_>>(), [0.0, 0.0]);
                }
            }
        }
    }
}

/// Hidden units that nothing leads into, or nothing leads out of.
fn useless_units(network: &Network) -> usize {
    let layers = all_layers(network);
    let useless = |(into, out): (&Layer, &Layer), unit: usize| {
        let hears = (0..into.inputs).any(|i| network.mask()[into.weight(i, unit)]);
        let tells = (0..out.outputs).any(|j| network.mask()[out.weight(unit, j)]);
        !(hears && tells)
    };
    let pairs = layers.iter().zip(&layers[1..]);
    pairs.map(|(a, b)| (0..a.outputs).filter(|&unit| useless((a, b), unit)).count()).sum()
}

fn assert_same_function(a: &Network, b: &Network, seed: u64) {
    let (mine, others) = (textbook::parameters(a), textbook::parameters(b));
    let mut random = random(seed);
    for _ in 0..8 {
        let input: Vec<f32> = (0..INPUTS).map(|_| random.uniform(-3.0, 3.0) as f32).collect();
        let outputs = textbook::outputs(a, &mine, &input);
        for (a, b) in outputs.iter().zip(textbook::outputs(b, &others, &input)) {
            assert!((a - b).abs() < 1e-5, "{a} became {b}");
        }
    }
}

/// A network whose live weights are those of the list (layer, input, output), all of them 1.
fn sparse(topology: &[usize], live: &[(usize, usize, usize)]) -> Member {
    let activations = vec![Activation::Sigmoid; topology.len() - 1];
    let empty = network(topology, &activations, 0.0, 7);
    let (mut parameters, mut mask) = (empty.parameters().to_vec(), empty.mask().to_vec());
    for &(layer, input, output) in live {
        let place = all_layers(&empty)[layer].weight(input, output);
        (parameters[place], mask[place]) = (1.0, true);
    }
    let network = Network::new(topology.to_vec(), activations, parameters, mask).unwrap();
    member(network, [0.1, 0.0, 0.0, 1.0, 0.0])
}

fn canonical(member: &Member) -> Member {
    let mut member = member.clone();
    member.canonicalize();
    member
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn gained_units_leave_all_else_as_it_was(
        member in with_hidden(0.3..1.0),
        pick in any::<prop::sample::Index>(),
        count in 1..4_usize,
        seed: u64,
    ) {
        let hidden = pick.index(member.network.topology().len() - 2);
        let units = member.network.topology()[hidden + 1];
        let mut after = member.clone();
        after.change(gain_units(&member.network, hidden, count, &mut random(seed)));
        let mut topology = member.network.topology().to_vec();
        topology[hidden + 1] += count;
        prop_assert_eq!(after.network.topology(), &topology[..]);
        assert_moved(&member, &after, hidden + 1, |unit| (unit < units).then_some(unit));
        let new = count * (topology[hidden] + 1 + topology[hidden + 2]);
        prop_assert_eq!(after.network.n_parameters(), member.network.n_parameters() + new);
    }

    #[test]
    fn lost_units_leave_all_else_as_it_was(
        member in with_hidden(0.3..1.0),
        layer in any::<prop::sample::Index>(),
        lost in prop::collection::btree_set(0..9_usize, 1..4),
    ) {
        let hidden = layer.index(member.network.topology().len() - 2);
        let units = member.network.topology()[hidden + 1];
        let lost: Vec<usize> = lost.into_iter().filter(|&unit| unit < units).collect();
        prop_assume!(lost.len() < units);
        let mut after = member.clone();
        after.change(lose_units(&member.network, hidden, &lost));
        let mut topology = member.network.topology().to_vec();
        topology[hidden + 1] -= lost.len();
        prop_assert_eq!(after.network.topology(), &topology[..]);
        let left: Vec<usize> = (0..units).filter(|unit| !lost.contains(unit)).collect();
        assert_moved(&member, &after, hidden + 1, |unit| Some(left[unit]));
    }

    #[test]
    fn losing_what_was_gained_changes_nothing(
        member in with_hidden(0.3..1.0),
        count in 1..4_usize,
        seed: u64,
    ) {
        let units = member.network.topology()[1];
        let mut after = member.clone();
        after.change(gain_units(&member.network, 0, count, &mut random(seed)));
        let lost: Vec<usize> = (units..units + count).collect();
        let change = lose_units(&after.network, 0, &lost);
        after.change(change);
        prop_assert_eq!(after, member);
    }

    #[test]
    fn the_canonical_form_has_the_function_and_no_useless_units(
        member in members(0.0..0.9),
        seed: u64,
    ) {
        let after = canonical(&member);
        prop_assert_eq!(useless_units(&after.network), 0);
        prop_assert_eq!(simplify(&after.network), None);
        prop_assert!(after.network.size() <= member.network.size());
        assert_same_function(&member.network, &after.network, seed);
        // Canonical or not is what decides whether anything happens.
        prop_assert_eq!(after == member, useless_units(&member.network) == 0);
    }

    #[test]
    fn the_canonical_form_keeps_weights_beside_their_slots(mut member in members(0.0..0.9)) {
        member.optimizer.slots[0] = member.network.parameters().to_vec();
        let after = canonical(&member);
        for layer in after.network.layers() {
            let weights = layer.weights..layer.biases;
            let (values, slot) = (after.network.parameters(), &after.optimizer.slots[0]);
            prop_assert_eq!(&values[weights.clone()], &slot[weights.clone()]);
            // The second slot still has the tags of the old places, each at most once.
            let mut tags: Vec<_> = after.optimizer.slots[1][weights].to_vec();
            tags.retain(|&tag| tag != 0.0);
            tags.sort_by(f32::total_cmp);
            prop_assert!(tags.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn a_dense_network_is_canonical(member in members(Just(1.0))) {
        prop_assert_eq!(simplify(&member.network), None);
    }

    #[test]
    fn an_empty_layer_leaves_the_output_biases_alone(
        member in with_hidden(0.5..1.0),
        pick in any::<prop::sample::Index>(),
        seed: u64,
    ) {
        let layers = all_layers(&member.network);
        let empty = &layers[pick.index(layers.len())];
        let (mut values, mut mask) =
            (member.network.parameters().to_vec(), member.network.mask().to_vec());
        values[empty.weights..empty.biases].fill(0.0);
        mask[empty.weights..empty.biases].fill(false);
        let (topology, activations) = (member.network.topology(), member.network.activations());
        let mut before = member.clone();
        before.network =
            Network::new(topology.to_vec(), activations.to_vec(), values, mask).unwrap();
        let after = canonical(&before);
        prop_assert_eq!(after.network.topology(), [INPUTS, OUTPUTS]);
        prop_assert_eq!(after.network.activations(), &activations[activations.len() - 1..]);
        prop_assert_eq!(after.network.size(), 0);
        prop_assert!(after.optimizer.slots.iter().all(|slot| slot.len() == 15));
        assert_same_function(&before.network, &after.network, seed);
    }
}

#[test]
fn a_unit_that_dies_takes_those_that_led_only_to_it_along() {
    // Input 0 goes to output 0 by units 0 and 0. Units 1 and 1 follow one another to nowhere.
    let path = [(0, 0, 0), (1, 0, 0), (2, 0, 0)];
    let dead_end = [(0, 1, 1), (1, 1, 1)];
    let member = sparse(&[2, 2, 2, 1], &[&path[..], &dead_end].concat());
    let after = canonical(&member);
    assert_eq!(after.network.topology(), [2, 1, 1, 1]);
    assert_eq!(after.network.size(), 3);
}

#[test]
fn a_unit_that_is_constant_makes_those_that_heard_only_it_constant() {
    // Nothing leads into unit 1 of the first hidden layer, which alone leads on to unit 1.
    let path = [(0, 0, 0), (1, 0, 0), (2, 0, 0)];
    let constant = [(1, 1, 1), (2, 1, 0)];
    let member = sparse(&[2, 2, 2, 1], &[&path[..], &constant].concat());
    let after = canonical(&member);
    assert_eq!(after.network.topology(), [2, 1, 1, 1]);
    assert_eq!(after.network.size(), 3);
    let (a, b) = (textbook::parameters(&member.network), textbook::parameters(&after.network));
    let outputs = |network, values: &[f64]| textbook::outputs(network, values, &[0.3, -0.7])[0];
    assert!((outputs(&member.network, &a) - outputs(&after.network, &b)).abs() < 1e-6);
}

#[test]
fn an_input_that_nobody_hears_stays_in_the_topology() {
    let member = sparse(&[3, 1, 1], &[(0, 0, 0), (1, 0, 0)]);
    assert_eq!(simplify(&member.network), None);
}
