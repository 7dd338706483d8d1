//! One network trained by batches, with a crate's matrix products.

use apbt_rs::math::{exp, tanh};
use apbt_rs::member::Member;
use apbt_rs::network::Activation;

const LEARNING_RATE: f32 = 0.01;
const MOMENTUM: f32 = 0.9;
const KEEP: f32 = 1.0 - 0.01 * 1e-4;

/// Whose matrix products.
#[derive(Clone, Copy)]
pub enum Product {
    /// The crate `gemm`, of faer.
    Gemm,
    /// The crate `matrixmultiply`, of ndarray.
    MatrixMultiply,
}

/// A matrix in an array, or its transpose.
#[derive(Clone, Copy)]
struct View<'a> {
    numbers: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    fn rows(numbers: &'a [f32], columns: usize) -> Self {
        Self { numbers, row_stride: columns, column_stride: 1 }
    }

    fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }
}

impl Product {
    /// `to = beta · to + a · b`, where `a` is `(m, k)`, `b` `(k, n)`, and `to` `(m, n)` in rows.
    fn run(self, (m, k, n): (usize, usize, usize), a: View, b: View, to: &mut [f32], beta: f32) {
        let last = |view: View, rows: usize, columns: usize| {
            (rows - 1) * view.row_stride + (columns - 1) * view.column_stride
        };
        assert!(last(a, m, k) < a.numbers.len() && last(b, k, n) < b.numbers.len());
        assert!(m * n <= to.len());
        let (a_row, a_column) = (a.row_stride as isize, a.column_stride as isize);
        let (b_row, b_column) = (b.row_stride as isize, b.column_stride as isize);
        let (a, b, to) = (a.numbers.as_ptr(), b.numbers.as_ptr(), to.as_mut_ptr());
        // SAFETY: the last number of each matrix is within its array, as asserted above.
        unsafe {
            match self {
                Self::Gemm => gemm::gemm(
                    m,
                    n,
                    k,
                    to,
                    1,
                    n as isize,
                    beta != 0.0,
                    a,
                    a_column,
                    a_row,
                    b,
                    b_column,
                    b_row,
                    beta,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                ),
                Self::MatrixMultiply => matrixmultiply::sgemm(
                    m, k, n, 1.0, a, a_row, a_column, b, b_row, b_column, beta, to, n as isize, 1,
                ),
            }
        }
    }
}

struct Layer {
    inputs: usize,
    outputs: usize,
    /// `(inputs, outputs)`, and its velocity and gradient; so for the biases, `(outputs,)`.
    weights: [Vec<f32>; 3],
    biases: [Vec<f32>; 3],
    /// What the layer gives, and its deltas: `(batch, outputs)`.
    units: Vec<f32>,
    deltas: Vec<f32>,
}

/// A network in training.
pub struct Trainer {
    layers: Vec<Layer>,
    activation: Activation,
    batch: usize,
    /// A batch's rows, `(batch, inputs)` and `(batch, outputs)`.
    x: Vec<f32>,
    t: Vec<f32>,
    product: Product,
}

impl Trainer {
    pub fn new(
        topology: &[usize],
        activation: Activation,
        batch: usize,
        member: &Member,
        product: Product,
    ) -> Self {
        let parameters = member.network.parameters();
        let layers = member.network.layers().map(|layer| {
            let weights = layer.inputs * layer.outputs;
            let start = layer.weights;
            let first = parameters[start..start + weights].to_vec();
            let biases = vec![0.0; layer.outputs];
            Layer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weights: [first, vec![0.0; weights], vec![0.0; weights]],
                biases: [biases.clone(), biases.clone(), biases],
                units: vec![0.0; batch * layer.outputs],
                deltas: vec![0.0; batch * layer.outputs],
            }
        });
        Self {
            layers: layers.collect(),
            activation,
            batch,
            x: vec![0.0; batch * topology[0]],
            t: vec![0.0; batch * topology[topology.len() - 1]],
            product,
        }
    }

    /// Descends by each batch of the rows in this order.
    pub fn epoch(&mut self, x: &[f32], t: &[f32], order: &[usize]) {
        for batch in order.chunks(self.batch) {
            gather(x, batch, &mut self.x, self.layers[0].inputs);
            gather(t, batch, &mut self.t, self.layers[self.layers.len() - 1].outputs);
            self.step(batch.len());
        }
    }

    fn step(&mut self, rows: usize) {
        let last = self.layers.len() - 1;
        for index in 0..=last {
            let (before, after) = self.layers.split_at_mut(index);
            let heard = before.last().map_or(&self.x, |layer| &layer.units);
            let layer = &mut after[0];
            let units = &mut layer.units[..rows * layer.outputs];
            for row in units.chunks_exact_mut(layer.outputs) {
                row.copy_from_slice(&layer.biases[0]);
            }
            let a = View::rows(heard, layer.inputs);
            let b = View::rows(&layer.weights[0], layer.outputs);
            self.product.run((rows, layer.inputs, layer.outputs), a, b, units, 1.0);
            match self.activation {
                _ if index == last => units.chunks_exact_mut(layer.outputs).for_each(softmax),
                Activation::Tanh => units.iter_mut().for_each(|unit| *unit = tanh(*unit)),
                _ => units.iter_mut().for_each(|unit| *unit = unit.max(0.0)),
            }
        }
        let scale = 1.0 / rows as f32;
        let layer = &mut self.layers[last];
        for ((delta, unit), t) in layer.deltas.iter_mut().zip(&layer.units).zip(&self.t) {
            *delta = (unit - t) * scale;
        }
        for index in (0..=last).rev() {
            let (before, after) = self.layers.split_at_mut(index);
            let layer = &mut after[0];
            let deltas = &layer.deltas[..rows * layer.outputs];
            let d = View::rows(deltas, layer.outputs);
            let heard = before.last().map_or(&self.x, |layer| &layer.units);
            let shape = (layer.inputs, rows, layer.outputs);
            let heard = View::rows(heard, layer.inputs).transposed();
            self.product.run(shape, heard, d, &mut layer.weights[2], 0.0);
            layer.biases[2].fill(0.0);
            for row in deltas.chunks_exact(layer.outputs) {
                for (sum, delta) in layer.biases[2].iter_mut().zip(row) {
                    *sum += delta;
                }
            }
            if let Some(below) = before.last_mut() {
                let shape = (rows, layer.outputs, layer.inputs);
                let w = View::rows(&layer.weights[0], layer.outputs).transposed();
                let back = &mut below.deltas[..rows * layer.inputs];
                self.product.run(shape, d, w, back, 0.0);
                for (delta, unit) in back.iter_mut().zip(&below.units) {
                    *delta = match self.activation {
                        Activation::Tanh => *delta * (1.0 - unit * unit),
                        _ if *unit > 0.0 => *delta,
                        _ => 0.0,
                    };
                }
            }
            update(&mut layer.weights, KEEP);
            update(&mut layer.biases, 1.0);
        }
    }
}

fn update([parameters, velocities, gradients]: &mut [Vec<f32>; 3], keep: f32) {
    for ((w, v), g) in parameters.iter_mut().zip(velocities).zip(gradients) {
        *v = MOMENTUM * *v - LEARNING_RATE * *g;
        *w = keep * *w + *v;
    }
}

fn gather(table: &[f32], batch: &[usize], to: &mut [f32], columns: usize) {
    for (row, to) in batch.iter().zip(to.chunks_exact_mut(columns)) {
        to.copy_from_slice(&table[row * columns..][..columns]);
    }
}

fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for z in row.iter_mut() {
        *z = exp(*z - most);
        sum += *z;
    }
    for z in row {
        *z /= sum;
    }
}
