//! Numbers too small for a full mantissa count as zeros.
//!
//! Below 2⁻¹²⁶ a 32-bit number loses digits: it is subnormal. Such numbers mean nothing in training,
//! but come up by the million in a long one: gradients of units that are saturated, velocities that
//! die away. Some processors handle them in microcode: on an Intel Xeon a long training of the Tennis
//! table took three and a half times as long for them. So while kernels run each subnormal number, put
//! in or given out, is a zero of its sign; [`crate::training`] removes the signs in the end.
//!
//! The language does not provide for this: by its rules code runs in the default floating-point
//! environment. What it rests on instead is what compilers do. They keep to the order of calls that
//! touch memory, and what works in the environment is a function of its own, not inlined, that begins
//! with such a touch; of the environment only these bits change, no rounding and no flag; and the
//! caller's comes back however the work ends. Sums of constants are worked out with subnormal numbers,
//! of which there are none here.
//!
//! Other targets than x86-64 and aarch64 keep subnormal numbers. And of results just below 2⁻¹²⁶ one in
//! some 2²⁴ rounds up to it: that is 2⁻¹²⁶ on x86-64 and zero on aarch64, which looks before it rounds.

/// Does some work for which subnormal numbers are zeros.
///
/// The work must do all of it in this thread: others have environments of their own.
pub fn without_subnormals<T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn apart<T>(work: impl FnOnce() -> T) -> T {
        touch_memory();
        work()
    }
    let _environment = Environment::without_subnormals();
    apart(work)
}

/// Nothing, but for all that a compiler knows it reads and writes memory.
#[inline(always)]
fn touch_memory() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: there is no instruction.
    #[allow(unsafe_code, reason = "kernel file")]
    unsafe {
        std::arch::asm!("", options(nostack, preserves_flags));
    }
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
