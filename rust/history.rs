//! The history: one row per member and generation, kept as columns.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{from_bytes, to_bytes};
use crate::error::Result;
use crate::hyperparameters::{NAMES, applies};
use crate::math::exp_f64;
use crate::member::{Event, Member};
use crate::network::Activation;
use crate::scoring::Score;

/// The columns; each has one entry per row (DESIGN §7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Generation of the row; 0 is the population before any training.
    pub generation: Vec<u64>,
    /// Epochs trained by then.
    pub epoch: Vec<u64>,
    /// Place in the population.
    pub member: Vec<u32>,
    /// How the member came to be.
    pub event: Vec<Event>,
    /// The member of the generation before that it goes on from.
    pub parent: Vec<Option<u32>>,
    /// Mean loss of the last epoch's rows; none before training.
    pub train_loss: Vec<Option<f64>>,
    /// Mean evaluation loss; none if the member diverged.
    pub validation_loss: Vec<Option<f64>>,
    /// The metric; none if the member diverged.
    pub validation_score: Vec<Option<f64>>,
    /// The logarithm of fitness.
    pub log_fitness: Vec<f64>,
    /// Fitness; infinite where it overflows.
    pub fitness: Vec<f64>,
    /// Live weights.
    pub size: Vec<u64>,
    /// Units per layer.
    pub topology: Vec<Vec<usize>>,
    /// Activations of the hidden layers.
    pub activation: Vec<Vec<Activation>>,
    /// For each hyperparameter its column; none where it does not apply.
    pub hyperparameters: [Vec<Option<f64>>; NAMES.len()],
}

/// Hands the names of all columns but the hyperparameters' to a macro.
macro_rules! with_columns {
    ($work:ident) => {
        $work!(
            generation,
            epoch,
            member,
            event,
            parent,
            train_loss,
            validation_loss,
            validation_score,
            log_fitness,
            fitness,
            size,
            topology,
            activation
        )
    };
}

impl History {
    /// Writes down a generation.
    pub fn add(&mut self, members: &[Member], scores: &[Score], generation: u64) {
        for (place, (member, score)) in members.iter().zip(scores).enumerate() {
            self.generation.push(generation);
            self.epoch.push(member.epochs);
            self.member.push(place as u32);
            self.event.push(member.event);
            self.parent.push(member.parent);
            self.train_loss.push(member.train_loss);
            self.validation_loss.push(score.loss);
            self.validation_score.push(score.score);
            self.log_fitness.push(score.log_fitness);
            self.fitness.push(exp_f64(score.log_fitness));
            self.size.push(score.size as u64);
            self.topology.push(member.network.topology().to_vec());
            let (_, hidden) =
                member.network.activations().split_last().unwrap_or((&Activation::Identity, &[]));
            self.activation.push(hidden.to_vec());
            let values = &member.hyperparameters;
            for (row, column) in self.hyperparameters.iter_mut().enumerate() {
                column.push(applies(row, values).then_some(values[row]));
            }
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.generation.len()
    }

    /// Whether nothing has been written down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.generation.is_empty()
    }

    /// The rows from one on.
    #[must_use]
    pub fn since(&self, first: usize) -> Self {
        let first = first.min(self.len());
        macro_rules! rest {
            ($($column:ident),*) => {
                Self {
                    $($column: self.$column[first..].to_vec(),)*
                    hyperparameters: self.hyperparameters.each_ref().map(|c| c[first..].to_vec()),
                }
            };
        }
        with_columns!(rest)
    }

    /// Adds another history's rows.
    pub fn append(&mut self, mut other: Self) {
        macro_rules! append {
            ($($column:ident),*) => {
                $(self.$column.append(&mut other.$column);)*
            };
        }
        with_columns!(append);
        for (column, more) in self.hyperparameters.iter_mut().zip(&mut other.hyperparameters) {
            column.append(more);
        }
    }

    /// The history as bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if it cannot be written down, which no history of this crate's making does.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// A history from bytes; whether it is one of a run's, [`History::fits`] tells.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupt`] if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        from_bytes(bytes)
    }

    /// Whether it is one of `k` members through all generations up to this one.
    #[must_use]
    pub fn fits(&self, k: usize, generation: u64) -> bool {
        macro_rules! lengths {
            ($($column:ident),*) => {
                [$(self.$column.len()),*]
            };
        }
        let rows = self.len();
        let place = |row: usize| (self.generation[row], self.member[row] as usize);
        let layers = |(units, hidden): (&Vec<usize>, &Vec<Activation>)| {
            units.len() >= 2 && units.len() == hidden.len() + 2
        };
        k > 0
            && rows.is_multiple_of(k)
            && with_columns!(lengths).iter().all(|&length| length == rows)
            && self.hyperparameters.iter().all(|column| column.len() == rows)
            && u64::try_from(rows / k).is_ok_and(|all| all.checked_sub(1) == Some(generation))
            && (0..rows).all(|row| place(row) == ((row / k) as u64, row % k))
            && self.parent.iter().flatten().all(|&parent| (parent as usize) < k)
            // Only the first rows may come from nobody: lineages end there, or at a birth.
            && (0..k).all(|row| self.parent[row].is_none())
            && self.topology.iter().zip(&self.activation).all(layers)
    }
}
