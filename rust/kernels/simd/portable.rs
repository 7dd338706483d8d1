//! Vectors for any target: arrays, whose loops the compiler turns into what the target has.

use super::{Simd, Square, Work};

/// Eight numbers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Portable([f32; LANES]);

const LANES: usize = 8;

impl Portable {
    /// An operation lane by lane on two vectors.
    #[inline(always)]
    fn pairwise(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        let mut result = self;
        for lane in 0..LANES {
            result.0[lane] = operation(self.0[lane], other.0[lane]);
        }
        result
    }

    /// An operation lane by lane.
    #[inline(always)]
    fn each(self, operation: impl Fn(f32) -> f32) -> Self {
        self.pairwise(self, |value, _| operation(value))
    }
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
        self.pairwise(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.pairwise(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.pairwise(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.pairwise(other, |a, b| a / b)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.each(f32::sqrt)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let mut result = self;
        for lane in 0..LANES {
            result.0[lane] = self.0[lane].mul_add(factor.0[lane], addend.0[lane]);
        }
        result
    }

    #[inline(always)]
    fn neg(self) -> Self {
        self.each(|value| -value)
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        self.pairwise(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        self.pairwise(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn step(self) -> Self {
        self.each(|value| f32::from(value > 0.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.each(|value| f32::from_bits(value.to_bits() << 23))
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        let mut result = self;
        for lane in 0..LANES {
            let all = 0_u32.wrapping_sub(bits >> lane & 1);
            result.0[lane] = f32::from_bits(self.0[lane].to_bits() & all);
        }
        result
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
