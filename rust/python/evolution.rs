//! A run in Python: the four functions of a generation, and what they leave behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use super::domain::PyDomain;
use super::history::columns;
use super::names::{activation, metric_of, task_of, unknown};
use super::network::PySnapshot;
use super::table::PyTable;
use super::threads::Threads;
use super::{Matrix, matrix};
use crate::dataset::{Dataset, Loss, Objective};
use crate::error::{Error, Result, corrupt};
use crate::evolution::{Run, State};
use crate::grouping::padding;
use crate::history::History;
use crate::hyperparameters::{Domain, NAMES, Table};
use crate::member::Space;
use crate::scoring::{self, Fitness, Judge};
use crate::selection::Action;

/// How often a call that trains looks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);
/// A run and its state: the four functions of a generation, and what they leave behind.
#[pyclass(name = "Evolution", module = "apbt_rs._core")]
pub(super) struct PyEvolution {
    run: Run,
    state: State,
    history: History,
    threads: Threads,
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
        py: Python<'_>,
        inputs: &mut PyTable,
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
        let objective = Objective { task, output, loss, decay_biases, target_scale };
        let (inputs, columns) = (inputs.take(), targets.shape()[1]);
        let targets: Vec<f32> = targets.as_array().iter().copied().collect();
        let (train, validation) = (train.as_array().to_vec(), validation.as_array().to_vec());
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
        let (metric, fitness) = (metric_of(metric)?, Fitness { score_base, size_base });
        let threads = Threads::new(n_jobs);
        let pool = threads.get()?;
        let start = || -> Result<(Run, State)> {
            let dataset = Dataset::new(
                inputs,
                targets,
                columns,
                sample_weight,
                train,
                validation,
                objective,
                seed,
            )?;
            let judge = Judge::new(&dataset, metric, fitness, anchors)?;
            let run = Run::new(dataset, space, judge, seed)?;
            let state = run.start(k)?;
            Ok((run, state))
        };
        let (run, state) = py.detach(|| pool.install(start))?;
        Ok(Self { run, state, history: History::default(), threads })
    }

    /// Trains every member. False if the deadline, in seconds from now, came first: the members are
    /// then as they were.
    #[pyo3(signature = (epochs, deadline=None))]
    fn train(&mut self, py: Python<'_>, epochs: u64, deadline: Option<f64>) -> PyResult<bool> {
        let end = deadline
            .map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
            .and_then(|seconds| Instant::now().checked_add(seconds));
        let pool = self.threads.get()?;
        let Self { run, state, .. } = self;
        let stop = AtomicBool::new(false);
        let mut interrupt = None;
        let mut outcome = Ok(());
        py.detach(|| {
            let (finished, wait_for) = channel::<()>();
            // No thread beside the pool's: to start one at each generation took 7 % of a run on wine.
            pool.in_place_scope(|scope| {
                scope.spawn(|_| {
                    // Dropped at the end, however the work ends.
                    let _finished = finished;
                    outcome = run.train(state, epochs, &stop);
                });
                loop {
                    let stopped = stop.load(Ordering::Relaxed);
                    let left = end.filter(|_| !stopped).map_or(SIGNAL_INTERVAL, |end| {
                        end.saturating_duration_since(Instant::now()).min(SIGNAL_INTERVAL)
                    });
                    if wait_for.recv_timeout(left) == Err(RecvTimeoutError::Disconnected) {
                        break;
                    }
                    if stopped {
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
            });
        });
        if let Some(error) = interrupt {
            return Err(error);
        }
        match outcome {
            Ok(()) => Ok(true),
            Err(Error::Stopped) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Scores every member and records the generation.
    #[pyo3(signature = (custom=None))]
    fn score(&mut self, py: Python<'_>, custom: Option<Vec<f64>>) -> PyResult<()> {
        let pool = self.threads.get()?;
        let Self { run, state, history, .. } = self;
        let score = || pool.install(|| run.score(state, history, custom.as_deref()));
        Ok(py.detach(score)?)
    }

    /// Each member's outputs on the validation rows, `(rows, n_outputs)`.
    fn validation_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyArray2<f32>>>> {
        let pool = self.threads.get()?;
        let Self { run, state, .. } = self;
        let outputs = py.detach(|| {
            pool.install(|| scoring::validation_outputs(&run.dataset, &state.population))
        });
        outputs.into_iter().map(|one| matrix(py, one, run.dataset.n_outputs())).collect()
    }

    fn plan(&self, py: Python<'_>) -> Vec<(&'static str, Option<u32>)> {
        let Self { run, state, .. } = self;
        py.detach(|| run.plan(state))
            .into_iter()
            .map(|action| match action {
                Action::Keep => ("keep", None),
                Action::Copy(donor) => ("copy", Some(donor)),
                Action::Fresh => ("fresh", None),
            })
            .collect()
    }

    fn apply(&mut self, py: Python<'_>, plan: Vec<(String, Option<u32>)>) -> PyResult<()> {
        let action = |(name, donor): &(String, Option<u32>)| match (name.as_str(), donor) {
            ("keep", None) => Ok(Action::Keep),
            ("copy", Some(donor)) => Ok(Action::Copy(*donor)),
            ("fresh", None) => Ok(Action::Fresh),
            _ => Err(unknown("plan", name)),
        };
        let plan = plan.iter().map(action).collect::<PyResult<Vec<Action>>>()?;
        let pool = self.threads.get()?;
        let Self { run, state, .. } = self;
        Ok(py.detach(|| pool.install(|| run.apply(state, &plan)))?)
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
        self.state.archive.one_se(self.run.dataset.answers()).cloned().map(PySnapshot)
    }

    fn front(&self) -> Vec<PySnapshot> {
        self.state.archive.front().iter().cloned().map(PySnapshot).collect()
    }

    /// The history's columns from a row on; see [`columns`].
    fn history<'py>(&self, py: Python<'py>, first: usize) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.history, first)
    }

    /// Rows of the history.
    #[getter]
    fn n_rows(&self) -> usize {
        self.history.len()
    }

    /// Weights and biases of all members, the pruned ones included.
    #[getter]
    fn n_parameters(&self) -> usize {
        self.state.population.iter().map(|member| member.network.parameters().len()).sum()
    }

    /// The population's weights and biases, and how many the kernels work on with padding.
    fn padding(&mut self) -> (usize, usize) {
        padding(&mut self.state.population, self.run.dataset.train().len())
    }

    /// Rows, inputs and outputs of the table.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        let dataset = &self.run.dataset;
        let (inputs, outputs) = (dataset.n_inputs(), dataset.n_outputs());
        (dataset.targets().len() / outputs, inputs, outputs)
    }

    /// Activation of the output layer.
    #[getter]
    fn output(&self) -> &'static str {
        self.run.dataset.objective().output.name()
    }

    /// Name of the metric; "custom" for one of the user's own.
    #[getter]
    fn metric(&self) -> &'static str {
        self.run.judge.metric().name()
    }

    /// Inputs and targets of some rows: `(rows, n_inputs)` and `(rows, n_outputs)`.
    #[allow(clippy::type_complexity, reason = "a pair of arrays")]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        rows: PyReadonlyArray1<'_, u32>,
    ) -> PyResult<(Matrix<'py>, Matrix<'py>)> {
        let (dataset, rows) = (&self.run.dataset, rows.as_array());
        if rows.iter().any(|&row| row as usize >= self.shape().0) {
            return Err(PyValueError::new_err("rows: past the end of the table"));
        }
        let inputs = rows.iter().flat_map(|&row| dataset.input(row)).copied().collect();
        let targets = rows.iter().flat_map(|&row| dataset.target(row)).copied().collect();
        Ok((matrix(py, inputs, dataset.n_inputs())?, matrix(py, targets, dataset.n_outputs())?))
    }

    /// Training rows.
    fn train_rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.run.dataset.train().to_vec().into_pyarray(py)
    }

    /// Validation rows.
    fn validation_rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        self.run.dataset.validation().to_vec().into_pyarray(py)
    }

    /// What the run does not change, as bytes.
    fn run_to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.run.to_bytes()?))
    }

    /// What the run changes, as bytes.
    fn state_to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.state.to_bytes()?))
    }

    /// The history's rows from one on, as bytes.
    fn history_to_bytes<'py>(
        &self,
        py: Python<'py>,
        first: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.history.since(first).to_bytes()?))
    }

    /// A run from the bytes of its parts, those of the history in order.
    #[staticmethod]
    fn from_parts(
        run: &[u8],
        state: &[u8],
        history: Vec<PyBackedBytes>,
        n_jobs: usize,
    ) -> PyResult<Self> {
        let run = Run::from_bytes(run)?;
        let state = State::from_bytes(state, &run)?;
        let mut rows = History::default();
        for part in &history {
            rows.append(History::from_bytes(part)?);
        }
        let fits = if state.scores.is_empty() {
            rows.is_empty()
        } else {
            rows.fits(state.population.len(), state.generation)
        };
        if !fits {
            return Err(corrupt("the history is not that of this state").into());
        }
        Ok(Self { run, state, history: rows, threads: Threads::new(n_jobs) })
    }
}
