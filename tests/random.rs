//! Random numbers: the published generator, one stream for each purpose, exact ranges.

use std::collections::HashSet;

use apbt_rs::random::{Purpose, Random, philox};
use proptest::prelude::*;

const PURPOSES: [Purpose; 5] =
    [Purpose::Birth, Purpose::Exploit, Purpose::Explore, Purpose::Order, Purpose::Split];

fn stream(random: &mut Random) -> [u32; 12] {
    std::array::from_fn(|_| random.next_u32())
}

/// The known answers that the authors publish with Random123 (`kat_vectors`, philox4x32 10).
#[test]
fn philox_gives_its_authors_known_answers() {
    let zeros = philox([0; 4], [0; 2]);
    assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let ones = philox([u32::MAX; 4], [u32::MAX; 2]);
    assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let digits_of_pi = philox(counter, [0xa409_3822, 0x299f_31d0]);
    assert_eq!(digits_of_pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

#[test]
fn every_coordinate_gives_another_stream() {
    let mut streams = HashSet::new();
    let mut count = 0;
    for seed in [0, 1, 1 << 32, u64::MAX] {
        for generation in [0, 1, 2, 1 << 32, 1 << 60] {
            for member in [0, 1, 2, u32::MAX] {
                for purpose in PURPOSES {
                    let mut random = Random::new(seed, generation, member, purpose);
                    streams.insert(stream(&mut random));
                    count += 1;
                }
            }
        }
    }
    assert_eq!(streams.len(), count);
}

/// The stream is part of the format: resumed runs draw from it.
#[test]
fn a_stream_is_the_generators_blocks_one_after_another() {
    let mut random = Random::new(0x1_0000_0002, 0x3_0000_0004, 5, Purpose::Order);
    let block = |number: u32| philox([number, 3 << 3 | 3, 5, 4], [2, 1]);
    assert_eq!(stream(&mut random), [block(0), block(1), block(2)].concat()[..]);
}

proptest! {
    #[test]
    fn the_same_coordinates_give_the_same_stream(seed: u64, generation: u64, member: u32) {
        let draw = || stream(&mut Random::new(seed, generation, member, Purpose::Birth));
        prop_assert_eq!(draw(), draw());
    }

    #[test]
    fn draws_stay_in_their_range(
        seed: u64,
        n in 1..1_000_000_usize,
        low: i32,
        width in 0..1000_u32,
    ) {
        let mut random = Random::new(seed, 0, 0, Purpose::Birth);
        let (low, high) = (f64::from(low), f64::from(low) + f64::from(width));
        for _ in 0..100 {
            prop_assert!((0.0..1.0).contains(&random.unit()));
            prop_assert!(random.below(n) < n);
            let value = random.uniform(low, high);
            prop_assert!(low <= value && value <= high);
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation(seed: u64, n in 0..200_u32) {
        let mut items: Vec<u32> = (0..n).collect();
        Random::new(seed, 0, 0, Purpose::Order).shuffle(&mut items);
        items.sort_unstable();
        prop_assert!(items.into_iter().eq(0..n));
    }

    #[test]
    fn certain_chances_are_certain(seed: u64) {
        let mut random = Random::new(seed, 0, 0, Purpose::Birth);
        prop_assert!((0..100).all(|_| random.chance(1.0) && !random.chance(0.0)));
    }
}

#[test]
fn below_nothing_or_one_is_zero() {
    let mut random = Random::new(0, 0, 0, Purpose::Birth);
    assert_eq!((random.below(0), random.below(1)), (0, 0));
}

/// Counts that ought to be equal, by Pearson's statistic: its mean is the number of cells, its
/// deviation the root of twice that.
fn looks_uniform(counts: &[u32]) -> bool {
    let cells = counts.len() as f64;
    let expected = counts.iter().map(|&count| f64::from(count)).sum::<f64>() / cells;
    let square = |&count: &u32| (f64::from(count) - expected) * (f64::from(count) - expected);
    let statistic = counts.iter().map(square).sum::<f64>() / expected;
    (statistic - cells).abs() < 5.0 * (2.0 * cells).sqrt()
}

#[test]
fn below_is_uniform() {
    let mut random = Random::new(7, 0, 0, Purpose::Birth);
    for n in [2, 3, 7, 100] {
        let mut counts = vec![0; n];
        (0..n * 1000).for_each(|_| counts[random.below(n)] += 1);
        assert!(looks_uniform(&counts), "{n}");
    }
}

#[test]
fn unit_is_uniform_in_its_first_and_in_its_last_bits() {
    let mut random = Random::new(8, 0, 0, Purpose::Birth);
    let (mut high, mut low) = ([0; 64], [0; 64]);
    for _ in 0..64_000 {
        let value = random.unit();
        high[(value * 64.0) as usize] += 1;
        low[(value * 9_007_199_254_740_992.0) as usize % 64] += 1;
    }
    assert!(looks_uniform(&high) && looks_uniform(&low));
}

#[test]
fn every_order_is_as_likely() {
    let mut counts = [0; 24];
    for seed in 0..24_000 {
        let mut items = [0, 1, 2, 3];
        Random::new(seed, 0, 0, Purpose::Order).shuffle(&mut items);
        // The order's number: each item counts how many smaller ones come after it.
        let smaller = |i: usize| items[i..].iter().filter(|&&item| item < items[i]).count();
        counts[smaller(0) * 6 + smaller(1) * 2 + smaller(2)] += 1;
    }
    assert!(looks_uniform(&counts));
}
