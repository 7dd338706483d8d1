//! What units do to their weighted sums, a vector at a time: the steps of [`crate::math`], lane by
//! lane, and their derivatives.

use super::simd::Simd;
use crate::math::{EXP_COEFFICIENTS, EXP_LIMIT, LN_2_HIGH, LN_2_LOW, LOG2_E, ROUND};
use crate::network::Activation;

/// How many units are worked out side by side: each step of an exponential waits for the one before,
/// and a processor looks only so far ahead for other work.
const SIDE: usize = 4;

/// Holds an exponential's arguments to the bounds of [`crate::math`].
#[inline(always)]
fn clamp<S: Simd, const N: usize>(x: &mut [S; N]) {
    for i in 0..N {
        x[i] = S::splat(EXP_LIMIT).below(S::splat(-EXP_LIMIT).above(x[i]));
    }
}

/// [`crate::math`]'s `split_exp`, step by step for several vectors, once their arguments are clamped.
#[inline(always)]
fn split_exp<S: Simd, const N: usize>(x: [S; N]) -> ([S; N], [S; N]) {
    let mut rounded = [S::splat(0.0); N];
    let mut r = rounded;
    for i in 0..N {
        rounded[i] = x[i].mul_add(S::splat(LOG2_E), S::splat(ROUND));
    }
    for i in 0..N {
        let n = rounded[i].sub(S::splat(ROUND));
        r[i] = n.mul_add(S::splat(-LN_2_LOW), n.mul_add(S::splat(-LN_2_HIGH), x[i]));
    }
    let mut q = [S::splat(EXP_COEFFICIENTS[0]); N];
    for coefficient in &EXP_COEFFICIENTS[1..] {
        for i in 0..N {
            q[i] = q[i].mul_add(r[i], S::splat(*coefficient));
        }
    }
    for i in 0..N {
        q[i] = q[i].mul_add(r[i].mul(r[i]), r[i]);
    }
    for i in 0..N {
        rounded[i] = rounded[i].power_of_two();
    }
    (q, rounded)
}

/// [`crate::math`]'s `exp_m1`, of clamped arguments.
#[inline(always)]
fn exp_m1<S: Simd, const N: usize>(x: [S; N]) -> [S; N] {
    let (mut p, s) = split_exp(x);
    for i in 0..N {
        p[i] = s[i].mul_add(p[i], s[i].sub(S::splat(1.0)));
    }
    p
}

/// [`crate::math::exp`].
#[inline(always)]
pub(super) fn exp<S: Simd, const N: usize>(x: &mut [S; N]) {
    clamp(x);
    let (p, s) = split_exp(*x);
    for i in 0..N {
        x[i] = s[i].mul_add(p[i], s[i]);
    }
}

/// [`crate::math::sigmoid`]. The sign is turned behind the bounds, where multiply-adds do it themselves.
#[inline(always)]
pub(super) fn sigmoid<S: Simd, const N: usize>(x: &mut [S; N]) {
    clamp(x);
    for i in 0..N {
        x[i] = x[i].neg();
    }
    let e = exp_m1(*x);
    for i in 0..N {
        x[i] = S::splat(1.0).div(S::splat(2.0).add(e[i]));
    }
}

/// [`crate::math::tanh`].
#[inline(always)]
pub(super) fn tanh<S: Simd, const N: usize>(x: &mut [S; N]) {
    for i in 0..N {
        x[i] = x[i].mul(S::splat(-2.0));
    }
    clamp(x);
    let e = exp_m1(*x);
    for i in 0..N {
        x[i] = e[i].neg().div(S::splat(2.0).add(e[i]));
    }
}

/// Calls a function on all vectors, on several side by side as far as there are so many.
macro_rules! side_by_side {
    ($values:expr, $function:ident) => {{
        let (chunks, rest) = $values.as_chunks_mut::<SIDE>();
        for chunk in chunks {
            $function(chunk);
        }
        for value in rest.as_chunks_mut::<1>().0 {
            $function(value);
        }
    }};
}

/// Replaces weighted sums by what the units give for them: values are `(units, vectors)`, each
/// vector's lanes being rows or members.
#[inline(always)]
pub(crate) fn activate<S: Simd>(activation: Activation, values: &mut [S], vectors: usize) {
    match activation {
        Activation::Sigmoid => side_by_side!(values, sigmoid),
        Activation::Tanh => side_by_side!(values, tanh),
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
pub(super) fn softmax<S: Simd>(values: &mut [S], vectors: usize) {
    for vector in 0..vectors {
        let mut largest = S::splat(f32::NEG_INFINITY);
        for value in values[vector..].iter().step_by(vectors) {
            largest = value.above(largest);
        }
        for value in values[vector..].iter_mut().step_by(vectors) {
            *value = value.sub(largest);
        }
    }
    side_by_side!(values, exp);
    for vector in 0..vectors {
        let mut sum = S::splat(0.0);
        for value in values[vector..].iter().step_by(vectors) {
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
