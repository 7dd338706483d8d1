//! Histories: parts make up the whole, and only a run's own fits it.

mod common;

use std::sync::atomic::AtomicBool;

use apbt_rs::evolution::{Run, State, evolve};
use apbt_rs::history::History;
use common::{run, start};
use proptest::prelude::*;

/// A run's state and history after some generations.
fn evolved(k: usize, generations: u64, seed: u64) -> (Run, State, History) {
    let run = run(true, seed);
    let (mut state, mut history) = start(&run, k);
    evolve(&run, &mut state, &mut history, generations, 1, &AtomicBool::new(false)).unwrap();
    (run, state, history)
}

/// What damages a history of at least two generations of `k` members.
const DAMAGES: [fn(&mut History, usize); 8] = [
    |history, _| {
        history.generation.pop();
    },
    |history, _| history.topology.push(vec![3, 3]),
    |history, _| *history = history.since(1),
    |history, k| *history = history.since(k),
    |history, k| history.parent[k] = Some(k as u32),
    |history, _| history.parent[0] = Some(0),
    |history, _| history.member.swap(0, 1),
    |history, _| history.hyperparameters[0].clear(),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn parts_in_order_are_the_whole(
        k in 2..7_usize,
        seed: u64,
        written in prop::collection::vec(any::<bool>(), 1..6),
    ) {
        let run = run(true, seed);
        let (mut state, mut history) = start(&run, k);
        let (mut whole, mut rows) = (History::default(), 0);
        for now in written.into_iter().chain([true]) {
            evolve(&run, &mut state, &mut history, 1, 1, &AtomicBool::new(false)).unwrap();
            if now {
                let part = history.since(rows).to_bytes().unwrap();
                whole.append(History::from_bytes(&part).unwrap());
                rows = history.len();
            }
        }
        prop_assert!(history.since(rows).is_empty() && history.since(rows + 1).is_empty());
        prop_assert_eq!(whole.to_bytes().unwrap(), history.to_bytes().unwrap());
    }

    #[test]
    fn a_runs_own_history_fits_it_and_no_other(
        k in 2..7_usize,
        generations in 1..4_u64,
        seed: u64,
    ) {
        let (_, state, history) = evolved(k, generations, seed);
        prop_assert!(history.fits(k, state.generation));
        prop_assert!(!history.fits(k, state.generation + 1));
        prop_assert!(!history.fits(k, state.generation - 1));
        prop_assert!(!history.fits(k + 1, state.generation));
        prop_assert!(!history.fits(0, state.generation));
        prop_assert!(!History::default().fits(k, 0));
        for (number, damage) in DAMAGES.iter().enumerate() {
            let mut damaged = history.clone();
            damage(&mut damaged, k);
            prop_assert!(!damaged.fits(k, state.generation), "damage {}", number);
        }
    }
}

#[test]
fn bytes_after_the_last_are_refused() {
    let (run, state, history) = evolved(3, 1, 0);
    let longer = |bytes: Vec<u8>| [&bytes[..], &[0]].concat();
    let (run_bytes, state_bytes) = (run.to_bytes().unwrap(), state.to_bytes().unwrap());
    assert!(Run::from_bytes(&run_bytes).is_ok() && Run::from_bytes(&longer(run_bytes)).is_err());
    assert!(State::from_bytes(&state_bytes, &run).is_ok());
    assert!(State::from_bytes(&longer(state_bytes), &run).is_err());
    assert!(History::from_bytes(&longer(history.to_bytes().unwrap())).is_err());
}
