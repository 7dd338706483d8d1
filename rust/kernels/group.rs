//! Several members in training at once, one in each lane.
//!
//! A tiny network leaves a processor idle: each of its sums waits for its last addition. Sixteen
//! such networks side by side do the same steps at the same time, each in its lane, on the same row:
//! a parameter is a vector of the members' parameters, an input is broadcast, rates are vectors of
//! the members' own. Members of a group have the same number of layers, activations, batch size and
//! update rule, but layers of any width: a layer is as wide as the widest member's, and units that a
//! member lacks give zero and have weights of zero, which adds nothing to any sum.
//!
//! The textbook's algorithm: forward; the output's gradient goes back as `d = W·d` times the
//! derivative; each weight's gradient is `x·d`, summed over the rows of a batch; then the update.
//! Three things make it fast:
//!
//! 1. Weights stand in the order in which both ways need them (see `blocks`).
//! 2. With the batch's last row a weight is updated where the backward pass has just loaded it.
//! 3. The factor that the update gives a gradient, −η over the batch's rows for plain descent, is
//!    put into the output's gradient, from where it reaches every weight's.

use super::Trainer;
use super::blocks::{Block, Cell, add_sums, with_width};
use super::loss::{output_gradient, weighted_loss};
use super::rules::{Rates, Rule, per_lane};
use super::simd::{MOST_LANES, Simd, numbers, prefetch, zeros};
use super::units::{activate, times_derivatives};
use crate::dataset::Dataset;
use crate::member::Member;
use crate::network::{Activation, Network};

/// One layer of a group.
#[derive(Clone, Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    /// Widths of the blocks that the weights stand in: as few as can be, of like width.
    blocks: Vec<usize>,
    /// Place of the first weight; the biases, `(outputs,)`, follow the weights.
    weights: usize,
    /// Place of what the layer gives, `(outputs,)`, among all units, the inputs first.
    units: usize,
    activation: Activation,
    /// For each unit the lanes whose members have it; empty if all members have all units.
    present: Vec<u32>,
}

impl Layer {
    fn biases(&self) -> usize {
        self.weights + self.inputs * self.outputs
    }

    /// The place of each of a member's parameters, in the order of its own array; the member's
    /// layer may be narrower than the group's.
    fn places(&self, inputs: usize, outputs: usize, to: &mut Vec<usize>) {
        let mut first = 0;
        for &width in &self.blocks {
            for i in first..inputs.min(first + width) {
                let place = |j: usize| self.weights + first * self.outputs + j * width + i - first;
                to.extend((0..outputs).map(place));
            }
            first += width;
        }
        to.extend((0..outputs).map(|j| self.biases() + j));
    }
}

/// Members in training, padded to the widest.
pub(crate) struct Group<'a, S, R, const SLOTS: usize> {
    dataset: &'a Dataset,
    layers: Vec<Layer>,
    rates: Vec<Rates>,
    /// Updates made here.
    steps: u64,
    rule: R,
    /// What an update multiplies weights by, and biases.
    keep: (S, S),
    cells: Vec<Cell<S, SLOTS>>,
    /// For each parameter the lanes in which it is live; empty if all are.
    mask: Vec<u32>,
    /// Sums over the rows of a batch but the last, shaped like the parameters; empty if a batch is
    /// one row.
    gradient: Vec<S>,
    /// What all units give, the inputs first.
    units: Vec<S>,
    /// The loss's derivative by each unit's weighted sum, times the update's factor.
    deltas: Vec<S>,
    targets: Vec<S>,
    /// The factor for a batch of so many rows.
    factor: (usize, S),
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Group<'a, S, R, SLOTS> {
    /// At most `S::LANES` members, in training by these rates.
    #[inline(always)]
    pub(crate) fn new(
        dataset: &'a Dataset,
        members: &[&mut Member],
        rates: Vec<Rates>,
        batch_size: usize,
    ) -> Self {
        debug_assert!(members.len() <= S::LANES);
        let networks: Vec<&Network> = members.iter().map(|member| &member.network).collect();
        let layers = layers(&networks, S::BLOCK);
        let count = layers.iter().map(|layer| (layer.inputs + 1) * layer.outputs).sum();
        let units: usize = layers.iter().map(|layer| layer.inputs).sum();
        let units = units + dataset.n_outputs();
        let zero = S::splat(0.0);
        let mut group = Self {
            dataset,
            rule: R::new(&rates),
            keep: (
                per_lane!(&rates, member => member.keep.0),
                per_lane!(&rates, member => member.keep.1),
            ),
            cells: vec![Cell { value: zero, slots: [zero; SLOTS] }; count],
            mask: Vec::new(),
            gradient: zeros(if batch_size > 1 { count } else { 0 }),
            units: zeros(units),
            deltas: zeros(units),
            targets: zeros(dataset.n_outputs()),
            factor: (0, zero),
            layers,
            rates,
            steps: 0,
        };
        if networks.iter().any(|network| network.mask().contains(&false)) {
            group.mask = vec![0; count];
        }
        // Whole vectors are written, each with one number of every member.
        let places: Vec<_> =
            networks.iter().map(|network| places(&group.layers, network)).collect();
        let mut lanes = vec![[0.0_f32; MOST_LANES]; count];
        for slot in 0..=SLOTS {
            for (lane, (member, places)) in members.iter().zip(&places).enumerate() {
                let values = match slot {
                    0 => member.network.parameters(),
                    _ => &member.optimizer.slots[slot - 1],
                };
                for (&place, &value) in places.iter().zip(values) {
                    lanes[place][lane] = value;
                }
            }
            for (cell, lanes) in group.cells.iter_mut().zip(&mut lanes) {
                let vector = S::load(lanes);
                match slot {
                    0 => cell.value = vector,
                    _ => cell.slots[slot - 1] = vector,
                }
                *lanes = [0.0; MOST_LANES];
            }
        }
        if !group.mask.is_empty() {
            for (lane, (network, places)) in networks.iter().zip(&places).enumerate() {
                for (&place, &live) in places.iter().zip(network.mask()) {
                    group.mask[place] |= u32::from(live) << lane;
                }
            }
        }
        group
    }

    /// Gives the members what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, members: &mut [&mut Member]) {
        for (lane, member) in members.iter_mut().enumerate() {
            let places = places(&self.layers, &member.network);
            let number = |vector: &S| numbers(std::slice::from_ref(vector))[lane];
            for (value, &place) in member.network.parameters_mut().iter_mut().zip(&places) {
                *value = number(&self.cells[place].value);
            }
            for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
                for (value, &place) in slot.iter_mut().zip(&places) {
                    *value = number(&self.cells[place].slots[index]);
                }
            }
            member.optimizer.steps = self.rates[lane].steps + self.steps;
        }
    }

    #[inline(always)]
    fn add_losses(&self, row: u32, totals: &mut [f64]) {
        let outputs = numbers(&self.units[self.units.len() - self.targets.len()..]);
        for (lane, total) in totals.iter_mut().enumerate() {
            let outputs = outputs.iter().copied().skip(lane).step_by(S::LANES);
            *total += weighted_loss(self.dataset, row, outputs);
        }
    }

    #[inline(always)]
    fn forward(&mut self, row: u32) {
        for (unit, &x) in self.units.iter_mut().zip(self.dataset.input(row)) {
            *unit = S::splat(x);
        }
        for (target, &t) in self.targets.iter_mut().zip(self.dataset.target(row)) {
            *target = S::splat(t);
        }
        for layer in &self.layers {
            let (before, own) = self.units.split_at_mut(layer.units);
            let mut heard = &before[layer.units - layer.inputs..];
            let own = &mut own[..layer.outputs];
            for (sum, bias) in own.iter_mut().zip(&self.cells[layer.biases()..]) {
                *sum = bias.value;
            }
            let mut cells = &self.cells[layer.weights..layer.biases()];
            for &width in &layer.blocks {
                let (x, rest) = heard.split_at(width);
                let (block, others) = cells.split_at(width * layer.outputs);
                with_width!(width, WIDTH => add_sums::<S, SLOTS, WIDTH>(x, block, own));
                (heard, cells) = (rest, others);
            }
            activate(layer.activation, own, 1);
            for (unit, &present) in own.iter_mut().zip(&layer.present) {
                *unit = unit.keep(present);
            }
        }
    }

    /// Takes the output's deltas back through the layers, and adds to each weight's gradient or,
    /// with `UPDATE`, updates each weight. A `PLAIN` group has neither mask nor earlier rows.
    #[inline(always)]
    fn backward<const UPDATE: bool, const PLAIN: bool>(&mut self) {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (before, deltas) = self.deltas.split_at_mut(layer.units);
            let deltas = &deltas[..layer.outputs];
            let sums = &mut before[layer.units - layer.inputs..];
            let heard = &self.units[layer.units - layer.inputs..layer.units];
            let (mut first, mut start) = (0, layer.weights);
            for &width in layer.blocks.iter().chain(&[1]) {
                // The biases are a block of their own, whose input is 1.
                let weights = first < layer.inputs;
                let end = start + width * layer.outputs;
                let block = Block {
                    cells: &mut self.cells[start..end],
                    gradient: if PLAIN {
                        &mut []
                    } else {
                        part_mut(&mut self.gradient, start, end)
                    },
                    mask: if PLAIN { &[] } else { part(&self.mask, start, end) },
                    rule: self.rule,
                    keep: if weights { self.keep.0 } else { self.keep.1 },
                    deltas,
                };
                if weights {
                    let x = &heard[first..first + width];
                    let sums = &mut sums[first..first + width];
                    with_width!(width, WIDTH => block.back::<WIDTH, UPDATE, PLAIN>(x, sums));
                } else {
                    block.back::<1, UPDATE, PLAIN>(&[S::splat(1.0)], &mut [S::splat(0.0)]);
                }
                (first, start) = (first + width, end);
            }
            if index > 0 {
                times_derivatives(self.layers[index - 1].activation, heard, sums);
            }
        }
    }
}

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Trainer for Group<'_, S, R, SLOTS> {
    #[inline(always)]
    fn step(&mut self, batch: &[u32], next: &[u32], losses: &mut [f64]) {
        self.steps += 1;
        self.rule.begin_step(&self.rates, self.steps);
        if self.factor.0 != batch.len() {
            self.factor = (batch.len(), R::factor(&self.rates, batch.len() as f64));
        }
        let mut totals = [0.0; MOST_LANES];
        let outputs = self.units.len() - self.targets.len();
        for (index, &row) in batch.iter().enumerate() {
            if let Some(&soon) = batch.get(index + 1).or(next.first()) {
                prefetch(self.dataset.input(soon));
            }
            self.forward(row);
            if !losses.is_empty() {
                self.add_losses(row, &mut totals[..losses.len()]);
            }
            output_gradient(
                self.dataset.objective(),
                &self.units[outputs..],
                &self.targets,
                &[self.factor.1.mul(S::splat(self.dataset.weight(row)))],
                &mut self.deltas[outputs..],
            );
            if index + 1 < batch.len() {
                self.backward::<false, false>();
            } else if SLOTS == 1 && self.gradient.is_empty() && self.mask.is_empty() {
                self.backward::<true, true>();
            } else {
                self.backward::<true, false>();
            }
        }
        for (loss, total) in losses.iter_mut().zip(totals) {
            *loss += total;
        }
    }
}

/// A part of an array, or of none nothing.
#[inline(always)]
fn part<T>(array: &[T], start: usize, end: usize) -> &[T] {
    if array.is_empty() { array } else { &array[start..end] }
}

/// A part of an array, or of none nothing, to be written.
#[inline(always)]
fn part_mut<T>(array: &mut [T], start: usize, end: usize) -> &mut [T] {
    if array.is_empty() { array } else { &mut array[start..end] }
}

/// The layers of a group, each as wide as the widest member's, in blocks of at most so many inputs.
fn layers(networks: &[&Network], most: usize) -> Vec<Layer> {
    let width = |depth: usize| networks.iter().map(|network| network.topology()[depth]).max();
    let activations = networks.first().map_or(&[][..], |network| network.activations());
    let (mut weights, mut units) = (0, 0);
    let mut layers = Vec::new();
    for (index, &activation) in activations.iter().enumerate() {
        let (inputs, outputs) = (width(index).unwrap_or(0), width(index + 1).unwrap_or(0));
        units += inputs;
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
        let mut blocks = Vec::new();
        let mut left = inputs;
        while left > 0 {
            blocks.push(left.div_ceil(left.div_ceil(most)));
            left -= left.div_ceil(left.div_ceil(most));
        }
        let layer = Layer { inputs, outputs, blocks, weights, units, activation, present };
        weights = layer.biases() + outputs;
        layers.push(layer);
    }
    layers
}

/// Where each of a network's parameters stands in its group's.
fn places(group: &[Layer], network: &Network) -> Vec<usize> {
    let mut places = Vec::with_capacity(network.parameters().len());
    for (wide, layer) in group.iter().zip(network.layers()) {
        wide.places(layer.inputs, layer.outputs, &mut places);
    }
    places
}
