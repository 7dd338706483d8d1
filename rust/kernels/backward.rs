//! One member's way back through a batch of rows: the input gradients, and the weight gradients, whose
//! tiles end in updates (see `update`). What a weight gradient has in its lanes stands in rows (see
//! `in_rows`), or is turned over (see `turning`): the deltas, or what the layer hears.

use super::in_rows;
use super::matrix::Matrix;
use super::packed::{InRows, PackedLayer};
use super::products::{Columns, Rows, Steps, product};
use super::rules::Rule;
use super::simd::{Simd, Square, narrowed, narrowed_mut, numbers, prefetch_row};
use super::single::{Batch, Desk, Single};
use super::tiles::{Sums, tile_rows, tile_rows_mut, written_out};
use super::turning::rows;
use super::units::times_derivatives;
use super::update::Update;
use crate::dataset::Dataset;
use crate::network::Activation;

impl<S: Square, R: Rule<S, SLOTS>, const SLOTS: usize> Single<S, R, SLOTS> {
    /// Takes the output's deltas back through the layers, and updates each; meanwhile asks for rows
    /// that will be needed soon.
    #[inline(always)]
    pub(super) fn backward(&mut self, dataset: &Dataset, batch: &Batch<'_, S>, desk: &mut Desk<S>) {
        self.steps += 1;
        // Most small networks have halves alone, large ones none or few.
        if self.network.wholes {
            self.rule.begin_step(&self.rates, self.steps);
        }
        if self.network.halves {
            self.half_rule.begin_step(&self.rates, self.steps);
        }
        let Batch { vectors, soon, .. } = *batch;
        let layers = self.network.layers.len();
        let part = if soon.is_empty() { 0 } else { soon.len().div_ceil(layers) };
        for index in (0..layers).rev() {
            let layer = self.network.layers[index];
            for &row in soon.iter().skip(index * part).take(part) {
                prefetch_row(dataset.row(row));
            }
            if index > 0 {
                let before = self.network.layers[index - 1];
                let pair = (&layer, &before);
                match before.in_rows {
                    None => self.input_gradient(pair, vectors, desk),
                    Some(place) if before.is_whole::<S>() => {
                        self.input_gradient_in_rows::<S, false>(pair, place, batch, desk);
                    }
                    Some(place) => {
                        self.input_gradient_in_rows::<S::Half, true>(pair, place, batch, desk);
                    }
                }
            }
            if layer.is_whole::<S>() {
                self.update::<S, R, false>(self.rule, index, batch, desk);
            } else {
                self.update::<S::Half, _, true>(self.half_rule, index, batch, desk);
            }
        }
    }

    /// Takes a layer's deltas back to the layer before.
    #[inline(always)]
    fn input_gradient(
        &self,
        (layer, before): (&PackedLayer, &PackedLayer),
        vectors: usize,
        desk: &mut Desk<S>,
    ) {
        let (heard_deltas, deltas) = desk.deltas.split_at_mut(layer.units * vectors);
        let span = layer.before * vectors..(layer.before + layer.inputs) * vectors;
        let (numbers, stride) = (self.network.numbers(layer), layer.matrix.row_width());
        let shape = (layer.inputs, layer.outputs, vectors);
        let right = Columns::of(deltas, vectors);
        let sums = Deltas {
            activation: before.activation,
            units: &desk.units[span.clone()],
            to: &mut heard_deltas[span],
            vectors,
        };
        if layer.matrix.turned {
            product::<S, S, _, false, _>(Rows { numbers, stride }, right, shape, sums);
        } else {
            product::<S, S, _, false, _>(Steps { numbers, stride }, right, shape, sums);
        }
    }

    /// Takes a layer's deltas back to the layer before, whose units stand in rows, made of vectors of the
    /// type `W`, or of just `ONE`. A layer past the first needs its deltas in columns as well, for the
    /// layer before it.
    #[inline(always)]
    fn input_gradient_in_rows<W: Square, const ONE: bool>(
        &self,
        (layer, before): (&PackedLayer, &PackedLayer),
        place: InRows,
        batch: &Batch<'_, S>,
        desk: &mut Desk<S>,
    ) {
        let vectors = batch.vectors;
        let (heard_deltas, deltas) = desk.deltas.split_at_mut(layer.units * vectors);
        let units = place.of(&desk.units_in_rows, vectors);
        let to = &mut narrowed_mut::<S, W>(&mut desk.turned)
            [..vectors * S::LANES * before.matrix.blocks];
        in_rows::deltas::<S, W, ONE>(
            (layer, before),
            self.network.numbers(layer),
            Columns::of(deltas, vectors),
            narrowed(units),
            to,
            batch.rows.len(),
        );
        if before.units > 0 {
            let columns = &mut heard_deltas[before.units * vectors..][..before.outputs * vectors];
            rows(to, narrowed_mut(columns), before.matrix.blocks);
        }
    }

    /// Updates a layer, whose rows stand in vectors of the type `W`, or in just `ONE`.
    #[inline(always)]
    fn update<W: Square, Q: Rule<W, SLOTS>, const ONE: bool>(
        &mut self,
        rule: Q,
        index: usize,
        batch: &Batch<'_, S>,
        desk: &mut Desk<S>,
    ) {
        let Batch { vectors, start, window, .. } = *batch;
        let layer = self.network.layers[index];
        let PackedLayer { inputs, outputs, matrix: Matrix { turned, blocks, .. }, .. } = layer;
        let deltas = &desk.deltas[layer.units * vectors..][..outputs * vectors];
        let slots = &mut self.slots[layer.start * SLOTS..layer.end * SLOTS];
        let masks = layer.start * (S::LANES / S::Half::LANES);
        let update = Update::new(
            &layer,
            narrowed_mut(&mut self.network.parameters[layer.start..layer.end]),
            narrowed_mut(slots).as_chunks_mut().0,
            self.mask.get(masks..).unwrap_or(&[]),
            rule,
            self.rates[0].keep,
        );
        let heard = layer.heard(window.inputs(start), &desk.units, vectors);
        let heard_in_rows = if index > 0 { self.network.layers[index - 1].in_rows } else { None };
        // What is to stand in the lanes is turned over, but for what stands in rows.
        let (left, stride, height, columns) = if turned {
            let units = &desk.units[layer.before * vectors..layer.units * vectors];
            (numbers(deltas), vectors * S::LANES, outputs, units)
        } else {
            (heard.numbers, heard.step, inputs + 1, deltas)
        };
        let right = if turned && index == 0 {
            window.input_rows(start)
        } else if turned && let Some(place) = heard_in_rows {
            Columns { numbers: numbers(place.of(&desk.units_in_rows, vectors)), step: place.width }
        } else {
            let to = narrowed_mut::<S, W>(&mut desk.turned);
            let to = &mut to[..vectors * S::LANES * blocks];
            // Deltas in rows are there already, from the way back of the layer behind, whose own update
            // needs nothing turned over.
            if layer.in_rows.is_none() {
                rows(narrowed(columns), to, vectors * (S::LANES / W::LANES));
            }
            Columns::of(to, blocks)
        };
        let left = Steps { numbers: left, stride };
        product::<S, W, _, ONE, _>(left, right, (height, batch.rows.len(), blocks), update);
    }
}

/// A layer's deltas, `(units, vectors)`: the input gradient, each sum multiplied by the derivative of
/// what gave `units` where it is taken.
struct Deltas<'a, S> {
    activation: Activation,
    units: &'a [S],
    to: &'a mut [S],
    vectors: usize,
}

impl<S: Simd> Sums<S> for Deltas<'_, S> {
    #[inline(always)]
    fn take<const HEIGHT: usize, const WIDTH: usize>(
        &mut self,
        r: usize,
        v: usize,
        mut sums: [[S; WIDTH]; HEIGHT],
    ) {
        let (start, vectors) = (r * self.vectors + v, self.vectors);
        let units = tile_rows::<_, HEIGHT, WIDTH>(self.units, start, vectors);
        let to = tile_rows_mut::<_, HEIGHT, WIDTH>(self.to, start, vectors);
        written_out!(HEIGHT, h, {
            times_derivatives(self.activation, units[h], &mut sums[h]);
            *to[h] = sums[h];
        });
    }
}
