//! Exponential and logarithm with the same bits on every machine.
//!
//! The standard library's transcendental functions call whatever the platform's C library offers,
//! and two platforms differ in the last bit. Evolution turns one bit into another network, so the
//! core uses these alone, made of additions, multiplications and fused multiply-adds, which IEEE 754
//! fixes. `clippy.toml` forbids the others.

/// Adding and subtracting 1.5 · 2²³ + 127 rounds a small `f32` to the nearest integer n, and leaves
/// n + 127, the exponent bits of 2ⁿ, in the low bits of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0 + 127.0;
pub(crate) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; the first has so few digits that its product with a small integer is exact.
pub(crate) const LN_2_HIGH: f32 = 0.693_359_4;
pub(crate) const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Where the exponential's argument is held: 2ⁿ is still a normal number there.
pub(crate) const EXP_LIMIT: f32 = 87.0;
/// Of `(exp(r) − 1 − r) / r²`, from the highest power down: the minimax polynomial of the Cephes
/// library's `expf`, with an error of about one unit in the last place.
pub(crate) const EXP_COEFFICIENTS: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Splits `exp(x)` into `(p, s)` with `exp(x) = s + s·p`, `s` a power of two and `p = exp(r) − 1`
/// for the remainder `|r| ≤ ln 2 / 2`.
///
/// Arguments are held to ±[`EXP_LIMIT`]; NaN stays NaN.
#[inline(always)]
fn split_exp(x: f32) -> (f32, f32) {
    let x = if x < -EXP_LIMIT { -EXP_LIMIT } else { x };
    let x = if x > EXP_LIMIT { EXP_LIMIT } else { x };
    let rounded = x.mul_add(LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut q = EXP_COEFFICIENTS[0];
    for coefficient in &EXP_COEFFICIENTS[1..] {
        q = q.mul_add(r, *coefficient);
    }
    let p = q.mul_add(r * r, r);
    let s = f32::from_bits(rounded.to_bits() << 23);
    (p, s)
}

/// `exp(x)`, for `|x| ≤ 87`; beyond, the value at the bound.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    let (p, s) = split_exp(x);
    s.mul_add(p, s)
}

/// `exp(x) − 1` without cancellation near zero, bounded like [`exp`].
#[inline(always)]
fn exp_m1(x: f32) -> f32 {
    let (p, s) = split_exp(x);
    s.mul_add(p, s - 1.0)
}

/// The logistic function `1 / (1 + exp(−x))`, as `1 / (2 + e)` with `e = exp(−x) − 1`.
///
/// It shares its steps with [`tanh`], so that units of both kinds can be worked out side by side
/// and differ in constants only.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (2.0 + exp_m1(-x))
}

/// The hyperbolic tangent, as `−e / (2 + e)` with `e = exp(−2x) − 1`.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let e = exp_m1(-2.0 * x);
    -e / (2.0 + e)
}

/// `exp(x)` in double precision: zero below the range, infinity above it.
#[must_use]
pub fn exp_f64(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 709.78 {
        return f64::INFINITY;
    }
    if x < -745.0 {
        return 0.0;
    }
    let n = (x * std::f64::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(-1.908_214_929_270_587_7e-10, n.mul_add(-0.693_147_180_369_123_8, x));
    // Taylor to the 13th power: the next term is below 2⁻⁵⁶ for |r| ≤ ln 2 / 2.
    let mut sum = 1.0;
    for power in (1..=13).rev() {
        sum = (r / f64::from(power)).mul_add(sum, 1.0);
    }
    // Two factors, since 2ⁿ alone may be out of the range of normal numbers.
    let half = (n / 2.0).floor();
    sum * power_of_two(half as i64) * power_of_two((n - half) as i64)
}

/// The natural logarithm of a positive number; −∞ of zero, NaN of what is negative or NaN.
#[inline(always)]
#[must_use]
pub fn ln(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    // Subnormal numbers have no exponent of their own: bring them into range first.
    if x < f64::MIN_POSITIVE {
        return ln_of_normal(x * power_of_two(54), -54);
    }
    ln_of_normal(x, 0)
}

/// The logarithm of `x · 2^shift`, `x` being positive and normal: without a branch, so that several
/// are worked out side by side.
#[inline(always)]
#[must_use]
pub(crate) fn ln_of_normal(x: f64, shift: i32) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023 + shift;
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    let large = mantissa > std::f64::consts::SQRT_2;
    let mantissa = if large { 0.5 * mantissa } else { mantissa };
    let exponent = f64::from(exponent) + if large { 1.0 } else { 0.0 };
    // ln m = 2 artanh((m − 1) / (m + 1)), a series in odd powers of a number below 0.172.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for k in (0..12).rev() {
        sum = square.mul_add(sum, 1.0 / f64::from(2 * k + 1));
    }
    exponent.mul_add(std::f64::consts::LN_2, 2.0 * t * sum)
}

/// `base` to a whole power, by repeated squaring.
#[must_use]
pub fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut square) = (1.0, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}

/// 2ⁿ for |n| ≤ 1022.
fn power_of_two(n: i64) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}
