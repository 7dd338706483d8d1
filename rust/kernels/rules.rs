//! Update rules, one vector of parameters at a time.

use std::sync::LazyLock;

use super::simd::Simd;
use crate::math::power;

/// What a member's updates go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) batch_size: usize,
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f32,
    /// What an update multiplies weights by, and biases.
    pub(crate) keep: (f32, f32),
    /// Updates made before.
    pub(crate) steps: u64,
}

/// An update rule with the rates of one member in all lanes, or of one member in each.
pub(crate) trait Rule<S: Simd, const SLOTS: usize>: Copy {
    /// Whether `update` does the same at every step.
    const STEADY: bool;
    /// The same rule for vectors of another width.
    type With<W: Simd>: Rule<W, SLOTS>;
    /// The rule for one member or several.
    fn new(members: &[Rates]) -> Self;
    /// What the gradient of a batch's sum is multiplied by before it is handed to `update`.
    fn factor(members: &[Rates], rows: f64) -> S;
    /// Gets ready for a step, which is that many steps past what the members have made before.
    fn begin_step(&mut self, members: &[Rates], step: u64);
    /// Takes a parameter one step on; `keep` is what remains of it after decay.
    fn update(&self, parameter: &mut S, slots: &mut [S; SLOTS], gradient: S, keep: S);
}

/// One number for each lane: that of the only member, or each member's own and zeros after the last.
macro_rules! per_lane {
    ($members:expr, $member:ident => $value:expr) => {{
        let mut lanes = [0.0_f32; super::simd::MOST_LANES];
        for (lane, $member) in lanes.iter_mut().zip($members) {
            *lane = $value;
        }
        if $members.len() == 1 { S::splat(lanes[0]) } else { S::load(&lanes) }
    }};
}
pub(super) use per_lane;

/// `v ← μ·v − η·g; w ← (1 − η·λ)·w + v`.
#[derive(Clone, Copy)]
pub(crate) struct Sgd<S> {
    momentum: S,
}

impl<S: Simd> Rule<S, 1> for Sgd<S> {
    const STEADY: bool = true;
    type With<W: Simd> = Sgd<W>;

    #[inline(always)]
    fn new(members: &[Rates]) -> Self {
        Self { momentum: per_lane!(members, member => member.momentum) }
    }

    #[inline(always)]
    fn factor(members: &[Rates], rows: f64) -> S {
        per_lane!(members, member => (-member.learning_rate / rows) as f32)
    }

    #[inline(always)]
    fn begin_step(&mut self, _members: &[Rates], _step: u64) {}

    #[inline(always)]
    fn update(&self, w: &mut S, [velocity]: &mut [S; 1], change: S, keep: S) {
        *velocity = self.momentum.mul_add(*velocity, change);
        // Read after that has been written, so that the multiply-add reads it itself.
        *w = keep.mul_add(*w, *velocity);
    }
}

/// Kingma and Ba 2015, with decay decoupled (Loshchilov and Hutter 2019).
#[derive(Clone, Copy)]
pub(crate) struct Adam<S> {
    /// The step size and the second moment's factor, both with this step's bias taken out.
    rate: S,
    unbias: S,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// What takes the moments' bias out at each of the first steps: `1 − β₁ᵗ` and `1 / √(1 − β₂ᵗ)`.
/// Later both are 1 to the last bit.
static UNBIAS: LazyLock<Vec<(f64, f32)>> = LazyLock::new(|| {
    let unbias = |step| {
        let second = 1.0 / (1.0 - power(BETA_2, step)).sqrt();
        (1.0 - power(BETA_1, step), second as f32)
    };
    (0..20_000).map(unbias).collect()
});

impl<S: Simd> Rule<S, 2> for Adam<S> {
    const STEADY: bool = false;
    type With<W: Simd> = Adam<W>;

    #[inline(always)]
    fn new(_members: &[Rates]) -> Self {
        Self { rate: S::splat(0.0), unbias: S::splat(0.0) }
    }

    #[inline(always)]
    fn factor(_members: &[Rates], rows: f64) -> S {
        S::splat((1.0 / rows) as f32)
    }

    #[inline(always)]
    fn begin_step(&mut self, members: &[Rates], step: u64) {
        let table = UNBIAS.as_slice();
        let at = |steps: u64| table.get((steps + step) as usize).copied().unwrap_or((1.0, 1.0));
        self.rate =
            per_lane!(members, member => (member.learning_rate / at(member.steps).0) as f32);
        self.unbias = per_lane!(members, member => at(member.steps).1);
    }

    #[inline(always)]
    fn update(&self, w: &mut S, [mean, square]: &mut [S; 2], slope: S, keep: S) {
        let (rest_1, rest_2) = (S::splat((1.0 - BETA_1) as f32), S::splat((1.0 - BETA_2) as f32));
        *mean = S::splat(BETA_1 as f32).mul_add(*mean, rest_1.mul(slope));
        *square = S::splat(BETA_2 as f32).mul_add(*square, rest_2.mul(slope.mul(slope)));
        let spread = square.sqrt().mul_add(self.unbias, S::splat(EPSILON));
        *w = keep.mul_add(*w, self.rate.mul(mean.div(spread)).neg());
    }
}
