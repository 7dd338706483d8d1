//! The training of apbt-rs against the same training on crates for matrix products: W5 and W6.
//!
//! All sides take the same rows in the same batches, one member on each thread at a time. The peer's
//! products are the crate's; its bias, activation, loss and update are plain loops over arrays, which
//! the compiler vectorises for this processor (see `.cargo/config.toml`). Usage: `gemm-peer ROUNDS
//! [--quick]`.

mod peer;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use apbt_rs::dataset::{Dataset, Loss, Objective, Task};
use apbt_rs::hyperparameters::{Domain, Table};
use apbt_rs::member::{Member, Space};
use apbt_rs::network::Activation;
use apbt_rs::random::{Purpose, Random};
use apbt_rs::training::train;
use peer::{Product, Trainer};
use rayon::prelude::*;

struct Workload {
    name: &'static str,
    rows: usize,
    topology: &'static [usize],
    activation: Activation,
    batch: usize,
    members: usize,
    epochs: usize,
}

/// Random rows: what training costs does not depend on them.
fn table(work: &Workload) -> (Vec<f32>, Vec<f32>) {
    let (inputs, outputs) = (work.topology[0], work.topology[work.topology.len() - 1]);
    let mut random = Random::new(0, 0, 0, Purpose::Split);
    let x = (0..work.rows * inputs).map(|_| random.uniform(-1.0, 1.0) as f32).collect();
    let mut y = vec![0.0; work.rows * outputs];
    for row in y.chunks_exact_mut(outputs) {
        row[random.below(outputs)] = 1.0;
    }
    (x, y)
}

fn dataset(work: &Workload, (x, y): (Vec<f32>, Vec<f32>)) -> Dataset {
    let outputs = work.topology[work.topology.len() - 1];
    let rows: Vec<u32> = (0..work.rows as u32).collect();
    let objective = Objective {
        task: Task::Classification,
        output: Activation::Softmax,
        loss: Loss::CrossEntropy,
        decay_biases: false,
        target_scale: vec![1.0; outputs],
    };
    let kept = rows[..outputs].to_vec();
    Dataset::new(x, y, outputs, None, rows, kept, objective, 0).expect("a valid dataset")
}

fn members(work: &Workload) -> Vec<Member> {
    let values = [0.01, 0.9, 1e-4, work.batch as f64, 0.0];
    let space = Space {
        hidden_layers: Domain::Fixed((work.topology.len() - 2) as f64),
        hidden_units: Domain::Fixed(work.topology[1] as f64),
        activations: vec![work.activation],
        density: Domain::Fixed(1.0),
        table: Table::new(values.map(Domain::Fixed).to_vec()).expect("a valid table"),
    };
    let ends = (work.topology[0], work.topology[work.topology.len() - 1]);
    (0..work.members as u32)
        .map(|place| space.birth(ends, Activation::Softmax, 0, place, 0))
        .collect()
}

fn seconds(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(5_usize);
    let quick = arguments.next().is_some();
    let w6 = if quick { 2_000 } else { 50_000 };
    let digits = |name, activation| Workload {
        name,
        rows: 1_777,
        topology: &[64, 128, 10],
        activation,
        batch: 32,
        members: 160,
        epochs: if quick { 1 } else { 5 },
    };
    let wide = |name, activation| Workload {
        name,
        rows: w6,
        topology: &[54, 64, 64, 7],
        activation,
        batch: 64,
        members: 32,
        epochs: 1,
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n{}, {processors} processors, medians of {rounds} rounds", std::env::consts::ARCH);
    println!(
        "\n| workload | crate | apbt-rs, µs | crate, µs | ratio | line |\n|---|---|---|---|---|---|"
    );
    for work in [
        digits("W5 relu", Activation::Relu),
        digits("W5 tanh", Activation::Tanh),
        wide("W6 relu", Activation::Relu),
        wide("W6 tanh", Activation::Tanh),
    ] {
        let (x, y) = table(&work);
        let dataset = dataset(&work, (x.clone(), y.clone()));
        let updates = (work.members * work.epochs * work.rows) as f64;
        let (stop, mut ours) = (AtomicBool::new(false), members(&work));
        for (name, product) in
            [("gemm", Product::Gemm), ("matrixmultiply", Product::MatrixMultiply)]
        {
            let mut peers: Vec<Trainer> = ours
                .iter()
                .map(|member| {
                    Trainer::new(work.topology, work.activation, work.batch, member, product)
                })
                .collect();
            let order: Vec<usize> = dataset.order(0).into_iter().map(|row| row as usize).collect();
            let mut theirs = || {
                peers.par_iter_mut().for_each(|peer| {
                    for _ in 0..work.epochs {
                        peer.epoch(&x, &y, &order);
                    }
                });
            };
            let mut mine =
                || train(&dataset, &mut ours, work.epochs as u64, &stop).expect("it goes on");
            theirs();
            mine();
            let pairs: Vec<(f64, f64)> =
                (0..rounds).map(|_| (seconds(&mut mine), seconds(&mut theirs))).collect();
            let side = |part: fn(&(f64, f64)) -> f64| median(pairs.iter().map(part).collect());
            println!(
                "| {} | {name} | {:.4} | {:.4} | {:.2} | 1.6 |",
                work.name,
                1e6 * side(|pair| pair.0) / updates,
                1e6 * side(|pair| pair.1) / updates,
                side(|pair| pair.1 / pair.0),
            );
        }
    }
}
