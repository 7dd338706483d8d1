//! The arithmetic of training and prediction, and nothing else.
//!
//! There is one arithmetic (DESIGN §5): every sum runs in index order by fused multiply-add, forward
//! from the bias over the inputs, backward over the outputs, gradients over the batch's rows. A
//! vector's lanes are different sums, never parts of one. So the plain loops of
//! `tests/plain/mod.rs`, [`group`] and [`single`] give the same bits with any vectors, and each may
//! be chosen for speed alone.
//!
//! [`simd`] has the vectors; [`units`], [`loss`] and [`rules`] the steps between sums; [`blocks`]
//! the sums of a group, [`products`] those of one member; [`packed`] a network laid out for products
//! and its forward pass. [`dispatch`] picks the instruction set.

mod blocks;
mod group;
mod loss;
mod packed;
mod products;
mod rules;
mod simd;
mod single;
mod units;

pub(crate) use group::Group;
pub(crate) use loss::{row_loss, surprise};
pub(crate) use packed::outputs;
pub(crate) use rules::{Adam, Rates, Rule, Sgd};
pub(crate) use simd::{Pair, Simd, Square};
pub(crate) use single::Single;

use simd::Portable;
#[cfg(target_arch = "x86_64")]
use simd::{Avx2, Avx512};

/// Members in training.
pub(crate) trait Trainer {
    /// One update from a batch of rows. Adds each member's weighted sum of the rows' losses to
    /// `losses`, which has one for each member, or none where they are not asked for.
    fn step(&mut self, batch: &[u32], losses: &mut [f64]);
}

/// Work that is compiled once for each instruction set.
///
/// `run` must be `#[inline(always)]`, and so must be whatever it calls: only code that is inlined
/// into the function with the wider instructions is compiled with them. (A closure is not.)
pub(crate) trait Kernel {
    /// What the work results in.
    type Output;
    /// Does the work.
    fn run<S: Square>(self) -> Self::Output;
}

/// Runs a kernel with the widest instructions that this machine has and the environment variable
/// `APBT_RS_INSTRUCTIONS` allows: `baseline`, `avx2` or `avx512`. The bits are the same.
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[target_feature(enable = "avx2,fma")]
    fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn with_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    #[allow(unsafe_code, reason = "this file is where the instruction set is chosen")]
    match instructions() {
        // SAFETY: `instructions` has found the processor to have them.
        Instructions::Avx512 => unsafe { with_avx512(kernel) },
        // SAFETY: likewise.
        Instructions::Avx2 => unsafe { with_avx2(kernel) },
        Instructions::Baseline => kernel.run::<Portable>(),
    }
}

/// Runs a kernel; this target's baseline has all the instructions that it uses.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Portable>()
}

/// Instruction sets, each of which has those before it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Instructions {
    Baseline,
    Avx2,
    Avx512,
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Instructions {
    use std::sync::LazyLock;

    static FOUND: LazyLock<Instructions> = LazyLock::new(|| {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let found = match (avx2, avx512) {
            (true, true) => Instructions::Avx512,
            (true, false) => Instructions::Avx2,
            _ => Instructions::Baseline,
        };
        let allowed = match std::env::var("APBT_RS_INSTRUCTIONS").as_deref() {
            Ok("baseline") => Instructions::Baseline,
            Ok("avx2") => Instructions::Avx2,
            _ => Instructions::Avx512,
        };
        if allowed < found { allowed } else { found }
    });
    *FOUND
}
