//! Two vectors as one, so that what waits for one is filled by the other.

use super::Simd;

/// Twice as many numbers.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Pair<S>(S, S);

// SAFETY: it is laid out as its vectors, which are laid out as their numbers.
#[allow(unsafe_code, reason = "kernel file")]
unsafe impl<S: Simd> Simd for Pair<S> {
    const LANES: usize = 2 * S::LANES;
    const TILE_ROWS: usize = S::TILE_ROWS;
    const BLOCK: usize = S::BLOCK / 2;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(S::splat(value), S::splat(value))
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        Self(S::load(from), S::load(&from[from.len().min(S::LANES)..]))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0.sub(other.0), self.1.sub(other.1))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0.mul(other.0), self.1.mul(other.1))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(self.0.div(other.0), self.1.div(other.1))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt(), self.1.sqrt())
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(self.0.mul_add(factor.0, addend.0), self.1.mul_add(factor.1, addend.1))
    }

    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.neg(), self.1.neg())
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        Self(self.0.above(other.0), self.1.above(other.1))
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        Self(self.0.below(other.0), self.1.below(other.1))
    }

    #[inline(always)]
    fn step(self) -> Self {
        Self(self.0.step(), self.1.step())
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(self.0.power_of_two(), self.1.power_of_two())
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        Self(self.0.keep(bits), self.1.keep(bits >> S::LANES))
    }
}
