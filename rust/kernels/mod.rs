//! The arithmetic of training and prediction, and nothing else.
//!
//! There is one arithmetic (DESIGN §5): every sum runs in index order by fused multiply-add, forward
//! from the bias over the inputs, backward over the outputs, gradients over the batch's rows. A
//! vector's lanes are different sums, never parts of one. So the plain loops of
//! `tests/plain/mod.rs`, [`group`] and [`singles`] give the same bits with any vectors, and each may
//! be chosen for speed alone.
//!
//! [`simd`] has the vectors; [`units`], [`output_gradient`] and [`rules`] the steps between sums, [`loss`] and
//! [`row_losses`] what rows are told. Of a group, [`layout`] and [`blocks`] have the parameters and sums, [`zeros`] those of a first layer that passes
//! over zeros, and [`ahead`] which inputs it hears; [`deferred`] has the updates that the next row makes,
//! [`member_units`] what units give; [`steps`] are functions of all that, [`ways`] lists of them for each
//! way of a row, and [`groups`] takes several groups through it. Of one member, [`products`] and [`tiles`]
//! have the sums, [`matrix`], [`packed`] and [`packing`] the network laid out for them and its forward pass,
//! [`single`] the way through a batch, [`backward`] the way back, [`in_rows`] both for layers whose units stand
//! in rows, [`update`] the end, and [`window`] the rows, which [`turning`] makes columns of; [`outputs`] are
//! what a network gives for many rows. [`dispatch`] picks the instruction set, and [`machine`] knows what
//! suits the processor.

mod ahead;
mod backward;
mod blocks;
mod deferred;
mod group;
mod groups;
mod in_rows;
mod layout;
mod loss;
mod machine;
mod matrix;
mod member_units;
mod output_gradient;
mod outputs;
mod packed;
mod packing;
#[cfg(feature = "python")]
mod peak;
mod products;
mod row_losses;
mod rules;
mod simd;
mod single;
mod singles;
mod steps;
mod subnormals;
mod tiles;
mod turning;
mod units;
mod update;
mod ways;
mod window;
mod zeros;

pub(crate) use ahead::Nonzeros;
pub(crate) use groups::Groups;
pub(crate) use loss::{row_loss, surprise, surprises};
pub(crate) use machine::{Machine, NEAR};
pub(crate) use matrix::{Standing, standing};
pub(crate) use outputs::{BLOCK, Inputs, outputs, to_columns};
#[cfg(feature = "python")]
pub(crate) use peak::peak;
pub(crate) use rules::{Adam, Rates, Rule, Sgd};
pub(crate) use simd::{Simd, Square, Work};
pub(crate) use singles::Singles;
pub use subnormals::without_subnormals;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use simd::Portable;
#[cfg(target_arch = "x86_64")]
use simd::{Avx2, Avx512};

#[cfg(any(feature = "python", target_arch = "x86_64"))]
use crate::error::invalid;
use crate::error::{Error, Result};

/// The rows of some epochs in the order in which they are visited.
#[derive(Clone, Copy)]
pub(crate) struct Orders<'a> {
    pub(crate) rows: &'a [u32],
    /// Rows of an epoch.
    pub(crate) epoch: usize,
}

impl Orders<'_> {
    /// How many there are.
    pub(crate) fn epochs(self) -> usize {
        self.rows.len() / self.epoch
    }

    /// Some of the epochs, from one place to another.
    pub(crate) fn part(self, places: Range<usize>) -> Self {
        Self { rows: &self.rows[places], ..self }
    }

    /// Where the batch ends that begins at a place: a batch does not go on in the next epoch.
    #[inline(always)]
    fn end(self, start: usize, batch_size: usize) -> usize {
        start + batch_size.min(self.epoch - start % self.epoch)
    }

    /// Where the last epoch begins.
    #[inline(always)]
    fn first_in_last(self) -> usize {
        self.rows.len() - self.epoch
    }

    /// Whether a place is in the last epoch.
    #[inline(always)]
    fn in_last(self, place: usize) -> bool {
        place >= self.first_in_last()
    }
}

/// An error if the flag is set.
#[inline(always)]
fn unless_stopped(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
}

/// Work that is compiled once for each instruction set.
///
/// `run` must be `#[inline(always)]`, and so must be whatever it calls: only code that is inlined
/// into the function with the wider instructions, or goes through [`Square::apart`] or
/// [`Square::compiled`], is compiled with them. (A closure is not.)
pub(crate) trait Kernel {
    /// What the work results in.
    type Output;
    /// Does the work.
    fn run<S: Square>(self) -> Self::Output;
}

/// A kernel with vectors of one type.
struct With<K, S>(K, PhantomData<S>);

impl<K: Kernel, S: Square> Work for With<K, S> {
    type Output = K::Output;

    #[inline(always)]
    fn run(self) -> K::Output {
        self.0.run::<S>()
    }
}

/// Runs a kernel with the widest instructions that this machine has and the environment variable
/// `APBT_RS_INSTRUCTIONS` allows: `baseline`, `avx2` or `avx512`. The bits are the same.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    // `instructions` has found the processor to have them.
    without_subnormals(|| {
        #[cfg(target_arch = "x86_64")]
        match instructions() {
            Instructions::Avx512 => return Avx512::apart(With::<K, Avx512>(kernel, PhantomData)),
            Instructions::Avx2 => return Avx2::apart(With::<K, Avx2>(kernel, PhantomData)),
            Instructions::Baseline => {}
        }
        Portable::apart(With::<K, Portable>(kernel, PhantomData))
    })
}

/// Instruction sets, each of which has those before it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Instructions {
    Baseline,
    Avx2,
    Avx512,
}

#[cfg(target_arch = "x86_64")]
impl Instructions {
    const NAMES: [(&'static str, Self); 3] =
        [("baseline", Self::Baseline), ("avx2", Self::Avx2), ("avx512", Self::Avx512)];

    /// The widest that the processor has.
    fn found() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            _ => Self::Baseline,
        }
    }
}

/// What the environment variable allows; the widest if it says nothing.
#[cfg(target_arch = "x86_64")]
fn allowed() -> Result<Instructions> {
    let name = named(&Instructions::NAMES.map(|(name, _)| name))?;
    let known = Instructions::NAMES.into_iter().find(|(known, _)| Some(*known) == name.as_deref());
    Ok(known.map_or(Instructions::Avx512, |(_, set)| set))
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Instructions {
    use std::sync::LazyLock;

    // A wrong name is refused by `instruction_set`, where there is somebody to tell.
    static CHOSEN: LazyLock<Instructions> =
        LazyLock::new(|| allowed().unwrap_or(Instructions::Avx512).min(Instructions::found()));
    *CHOSEN
}

/// The name of the instruction set that kernels run with.
///
/// # Errors
/// [`crate::error::Error::Invalid`] if the environment variable names none.
#[cfg(all(feature = "python", target_arch = "x86_64"))]
pub(crate) fn instruction_set() -> Result<&'static str> {
    allowed()?;
    let chosen = Instructions::NAMES.into_iter().find(|(_, set)| *set == instructions());
    Ok(chosen.map_or("baseline", |(name, _)| name))
}

/// The name of the one instruction set that there is.
///
/// # Errors
/// [`crate::error::Error::Invalid`] if the environment variable names another.
#[cfg(all(feature = "python", not(target_arch = "x86_64")))]
pub(crate) fn instruction_set() -> Result<&'static str> {
    named(&["baseline"])?;
    Ok("baseline")
}

/// What the environment variable says, which must be one of the names.
#[cfg(any(feature = "python", target_arch = "x86_64"))]
fn named(names: &[&str]) -> Result<Option<String>> {
    const VARIABLE: &str = "APBT_RS_INSTRUCTIONS";
    match std::env::var(VARIABLE) {
        Ok(name) if !names.contains(&name.as_str()) => {
            let problem = format!("{name:?} is not known here; expected one of {names:?}");
            Err(invalid(VARIABLE, problem))
        }
        name => Ok(name.ok()),
    }
}
