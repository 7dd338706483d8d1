//! Networks: the layout of the flat array, the counts, and parts that do not fit together.

mod common;

use apbt_rs::error::Error;
use apbt_rs::network::{Activation, Network, layers};
use common::{Shape, layers_of, random};
use proptest::prelude::*;

type Parts = (Vec<usize>, Vec<Activation>, Vec<f32>, Vec<bool>);

fn parts_of(network: &Network) -> Parts {
    (
        network.topology().to_vec(),
        network.activations().to_vec(),
        network.parameters().to_vec(),
        network.mask().to_vec(),
    )
}

fn new((topology, activations, parameters, mask): Parts) -> Result<Network, Error> {
    Network::new(topology, activations, parameters, mask)
}

fn networks() -> impl Strategy<Value = Network> {
    (common::shapes(), 1..8_usize, 1..8_usize, 0.0..1.0, any::<u64>()).prop_map(drawn)
}

fn drawn((shape, inputs, outputs, density, seed): (Shape, usize, usize, f64, u64)) -> Network {
    let (topology, activations) = layers_of(&shape, inputs, outputs);
    common::network(&topology, &activations, density, seed)
}

fn is_refused(parts: Parts) -> bool {
    matches!(new(parts), Err(Error::Corrupt(_)))
}

proptest! {
    #[test]
    fn a_dense_network_has_the_papers_size(shape in common::shapes(), inputs in 1..8_usize) {
        let (topology, activations) = layers_of(&shape, inputs, 3);
        let network = common::network(&topology, &activations, 1.0, 0);
        let products: usize = topology.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let biases: usize = topology[1..].iter().sum();
        prop_assert_eq!(network.size(), products);
        prop_assert_eq!(network.n_parameters(), products + biases);
        prop_assert_eq!(network.parameters().len(), products + biases);
        prop_assert_eq!((network.inputs(), network.outputs()), (inputs, 3));
    }

    #[test]
    fn size_counts_what_is_not_pruned(network in networks()) {
        let pruned = network.mask().iter().filter(|&&live| !live).count();
        let products: usize = network.topology().windows(2).map(|pair| pair[0] * pair[1]).sum();
        prop_assert_eq!(network.size(), products - pruned);
        prop_assert_eq!(network.n_parameters(), network.parameters().len() - pruned);
    }

    #[test]
    fn every_parameter_has_one_place(network in networks()) {
        let mut places: Vec<usize> = Vec::new();
        for layer in network.layers() {
            for j in 0..layer.outputs {
                places.extend((0..layer.inputs).map(|i| layer.weight(i, j)));
                places.push(layer.bias(j));
            }
        }
        places.sort_unstable();
        prop_assert!(places.into_iter().eq(0..network.parameters().len()));
    }

    #[test]
    fn first_values_lie_within_the_root_of_the_fan_in(network in networks()) {
        for layer in network.layers() {
            let bound = 1.0 / (layer.inputs as f32).sqrt();
            let values = &network.parameters()[layer.weights..layer.end()];
            prop_assert!(values.iter().all(|value| value.abs() <= bound));
        }
        prop_assert_eq!(new(parts_of(&network)), Ok(network));
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused(network in networks()) {
        let mut damages: Vec<fn(&mut Parts)> = vec![
            |parts| parts.0[0] += 1,
            |parts| parts.0.truncate(1),
            |parts| parts.0.insert(1, 0),
            |parts| parts.0[0] = usize::MAX,
            |parts| parts.1.push(Activation::Sigmoid),
            |parts| parts.1.clear(),
            |parts| parts.2.push(0.0),
            |parts| parts.3.push(true),
            |parts| parts.2.truncate(parts.2.len() - 1),
            // The first parameter is a weight, the last a bias.
            |parts| (parts.2[0], parts.3[0]) = (0.5, false),
            |parts| {
                *parts.2.last_mut().unwrap() = 0.0;
                *parts.3.last_mut().unwrap() = false;
            },
        ];
        if network.activations().len() > 1 {
            damages.push(|parts| parts.1[0] = Activation::Softmax);
        }
        for (number, damage) in damages.into_iter().enumerate() {
            let mut parts = parts_of(&network);
            damage(&mut parts);
            prop_assert!(is_refused(parts), "damage {number}");
        }
    }

    #[test]
    fn one_number_that_is_not_finite_is_found(network in networks(), pick: prop::sample::Index) {
        prop_assert!(network.is_finite());
        let mut parts = parts_of(&network);
        let place = pick.index(parts.2.len());
        parts.3[place] = true;
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            parts.2[place] = value;
            prop_assert!(!new(parts.clone()).unwrap().is_finite());
        }
    }
}

#[test]
fn the_papers_example_has_42_weights() {
    let activations = vec![Activation::Sigmoid; 2];
    let network = Network::random(vec![4, 6, 3], activations, 1.0, &mut random(0));
    assert_eq!((network.size(), network.n_parameters()), (42, 51));
}

#[test]
fn weights_stand_by_input_then_output_with_the_biases_after_them() {
    let [first, second] = layers(&[2, 3, 1]).collect::<Vec<_>>()[..] else { panic!("two layers") };
    let row: Vec<usize> = (0..3).map(|output| first.weight(1, output)).collect();
    assert_eq!((first.weight(0, 0), row, first.bias(0), first.end()), (0, vec![3, 4, 5], 6, 9));
    assert_eq!((second.weight(0, 0), second.weight(2, 0), second.bias(0)), (9, 11, 12));
}

#[test]
fn density_is_the_share_of_live_weights() {
    let activations = vec![Activation::Sigmoid];
    let network = Network::random(vec![200, 200], activations, 0.3, &mut random(1));
    // 40000 weights: a standard deviation is 92.
    assert!((11_500..12_500).contains(&network.size()), "{}", network.size());
}

#[test]
fn every_activation_has_a_name_of_its_own() {
    for activation in Activation::ALL {
        assert_eq!(Activation::from_name(activation.name()), Some(activation));
    }
    assert_eq!(Activation::from_name("step"), None);
}
