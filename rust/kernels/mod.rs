//! The arithmetic of training and prediction, and nothing else.
//!
//! There is one arithmetic (DESIGN §5): every sum runs in index order by fused multiply-add, forward
//! from the bias over the inputs, backward over the outputs, gradients over the batch's rows. A
//! vector's lanes are different sums, never parts of one. So the plain loops of
//! `tests/plain/mod.rs`, this code with vectors, and this code without them give the same bits, and
//! each may be chosen for speed alone.
//!
//! `packed` holds a network's weights padded to whole vectors, `trainer` trains one, by a rule from
//! `rules` on a loss from `loss`; [`dispatch`] picks the instruction set.

mod loss;
mod packed;
mod rules;
mod trainer;

pub(crate) use loss::{row_loss, surprise};
pub(crate) use packed::PackedNetwork;
pub(crate) use rules::{Adam, Rule, Sgd};
pub(crate) use trainer::Trainer;

use crate::math;
use crate::network::Activation;

/// Work that is compiled once for each instruction set.
///
/// `run` must be `#[inline(always)]`, and so must be whatever it calls: only code that is inlined
/// into the function with the wider instructions is compiled with them. (A closure is not.)
pub(crate) trait Kernel {
    /// What the work results in.
    type Output;
    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs a kernel with the widest instructions that this machine has, or with the baseline's where
/// the environment variable `APBT_RS_INSTRUCTIONS` says `baseline`. The bits are the same.
#[cfg(target_arch = "x86_64")]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    use std::sync::LazyLock;

    #[target_feature(enable = "avx2,fma")]
    fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }

    static AVX2: LazyLock<bool> = LazyLock::new(|| {
        std::env::var_os("APBT_RS_INSTRUCTIONS").is_none_or(|forced| forced != "baseline")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
    });
    if *AVX2 {
        // SAFETY: the processor was just found to have both instruction sets.
        #[allow(unsafe_code, reason = "this file is where the instruction set is chosen")]
        unsafe {
            with_avx2(kernel)
        }
    } else {
        kernel.run()
    }
}

/// Runs a kernel; this target's baseline has all the instructions that it uses.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Replaces weighted sums by what the units give for them. `values` is one layer, `(units,)`, or any
/// part of it, but for softmax, which needs the whole.
#[inline(always)]
pub(crate) fn activate(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Sigmoid => {
            for value in values {
                *value = math::sigmoid(*value);
            }
        }
        Activation::Tanh => {
            for value in values {
                *value = math::tanh(*value);
            }
        }
        Activation::Relu => {
            for value in values {
                // Written so that NaN stays NaN.
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        }
        Activation::Identity => {}
        Activation::Softmax => softmax(values),
    }
}

#[inline(always)]
fn softmax(values: &mut [f32]) {
    let mut largest = f32::NEG_INFINITY;
    for &value in values.iter() {
        largest = if value > largest { value } else { largest };
    }
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = math::exp(*value - largest);
        sum += *value;
    }
    for value in values.iter_mut() {
        *value /= sum;
    }
}

/// A unit's derivative, from what it gives.
#[inline(always)]
pub(crate) fn derivative(activation: Activation, value: f32) -> f32 {
    match activation {
        Activation::Sigmoid => (-value).mul_add(value, value),
        Activation::Tanh => (-value).mul_add(value, 1.0),
        Activation::Relu => f32::from(value > 0.0),
        // Softmax is not a matter of one unit: the output's gradient deals with it.
        Activation::Identity | Activation::Softmax => 1.0,
    }
}
