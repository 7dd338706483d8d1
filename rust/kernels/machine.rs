//! What is known of processors, for speed alone: who is trained beside whom depends on it, which updates are
//! deferred, and which rows are asked for ahead.

/// Parameters and slots, in numbers, that stay in the nearest cache, or numbers of a table: 32 KiB.
pub(crate) const NEAR: usize = 8192;

/// Numbers of a table that need not be asked for ahead: 256 KiB, half of the second-level cache of a Zen 3.
pub(crate) const AT_HAND: usize = 65_536;

/// What suits a processor.
pub(crate) struct Machine {
    /// What a whole vector costs where half a vector costs 1.
    pub(crate) whole: f64,
    /// How many groups go through each row in step, at the most: more than two keep busy a processor
    /// that looks far ahead for work, and crowd another.
    pub(crate) in_step: usize,
}

impl Machine {
    /// AMD's Zen 4, which works through vectors of 512 bits in halves; also what is not x86-64, where nothing
    /// is measured.
    const IN_HALVES: Self = Self { whole: 1.8, in_step: 2 };
    /// Those that work on whole vectors at once: measured on Intel's Xeon and on AMD's Zen 3, whose widest are
    /// of 256 bits.
    #[cfg(target_arch = "x86_64")]
    const WHOLE: Self = Self { whole: 1.5, in_step: 4 };

    /// This machine, as far as it is known.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn this() -> Self {
        // Instructions that AMD alone has; of AMD's own, those from Zen 4 on, and from Zen 5 on.
        let amd = is_x86_feature_detected!("sse4a");
        let zen_4 = amd && is_x86_feature_detected!("avx512f");
        let zen_5 = amd && is_x86_feature_detected!("avx512vp2intersect");
        if zen_4 && !zen_5 { Self::IN_HALVES } else { Self::WHOLE }
    }

    /// This machine, as far as it is known.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn this() -> Self {
        Self::IN_HALVES
    }
}
