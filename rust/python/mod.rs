//! The binding to Python: converts types and errors, and knows when to let go of the interpreter.
//!
//! [`evolution`] binds a run, [`network`] what it results in, [`table`] what it
//! begins with, [`functions`] what needs neither;
//! [`threads`] keeps pools of threads that outlive a fork.
#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
#![allow(clippy::redundant_closure_for_method_calls, reason = "attach wants any lifetime")]

mod domain;
mod evolution;
mod functions;
mod history;
mod names;
mod network;
mod table;
mod threads;

use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::error::Error;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { .. } | Error::Corrupt(_) => PyValueError::new_err(error.to_string()),
            Error::Stopped => PyRuntimeError::new_err(error.to_string()),
        }
    }
}

/// An array of shape `(rows, columns)`.
type Matrix<'py> = Bound<'py, PyArray2<f32>>;

fn matrix(py: Python<'_>, values: Vec<f32>, columns: usize) -> PyResult<Matrix<'_>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    values.into_pyarray(py).reshape([rows, columns])
}

/// The core of the package `apbt_rs`.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::domain::PyDomain;
    #[pymodule_export]
    use super::evolution::PyEvolution;
    #[pymodule_export]
    use super::functions::{
        column_statistics, evaluate, peak, permutation, probabilities, read_header,
    };
    #[pymodule_export]
    use super::network::{PyNetwork, PySnapshot};
    #[pymodule_export]
    use super::table::PyTable;
    #[pymodule_export]
    use super::threads::default_threads;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        use crate::hyperparameters::{NAMES, OPTIMIZERS};
        use crate::member::Event;
        use crate::metrics::Metric;
        use crate::network::Activation;

        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("INSTRUCTIONS", crate::kernels::instruction_set()?)?;
        module.add("ACTIVATIONS", Activation::ALL.map(Activation::name).to_vec())?;
        module.add("EVENTS", Event::ALL.map(Event::name).to_vec())?;
        module.add("HYPERPARAMETERS", NAMES.to_vec())?;
        module.add("OPTIMIZERS", OPTIMIZERS.to_vec())?;
        let of = |task: crate::dataset::Task| -> Vec<&str> {
            let metrics = Metric::ALL.into_iter().filter(|metric| metric.task() == Some(task));
            metrics.map(Metric::name).collect()
        };
        module.add("CLASSIFICATION_METRICS", of(crate::dataset::Task::Classification))?;
        module.add("REGRESSION_METRICS", of(crate::dataset::Task::Regression))?;
        Ok(())
    }
}
