//! Which steps a row's ways consist of, and the bounds that their functions rest on.

use super::blocks::{Back, Sums, with_block, with_size, with_size_to, with_width};
use super::deferred::UpdatedSums;
use super::group::{Group, Losses, OutputErrors, OutputGradient};
use super::layout::{Layer, evenly};
use super::member_units::{Absent, Relu, Sigmoids, Softmax, SoftmaxOfMany, UNITS};
use super::output_gradient::gradient_is_error;
use super::rules::Rule;
use super::simd::{Simd, Square};
use super::steps::{Place, Routine, Step, Way};
use super::zeros::{SumsOfHeard, UpdateHeard};
use crate::network::Activation;

/// All ways of a row.
pub(super) struct Ways<G> {
    pub(super) forward: Way<G>,
    /// Forward, and the updates that the row before has deferred.
    pub(super) updating_forward: Way<G>,
    pub(super) losses: Way<G>,
    /// Back without updates: deltas alone, of groups that may defer them, else gradients.
    pub(super) back: Way<G>,
    pub(super) updating_back: Way<G>,
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Ways<Group<'a, S, R, SLOTS>> {
    /// Those through groups of the same depth, in functions compiled with the instructions of `I`. `PLAIN`
    /// groups have neither mask nor gradient; they may `DEFER` updates if none passes over zeros.
    #[inline(always)]
    pub(super) fn new<I: Square, const PLAIN: bool, const DEFER: bool>(
        groups: &[Group<'a, S, R, SLOTS>],
    ) -> Self {
        const { assert!(PLAIN || !DEFER) }
        let layers = groups.first().map_or(0, |group| group.layers.len());
        for group in groups {
            assert_eq!(group.layers.len(), layers);
            assert!(!PLAIN || group.mask.is_empty() && group.gradient.is_empty());
            assert!(!group.sparse || PLAIN && !DEFER);
        }
        let places = |layer: usize| {
            let groups = groups.iter().enumerate();
            groups.map(move |(index, group)| Places { group, index, layer })
        };
        let [mut forward, mut updating_forward] = [const { Vec::new() }; 2];
        let [mut losses, mut back, mut updating_back] = [const { Vec::new() }; 3];
        // All groups' sums of a layer, then all their units: while one's exponentials are on their way there
        // are others' to work out.
        for layer in 0..layers {
            places(layer).for_each(|at| at.sums::<I>(&mut forward));
            places(layer).for_each(|at| at.activate::<I>(&mut forward));
            if DEFER {
                places(layer).for_each(|at| at.updated_sums::<I>(&mut updating_forward));
                places(layer).for_each(|at| at.activate::<I>(&mut updating_forward));
            }
        }
        for at in (0..layers).last().into_iter().flat_map(places) {
            losses.push(at.step::<I, Losses>(at.place()));
            back.push(at.output_gradient::<I>());
            updating_back.push(at.output_gradient::<I>());
        }
        for at in (0..layers).rev().flat_map(places) {
            if DEFER || !PLAIN {
                at.back::<I, false, PLAIN>(&mut back);
            }
            at.back::<I, true, PLAIN>(&mut updating_back);
        }
        Self {
            forward: Way(forward),
            updating_forward: Way(updating_forward),
            losses: Way(losses),
            back: Way(back),
            updating_back: Way(updating_back),
        }
    }
}

/// A layer of one of several groups, of which steps are made.
struct Places<'b, G> {
    group: &'b G,
    index: usize,
    layer: usize,
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Places<'_, Group<'a, S, R, SLOTS>> {
    fn layer(&self) -> &Layer {
        &self.group.layers[self.layer]
    }

    /// The layer as a whole.
    fn place(&self) -> Place {
        let (layer, group) = (self.layer(), self.group);
        let (layers, dataset) = (&group.layers, group.dataset);
        // Of the unchecked reads and writes of all routines this is what is not about blocks.
        assert!(layer.biases + layer.outputs <= group.cells.len());
        if self.layer == 0 {
            assert!(layer.heard == 0 && layer.inputs == dataset.n_inputs());
        } else {
            assert!(layer.heard + layer.inputs <= layer.units);
        }
        assert!(self.layer + 1 < layers.len() || layer.outputs == dataset.n_outputs());
        let units = layer.units + layer.outputs;
        assert!(units <= group.units.len() && units <= group.spare.len());
        assert!(units <= group.present.len() && layer.outputs <= group.sums.len());
        if self.sparse() {
            let weights = layer.blocks.iter().map(|block| block.start).min();
            assert!(
                weights
                    .is_some_and(|first| first + layer.inputs * layer.outputs <= group.cells.len())
            );
            assert!(layer.blocks.iter().all(|block| block.width == 1));
        }
        Place {
            block: layer.blocks.first().map_or(0, |block| block.start),
            biases: layer.biases,
            heard: layer.heard,
            units: layer.units,
            outputs: layer.outputs,
            activation: layer.activation,
            before: layers[self.layer.saturating_sub(1)].activation,
            last_layer: self.layer + 1 == layers.len(),
            last_block: true,
        }
    }

    /// Each of the layer's blocks, and its width.
    fn blocks(&self) -> impl Iterator<Item = (Place, usize)> {
        let (place, inputs) = (self.place(), self.layer().inputs);
        let cells = self.group.cells.len();
        self.layer().blocks.iter().map(move |block| {
            // And this is what is.
            assert!(block.start + place.outputs * block.width <= cells);
            assert!(block.input + block.width <= inputs);
            let last_block = block.input + block.width == inputs;
            let heard = place.heard + block.input;
            (Place { block: block.start, heard, last_block, ..place }, block.width)
        })
    }

    /// Of a layer that passes over zeros, the outputs that go side by side, and how many they are: as many as stay
    /// in registers, each with its weight and what the rule remembers, in tiles of like width.
    fn tiles(&self) -> Vec<(Place, usize)> {
        let place = self.place();
        let (mut tiles, mut output) = (Vec::new(), 0);
        while output < place.outputs {
            let width = evenly(place.outputs - output, S::TILE_ROWS);
            let [block, biases, units] = [place.block, place.biases, place.units];
            let [block, biases, units] = [block, biases, units].map(|first| first + output);
            tiles.push((Place { block, biases, units, ..place }, width));
            output += width;
        }
        tiles
    }

    /// Whether a block is the first of the layer's, and that the network's first.
    fn firsts(&self, place: Place) -> (bool, bool) {
        (place.heard == self.layer().heard, self.layer == 0)
    }

    /// Whether the layer passes over zeros.
    fn sparse(&self) -> bool {
        self.layer == 0 && self.group.sparse
    }

    /// A step there.
    fn step<I: Square, T: Routine<Group<'a, S, R, SLOTS>>>(
        &self,
        place: Place,
    ) -> Step<Group<'a, S, R, SLOTS>> {
        Step::new(self.index, I::compiled::<T, _>(), place)
    }

    fn sums<I: Square>(&self, to: &mut Vec<Step<Group<'a, S, R, SLOTS>>>) {
        if self.sparse() {
            for (place, width) in self.tiles() {
                with_size_to!(S::TILE_ROWS, width, WIDTH => to.push(self.step::<I, SumsOfHeard<WIDTH>>(place)));
            }
            return;
        }
        for (place, width) in self.blocks() {
            to.push(with_block!(S, width, self.firsts(place), WIDTH, FIRST, FIRST_LAYER =>
                self.step::<I, Sums<WIDTH, FIRST, FIRST_LAYER>>(place)));
        }
    }

    fn updated_sums<I: Square>(&self, to: &mut Vec<Step<Group<'a, S, R, SLOTS>>>) {
        for (place, width) in self.blocks() {
            to.push(with_block!(S, width, self.firsts(place), WIDTH, FIRST, FIRST_LAYER =>
                self.step::<I, UpdatedSums<WIDTH, FIRST, FIRST_LAYER>>(place)));
        }
    }

    /// What the units give for their sums.
    fn activate<I: Square>(&self, to: &mut Vec<Step<Group<'a, S, R, SLOTS>>>) {
        let place = self.place();
        match (place.activation, !self.layer().present.is_empty()) {
            (Activation::Sigmoid, _) => self.sigmoids::<I, false>(to),
            (Activation::Tanh, _) => self.sigmoids::<I, true>(to),
            (Activation::Relu, false) => to.push(self.step::<I, Relu<false>>(place)),
            (Activation::Relu, true) => to.push(self.step::<I, Relu<true>>(place)),
            (Activation::Softmax, false) if place.outputs > 2 * UNITS => {
                to.push(self.step::<I, SoftmaxOfMany>(place));
            }
            (Activation::Softmax, false) => with_size!(place.outputs, COUNT => {
                const HALF: usize = evenly(COUNT, UNITS);
                to.push(self.step::<I, Softmax<HALF, { COUNT - HALF }>>(place));
            }; 1 2 3 4 5 6 7 8 9 10 11 12),
            (Activation::Softmax, true) => unreachable!("softmax is for outputs, which all have"),
            (Activation::Identity, false) => {}
            (Activation::Identity, true) => to.push(self.step::<I, Absent>(place)),
        }
    }

    /// As many at a time as go side by side.
    fn sigmoids<I: Square, const TANH: bool>(&self, to: &mut Vec<Step<Group<'a, S, R, SLOTS>>>) {
        let (place, present) = (self.place(), &self.layer().present);
        let mut unit = 0;
        while unit < place.outputs {
            let count = evenly(place.outputs - unit, UNITS);
            let place = Place { units: place.units + unit, outputs: count, ..place };
            unit += count;
            // Every member has the first units; whoever lacks one lacks those after it.
            let some = !present.is_empty() && present[unit - 1] != present[0];
            with_size!(count, COUNT => to.push(if some {
                self.step::<I, Sigmoids<TANH, COUNT, true>>(place)
            } else {
                self.step::<I, Sigmoids<TANH, COUNT, false>>(place)
            }); 1 2 3 4 5 6);
        }
    }

    /// The way back's first step.
    fn output_gradient<I: Square>(&self) -> Step<Group<'a, S, R, SLOTS>> {
        let objective = self.group.dataset.objective();
        if gradient_is_error(objective) {
            self.step::<I, OutputErrors<false>>(self.place())
        } else if objective.output == Activation::Sigmoid {
            self.step::<I, OutputErrors<true>>(self.place())
        } else {
            self.step::<I, OutputGradient>(self.place())
        }
    }

    /// The layer's way back.
    fn back<I: Square, const UPDATE: bool, const PLAIN: bool>(
        &self,
        to: &mut Vec<Step<Group<'a, S, R, SLOTS>>>,
    ) {
        if self.layer == 0 && PLAIN && !UPDATE {
            // The table hears nothing back.
            return;
        }
        if self.sparse() {
            for (place, width) in self.tiles() {
                with_size_to!(S::TILE_ROWS, width, WIDTH => to.push(self.step::<I, UpdateHeard<WIDTH>>(place)));
            }
            return;
        }
        for (place, width) in self.blocks() {
            to.push(if const { PLAIN && !UPDATE } {
                // The same function would do for the first block, whose biases are left as they are, too.
                with_width!(S, width, WIDTH =>
                    self.step::<I, Back<WIDTH, UPDATE, PLAIN, false, false>>(place))
            } else {
                with_block!(S, width, self.firsts(place), WIDTH, FIRST, FIRST_LAYER =>
                    self.step::<I, Back<WIDTH, UPDATE, PLAIN, FIRST, FIRST_LAYER>>(place))
            });
        }
    }
}
