//! Forward pass, loss and gradient in float64, with the standard library's functions: what the
//! values ought to be, up to rounding.

#![expect(clippy::disallowed_methods, reason = "an oracle of values, not of bits")]

use apbt_rs::dataset::{Dataset, Loss, Objective};
use apbt_rs::network::{Activation, Network};

/// A network's outputs for one row.
pub fn outputs(network: &Network, parameters: &[f64], input: &[f32]) -> Vec<f64> {
    let mut units: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
    for (layer, &activation) in network.layers().zip(network.activations()) {
        let sum = |j| {
            let weighted = (0..layer.inputs).map(|i| units[i] * parameters[layer.weight(i, j)]);
            parameters[layer.bias(j)] + weighted.sum::<f64>()
        };
        units = activate(activation, &(0..layer.outputs).map(sum).collect::<Vec<_>>());
    }
    units
}

fn activate(activation: Activation, sums: &[f64]) -> Vec<f64> {
    let total: f64 = sums.iter().map(|z| z.exp()).sum();
    let one = |&z: &f64| match activation {
        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Activation::Tanh => z.tanh(),
        Activation::Relu => z.max(0.0),
        Activation::Identity => z,
        Activation::Softmax => z.exp() / total,
    };
    sums.iter().map(one).collect()
}

/// One row's loss.
pub fn row_loss(objective: &Objective, outputs: &[f64], target: &[f32]) -> f64 {
    let pairs = outputs.iter().zip(target).map(|(&o, &t)| (o, f64::from(t)));
    match (objective.loss, objective.output) {
        (Loss::SquaredError, _) => 0.5 * pairs.map(|(o, t)| (t - o) * (t - o)).sum::<f64>(),
        (Loss::CrossEntropy, Activation::Sigmoid) => {
            -pairs.map(|(o, t)| t * o.ln() + (1.0 - t) * (1.0 - o).ln()).sum::<f64>()
        }
        (Loss::CrossEntropy, _) => -pairs.map(|(o, t)| t * o.ln()).sum::<f64>(),
    }
}

/// The mean over the training rows of row weight × loss.
pub fn loss(dataset: &Dataset, network: &Network, parameters: &[f64]) -> f64 {
    let row = |&row: &u32| {
        let outputs = outputs(network, parameters, dataset.input(row));
        f64::from(dataset.weight(row))
            * row_loss(dataset.objective(), &outputs, dataset.target(row))
    };
    dataset.train().iter().map(row).sum::<f64>() / dataset.train().len() as f64
}

/// The gradient of [`loss`], by central differences.
pub fn gradient(dataset: &Dataset, network: &Network, parameters: &[f64]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let slope = |place: usize| {
        let moved = |step: f64| {
            let mut parameters = parameters.to_vec();
            parameters[place] += step;
            loss(dataset, network, &parameters)
        };
        (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
    };
    (0..parameters.len()).map(slope).collect()
}

/// A network's parameters in float64.
pub fn parameters(network: &Network) -> Vec<f64> {
    network.parameters().iter().map(|&value| f64::from(value)).collect()
}
