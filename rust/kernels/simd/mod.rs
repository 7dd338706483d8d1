//! Vectors of 32-bit numbers: one trait, one type for each instruction set.
//!
//! Kernels are generic over [`Simd`], so that each is written once and runs with the width that the
//! machine has. The operations are those that IEEE 754 fixes to the last bit, lane by lane; none
//! mixes lanes but [`Square::transpose`]. So a kernel's results do not depend on the type.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

use super::steps::{Routine, Run};

/// The most lanes that a vector has.
pub(crate) const MOST_LANES: usize = 16;

/// A vector of 32-bit numbers.
///
/// # Safety
/// The type has no padding, no alignment above 64 bytes, and is laid out as `[f32; LANES]`, with
/// `LANES` at most [`MOST_LANES`], any bits being a vector: [`numbers`] and [`narrowed`] rest on it.
///
/// The methods of a type may be called only where the processor has its instructions: kernels name
/// no type, [`super::dispatch`] alone does.
#[allow(unsafe_code, reason = "the layout that `numbers` rests on")]
pub(crate) unsafe trait Simd: Copy + Send + Sync + 'static {
    /// Numbers in one vector.
    const LANES: usize;
    /// Rows of a tile of two vectors, whose sums stay in registers, and outputs of a tile of `zeros`,
    /// each with its slots: at most 8.
    const TILE_ROWS: usize;
    /// Rows of a tile of three or four vectors: at most 6, and 0 where registers are too few, so that none but
    /// tiles of one to three rows are so wide.
    const WIDE_TILE_ROWS: usize;
    /// Steps of a large tile that are written out, rather than left to a loop.
    const TILE_STEPS: usize;
    /// Inputs of a group's block, at the most 10: as many inputs, or sums, stay in registers.
    const MOST_INPUTS: usize;

    /// The same number in all lanes.
    fn splat(value: f32) -> Self;
    /// The first numbers of a slice, zeros after its end.
    fn load(from: &[f32]) -> Self;
    /// The sum.
    fn add(self, other: Self) -> Self;
    /// The difference.
    fn sub(self, other: Self) -> Self;
    /// The product.
    fn mul(self, other: Self) -> Self;
    /// The quotient.
    fn div(self, other: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The number with its sign turned.
    fn neg(self) -> Self;
    /// `if self > other { self } else { other }`.
    fn above(self, other: Self) -> Self;
    /// `if self < other { self } else { other }`.
    fn below(self, other: Self) -> Self;
    /// 1 where the number is positive, else 0.
    fn step(self) -> Self;
    /// `2ⁿ`, where the number's bits end in those of `n + 127`.
    fn power_of_two(self) -> Self;
    /// The number where the lane's bit is set, else 0.
    fn keep(self, bits: u32) -> Self;
    /// The number where all bits of the mask's lane are set, 0 where none is.
    fn masked(self, mask: Self) -> Self;
}

/// A vector as kernels are handed it by [`super::dispatch`]: with halves, squares of numbers that can be
/// turned over, and instructions of its own.
pub(crate) trait Square: Simd {
    /// Vectors of half the width, where the processor has them, else the same ones: narrow groups and
    /// layers waste fewer lanes. Its instructions are among those of the whole.
    type Half: Square;
    /// Takes `LANES` vectors as the rows of a square and turns it over its diagonal.
    fn transpose(square: &mut [Self]);
    /// Does some work in a function of its own, compiled with this type's instructions: a compiler is
    /// at its best, and quickest, where functions are small.
    fn apart<T: Work>(work: T) -> T::Output;
    /// A routine as a function of its own, compiled with this type's instructions, likewise.
    fn compiled<T: Routine<G>, G>() -> Run<G>;
}

/// Work for [`Square::apart`]; `run` must be `#[inline(always)]`, as must be whatever it calls.
pub(crate) trait Work {
    /// What the work results in.
    type Output;
    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Vectors as the numbers in them.
#[inline(always)]
pub(crate) fn numbers<S: Simd>(vectors: &[S]) -> &[f32] {
    // SAFETY: `Simd` promises that a vector is `LANES` numbers without padding.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * S::LANES)
    }
}

/// Vectors as the numbers in them, to be written.
#[inline(always)]
pub(crate) fn numbers_mut<S: Simd>(vectors: &mut [S]) -> &mut [f32] {
    // SAFETY: as in `numbers`; any bits are a number.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), vectors.len() * S::LANES)
    }
}

/// Vectors as vectors of the same width or of a smaller one.
#[inline(always)]
pub(crate) fn narrowed<S: Simd, W: Simd>(vectors: &[S]) -> &[W] {
    const { assert!(S::LANES.is_multiple_of(W::LANES) && align_of::<W>() <= align_of::<S>()) }
    // SAFETY: `Simd` promises that both are so many numbers without padding, and any numbers are a
    // vector; neither a number nor the alignment is lost.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * (S::LANES / W::LANES))
    }
}

/// Vectors as vectors of the same width or of a smaller one, to be written.
#[inline(always)]
pub(crate) fn narrowed_mut<S: Simd, W: Simd>(vectors: &mut [S]) -> &mut [W] {
    const { assert!(S::LANES.is_multiple_of(W::LANES) && align_of::<W>() <= align_of::<S>()) }
    let count = vectors.len() * (S::LANES / W::LANES);
    // SAFETY: as in `narrowed`.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), count)
    }
}

/// The same number, of which a compiler no longer knows where it is from.
#[inline(always)]
pub(crate) fn opaque(number: usize) -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let number = {
        let mut number = number;
        // SAFETY: there is no instruction.
        #[allow(unsafe_code, reason = "kernel file")]
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) number, options(pure, nomem, nostack, preserves_flags));
        }
        number
    };
    number
}

/// The same number, from which a compiler derives nothing ahead of this place. Elsewhere it makes ready, ahead
/// of a loop of many ways, what any of them might need.
#[inline(always)]
pub(crate) fn anew(number: usize) -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let number = {
        let mut number = number;
        // SAFETY: there is no instruction. It does not count as pure, so that it stays where it is.
        #[allow(unsafe_code, reason = "kernel file")]
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) number, options(nomem, nostack, preserves_flags));
        }
        number
    };
    number
}

/// The same value, of which nothing is read before this place, likewise.
#[inline(always)]
pub(crate) fn anew_mut<T>(value: &mut T) -> &mut T {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let value = {
        let mut place = std::ptr::from_mut(value);
        // SAFETY: there is no instruction, so that it is the same place, which nothing else refers to.
        #[allow(unsafe_code, reason = "kernel file")]
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) place, options(nostack, preserves_flags));
            &mut *place
        }
    };
    value
}

/// So many vectors of zeros.
pub(crate) fn zeros<S: Simd>(count: usize) -> Vec<S> {
    vec![S::splat(0.0); count]
}

/// Asks for the parts of a row that will be read soon: a shuffled table's rows are nowhere near each other,
/// and waiting for them cost a third of the time where the table is larger than the caches.
#[inline(always)]
pub(crate) fn prefetch_row(parts: [&[f32]; 3]) {
    for part in parts {
        part.chunks(LINE / size_of::<f32>()).for_each(|line| prefetch_line(line.as_ptr()));
    }
}

/// Bytes that come at a time.
const LINE: usize = 64;

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_line(line: *const f32) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 has the instruction, which reads nothing, wherever it points.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
}

/// Elsewhere Rust has no stable way to ask.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefetch_line(_line: *const f32) {}
