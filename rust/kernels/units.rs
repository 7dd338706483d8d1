//! What units do to their weighted sums, a vector at a time: the steps of [`crate::math`], lane by
//! lane, and their derivatives.

use super::simd::Simd;
use crate::math::{EXP_COEFFICIENTS, EXP_LIMIT, LN_2_HIGH, LN_2_LOW, LOG2_E, ROUND};
use crate::network::Activation;

/// [`crate::math`]'s `split_exp`.
#[inline(always)]
fn split_exp<S: Simd>(x: S) -> (S, S) {
    let x = S::splat(-EXP_LIMIT).above(x);
    let x = S::splat(EXP_LIMIT).below(x);
    let rounded = x.mul_add(S::splat(LOG2_E), S::splat(ROUND));
    let n = rounded.sub(S::splat(ROUND));
    let r = n.mul_add(S::splat(-LN_2_LOW), n.mul_add(S::splat(-LN_2_HIGH), x));
    let mut q = S::splat(EXP_COEFFICIENTS[0]);
    for coefficient in &EXP_COEFFICIENTS[1..] {
        q = q.mul_add(r, S::splat(*coefficient));
    }
    let p = q.mul_add(r.mul(r), r);
    (p, rounded.power_of_two())
}

/// [`crate::math::exp`].
#[inline(always)]
fn exp<S: Simd>(x: S) -> S {
    let (p, s) = split_exp(x);
    s.mul_add(p, s)
}

#[inline(always)]
fn exp_m1<S: Simd>(x: S) -> S {
    let (p, s) = split_exp(x);
    s.mul_add(p, s.sub(S::splat(1.0)))
}

/// [`crate::math::sigmoid`].
#[inline(always)]
fn sigmoid<S: Simd>(x: S) -> S {
    S::splat(1.0).div(S::splat(2.0).add(exp_m1(x.neg())))
}

/// [`crate::math::tanh`].
#[inline(always)]
fn tanh<S: Simd>(x: S) -> S {
    let e = exp_m1(x.mul(S::splat(-2.0)));
    e.neg().div(S::splat(2.0).add(e))
}

/// Replaces weighted sums by what the units give for them: values are `(units, vectors)`, each
/// vector's lanes being rows or members.
#[inline(always)]
pub(crate) fn activate<S: Simd>(activation: Activation, values: &mut [S], vectors: usize) {
    match activation {
        Activation::Sigmoid => {
            for value in values {
                *value = sigmoid(*value);
            }
        }
        Activation::Tanh => {
            for value in values {
                *value = tanh(*value);
            }
        }
        Activation::Relu => {
            for value in values {
                // NaN stays NaN.
                *value = S::splat(0.0).above(*value);
            }
        }
        Activation::Identity => {}
        Activation::Softmax => softmax(values, vectors),
    }
}

#[inline(always)]
fn softmax<S: Simd>(values: &mut [S], vectors: usize) {
    for vector in 0..vectors {
        let mut largest = S::splat(f32::NEG_INFINITY);
        for value in values[vector..].iter().step_by(vectors) {
            largest = value.above(largest);
        }
        let mut sum = S::splat(0.0);
        for value in values[vector..].iter_mut().step_by(vectors) {
            *value = exp(value.sub(largest));
            sum = sum.add(*value);
        }
        for value in values[vector..].iter_mut().step_by(vectors) {
            *value = value.div(sum);
        }
    }
}

/// Multiplies deltas by the units' derivatives, worked out from what the units give.
#[inline(always)]
pub(super) fn times_derivatives<S: Simd>(activation: Activation, values: &[S], deltas: &mut [S]) {
    let pairs = deltas.iter_mut().zip(values);
    match activation {
        Activation::Sigmoid => {
            for (delta, &value) in pairs {
                *delta = delta.mul(value.neg().mul_add(value, value));
            }
        }
        Activation::Tanh => {
            for (delta, &value) in pairs {
                *delta = delta.mul(value.neg().mul_add(value, S::splat(1.0)));
            }
        }
        Activation::Relu => {
            for (delta, &value) in pairs {
                *delta = delta.mul(value.step());
            }
        }
        // Softmax is not a matter of one unit: the output's gradient deals with it.
        Activation::Identity | Activation::Softmax => {}
    }
}
