//! The ceiling that benches hold the kernels against: fused multiply-adds and nothing else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{Kernel, Square, dispatch};

/// Sums that wait for nothing but themselves: more than a processor has in flight at once, and few
/// enough for sixteen registers.
const SUMS: usize = 12;

/// Floating-point operations a second on this thread, measured for so long.
pub(crate) fn peak(time: Duration) -> f64 {
    dispatch(Peak { time })
}

struct Peak {
    time: Duration,
}

impl Kernel for Peak {
    type Output = f64;

    #[inline(always)]
    fn run<S: Square>(self) -> f64 {
        const ROUNDS: usize = 10_000;
        let (started, mut operations) = (Instant::now(), 0);
        let mut sums = [S::splat(black_box(1.0)); SUMS];
        let (factor, addend) = (S::splat(black_box(0.999)), S::splat(black_box(1e-3)));
        while started.elapsed() < self.time {
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
            }
            operations += 2 * ROUNDS * SUMS * S::LANES;
        }
        let seconds = started.elapsed().as_secs_f64();
        black_box(sums);
        operations as f64 / seconds
    }
}
