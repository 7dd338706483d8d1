//! Our own exponential, logarithm and their kin: as accurate as the type allows, sane at the ends.

#![expect(clippy::disallowed_methods, reason = "the standard library's are the oracle")]

use apbt_rs::math::{exp, exp_f64, ln, power, sigmoid, tanh};
use proptest::prelude::*;

/// Distance in units of the last place of `expected` rounded to 32 bits.
fn ulps(told: f32, expected: f64) -> f64 {
    let nearest = (expected as f32).abs();
    let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
    (f64::from(told) - expected).abs() / unit
}

fn relative(told: f64, expected: f64) -> f64 {
    ((told - expected) / expected).abs()
}

/// Numbers of either sign between these sizes, uniform in their logarithm.
fn sizes(least: f64, most: f64) -> impl Strategy<Value = f64> {
    (least.ln()..most.ln(), prop::bool::ANY)
        .prop_map(|(size, negative)| if negative { -size.exp() } else { size.exp() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50_000))]

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place(x in -87.0..87.0_f32) {
        prop_assert!(ulps(exp(x), f64::from(x).exp()) <= 2.0);
    }

    #[test]
    fn sigmoid_and_tanh_are_right_to_four_units(x in sizes(1e-6, 80.0)) {
        let x = x as f32;
        let wide = f64::from(x);
        prop_assert!(ulps(sigmoid(x), 1.0 / (1.0 + (-wide).exp())) <= 4.0);
        prop_assert!(ulps(tanh(x), wide.tanh()) <= 4.0);
    }

    #[test]
    fn sigmoid_and_tanh_keep_their_symmetries_and_bounds(x: f32) {
        prop_assume!(!x.is_nan());
        prop_assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() <= 2.0 * f32::EPSILON);
        prop_assert!((tanh(x) + tanh(-x)).abs() <= 2.0 * f32::EPSILON);
        prop_assert!(sigmoid(x) > 0.0 && sigmoid(x) <= 1.0);
        prop_assert!(tanh(x).abs() <= 1.0);
        prop_assert_eq!(sigmoid(x) >= 0.5, x >= 0.0 || sigmoid(x) == 0.5);
    }

    #[test]
    fn more_never_gives_less_by_more_than_rounding(x in -90.0..90.0_f32, step in 0.0..1.0_f32) {
        for (f, name) in [(exp as fn(f32) -> f32, "exp"), (sigmoid, "sigmoid"), (tanh, "tanh")] {
            let (low, high) = (f(x), f(x + step));
            prop_assert!(high >= low - 4.0 * f32::EPSILON * low.abs(), "{name}: {low} {high}");
        }
    }

    #[test]
    fn exp_f64_is_right_to_a_few_units(x in -700.0..700.0_f64) {
        prop_assert!(relative(exp_f64(x), x.exp()) <= 1e-15);
    }

    #[test]
    fn ln_is_right_to_a_few_units(x in sizes(1e-307, 1e308)) {
        prop_assert!((ln(x.abs()) - x.abs().ln()).abs() <= 1e-15 * x.abs().ln().abs().max(0.2));
    }

    #[test]
    fn ln_near_one_loses_no_digits(x in sizes(1e-12, 0.3)) {
        prop_assert!(relative(ln(1.0 + x), (1.0 + x).ln()) <= 2e-15);
    }

    #[test]
    fn ln_undoes_exp(x in -700.0..700.0_f64) {
        prop_assert!((ln(exp_f64(x)) - x).abs() <= 1e-13 * x.abs().max(1.0));
    }

    #[test]
    fn power_is_repeated_multiplication(base in 0.5..1.5_f64, exponent in 0..300_u64) {
        let product: f64 = (0..exponent).map(|_| base).product();
        prop_assert!(relative(power(base, exponent), product) <= 1e-13);
    }
}

#[test]
fn beyond_its_range_exp_stays_at_the_bound() {
    for x in [88.0, 1e30, f32::INFINITY] {
        assert_eq!(exp(x), exp(87.0));
        assert_eq!(exp(-x), exp(-87.0));
        assert_eq!((tanh(x), tanh(-x)), (1.0, -1.0));
        assert_eq!(sigmoid(x), 1.0);
        assert!(sigmoid(-x) > 0.0 && sigmoid(-x) < 1e-37);
    }
}

#[test]
fn nan_stays_nan() {
    for f in [exp, sigmoid, tanh] {
        assert!(f(f32::NAN).is_nan());
    }
    assert!(exp_f64(f64::NAN).is_nan() && ln(f64::NAN).is_nan());
}

#[test]
fn zero_and_one_are_exact() {
    assert_eq!((exp(0.0), sigmoid(0.0), tanh(0.0)), (1.0, 0.5, 0.0));
    assert_eq!((exp_f64(0.0), ln(1.0)), (1.0, 0.0));
    assert_eq!((power(0.3, 0), power(0.3, 1)), (1.0, 0.3));
}

#[test]
fn the_ends_of_the_double_range_are_what_they_should_be() {
    assert_eq!(exp_f64(f64::INFINITY), f64::INFINITY);
    assert_eq!(exp_f64(710.0), f64::INFINITY);
    assert_eq!((exp_f64(f64::NEG_INFINITY), exp_f64(-800.0)), (0.0, 0.0));
    assert!(relative(exp_f64(709.7), 709.7_f64.exp()) < 1e-15);
    // Below the normal numbers the last place is coarse.
    assert!((exp_f64(-740.0) - (-740.0_f64).exp()).abs() <= f64::from_bits(1));
    assert_eq!((ln(0.0), ln(f64::INFINITY)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(ln(-1.0).is_nan());
    for tiny in [f64::from_bits(1), f64::MIN_POSITIVE / 3.0, f64::MIN_POSITIVE] {
        assert!(relative(ln(tiny), tiny.ln()) < 1e-15);
    }
}
