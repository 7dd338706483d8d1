//! Training that is stopped, or fails: whoever was trained by then is as before.

mod common;
mod crowds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apbt_rs::error::Error;
use apbt_rs::member::Member;
use apbt_rs::network::Activation;
use apbt_rs::training::train;
use common::{PAIRS, bits, dataset, member, network, objective};
use crowds::{crowd, problems};
use proptest::prelude::*;

fn all(members: &[Member]) -> Vec<Vec<u64>> {
    members.iter().map(bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_stopped_call_leaves_members_as_they_were((dataset, member) in problems()) {
        let mut members = [member.clone(), member.clone()];
        let stopped = train(&dataset, &mut members, 3, &AtomicBool::new(true));
        prop_assert_eq!(stopped, Err(Error::Stopped));
        prop_assert_eq!(members, [member.clone(), member]);
    }
}

#[test]
fn a_call_stopped_halfway_leaves_members_as_they_were() {
    const EPOCHS: u64 = 200;
    let (dataset, before) = crowd(PAIRS[3], 0.0);
    let mut members = before.clone();
    let started = Instant::now();
    train(&dataset, &mut members, EPOCHS, &AtomicBool::new(false)).unwrap();
    let whole = started.elapsed();
    let after = all(&members);
    let mut stopped = 0;
    for part in 0..40 {
        let (mut members, stop) = (before.clone(), AtomicBool::new(false));
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(whole * part / 40 + Duration::from_micros(1));
                stop.store(true, Ordering::Relaxed);
            });
            train(&dataset, &mut members, EPOCHS, &stop)
        });
        if ended == Err(Error::Stopped) {
            stopped += 1;
            assert_eq!(all(&members), all(&before));
        } else {
            assert_eq!(all(&members), after);
        }
    }
    assert!(stopped > 0);
}

#[test]
fn a_call_that_fails_halfway_leaves_members_as_they_were() {
    let pair = PAIRS[3];
    let dataset = dataset(12, (3, 3), objective(pair, 3), false, 5);
    let at = |epochs: u64, inputs: usize, batch: f64, optimizer: f64| {
        let network = network(&[inputs, 4, 3], &[Activation::Tanh, pair.0], 0.7, 5);
        let member = member(network, [0.1, 0.5, 0.1, batch, optimizer]);
        Member { epochs, train_loss: Some(7.0), ..member }
    };
    // Whoever has trained for longest comes first. Last comes a network for another table: a fault
    // of the caller's, at which training panics.
    let mut members = vec![at(0, 4, 1.0, 0.0)];
    let kinds = [(1.0, 0.0), (1.0, 1.0), (8.0, 0.0), (8.0, 1.0)];
    members.extend(kinds.map(|(batch, optimizer)| at(2, 3, batch, optimizer)));
    let before = members.clone();
    let mut trained = before[1..].to_vec();
    train(&dataset, &mut trained, 3, &AtomicBool::new(false)).unwrap();
    assert!(trained.iter().zip(&before[1..]).all(|(after, before)| bits(after) != bits(before)));
    let stop = AtomicBool::new(false);
    let call = AssertUnwindSafe(|| train(&dataset, &mut members, 3, &stop));
    assert!(catch_unwind(call).is_err());
    assert_eq!(members, before);
}
