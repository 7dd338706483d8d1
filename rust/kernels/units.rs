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
fn exp<S: Simd, const N: usize>(x: &mut [S; N]) {
    clamp(x);
    let (p, s) = split_exp(*x);
    for i in 0..N {
        x[i] = s[i].mul_add(p[i], s[i]);
    }
}

/// [`crate::math::sigmoid`]. The sign is turned behind the bounds, where multiply-adds do it themselves.
#[inline(always)]
fn sigmoid<S: Simd, const N: usize>(x: &mut [S; N]) {
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
fn tanh<S: Simd, const N: usize>(x: &mut [S; N]) {
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

/// [`activate`] for side-by-side members: units are `(units,)`, each vector having one unit of all. If some
/// members lack some units, `present` has the lanes of those that have each; else it is empty, as for outputs,
/// which alone may be of a softmax. Three or four outputs, the classes of many small tables, have a function
/// of their own; each more would take longer to compile.
#[inline(always)]
pub(super) fn activate_members<S: Simd>(activation: Activation, units: &mut [S], present: &[u32]) {
    debug_assert!(present.is_empty() || present.len() == units.len());
    debug_assert!(present.is_empty() || activation != Activation::Softmax);
    if activation == Activation::Sigmoid && !present.is_empty() {
        return sigmoids_of_some(units, present);
    }
    if activation == Activation::Softmax {
        if let Ok(three) = units.try_into() {
            return softmax_of_few::<S, 3>(three);
        }
        if let Ok(four) = units.try_into() {
            return softmax_of_few::<S, 4>(four);
        }
    }
    activate(activation, units, 1);
    for (unit, &present) in units.iter_mut().zip(present) {
        *unit = unit.keep(present);
    }
}

/// Sigmoids where members have a unit, else 0: at once, since a second way through the units took the
/// paper's populations 2 % longer.
#[inline(always)]
fn sigmoids_of_some<S: Simd>(units: &mut [S], present: &[u32]) {
    let (chunks, rest) = units.as_chunks_mut::<SIDE>();
    let (chunks_present, rest_present) = present.as_chunks::<SIDE>();
    for (chunk, present) in chunks.iter_mut().zip(chunks_present) {
        sigmoid(chunk);
        for i in 0..SIDE {
            chunk[i] = chunk[i].keep(present[i]);
        }
    }
    for (unit, &present) in rest.as_chunks_mut::<1>().0.iter_mut().zip(rest_present) {
        sigmoid(unit);
        unit[0] = unit[0].keep(present);
    }
}

#[inline(always)]
fn softmax<S: Simd>(values: &mut [S], vectors: usize) {
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

/// The same steps for three or four units, in registers: through memory each would wait for the one before.
#[inline(always)]
fn softmax_of_few<S: Simd, const N: usize>(units: &mut [S; N]) {
    let mut largest = S::splat(f32::NEG_INFINITY);
    for i in 0..N {
        largest = units[i].above(largest);
    }
    for i in 0..N {
        units[i] = units[i].sub(largest);
    }
    exp(units);
    let mut sum = S::splat(0.0);
    for i in 0..N {
        sum = sum.add(units[i]);
    }
    for i in 0..N {
        units[i] = units[i].div(sum);
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

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::kernels::simd::{MOST_LANES, Portable, Square, numbers};
    use crate::kernels::{Kernel, dispatch};
    use crate::math;

    /// Softmax of some units, beside its definition.
    struct Softmax;

    impl Softmax {
        #[inline(always)]
        fn holds<S: Simd>() {
            let ends = [-1e30, -88.0, -0.5, 0.0, 1e-40, 0.3, 87.0, 1e30, f32::INFINITY, f32::NAN];
            for case in 0..5 * ends.len() {
                let (count, start) = (1 + case / ends.len(), case % ends.len());
                let sum = |unit: usize, lane: usize| ends[(start + unit * (lane + 1)) % ends.len()];
                let mut units = [S::splat(0.0); 5];
                for (place, unit) in units.iter_mut().enumerate() {
                    let mut lanes = [0.0; MOST_LANES];
                    for (lane, number) in lanes.iter_mut().enumerate() {
                        *number = sum(place, lane);
                    }
                    *unit = S::load(&lanes);
                }
                activate_members(Activation::Softmax, &mut units[..count], &[]);
                for lane in 0..S::LANES {
                    let sums = (0..count).map(|unit| sum(unit, lane));
                    let above = |a: f32, b: f32| if a > b { a } else { b };
                    let largest = sums.clone().fold(f32::NEG_INFINITY, |most, z| above(z, most));
                    let parts: Vec<f32> = sums.map(|z| math::exp(z - largest)).collect();
                    let total = parts.iter().fold(0.0, |total, part| total + part);
                    for (unit, part) in units.iter().zip(parts) {
                        let (value, expected) = (numbers(from_ref(unit))[lane], part / total);
                        let same = value.to_bits() == expected.to_bits();
                        assert!(same || value.is_nan() && expected.is_nan(), "{value} {expected}");
                    }
                }
            }
        }
    }

    impl Kernel for Softmax {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            Self::holds::<S>();
            Self::holds::<S::Half>();
        }
    }

    #[test]
    fn softmax_is_what_it_is_defined_as() {
        dispatch(Softmax);
        Softmax.run::<Portable>();
    }

    /// What units give for the numbers at which the exponential's steps change, and some others.
    struct AtTheEnds(Activation, fn(f32) -> f32);

    impl AtTheEnds {
        #[inline(always)]
        fn hold<S: Simd>(&self) {
            let ends = [0.0, 1e-40, 0.3, 1.0, 17.5, 43.4, 86.9, 87.0, 87.1, 88.8, 1e30];
            let ends = ends.into_iter().chain([f32::MAX, f32::INFINITY, f32::NAN]);
            for x in ends.flat_map(|x| [x, -x]) {
                // As many as go side by side, and one that is left over.
                let mut all = [S::splat(x); SIDE + 1];
                let mut some = all;
                let present = [0x9c35, 0, 0xffff, 0x4e1a, 0x2b61];
                activate(self.0, &mut all, 1);
                activate_members(self.0, &mut some, &present);
                for (place, (value, of_some)) in
                    numbers(&all).iter().zip(numbers(&some)).enumerate()
                {
                    let expected = self.1(x);
                    let same = value.to_bits() == expected.to_bits();
                    assert!(same || value.is_nan() && expected.is_nan(), "{x} {value} {expected}");
                    // Units that a lane's member lacks give 0.
                    let has = present[place / S::LANES] >> (place % S::LANES) & 1 == 1;
                    assert_eq!(of_some.to_bits(), if has { value.to_bits() } else { 0 });
                }
            }
        }
    }

    impl Kernel for AtTheEnds {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            self.hold::<S>();
            self.hold::<S::Half>();
        }
    }

    #[test]
    fn exponentials_equal_the_plain_ones_at_their_ends() {
        let pairs = [
            (Activation::Sigmoid, math::sigmoid as fn(f32) -> f32),
            (Activation::Tanh, math::tanh),
        ];
        for (activation, plain) in pairs {
            dispatch(AtTheEnds(activation, plain));
            AtTheEnds(activation, plain).run::<Portable>();
        }
    }
}
