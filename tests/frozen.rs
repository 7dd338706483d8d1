//! Trajectories of training: frozen, and the same by every instruction set.

mod common;
mod crowds;

use std::sync::atomic::AtomicBool;

use apbt_rs::dataset::Loss;
use apbt_rs::network::Activation;
use apbt_rs::training::train;
use common::{PAIRS, again, bits, hash};
use crowds::{crowd, crowd_of};

fn go() -> AtomicBool {
    AtomicBool::new(false)
}

fn hash_of_trained(pair: (Activation, Loss)) -> u64 {
    let (dataset, mut members) = crowd(pair, 0.0);
    train(&dataset, &mut members, 3, &go()).unwrap();
    hash(members.iter().flat_map(bits))
}

/// Other hashes say that behaviour changed: the same data, settings and seed give other networks.
/// That belongs into CHANGELOG.md.
#[test]
fn trajectories_are_frozen() {
    let frozen = [
        0x2073_9948_b31b_c59c,
        0xf9da_483c_a008_eabf,
        0x3641_273f_807d_d447,
        0xff8b_79d4_b378_fd10,
        0xfdf0_ba02_7a1b_4746,
    ];
    assert_eq!(PAIRS.map(hash_of_trained), frozen);
    assert_eq!(hash_of_groups(), 0xb57d_8216_3d24_0767);
    assert_eq!(hash_of_turns(), 0xb03d_65e6_b233_058a);
}

/// Of groups in step, some of half a vector and some of a whole one, plain and with Adam and masks.
fn hash_of_groups() -> u64 {
    let kinds = [
        ((0, 0, 2, 1, false, 4), 1.0),
        ((1, 0, 2, 3, true, 4), 0.7),
        ((2, 0, 0, 1, false, 4), 1.0),
        ((0, 0, 2, 1, false, 25), 1.0),
        ((1, 0, 3, 3, false, 25), 0.7),
        ((2, 0, 1, 1, true, 25), 1.0),
    ];
    let with_zeros = kinds.map(|(kinds, density)| (kinds, density, 0.7));
    let kinds = kinds.map(|(kinds, density)| (kinds, density, 0.0));
    hash(kinds.into_iter().chain(with_zeros).flat_map(|(kinds, density, zeros)| {
        let crowd = ((12, 5, 3, true, zeros), (kinds, 1), 40, density, 7);
        let (dataset, mut members) = crowd_of(crowd);
        common::pool(1).install(|| train(&dataset, &mut members, 3, &go())).unwrap();
        members.iter().flat_map(bits).collect::<Vec<_>>()
    }))
}

/// Of members that take turns at several windows, of batches of one size and of many.
fn hash_of_turns() -> u64 {
    hash([(1, false), (40, false), (40, true)].into_iter().flat_map(|(sizes, adam)| {
        let kinds = ((3, 1, 2, 9, adam, 12), sizes);
        let (dataset, mut members) = crowd_of(((300, 30, 3, true, 0.0), kinds, 12, 0.7, 7));
        common::pool(1).install(|| train(&dataset, &mut members, 3, &go())).unwrap();
        members.iter().flat_map(bits).collect::<Vec<_>>()
    }))
}

#[test]
#[ignore = "run by `every_instruction_set_gives_the_same_bits`"]
fn print_hash_of_trained() {
    let others = [hash_of_groups(), hash_of_turns()];
    println!("trained {:?} {others:?}", PAIRS.map(hash_of_trained));
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let told = |instructions: &str| {
        let arguments = ["print_hash_of_trained", "--exact", "--ignored", "--nocapture"];
        let (_, text) = again(instructions, &arguments);
        // With one test thread the line begins with the test's name.
        text.split_once("trained [")?.1.lines().next().map(str::to_owned)
    };
    let baseline = told("baseline");
    assert!(baseline.is_some());
    assert_eq!(baseline, told("avx2"));
    assert_eq!(baseline, told("detected"));
}
