//! Training of one population on one thread, per topology.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::{Dataset, Loss, Objective, Task};
use apbt_rs::hyperparameters::{Domain, Table};
use apbt_rs::member::{Member, Space};
use apbt_rs::network::Activation;
use apbt_rs::random::{Purpose, Random};
use apbt_rs::training::train;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: usize = 80;

fn dataset(inputs: usize, outputs: usize, output: Activation, loss: Loss) -> Dataset {
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    let x = (0..ROWS * inputs).map(|_| random.uniform(-1.0, 1.0) as f32).collect();
    let mut y = vec![0.0; ROWS * outputs];
    for row in y.chunks_exact_mut(outputs) {
        row[random.below(outputs)] = 1.0;
    }
    let rows: Vec<u32> = (0..ROWS as u32).collect();
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

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("train");
    let paper: [(&str, &[usize]); 2] =
        [("4-10-10-10-10-3", &[4, 10, 10, 10, 10, 3]), ("4-6-3", &[4, 6, 3])];
    for (name, topology) in paper {
        let dataset = dataset(4, 3, Activation::Sigmoid, Loss::SquaredError);
        let values = [0.05, 0.5, 0.01, 1.0, 0.0];
        let mut members = [member(topology, Activation::Sigmoid, Activation::Sigmoid, values)];
        let stop = AtomicBool::new(false);
        group.throughput(Throughput::Elements(ROWS as u64 * 20));
        group.bench_function(name, |bencher| {
            bencher.iter(|| train(&dataset, black_box(&mut members), 20, &stop));
        });
    }
    let dataset = dataset(64, 10, Activation::Softmax, Loss::CrossEntropy);
    for (name, optimizer) in [("64-128-10 sgd", 0.0), ("64-128-10 adam", 1.0)] {
        let values = [0.001, 0.5, 0.01, 32.0, optimizer];
        let mut members = [member(&[64, 128, 10], Activation::Tanh, Activation::Softmax, values)];
        let stop = AtomicBool::new(false);
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| train(&dataset, black_box(&mut members), 1, &stop));
        });
    }
    group.finish();
}

criterion_group!(training, benches);
criterion_main!(training);
