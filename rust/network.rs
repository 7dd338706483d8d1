//! A multilayer perceptron as plain data: topology, activations, parameters, mask.
//!
//! All parameters stand in one flat array. Layer `l` has its weights first, `(inputs, outputs)` in
//! row order, then its biases, `(outputs,)`; [`Network::layers`] is the one place that knows the
//! offsets. The mask says which parameters are live: a pruned weight is zero in the array, so that
//! whoever reads a network may forget the mask, and only an update has to ask for it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::math;
use crate::random::Random;

/// What a layer does to its weighted sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Activation {
    /// `1 / (1 + exp(−z))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `max(0, z)`.
    Relu,
    /// `z` itself.
    Identity,
    /// `exp(z) / Σ exp(z)` over the layer; for outputs only.
    Softmax,
}

impl Activation {
    /// All of them, in the order in which their numbers run in columns and files.
    pub const ALL: [Self; 5] =
        [Self::Sigmoid, Self::Tanh, Self::Relu, Self::Identity, Self::Softmax];

    /// The name in the Python API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Identity => "identity",
            Self::Softmax => "softmax",
        }
    }

    /// What one unit gives for its weighted sum; a unit alone knows no softmax, and gives the sum.
    pub(crate) fn apply(self, sum: f32) -> f32 {
        match self {
            Self::Sigmoid => math::sigmoid(sum),
            Self::Tanh => math::tanh(sum),
            // Written so that NaN stays NaN.
            Self::Relu => {
                if sum < 0.0 {
                    0.0
                } else {
                    sum
                }
            }
            Self::Identity | Self::Softmax => sum,
        }
    }

    /// The activation of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

/// Where one layer's parameters stand in the flat array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Units of the layer before.
    pub inputs: usize,
    /// Units of this layer.
    pub outputs: usize,
    /// Offset of the weights, `(inputs, outputs)`.
    pub weights: usize,
    /// Offset of the biases, `(outputs,)`.
    pub biases: usize,
}

impl Layer {
    /// The place of the weight from `input` to `output`.
    #[must_use]
    pub const fn weight(&self, input: usize, output: usize) -> usize {
        self.weights + input * self.outputs + output
    }

    /// The place of a bias.
    #[must_use]
    pub const fn bias(&self, output: usize) -> usize {
        self.biases + output
    }

    /// One past the layer's last parameter.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.biases + self.outputs
    }
}

/// The layers of a topology, in order, with their places in the flat array.
pub fn layers(topology: &[usize]) -> impl Iterator<Item = Layer> + '_ {
    let mut offset = 0;
    topology.windows(2).map(move |pair| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let layer = Layer { inputs, outputs, weights: offset, biases: offset + inputs * outputs };
        offset = layer.end();
        layer
    })
}

/// A network; see the module's essay for the layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    topology: Vec<usize>,
    activations: Vec<Activation>,
    parameters: Vec<f32>,
    mask: Vec<bool>,
}

impl Network {
    /// A network of the given parts, once they are found to fit together.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when they do not: this is what a reader of files relies on.
    pub fn new(
        topology: Vec<usize>,
        activations: Vec<Activation>,
        parameters: Vec<f32>,
        mask: Vec<bool>,
    ) -> Result<Self> {
        let network = Self { topology, activations, parameters, mask };
        network.check().map_err(|what| Error::Corrupt(format!("not a network: {what}")))?;
        Ok(network)
    }

    /// A network of parts that fit together by construction.
    pub(crate) fn from_parts(
        topology: Vec<usize>,
        activations: Vec<Activation>,
        parameters: Vec<f32>,
        mask: Vec<bool>,
    ) -> Self {
        let network = Self { topology, activations, parameters, mask };
        debug_assert_eq!(network.check(), Ok(()));
        network
    }

    /// Whether the parts fit together: shapes, activations, and zeros wherever the mask is false.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        if self.topology.len() < 2 || self.topology.contains(&0) {
            return Err(format!("topology {:?} has an empty layer", self.topology));
        }
        let mut expected = 0_usize;
        for pair in self.topology.windows(2) {
            let layer = pair[0].checked_add(1).and_then(|rows| rows.checked_mul(pair[1]));
            expected = layer
                .and_then(|layer| expected.checked_add(layer))
                .ok_or_else(|| format!("topology {:?} is too large", self.topology))?;
        }
        if self.parameters.len() != expected || self.mask.len() != expected {
            return Err(format!(
                "topology {:?} has {expected} parameters, not {} with a mask of {}",
                self.topology,
                self.parameters.len(),
                self.mask.len()
            ));
        }
        let hidden = self.topology.len() - 2;
        if self.activations.len() != hidden + 1 {
            return Err(format!(
                "{} activations for {} layers",
                self.activations.len(),
                hidden + 1
            ));
        }
        if self.activations[..hidden].contains(&Activation::Softmax) {
            return Err("softmax is for the output layer".to_owned());
        }
        if self.parameters.iter().zip(&self.mask).any(|(&value, &live)| !live && value != 0.0) {
            return Err("a pruned weight is not zero".to_owned());
        }
        if self.layers().any(|layer| self.mask[layer.biases..layer.end()].contains(&false)) {
            return Err("a bias is pruned".to_owned());
        }
        Ok(())
    }

    /// A random network: each weight is live with probability `density`; live weights and biases
    /// are uniform in ±1/√n, n being the layer's inputs (DESIGN §4.1). It may not be canonical.
    pub fn random(
        topology: Vec<usize>,
        activations: Vec<Activation>,
        density: f64,
        random: &mut Random,
    ) -> Self {
        let mut parameters = Vec::new();
        let mut mask = Vec::new();
        for layer in layers(&topology) {
            for index in layer.weights..layer.end() {
                let live = index >= layer.biases || density >= 1.0 || random.chance(density);
                let value = first_value(layer.inputs, random);
                parameters.push(if live { value } else { 0.0 });
                mask.push(live);
            }
        }
        Self { topology, activations, parameters, mask }
    }

    /// Units per layer, input and output included.
    #[must_use]
    pub fn topology(&self) -> &[usize] {
        &self.topology
    }

    /// One activation for each layer past the input.
    #[must_use]
    pub fn activations(&self) -> &[Activation] {
        &self.activations
    }

    /// The flat array of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Which parameters are live; biases always are.
    #[must_use]
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// The layers past the input, in order.
    pub fn layers(&self) -> impl Iterator<Item = Layer> + '_ {
        layers(&self.topology)
    }

    /// Columns that the network reads.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.topology.first().copied().unwrap_or(0)
    }

    /// Columns that the network gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.topology.last().copied().unwrap_or(0)
    }

    /// Live weights and biases.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.mask.iter().filter(|&&live| live).count()
    }

    /// Live weights, biases left out: the paper's "Num Params" (Figure 3).
    #[must_use]
    pub fn size(&self) -> usize {
        // Biases are always live, one for each unit past the input.
        self.n_parameters() - self.topology[1..].iter().sum::<usize>()
    }

    /// Whether every parameter is a finite number.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.parameters.iter().all(|value| value.is_finite())
    }

    /// The parameters for an optimiser or a topology change to write; the mask stays true to them.
    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }
}

/// A weight or bias before training: uniform in ±1/√n.
pub(crate) fn first_value(inputs: usize, random: &mut Random) -> f32 {
    let bound = 1.0 / (inputs as f64).sqrt();
    random.uniform(-bound, bound) as f32
}
