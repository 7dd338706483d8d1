//! Vectors for any target: arrays, whose loops the compiler turns into what the target has.

use super::{Simd, Square, Work};

/// Eight numbers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Portable([f32; LANES]);

const LANES: usize = 8;

/// A vector of what an expression gives for each lane: written out, since a compiler takes longest for
/// loops, of which there would be one for each operation.
macro_rules! lanes {
    ($lane:ident => $value:expr) => {
        lanes!($lane => $value; 0 1 2 3 4 5 6 7)
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
    // Too few registers for them, but tests of products run them on every machine.
    const WIDE_TILE_ROWS: usize = if cfg!(test) { 6 } else { 0 };

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
        lanes!(L => self.0[L] + other.0[L])
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        lanes!(L => self.0[L] - other.0[L])
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lanes!(L => self.0[L] * other.0[L])
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        lanes!(L => self.0[L] / other.0[L])
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        lanes!(L => self.0[L].sqrt())
    }

    // Where the processor has no such instruction, it is eight calls, which are not repeated everywhere.
    #[cfg_attr(any(target_arch = "aarch64", target_feature = "fma"), inline(always))]
    #[cfg_attr(not(any(target_arch = "aarch64", target_feature = "fma")), inline(never))]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        lanes!(L => self.0[L].mul_add(factor.0[L], addend.0[L]))
    }

    #[inline(always)]
    fn neg(self) -> Self {
        lanes!(L => -self.0[L])
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        lanes!(L => if self.0[L] > other.0[L] { self.0[L] } else { other.0[L] })
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        lanes!(L => if self.0[L] < other.0[L] { self.0[L] } else { other.0[L] })
    }

    #[inline(always)]
    fn step(self) -> Self {
        lanes!(L => f32::from(self.0[L] > 0.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        lanes!(L => f32::from_bits(self.0[L].to_bits() << 23))
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        lanes!(L => f32::from_bits(self.0[L].to_bits() & 0_u32.wrapping_sub(bits >> L & 1)))
    }
}

impl Square for Portable {
    type Half = Self;

    #[inline(never)]
    fn apart<T: Work>(work: T) -> T::Output {
        work.run()
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
