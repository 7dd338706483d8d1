//! Networks in Python: what they are made of, and what they give.

use std::borrow::Cow;

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::matrix;
use super::names::activation;
use super::threads::SHARED;
use crate::archive::Snapshot;
use crate::files;
use crate::hyperparameters::{BATCH_SIZE, NAMES, OPTIMIZER, OPTIMIZERS, applies};
use crate::network::{Network, layers};
use crate::scoring::{self, ROWS_PER_TASK};

/// A network: topology, activations, parameters, mask.
#[pyclass(frozen, name = "Network", module = "apbt_rs._core")]
pub(super) struct PyNetwork(Network);

#[pymethods]
impl PyNetwork {
    #[new]
    #[pyo3(signature = (topology, activations, parameters, mask=None))]
    fn new(
        topology: Vec<usize>,
        activations: Vec<String>,
        parameters: PyReadonlyArray1<'_, f32>,
        mask: Option<PyReadonlyArray1<'_, bool>>,
    ) -> PyResult<Self> {
        let activations =
            activations.iter().map(|name| activation(name)).collect::<PyResult<_>>()?;
        let parameters = parameters.as_array().to_vec();
        let mask = mask.map_or_else(|| vec![true; parameters.len()], |m| m.as_array().to_vec());
        Ok(Self(Network::new(topology, activations, parameters, mask)?))
    }

    #[getter]
    fn topology(&self) -> Vec<usize> {
        self.0.topology().to_vec()
    }

    #[getter]
    fn activations(&self) -> Vec<&'static str> {
        self.0.activations().iter().map(|activation| activation.name()).collect()
    }

    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.0.parameters().to_vec().into_pyarray(py)
    }

    #[getter]
    fn mask<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.0.mask().to_vec().into_pyarray(py)
    }

    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    #[getter]
    fn n_parameters(&self) -> usize {
        self.0.n_parameters()
    }

    /// Weights `(inputs, outputs)` and biases `(outputs,)` of each layer.
    #[allow(clippy::type_complexity, reason = "a list of pairs of arrays")]
    fn layers<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>)>> {
        let part = |from: usize, to: usize| self.0.parameters()[from..to].to_vec();
        layers(self.0.topology())
            .map(|layer| {
                let weights = matrix(py, part(layer.weights, layer.biases), layer.outputs)?;
                Ok((weights, part(layer.biases, layer.end()).into_pyarray(py)))
            })
            .collect()
    }

    /// Outputs `(rows, n_outputs)` for inputs `(rows, n_inputs)`.
    fn outputs<'py>(
        &self,
        py: Python<'py>,
        inputs: PyReadonlyArray2<'_, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        if inputs.shape()[1] != self.0.inputs() {
            let (given, wanted) = (inputs.shape()[1], self.0.inputs());
            let problem = format!("X: has {given} encoded columns, not {wanted}");
            return Err(PyValueError::new_err(problem));
        }
        let (array, rows) = (inputs.as_array(), inputs.shape()[0]);
        // Row after row, which `PyReadonlyArray::as_slice` does not ask for: it also takes columns that follow
        // each other.
        let inputs = match array.as_slice() {
            Some(inputs) => Cow::Borrowed(inputs),
            None => Cow::Owned(array.iter().copied().collect()),
        };
        let network = &self.0;
        let outputs = if rows > ROWS_PER_TASK {
            let pool = SHARED.get()?;
            py.detach(|| pool.install(|| scoring::predict(network, &inputs)))
        } else {
            py.detach(|| scoring::predict(network, &inputs))
        };
        matrix(py, outputs, self.0.outputs())
    }

    fn to_file<'py>(&self, py: Python<'py>, header: &str) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &files::write(&self.0, header)?))
    }

    #[staticmethod]
    fn from_file(data: &[u8], activations: Vec<String>) -> PyResult<Self> {
        let activations =
            activations.iter().map(|name| activation(name)).collect::<PyResult<_>>()?;
        Ok(Self(files::read_network(data, activations)?))
    }
}

/// A network as it was when it scored.
#[pyclass(frozen, name = "Snapshot", module = "apbt_rs._core")]
pub(super) struct PySnapshot(pub(super) Snapshot);

#[pymethods]
impl PySnapshot {
    #[getter]
    fn network(&self) -> PyNetwork {
        PyNetwork(self.0.network.clone())
    }

    #[getter]
    fn validation_score(&self) -> Option<f64> {
        self.0.score.score
    }

    #[getter]
    fn validation_loss(&self) -> Option<f64> {
        self.0.score.loss
    }

    #[getter]
    fn log_fitness(&self) -> f64 {
        self.0.score.log_fitness
    }

    #[getter]
    fn fitness(&self) -> f64 {
        crate::math::exp_f64(self.0.score.log_fitness)
    }

    #[getter]
    fn generation(&self) -> u64 {
        self.0.generation
    }

    #[getter]
    fn member(&self) -> u32 {
        self.0.member
    }

    #[getter]
    fn hyperparameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let values = &self.0.hyperparameters;
        let result = PyDict::new(py);
        for (row, name) in NAMES.into_iter().enumerate() {
            match row {
                _ if !applies(row, values) => result.set_item(name, py.None())?,
                BATCH_SIZE => result.set_item(name, values[row] as u64)?,
                OPTIMIZER => result.set_item(name, OPTIMIZERS[values[row] as usize])?,
                _ => result.set_item(name, values[row])?,
            }
        }
        Ok(result)
    }
}
