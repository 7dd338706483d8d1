//! Numbers too small for a full mantissa count as zeros.
//!
//! Below 2⁻¹²⁶ a 32-bit number loses digits: it is subnormal. Such numbers mean nothing in training,
//! but come up by the million in a long one: gradients of units that are saturated, velocities that
//! die away. Processors handle them in microcode: with a few of them training took three times as long.
//! So while kernels run each number that is subnormal, put in or given out, is a zero of its sign.
//!
//! Rust and its compiler take the floating-point environment to be the default one, and are not told
//! of this. What keeps them from harm: of the environment only this changes, no flag that they could
//! see and no rounding; nothing is folded or moved into another environment, since what works in it
//! is a function of its own, which is not inlined; and the caller's comes back however it ends.
//!
//! Both kinds of processor agree but for one number in so many that it was never met: a result just
//! below 2⁻¹²⁶ that rounds up to it is 2⁻¹²⁶ on x86-64, and zero on aarch64, which looks before it rounds.

/// Does some work for which subnormal numbers are zeros, on x86-64 and aarch64; elsewhere they stay.
///
/// The work must do all of it in this thread: others have environments of their own.
pub fn without_subnormals<T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn apart<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let _environment = Environment::without_subnormals();
    apart(work)
}

/// The environment to which to go back.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Environment(Control);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Environment {
    fn without_subnormals() -> Self {
        let before = control();
        if before & ZEROS != ZEROS {
            set_control(before | ZEROS);
        }
        Self(before)
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Drop for Environment {
    fn drop(&mut self) {
        if self.0 & ZEROS != ZEROS {
            set_control(self.0);
        }
    }
}

#[cfg(target_arch = "x86_64")]
type Control = u32;

/// Bits of the control register: subnormal results are zeros, and so are subnormal operands.
#[cfg(target_arch = "x86_64")]
const ZEROS: Control = 1 << 15 | 1 << 6;

#[cfg(target_arch = "x86_64")]
fn control() -> Control {
    let mut control: Control = 0;
    // SAFETY: the instruction writes four bytes to where it is told, which are there.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags));
    }
    control
}

#[cfg(target_arch = "x86_64")]
fn set_control(control: Control) {
    // SAFETY: the register is as it was but for the bits of `ZEROS`, of which the file tells.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack));
    }
}

#[cfg(target_arch = "aarch64")]
type Control = u64;

/// A bit of the control register: subnormal operands and results are zeros.
#[cfg(target_arch = "aarch64")]
const ZEROS: Control = 1 << 24;

#[cfg(target_arch = "aarch64")]
fn control() -> Control {
    let control: Control;
    // SAFETY: every aarch64 has the register, and may read it.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags));
    }
    control
}

#[cfg(target_arch = "aarch64")]
fn set_control(control: Control) {
    // SAFETY: the register is as it was but for the bit of `ZEROS`, of which the file tells.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::arch::asm!("msr fpcr, {}", in(reg) control, options(nostack));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
struct Environment;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl Environment {
    fn without_subnormals() -> Self {
        Self
    }
}
