//! Vectors of x86-64's wider instruction sets.
//!
//! An intrinsic may be called only where the processor has its instruction. The methods below leave
//! that to whoever names the type, which [`crate::kernels::dispatch`] does after asking the
//! processor: this is the SAFETY of every `unsafe` block here that gives no other.

#![allow(unsafe_code, reason = "kernel file")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]

use std::arch::x86_64::{
    __m256, __m512, _CMP_GT_OQ, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256, _mm256_castpd_ps,
    _mm256_castps_pd, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32,
    _mm256_cmpgt_epi32, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps,
    _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32, _mm256_sqrt_ps, _mm256_sub_ps,
    _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps, _mm256_xor_ps,
    _mm512_add_ps, _mm512_and_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_slli_epi32,
    _mm512_sqrt_ps, _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps, _mm512_xor_si512,
};

use super::{Simd, Square, Work};
use crate::kernels::steps::{Place, Routine, Row, Run};

/// Eight numbers, with AVX2 and FMA.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Avx2(__m256);

// SAFETY: `__m256` is laid out as eight numbers.
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;
    const WIDE_TILE_ROWS: usize = 0;
    const TILE_STEPS: usize = 4;
    const MOST_INPUTS: usize = 10;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        if from.len() >= Self::LANES {
            return Self(unsafe { _mm256_loadu_ps(from.as_ptr()) });
        }
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let present =
                _mm256_cmpgt_epi32(_mm256_set1_epi32((from.len() as u32).cast_signed()), lanes);
            Self(_mm256_maskload_ps(from.as_ptr(), present))
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn neg(self) -> Self {
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_set1_ps(-0.0)) })
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        // The instruction gives its second argument where either is NaN.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn step(self) -> Self {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_set1_ps(0.0));
            Self(_mm256_and_ps(positive, _mm256_set1_ps(1.0)))
        }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        unsafe { Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0)))) }
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        unsafe {
            let own = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(bits.cast_signed()), own);
            let set = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, own));
            Self(_mm256_and_ps(self.0, set))
        }
    }

    #[inline(always)]
    fn masked(self, mask: Self) -> Self {
        Self(unsafe { _mm256_and_ps(self.0, mask.0) })
    }
}

impl Square for Avx2 {
    type Half = Self;

    #[inline(always)]
    fn apart<T: Work>(work: T) -> T::Output {
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        fn run<T: Work>(work: T) -> T::Output {
            work.run()
        }
        unsafe { run(work) }
    }

    #[inline(always)]
    fn compiled<T: Routine<G>, G>() -> Run<G> {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn run<T: Routine<G>, G>(group: &mut G, place: &Place, row: &Row<'_>) {
            // SAFETY: as the caller has promised.
            unsafe { T::run(group, place, row) }
        }
        run::<T, G>
    }

    #[inline(always)]
    fn transpose(square: &mut [Self]) {
        let r = &mut square[..8];
        unsafe {
            for g in [0, 4] {
                let (a, b, c, d) = (r[g].0, r[g + 1].0, r[g + 2].0, r[g + 3].0);
                let low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                let high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                let next_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
                let next_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
                r[g].0 = _mm256_castpd_ps(_mm256_unpacklo_pd(low, next_low));
                r[g + 1].0 = _mm256_castpd_ps(_mm256_unpackhi_pd(low, next_low));
                r[g + 2].0 = _mm256_castpd_ps(_mm256_unpacklo_pd(high, next_high));
                r[g + 3].0 = _mm256_castpd_ps(_mm256_unpackhi_pd(high, next_high));
            }
            // Now r[g + c] has, in its half q, column 4q + c of the rows g to g + 3.
            for c in 0..4 {
                let (a, b) = (r[c].0, r[4 + c].0);
                r[c].0 = _mm256_permute2f128_ps::<0x20>(a, b);
                r[4 + c].0 = _mm256_permute2f128_ps::<0x31>(a, b);
            }
        }
    }
}

/// Sixteen numbers, with AVX-512.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Avx512(__m512);

// SAFETY: `__m512` is laid out as sixteen numbers.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    const TILE_ROWS: usize = 8;
    const WIDE_TILE_ROWS: usize = 6;
    const TILE_STEPS: usize = 1;
    const MOST_INPUTS: usize = 10;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        if from.len() >= Self::LANES {
            return Self(unsafe { _mm512_loadu_ps(from.as_ptr()) });
        }
        let present = (1_u16 << from.len()) - 1;
        Self(unsafe { _mm512_maskz_loadu_ps(present, from.as_ptr()) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn neg(self) -> Self {
        unsafe {
            let sign = _mm512_set1_epi32(i32::MIN);
            Self(_mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(self.0), sign)))
        }
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self {
        // The instruction gives its second argument where either is NaN.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn below(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn step(self) -> Self {
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            Self(_mm512_maskz_mov_ps(positive, _mm512_set1_ps(1.0)))
        }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0)))) }
    }

    #[inline(always)]
    fn keep(self, bits: u32) -> Self {
        Self(unsafe { _mm512_maskz_mov_ps(bits as u16, self.0) })
    }

    #[inline(always)]
    fn masked(self, mask: Self) -> Self {
        Self(unsafe { _mm512_and_ps(self.0, mask.0) })
    }
}

impl Square for Avx512 {
    type Half = Avx2;

    #[inline(always)]
    fn apart<T: Work>(work: T) -> T::Output {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        #[inline(never)]
        fn run<T: Work>(work: T) -> T::Output {
            work.run()
        }
        unsafe { run(work) }
    }

    #[inline(always)]
    fn compiled<T: Routine<G>, G>() -> Run<G> {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        unsafe fn run<T: Routine<G>, G>(group: &mut G, place: &Place, row: &Row<'_>) {
            // SAFETY: as the caller has promised.
            unsafe { T::run(group, place, row) }
        }
        run::<T, G>
    }

    #[inline(always)]
    fn transpose(square: &mut [Self]) {
        let r = &mut square[..16];
        unsafe {
            for g in [0, 4, 8, 12] {
                let (a, b, c, d) = (r[g].0, r[g + 1].0, r[g + 2].0, r[g + 3].0);
                let low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let next_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let next_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                r[g].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(low, next_low));
                r[g + 1].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(low, next_low));
                r[g + 2].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(high, next_high));
                r[g + 3].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(high, next_high));
            }
            // Now r[g + c] has, in its quarter q, column 4q + c of the rows g to g + 3.
            for c in 0..4 {
                let (a, b, d, e) = (r[c].0, r[4 + c].0, r[8 + c].0, r[12 + c].0);
                let even = _mm512_shuffle_f32x4::<0x88>(a, b);
                let odd = _mm512_shuffle_f32x4::<0xdd>(a, b);
                let next_even = _mm512_shuffle_f32x4::<0x88>(d, e);
                let next_odd = _mm512_shuffle_f32x4::<0xdd>(d, e);
                r[c].0 = _mm512_shuffle_f32x4::<0x88>(even, next_even);
                r[4 + c].0 = _mm512_shuffle_f32x4::<0x88>(odd, next_odd);
                r[8 + c].0 = _mm512_shuffle_f32x4::<0xdd>(even, next_even);
                r[12 + c].0 = _mm512_shuffle_f32x4::<0xdd>(odd, next_odd);
            }
        }
    }
}
