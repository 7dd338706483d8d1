//! How the matrices of a network's layers stand in training, so that its weight gradients cost little.
//!
//! A layer's weights and biases are a matrix whose rows are padded with zeros to whole vectors, since
//! the weight gradient has a row's numbers in its lanes: `(inputs + 1, outputs)`, the last row being
//! the biases, or, where that is less work, turned, `(outputs, inputs + 1)`. Rows that have room in half
//! a vector stand in halves. So the small layers of small networks fill their lanes.

use super::machine::Machine;

/// A layer's weights and biases as a matrix whose rows are padded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    /// Whether a row has the weights of one output, and its bias, rather than those of one input.
    pub(super) turned: bool,
    rows: usize,
    /// Numbers of the vectors in which rows stand: those of a whole vector or of a half.
    pub(super) lanes: usize,
    /// Such vectors that hold one row.
    pub(super) blocks: usize,
}

/// How a layer stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) matrix: Matrix,
    /// Whether its units stand in rows as well (see `in_rows`): its matrix is upright, the next one
    /// turned, and both have vectors of the same kind.
    pub(super) in_rows: bool,
}

impl Standing {
    /// A matrix whose layer's units stand in columns alone.
    pub(super) fn in_columns(matrix: Matrix) -> Self {
        Self { matrix, in_rows: false }
    }
}

/// What it costs a row of a batch to turn over the columns of one of a row's vectors, in such vectors of
/// a product. With 4 a layer of 128 inputs and 10 outputs was turned though its inputs did not stand in
/// rows, and 3 % slower.
const SQUARE: usize = 6;

/// Numbers of a whole vector and of a half.
type Widths = (usize, usize);

/// How the layers of a network stand, each for least work given the one before, in training by batches of
/// so many rows.
pub(crate) fn standing(topology: &[usize], batch_size: usize, lanes: Widths) -> Vec<Standing> {
    let mut layers: Vec<Standing> = Vec::with_capacity(topology.len());
    for (index, shape) in topology.windows(2).enumerate() {
        let (inputs, outputs) = (shape[0], shape[1]);
        let upright = Matrix::upright((inputs, outputs), lanes);
        let turned = Matrix::padded(true, (outputs, inputs + 1), lanes);
        // The table's rows are at hand.
        let square = if index == 0 { 0 } else { SQUARE };
        let (cost, turned_cost) = (upright.cost(SQUARE, lanes), turned.cost(square, lanes));
        let mut rows = None;
        if let Some(before) = layers.last_mut()
            && !before.matrix.turned
            && before.matrix.lanes == turned.lanes
        {
            // The first layer's deltas need not be turned over, those of another are needed both ways.
            let saved = if index == 1 { before.matrix.vectors(SQUARE, lanes) } else { 0.0 };
            // In rows a product's lanes are padded by the units, in columns by the rows of the batch.
            let columns = (inputs * batch_size.div_ceil(lanes.0)) as f64 / batch_size as f64;
            let more = before.matrix.vectors(1, lanes) - columns * halves(lanes.0, lanes);
            let more = more * (topology[index - 1] + outputs) as f64;
            rows = Some((turned_cost - saved + more, before));
        }
        let least = cost.min(turned_cost);
        let matrix = match rows {
            Some((cost, before)) if cost < least => {
                before.in_rows = true;
                turned
            }
            _ if turned_cost <= cost => turned,
            _ => upright,
        };
        layers.push(Standing::in_columns(matrix));
    }
    layers
}

/// What a vector costs, in halves.
fn halves(lanes: usize, (whole, half): Widths) -> f64 {
    if lanes == whole && half < whole { Machine::this().whole } else { 1.0 }
}

impl Matrix {
    /// One whose rows have the weights of one input each.
    #[inline(always)]
    pub(super) fn upright((inputs, outputs): (usize, usize), lanes: Widths) -> Self {
        Self::padded(false, (inputs + 1, outputs), lanes)
    }

    #[inline(always)]
    fn padded(turned: bool, (rows, columns): (usize, usize), (whole, half): Widths) -> Self {
        let lanes = if columns <= half { half } else { whole };
        Self { turned, rows, lanes, blocks: columns.div_ceil(lanes) }
    }

    /// What the weight gradient costs a row of a batch, where a vector's columns are turned over for
    /// `square`: in halves of vectors, a whole one counting as the halves that it costs.
    fn cost(self, square: usize, lanes: Widths) -> f64 {
        self.vectors(self.rows + square, lanes)
    }

    /// So many vectors for each one of a row, in halves.
    fn vectors(self, each: usize, lanes: Widths) -> f64 {
        (each * self.blocks) as f64 * halves(self.lanes, lanes)
    }

    /// Numbers of a row, padding and all.
    #[inline(always)]
    pub(super) fn row_width(self) -> usize {
        self.blocks * self.lanes
    }

    /// Numbers in all, padding and all.
    #[inline(always)]
    pub(crate) fn numbers(self) -> usize {
        self.rows * self.row_width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_turned_where_that_is_less_work() {
        let turned = |topology: &[usize], lanes| {
            let layers = standing(topology, 32, lanes);
            layers.into_iter().map(|layer| layer.matrix.turned).collect::<Vec<_>>()
        };
        for lanes in [(16, 8), (8, 8)] {
            // Thirty columns and five units: five rows in place of 31. What a later layer hears must be
            // turned over first.
            assert!(turned(&[30, 5, 20], lanes)[0], "{lanes:?}");
            assert_eq!(turned(&[13, 12, 1], lanes), [true, true], "{lanes:?}");
            assert_eq!(turned(&[54, 64, 64, 7], lanes)[1..], [false, false], "{lanes:?}");
        }
        assert_eq!(turned(&[4, 5, 4], (16, 8))[1..], [true]);
        assert_eq!(turned(&[4, 12, 3], (16, 8))[1..], [true]);
    }

    #[test]
    fn units_stand_in_rows_between_an_upright_matrix_and_a_turned_one() {
        let in_rows = |topology: &[usize], batch_size, lanes| {
            let layers = standing(topology, batch_size, lanes);
            for pair in layers.windows(2).filter(|pair| pair[0].in_rows) {
                assert!(!pair[0].matrix.turned && pair[1].matrix.turned, "{pair:?}");
                assert_eq!(pair[0].matrix.lanes, pair[1].matrix.lanes);
                assert!(pair[0].matrix.row_width() <= pair[1].matrix.row_width());
            }
            layers.into_iter().map(|layer| layer.in_rows).collect::<Vec<_>>()
        };
        for lanes in [(16, 8), (8, 8)] {
            assert_eq!(in_rows(&[64, 128, 10], 32, lanes), [true, false], "{lanes:?}");
            assert!(!in_rows(&[64, 64, 64, 10], 64, lanes)[0], "{lanes:?}");
            for width in 1..40 {
                for batch_size in [1, 8, 20, 64] {
                    in_rows(&[64, width, width, 5], batch_size, lanes);
                }
            }
        }
        // By halves, where there are such: a column of eight rows fills half of a whole vector.
        assert_eq!(in_rows(&[20, 20, 7, 2], 8, (16, 8)), [false, true, false]);
    }
}
