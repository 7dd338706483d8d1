//! The table of hyperparameters: one row each, one way to draw, to perturb and to name them.
//!
//! A member holds one number per row, in the table's order; a categorical one holds the place of
//! its choice. Everything that touches hyperparameters (the first draw, exploring, training, the
//! columns of the history) reads this table. What is drawn per layer, the activation, lives in the
//! layer.

use serde::{Deserialize, Serialize};

use crate::error::{Result, invalid};
use crate::math::{exp_f64, ln};
use crate::random::Random;

/// The step size η.
pub const LEARNING_RATE: usize = 0;
/// The share μ of the last step that goes on; applies to `sgd` alone.
pub const MOMENTUM: usize = 1;
/// The decoupled decay λ: each step multiplies weights by 1 − η·λ.
pub const WEIGHT_DECAY: usize = 2;
/// Rows per update.
pub const BATCH_SIZE: usize = 3;
/// The update rule: 0 is `sgd`, 1 is `adam`.
pub const OPTIMIZER: usize = 4;

/// The names, in the table's order.
pub const NAMES: [&str; 5] =
    ["learning_rate", "momentum", "weight_decay", "batch_size", "optimizer"];
/// The update rules, in the order of their numbers.
pub const OPTIMIZERS: [&str; 2] = ["sgd", "adam"];
/// The number of [`OPTIMIZERS`]' `adam`.
pub const ADAM: f64 = 1.0;

/// Between which two values each hyperparameter must lie, in the table's order.
const LIMITS: [(f64, f64); 5] =
    [(0.0, f64::INFINITY), (0.0, 1.0), (0.0, f64::INFINITY), (1.0, f64::INFINITY), (0.0, 1.0)];
/// Copies change by one of these two factors (paper §3.5).
const FACTORS: [f64; 2] = [0.8, 1.2];
/// How often exploring draws a categorical value anew.
const RESAMPLE: f64 = 0.25;

/// On which scale a number is drawn and perturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// Drawn uniformly; perturbed by a factor.
    Linear,
    /// Drawn uniformly in its logarithm; perturbed by a factor.
    Log,
    /// One minus the value behaves as [`Scale::Log`]: what a momentum near 1 needs.
    LogOneMinus,
}

/// The values that one hyperparameter can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Domain {
    /// Always this value.
    Fixed(f64),
    /// One of these, by name or number: the values are what a member holds.
    Choices {
        /// The values, in order.
        values: Vec<f64>,
        /// Whether neighbours in the list are alike: then exploring moves to one of them.
        ordered: bool,
    },
    /// A range.
    Range {
        /// What a first value is drawn from.
        start: (f64, f64),
        /// What exploring keeps to.
        bounds: (f64, f64),
        /// The scale of both.
        scale: Scale,
        /// Whole numbers only.
        integer: bool,
    },
}

impl Domain {
    /// A first value.
    pub fn sample(&self, random: &mut Random) -> f64 {
        match self {
            Self::Fixed(value) => *value,
            Self::Choices { values, .. } => values[random.below(values.len())],
            Self::Range { start: (low, high), integer: true, scale: Scale::Linear, .. } => {
                low + random.below(((high - low) as usize).saturating_add(1)) as f64
            }
            Self::Range { start: (low, high), scale, integer, .. } => {
                let value = match scale {
                    Scale::Linear => random.uniform(*low, *high),
                    Scale::Log => exp_f64(random.uniform(ln(*low), ln(*high))),
                    Scale::LogOneMinus => {
                        1.0 - exp_f64(random.uniform(ln(1.0 - high), ln(1.0 - low)))
                    }
                };
                // Rounding in the logarithm must not leave the range.
                (if *integer { value.round() } else { value }).clamp(*low, *high)
            }
        }
    }

    /// The value that a copy goes on with (paper §3.5; DESIGN §4.1).
    pub fn perturb(&self, value: f64, random: &mut Random) -> f64 {
        match self {
            Self::Fixed(_) => value,
            Self::Choices { values, ordered: true } => {
                let place = values.iter().position(|&choice| choice == value).unwrap_or(0);
                let up = random.below(2) == 1;
                values[if up { (place + 1).min(values.len() - 1) } else { place.saturating_sub(1) }]
            }
            Self::Choices { .. } => {
                if random.chance(RESAMPLE) {
                    self.sample(random)
                } else {
                    value
                }
            }
            Self::Range { bounds: (low, high), scale, integer, .. } => {
                if value == 0.0 && *low <= 0.0 && *high > 0.0 {
                    // Drawn anew, since on two of the scales no factor leads away from zero.
                    return self.sample(random);
                }
                let factor = FACTORS[random.below(2)];
                let moved = match scale {
                    Scale::Linear | Scale::Log => value * factor,
                    Scale::LogOneMinus => 1.0 - (1.0 - value) * factor,
                };
                let moved = if *integer { whole_step(value, moved) } else { moved };
                moved.clamp(*low, *high)
            }
        }
    }

    /// The values between which all first ones lie.
    pub(crate) fn extremes(&self) -> impl Iterator<Item = f64> + '_ {
        let ends = match self {
            Self::Fixed(value) => vec![*value],
            Self::Choices { values, .. } => values.clone(),
            Self::Range { start, .. } => vec![start.0, start.1],
        };
        ends.into_iter()
    }

    /// The whole numbers next below and next above one, within what exploring keeps to: of a list the
    /// next of its values.
    pub(crate) fn neighbours(&self, value: f64) -> (Option<f64>, Option<f64>) {
        if let Self::Choices { values, .. } = self {
            let below = values.iter().copied().filter(|&other| other < value);
            let above = values.iter().copied().filter(|&other| other > value);
            return (below.reduce(f64::max), above.reduce(f64::min));
        }
        let (least, most) = self.reach();
        ((value > least).then_some(value - 1.0), (value < most).then_some(value + 1.0))
    }

    /// What exploring keeps to, lowest and highest.
    pub(crate) fn reach(&self) -> (f64, f64) {
        if let Self::Range { bounds, .. } = self {
            return *bounds;
        }
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        self.extremes().fold(ends, |(low, high), value| (low.min(value), high.max(value)))
    }

    /// Whether values can be drawn from it at all.
    pub(crate) fn check(&self, argument: &'static str) -> Result<()> {
        let problem = match self {
            Self::Fixed(value) if !value.is_finite() => "must be finite".to_owned(),
            Self::Choices { values, .. } if values.is_empty() => "has no choices".to_owned(),
            Self::Choices { values, .. } if values.iter().any(|value| !value.is_finite()) => {
                "has a choice that is not finite".to_owned()
            }
            Self::Range { start, bounds, scale, integer } => {
                let ordered = bounds.0 <= start.0 && start.0 <= start.1 && start.1 <= bounds.1;
                let whole = |end: f64| end.is_infinite() || end.fract() == 0.0;
                let whole = [start.0, start.1, bounds.0, bounds.1].into_iter().all(whole);
                if !ordered || !start.0.is_finite() || !start.1.is_finite() {
                    format!("the start range {start:?} must lie within the bounds {bounds:?}")
                } else if *scale == Scale::Log && start.0 <= 0.0 {
                    "a range on a logarithmic scale must start above 0".to_owned()
                } else if *scale == Scale::LogOneMinus && start.1 >= 1.0 {
                    "a range on the scale of 1 - x must end below 1".to_owned()
                } else if *integer && !whole {
                    "a range of whole numbers must have whole ends".to_owned()
                } else {
                    return Ok(());
                }
            }
            _ => return Ok(()),
        };
        Err(invalid(argument, problem))
    }
}

/// An integer moves by at least one.
fn whole_step(value: f64, moved: f64) -> f64 {
    if moved > value { moved.round().max(value + 1.0) } else { moved.round().min(value - 1.0) }
}

/// The table: one domain per row of [`NAMES`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table(Vec<Domain>);

impl Table {
    /// A table of one domain per name, in the order of [`NAMES`].
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] when a domain is empty, unordered or out of what its
    /// hyperparameter may be.
    pub fn new(domains: Vec<Domain>) -> Result<Self> {
        if domains.len() != NAMES.len() {
            return Err(invalid("space", format!("needs one domain for each of {NAMES:?}")));
        }
        for ((name, domain), &(low, high)) in NAMES.into_iter().zip(&domains).zip(&LIMITS) {
            domain.check(name)?;
            let (least, most) = domain.reach();
            if least < low || most > high {
                return Err(invalid(name, format!("must lie between {low} and {high}")));
            }
        }
        Ok(Self(domains))
    }

    /// First values for a new member.
    pub fn sample(&self, random: &mut Random) -> Vec<f64> {
        self.0.iter().map(|domain| domain.sample(random)).collect()
    }

    /// What a copy goes on with.
    pub fn perturb(&self, values: &[f64], random: &mut Random) -> Vec<f64> {
        self.0.iter().zip(values).map(|(domain, &value)| domain.perturb(value, random)).collect()
    }

    /// One domain per name.
    #[must_use]
    pub fn domains(&self) -> &[Domain] {
        &self.0
    }
}

/// Whether the hyperparameter in row `row` means anything beside the others: momentum's share is
/// for `sgd`.
#[must_use]
pub fn applies(row: usize, values: &[f64]) -> bool {
    row != MOMENTUM || values[OPTIMIZER] != ADAM
}
