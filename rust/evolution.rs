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

use crate::archive::Archive;
use crate::dataset::Dataset;
use crate::error::{Result, invalid};
use crate::exploring::{exploit, explore};
use crate::history::History;
use crate::member::{Event, Member, Space};
use crate::scoring::{self, Judge, Score};
use crate::selection::{self, Action};
use crate::training;

/// Weights and biases that a thread draws or changes at the least: fewer take less than to wake it.
const LEAST: usize = 8192;

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

    /// A population of `k` members, drawn but not scored. Runs in the rayon pool that it is called in.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] for a population of fewer than two, or one that memory has no room for.
    pub fn start(&self, k: usize) -> Result<State> {
        if k < 2 || u32::try_from(k).is_err() {
            return Err(invalid("k", format!("must be at least 2, not {k}")));
        }
        let parameters = self.check_room((0..k as u32).map(|place| (place, 0)))?;
        let birth = |place| self.birth(place, 0);
        let least = 1 + LEAST.saturating_mul(k) / parameters;
        let population = (0..k as u32).into_par_iter().with_min_len(least).map(birth).collect();
        Ok(State { population, scores: Vec::new(), generation: 0, archive: Archive::default() })
    }

    fn birth(&self, place: u32, generations: u64) -> Member {
        let shape = (self.dataset.n_inputs(), self.dataset.n_outputs());
        let output = self.dataset.objective().output;
        self.space.birth(shape, output, self.seed, place, generations)
    }

    /// Weights and biases of members that are to be drawn, in these places and generations, if memory may have
    /// room for them.
    fn check_room(&self, births: impl Iterator<Item = (u32, u64)>) -> Result<usize> {
        let shape = (self.dataset.n_inputs(), self.dataset.n_outputs());
        self.space.check_room(shape, self.seed, births)
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
    /// explores. Runs in the rayon pool that it is called in.
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
        let least = 1 + LEAST / state.population[0].network.parameters().len();
        let members = state.population.par_iter_mut().with_min_len(least);
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
