//! Which inputs are not zero, and which of them the rows to come hear: what `zeros` goes by.

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::member::Member;

/// Outputs of a layer whose weights cost as much to go through as an input that is heard costs
/// besides its own: a branch that no processor foresees.
const OUTPUTS_PER_HEARD: usize = 3;
/// A layer that is seldom wider.
const WIDE: usize = 24;
/// Rows that one thread looks through at a time.
const ROWS: usize = 4096;

/// Which inputs of each row of a table are not zero.
pub(crate) struct Nonzeros {
    /// Inputs of a row, zeros and all.
    width: usize,
    /// Where a row's begin, `(rows + 1,)`.
    starts: Vec<usize>,
    inputs: Vec<u32>,
}

impl Nonzeros {
    /// Those of a table; none where not even a wide layer would gain by them.
    pub(crate) fn of(dataset: &Dataset) -> Option<Self> {
        let width = dataset.n_inputs();
        let rows = || dataset.inputs().par_chunks(width).with_min_len(ROWS);
        let mut starts: Vec<usize> =
            rows().map(|row| row.iter().filter(|&&x| x != 0.0).count()).collect();
        let mut before = 0;
        for start in &mut starts {
            (*start, before) = (before, before + *start);
        }
        starts.push(before);
        if !pays(dataset.inputs().len() - before, before, WIDE) {
            return None;
        }
        let inputs = rows().flat_map_iter(|row| {
            let nonzero = row.iter().enumerate().filter(|(_, x)| **x != 0.0);
            nonzero.map(|(place, _)| place as u32)
        });
        Some(Self { width, starts, inputs: inputs.collect() })
    }

    /// Whether the first layer of a group of members gains by them.
    pub(crate) fn pay(&self, members: &[&mut Member]) -> bool {
        let outputs = members.iter().map(|member| member.network.topology()[1]).max();
        let numbers = (self.starts.len() - 1) * self.width;
        pays(numbers - self.inputs.len(), self.inputs.len(), outputs.unwrap_or(0))
    }

    /// Inputs of a row, zeros and all.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    fn row(&self, row: u32) -> &[u32] {
        &self.inputs[self.starts[row as usize]..self.starts[row as usize + 1]]
    }
}

/// Whether so many zeros and other numbers are worth while for a layer of so many outputs.
fn pays(zeros: usize, nonzeros: usize, outputs: usize) -> bool {
    zeros as u64 * outputs as u64 >= OUTPUTS_PER_HEARD as u64 * nonzeros as u64
}

/// An input that a row hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) input: u32,
    /// How many of the next rows do without it.
    pub(super) rest: u32,
    pub(super) x: f32,
}

/// What the rows to come hear: of the first all inputs, so that each is heard once at least.
pub(super) struct Ahead<'a> {
    dataset: &'a Dataset,
    nonzeros: &'a Nonzeros,
    /// What each row hears, the last row's first.
    heard: Vec<Heard>,
    /// Where in `heard` each row's begin, the last row's first.
    starts: Vec<usize>,
    /// For each input the row that hears it next.
    next: Vec<u32>,
}

impl<'a> Ahead<'a> {
    /// Of no rows yet.
    pub(super) fn new(dataset: &'a Dataset, nonzeros: &'a Nonzeros) -> Self {
        Self { dataset, nonzeros, heard: Vec::new(), starts: Vec::new(), next: Vec::new() }
    }

    /// Looks at the rows to come.
    pub(super) fn look(&mut self, rows: &[u32]) {
        self.heard.clear();
        self.starts.clear();
        self.next.clear();
        self.next.resize(self.nonzeros.width, rows.len() as u32);
        for (place, &row) in rows.iter().enumerate().rev() {
            if place > 0 {
                self.hear(self.nonzeros.row(row).iter().copied(), row, place as u32);
            } else {
                self.hear(0..self.nonzeros.width as u32, row, 0);
            }
        }
    }

    /// The row in this place hears these inputs.
    fn hear(&mut self, inputs: impl Iterator<Item = u32>, row: u32, place: u32) {
        let x = self.dataset.input(row);
        self.starts.push(self.heard.len());
        for input in inputs {
            let next = &mut self.next[input as usize];
            self.heard.push(Heard { input, rest: *next - place - 1, x: x[input as usize] });
            *next = place;
        }
    }

    /// What the next row hears, in the order of inputs, none of them past the table's last.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Loss, Objective, Task};
    use crate::network::Activation;

    #[test]
    fn every_weight_is_updated_once_for_each_row_and_is_up_to_date_when_it_is_heard() {
        let x = vec![0.0, 1.0, 0.0, -0.0, 0.0, 2.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0];
        let objective = Objective {
            task: Task::Regression,
            output: Activation::Identity,
            loss: Loss::SquaredError,
            decay_biases: false,
            target_scale: vec![1.0],
        };
        let rows = vec![0, 1, 2, 3];
        let dataset =
            Dataset::new(x, vec![0.0; 4], 1, None, rows.clone(), rows, objective, 0).unwrap();
        let nonzeros = Nonzeros::of(&dataset).unwrap();
        assert_eq!(
            (0..4).map(|row| nonzeros.row(row)).collect::<Vec<_>>(),
            [&[1][..], &[2], &[0, 2], &[]]
        );
        let mut ahead = Ahead::new(&dataset, &nonzeros);
        let order = [2, 0, 3, 1, 1, 0, 2];
        for rows in [&order[..4], &order[4..], &order[..1]] {
            ahead.look(rows);
            let mut updates = [0; 3];
            for (place, &row) in rows.iter().enumerate() {
                for one in ahead.row() {
                    let input = one.input as usize;
                    assert_eq!(updates[input], place);
                    assert_eq!(one.x.to_bits(), dataset.input(row)[input].to_bits());
                    updates[input] += 1 + one.rest as usize;
                }
                let heard: Vec<u32> = ahead.row().iter().map(|one| one.input).collect();
                let expected = if place == 0 { &[0, 1, 2] } else { nonzeros.row(row) };
                assert_eq!(heard, expected);
                ahead.pass();
            }
            assert_eq!(updates, [rows.len(); 3]);
            assert!(ahead.heard.is_empty() && ahead.starts.is_empty());
        }
    }
}
