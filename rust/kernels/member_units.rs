//! What side-by-side members' units give for their weighted sums, as steps of a row's way (see `steps`): one
//! vector has one unit of all members.

use super::group::Group;
use super::simd::Simd;
use super::steps::{Place, Routine, Row};
use super::units::{self, activate, exp, sigmoid, tanh};
use crate::network::Activation;

/// Units whose exponentials are worked out side by side, at the most: ten are five and five. (Of one member
/// there are enough for `units::SIDE`, which leaves registers.)
pub(super) const UNITS: usize = 6;

/// What so many of side-by-side members' units give for their sums, sigmoids or, if `TANH`, tanh's; where
/// `SOME` members lack some, those give 0, which is made sure of at once: in a way of its own through the units
/// it took the paper's populations 2 % longer.
pub(super) struct Sigmoids<const TANH: bool, const COUNT: usize, const SOME: bool>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R, const SLOTS: usize, const TANH: bool, const COUNT: usize, const SOME: bool>
    Routine<Group<'_, S, R, SLOTS>> for Sigmoids<TANH, COUNT, SOME>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, _row: &Row<'_>) {
        let (units, present) = (group.units.as_mut_ptr(), group.present.as_ptr());
        // SAFETY: the units, `(COUNT,)`, are among all, and shaped alike is who has them.
        let (units, present) = unsafe {
            let present = &*present.add(place.units).cast::<[S; COUNT]>();
            (&mut *units.add(place.units).cast::<[S; COUNT]>(), present)
        };
        sigmoids::<S, TANH, COUNT>(units, if SOME { Some(present) } else { None });
    }
}

/// Sigmoids or tanh's, or 0 where only some have a unit and a lane is none of `present`.
#[inline(always)]
fn sigmoids<S: Simd, const TANH: bool, const COUNT: usize>(
    units: &mut [S; COUNT],
    present: Option<&[S; COUNT]>,
) {
    if TANH {
        tanh(units);
    } else {
        sigmoid(units);
    }
    if let Some(present) = present {
        for i in 0..COUNT {
            units[i] = units[i].masked(present[i]);
        }
    }
}

/// Replaces sums of side-by-side members' units by those above 0; where `SOME` members lack some units, those
/// give 0.
pub(super) struct Relu<const SOME: bool>;

#[allow(unsafe_code, reason = "kernel file")]
impl<S: Simd, R, const SLOTS: usize, const SOME: bool> Routine<Group<'_, S, R, SLOTS>>
    for Relu<SOME>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, row: &Row<'_>) {
        activate(Activation::Relu, &mut group.units[place.units..][..place.outputs], 1);
        if SOME {
            // SAFETY: as the caller has promised.
            unsafe { Absent::run(group, place, row) }
        }
    }
}

/// Units of side-by-side members that some lack give 0 for those.
pub(super) struct Absent;

#[allow(unsafe_code, reason = "kernel file")]
impl<S: Simd, R, const SLOTS: usize> Routine<Group<'_, S, R, SLOTS>> for Absent {
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, _row: &Row<'_>) {
        let units = &mut group.units[place.units..][..place.outputs];
        for (unit, &present) in units.iter_mut().zip(&group.present[place.units..]) {
            *unit = unit.masked(present);
        }
    }
}

/// Softmax of side-by-side members' outputs, of which nobody lacks any. Each `HALF` has its exponentials worked
/// out side by side; of few there is no `OTHER`.
pub(super) struct Softmax<const HALF: usize, const OTHER: usize>;

#[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
impl<S: Simd, R, const SLOTS: usize, const HALF: usize, const OTHER: usize>
    Routine<Group<'_, S, R, SLOTS>> for Softmax<HALF, OTHER>
{
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, _row: &Row<'_>) {
        let units = group.units.as_mut_ptr();
        // SAFETY: the outputs, `(HALF + OTHER,)`, are among the units, and the halves are apart.
        let (half, other) = unsafe {
            let half = units.add(place.units);
            let other = half.add(HALF);
            (&mut *half.cast::<[S; HALF]>(), &mut *other.cast::<[S; OTHER]>())
        };
        softmax(half, other);
    }
}

/// Softmax of more outputs.
pub(super) struct SoftmaxOfMany;

#[allow(unsafe_code, reason = "kernel file")]
impl<S: Simd, R, const SLOTS: usize> Routine<Group<'_, S, R, SLOTS>> for SoftmaxOfMany {
    #[inline(always)]
    unsafe fn run(group: &mut Group<'_, S, R, SLOTS>, place: &Place, _row: &Row<'_>) {
        units::softmax(&mut group.units[place.units..][..place.outputs], 1);
    }
}

/// The steps of [`units::softmax`], for so few outputs that little goes through memory.
#[inline(always)]
fn softmax<S: Simd, const HALF: usize, const OTHER: usize>(
    half: &mut [S; HALF],
    other: &mut [S; OTHER],
) {
    let largest = largest(other, largest(half, S::splat(f32::NEG_INFINITY)));
    exponentials(half, largest);
    exponentials(other, largest);
    let sum = sum(other, sum(half, S::splat(0.0)));
    for i in 0..HALF {
        half[i] = half[i].div(sum);
    }
    for i in 0..OTHER {
        other[i] = other[i].div(sum);
    }
}

/// The largest of some units' sums, and of those before.
#[inline(always)]
fn largest<S: Simd, const COUNT: usize>(units: &[S; COUNT], mut largest: S) -> S {
    for i in 0..COUNT {
        largest = units[i].above(largest);
    }
    largest
}

/// Replaces sums by exponentials of what they are less than the largest by.
#[inline(always)]
fn exponentials<S: Simd, const COUNT: usize>(units: &mut [S; COUNT], largest: S) {
    for i in 0..COUNT {
        units[i] = units[i].sub(largest);
    }
    exp(units);
}

/// What some units come to, on top of those before.
#[inline(always)]
fn sum<S: Simd, const COUNT: usize>(units: &[S; COUNT], mut sum: S) -> S {
    for i in 0..COUNT {
        sum = sum.add(units[i]);
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::kernels::blocks::with_size;
    use crate::kernels::layout::evenly;
    use crate::kernels::simd::{MOST_LANES, Portable, Square, numbers};
    use crate::kernels::{Kernel, dispatch};
    use crate::math;

    /// Softmax of one to 14 units, beside its definition.
    struct Softmaxes;

    impl Softmaxes {
        #[inline(always)]
        fn holds<S: Simd>() {
            let ends = [-1e30, -88.0, -0.5, 0.0, 1e-40, 0.3, 87.0, 1e30, f32::INFINITY, f32::NAN];
            for case in 0..14 * ends.len() {
                let (count, start) = (1 + case / ends.len(), case % ends.len());
                let sum = |unit: usize, lane: usize| ends[(start + unit * (lane + 1)) % ends.len()];
                let mut units = [S::splat(0.0); 14];
                for (place, unit) in units.iter_mut().enumerate() {
                    let mut lanes = [0.0; MOST_LANES];
                    for (lane, number) in lanes.iter_mut().enumerate() {
                        *number = sum(place, lane);
                    }
                    *unit = S::load(&lanes);
                }
                let some = &mut units[..count];
                if count <= 2 * UNITS {
                    with_size!(count, COUNT => {
                        const HALF: usize = evenly(COUNT, UNITS);
                        let (half, other) = some.split_at_mut(HALF);
                        let other: &mut [S; COUNT - HALF] = other.try_into().unwrap();
                        softmax::<S, HALF, { COUNT - HALF }>(half.try_into().unwrap(), other);
                    }; 1 2 3 4 5 6 7 8 9 10 11 12);
                } else {
                    units::softmax(some, 1);
                }
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

    impl Kernel for Softmaxes {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            Self::holds::<S>();
            Self::holds::<S::Half>();
        }
    }

    #[test]
    fn softmax_is_what_it_is_defined_as() {
        dispatch(Softmaxes);
        Softmaxes.run::<Portable>();
    }

    /// What units give for the numbers at which the exponential's steps change, and some others, for each
    /// number of units side by side.
    #[derive(Clone, Copy)]
    struct AtTheEnds<const TANH: bool>(fn(f32) -> f32);

    impl<const TANH: bool> AtTheEnds<TANH> {
        #[inline(always)]
        fn hold<S: Simd, const COUNT: usize>(self) {
            let ends = [0.0, 1e-40, 0.3, 1.0, 17.5, 43.4, 86.9, 87.0, 87.1, 88.8, 1e30];
            let ends = ends.into_iter().chain([f32::MAX, f32::INFINITY, f32::NAN]);
            let present = [0x9c35, 0, 0xffff, 0x4e1a, 0x2b61, 0x8007];
            let mut masks = [S::splat(f32::from_bits(u32::MAX)); COUNT];
            for (mask, lanes) in masks.iter_mut().zip(present) {
                *mask = mask.keep(lanes);
            }
            for x in ends.flat_map(|x| [x, -x]) {
                let (mut all, mut some) = ([S::splat(x); COUNT], [S::splat(x); COUNT]);
                sigmoids::<S, TANH, COUNT>(&mut all, None);
                sigmoids::<S, TANH, COUNT>(&mut some, Some(&masks));
                let expected = self.0(x);
                for (place, (value, of_some)) in
                    numbers(&all).iter().zip(numbers(&some)).enumerate()
                {
                    let same = value.to_bits() == expected.to_bits();
                    assert!(same || value.is_nan() && expected.is_nan(), "{x} {value} {expected}");
                    // Units that a lane's member lacks give 0.
                    let has = present[place / S::LANES] >> (place % S::LANES) & 1 == 1;
                    assert_eq!(of_some.to_bits(), if has { value.to_bits() } else { 0 });
                }
            }
        }
    }

    impl<const TANH: bool> Kernel for AtTheEnds<TANH> {
        type Output = ();

        #[inline(always)]
        fn run<S: Square>(self) {
            self.hold::<S, 1>();
            self.hold::<S, 2>();
            self.hold::<S, 3>();
            self.hold::<S, 4>();
            self.hold::<S, 5>();
            self.hold::<S, 6>();
            self.hold::<S::Half, 3>();
        }
    }

    #[test]
    fn exponentials_equal_the_plain_ones_at_their_ends() {
        let sigmoids = AtTheEnds::<false>(math::sigmoid);
        dispatch(sigmoids);
        sigmoids.run::<Portable>();
        let tanhs = AtTheEnds::<true>(math::tanh);
        dispatch(tanhs);
        tanhs.run::<Portable>();
    }
}
