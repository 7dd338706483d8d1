//! The history's columns as arrays.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::history::History;
use crate::hyperparameters::NAMES;

/// The history's columns from a row on. Missing numbers are NaN, missing parents −1; the lists
/// stand end to end, `topology_length` and one hidden activation for each inner layer apart.
pub(super) fn columns<'py>(
    py: Python<'py>,
    history: &History,
    first: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let first = first.min(history.len());
    let floats = |column: &[Option<f64>]| {
        let values = column[first..].iter().map(|value| value.unwrap_or(f64::NAN));
        values.collect::<Vec<_>>().into_pyarray(py)
    };
    let parent = history.parent[first..].iter().map(|parent| parent.map_or(-1, i64::from));
    let event = history.event[first..].iter().map(|event| *event as u8);
    let length = history.topology[first..].iter().map(|topology| topology.len() as u32);
    let units = history.topology[first..].iter().flatten().map(|&units| units as u32);
    let activation =
        history.activation[first..].iter().flatten().map(|&activation| activation as u8);
    let columns = PyDict::new(py);
    columns.set_item("generation", history.generation[first..].to_vec().into_pyarray(py))?;
    columns.set_item("epoch", history.epoch[first..].to_vec().into_pyarray(py))?;
    columns.set_item("member", history.member[first..].to_vec().into_pyarray(py))?;
    columns.set_item("event", event.collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("parent", parent.collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("train_loss", floats(&history.train_loss))?;
    columns.set_item("validation_loss", floats(&history.validation_loss))?;
    columns.set_item("validation_score", floats(&history.validation_score))?;
    columns.set_item("log_fitness", history.log_fitness[first..].to_vec().into_pyarray(py))?;
    columns.set_item("fitness", history.fitness[first..].to_vec().into_pyarray(py))?;
    columns.set_item("size", history.size[first..].to_vec().into_pyarray(py))?;
    columns.set_item("topology", units.collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("topology_length", length.collect::<Vec<_>>().into_pyarray(py))?;
    columns.set_item("activation", activation.collect::<Vec<_>>().into_pyarray(py))?;
    for (name, column) in NAMES.into_iter().zip(&history.hyperparameters) {
        columns.set_item(name, floats(column))?;
    }
    Ok(columns)
}
