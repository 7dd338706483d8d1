//! Augmented Population Based Training: Algorithm 1 of the paper, with the topology in the search.
//!
//! ```text
//! population 0 is drawn and scored                       P ← initial population; p ← eval(θ)
//! for each generation:
//!     plan, apply        who struggles exploits and      if ready: h', θ' ← exploit(h, θ, p, P)
//!                        explores (not before the                   if θ ≠ θ': h, θ ← explore(h', θ', P)
//!                        first interval)
//!     train              every member, `readiness`       θ ← step(θ | h)
//!                        epochs
//!     score              on the validation rows          p ← eval(θ)
//!     record             history and archive             update P with (θ, h, p, t + 1)
//! return the archive                                     return θ with the highest p in P
//! ```
//!
//! [`Run`] is what stays the same during a run, [`State`] what changes. [`evolve`] is the loop; the
//! Python package runs its own over the same functions, to draw progress and to honour limits
//! between them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Snapshot};
use crate::bytes::{from_bytes, to_bytes};
use crate::dataset::Dataset;
use crate::error::{Result, corrupt, invalid};
use crate::exploring::{exploit, explore};
use crate::history::History;
use crate::hyperparameters::{BATCH_SIZE, NAMES, OPTIMIZER, OPTIMIZERS, Table};
use crate::member::{Event, Member, Space};
use crate::network::Network;
use crate::scoring::{self, Judge, Score};
use crate::selection::{self, Action};
use crate::training;

/// Members that a thread draws or changes at the least: a tiny one takes less than to wake another thread.
const LEAST: usize = 16;
/// What a weight takes in memory: itself, two numbers that its update rule remembers, whether it is live;
/// while it is trained the three once more, and as they were before.
const BYTES_PER_PARAMETER: u64 = 37;
/// What else a member takes: topology, hyperparameters, its row of the history.
const BYTES_PER_MEMBER: u64 = 1024;
/// What no counter of a state that is read may exceed: more than anyone trains.
const MOST: u64 = 1 << 53;

/// What a run does not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The encoded table.
    pub dataset: Dataset,
    /// What members are drawn from.
    pub space: Space,
    /// How members are judged.
    pub judge: Judge,
    /// The seed of all random numbers but the order of rows.
    pub seed: u64,
}

/// What a run changes. It is saved after a full generation is scored and before its selection;
/// nothing in it depends on the planned number of epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The members.
    pub population: Vec<Member>,
    /// How they did when they were last scored; empty before that.
    pub scores: Vec<Score>,
    /// Generations recorded, population 0 not counted.
    pub generation: u64,
    /// The networks worth keeping.
    pub archive: Archive,
}

impl Run {
    /// A run whose parts fit together.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] naming the argument that does not fit.
    pub fn new(dataset: Dataset, space: Space, judge: Judge, seed: u64) -> Result<Self> {
        space.check()?;
        Ok(Self { dataset, space, judge, seed })
    }

    /// A population of `k` members, drawn but not scored.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] for a population of fewer than two, or one that memory has no room for.
    pub fn start(&self, k: usize) -> Result<State> {
        if k < 2 || u32::try_from(k).is_err() {
            return Err(invalid("k", format!("must be at least 2, not {k}")));
        }
        self.check_room((0..k as u32).map(|place| (place, 0)))?;
        let birth = |place| self.birth(place, 0);
        let population = (0..k as u32).into_par_iter().with_min_len(LEAST).map(birth).collect();
        Ok(State { population, scores: Vec::new(), generation: 0, archive: Archive::default() })
    }

    fn birth(&self, place: u32, generations: u64) -> Member {
        let shape = (self.dataset.n_inputs(), self.dataset.n_outputs());
        let output = self.dataset.objective().output;
        self.space.birth(shape, output, self.seed, place, generations)
    }

    /// Whether memory has room for members that are to be drawn: these places, with these counts of
    /// generations.
    fn check_room(&self, births: impl Iterator<Item = (u32, u64)>) -> Result<()> {
        let shape = (self.dataset.n_inputs(), self.dataset.n_outputs());
        let (mut members, mut parameters) = (0_u64, 0_u64);
        for (place, generations) in births {
            let more = self.space.parameters(shape, self.seed, place, generations);
            (members, parameters) = (members + 1, parameters.saturating_add(more));
        }
        let bytes = parameters
            .saturating_mul(BYTES_PER_PARAMETER)
            .saturating_add(members * BYTES_PER_MEMBER);
        let room = usize::try_from(bytes)
            .is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
        if room {
            return Ok(());
        }
        let problem = format!(
            "{members} networks with {parameters} weights and biases need some {} GB, more than there are: \
             lower hidden_layers, hidden_units or k",
            bytes / 1_000_000_000
        );
        Err(invalid("space", problem))
    }

    /// Trains every member; if stopped, leaves all as they were.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`] if `stop` was set.
    pub fn train(&self, state: &mut State, epochs: u64, stop: &AtomicBool) -> Result<()> {
        training::train(&self.dataset, &mut state.population, epochs, stop)
    }

    /// Ends a generation: scores every member, and records them in archive and history. `custom` has
    /// the members' scores where the metric is the user's own.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when `custom` does not fit.
    pub fn score(
        &self,
        state: &mut State,
        history: &mut History,
        custom: Option<&[f64]>,
    ) -> Result<()> {
        let scored = scoring::score(&self.dataset, &state.population, &self.judge, custom)?;
        if !state.scores.is_empty() {
            state.generation += 1;
            for member in &mut state.population {
                member.generations += 1;
            }
        }
        state.archive.add(&state.population, &scored, state.generation);
        state.scores = scored.into_iter().map(|one| one.score).collect();
        history.add(&state.population, &state.scores, state.generation);
        Ok(())
    }

    /// Who keeps its network, who copies whose, and who is drawn anew. Everybody goes on from population 0,
    /// whom nothing was learnt of yet.
    #[must_use]
    pub fn plan(&self, state: &State) -> Vec<Action> {
        if state.generation == 0 {
            return vec![Action::Keep; state.population.len()];
        }
        let ages: Vec<u64> = state.population.iter().map(|member| member.generations).collect();
        selection::plan(&state.scores, &ages, self.seed)
    }

    /// Carries a plan out: every copy takes over its donor as it was before anyone changed, and
    /// explores.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] for a plan that is not for this population.
    pub fn apply(&self, state: &mut State, plan: &[Action]) -> Result<()> {
        let k = state.population.len();
        let within = |action: &Action| match action {
            Action::Copy(donor) => (*donor as usize) < k,
            Action::Keep | Action::Fresh => true,
        };
        if plan.len() != k || !plan.iter().all(within) {
            return Err(invalid("plan", format!("must have one action for each of {k} members")));
        }
        let fresh = (0_u32..).zip(plan).filter(|(_, action)| **action == Action::Fresh);
        let ages = &state.population;
        self.check_room(fresh.map(|(place, _)| (place, ages[place as usize].generations)))?;
        let mut donors = BTreeMap::new();
        for action in plan {
            if let Action::Copy(donor) = action {
                let member = || state.population[*donor as usize].clone();
                donors.entry(*donor).or_insert_with(member);
            }
        }
        let members = state.population.par_iter_mut().with_min_len(LEAST);
        members.zip(plan).enumerate().for_each(|(place, (member, action))| {
            let place = place as u32;
            match *action {
                Action::Keep => {
                    member.event = Event::Kept;
                    member.parent = Some(place);
                }
                Action::Copy(donor) => {
                    exploit(member, &donors[&donor], donor);
                    explore(member, &self.space, self.seed, place);
                }
                Action::Fresh => {
                    let epochs = member.epochs;
                    *member = self.birth(place, member.generations);
                    // It goes on from where the others are, so all see the same rows.
                    member.epochs = epochs;
                }
            }
        });
        Ok(())
    }
}

/// Runs `generations` full generations, the paper's Algorithm 1.
///
/// # Errors
/// [`crate::error::Error::Stopped`] if `stop` was set; the state is then that of the last full generation, or of
/// the population before it was scored.
pub fn evolve(
    run: &Run,
    state: &mut State,
    history: &mut History,
    generations: u64,
    readiness: u64,
    stop: &AtomicBool,
) -> Result<()> {
    if state.scores.is_empty() {
        run.score(state, history, None)?;
    }
    for _ in 0..generations {
        let mut next = state.clone();
        run.apply(&mut next, &run.plan(state))?;
        run.train(&mut next, readiness, stop)?;
        run.score(&mut next, history, None)?;
        *state = next;
    }
    Ok(())
}

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
