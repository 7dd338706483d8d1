//! Builders and strategies that several tests share: datasets, members, spaces, runs.

#![allow(dead_code, reason = "each test uses its own part")]

use apbt_rs::dataset::{Dataset, Loss, Objective, Task};
use apbt_rs::evolution::{Run, State};
use apbt_rs::history::History;
use apbt_rs::hyperparameters::{Domain, Scale, Table};
use apbt_rs::member::{Event, Member, OptimizerState, Space};
use apbt_rs::metrics::Metric;
use apbt_rs::network::{Activation, Network};
use apbt_rs::random::{Purpose, Random};
use apbt_rs::scoring::{Fitness, Judge};
use proptest::prelude::*;

/// Activations of hidden layers.
pub const HIDDEN: [Activation; 4] =
    [Activation::Sigmoid, Activation::Tanh, Activation::Relu, Activation::Identity];

/// Every pair of output activation and loss that a dataset accepts.
pub const PAIRS: [(Activation, Loss); 5] = [
    (Activation::Sigmoid, Loss::SquaredError),
    (Activation::Sigmoid, Loss::CrossEntropy),
    (Activation::Softmax, Loss::SquaredError),
    (Activation::Softmax, Loss::CrossEntropy),
    (Activation::Identity, Loss::SquaredError),
];

/// A stream of random numbers for a test's own use.
pub fn random(seed: u64) -> Random {
    Random::new(seed, 0, 0, Purpose::Split)
}

/// What networks are asked for: identity outputs are for regression, others for classes.
pub fn objective((output, loss): (Activation, Loss), outputs: usize) -> Objective {
    let regression = output == Activation::Identity;
    Objective {
        task: if regression { Task::Regression } else { Task::Classification },
        output,
        loss,
        decay_biases: false,
        target_scale: (0..outputs).map(|c| if regression { 1.0 + c as f64 } else { 1.0 }).collect(),
    }
}

/// Targets `(rows, outputs)`: one class of a row is 1, or real numbers for regression. A single
/// column's classes alternate, so that every split has both.
pub fn targets(task: Task, rows: usize, outputs: usize, random: &mut Random) -> Vec<f32> {
    let mut targets = vec![0.0; rows * outputs];
    for (row, target) in targets.chunks_exact_mut(outputs).enumerate() {
        match (task, outputs) {
            (Task::Regression, _) => {
                target.fill_with(|| random.uniform(-1.5, 1.5) as f32);
            }
            (Task::Classification, 1) => target[0] = (row % 2) as f32,
            (Task::Classification, _) => target[random.below(outputs)] = 1.0,
        }
    }
    targets
}

/// A dataset of random inputs; every third row is for validation.
pub fn dataset(
    rows: usize,
    (inputs, outputs): (usize, usize),
    objective: Objective,
    weighted: bool,
    seed: u64,
) -> Dataset {
    dataset_with_zeros(rows, (inputs, outputs), objective, weighted, seed, 0.0)
}

/// The same with so large a share of its inputs zero, some of them negative zeros.
pub fn dataset_with_zeros(
    rows: usize,
    (inputs, outputs): (usize, usize),
    objective: Objective,
    weighted: bool,
    seed: u64,
    zeros: f64,
) -> Dataset {
    let mut random = random(seed);
    let mut x: Vec<f32> = (0..rows * inputs).map(|_| random.uniform(-2.0, 2.0) as f32).collect();
    if zeros > 0.0 {
        for x in &mut x {
            let zero = 0.0_f32.copysign(*x);
            *x = if random.uniform(0.0, 1.0) < zeros { zero } else { *x };
        }
    }
    let y = targets(objective.task, rows, outputs, &mut random);
    let weights = weighted.then(|| (0..rows).map(|_| random.uniform(0.1, 3.0)).collect());
    let (validation, train) = (0..rows as u32).partition(|row| row % 3 == 2);
    Dataset::new(x, y, outputs, weights, train, validation, objective, seed).expect("a dataset")
}

/// A network of random weights, as drawn: it need not be canonical.
pub fn network(topology: &[usize], activations: &[Activation], density: f64, seed: u64) -> Network {
    Network::random(topology.to_vec(), activations.to_vec(), density, &mut random(seed))
}

/// A member before its first epoch; `values` are learning rate, momentum, decay, batch size and
/// optimiser.
pub fn member(network: Network, values: [f64; 5]) -> Member {
    let optimizer = OptimizerState::new(values[4], network.parameters().len());
    Member {
        network,
        hyperparameters: values.to_vec(),
        optimizer,
        epochs: 0,
        generations: 0,
        event: Event::Born,
        parent: None,
        train_loss: None,
    }
}

/// All that training changes in a member, as bits; all NaN are one.
pub fn bits(member: &Member) -> Vec<u64> {
    let single =
        |value: &f32| if value.is_nan() { 0x7fc0_0000 } else { u64::from(value.to_bits()) };
    let slots = member.optimizer.slots.iter().flatten();
    let numbers = member.network.parameters().iter().chain(slots).map(single);
    let loss = member.train_loss.map_or(1, |loss| if loss.is_nan() { 2 } else { loss.to_bits() });
    numbers.chain([member.optimizer.steps, member.epochs, loss]).collect()
}

/// Fowler, Noll and Vo's hash (1a) of numbers.
pub fn hash(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().flat_map(u64::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A range whose start is its bounds.
pub fn range(low: f64, high: f64, scale: Scale, integer: bool) -> Domain {
    Domain::Range { start: (low, high), bounds: (low, high), scale, integer }
}

/// The paper's space (DESIGN §4.1).
pub fn paper_space() -> Space {
    let linear =
        |start, bounds| Domain::Range { start, bounds, scale: Scale::Linear, integer: false };
    let table = Table::new(vec![
        linear((1e-4, 0.1), (0.0, f64::INFINITY)),
        linear((0.0, 0.9), (0.0, 0.99)),
        linear((0.0, 0.1), (0.0, f64::INFINITY)),
        Domain::Fixed(1.0),
        Domain::Fixed(0.0),
    ]);
    Space {
        hidden_layers: range(1.0, 4.0, Scale::Linear, true),
        hidden_units: Domain::Range {
            start: (2.0, 10.0),
            bounds: (1.0, f64::INFINITY),
            scale: Scale::Linear,
            integer: true,
        },
        activations: vec![Activation::Sigmoid],
        density: Domain::Fixed(1.0),
        table: table.expect("a table"),
    }
}

/// A space in which everything is searched, pruned weights and no hidden layer at all included.
pub fn wide_space() -> Space {
    let table = Table::new(vec![
        range(1e-3, 0.3, Scale::Log, false),
        range(0.0, 0.99, Scale::LogOneMinus, false),
        range(0.0, 0.05, Scale::Linear, false),
        range(1.0, 16.0, Scale::Log, true),
        Domain::Choices { values: vec![0.0, 1.0], ordered: false },
    ]);
    Space {
        hidden_layers: range(0.0, 3.0, Scale::Linear, true),
        hidden_units: range(1.0, 9.0, Scale::Linear, true),
        activations: HIDDEN.to_vec(),
        density: range(0.3, 1.0, Scale::Linear, false),
        table: table.expect("a table"),
    }
}

/// A small run on three classes; the wide space has softmax outputs, the paper's has sigmoids.
pub fn run(wide: bool, seed: u64) -> Run {
    let (space, pair) = if wide { (wide_space(), PAIRS[3]) } else { (paper_space(), PAIRS[0]) };
    run_in(space, pair, seed)
}

/// A small run in any space; every other seed has row weights.
pub fn run_in(space: Space, pair: (Activation, Loss), seed: u64) -> Run {
    let dataset = dataset(30, (3, 3), objective(pair, 3), seed % 2 == 1, seed);
    let metric = match dataset.objective().task {
        Task::Classification => Metric::Accuracy,
        Task::Regression => Metric::R2,
    };
    let judge = Judge::new(&dataset, metric, Fitness::PAPER, None).expect("a judge");
    Run::new(dataset, space, judge, seed).expect("a run")
}

/// A run's start with an empty history.
pub fn start(run: &Run, k: usize) -> (State, History) {
    (run.start(k).expect("a population"), History::default())
}

/// A rayon pool of so many threads.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
}

/// Hidden activations with one of the pairs of output and loss, and the hidden layers' units.
pub type Shape = (Vec<(Activation, usize)>, (Activation, Loss));

/// None to four hidden layers of 1 to 20 units, now and then of up to 70, with any activations, output
/// and loss.
pub fn shapes() -> impl Strategy<Value = Shape> {
    let units = prop_oneof![15 => 1..=20_usize, 1 => 33..=70_usize];
    let hidden = (prop::sample::select(&HIDDEN[..]), units);
    (prop::collection::vec(hidden, 0..=4), prop::sample::select(&PAIRS[..]))
}

/// Topology and activations of a shape.
pub fn layers_of(
    (hidden, pair): &Shape,
    inputs: usize,
    outputs: usize,
) -> (Vec<usize>, Vec<Activation>) {
    let units = hidden.iter().map(|layer| layer.1);
    let topology = std::iter::once(inputs).chain(units).chain([outputs]).collect();
    (topology, hidden.iter().map(|layer| layer.0).chain([pair.0]).collect())
}

/// Runs some of a test's own tests again, with an instruction set.
pub fn again(instructions: &str, arguments: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env("APBT_RS_INSTRUCTIONS", instructions)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}
