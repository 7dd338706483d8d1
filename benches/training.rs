//! Training of one population on one thread, per topology.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::{Dataset, Loss, Objective, Task};
use apbt_rs::hyperparameters::{Domain, Scale, Table};
use apbt_rs::member::{Member, Space};
use apbt_rs::network::Activation;
use apbt_rs::random::{Purpose, Random};
use apbt_rs::training::train;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn dataset(rows: usize, inputs: usize, outputs: usize, loss: Loss) -> Dataset {
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    let x = (0..rows * inputs).map(|_| random.uniform(-1.0, 1.0) as f32).collect();
    let mut y = vec![0.0; rows * outputs];
    for row in y.chunks_exact_mut(outputs) {
        row[random.below(outputs)] = 1.0;
    }
    let rows: Vec<u32> = (0..rows as u32).collect();
    let output = match loss {
        Loss::SquaredError => Activation::Sigmoid,
        Loss::CrossEntropy => Activation::Softmax,
    };
    let objective = Objective {
        task: Task::Classification,
        output,
        loss,
        decay_biases: false,
        target_scale: vec![1.0; outputs],
    };
    Dataset::new(x, y, outputs, None, rows.clone(), rows, objective, 0).expect("a valid dataset")
}

fn member(
    topology: &[usize],
    activation: Activation,
    output: Activation,
    values: [f64; 5],
) -> Member {
    let hidden = topology.len() - 2;
    let space = Space {
        hidden_layers: Domain::Fixed(hidden as f64),
        hidden_units: Domain::Fixed(topology[1] as f64),
        activations: vec![activation],
        density: Domain::Fixed(1.0),
        table: Table::new(values.map(Domain::Fixed).to_vec()).expect("a valid table"),
    };
    space.birth((topology[0], topology[hidden + 1]), output, 0, 0, 0)
}

/// A population like the paper's first: 1 to 4 hidden layers of 2 to 10 units.
fn paper_population(k: u32) -> Vec<Member> {
    let range = |low: f64, high: f64, integer| Domain::Range {
        start: (low, high),
        bounds: (low, high),
        scale: Scale::Linear,
        integer,
    };
    let rates = [range(1e-4, 0.1, false), range(0.0, 0.9, false), range(0.0, 0.1, false)];
    let fixed = [Domain::Fixed(1.0), Domain::Fixed(0.0)];
    let space = Space {
        hidden_layers: range(1.0, 4.0, true),
        hidden_units: range(2.0, 10.0, true),
        activations: vec![Activation::Sigmoid],
        density: Domain::Fixed(1.0),
        table: Table::new(rates.into_iter().chain(fixed).collect()).expect("a valid table"),
    };
    (0..k).map(|place| space.birth((4, 3), Activation::Sigmoid, 0, place, 0)).collect()
}

fn benches(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let mut group = criterion.benchmark_group("train");
    let mut bench = |name: &str, dataset: &Dataset, mut members: Vec<Member>, epochs: u64| {
        let stop = AtomicBool::new(false);
        let updates = (dataset.train().len() * members.len()) as u64 * epochs;
        group.throughput(Throughput::Elements(updates));
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| pool.install(|| train(dataset, black_box(&mut members), epochs, &stop)));
        });
    };

    let iris = dataset(80, 4, 3, Loss::SquaredError);
    let values = [0.05, 0.5, 0.01, 1.0, 0.0];
    let paper: [(&str, &[usize], usize); 4] = [
        ("16 × 4-10-10-10-10-3", &[4, 10, 10, 10, 10, 3], 16),
        ("1 × 4-10-10-10-10-3", &[4, 10, 10, 10, 10, 3], 1),
        ("16 × 4-6-3", &[4, 6, 3], 16),
        ("1 × 4-6-3", &[4, 6, 3], 1),
    ];
    for (name, topology, k) in paper {
        let one = member(topology, Activation::Sigmoid, Activation::Sigmoid, values);
        bench(name, &iris, vec![one; k], 20);
    }
    bench("80 of the paper's population", &iris, paper_population(80), 20);

    let classes = Activation::Softmax;
    let digits = dataset(1440, 64, 10, Loss::CrossEntropy);
    for (name, hidden, optimizer, batch) in [
        ("64-128-10 relu", Activation::Relu, 0.0, 32.0),
        ("64-128-10 tanh", Activation::Tanh, 0.0, 32.0),
        ("64-128-10 tanh adam", Activation::Tanh, 1.0, 32.0),
        ("64-128-10 tanh, 10 rows", Activation::Tanh, 0.0, 10.0),
    ] {
        let values = [0.001, 0.5, 0.01, batch, optimizer];
        bench(name, &digits, vec![member(&[64, 128, 10], hidden, classes, values)], 4);
    }
    let small = dataset(140, 13, 3, Loss::CrossEntropy);
    let values = [0.001, 0.5, 0.01, 20.0, 0.0];
    bench("13-5-3", &small, vec![member(&[13, 5, 3], Activation::Tanh, classes, values)], 20);
    group.finish();
}

criterion_group!(training, benches);
criterion_main!(training);
