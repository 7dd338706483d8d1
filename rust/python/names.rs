//! Names of the Python API as the core's values.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::dataset::Task;
use crate::metrics::Metric;
use crate::network::Activation;

pub(super) fn unknown(argument: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{argument}: {value:?} is not known"))
}

pub(super) fn activation(name: &str) -> PyResult<Activation> {
    Activation::from_name(name).ok_or_else(|| unknown("activation", name))
}

pub(super) fn metric_of(name: &str) -> PyResult<Metric> {
    Metric::ALL
        .into_iter()
        .chain([Metric::Custom])
        .find(|metric| metric.name() == name)
        .ok_or_else(|| unknown("metric", name))
}

pub(super) fn task_of(name: &str) -> PyResult<Task> {
    match name {
        "classification" => Ok(Task::Classification),
        "regression" => Ok(Task::Regression),
        _ => Err(unknown("task", name)),
    }
}
