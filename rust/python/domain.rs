//! What a hyperparameter can be, in Python.

use pyo3::prelude::*;

use super::names::unknown;
use crate::hyperparameters::{Domain, Scale};

/// The values that one hyperparameter can take.
#[pyclass(frozen, from_py_object, name = "Domain", module = "apbt_rs._core")]
#[derive(Clone)]
pub(super) struct PyDomain(pub(super) Domain);

#[pymethods]
impl PyDomain {
    #[staticmethod]
    fn fixed(value: f64) -> Self {
        Self(Domain::Fixed(value))
    }

    #[staticmethod]
    fn choices(values: Vec<f64>, ordered: bool) -> Self {
        Self(Domain::Choices { values, ordered })
    }

    #[staticmethod]
    fn range(start: (f64, f64), bounds: (f64, f64), scale: &str, integer: bool) -> PyResult<Self> {
        let scale = match scale {
            "linear" => Scale::Linear,
            "log" => Scale::Log,
            "log_one_minus" => Scale::LogOneMinus,
            _ => return Err(unknown("scale", scale)),
        };
        Ok(Self(Domain::Range { start, bounds, scale, integer }))
    }
}
