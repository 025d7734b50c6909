//! Numbers that look like chance and are the same in each run.

/// The generator SplitMix64.
pub struct Chance(u64);

impl Chance {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A whole number below `bound`, which must be positive.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    /// Between 0 and 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of events that are `mean` on average.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        /// From here on a normal distribution is as good.
        const LARGE: f64 = 30.0;
        if mean > LARGE {
            // Twelve numbers between 0 and 1 add up to 6 on average, with a variance of 1.
            let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
            return (mean + mean.sqrt() * normal).round().max(0.0);
        }
        let wanted = self.next();
        let (mut count, mut share) = (0.0, (-mean).exp());
        let mut sum = share;
        while sum < wanted && share > 0.0 {
            count += 1.0;
            share *= mean / count;
            sum += share;
        }
        count
    }
}
