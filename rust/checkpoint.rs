//! What a checkpoint is made of: run, state and history as bytes, and what is asked of bytes before they are
//! taken for one of them.

use serde::{Deserialize, Serialize};

use crate::archive::Snapshot;
use crate::error::{Result, corrupt};
use crate::evolution::{Run, State};
use crate::hyperparameters::{BATCH_SIZE, NAMES, OPTIMIZER, OPTIMIZERS, Table};
use crate::member::Member;
use crate::network::Network;

/// What no counter of a state that is read may exceed: more than anyone trains.
const MOST: u64 = 1 << 53;

impl State {
    /// The state as bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if it cannot be written down, which no state of this crate's making does.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// A state from bytes, once it is found to be one of this run.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if it is not.
    pub fn from_bytes(bytes: &[u8], run: &Run) -> Result<Self> {
        let state: Self = from_bytes(bytes)?;
        if state.fits(run) { Ok(state) } else { Err(corrupt("not a state of this run")) }
    }

    fn fits(&self, run: &Run) -> bool {
        let dataset = &run.dataset;
        let shape = (dataset.n_inputs(), dataset.n_outputs());
        let output = Some(&dataset.objective().output);
        let network = |network: &Network| {
            network.check().is_ok()
                && (network.inputs(), network.outputs()) == shape
                && network.activations().last() == output
        };
        // A counter that was near its end would run over.
        let counters = |member: &Member| {
            [member.epochs, member.generations, member.optimizer.steps].iter().all(|&n| n <= MOST)
        };
        let member = |member: &Member| {
            counters(member)
                && network(&member.network)
                && known(&member.hyperparameters)
                && member.optimizer.fits(&member.hyperparameters, &member.network)
        };
        let k = self.population.len();
        let snapshot = |one: &Snapshot| {
            network(&one.network)
                && one.row_losses.len() == dataset.validation().len()
                && known(&one.hyperparameters)
                // A row of the history.
                && one.generation <= self.generation
                && (one.member as usize) < k
        };
        k >= 2
            && self.generation <= MOST
            && (self.scores.len() == k || self.scores.is_empty() && self.generation == 0)
            && self.population.iter().all(member)
            && self.archive.snapshots().all(snapshot)
    }
}

impl Run {
    /// The run as bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if it cannot be written down, which no run of this crate's making does.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// A run from bytes, once its parts are found to fit together.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if they do not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let run: Self = from_bytes(bytes)?;
        let table = Table::new(run.space.table.domains().to_vec());
        let checks = [run.dataset.check(), run.space.check(), run.judge.check(), table.map(drop)];
        match checks.into_iter().find_map(Result::err) {
            Some(error) => Err(corrupt(format!("not a run: {error}"))),
            None => Ok(run),
        }
    }
}

/// Whether these are values of all hyperparameters.
fn known(values: &[f64]) -> bool {
    values.len() == NAMES.len()
        && values.iter().all(|value| value.is_finite())
        && values[BATCH_SIZE] >= 1.0
        && (0..OPTIMIZERS.len()).any(|place| place as f64 == values[OPTIMIZER])
}

/// A value as bytes, in the compact format of the `postcard` crate.
pub(crate) fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| corrupt(format!("not written: {error}")))
}

/// A value from its bytes, all of them.
pub(crate) fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    let (value, rest) = postcard::take_from_bytes(bytes)
        .map_err(|error| corrupt(format!("not readable: {error}")))?;
    if !rest.is_empty() {
        return Err(corrupt(format!("not readable: {} bytes too many", rest.len())));
    }
    Ok(value)
}
