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
//! Eight things make it fast:
//!
//! 1. Weights stand in the order in which both ways need them (see `layout` and `blocks`).
//! 2. With the batch's last row a weight is updated where the backward pass has just loaded it.
//! 3. The factor that the update gives a gradient, −η over the batch's rows for plain descent, is
//!    put into the output's gradient, from where it reaches every weight's.
//! 4. Several groups go through a row in step, layer by layer (see `groups`): while one waits for a
//!    layer's exponentials, there are the others' to do.
//! 5. Where the table has many zeros, the first layer passes over them (see `zeros`).
//! 6. Where a batch is one row, updates are deferred to the next row's way forward (see `deferred`).
//! 7. Which loops a row goes through is found out once, not at each row (see `steps`); inputs and targets are
//!    read where they are needed.
//! 8. Where updates are not deferred, a unit's delta stands where what it gave did: where weights and
//!    velocities fill the nearest cache as it is, each line that they lose to others is fetched and written
//!    back at every row (8 % of four layers of ten on an Intel Xeon).

use super::ahead::Nonzeros;
use super::blocks::Cell;
use super::layout::{Layer, layers, places};
use super::output_gradient::{Asked, output_gradient};
use super::products::Columns;
use super::row_losses::{Pairs, row_losses};
use super::rules::{Rates, Rule, per_lane};
use super::simd::{MOST_LANES, Simd, numbers, zeros};
use super::steps::{Place, Routine, Row};
use super::units::times_derivatives;
use crate::dataset::Dataset;
use crate::member::Member;
use crate::network::{Activation, Network};

/// Members in training, padded to the widest.
pub(super) struct Group<'a, S, R, const SLOTS: usize> {
    pub(super) dataset: &'a Dataset,
    pub(super) layers: Vec<Layer>,
    pub(super) rates: Vec<Rates>,
    /// Whether the first layer passes over inputs that are zero.
    pub(super) sparse: bool,
    /// Updates made here.
    steps: u64,
    pub(super) rule: R,
    /// What an update multiplies weights by, and biases.
    pub(super) keep: (S, S),
    pub(super) cells: Vec<Cell<S, SLOTS>>,
    /// For each parameter the lanes in which it is live; empty if all are.
    pub(super) mask: Vec<u32>,
    /// Sums over the rows of a batch but the last, shaped like the parameters; empty if a batch is
    /// one row.
    pub(super) gradient: Vec<S>,
    /// What all units give. On the way back, once a layer has no more need of what it heard, that makes way
    /// for deltas: the loss's derivative by those units' weighted sums, times the update's factor.
    pub(super) units: Vec<S>,
    /// Deltas, placed as the units are: those of the outputs always, those of all layers where updates
    /// are deferred. Then it changes places with `units`: it keeps the row's units until their weights
    /// are updated, and deltas stand where the next row's units will be written.
    pub(super) spare: Vec<S>,
    /// A layer's sums over the inputs of some of its blocks.
    pub(super) sums: Vec<S>,
    /// For each unit the lanes whose members have it: all bits of those are set, none of any other.
    pub(super) present: Vec<S>,
    /// A row's targets, where more is asked of them than an output's error.
    targets: Vec<S>,
    /// Each member's sum of a batch's losses.
    pub(super) losses: Vec<f64>,
    /// The factor for a batch of so many rows.
    factor: (usize, S),
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Group<'a, S, R, SLOTS> {
    /// At most `S::LANES` members, in training by these rates; the first layer passes over zeros if
    /// it is told of `nonzeros` and that pays.
    #[inline(always)]
    pub(super) fn new(
        dataset: &'a Dataset,
        members: &[&mut Member],
        rates: Vec<Rates>,
        nonzeros: Option<&Nonzeros>,
    ) -> Self {
        debug_assert!(members.len() <= S::LANES);
        let networks: Vec<&Network> = members.iter().map(|member| &member.network).collect();
        let sparse = nonzeros.is_some_and(|nonzeros| nonzeros.pay(members));
        let first = if sparse { 1 } else { S::MOST_INPUTS };
        let layers = layers(&networks, (first, S::MOST_INPUTS));
        // What the unchecked reads of rows rest on, with what `Ways` asserts of places.
        let width = |layer: Option<&Layer>, end: fn(&Layer) -> usize| layer.map(end);
        assert_eq!(width(layers.first(), |layer| layer.inputs), Some(dataset.n_inputs()));
        assert!(nonzeros.is_none_or(|nonzeros| nonzeros.width() == dataset.n_inputs()));
        assert_eq!(width(layers.last(), |layer| layer.outputs), Some(dataset.n_outputs()));
        assert!(layers.iter().all(|layer| layer.inputs > 0 && layer.outputs > 0));
        let count = layers.iter().map(|layer| (layer.inputs + 1) * layer.outputs).sum();
        let units: usize = layers.iter().map(|layer| layer.outputs).sum();
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
            gradient: zeros(if rates[0].batch_size > 1 { count } else { 0 }),
            units: zeros(units),
            spare: zeros(units),
            sums: zeros(layers.iter().map(|layer| layer.outputs).max().unwrap_or(0)),
            present: present(&layers, units),
            targets: zeros(dataset.n_outputs()),
            losses: vec![0.0; members.len()],
            factor: (0, zero),
            layers,
            rates,
            sparse,
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
    pub(super) fn finish(self, members: &mut [&mut Member]) {
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

    /// How many numbers it holds: parameters and what the update rule remembers of them.
    #[inline(always)]
    pub(super) fn size(&self) -> usize {
        self.cells.len() * (1 + SLOTS) * S::LANES
    }

    /// Gets ready for an update from so many rows.
    #[inline(always)]
    pub(super) fn begin_step(&mut self, rows: usize) {
        self.steps += 1;
        self.rule.begin_step(&self.rates, self.steps);
        if self.factor.0 != rows {
            self.factor = (rows, R::factor(&self.rates, rows as f64));
        }
    }
}

/// Takes a row's targets to all lanes.
#[inline(always)]
fn broadcast<S: Simd>(targets: &[f32], to: &mut [S]) {
    for (target, &t) in to.iter_mut().zip(targets) {
        *target = S::splat(t);
    }
}

/// For each of so many units the lanes whose members have it, as masks.
#[inline(always)]
fn present<S: Simd>(layers: &[Layer], units: usize) -> Vec<S> {
    let whole = S::splat(f32::from_bits(u32::MAX));
    let mut all = vec![whole; units];
    for layer in layers {
        for (mask, &lanes) in all[layer.units..].iter_mut().zip(&layer.present) {
            *mask = whole.keep(lanes);
        }
    }
    all
}

/// Adds a row's loss to each member's.
pub(super) struct Losses;

#[allow(unsafe_code, reason = "kernel file")]
impl<S: Simd, R, const SLOTS: usize> Routine<Group<'_, S, R, SLOTS>> for Losses {
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        broadcast(row.targets, &mut group.targets);
        let outputs = &group.units[place.units..][..place.outputs];
        let targets = Columns::of(&group.targets, 1);
        let pairs = Pairs { outputs, targets, vector: 0, vectors: 1 };
        let losses = row_losses(group.dataset.objective(), pairs, group.losses.len());
        for (sum, loss) in group.losses.iter_mut().zip(losses) {
            *sum += f64::from(row.weight) * loss;
        }
    }
}

/// The loss's derivative for a row, where it is the output's error alone (see `output_gradient`) or,
/// with `SIGMOID` outputs, that times their derivatives.
pub(super) struct OutputErrors<const SIGMOID: bool>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R, const SLOTS: usize, const SIGMOID: bool> Routine<Group<'_, S, R, SLOTS>>
    for OutputErrors<SIGMOID>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        let scale = group.factor.1.mul(S::splat(row.weight));
        let (outputs, deltas) = (group.units.as_ptr(), group.spare.as_mut_ptr());
        for j in 0..place.outputs {
            // SAFETY: the outputs are among the units, `(outputs,)`, and `spare` is shaped like those; the row has
            // as many targets.
            unsafe {
                let target = S::splat(*row.targets.as_ptr().add(j));
                let output = outputs.add(place.units + j).read();
                let mut delta = [scale.mul(output.sub(target))];
                if SIGMOID {
                    times_derivatives(Activation::Sigmoid, &[output], &mut delta);
                }
                deltas.add(place.units + j).write(delta[0]);
            }
        }
    }
}

/// The loss's derivative for a row, whatever the loss and the outputs.
pub(super) struct OutputGradient;

#[allow(unsafe_code, reason = "kernel file")]
impl<S: Simd, R, const SLOTS: usize> Routine<Group<'_, S, R, SLOTS>> for OutputGradient {
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        broadcast(row.targets, &mut group.targets);
        let own = place.units..place.units + place.outputs;
        output_gradient(
            group.dataset.objective(),
            Asked {
                targets: Columns::of(&group.targets, 1),
                weights: Columns::of(&[S::splat(row.weight)], 1),
                factor: group.factor.1,
            },
            &group.units[own.clone()],
            &mut group.spare[own],
            1,
        );
    }
}
