//! A member: one network of the population with all that its training goes on from.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use crate::error::{Result, invalid};
use crate::hyperparameters::{ADAM, BATCH_SIZE, Domain, OPTIMIZER, Table};
use crate::network::{Activation, Network};
use crate::random::{Purpose, Random};
use crate::topology::{Change, simplify};

/// What an update rule remembers between steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState {
    /// Velocities for `sgd`; first and second moments for `adam`. Each is shaped like the
    /// network's parameters.
    pub slots: Vec<Vec<f32>>,
    /// Updates made.
    pub steps: u64,
}

impl OptimizerState {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(optimizer: f64, parameters: usize) -> Self {
        let slots = if optimizer == ADAM { 2 } else { 1 };
        Self { slots: vec![vec![0.0; parameters]; slots], steps: 0 }
    }

    /// Whether it belongs to a network and to this update rule.
    pub(crate) fn fits(&self, hyperparameters: &[f64], network: &Network) -> bool {
        let expected = Self::new(hyperparameters[OPTIMIZER], 0).slots.len();
        let mask = network.mask();
        // What is remembered of a pruned weight would move it.
        let still = |slot: &Vec<f32>| slot.iter().zip(mask).all(|(&one, &live)| live || one == 0.0);
        self.slots.len() == expected
            && self.slots.iter().all(|slot| slot.len() == mask.len() && still(slot))
    }
}

/// How a member came to be what it is in this generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Drawn at random.
    Born,
    /// It goes on from itself.
    Kept,
    /// It goes on from another.
    Copied,
}

impl Event {
    /// All of them, in the order in which their numbers run in columns.
    pub const ALL: [Self; 3] = [Self::Born, Self::Kept, Self::Copied];

    /// The name in the history.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Born => "born",
            Self::Kept => "kept",
            Self::Copied => "copied",
        }
    }
}

/// A member of the population: a value, whole in itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Topology and weights, in canonical form.
    pub network: Network,
    /// One value per row of the table of hyperparameters.
    pub hyperparameters: Vec<f64>,
    /// What the update rule remembers.
    pub optimizer: OptimizerState,
    /// Epochs trained, those of its ancestors included.
    pub epochs: u64,
    /// Generations gone through; the key of its random numbers.
    pub generations: u64,
    /// How it came to be.
    pub event: Event,
    /// The member of the generation before whose weights it goes on from.
    pub parent: Option<u32>,
    /// Mean loss of the rows met in the last epoch; none before the first.
    pub train_loss: Option<f64>,
}

impl Member {
    /// Rows of a batch, where an epoch has so many.
    pub(crate) fn batch_size(&self, rows: usize) -> usize {
        (self.hyperparameters[BATCH_SIZE].max(1.0) as usize).min(rows)
    }

    /// Whether it is trained by Adam.
    pub(crate) fn adam(&self) -> bool {
        self.hyperparameters[OPTIMIZER] == ADAM
    }

    /// Applies a change of topology to weights, mask and optimiser slots alike.
    pub fn change(&mut self, change: Change) {
        for slot in &mut self.optimizer.slots {
            *slot = change.carry(slot, 0.0);
        }
        self.network = change.network;
    }

    /// Marks it as diverged: what is live is no number any more.
    pub(crate) fn diverge(&mut self) {
        let live: Vec<bool> = self.network.mask().to_vec();
        let slots = self.optimizer.slots.iter_mut().map(Vec::as_mut_slice);
        for values in slots.chain([self.network.parameters_mut()]) {
            for (value, &live) in values.iter_mut().zip(&live) {
                *value = if live { f32::NAN } else { 0.0 };
            }
        }
        self.train_loss = Some(f64::NAN);
    }

    /// Takes out dead and constant units until there are none.
    pub fn canonicalize(&mut self) {
        while let Some(change) = simplify(&self.network) {
            self.change(change);
        }
    }
}

/// What a weight takes in memory at the least: itself, whether it is live, one number that its update rule
/// remembers; and while it is trained the two numbers as they were before.
const BYTES_PER_PARAMETER: u64 = 17;
/// What else a member takes, at the least.
const BYTES_PER_MEMBER: u64 = 512;

/// What members are drawn from: topologies, activations, hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Number of hidden layers at the start.
    pub hidden_layers: Domain,
    /// Units of each hidden layer; its bounds are kept when exploring.
    pub hidden_units: Domain,
    /// Activations of hidden layers, one drawn for each layer.
    pub activations: Vec<Activation>,
    /// The share of weights that are live at the start.
    pub density: Domain,
    /// The hyperparameters.
    pub table: Table,
}

impl Space {
    /// Whether members can be drawn from it.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] naming the part that is wrong.
    pub fn check(&self) -> Result<()> {
        self.hidden_layers.check("hidden_layers")?;
        self.hidden_units.check("hidden_units")?;
        self.density.check("density")?;
        if self.activations.is_empty() || self.activations.contains(&Activation::Softmax) {
            return Err(invalid("activation", "needs choices among those of hidden layers"));
        }
        let counts = [
            ("hidden_layers", &self.hidden_layers, 0.0),
            ("hidden_units", &self.hidden_units, 1.0),
        ];
        for (name, domain, least) in counts {
            if domain
                .extremes()
                .any(|value| value < least || value > 65_536.0 || value.fract() != 0.0)
            {
                return Err(invalid(name, format!("must be whole numbers from {least} to 65536")));
            }
        }
        if self.density.extremes().any(|value| !(0.0..=1.0).contains(&value)) {
            return Err(invalid("density", "must lie between 0 and 1"));
        }
        Ok(())
    }

    /// A new member in place `place` of the population, for so many inputs and outputs.
    #[must_use]
    pub fn birth(
        &self,
        shape: (usize, usize),
        output: Activation,
        seed: u64,
        place: u32,
        generations: u64,
    ) -> Member {
        let mut random = Random::new(seed, generations, place, Purpose::Birth);
        let (topology, mut activations) = self.hidden(shape, &mut random);
        activations.push(output);
        let hyperparameters = self.table.sample(&mut random);
        let density = self.density.sample(&mut random);
        let network = Network::random(topology, activations, density, &mut random);
        let optimizer = OptimizerState::new(hyperparameters[OPTIMIZER], network.parameters().len());
        let mut member = Member {
            network,
            hyperparameters,
            optimizer,
            epochs: 0,
            generations,
            event: Event::Born,
            parent: None,
            train_loss: None,
        };
        member.canonicalize();
        member
    }

    /// Units per layer, and the hidden layers' activations.
    fn hidden(
        &self,
        (inputs, outputs): (usize, usize),
        random: &mut Random,
    ) -> (Vec<usize>, Vec<Activation>) {
        let mut topology = vec![inputs];
        let mut activations = Vec::new();
        for _ in 0..self.hidden_layers.sample(random) as usize {
            topology.push(self.hidden_units.sample(random) as usize);
            activations.push(self.activations[random.below(self.activations.len())]);
        }
        topology.push(outputs);
        (topology, activations)
    }

    /// Weights and biases of members that are to be drawn, of a shape, in these places and generations, if memory
    /// may have room for them: what is more than the system would ever grant is refused.
    pub(crate) fn check_room(
        &self,
        shape: (usize, usize),
        seed: u64,
        births: impl Iterator<Item = (u32, u64)>,
    ) -> Result<usize> {
        let (mut parameters, mut bytes, mut granted) = (0_u64, 0_u64, 1 << 20);
        for (place, generations) in births {
            let more = self.parameters(shape, seed, place, generations);
            parameters = parameters.saturating_add(more);
            bytes = bytes
                .saturating_add(BYTES_PER_MEMBER)
                .saturating_add(more.saturating_mul(BYTES_PER_PARAMETER));
            // In steps, since what is hopeless takes long to add up.
            if bytes / 2 > granted {
                ask_for(bytes)?;
                granted = bytes;
            }
        }
        ask_for(bytes)?;
        // What was granted can be counted.
        Ok(parameters as usize)
    }

    /// Weights and biases that [`Space::birth`] draws for the same arguments.
    fn parameters(&self, shape: (usize, usize), seed: u64, place: u32, generations: u64) -> u64 {
        let mut random = Random::new(seed, generations, place, Purpose::Birth);
        let (topology, _) = self.hidden(shape, &mut random);
        let layer = |pair: &[usize]| (pair[0] as u64 + 1).saturating_mul(pair[1] as u64);
        topology.windows(2).map(layer).fold(0, u64::saturating_add)
    }
}

/// Asks the system for memory, and gives it back: it takes no longer than that.
fn ask_for(bytes: u64) -> Result<()> {
    let mut memory = Vec::<u8>::new();
    if usize::try_from(bytes).is_ok_and(|bytes| memory.try_reserve_exact(bytes).is_ok()) {
        black_box(&memory); // or a compiler would not ask
        return Ok(());
    }
    let problem = format!(
        "the networks to draw take {} GB or more, which the system does not grant: lower hidden_layers, \
         hidden_units or k",
        bytes / 1_000_000_000
    );
    Err(invalid("space", problem))
}
