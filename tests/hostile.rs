//! Files that somebody damaged or made up: readers refuse them or give what can be used. They never
//! panic, and take no more memory than the bytes that are there account for.
//!
//! `APBT_RS_MUTATIONS` sets how many files each law reads; `python3 dev.py fuzz` reads 100,000.

mod common;

use std::alloc::System;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use apbt_rs::error::{Error, Result};
use apbt_rs::evolution::{Run, State, evolve};
use apbt_rs::files::{read_header, read_network, seal, write};
use apbt_rs::history::History;
use apbt_rs::network::Activation;
use apbt_rs::selection::Action;
use common::{network, run, start};
use proptest::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Tests that count bytes run one at a time.
static COUNTING: Mutex<()> = Mutex::new(());

fn mutations() -> u32 {
    std::env::var("APBT_RS_MUTATIONS").map_or(300, |count| count.parse().expect("a number"))
}

/// What is done to a file: bytes changed, a piece taken out, a piece put in.
#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// A varint or a little-endian count that promises very much.
    Huge(prop::sample::Index),
}

fn mutated() -> impl Strategy<Value = Vec<Mutation>> {
    let place = || any::<prop::sample::Index>();
    let one = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, value)| Mutation::Set(at, value)),
        (place(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (place(), place()).prop_map(|(from, to)| Mutation::Cut(from, to)),
        (place(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        place().prop_map(Mutation::Huge),
    ];
    prop::collection::vec(one, 1..4)
}

fn apply(mutations: &[Mutation], mut bytes: Vec<u8>) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match mutation {
            Mutation::Set(at, value) => bytes[at.index(length)] = *value,
            Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Mutation::Cut(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                bytes.drain(from.min(to)..from.max(to));
            }
            Mutation::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Huge(at) => {
                let at = at.index(length);
                bytes.splice(at..(at + 1).min(length), [0xff; 5].into_iter().chain([0x0f]));
            }
        }
    }
    bytes
}

/// What `read` gives, which must be a value or `Corrupt`, and must not have asked for much more
/// memory than there are bytes.
fn guarded<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T>) -> Option<T> {
    let _alone = COUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let region = Region::new(ALLOCATOR);
    let outcome = read(bytes);
    let asked = region.change().bytes_allocated;
    // A varint of one byte can stand for an element of forty; serde reserves up to 1 MiB ahead.
    let most = 64 * bytes.len() + (8 << 20);
    assert!(asked <= most, "{asked} bytes for a file of {}", bytes.len());
    match outcome {
        Ok(value) => Some(value),
        Err(Error::Corrupt(_)) => None,
        Err(error) => panic!("{error:?} is no refusal of a file"),
    }
}

fn parts(seed: u64) -> (Run, State, History) {
    let run = run(true, seed);
    let (mut state, mut history) = start(&run, 5);
    evolve(&run, &mut state, &mut history, 1, 2, &AtomicBool::new(false)).unwrap();
    (run, state, history)
}

/// Two more generations: as its scores have it, if there are any, then one in which all copy the member before,
/// or are drawn anew. (What a space was made into may be large, so that nobody is drawn from it.)
fn goes_on(run: &Run, mut state: State, anew: bool) {
    let k = state.population.len() as u32;
    let other = |place: u32| if anew { Action::Fresh } else { Action::Copy((place + k - 1) % k) };
    let planned = if anew { run.plan(&state) } else { vec![Action::Keep; k as usize] };
    for plan in [planned, (0..k).map(other).collect()] {
        run.apply(&mut state, &plan).unwrap();
        run.train(&mut state, 1, &AtomicBool::new(false)).unwrap();
        run.score(&mut state, &mut History::default(), None).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(mutations()))]

    #[test]
    fn a_mutated_network_is_refused(changes in mutated(), seed in 0..50_u64) {
        let activations = vec![Activation::Tanh, Activation::Softmax];
        let bytes = write(&network(&[3, 4, 2], &activations, 0.7, seed), "{\"a\": [1]}").unwrap();
        let changed = apply(&changes, bytes.clone());
        let read = |bytes: &[u8]| {
            Ok((read_header(bytes)?, read_network(bytes, activations.clone())?))
        };
        prop_assert!(changed == bytes || guarded(&changed, read).is_none());
        // With the hash made right again only what a network is protects the reader.
        if let Ok(sealed) = seal(changed)
            && let Some((_, network)) = guarded(&sealed, read)
        {
            let _ = apbt_rs::scoring::predict(&network, &vec![0.5; network.inputs() * 3]);
        }
    }

    #[test]
    fn a_mutated_state_is_refused_or_goes_on(changes in mutated(), seed in 0..20_u64) {
        let (run, state, _) = parts(seed);
        let changed = apply(&changes, state.to_bytes().unwrap());
        if let Some(state) = guarded(&changed, |bytes| State::from_bytes(bytes, &run)) {
            goes_on(&run, state.clone(), false);
            goes_on(&run, state, true);
        }
    }

    #[test]
    fn a_mutated_run_is_refused_or_goes_on(changes in mutated(), seed in 0..20_u64) {
        let (run, state, _) = parts(seed);
        let changed = apply(&changes, run.to_bytes().unwrap());
        let state = state.to_bytes().unwrap();
        if let Some(run) = guarded(&changed, Run::from_bytes)
            && let Some(state) = guarded(&state, |bytes| State::from_bytes(bytes, &run))
        {
            goes_on(&run, state, false);
        }
    }

    #[test]
    fn a_mutated_history_is_refused_or_fits_or_does_not(
        changes in mutated(), seed in 0..20_u64,
    ) {
        let (_, state, history) = parts(seed);
        let changed = apply(&changes, history.to_bytes().unwrap());
        if let Some(part) = guarded(&changed, History::from_bytes) {
            let mut rows = History::default();
            rows.append(part);
            let _ = rows.fits(state.population.len(), state.generation);
        }
    }
}

/// Where `cargo fuzz` begins: `cargo test --test hostile -- --ignored` writes it anew.
#[test]
#[ignore = "writes tests/fuzz/corpus"]
fn write_corpus() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let save = |target: &str, name: &str, bytes: Vec<u8>| {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    let activations = [Activation::Tanh, Activation::Softmax];
    for (name, density) in [("whole", 1.0), ("pruned", 0.5)] {
        save("network", name, write(&network(&[3, 4, 2], &activations, density, 0), "{}").unwrap());
    }
    for seed in 0..3 {
        let (run, state, history) = parts(seed);
        let parts = [run.to_bytes().unwrap(), state.to_bytes().unwrap()];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend((part.len() as u32).to_le_bytes());
            bytes.extend(part);
        }
        bytes.extend(history.to_bytes().unwrap());
        save("checkpoint", &format!("seed_{seed}"), bytes);
    }
}
