//! Functions of the core that belong to no run and no network.

use std::time::Duration;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::matrix;
use super::names::{activation, metric_of, task_of};
use super::threads::Threads;
use crate::dataset::{Loss, Objective};
use crate::files;
use crate::kernels;
use crate::metrics::{self, Answers};
use crate::random::{Purpose, Random};

/// The header of a saved network, its hash having been checked.
#[pyfunction]
pub(super) fn read_header(data: &[u8]) -> PyResult<String> {
    Ok(files::read_header(data)?)
}

/// Mean and population standard deviation of some rows, summed in the rows' order.
#[pyfunction]
pub(super) fn column_statistics(
    values: PyReadonlyArray1<'_, f64>,
    rows: PyReadonlyArray1<'_, u32>,
) -> PyResult<(f64, f64)> {
    let (values, rows) = (values.as_array(), rows.as_array());
    let picked = rows
        .iter()
        .map(|&row| values.get(row as usize).copied())
        .collect::<Option<Vec<f64>>>()
        .filter(|picked| !picked.is_empty())
        .ok_or_else(|| PyValueError::new_err("rows: none, or past the end of the column"))?;
    let count = picked.len() as f64;
    let mean = picked.iter().sum::<f64>() / count;
    let squares: f64 = picked.iter().map(|value| (value - mean) * (value - mean)).sum();
    Ok((mean, (squares / count).sqrt()))
}

/// The numbers below `n` in a random order.
#[pyfunction]
pub(super) fn permutation(py: Python<'_>, seed: u64, n: u32) -> Bound<'_, PyArray1<u32>> {
    let mut order: Vec<u32> = (0..n).collect();
    Random::new(seed, 0, 0, Purpose::Split).shuffle(&mut order);
    order.into_pyarray(py)
}

/// Class probabilities of a classifier's outputs.
#[pyfunction]
pub(super) fn probabilities<'py>(
    py: Python<'py>,
    output: &str,
    outputs: PyReadonlyArray2<'_, f32>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let columns = outputs.shape()[1];
    let values = outputs.as_array().iter().copied().collect::<Vec<f32>>();
    let result = metrics::probabilities(activation(output)?, &values, columns);
    matrix(py, result, if columns == 1 { 2 } else { columns })
}

/// A metric's score of outputs `(rows, n_outputs)`, and their mean evaluation loss.
#[pyfunction]
#[pyo3(signature = (outputs, targets, *, task, output, target_scale, sample_weight, metric))]
pub(super) fn evaluate(
    outputs: PyReadonlyArray2<'_, f32>,
    targets: PyReadonlyArray2<'_, f32>,
    task: &str,
    output: &str,
    target_scale: Vec<f64>,
    sample_weight: Option<Vec<f64>>,
    metric: &str,
) -> PyResult<(f64, f64)> {
    if outputs.shape() != targets.shape() || target_scale.len() != targets.shape()[1] {
        return Err(PyValueError::new_err("outputs: need the shape of the targets"));
    }
    let objective = Objective {
        task: task_of(task)?,
        output: activation(output)?,
        loss: Loss::CrossEntropy,
        decay_biases: false,
        target_scale,
    };
    let weights = sample_weight.unwrap_or_else(|| vec![1.0; targets.shape()[0]]);
    let columns = targets.shape()[1];
    let targets = targets.as_array().iter().copied().collect();
    let answers = Answers::new(targets, weights, columns)?;
    let outputs = outputs.as_array().iter().copied().collect::<Vec<f32>>();
    let score = metrics::score(metric_of(metric)?, &objective, &outputs, &answers);
    let losses = metrics::evaluation_losses(&objective, &outputs, &answers);
    Ok((score, answers.mean(losses.into_iter())))
}

/// Floating-point operations a second that a loop of independent fused multiply-adds reaches on so
/// many threads, each counted as two: what benches hold kernels against.
#[pyfunction]
pub(super) fn peak(py: Python<'_>, n_jobs: usize, seconds: f64) -> PyResult<f64> {
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|error| PyValueError::new_err(format!("seconds={seconds}: {error}")))?;
    let pool = Threads::new(n_jobs).get()?;
    let shares = py.detach(|| pool.broadcast(|_| kernels::peak(time)));
    Ok(shares.into_iter().sum())
}
