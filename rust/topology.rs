//! Changes of a network's topology: gain units, lose units, and the canonical form.
//!
//! Every change is one list of places, new parameter → old parameter or none. It is moved over the
//! weights, the mask and each of the optimiser's slots alike, so a weight that stays keeps its
//! velocity wherever the change puts it. Values that are new are written afterwards, into the
//! weights alone.

use crate::network::{Layer, Network, first_value, layers};
use crate::random::Random;

/// A changed network, and where each of its parameters comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The network after the change.
    pub network: Network,
    /// For each parameter of the new network its place in the old one, or none if it is new.
    pub sources: Vec<Option<usize>>,
}

impl Change {
    /// Moves values shaped like the old parameters; what is new becomes `fill`.
    #[must_use]
    pub fn carry<T: Copy>(&self, old: &[T], fill: T) -> Vec<T> {
        carry(&self.sources, old, fill)
    }
}

fn carry<T: Copy>(sources: &[Option<usize>], old: &[T], fill: T) -> Vec<T> {
    sources.iter().map(|source| source.map_or(fill, |place| old[place])).collect()
}

/// Adds units at the end of hidden layer `hidden` (0 is the first), connected to everything, their
/// weights and biases and the weights that lead out of them drawn afresh.
#[must_use]
pub fn gain_units(network: &Network, hidden: usize, count: usize, random: &mut Random) -> Change {
    let mut units = all_units(network.topology());
    units[hidden + 1].extend(vec![None; count]);
    let mut change = change_units(network, &units);
    let new_layers: Vec<Layer> = change.network.layers().collect();
    let sources = &change.sources;
    let parameters = change.network.parameters_mut();
    for layer in new_layers {
        for place in layer.weights..layer.end() {
            if sources[place].is_none() {
                parameters[place] = first_value(layer.inputs, random);
            }
        }
    }
    change
}

/// Takes units out of hidden layer `hidden` (0 is the first), with all their weights.
///
/// The layer must have another unit; what the loss leaves dead is for [`simplify`] to find.
#[must_use]
pub fn lose_units(network: &Network, hidden: usize, lost: &[usize]) -> Change {
    let mut units = all_units(network.topology());
    let mut stays = vec![true; units[hidden + 1].len()];
    for &unit in lost {
        stays[unit] = false;
    }
    units[hidden + 1].retain(|unit| unit.is_some_and(|unit| stays[unit]));
    change_units(network, &units)
}

/// One step towards the canonical form, or nothing if the network is canonical.
///
/// A hidden unit that nothing leads out of is dead; one that nothing leads into is a constant, and
/// its value times its outgoing weights belongs into the biases of the next layer. All of one layer
/// are taken out at once. When no other is left in it, no input reaches the output any more: what
/// remains is the output layer without weights.
#[must_use]
pub fn simplify(network: &Network) -> Option<Change> {
    let shape: Vec<Layer> = network.layers().collect();
    for hidden in 0..shape.len() - 1 {
        let (into, out) = (shape[hidden], shape[hidden + 1]);
        let useless = |unit: &usize| {
            let constant = (0..into.inputs).all(|input| !network.mask()[into.weight(input, *unit)]);
            let dead = (0..out.outputs).all(|output| !network.mask()[out.weight(*unit, output)]);
            constant || dead
        };
        let lost: Vec<usize> = (0..into.outputs).filter(useless).collect();
        if lost.is_empty() {
            continue;
        }
        let mut folded = network.clone();
        for &unit in &lost {
            fold_constant(&mut folded, &shape, hidden, unit);
        }
        return Some(if lost.len() < into.outputs {
            lose_units(&folded, hidden, &lost)
        } else {
            output_biases_alone(&folded, hidden + 1)
        });
    }
    None
}

/// Adds what a unit gives when it hears nothing, through its outgoing weights, to the next biases.
/// For a dead unit there are no such weights, and nothing changes.
fn fold_constant(network: &mut Network, shape: &[Layer], hidden: usize, unit: usize) {
    let (into, out) = (shape[hidden], shape[hidden + 1]);
    let value = network.activations()[hidden].apply(network.parameters()[into.bias(unit)]);
    for output in 0..out.outputs {
        let (weight, bias) = (out.weight(unit, output), out.bias(output));
        if network.mask()[weight] {
            let parameters = network.parameters_mut();
            parameters[bias] = value.mul_add(parameters[weight], parameters[bias]);
        }
    }
}

/// The network that remains when the layer before `first` has no unit left: each later layer is a
/// constant, and the output's biases are all there is.
fn output_biases_alone(network: &Network, first: usize) -> Change {
    let shape: Vec<Layer> = network.layers().collect();
    let mut folded = network.clone();
    for hidden in first..shape.len() - 1 {
        for unit in 0..shape[hidden].outputs {
            fold_constant(&mut folded, &shape, hidden, unit);
        }
    }
    let output = shape[shape.len() - 1];
    let topology = vec![network.inputs(), network.outputs()];
    let activations = network.activations()[shape.len() - 1..].to_vec();
    let weights = network.inputs() * network.outputs();
    let mut sources = vec![None; weights];
    sources.extend((0..output.outputs).map(|unit| Some(output.bias(unit))));
    let parameters = carry(&sources, folded.parameters(), 0.0);
    let mask = carry(&sources, folded.mask(), false);
    Change { network: Network::from_parts(topology, activations, parameters, mask), sources }
}

/// The units of each layer as they are, to be edited and given to [`change_units`].
fn all_units(topology: &[usize]) -> Vec<Vec<Option<usize>>> {
    topology.iter().map(|&units| (0..units).map(Some).collect()).collect()
}

/// The network whose layers are made of the given units of the old one, `None` being a new unit.
/// New parameters are live and zero.
fn change_units(network: &Network, units: &[Vec<Option<usize>>]) -> Change {
    let topology: Vec<usize> = units.iter().map(Vec::len).collect();
    let mut sources = Vec::new();
    for ((old, new), pair) in network.layers().zip(layers(&topology)).zip(units.windows(2)) {
        for input in 0..new.inputs {
            for output in 0..new.outputs {
                let both = pair[0][input].zip(pair[1][output]);
                sources.push(both.map(|(input, output)| old.weight(input, output)));
            }
        }
        sources.extend(pair[1].iter().map(|unit| unit.map(|output| old.bias(output))));
    }
    let parameters = carry(&sources, network.parameters(), 0.0);
    let mask = carry(&sources, network.mask(), true);
    let activations = network.activations().to_vec();
    Change { network: Network::from_parts(topology, activations, parameters, mask), sources }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::network::Activation;
    use crate::random::Purpose;

    /// The canonical form, useless units taken out one at a time, the first first.
    fn one_at_a_time(mut network: Network) -> Network {
        loop {
            let shape: Vec<Layer> = network.layers().collect();
            let units = (0..shape.len() - 1)
                .flat_map(|hidden| (0..shape[hidden].outputs).map(move |unit| (hidden, unit)));
            let useless = |&(hidden, unit): &(usize, usize)| {
                let (into, out) = (shape[hidden], shape[hidden + 1]);
                let hears = (0..into.inputs).any(|input| network.mask()[into.weight(input, unit)]);
                let tells = (0..out.outputs).any(|output| network.mask()[out.weight(unit, output)]);
                !(hears && tells)
            };
            let Some((hidden, unit)) = units.clone().find(useless) else { return network };
            let mut folded = network.clone();
            fold_constant(&mut folded, &shape, hidden, unit);
            network = if shape[hidden].outputs > 1 {
                lose_units(&folded, hidden, &[unit]).network
            } else {
                output_biases_alone(&folded, hidden + 1).network
            };
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn all_useless_units_of_a_layer_go_as_they_would_one_at_a_time(
            hidden in prop::collection::vec(1..9_usize, 0..4),
            density in 0.0..0.9,
            seed: u64,
        ) {
            let mut random = Random::new(seed, 0, 0, Purpose::Split);
            let kinds = [Activation::Sigmoid, Activation::Tanh, Activation::Relu];
            let activations = (0..=hidden.len()).map(|layer| kinds[layer % 3]).collect();
            let topology = [&[4], &hidden[..], &[3]].concat();
            let network = Network::random(topology, activations, density, &mut random);
            let mut together = network.clone();
            while let Some(change) = simplify(&together) {
                together = change.network;
            }
            let expected = one_at_a_time(network);
            let bits = |network: &Network| -> Vec<u32> {
                network.parameters().iter().map(|value| value.to_bits()).collect()
            };
            prop_assert_eq!(bits(&together), bits(&expected));
            prop_assert_eq!(together, expected);
        }
    }
}
