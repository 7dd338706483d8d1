//! Update rules, one vector of parameters at a time.

use super::packed::{LANES, Lanes, multiply_add};
use crate::math::power;

/// An update rule: what a step does to a weight, its slots and its gradient.
pub(crate) trait Rule<const SLOTS: usize> {
    /// What the gradient of a batch's sum is multiplied by before it is handed to `update`.
    fn factor(&self, rows: f64) -> f32;
    /// Gets ready for the step of that number, 1 being the first.
    fn begin_step(&mut self, step: u64);
    /// Moves one vector of parameters; `keep` is what remains of them after decay.
    fn update(
        &self,
        parameters: &mut Lanes,
        slots: &mut [Lanes; SLOTS],
        gradient: Lanes,
        keep: f32,
    );
}

/// `v ← μ·v − η·g; w ← (1 − η·λ)·w + v`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sgd {
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f32,
}

impl Rule<1> for Sgd {
    #[inline(always)]
    fn factor(&self, rows: f64) -> f32 {
        (-self.learning_rate / rows) as f32
    }

    #[inline(always)]
    fn begin_step(&mut self, _step: u64) {}

    #[inline(always)]
    fn update(&self, w: &mut Lanes, [velocity]: &mut [Lanes; 1], change: Lanes, keep: f32) {
        *velocity = multiply_add(self.momentum, velocity, change);
        *w = multiply_add(keep, w, *velocity);
    }
}

/// Kingma and Ba 2015, with decay decoupled (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adam {
    learning_rate: f64,
    /// The step size and the second moment's factor, both with this step's bias taken out.
    rate: f32,
    unbias: f32,
}

impl Adam {
    const BETA_1: f64 = 0.9;
    const BETA_2: f64 = 0.999;
    const EPSILON: f32 = 1e-8;

    pub(crate) fn new(learning_rate: f64) -> Self {
        Self { learning_rate, rate: 0.0, unbias: 0.0 }
    }
}

impl Rule<2> for Adam {
    #[inline(always)]
    fn factor(&self, rows: f64) -> f32 {
        (1.0 / rows) as f32
    }

    #[inline(always)]
    fn begin_step(&mut self, step: u64) {
        self.rate = (self.learning_rate / (1.0 - power(Self::BETA_1, step))) as f32;
        self.unbias = (1.0 / (1.0 - power(Self::BETA_2, step)).sqrt()) as f32;
    }

    #[inline(always)]
    fn update(&self, w: &mut Lanes, [mean, square]: &mut [Lanes; 2], slope: Lanes, keep: f32) {
        let rest_1 = (1.0 - Self::BETA_1) as f32;
        let rest_2 = (1.0 - Self::BETA_2) as f32;
        let mut change = [0.0; LANES];
        for lane in 0..LANES {
            let g = slope[lane];
            mean[lane] = (Self::BETA_1 as f32).mul_add(mean[lane], rest_1 * g);
            square[lane] = (Self::BETA_2 as f32).mul_add(square[lane], rest_2 * (g * g));
            let spread = square[lane].sqrt().mul_add(self.unbias, Self::EPSILON);
            change[lane] = -(self.rate * (mean[lane] / spread));
        }
        *w = multiply_add(keep, w, change);
    }
}
