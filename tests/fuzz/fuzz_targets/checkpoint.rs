//! The parts of a checkpoint: run and state, each after its length, then history. What is accepted
//! has to go on.
#![no_main]

use std::sync::atomic::AtomicBool;

use apbt_rs::evolution::{Run, State};
use apbt_rs::history::History;
use apbt_rs::selection::Action;
use libfuzzer_sys::fuzz_target;

/// A part and what comes after it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn read(bytes: &[u8]) -> Option<()> {
    let (run, rest) = part(bytes)?;
    let run = Run::from_bytes(run).ok()?;
    let (state, history) = part(rest)?;
    let mut state = State::from_bytes(state, &run).ok()?;
    if let Ok(history) = History::from_bytes(history) {
        let _ = history.fits(state.population.len(), state.generation);
    }
    // A table of many rows is slow, not wrong.
    if run.dataset.train().len() * state.population.len() < 10_000 {
        let plan = vec![Action::Keep; state.population.len()];
        run.apply(&mut state, &plan).expect("a plan for this population");
        run.train(&mut state, 1, &AtomicBool::new(false)).expect("nobody stops it");
        let _ = run.score(&mut state, &mut History::default(), None);
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes);
});
