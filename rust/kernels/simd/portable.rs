//! Vectors for any target: arrays, whose lanes the compiler puts together into what the target has.

use super::{Simd, Square, Work};
use crate::kernels::steps::{Routine, Run};

/// Eight numbers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Portable([f32; LANES]);

const LANES: usize = 8;

/// A vector of what an expression gives lane by lane. Written out: loops, one for each use of an operation,
/// took the compiler longest.
macro_rules! lane_by_lane {
    ($lane:ident => $value:expr) => {
        lane_by_lane!($lane => $value; 0 1 2 3 4 5 6 7)
    };
    ($lane:ident => $value:expr; $($number:literal)*) => {
        Self([$({
            const $lane: usize = $number;
            $value
        }),*])
    };
}

// SAFETY: it is an array of `LANES` numbers.
#[allow(unsafe_code, reason = "kernel file")]
unsafe impl Simd for Portable {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 6;
    // Too few registers for them, but tests of products run them on every machine. (The narrow ones that stand
    // for them are met by `tests/training.rs`.)
    const WIDE_TILE_ROWS: usize = if cfg!(test) { 6 } else { 0 };
    const TILE_STEPS: usize = if cfg!(test) { 3 } else { 1 };
    const MOST_INPUTS: usize = 8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let mut result = [0.0; LANES];
        if let Some(whole) = from.first_chunk() {
            return Self(*whole);
        }
        result[..from.len()].copy_from_slice(from);
        Self(result)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        lane_by_lane!(L => self.0[L] + other.0[L])
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        lane_by_lane!(L => self.0[L] - other.0[L])
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lane_by_lane!(L => self.0[L] * other.0[L])
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        lane_by_lane!(L => self.0[L] / other.0[L])
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        lane_by_lane!(L => self.0[L].sqrt())
    }

    // Any x86-64 need not have the instruction, so that this is eight calls of a function there, too much to
    // repeat at each use. Nothing is lost: this type has no instructions of its own.
    #[cfg_attr(all(target_arch = "x86_64", not(target_feature = "fma")), inline(never))]
    #[cfg_attr(not(all(target_arch = "x86_64", not(target_feature = "fma"))), inline(always))]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        lane_by_lane!(L => self.0[L].mul_add(factor.0[L], addend.0[L]))
    }

    #[inline(always)]
    fn neg(self) -> Self {
        lane_by_lane!(L => -self.0[L])
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        lane_by_lane!(L => if self.0[L] > other.0[L] { self.0[L] } else { other.0[L] })
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        lane_by_lane!(L => if self.0[L] < other.0[L] { self.0[L] } else { other.0[L] })
    }

    #[inline(always)]
    fn step(self) -> Self {
        lane_by_lane!(L => f32::from(self.0[L] > 0.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        lane_by_lane!(L => f32::from_bits(self.0[L].to_bits() << 23))
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        lane_by_lane!(L => f32::from_bits(self.0[L].to_bits() & 0_u32.wrapping_sub(bits >> L & 1)))
    }

    #[inline(always)]
    fn masked(self, mask: Self) -> Self {
        lane_by_lane!(L => f32::from_bits(self.0[L].to_bits() & mask.0[L].to_bits()))
    }
}

impl Square for Portable {
    type Half = Self;

    #[inline(never)]
    fn apart<T: Work>(work: T) -> T::Output {
        work.run()
    }

    fn compiled<T: Routine<G>, G>() -> Run<G> {
        T::run
    }

    #[inline(always)]
    fn transpose(square: &mut [Self]) {
        for row in 0..LANES {
            for column in 0..row {
                let kept = square[row].0[column];
                square[row].0[column] = square[column].0[row];
                square[column].0[row] = kept;
            }
        }
    }
}
