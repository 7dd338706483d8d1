//! The first layer, where a table has many zeros: categories and flags, one column for each.
//!
//! An input that is zero adds nothing to a sum and gives its weights no gradient: their update,
//! `v ← μ·v; w ← (1 − η·λ)·w + v`, needs nothing of the row. All members see the rows in an order
//! that is known ahead. So a row's way forward and back goes through the weights of its other
//! inputs alone, and while those are in registers they are taken as far as the next row that needs
//! them: most loads and stores, which an update mostly waits for, fall away.
//!
//! The bits are those of `blocks`: `0·w` added to a sum changes it by nothing but the sign of a
//! zero, which no parameter and no loss ever shows, since gradients are added to a positive zero.
//! Where a delta or a weight is not finite, `0·∞` is missed; but then the bias or that weight is not
//! finite either, and stays so until the call ends and the member counts as diverged.
//!
//! Weights stand as in blocks of one input: `(inputs, outputs)`.

use super::blocks::{Back, Cell};
use super::rules::Rule;
use super::simd::Simd;
use crate::dataset::Dataset;
use crate::member::Member;

/// Outputs of a layer whose weights cost as much to pass over as an input that is heard: a branch
/// that no processor foresees.
const OUTPUTS_PER_HEARD: usize = 3;

/// Which inputs of each row are not zero.
pub(crate) struct Nonzeros {
    /// Where a row's inputs begin, `(rows + 1,)`.
    starts: Vec<usize>,
    inputs: Vec<u32>,
    /// How many numbers of the rows that are trained on are zero, and how many are not.
    counts: (usize, usize),
}

impl Nonzeros {
    /// Those of a table; none where no layer would gain by it.
    pub(crate) fn of(dataset: &Dataset) -> Option<Self> {
        let nonzero = |row: u32| dataset.input(row).iter().filter(|&&x| x != 0.0).count();
        let nonzeros: usize = dataset.train().iter().map(|&row| nonzero(row)).sum();
        let zeros = dataset.train().len() * dataset.n_inputs() - nonzeros;
        if 3 * zeros < nonzeros {
            return None;
        }
        let mut found = Self { starts: vec![0], inputs: Vec::new(), counts: (zeros, nonzeros) };
        for inputs in dataset.inputs().chunks(dataset.n_inputs()) {
            let places = inputs.iter().enumerate().filter(|(_, x)| **x != 0.0);
            found.inputs.extend(places.map(|(place, _)| place as u32));
            found.starts.push(found.inputs.len());
        }
        Some(found)
    }

    /// Whether the first layer of a group of members gains by it.
    pub(crate) fn pay(&self, members: &[&mut Member]) -> bool {
        let (zeros, nonzeros) = self.counts;
        let outputs = members.iter().map(|member| member.network.topology()[1]).max().unwrap_or(0);
        zeros * outputs >= OUTPUTS_PER_HEARD * nonzeros
    }

    fn row(&self, row: u32) -> &[u32] {
        &self.inputs[self.starts[row as usize]..self.starts[row as usize + 1]]
    }
}

/// An input that a row hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    input: u32,
    /// How many of the next rows do without it.
    rest: u32,
}

/// What the rows to come hear: of the first all inputs, so that each is heard once at least.
#[derive(Default)]
pub(super) struct Ahead {
    /// What each row hears, the last row's first.
    heard: Vec<Heard>,
    /// Where in `heard` each row's begin, the last row's first.
    starts: Vec<usize>,
    /// For each input the row that hears it next.
    next: Vec<u32>,
}

impl Ahead {
    /// Looks at the rows to come, of a table with so many inputs.
    pub(super) fn look(&mut self, nonzeros: &Nonzeros, rows: &[u32], inputs: usize) {
        self.heard.clear();
        self.starts.clear();
        self.next.clear();
        self.next.resize(inputs, rows.len() as u32);
        for (place, &row) in rows.iter().enumerate().skip(1).rev() {
            self.hear(nonzeros.row(row).iter().copied(), place as u32);
        }
        self.hear(0..inputs as u32, 0);
    }

    /// The row in this place hears these inputs.
    fn hear(&mut self, inputs: impl Iterator<Item = u32>, place: u32) {
        self.starts.push(self.heard.len());
        for input in inputs {
            let next = &mut self.next[input as usize];
            self.heard.push(Heard { input, rest: *next - place - 1 });
            *next = place;
        }
    }

    /// What the next row hears, in the order of inputs.
    #[inline(always)]
    pub(super) fn row(&self) -> &[Heard] {
        &self.heard[self.starts.last().map_or(0, |&start| start)..]
    }

    /// The next row is done with.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        self.heard.truncate(self.starts.pop().unwrap_or(0));
    }
}

/// Some of a first layer's outputs, side by side.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// The first of them.
    pub(super) output: usize,
    /// How many the layer has.
    outputs: usize,
}

impl Tile {
    /// The first of a layer's tiles.
    pub(super) fn of(outputs: usize) -> Self {
        Self { output: 0, outputs }
    }

    /// How many outputs the tile has, which is none past the last: as many as stay in registers,
    /// each with its weight and what the rule remembers, and all tiles alike.
    #[inline(always)]
    pub(super) fn width<S: Simd>(self) -> usize {
        let rest = self.outputs - self.output;
        if rest > S::TILE_ROWS { rest.div_ceil(rest.div_ceil(S::TILE_ROWS)) } else { rest }
    }
}

/// `sums[j] = biases[j] + Σ_i x[i] · weights[i, j]`, in the order of i, over the inputs heard, for
/// the tile's outputs.
///
/// # Safety
/// `heard` names inputs of `x`; `weights` points to `(inputs, outputs)` cells, `biases` to
/// `(outputs,)` cells, `sums` to as many vectors, and to none of the others; the tile is within.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn add_heard<S: Simd, const SLOTS: usize, const WIDTH: usize>(
    x: &[f32],
    heard: &[Heard],
    weights: *const Cell<S, SLOTS>,
    biases: *const Cell<S, SLOTS>,
    sums: *mut S,
    tile: Tile,
) {
    // SAFETY: as the caller has promised.
    unsafe {
        let mut total = [S::splat(0.0); WIDTH];
        for j in 0..WIDTH {
            total[j] = (*biases.add(tile.output + j)).value;
        }
        for one in heard {
            let x = S::splat(*x.get_unchecked(one.input as usize));
            let weights = weights.add(one.input as usize * tile.outputs + tile.output);
            for j in 0..WIDTH {
                total[j] = x.mul_add((*weights.add(j)).value, total[j]);
            }
        }
        sums.add(tile.output).cast::<[S; WIDTH]>().write(total);
    }
}

/// Updates the tile's weights of the inputs that a row hears, then as often as the rows after it do
/// without them.
///
/// # Safety
/// `heard` names inputs of `x`; the first of `back`'s cells are `(inputs, outputs)` weights, none of
/// them masked; its deltas are `(outputs,)`; the tile is within.
#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
#[inline(always)]
pub(super) unsafe fn update_heard<
    S: Simd,
    R: Rule<S, SLOTS>,
    const SLOTS: usize,
    const WIDTH: usize,
>(
    back: &Back<S, R, SLOTS>,
    keep: S,
    x: &[f32],
    heard: &[Heard],
    tile: Tile,
) {
    let zero = S::splat(0.0);
    for one in heard {
        let start = one.input as usize * tile.outputs + tile.output;
        // SAFETY: as the caller has promised.
        let cells = unsafe { back.cells.add(start).cast::<[Cell<S, SLOTS>; WIDTH]>() };
        // SAFETY: likewise.
        let mut own = unsafe { cells.read() };
        // SAFETY: likewise.
        let x = S::splat(unsafe { *x.get_unchecked(one.input as usize) });
        for j in 0..WIDTH {
            // SAFETY: likewise.
            let delta = unsafe { back.deltas.add(tile.output + j).read() };
            let Cell { value, slots } = &mut own[j];
            *value = back.rule.update(*value, slots, x.mul_add(delta, zero), keep);
        }
        for _ in 0..one.rest {
            for Cell { value, slots } in &mut own {
                *value = back.rule.update(*value, slots, zero, keep);
            }
        }
        // SAFETY: likewise.
        unsafe { cells.write(own) };
    }
}
