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
//! 1. A tile of sums stays in registers: forward over outputs, backward over inputs.
//! 2. With the batch's last row a weight is updated where the backward pass has just loaded it.
//! 3. The factor that the update gives a gradient, −η over the batch's rows for plain descent, is
//!    put into the output's gradient, from where it reaches every weight's.

use super::loss::{output_gradient, row_loss};
use super::rules::{Rates, Rule, per_lane};
use super::simd::{Simd, numbers, numbers_mut, zeros};
use super::units::{activate, times_derivatives};
use crate::dataset::Dataset;
use crate::member::Member;
use crate::network::{Activation, Network};

/// One layer of a group; offsets count vectors.
#[derive(Clone, Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    /// Offset of the weights, `(inputs, outputs)`; the biases, `(outputs,)`, follow.
    weights: usize,
    /// Offset of what the layer gives, `(outputs,)`, among all units, the inputs first.
    units: usize,
    activation: Activation,
    /// For each unit the lanes whose members have it.
    present: Vec<u16>,
    /// Whether all members have all units.
    full: bool,
}

impl Layer {
    fn biases(&self) -> usize {
        self.weights + self.inputs * self.outputs
    }
}

/// Members in training, padded to the widest.
pub(crate) struct Group<'a, S, R, const SLOTS: usize> {
    dataset: &'a Dataset,
    layers: Vec<Layer>,
    rates: Vec<Rates>,
    rule: R,
    /// What an update multiplies weights by, and biases.
    keep: (S, S),
    parameters: Vec<S>,
    slots: Vec<[S; SLOTS]>,
    /// Bits of the lanes where a parameter is live; empty if all are.
    mask: Vec<u16>,
    /// Sums over the rows of a batch but the last; empty if a batch is one row.
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
        let networks: Vec<&Network> = members.iter().map(|member| &member.network).collect();
        let layers = layers(&networks);
        let Some(last) = layers.last() else { unreachable!("a network has a layer") };
        let (count, units) = (last.biases() + last.outputs, last.units + last.outputs);
        let mut group = Self {
            dataset,
            rule: R::new(&rates),
            keep: (
                per_lane!(&rates, member => member.keep.0),
                per_lane!(&rates, member => member.keep.1),
            ),
            parameters: zeros(count),
            slots: vec![[S::splat(0.0); SLOTS]; count],
            mask: Vec::new(),
            gradient: zeros(if batch_size > 1 { count } else { 0 }),
            units: zeros(units),
            deltas: zeros(units),
            targets: zeros(last.outputs),
            factor: (0, S::splat(0.0)),
            layers,
            rates,
        };
        if networks.iter().any(|network| network.mask().contains(&false)) {
            group.mask = vec![0; count];
        }
        for (lane, member) in members.iter().enumerate() {
            let places = places(&group.layers, &member.network);
            let parameters = numbers_mut(&mut group.parameters);
            for (&place, &value) in places.iter().zip(member.network.parameters()) {
                parameters[place * S::LANES + lane] = value;
            }
            let slots = numbers_mut(group.slots.as_flattened_mut());
            for (index, slot) in member.optimizer.slots.iter().enumerate().take(SLOTS) {
                for (&place, &value) in places.iter().zip(slot) {
                    slots[(place * SLOTS + index) * S::LANES + lane] = value;
                }
            }
            if !group.mask.is_empty() {
                for (&place, &live) in places.iter().zip(member.network.mask()) {
                    group.mask[place] |= u16::from(live) << lane;
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
            let parameters = numbers(&self.parameters);
            for (value, &place) in member.network.parameters_mut().iter_mut().zip(&places) {
                *value = parameters[place * S::LANES + lane];
            }
            let slots = numbers(self.slots.as_flattened());
            for (index, slot) in member.optimizer.slots.iter_mut().enumerate().take(SLOTS) {
                for (value, &place) in slot.iter_mut().zip(&places) {
                    *value = slots[(place * SLOTS + index) * S::LANES + lane];
                }
            }
            member.optimizer.steps = self.rates[lane].steps;
        }
    }

    /// One update from a batch of rows. Adds each member's weighted sum of the rows' losses to
    /// `losses`, one per member, where there are any.
    #[inline(always)]
    pub(crate) fn step(&mut self, batch: &[u32], losses: &mut [f64]) {
        for member in &mut self.rates {
            member.steps += 1;
        }
        self.rule.begin_step(&self.rates);
        if self.factor.0 != batch.len() {
            self.factor = (batch.len(), R::factor(&self.rates, batch.len() as f64));
        }
        let mut totals = [0.0; super::simd::MOST_LANES];
        for (index, &row) in batch.iter().enumerate() {
            let weight = self.dataset.weight(row);
            self.forward(row);
            let outputs = self.deltas.len() - self.targets.len();
            if !losses.is_empty() {
                self.add_losses(row, &mut totals[..losses.len()]);
            }
            output_gradient(
                self.dataset.objective(),
                &self.units[outputs..],
                &self.targets,
                &[self.factor.1.mul(S::splat(weight))],
                &mut self.deltas[outputs..],
            );
            if index + 1 < batch.len() {
                self.accumulate();
            } else {
                self.update();
            }
        }
        for (loss, total) in losses.iter_mut().zip(totals) {
            *loss += total;
        }
    }

    fn add_losses(&self, row: u32, totals: &mut [f64]) {
        let (objective, target) = (self.dataset.objective(), self.dataset.target(row));
        let outputs = numbers(&self.units[self.units.len() - target.len()..]);
        for (lane, total) in totals.iter_mut().enumerate() {
            let outputs = outputs.iter().copied().skip(lane).step_by(S::LANES);
            let loss = row_loss(objective.loss, objective.output, outputs, target);
            *total += f64::from(self.dataset.weight(row)) * loss;
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
            let heard = &before[layer.units - layer.inputs..];
            let own = &mut own[..layer.outputs];
            let weights = &self.parameters[layer.weights..][..layer.inputs * layer.outputs];
            own.copy_from_slice(&self.parameters[layer.biases()..][..layer.outputs]);
            weighted_sums(heard, weights, own);
            activate(layer.activation, own, 1);
            if !layer.full {
                for (unit, &present) in own.iter_mut().zip(&layer.present) {
                    *unit = unit.keep(present);
                }
            }
        }
    }

    /// Takes the output's deltas back through the layers, and updates each.
    #[inline(always)]
    fn update(&mut self) {
        for index in (0..self.layers.len()).rev() {
            let layer = &self.layers[index];
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let span = layer.weights..layer.biases();
            let (heard_deltas, deltas) = self.deltas.split_at_mut(layer.units);
            let heard_deltas = &mut heard_deltas[layer.units - inputs..];
            let heard = &self.units[layer.units - inputs..][..inputs];
            let mut weights = Weights {
                parameters: &mut self.parameters[span.clone()],
                slots: &mut self.slots[span.clone()],
                gradient: if self.gradient.is_empty() {
                    &mut []
                } else {
                    &mut self.gradient[span.clone()]
                },
                mask: if self.mask.is_empty() { &[] } else { &self.mask[span] },
                rule: &self.rule,
                keep: self.keep.0,
            };
            if index > 0 {
                weights.back(heard, &deltas[..outputs], heard_deltas);
                times_derivatives(self.layers[index - 1].activation, heard, heard_deltas);
            } else {
                weights.update(heard, &deltas[..outputs]);
            }
            let layer = &self.layers[index];
            let span = layer.biases()..layer.biases() + outputs;
            let mut biases = Weights {
                parameters: &mut self.parameters[span.clone()],
                slots: &mut self.slots[span.clone()],
                gradient: if self.gradient.is_empty() { &mut [] } else { &mut self.gradient[span] },
                mask: &[],
                rule: &self.rule,
                keep: self.keep.1,
            };
            biases.update(&[S::splat(1.0)], &deltas[..outputs]);
        }
    }

    /// Takes the output's deltas back through the layers, and adds to each weight's gradient.
    #[inline(always)]
    fn accumulate(&mut self) {
        for index in (0..self.layers.len()).rev() {
            let layer = &self.layers[index];
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let (heard_deltas, deltas) = self.deltas.split_at_mut(layer.units);
            let heard_deltas = &mut heard_deltas[layer.units - inputs..];
            let heard = &self.units[layer.units - inputs..][..inputs];
            let deltas = &deltas[..outputs];
            let gradient = &mut self.gradient[layer.weights..][..(inputs + 1) * outputs];
            for (row, &x) in gradient.chunks_exact_mut(outputs).zip(heard.iter().chain(&[S::splat(1.0)])) {
                for (sum, &delta) in row.iter_mut().zip(deltas) {
                    *sum = x.mul_add(delta, *sum);
                }
            }
            if index > 0 {
                let weights = &self.parameters[layer.weights..][..inputs * outputs];
                for (sum, row) in heard_deltas.iter_mut().zip(weights.chunks_exact(outputs)) {
                    *sum = S::splat(0.0);
                    for (&weight, &delta) in row.iter().zip(deltas) {
                        *sum = weight.mul_add(delta, *sum);
                    }
                }
                times_derivatives(self.layers[index - 1].activation, heard, heard_deltas);
            }
        }
    }
}

/// One layer's weights or biases, `(inputs, outputs)`, about to be updated.
struct Weights<'a, S, R, const SLOTS: usize> {
    parameters: &'a mut [S],
    slots: &'a mut [[S; SLOTS]],
    gradient: &'a mut [S],
    mask: &'a [u16],
    rule: &'a R,
    keep: S,
}

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Weights<'_, S, R, SLOTS> {
    /// The update of one place, whose input and delta are given.
    #[inline(always)]
    fn update_one<const PLAIN: bool>(&mut self, place: usize, x: S, delta: S) {
        let mut change = S::splat(0.0);
        if !PLAIN && let Some(sum) = self.gradient.get_mut(place) {
            change = std::mem::replace(sum, change);
        }
        change = x.mul_add(delta, change);
        if !PLAIN && let Some(&live) = self.mask.get(place) {
            change = change.keep(live);
        }
        let parameter = &mut self.parameters[place];
        *parameter = self.rule.update(*parameter, &mut self.slots[place], change, self.keep);
    }

    /// Updates weights from what their inputs `(inputs,)` gave and their outputs' deltas.
    #[inline(always)]
    fn update(&mut self, heard: &[S], deltas: &[S]) {
        let plain = self.gradient.is_empty() && self.mask.is_empty();
        for (i, &x) in heard.iter().enumerate() {
            for (j, &delta) in deltas.iter().enumerate() {
                if plain {
                    self.update_one::<true>(i * deltas.len() + j, x, delta);
                } else {
                    self.update_one::<false>(i * deltas.len() + j, x, delta);
                }
            }
        }
    }

    /// [`Self::update`], and before it `sums[i] = Σ_j weights[i, j] · deltas[j]`, in the order of j.
    #[inline(always)]
    fn back(&mut self, heard: &[S], deltas: &[S], sums: &mut [S]) {
        let plain = self.gradient.is_empty() && self.mask.is_empty();
        let mut first = 0;
        while first < heard.len() {
            let rows = tile(heard.len() - first, S::TILES.1);
            let (x, sums) = (&heard[first..][..rows], &mut sums[first..][..rows]);
            macro_rules! tiles {
                ($($rows:literal),*) => {
                    match (rows, plain) {
                        $(($rows, true) => self.back_tile::<$rows, true>(first, x, deltas, sums),)*
                        $(($rows, false) => self.back_tile::<$rows, false>(first, x, deltas, sums),)*
                        _ => unreachable!("a tile has at most 8 rows"),
                    }
                };
            }
            tiles!(1, 2, 3, 4, 5, 6, 7, 8);
            first += rows;
        }
    }

    #[inline(always)]
    fn back_tile<const ROWS: usize, const PLAIN: bool>(
        &mut self,
        first: usize,
        heard: &[S],
        deltas: &[S],
        sums: &mut [S],
    ) {
        let outputs = deltas.len();
        let mut x = [S::splat(0.0); ROWS];
        x.copy_from_slice(heard);
        let mut sum = [S::splat(0.0); ROWS];
        for (j, &delta) in deltas.iter().enumerate() {
            for r in 0..ROWS {
                let place = (first + r) * outputs + j;
                sum[r] = self.parameters[place].mul_add(delta, sum[r]);
                self.update_one::<PLAIN>(place, x[r], delta);
            }
        }
        sums.copy_from_slice(&sum);
    }
}

/// `sums[j] += Σ_i heard[i] · weights[i, j]`, in the order of i.
#[inline(always)]
fn weighted_sums<S: Simd>(heard: &[S], weights: &[S], sums: &mut [S]) {
    let outputs = sums.len();
    let mut first = 0;
    while first < outputs {
        let columns = tile(outputs - first, S::TILES.0);
        let own = &mut sums[first..][..columns];
        macro_rules! tiles {
            ($($columns:literal),*) => {
                match columns {
                    $($columns => sum_tile::<S, $columns>(heard, weights, outputs, first, own),)*
                    _ => unreachable!("a tile has at most 12 columns"),
                }
            };
        }
        tiles!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        first += columns;
    }
}

#[inline(always)]
fn sum_tile<S: Simd, const COLUMNS: usize>(
    heard: &[S],
    weights: &[S],
    outputs: usize,
    first: usize,
    sums: &mut [S],
) {
    let mut sum = [S::splat(0.0); COLUMNS];
    sum.copy_from_slice(sums);
    for (&x, row) in heard.iter().zip(weights.chunks_exact(outputs)) {
        let row = &row[first..][..COLUMNS];
        for c in 0..COLUMNS {
            sum[c] = x.mul_add(row[c], sum[c]);
        }
    }
    sums.copy_from_slice(&sum);
}

/// The width of the next tile where so many are left: as few tiles as can be, of like width.
fn tile(left: usize, most: usize) -> usize {
    left.div_ceil(left.div_ceil(most))
}

/// The layers of a group, each as wide as the widest member's.
fn layers(networks: &[&Network]) -> Vec<Layer> {
    let Some(first) = networks.first() else { return Vec::new() };
    let width = |depth: usize| networks.iter().map(|network| network.topology()[depth]).max();
    let (mut weights, mut units) = (0, 0);
    let mut layers = Vec::new();
    for (index, &activation) in first.activations().iter().enumerate() {
        let (inputs, outputs) = (width(index).unwrap_or(0), width(index + 1).unwrap_or(0));
        units += inputs;
        let present: Vec<u16> = (0..outputs)
            .map(|unit| {
                let has = |network: &&Network| unit < network.topology()[index + 1];
                let lanes = networks.iter().enumerate();
                lanes.fold(0, |bits, (lane, network)| bits | u16::from(has(network)) << lane)
            })
            .collect();
        let full = present.last() == present.first();
        let layer = Layer { inputs, outputs, weights, units, activation, present, full };
        weights = layer.biases() + outputs;
        layers.push(layer);
    }
    layers
}

/// Where each of a network's parameters stands in its group's.
fn places(group: &[Layer], network: &Network) -> Vec<usize> {
    let mut places = Vec::with_capacity(network.parameters().len());
    for (padded, layer) in group.iter().zip(network.layers()) {
        for i in 0..layer.inputs {
            places.extend((0..layer.outputs).map(|j| padded.weights + i * padded.outputs + j));
        }
        places.extend((0..layer.outputs).map(|j| padded.biases() + j));
    }
    places
}
