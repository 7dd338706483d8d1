//! Evolution: what a history always says, and that neither threads nor interruptions change a run.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use apbt_rs::error::Error;
use apbt_rs::evolution::{Run, State, evolve};
use apbt_rs::history::History;
use apbt_rs::hyperparameters::{BATCH_SIZE, Domain, LEARNING_RATE, MOMENTUM, Table, WEIGHT_DECAY};
use apbt_rs::member::{Event, Space};
use apbt_rs::network::Activation;
use apbt_rs::selection::Action;
use common::{PAIRS, hash, run, run_in, start, wide_space};
use proptest::prelude::*;

const K: usize = 11;
const READINESS: u64 = 3;

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

/// A run's state and history after some generations.
fn evolved(run: &Run, generations: u64) -> (State, History) {
    let (mut state, mut history) = start(run, K);
    evolve(run, &mut state, &mut history, generations, READINESS, &go()).unwrap();
    (state, history)
}

/// Whether the space is the wide one, and a seed.
fn runs() -> impl Strategy<Value = (bool, u64)> {
    (prop::bool::ANY, 0..1000_u64)
}

/// What is compared: NaN, which those that diverge have, equals itself in bytes alone.
fn bytes(state: &State, history: &History) -> Vec<u8> {
    [state.to_bytes().unwrap(), postcard::to_stdvec(history).unwrap()].concat()
}

/// The rows of a history after population 0, each with its parent's row if it has one.
fn rows(history: &History) -> impl Iterator<Item = (usize, Option<usize>)> + '_ {
    (K..history.len()).map(|row| {
        let before = (row / K - 1) * K;
        (row, history.parent[row].map(|parent| before + parent as usize))
    })
}

/// One row's hyperparameters; none where one does not apply.
fn values(history: &History, row: usize) -> Vec<Option<f64>> {
    history.hyperparameters.iter().map(|column| column[row]).collect()
}

fn position(history: &History, row: usize) -> (u64, usize) {
    (history.generation[row], history.member[row] as usize)
}

/// A space in which every learning rate is one of these.
fn with_rates(rates: &[f64]) -> Space {
    let mut domains = wide_space().table.domains().to_vec();
    domains[LEARNING_RATE] = Domain::Choices { values: rates.to_vec(), ordered: false };
    domains[BATCH_SIZE] = Domain::Fixed(1.0);
    Space {
        activations: vec![Activation::Relu, Activation::Identity],
        table: Table::new(domains).unwrap(),
        ..wide_space()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn lineages_are_a_forest((wide, seed) in runs()) {
        let run = run(wide, seed);
        let (_, history) = evolved(&run, 6);
        prop_assert_eq!(history.len(), 7 * K);
        for row in 0..history.len() {
            prop_assert_eq!(position(&history, row), ((row / K) as u64, row % K));
            prop_assert_eq!(history.epoch[row], history.generation[row] * READINESS);
            let born = history.event[row] == Event::Born;
            prop_assert_eq!(history.parent[row].is_none(), born);
            prop_assert_eq!(history.train_loss[row].is_none(), row < K);
            prop_assert!(born || row >= K);
        }
        for (row, parent) in rows(&history) {
            let Some(parent) = parent else { continue };
            let own = history.member[parent] == history.member[row];
            prop_assert_eq!(own, history.event[row] == Event::Kept);
            prop_assert_eq!(history.generation[parent] + 1, history.generation[row]);
            if own {
                prop_assert_eq!(values(&history, row), values(&history, parent));
                prop_assert_eq!(&history.topology[row], &history.topology[parent]);
                prop_assert_eq!(&history.activation[row], &history.activation[parent]);
            }
        }
    }

    #[test]
    fn each_generation_a_fifth_copies_from_the_fittest_fifth((wide, seed) in runs()) {
        let run = run(wide, seed);
        let (_, history) = evolved(&run, 6);
        let n = K / 5;
        for generation in 1..6 {
            let before = generation * K..(generation + 1) * K;
            let mut fitness = history.log_fitness[before.clone()].to_vec();
            fitness.sort_by(|a, b| b.total_cmp(a));
            let copies = rows(&history)
                .filter(|&(row, _)| row / K == generation + 1)
                .filter(|&(row, _)| history.event[row] == Event::Copied);
            let mut count = 0;
            for (row, donor) in copies {
                prop_assert!(history.log_fitness[donor.unwrap()] >= fitness[n - 1]);
                prop_assert!(history.log_fitness[row - K] <= fitness[K - n]);
                count += 1;
            }
            let dead = fitness.iter().filter(|&&fitness| fitness == f64::NEG_INFINITY).count();
            prop_assert_eq!(count, n.max(dead));
        }
    }

    #[test]
    fn a_copy_in_the_papers_space_is_its_donor_perturbed_as_the_paper_says(seed in 0..1000_u64) {
        let run = run(false, seed);
        let (_, history) = evolved(&run, 8);
        for (row, donor) in rows(&history).filter(|&(row, _)| history.event[row] == Event::Copied) {
            let donor = donor.unwrap();
            for column in [LEARNING_RATE, MOMENTUM, WEIGHT_DECAY] {
                let [before, after] = [donor, row].map(|row| values(&history, row)[column]);
                let most = if column == MOMENTUM { 0.99 } else { f64::INFINITY };
                let moved = [0.8, 1.2].map(|factor| Some((before.unwrap() * factor).min(most)));
                prop_assert!(moved.contains(&after), "{before:?} became {after:?}");
            }
            let (before, after) = (&history.topology[donor], &history.topology[row]);
            prop_assert_eq!(before.len(), after.len());
            let changes: usize = before.iter().zip(after).map(|(&a, &b)| a.abs_diff(b)).sum();
            prop_assert!(changes <= 1);
            prop_assert_eq!((before[0], before.last()), (after[0], after.last()));
        }
    }

    #[test]
    fn what_scored_is_what_the_history_says((wide, seed) in runs()) {
        let run = run(wide, seed);
        let (state, history) = evolved(&run, 2);
        for (place, (member, score)) in state.population.iter().zip(&state.scores).enumerate() {
            let row = 2 * K + place;
            prop_assert_eq!(history.size[row], member.network.size() as u64);
            prop_assert_eq!(&history.topology[row], member.network.topology());
            prop_assert_eq!(history.validation_score[row], score.score);
            prop_assert_eq!(history.validation_loss[row], score.loss);
            prop_assert_eq!(history.log_fitness[row], score.log_fitness);
            let bits = |loss: Option<f64>| loss.map(f64::to_bits);
            prop_assert_eq!(bits(history.train_loss[row]), bits(member.train_loss));
        }
    }

    #[test]
    fn a_readiness_of_the_whole_run_copies_nothing((wide, seed) in runs(), epochs in 1..12_u64) {
        let run = run(wide, seed);
        let (mut state, mut history) = start(&run, K);
        evolve(&run, &mut state, &mut history, 1, epochs, &go()).unwrap();
        prop_assert!(history.event[..K].iter().all(|&event| event == Event::Born));
        prop_assert!(history.event[K..].iter().all(|&event| event == Event::Kept));
    }

    #[test]
    fn stopping_at_any_point_and_going_on_equals_never_stopping(
        (wide, seed) in runs(),
        cut in 0..=6_u64,
    ) {
        let run = run(wide, seed);
        let (mut state, mut history) = evolved(&run, cut);
        let written = state.to_bytes().unwrap();
        state = State::from_bytes(&written, &run).unwrap();
        prop_assert!(state.to_bytes().unwrap() == written);
        evolve(&run, &mut state, &mut history, 6 - cut, READINESS, &go()).unwrap();
        let (whole, whole_history) = evolved(&run, 6);
        prop_assert!(bytes(&state, &history) == bytes(&whole, &whole_history));
    }

    #[test]
    fn a_stopped_generation_never_was((wide, seed) in runs(), generations in 1..4_u64) {
        let run = run(wide, seed);
        let (mut state, mut history) = evolved(&run, generations);
        let before = bytes(&state, &history);
        let stopped =
            evolve(&run, &mut state, &mut history, 2, READINESS, &AtomicBool::new(true));
        prop_assert_eq!(stopped, Err(Error::Stopped));
        prop_assert!(bytes(&state, &history) == before);
    }

    #[test]
    fn any_part_of_a_state_is_no_state(
        (wide, seed) in runs(),
        part in any::<prop::sample::Index>(),
    ) {
        let run = run(wide, seed);
        let bytes = evolved(&run, 2).0.to_bytes().unwrap();
        let read = State::from_bytes(&bytes[..part.index(bytes.len())], &run);
        prop_assert!(matches!(read, Err(Error::Corrupt(_))));
    }

    #[test]
    fn reading_a_damaged_state_never_panics(
        seed in 0..20_u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let run = run(true, seed);
        let mut bytes = evolved(&run, 1).0.to_bytes().unwrap();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = State::from_bytes(&bytes, &run);
    }
}

#[test]
fn threads_change_no_bit_of_a_run() {
    for (wide, seed) in [(false, 0), (true, 1), (true, 2)] {
        let run = run(wide, seed);
        let results = [1, 2, 4].map(|threads| common::pool(threads).install(|| evolved(&run, 6)));
        let [one, two, four] = results.map(|(state, history)| bytes(&state, &history));
        assert!(two == one && four == one);
    }
}

/// Other hashes say that behaviour changed: the same data, settings and seed give another run. That
/// belongs into CHANGELOG.md.
#[test]
fn whole_runs_are_frozen() {
    let told = [false, true].map(|wide| {
        let (_, history) = evolved(&run(wide, 0), 8);
        let units = history.topology.iter().flatten().map(|&units| units as u64);
        let numbers =
            history.log_fitness.iter().chain(history.hyperparameters.iter().flatten().flatten());
        hash(numbers.map(|number| number.to_bits()).chain(units))
    });
    assert_eq!(told, [0x7aa1_e434_477d_bcf0, 0x7c52_a670_0249_f0fa]);
}

#[test]
fn another_seed_is_another_run() {
    let histories = [1, 2].map(|seed| evolved(&run(true, seed), 1).1);
    assert_ne!(histories[0].topology, histories[1].topology);
}

#[test]
fn a_stop_from_another_thread_leaves_the_last_full_generation() {
    let run = run(true, 4);
    let (mut state, mut history) = start(&run, K);
    let stop = go();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..1000 {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let ended = evolve(&run, &mut state, &mut history, 200, READINESS, &stop);
        assert!(matches!(ended, Ok(()) | Err(Error::Stopped)));
    });
    let (expected, expected_history) = evolved(&run, state.generation);
    assert!(bytes(&state, &history) == bytes(&expected, &expected_history));
}

#[test]
fn members_that_diverge_are_replaced_and_never_archived() {
    let mut diverged = 0;
    for seed in 0..20 {
        let run = run_in(with_rates(&[0.01, 1e30]), PAIRS[4], seed);
        let (state, history) = evolved(&run, 6);
        let dead = |row: usize| history.log_fitness[row] == f64::NEG_INFINITY;
        for (row, parent) in rows(&history) {
            if dead(row - K) && history.generation[row] > 1 {
                assert_ne!(history.event[row], Event::Kept);
            }
            assert!(parent.is_none_or(|parent| !dead(parent)));
            assert_eq!(dead(row), history.validation_score[row].is_none());
            assert_eq!(dead(row), history.validation_loss[row].is_none());
            diverged += usize::from(dead(row));
        }
        let archive = &state.archive;
        let champions = [archive.best(), archive.most_accurate()];
        let fronts = archive.front().iter().chain(archive.loss_front());
        for kept in champions.into_iter().flatten().chain(fronts) {
            assert!(!dead(kept.generation as usize * K + kept.member as usize));
            assert!(kept.network.is_finite());
        }
    }
    assert!(diverged > 100);
}

#[test]
fn threads_change_no_bit_of_how_many_members_are_drawn_and_changed() {
    let run = run(true, 5);
    let changed = |threads: usize| {
        common::pool(threads).install(|| {
            let mut state = start(&run, 3000).0;
            let born = state.clone();
            let action = |place: u32| match place % 3 {
                0 => Action::Fresh,
                1 => Action::Copy(place - 1),
                _ => Action::Keep,
            };
            run.apply(&mut state, &(0..3000).map(action).collect::<Vec<_>>()).unwrap();
            (born, state)
        })
    };
    assert!(changed(1) == changed(4));
}

#[test]
fn where_all_diverge_all_are_drawn_anew_and_the_first_networks_remain() {
    let run = run_in(with_rates(&[1e30]), PAIRS[4], 0);
    let (state, history) = evolved(&run, 4);
    for (row, _) in rows(&history).filter(|&(row, _)| history.generation[row] > 1) {
        assert_eq!(history.event[row], Event::Born);
    }
    assert_eq!(state.archive.best().unwrap().generation, 0);
    let bytes = state.to_bytes().unwrap();
    assert_eq!(State::from_bytes(&bytes, &run).unwrap().to_bytes().unwrap(), bytes);
}

#[test]
fn a_state_of_another_run_is_refused() {
    let run = run(true, 0);
    let bytes = evolved(&run, 1).0.to_bytes().unwrap();
    let narrow = common::dataset(30, (2, 3), common::objective(PAIRS[3], 3), false, 0);
    let few = common::dataset(30, (3, 2), common::objective(PAIRS[3], 2), false, 0);
    for dataset in [narrow, few] {
        let other = Run { dataset, ..run.clone() };
        assert!(matches!(State::from_bytes(&bytes, &other), Err(Error::Corrupt(_))));
    }
    assert!(matches!(State::from_bytes(&[], &run), Err(Error::Corrupt(_))));
}

#[test]
fn a_state_that_keeps_a_network_of_no_row_of_its_history_is_refused() {
    let run = run(true, 0);
    let state = evolved(&run, 4).0;
    let kept = [state.archive.best(), state.archive.most_accurate()];
    let fronts = state.archive.front().iter().chain(state.archive.loss_front());
    let kept: Vec<_> = kept.into_iter().flatten().chain(fronts).collect();
    let last = kept.iter().map(|one| one.generation).max().unwrap();
    let place = kept.iter().map(|one| one.member).max().unwrap() as usize;
    assert!(last > 0 && place >= 2);
    let earlier = State { generation: last - 1, ..state.clone() };
    let mut fewer = state.clone();
    fewer.population.truncate(place);
    fewer.scores.truncate(place);
    for changed in [earlier, fewer] {
        let bytes = changed.to_bytes().unwrap();
        assert!(matches!(State::from_bytes(&bytes, &run), Err(Error::Corrupt(_))));
    }
}

#[test]
fn a_plan_for_another_population_is_refused_and_changes_nothing() {
    let run = run(true, 0);
    let (mut state, _) = evolved(&run, 1);
    let before = state.clone();
    for plan in [vec![Action::Keep; K - 1], vec![Action::Copy(K as u32); K]] {
        assert!(matches!(run.apply(&mut state, &plan), Err(Error::Invalid { .. })));
        assert_eq!(state, before);
    }
}

#[test]
fn a_population_has_at_least_two_members() {
    let run = run(true, 0);
    for k in [0, 1] {
        assert!(matches!(run.start(k), Err(Error::Invalid { argument: "k", .. })));
    }
    assert_eq!(run.start(2).unwrap().population.len(), 2);
}
