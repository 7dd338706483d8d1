//! The binding to Python: converts types and errors, and knows when to let go of the interpreter.
#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
#![allow(clippy::redundant_closure_for_method_calls, reason = "attach wants any lifetime")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::archive::Snapshot;
use crate::dataset::{Dataset, Loss, Objective, Task};
use crate::error::Error;
use crate::evolution::{Run, State, from_bytes, to_bytes};
use crate::files;
use crate::history::History;
use crate::hyperparameters::{
    BATCH_SIZE, Domain, NAMES, OPTIMIZER, OPTIMIZERS, Scale, Table, applies,
};
use crate::member::{Event, Space};
use crate::metrics::{self, Answers, Metric};
use crate::network::{Activation, Network, layers};
use crate::random::{Purpose, Random};
use crate::scoring::{self, Fitness, Judge};
use crate::selection::Action;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { .. } | Error::Corrupt(_) => PyValueError::new_err(error.to_string()),
            Error::Stopped => PyRuntimeError::new_err(error.to_string()),
        }
    }
}

/// How often a call that trains looks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

fn unknown(argument: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{argument}: {value:?} is not known"))
}

fn activation(name: &str) -> PyResult<Activation> {
    Activation::from_name(name).ok_or_else(|| unknown("activation", name))
}

fn metric_of(name: &str) -> PyResult<Metric> {
    Metric::ALL
        .into_iter()
        .chain([Metric::Custom])
        .find(|metric| metric.name() == name)
        .ok_or_else(|| unknown("metric", name))
}

fn task_of(name: &str) -> PyResult<Task> {
    match name {
        "classification" => Ok(Task::Classification),
        "regression" => Ok(Task::Regression),
        _ => Err(unknown("task", name)),
    }
}

fn matrix(py: Python<'_>, values: Vec<f32>, columns: usize) -> PyResult<Bound<'_, PyArray2<f32>>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    values.into_pyarray(py).reshape([rows, columns])
}

/// The values that one hyperparameter can take.
#[pyclass(frozen, from_py_object, name = "Domain", module = "apbt_rs._core")]
#[derive(Clone)]
struct PyDomain(Domain);

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

/// A network: topology, activations, parameters, mask.
#[pyclass(frozen, name = "Network", module = "apbt_rs._core")]
struct PyNetwork(Network);

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
        let inputs = inputs.as_array().iter().copied().collect::<Vec<f32>>();
        let outputs = py.detach(|| scoring::predict(&self.0, &inputs));
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
struct PySnapshot(Snapshot);

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
    fn row_losses<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.0.score.row_losses.clone().into_pyarray(py)
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

/// A run and its state: the four functions of a generation, and what they leave behind.
#[pyclass(name = "Evolution", module = "apbt_rs._core")]
struct PyEvolution {
    run: Run,
    state: State,
    history: History,
    pool: ThreadPool,
}

fn new_pool(n_jobs: usize) -> PyResult<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(n_jobs)
        .thread_name(|index| format!("apbt-rs-{index}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("n_jobs: no threads: {error}")))
}

#[pymethods]
impl PyEvolution {
    #[new]
    #[pyo3(signature = (
        inputs, targets, *, task, output, loss, decay_biases, target_scale, sample_weight, train,
        validation, seed, k, space, activations, metric, anchors, score_base, size_base, n_jobs
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of one private call")]
    fn new(
        inputs: PyReadonlyArray2<'_, f32>,
        targets: PyReadonlyArray2<'_, f32>,
        task: &str,
        output: &str,
        loss: &str,
        decay_biases: bool,
        target_scale: Vec<f64>,
        sample_weight: Option<Vec<f64>>,
        train: PyReadonlyArray1<'_, u32>,
        validation: PyReadonlyArray1<'_, u32>,
        seed: u64,
        k: usize,
        space: &Bound<'_, PyDict>,
        activations: Vec<String>,
        metric: &str,
        anchors: Option<(f64, f64)>,
        score_base: f64,
        size_base: f64,
        n_jobs: usize,
    ) -> PyResult<Self> {
        let loss = match loss {
            "squared_error" => Loss::SquaredError,
            "cross_entropy" => Loss::CrossEntropy,
            _ => return Err(unknown("loss", loss)),
        };
        let (task, output) = (task_of(task)?, activation(output)?);
        let dataset = Dataset::new(
            inputs.as_array().iter().copied().collect(),
            targets.as_array().iter().copied().collect(),
            targets.shape()[1],
            sample_weight,
            train.as_array().to_vec(),
            validation.as_array().to_vec(),
            Objective { task, output, loss, decay_biases, target_scale },
            seed,
        )?;
        let domain = |name: &str| -> PyResult<Domain> {
            let domain = space.get_item(name)?;
            let domain = domain.ok_or_else(|| unknown("space", name))?;
            Ok(domain.extract::<PyDomain>()?.0)
        };
        let space = Space {
            hidden_layers: domain("hidden_layers")?,
            hidden_units: domain("hidden_units")?,
            activations: activations
                .iter()
                .map(|name| activation(name))
                .collect::<PyResult<_>>()?,
            density: domain("density")?,
            table: Table::new(NAMES.into_iter().map(domain).collect::<PyResult<_>>()?)?,
        };
        let fitness = Fitness { score_base, size_base };
        let judge = Judge::new(&dataset, metric_of(metric)?, fitness, anchors)?;
        let run = Run::new(dataset, space, judge, seed)?;
        let state = run.start(k)?;
        Ok(Self { run, state, history: History::default(), pool: new_pool(n_jobs)? })
    }

    /// Trains every member. False if the deadline, in seconds from now, came first: the members are
    /// then as they were.
    #[pyo3(signature = (epochs, deadline=None))]
    fn train(&mut self, py: Python<'_>, epochs: u64, deadline: Option<f64>) -> PyResult<bool> {
        let end = deadline
            .map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
            .and_then(|seconds| Instant::now().checked_add(seconds));
        let Self { run, state, pool, .. } = self;
        let stop = AtomicBool::new(false);
        let mut interrupt = None;
        let outcome = py.detach(|| {
            std::thread::scope(|scope| {
                let (finished, wait_for) = channel::<()>();
                let worker = scope.spawn(|| {
                    // Dropped at the end, however the work ends.
                    let _finished = finished;
                    pool.install(|| run.train(state, epochs, &stop))
                });
                loop {
                    let left = end.map_or(SIGNAL_INTERVAL, |end| {
                        end.saturating_duration_since(Instant::now()).min(SIGNAL_INTERVAL)
                    });
                    if wait_for.recv_timeout(left) == Err(RecvTimeoutError::Disconnected) {
                        break worker.join();
                    }
                    if stop.load(Ordering::Relaxed) {
                        continue;
                    }
                    if let Err(error) = Python::attach(|py| py.check_signals()) {
                        interrupt = Some(error);
                        stop.store(true, Ordering::Relaxed);
                    }
                    if end.is_some_and(|end| Instant::now() >= end) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            })
        });
        if let Some(error) = interrupt {
            return Err(error);
        }
        match outcome {
            Ok(Ok(())) => Ok(true),
            Ok(Err(Error::Stopped)) => Ok(false),
            Ok(Err(error)) => Err(error.into()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Scores every member and records the generation.
    #[pyo3(signature = (custom=None))]
    fn score(&mut self, py: Python<'_>, custom: Option<Vec<f64>>) -> PyResult<()> {
        let Self { run, state, history, pool } = self;
        let score = || pool.install(|| run.score(state, history, custom.as_deref()));
        Ok(py.detach(score)?)
    }

    /// Each member's outputs on the validation rows, `(rows, n_outputs)`.
    fn validation_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArray2<f32>>>> {
        let dataset = &self.run.dataset;
        let outputs = py.detach(|| {
            self.pool.install(|| scoring::validation_outputs(dataset, &self.state.population))
        });
        outputs.into_iter().map(|one| matrix(py, one, dataset.n_outputs())).collect()
    }

    fn plan(&self) -> Vec<(&'static str, Option<u32>)> {
        let plan = if self.state.generation > 0 {
            self.run.plan(&self.state)
        } else {
            Run::keep_all(&self.state)
        };
        plan.into_iter()
            .map(|action| match action {
                Action::Keep => ("keep", None),
                Action::Copy(donor) => ("copy", Some(donor)),
                Action::Fresh => ("fresh", None),
            })
            .collect()
    }

    fn apply(&mut self, plan: Vec<(String, Option<u32>)>) -> PyResult<()> {
        let action = |(name, donor): &(String, Option<u32>)| match (name.as_str(), donor) {
            ("keep", None) => Ok(Action::Keep),
            ("copy", Some(donor)) => Ok(Action::Copy(*donor)),
            ("fresh", None) => Ok(Action::Fresh),
            _ => Err(unknown("plan", name)),
        };
        let plan = plan.iter().map(action).collect::<PyResult<Vec<Action>>>()?;
        Ok(self.run.apply(&mut self.state, &plan)?)
    }

    #[getter]
    fn generation(&self) -> u64 {
        self.state.generation
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.state.population.first().map_or(0, |member| member.epochs)
    }

    /// The last generation in which the best fitness or the highest score rose.
    #[getter]
    fn improved(&self) -> u64 {
        self.state.archive.improved()
    }

    fn best(&self) -> Option<PySnapshot> {
        self.state.archive.best().cloned().map(PySnapshot)
    }

    fn most_accurate(&self) -> Option<PySnapshot> {
        self.state.archive.most_accurate().cloned().map(PySnapshot)
    }

    fn one_se(&self) -> Option<PySnapshot> {
        let answers = Answers::of_validation(&self.run.dataset);
        self.state.archive.one_se(&answers).cloned().map(PySnapshot)
    }

    fn front(&self) -> Vec<PySnapshot> {
        self.state.archive.front().iter().cloned().map(PySnapshot).collect()
    }

    /// The history's columns from a row on. Missing numbers are NaN, missing parents −1; the lists
    /// stand end to end, `topology_length` and one hidden activation for each inner layer apart.
    fn history<'py>(&self, py: Python<'py>, first: usize) -> PyResult<Bound<'py, PyDict>> {
        let history = &self.history;
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

    /// The whole as bytes, for [`PyEvolution::from_bytes`].
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.state.to_bytes()?;
        Ok(PyBytes::new(py, &to_bytes(&(&self.run, &self.history, state))?))
    }

    #[staticmethod]
    fn from_bytes(data: &[u8], n_jobs: usize) -> PyResult<Self> {
        let (run, history, state): (Run, History, Vec<u8>) = from_bytes(data)?;
        let state = State::from_bytes(&state, &run)?;
        Ok(Self { run, state, history, pool: new_pool(n_jobs)? })
    }
}

/// The header of a saved network, its hash having been checked.
#[pyfunction]
fn read_header(data: &[u8]) -> PyResult<String> {
    Ok(files::read_header(data)?)
}

/// Mean and population standard deviation of some rows, summed in the rows' order.
#[pyfunction]
fn column_statistics(
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
fn permutation(py: Python<'_>, seed: u64, n: u32) -> Bound<'_, PyArray1<u32>> {
    let mut order: Vec<u32> = (0..n).collect();
    Random::new(seed, 0, 0, Purpose::Split).shuffle(&mut order);
    order.into_pyarray(py)
}

/// Class probabilities of a classifier's outputs.
#[pyfunction]
fn probabilities<'py>(
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
fn evaluate(
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

/// The core of the package `apbt_rs`.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::{
        PyDomain, PyEvolution, PyNetwork, PySnapshot, column_statistics, evaluate, permutation,
        probabilities, read_header,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        use super::{Activation, Event, Metric, NAMES, OPTIMIZERS, Task};

        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ACTIVATIONS", Activation::ALL.map(Activation::name).to_vec())?;
        module.add("EVENTS", Event::ALL.map(Event::name).to_vec())?;
        module.add("HYPERPARAMETERS", NAMES.to_vec())?;
        module.add("OPTIMIZERS", OPTIMIZERS.to_vec())?;
        let of = |task: Task| -> Vec<&str> {
            let metrics = Metric::ALL.into_iter().filter(|metric| metric.task() == Some(task));
            metrics.map(Metric::name).collect()
        };
        module.add("CLASSIFICATION_METRICS", of(Task::Classification))?;
        module.add("REGRESSION_METRICS", of(Task::Regression))?;
        Ok(())
    }
}
