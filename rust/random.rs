//! Random numbers that depend on what they are for, never on who drew before.
//!
//! A counter-based generator turns (seed, generation, member, purpose) into a stream of its own, so
//! members can be worked on in any order and by any thread and still draw the same numbers. The
//! algorithm is Philox4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011), fixed for good: its known answers are in `tests/random.rs`.

/// What a stream of random numbers is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new member: topology, hyperparameters, weights.
    Birth = 0,
    /// The donor that a member copies.
    Exploit = 1,
    /// The changes to a copy.
    Explore = 2,
    /// The order of the rows in an epoch.
    Order = 3,
    /// The rows that are held out.
    Split = 4,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Random {
    /// The stream of one member, in one generation, for one purpose.
    #[must_use]
    pub fn new(seed: u64, generation: u64, member: u32, purpose: Purpose) -> Self {
        // The generation's high half shares a word with the purpose: 2²⁹ · 2³² generations fit.
        let high = ((generation >> 32) as u32) << 3 | purpose as u32;
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, high, member, generation as u32],
            block: [0; 4],
            used: 4,
        }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let high = u64::from(self.next_u32() >> 5);
        let low = u64::from(self.next_u32() >> 6);
        ((high << 26) | low) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform from `low` on and below `high`, which rounding may give.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.unit().mul_add(high - low, low)
    }

    /// Uniform in 0 … n − 1, exactly (Lemire 2019), for n below 2³²; 0 when n is 0 or 1.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        if n <= 1 {
            return 0;
        }
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            // The remainder is below n: only then is a division needed to tell.
            if product as u32 >= n || product as u32 >= n.wrapping_neg() % n {
                return (product >> 32) as usize;
            }
        }
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Philox4x32-10: 128 bits of counter and 64 of key to 128 random bits.
#[must_use]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xd251_1f53;
        let b = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}
