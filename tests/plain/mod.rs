//! The plain twin of training: textbook loops over a network's flat array, in the order of sums
//! that `rust/kernels` documents, without padding or vectors. [`textbook`] is the same in float64.

#![allow(dead_code, reason = "each test uses its own part")]

pub mod textbook;

use apbt_rs::dataset::{Dataset, Loss, Objective};
use apbt_rs::math;
use apbt_rs::member::Member;
use apbt_rs::network::{Activation, Network};

/// Trains a member as `apbt_rs::training::train` promises to.
pub fn train(dataset: &Dataset, member: &mut Member, epochs: u64) {
    apbt_rs::without_subnormals(|| train_with_subnormals(dataset, member, epochs));
}

/// The same by the bare loops.
pub fn train_with_subnormals(dataset: &Dataset, member: &mut Member, epochs: u64) {
    let [rate, momentum, decay, batch_size, optimizer] = member.hyperparameters[..] else {
        panic!("five hyperparameters");
    };
    let mut parameters = member.network.parameters().to_vec();
    for epoch in member.epochs..member.epochs + epochs {
        let order = dataset.order(epoch);
        let mut loss = 0.0;
        for batch in order.chunks(batch_size as usize) {
            let factor = if optimizer == 0.0 { -rate } else { 1.0 } / batch.len() as f64;
            let (gradient, batch_loss) =
                gradient(dataset, &member.network, &parameters, batch, factor as f32);
            loss += batch_loss;
            member.optimizer.steps += 1;
            let steps = member.optimizer.steps;
            for layer in member.network.layers() {
                for p in layer.weights..layer.end() {
                    if !member.network.mask()[p] {
                        continue;
                    }
                    let decays = p < layer.biases || dataset.objective().decay_biases;
                    let keep = if decays { (1.0 - rate * decay) as f32 } else { 1.0 };
                    let change = match &mut member.optimizer.slots[..] {
                        [velocity] => sgd(&mut velocity[p], gradient[p], momentum as f32),
                        [mean, square] => {
                            adam(&mut mean[p], &mut square[p], gradient[p], rate, steps)
                        }
                        _ => panic!("one slot or two"),
                    };
                    parameters[p] = keep.mul_add(parameters[p], change);
                }
            }
        }
        member.train_loss = Some(loss / order.len() as f64);
    }
    for number in parameters.iter_mut().chain(member.optimizer.slots.iter_mut().flatten()) {
        *number += 0.0; // which leaves no negative zero
    }
    let (topology, activations) = (member.network.topology(), member.network.activations());
    let mask = member.network.mask();
    member.network =
        Network::new(topology.to_vec(), activations.to_vec(), parameters, mask.to_vec())
            .expect("a network");
    member.epochs += epochs;
    let numbers = member.network.parameters().iter().chain(member.optimizer.slots.iter().flatten());
    if !numbers.copied().all(f32::is_finite) {
        diverge(member);
    }
}

/// A member with a number that is not finite is marked as diverged: all that is live is NaN.
fn diverge(member: &mut Member) {
    let mask = member.network.mask().to_vec();
    let marked: Vec<f32> = mask.iter().map(|&live| if live { f32::NAN } else { 0.0 }).collect();
    for slot in &mut member.optimizer.slots {
        slot.clone_from(&marked);
    }
    let (topology, activations) = (member.network.topology(), member.network.activations());
    member.network =
        Network::new(topology.to_vec(), activations.to_vec(), marked, mask).expect("a network");
    member.train_loss = Some(f64::NAN);
}

fn sgd(velocity: &mut f32, change: f32, momentum: f32) -> f32 {
    *velocity = momentum.mul_add(*velocity, change);
    *velocity
}

fn adam(mean: &mut f32, square: &mut f32, slope: f32, rate: f64, step: u64) -> f32 {
    let rate = (rate / (1.0 - math::power(0.9, step))) as f32;
    let unbias = (1.0 / (1.0 - math::power(0.999, step)).sqrt()) as f32;
    *mean = 0.9_f32.mul_add(*mean, (1.0 - 0.9_f64) as f32 * slope);
    *square = 0.999_f32.mul_add(*square, (1.0 - 0.999_f64) as f32 * (slope * slope));
    -(rate * (*mean / square.sqrt().mul_add(unbias, 1e-8)))
}

/// The sum over a batch of row weight × gradient × factor, and of row weight × loss.
fn gradient(
    dataset: &Dataset,
    network: &Network,
    parameters: &[f32],
    batch: &[u32],
    factor: f32,
) -> (Vec<f32>, f64) {
    let objective = dataset.objective();
    let mut gradient = vec![0.0_f32; parameters.len()];
    let mut total = 0.0;
    for &row in batch {
        let target = dataset.target(row);
        let units = forward_with_subnormals(network, parameters, dataset.input(row));
        let outputs = units.last().expect("an output layer");
        total += f64::from(dataset.weight(row)) * row_loss(objective, outputs, target);
        let mut deltas = output_deltas(objective, outputs, target, factor * dataset.weight(row));
        for (index, layer) in network.layers().enumerate().collect::<Vec<_>>().into_iter().rev() {
            for j in 0..layer.outputs {
                for i in 0..layer.inputs {
                    let place = layer.weight(i, j);
                    gradient[place] = units[index][i].mul_add(deltas[j], gradient[place]);
                }
                gradient[layer.bias(j)] += deltas[j];
            }
            if index > 0 {
                let activation = network.activations()[index - 1];
                deltas = (0..layer.inputs)
                    .map(|i| {
                        let mut sum = 0.0_f32;
                        for j in 0..layer.outputs {
                            sum = parameters[layer.weight(i, j)].mul_add(deltas[j], sum);
                        }
                        sum * derivative(activation, units[index][i])
                    })
                    .collect();
            }
        }
    }
    (gradient, total)
}

/// What each layer's units give, the input first.
pub fn forward(network: &Network, parameters: &[f32], input: &[f32]) -> Vec<Vec<f32>> {
    apbt_rs::without_subnormals(|| forward_with_subnormals(network, parameters, input))
}

fn forward_with_subnormals(network: &Network, parameters: &[f32], input: &[f32]) -> Vec<Vec<f32>> {
    let mut units = vec![input.to_vec()];
    for (layer, &activation) in network.layers().zip(network.activations()) {
        let before = &units[units.len() - 1];
        let mut sums = parameters[layer.biases..layer.end()].to_vec();
        for j in 0..layer.outputs {
            for i in 0..layer.inputs {
                sums[j] = before[i].mul_add(parameters[layer.weight(i, j)], sums[j]);
            }
        }
        units.push(activate(activation, sums));
    }
    units
}

fn activate(activation: Activation, sums: Vec<f32>) -> Vec<f32> {
    let each = |f: fn(f32) -> f32| sums.iter().map(|&z| f(z)).collect();
    match activation {
        Activation::Sigmoid => each(math::sigmoid),
        Activation::Tanh => each(math::tanh),
        Activation::Relu => each(|z| if z < 0.0 { 0.0 } else { z }),
        Activation::Identity => sums,
        Activation::Softmax => {
            let largest = sums.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f32> = sums.iter().map(|&z| math::exp(z - largest)).collect();
            let total: f32 = powers.iter().fold(0.0, |total, power| total + power);
            powers.iter().map(|power| power / total).collect()
        }
    }
}

fn derivative(activation: Activation, value: f32) -> f32 {
    match activation {
        Activation::Sigmoid => (-value).mul_add(value, value),
        Activation::Tanh => (-value).mul_add(value, 1.0),
        Activation::Relu => f32::from(value > 0.0),
        Activation::Identity => 1.0,
        Activation::Softmax => panic!("softmax is for outputs"),
    }
}

fn output_deltas(objective: &Objective, outputs: &[f32], target: &[f32], scale: f32) -> Vec<f32> {
    let errors: Vec<f32> = outputs.iter().zip(target).map(|(o, t)| o - t).collect();
    let mut mean = 0.0_f32;
    for (&error, &output) in errors.iter().zip(outputs) {
        mean = error.mul_add(output, mean);
    }
    let delta = |(&error, &output): (&f32, &f32)| match (objective.loss, objective.output) {
        (Loss::CrossEntropy, _) => scale * error,
        (Loss::SquaredError, Activation::Softmax) => (scale * (error - mean)) * output,
        (Loss::SquaredError, activation) => (scale * error) * derivative(activation, output),
    };
    errors.iter().zip(outputs).map(delta).collect()
}

fn row_loss(objective: &Objective, outputs: &[f32], target: &[f32]) -> f64 {
    let pairs = outputs.iter().zip(target);
    if objective.loss == Loss::SquaredError {
        let mut sum = 0.0_f32;
        for (output, target) in pairs {
            sum = (target - output).mul_add(target - output, sum);
        }
        return f64::from(0.5 * sum);
    }
    let (least, both) = (f64::from(f32::EPSILON), objective.output == Activation::Sigmoid);
    let surprise = |share: f32, probability: f64| match share {
        0.0 => 0.0,
        _ => -f64::from(share) * math::ln(probability.clamp(least, 1.0 - least)),
    };
    pairs
        .map(|(&output, &target)| {
            let (output, other) = (f64::from(output), 1.0 - target);
            surprise(target, output) + if both { surprise(other, 1.0 - output) } else { 0.0 }
        })
        .sum()
}
