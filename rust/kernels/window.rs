//! A stretch of the rows in the order in which they are visited, as columns and, where a first layer's
//! matrix is turned (see `matrix`), as rows.
//!
//! All members see the rows in the same order, so that a stretch is fetched from the table and turned
//! into columns once for all members of a team, whatever their batch sizes: a batch is a part of each
//! column, and need not begin where a vector does.

use super::products::Columns;
use super::row_losses::one_number_tells;
use super::simd::{MOST_LANES, Square, numbers, numbers_mut, zeros};
use super::turning::columns;
use crate::dataset::Dataset;

/// Numbers of a window: few enough to be at hand for all members, many enough for several batches.
const NUMBERS: usize = 8192;

/// Some rows of the table; what is behind the last row is any finite numbers.
pub(super) struct Window<S> {
    /// The most rows that there is room for.
    rows: usize,
    /// Vectors of a column: room for the rows, and for what the last batch's last vector reads
    /// behind them.
    vectors: usize,
    /// `(inputs + 1, vectors)`; the last column is all ones, as `packed` has it.
    inputs: Vec<S>,
    /// The same as rows, `(rows, blocks)`, padded with zeros; empty if nobody asks for them.
    input_rows: Vec<S>,
    /// Vectors of such a row.
    blocks: usize,
    /// `(outputs, vectors)`.
    targets: Vec<S>,
    /// `(vectors,)`.
    weights: Vec<S>,
    /// Whether each row's loss is known to follow from one number of what the row is given.
    pub(super) one_number_tells: bool,
}

impl<S: Square> Window<S> {
    /// For batches of these sizes, of each of which there is room for one; the inputs also as rows if
    /// `in_rows`.
    pub(super) fn new(dataset: &Dataset, batch_sizes: &[usize], in_rows: bool) -> Self {
        let largest = batch_sizes.iter().copied().max().unwrap_or(1);
        let alike = batch_sizes.iter().all(|&batch_size| batch_size == largest);
        let width = dataset.n_inputs() + dataset.n_outputs() + 1;
        // Whoever's batch does not end with the window leaves its beginning for the next one.
        let least = if alike { 1 } else { 2 };
        let rows = largest * (NUMBERS / width / largest).max(least);
        // An odd number: a column's length is no power of two, by which columns would share the few
        // places that a cache has for such addresses.
        let vectors = (rows.div_ceil(S::LANES) + 1) | 1;
        let mut inputs = zeros(dataset.n_inputs() * vectors);
        inputs.resize(inputs.len() + vectors, S::splat(1.0));
        let blocks = (dataset.n_inputs() + 1).div_ceil(S::LANES);
        let mut input_rows = zeros(if in_rows { rows * blocks } else { 0 });
        for row in numbers_mut::<S>(&mut input_rows).chunks_exact_mut(blocks * S::LANES) {
            row[dataset.n_inputs()] = 1.0;
        }
        Self {
            rows,
            vectors,
            inputs,
            input_rows,
            blocks,
            targets: zeros(dataset.n_outputs() * vectors),
            weights: zeros(vectors),
            one_number_tells: false,
        }
    }

    /// The most rows that there is room for.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Fetches these rows.
    #[inline(always)]
    pub(super) fn load(&mut self, dataset: &Dataset, rows: &[u32]) {
        let inputs = &mut self.inputs[..dataset.n_inputs() * self.vectors];
        load(rows.iter().map(|&row| dataset.input(row)), inputs, self.vectors);
        load(rows.iter().map(|&row| dataset.target(row)), &mut self.targets, self.vectors);
        let width = self.blocks * S::LANES;
        let input_rows = numbers_mut(&mut self.input_rows).chunks_exact_mut(width);
        for (to, &row) in input_rows.zip(rows) {
            to[..dataset.n_inputs()].copy_from_slice(dataset.input(row));
        }
        for (weight, &row) in numbers_mut(&mut self.weights).iter_mut().zip(rows) {
            *weight = dataset.weight(row);
        }
    }

    /// Finds out whether the loss of each of so many rows follows from one number of what the row is given.
    #[inline(always)]
    pub(super) fn find_whether_one_number_tells(&mut self, dataset: &Dataset, rows: usize) {
        let (objective, outputs) = (dataset.objective(), dataset.n_outputs());
        self.one_number_tells = one_number_tells::<S>(objective, self.targets(0), outputs, rows);
    }

    /// The columns of inputs, and one of ones, from a row on.
    #[inline(always)]
    pub(super) fn inputs(&self, row: usize) -> Columns<'_> {
        self.from(&self.inputs, row)
    }

    /// The rows of inputs, each followed by a one, from a row on.
    #[inline(always)]
    pub(super) fn input_rows(&self, row: usize) -> Columns<'_> {
        let step = self.blocks * S::LANES;
        Columns { numbers: &numbers(&self.input_rows)[row * step..], step }
    }

    /// The columns of targets, from a row on.
    #[inline(always)]
    pub(super) fn targets(&self, row: usize) -> Columns<'_> {
        self.from(&self.targets, row)
    }

    /// The one column of the rows' weights, from a row on.
    #[inline(always)]
    pub(super) fn weights(&self, row: usize) -> Columns<'_> {
        self.from(&self.weights, row)
    }

    #[inline(always)]
    fn from<'a>(&self, columns: &'a [S], row: usize) -> Columns<'a> {
        Columns { numbers: &numbers(columns)[row..], step: self.vectors * S::LANES }
    }
}

/// Rows of numbers as columns, `(columns, vectors)`; lanes after the last row are zero.
#[inline(always)]
pub(super) fn load<'a, S: Square>(
    mut from: impl ExactSizeIterator<Item = &'a [f32]>,
    to: &mut [S],
    vectors: usize,
) {
    let mut vector = 0;
    while from.len() > 0 {
        let mut rows: [&[f32]; MOST_LANES] = [&[]; MOST_LANES];
        let present = from.len().min(S::LANES);
        for (row, given) in rows.iter_mut().zip(from.by_ref().take(present)) {
            *row = given;
        }
        columns(&rows[..present], to, vectors, vector);
        vector += 1;
    }
}
