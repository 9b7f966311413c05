//! Random numbers that replay: a generator whose whole state is one number.

/// A stream of random numbers drawn from one seed.
///
/// The algorithm is SplitMix64 (Steele, Lea and Flood, 2014). It gives the same
/// numbers on every machine and in every version of this crate. A printed seed needs
/// that, and no library promises it. It is not for secrets.
///
/// ```
/// use eddyline::Random;
///
/// let (mut one, mut two) = (Random::new(7), Random::new(7));
/// assert_eq!(one.next_u64(), two.next_u64());
/// assert!(one.below(10) < 10);
/// ```
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// Any number.
    ///
    /// ```
    /// let mut random = eddyline::Random::new(1_234_567);
    /// assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
    /// ```
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0. Its bias is less than `bound` in
    /// 2^64.
    ///
    /// ```
    /// assert!(eddyline::Random::new(7).below(6) < 6);
    /// ```
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from 0 (included) to 1 (excluded).
    ///
    /// ```
    /// assert!((0.0..1.0).contains(&eddyline::Random::new(7).fraction()));
    /// ```
    pub fn fraction(&mut self) -> f64 {
        // An f64 holds 53 bits exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let bits = (self.next_u64() >> 11) as f64;
        bits / (1u64 << 53) as f64
    }

    /// True with `probability` (0 to 1).
    ///
    /// ```
    /// assert!(eddyline::Random::new(7).chance(1.0));
    /// ```
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A generator of its own, for one part of a run. How many numbers that part
    /// draws does not change the numbers of the other parts.
    ///
    /// ```
    /// let (mut one, mut other) = (eddyline::Random::new(7), eddyline::Random::new(7));
    /// let mut part = one.fork();
    /// part.next_u64(); // however many numbers a part draws …
    /// other.fork();
    /// assert_eq!(one.next_u64(), other.next_u64()); // … the whole draws the same
    /// ```
    pub fn fork(&mut self) -> Random {
        Random::new(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_published_ones() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut random = Random::new(1);
        for bound in 1..1000 {
            assert!(random.below(bound) < bound);
            assert!((0.0..1.0).contains(&random.fraction()));
        }
        assert_eq!(random.below(0), 0);
        assert!(!random.chance(0.0));
        assert!(random.chance(1.0));
    }
}
