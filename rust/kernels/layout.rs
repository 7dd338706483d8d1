//! How the parameters of side-by-side networks stand in memory.
//!
//! A group's layer is as wide as the widest member's. Its weights stand in blocks of a few inputs,
//! `(outputs, inputs of the block)`, then its biases, `(outputs,)`: both ways through the layer go
//! through memory in order.

use crate::network::{Activation, Network};

/// How many of the rest come next, so that all go in as few parts as can be, of like size.
#[inline(always)]
pub(super) const fn evenly(rest: usize, most: usize) -> usize {
    if rest > most { rest.div_ceil(rest.div_ceil(most)) } else { rest }
}

/// One layer of a group.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// The weights, in as few blocks as can be, of like width.
    pub(super) blocks: Vec<Span>,
    /// Place of the first bias.
    pub(super) biases: usize,
    /// Place of what the layer hears, `(inputs,)`, among all units; the first layer hears the row's inputs.
    pub(super) heard: usize,
    /// Place of what the layer gives, `(outputs,)`, among all units.
    pub(super) units: usize,
    pub(super) activation: Activation,
    /// For each unit the lanes whose members have it; empty if all members have all units.
    pub(super) present: Vec<u32>,
}

/// Where one block of weights stands, `(outputs, width)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The first of its inputs.
    pub(super) input: usize,
    /// How many it has.
    pub(super) width: usize,
    /// Place of the first weight.
    pub(super) start: usize,
}

impl Layer {
    /// The place of each of a member's parameters, in the order of its own array; the member's
    /// layer may be narrower than the group's.
    fn places(&self, inputs: usize, outputs: usize, to: &mut Vec<usize>) {
        for block in &self.blocks {
            for i in 0..inputs.saturating_sub(block.input).min(block.width) {
                to.extend((0..outputs).map(|j| block.start + j * block.width + i));
            }
        }
        to.extend((0..outputs).map(|j| self.biases + j));
    }
}

/// The layers of a group, each as wide as the widest member's; a block of the first layer has at most so
/// many inputs, one of any other so many.
pub(super) fn layers(networks: &[&Network], (first, other): (usize, usize)) -> Vec<Layer> {
    let width = |depth: usize| networks.iter().map(|network| network.topology()[depth]).max();
    let activations = networks.first().map_or(&[][..], |network| network.activations());
    let (mut start, mut units) = (0, 0);
    let mut layers = Vec::new();
    for (index, &activation) in activations.iter().enumerate() {
        let (inputs, outputs) = (width(index).unwrap_or(0), width(index + 1).unwrap_or(0));
        let lanes_with = |unit: usize| {
            let lanes = networks.iter().enumerate();
            lanes.fold(0, |bits, (lane, network)| {
                bits | u32::from(unit < network.topology()[index + 1]) << lane
            })
        };
        let mut present: Vec<u32> = (0..outputs).map(lanes_with).collect();
        if present.first() == present.last() {
            present.clear();
        }
        let most = if index == 0 { first } else { other };
        let mut blocks = Vec::new();
        let mut input = 0;
        while input < inputs {
            let width = evenly(inputs - input, most);
            blocks.push(Span { input, width, start: start + input * outputs });
            input += width;
        }
        let biases = start + inputs * outputs;
        start = biases + outputs;
        let heard = if index > 0 { units - inputs } else { 0 };
        let layer = Layer { inputs, outputs, blocks, biases, heard, units, activation, present };
        units += outputs;
        layers.push(layer);
    }
    layers
}

/// Where each of a network's parameters stands in its group's.
pub(super) fn places(group: &[Layer], network: &Network) -> Vec<usize> {
    let mut places = Vec::with_capacity(network.parameters().len());
    for (wide, layer) in group.iter().zip(network.layers()) {
        wide.places(layer.inputs, layer.outputs, &mut places);
    }
    places
}
