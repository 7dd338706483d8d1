//! Subnormal numbers: zeros in kernels, and nowhere else.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

mod common;
mod plain;

use std::hint::black_box;
use std::panic::catch_unwind;
use std::sync::atomic::AtomicBool;

use apbt_rs::member::Member;
use apbt_rs::network::Activation;
use apbt_rs::training::train;
use apbt_rs::without_subnormals;
use common::{PAIRS, dataset_with_zeros, member, network, objective};

#[test]
fn the_environment_is_the_works_alone() {
    let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
    let twice = || black_box(f32::from_bits(1)) * black_box(2.0);
    // What comes after another's end is still within.
    let inside = without_subnormals(|| (without_subnormals(half), half(), -half(), twice()));
    assert_eq!(inside, (0.0, 0.0, 0.0, 0.0));
    assert!(without_subnormals(|| (-black_box(f32::MIN_POSITIVE)) * 0.5).is_sign_negative());
    // What is not subnormal is as ever.
    assert_eq!(without_subnormals(|| black_box(f32::MIN_POSITIVE) * 1.5), 1.5 * f32::MIN_POSITIVE);
    catch_unwind(|| without_subnormals(|| panic!("on the way"))).unwrap_err();
    assert!(half() > 0.0 && twice() > 0.0);
}

#[test]
fn training_leaves_no_subnormal_number() {
    let pair = PAIRS[0];
    // A column of zeros, whose weights are never heard of, so that their slots die away.
    let dataset = dataset_with_zeros(12, (3, 2), objective(pair, 2), false, 3, 1.0);
    for (batch, optimizer) in [(1.0, 0.0), (12.0, 0.0), (1.0, 1.0), (12.0, 1.0)] {
        let mut one = member(
            network(&[3, 4, 2], &[Activation::Sigmoid, pair.0], 1.0, 3),
            [1e-38, 0.9, 0.0, batch, optimizer],
        );
        for slot in &mut one.optimizer.slots {
            slot.fill(1.2e-38);
        }
        let subnormal = |member: &Member| {
            member.optimizer.slots.iter().flatten().filter(|number| number.is_subnormal()).count()
        };
        let mut plain = one.clone();
        plain::train_with_subnormals(&dataset, &mut plain, 3);
        train(&dataset, std::slice::from_mut(&mut one), 3, &AtomicBool::new(false)).unwrap();
        // Without the rule there are some.
        assert_eq!((subnormal(&plain) > 0, subnormal(&one)), (true, 0), "{batch} {optimizer}");
    }
}
