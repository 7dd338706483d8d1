//! The table of hyperparameters: draws keep to the start range, moves to the bounds, and the
//! paper's factors are exact.

#![expect(clippy::disallowed_methods, reason = "strategies draw uniformly in the logarithm")]

mod common;

use apbt_rs::error::Error;
use apbt_rs::hyperparameters::{
    ADAM, BATCH_SIZE, Domain, LEARNING_RATE, MOMENTUM, NAMES, OPTIMIZER, Scale, Table,
    WEIGHT_DECAY, applies,
};
use common::{paper_space, random, range, wide_space};
use proptest::prelude::*;

const SCALES: [Scale; 3] = [Scale::Linear, Scale::Log, Scale::LogOneMinus];

/// Four numbers in order between 1e-6 and 1 − 1e-6, which any scale can take.
fn ordered() -> impl Strategy<Value = [f64; 4]> {
    prop::array::uniform4(1e-6_f64.ln()..-1e-6).prop_map(|mut numbers| {
        numbers.sort_by(f64::total_cmp);
        numbers.map(f64::exp)
    })
}

/// Real ranges on any scale.
fn reals() -> impl Strategy<Value = Domain> {
    (ordered(), prop::sample::select(&SCALES[..])).prop_map(|([a, b, c, d], scale)| Domain::Range {
        start: (b, c),
        bounds: (a, d),
        scale,
        integer: false,
    })
}

/// Ranges of whole numbers, some without an end.
fn integers() -> impl Strategy<Value = Domain> {
    let ends = (1..50_u32, 0..50_u32, 0..50_u32, prop_oneof![Just(f64::INFINITY), 0.0..50.0_f64]);
    (ends, prop::bool::ANY).prop_map(|((a, b, c, d), log)| {
        let (low, high) = (f64::from(a + b), f64::from(a + b + c));
        let scale = if log { Scale::Log } else { Scale::Linear };
        let bounds = (f64::from(a), high + d.floor());
        Domain::Range { start: (low, high), bounds, scale, integer: true }
    })
}

fn parts(domain: &Domain) -> ((f64, f64), (f64, f64), Scale) {
    match domain {
        Domain::Range { start, bounds, scale, .. } => (*start, *bounds, *scale),
        _ => panic!("a range"),
    }
}

/// A table with these domains in some rows, and fixed values elsewhere.
fn table(rows: &[(usize, Domain)]) -> Result<Table, Error> {
    let mut domains = [0.1, 0.5, 0.0, 1.0, 0.0].map(Domain::Fixed);
    for (row, domain) in rows {
        domains[*row] = domain.clone();
    }
    Table::new(domains.to_vec())
}

fn is_refused(row: usize, domain: Domain) -> bool {
    let told = table(&[(row, domain)]);
    matches!(told, Err(Error::Invalid { argument, .. }) if argument == NAMES[row])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_first_value_lies_in_the_start_range(
        domain in prop_oneof![reals(), integers()],
        seed: u64,
    ) {
        let ((low, high), _, _) = parts(&domain);
        let value = domain.sample(&mut random(seed));
        prop_assert!(low <= value && value <= high);
        if matches!(domain, Domain::Range { integer: true, .. }) {
            prop_assert_eq!(value.fract(), 0.0);
        }
    }

    #[test]
    fn a_move_is_by_a_fifth_of_the_scales_own_quantity(domain in reals(), seed: u64) {
        let (_, (low, high), scale) = parts(&domain);
        let mut random = random(seed);
        let mut value = domain.sample(&mut random);
        for _ in 0..50 {
            let after = domain.perturb(value, &mut random);
            let moved = [0.8, 1.2].map(|factor| match scale {
                Scale::Linear | Scale::Log => (value * factor).clamp(low, high),
                Scale::LogOneMinus => (1.0 - (1.0 - value) * factor).clamp(low, high),
            });
            prop_assert!(moved.contains(&after), "{value} became {after}");
            value = after;
        }
    }

    #[test]
    fn a_whole_number_moves_by_at_least_one_unless_at_a_bound(domain in integers(), seed: u64) {
        let (_, (low, high), _) = parts(&domain);
        let mut random = random(seed);
        let mut value = domain.sample(&mut random);
        for _ in 0..50 {
            let after = domain.perturb(value, &mut random);
            prop_assert!(low <= after && after <= high && after.fract() == 0.0);
            prop_assert!(after != value || value == low || value == high);
            prop_assert!((after - value).abs() <= (0.2 * value + 0.5).max(1.0));
            value = after;
        }
    }

    #[test]
    fn both_directions_are_about_as_likely(seed: u64) {
        let domain = range(0.0, f64::INFINITY, Scale::Linear, false);
        let mut random = random(seed);
        let ups = (0..1000).filter(|_| domain.perturb(1.0, &mut random) == 1.2).count();
        // A standard deviation is 16.
        prop_assert!((380..620).contains(&ups), "{ups}");
    }

    #[test]
    fn a_zero_can_leave_zero(seed: u64) {
        let mut random = random(seed);
        let domain = Domain::Range {
            start: (0.0, 0.5),
            bounds: (0.0, 1.0),
            scale: Scale::Linear,
            integer: false,
        };
        let after = domain.perturb(0.0, &mut random);
        prop_assert!(after > 0.0 && after <= 0.5);
    }

    #[test]
    fn an_ordered_choice_moves_to_a_neighbour(
        count in 1..8_usize,
        pick: prop::sample::Index,
        seed: u64,
    ) {
        let values: Vec<f64> = (0..count).map(|place| (1_u32 << place).into()).collect();
        let place = pick.index(count);
        let domain = Domain::Choices { values: values.clone(), ordered: true };
        let after = domain.perturb(values[place], &mut random(seed));
        let neighbours = [place.saturating_sub(1), (place + 1).min(count - 1)];
        prop_assert!(neighbours.map(|place| values[place]).contains(&after));
    }

    #[test]
    fn a_choice_without_order_is_one_of_the_choices(seed: u64) {
        let values = vec![3.0, 1.0, 4.0];
        let domain = Domain::Choices { values: values.clone(), ordered: false };
        let mut random = random(seed);
        let moved: Vec<f64> = (0..400).map(|_| domain.perturb(1.0, &mut random)).collect();
        prop_assert!(moved.iter().all(|value| values.contains(value)));
        prop_assert!(values.iter().all(|value| moved.contains(value)));
        // It mostly stays: a quarter is drawn anew, a third of those as it was.
        prop_assert!(moved.iter().filter(|&&value| value == 1.0).count() > 250);
    }

    #[test]
    fn what_is_fixed_stays(value in -10.0..10.0_f64, seed: u64) {
        let domain = Domain::Fixed(value);
        prop_assert_eq!(domain.sample(&mut random(seed)), value);
        prop_assert_eq!(domain.perturb(value, &mut random(seed)), value);
    }

    #[test]
    fn values_that_a_table_draws_and_moves_are_values_of_its_rows(seed: u64) {
        for space in [paper_space(), wide_space()] {
            let mut random = random(seed);
            let mut values = space.table.sample(&mut random);
            for _ in 0..20 {
                prop_assert_eq!(values.len(), NAMES.len());
                for (domain, value) in space.table.domains().iter().zip(&values) {
                    let fits = match domain {
                        Domain::Fixed(only) => value == only,
                        Domain::Choices { values, .. } => values.contains(value),
                        Domain::Range { bounds: (low, high), .. } => low <= value && value <= high,
                    };
                    prop_assert!(fits);
                }
                values = space.table.perturb(&values, &mut random);
            }
        }
    }
}

#[test]
fn a_logarithmic_draw_has_half_its_values_below_the_geometric_mean() {
    let mut random = random(3);
    let domain = range(1e-4, 1.0, Scale::Log, false);
    let below = (0..10_000).filter(|_| domain.sample(&mut random) < 1e-2).count();
    let domain = range(0.0, 0.99, Scale::LogOneMinus, false);
    let lower = (0..10_000).filter(|_| domain.sample(&mut random) < 0.9).count();
    // A standard deviation is 50.
    assert!((4800..5200).contains(&below) && (4800..5200).contains(&lower));
}

#[test]
fn a_range_as_wide_as_numbers_go_can_be_drawn_from() {
    for scale in [Scale::Linear, Scale::Log] {
        for integer in [false, true] {
            let value = range(1.0, 1e300, scale, integer).sample(&mut random(0));
            assert!((1.0..=1e300).contains(&value));
        }
    }
}

#[test]
fn a_table_needs_all_its_rows() {
    let error =
        |domains| matches!(Table::new(domains), Err(Error::Invalid { argument: "space", .. }));
    assert!(error(vec![]));
    assert!(error(vec![Domain::Fixed(0.1); 4]));
    assert!(table(&[]).is_ok());
}

#[test]
fn domains_that_nothing_can_be_drawn_from_are_refused() {
    let real = |start, bounds, scale| Domain::Range { start, bounds, scale, integer: false };
    let linear = |start, bounds| real(start, bounds, Scale::Linear);
    for domain in [
        Domain::Fixed(f64::NAN),
        Domain::Fixed(f64::INFINITY),
        Domain::Choices { values: vec![], ordered: true },
        Domain::Choices { values: vec![0.1, f64::NAN], ordered: false },
        linear((0.2, 0.1), (0.0, 1.0)),
        linear((0.1, 0.2), (0.15, 1.0)),
        linear((0.1, 0.2), (0.0, 0.15)),
        linear((0.1, f64::INFINITY), (0.0, f64::INFINITY)),
        linear((f64::NAN, 0.2), (0.0, 1.0)),
        linear((0.1, 0.2), (f64::NAN, 1.0)),
        real((0.0, 0.2), (0.0, 1.0), Scale::Log),
        real((0.5, 1.0), (0.0, 1.0), Scale::LogOneMinus),
        range(0.5, 3.0, Scale::Linear, true),
        Domain::Range { start: (1.0, 2.0), bounds: (0.5, 2.5), scale: Scale::Log, integer: true },
    ] {
        assert!(is_refused(LEARNING_RATE, domain.clone()), "{domain:?}");
    }
}

#[test]
fn values_that_a_hyperparameter_must_not_have_are_refused() {
    for (row, value) in [
        (LEARNING_RATE, -0.1),
        (MOMENTUM, -0.1),
        (MOMENTUM, 1.5),
        (WEIGHT_DECAY, -1.0),
        (BATCH_SIZE, 0.0),
        (OPTIMIZER, 2.0),
    ] {
        assert!(is_refused(row, Domain::Fixed(value)), "{} {value}", NAMES[row]);
        let choices = Domain::Choices { values: vec![1.0, value], ordered: false };
        assert!(is_refused(row, choices), "{} {value}", NAMES[row]);
        // Also where only exploring leads there.
        let bounds = (value.min(1.0), value.max(1.0));
        let start = (1.0, 1.0);
        let range = Domain::Range { start, bounds, scale: Scale::Linear, integer: false };
        assert!(is_refused(row, range), "{} {value}", NAMES[row]);
    }
}

#[test]
fn momentum_is_for_plain_descent() {
    let (sgd, adam) = ([0.1, 0.9, 0.0, 1.0, 0.0], [0.1, 0.9, 0.0, 1.0, ADAM]);
    assert!((0..NAMES.len()).all(|row| applies(row, &sgd)));
    assert!((0..NAMES.len()).all(|row| applies(row, &adam) == (row != MOMENTUM)));
}
