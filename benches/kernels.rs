//! Each kernel on one thread.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::{Dataset, Loss, Objective, Task};
use apbt_rs::hyperparameters::{ADAM, Domain, Scale, Table};
use apbt_rs::member::{Member, Space};
use apbt_rs::network::Activation;
use apbt_rs::random::{Purpose, Random};
use apbt_rs::scoring::predict;
use apbt_rs::training::train;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

fn dataset(rows: usize, inputs: usize, outputs: usize, loss: Loss) -> Dataset {
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    let x = (0..rows * inputs).map(|_| random.uniform(-1.0, 1.0) as f32).collect();
    labelled(x, rows, outputs, loss, &mut random)
}

/// Categories of so many levels each, one-hot encoded.
fn categories(rows: usize, columns: usize, levels: usize, outputs: usize) -> Dataset {
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    let mut x = vec![0.0; rows * columns * levels];
    for category in x.chunks_exact_mut(levels) {
        category[random.below(levels)] = 1.0;
    }
    labelled(x, rows, outputs, Loss::SquaredError, &mut random)
}

fn labelled(x: Vec<f32>, rows: usize, outputs: usize, loss: Loss, random: &mut Random) -> Dataset {
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

/// What a member is made of; rates are such that nothing diverges.
#[derive(Clone, Copy)]
struct Recipe<'a> {
    topology: &'a [usize],
    hidden: Activation,
    output: Activation,
    batch_size: f64,
    adam: bool,
    density: f64,
}

impl Recipe<'_> {
    fn member(self) -> Member {
        let hidden = self.topology.len() - 2;
        let optimizer = if self.adam { ADAM } else { 0.0 };
        let values = [0.001, 0.5, 0.01, self.batch_size, optimizer];
        let space = Space {
            hidden_layers: Domain::Fixed(hidden as f64),
            hidden_units: Domain::Fixed(self.topology[1] as f64),
            activations: vec![self.hidden],
            density: Domain::Fixed(self.density),
            table: Table::new(values.map(Domain::Fixed).to_vec()).expect("a valid table"),
        };
        space.birth((self.topology[0], self.topology[hidden + 1]), self.output, 0, 0, 0)
    }
}

/// The whole of a range.
fn range(low: f64, high: f64, integer: bool) -> Domain {
    Domain::Range { start: (low, high), bounds: (low, high), scale: Scale::Linear, integer }
}

/// A population like those of the default space: of many batch sizes, half of it trained by Adam.
fn default_population(k: u32) -> Vec<Member> {
    let fixed = [0.001, 0.5, 0.01].map(Domain::Fixed);
    let optimizer = Domain::Choices { values: vec![0.0, ADAM], ordered: false };
    let drawn = [range(8.0, 64.0, true), optimizer];
    let space = Space {
        hidden_layers: range(0.0, 1.0, true),
        hidden_units: range(1.0, 10.0, true),
        activations: vec![Activation::Relu, Activation::Tanh],
        density: Domain::Fixed(1.0),
        table: Table::new(fixed.into_iter().chain(drawn).collect()).expect("a valid table"),
    };
    (0..k).map(|place| space.birth((13, 3), Activation::Softmax, 0, place, 0)).collect()
}

/// A population like the paper's first: 1 to 4 hidden layers of 2 to 10 units.
fn paper_population(k: u32) -> Vec<Member> {
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

/// Benches the training of members for some epochs; the unit is an example-update.
fn bench_training(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    dataset: &Dataset,
    mut members: Vec<Member>,
    epochs: u64,
) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let stop = AtomicBool::new(false);
    let updates = (dataset.train().len() * members.len()) as u64 * epochs;
    group.throughput(Throughput::Elements(updates));
    group.bench_function(name, |bencher| {
        bencher.iter(|| pool.install(|| train(dataset, black_box(&mut members), epochs, &stop)));
    });
}

/// `kernels/group.rs`: members side by side in the lanes.
fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("group");
    let iris = dataset(80, 4, 3, Loss::SquaredError);
    let units = Activation::Sigmoid;
    let plain = Recipe {
        topology: &[4, 10, 10, 3],
        hidden: units,
        output: units,
        batch_size: 1.0,
        adam: false,
        density: 1.0,
    };
    let tiny = Recipe { topology: &[4, 6, 3], ..plain };
    let deep = Recipe { topology: &[4, 10, 10, 10, 10, 3], ..plain };
    for (name, recipe, k) in [
        ("1 × 4-10-10-3", plain, 1),
        ("8 × 4-10-10-3, half a vector", plain, 8),
        ("16 × 4-10-10-3, a vector", plain, 16),
        ("32 × 4-6-3, two groups in step", tiny, 32),
        ("16 × 4-10-10-10-10-3", deep, 16),
        ("16 × 4-10-10-3, Adam", Recipe { adam: true, ..plain }, 16),
        ("16 × 4-10-10-3, batch of 4", Recipe { batch_size: 4.0, ..plain }, 16),
        ("16 × 4-10-10-3, half pruned", Recipe { density: 0.5, ..plain }, 16),
    ] {
        bench_training(&mut group, name, &iris, vec![recipe.member(); k], 20);
    }
    bench_training(&mut group, "80 of the paper's population", &iris, paper_population(80), 20);
    let tennis = categories(80, 5, 4, 3);
    let sparse = Recipe { topology: &[20, 6, 3], ..plain };
    bench_training(&mut group, "32 × 20-6-3, categories", &tennis, vec![sparse.member(); 32], 20);
    group.finish();
}

/// `kernels/singles.rs`: rows in the lanes, one member after the other.
fn singles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("single");
    let digits = dataset(1440, 64, 10, Loss::CrossEntropy);
    let relu = Recipe {
        topology: &[64, 128, 10],
        hidden: Activation::Relu,
        output: Activation::Softmax,
        batch_size: 32.0,
        adam: false,
        density: 1.0,
    };
    let tanh = Recipe { hidden: Activation::Tanh, ..relu };
    for (name, recipe) in [
        ("64-128-10 relu", relu),
        ("64-128-10 tanh", tanh),
        ("64-128-10 relu, Adam", Recipe { adam: true, ..relu }),
        ("64-128-10 relu, batch of 10", Recipe { batch_size: 10.0, ..relu }),
        ("64-128-10 relu, half pruned", Recipe { density: 0.5, ..relu }),
    ] {
        bench_training(&mut group, name, &digits, vec![recipe.member()], 4);
    }
    let wine = dataset(142, 13, 3, Loss::CrossEntropy);
    bench_training(&mut group, "80 of the default space", &wine, default_population(80), 20);
    group.finish();
}

/// `kernels/packed.rs`: a network's outputs for many rows; the unit is a row.
fn outputs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outputs");
    let rows = 10_000;
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    for topology in [&[30, 16, 2][..], &[64, 128, 10]] {
        let hidden = Activation::Tanh;
        let recipe = Recipe {
            topology,
            hidden,
            output: Activation::Softmax,
            batch_size: 32.0,
            adam: false,
            density: 1.0,
        };
        let network = recipe.member().network;
        let x: Vec<f32> =
            (0..rows * topology[0]).map(|_| random.uniform(-1.0, 1.0) as f32).collect();
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{topology:?} tanh"), |bencher| {
            bencher.iter(|| predict(&network, black_box(&x)));
        });
    }
    group.finish();
}

criterion_group!(kernels, groups, singles, outputs);
criterion_main!(kernels);
