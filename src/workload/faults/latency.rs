//! Latency: how long a message is on its way.

use crate::random::Random;
use crate::workload::draws::duration_below;
use std::time::Duration;

/// A distribution of latencies, with the three shapes that Maelstrom offers.
///
/// ```
/// use eddyline::Random;
/// use eddyline::workload::faults::Latency;
/// use std::time::Duration;
///
/// let mut random = Random::new(1);
/// let always = Latency::constant_ms(100);
/// assert_eq!(always.draw(&mut random), Duration::from_millis(100));
/// let spread = Latency::uniform_ms(100);
/// assert!(spread.draw(&mut random) < Duration::from_millis(200));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Always the same. Messages on one link then keep their order.
    Constant(Duration),
    /// From zero to twice the mean, all equally likely.
    Uniform(Duration),
    /// Mostly short, and rarely very long, around the mean.
    Exponential(Duration),
}

impl Latency {
    /// No latency: a message arrives at the instant at which it was sent.
    pub const NONE: Latency = Latency::Constant(Duration::ZERO);

    /// Always `millis` milliseconds.
    pub const fn constant_ms(millis: u64) -> Latency {
        Latency::Constant(Duration::from_millis(millis))
    }

    /// From zero to twice `millis` milliseconds.
    pub const fn uniform_ms(millis: u64) -> Latency {
        Latency::Uniform(Duration::from_millis(millis))
    }

    /// Exponential around `millis` milliseconds.
    pub const fn exponential_ms(millis: u64) -> Latency {
        Latency::Exponential(Duration::from_millis(millis))
    }

    /// The mean.
    pub const fn mean(self) -> Duration {
        match self {
            Latency::Constant(mean) | Latency::Uniform(mean) | Latency::Exponential(mean) => mean,
        }
    }

    /// Draws one latency.
    pub fn draw(self, random: &mut Random) -> Duration {
        match self {
            Latency::Constant(mean) => mean,
            Latency::Uniform(mean) => duration_below(random, mean.saturating_mul(2)),
            // 1 - fraction is never 0, so the logarithm is finite: at most 37.
            Latency::Exponential(mean) => mean.mul_f64(-logarithm(1.0 - random.fraction())),
        }
    }
}

/// The natural logarithm of a number in (0, 1]. `f64::ln` comes from the platform
/// and may differ in the last bit between two of them, and a seed must not. This
/// uses only additions, multiplications and divisions, whose results IEEE 754 fixes.
fn logarithm(number: f64) -> f64 {
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1023;
    let mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    // ln m = 2 artanh((m - 1) / (m + 1)), whose series converges fast: the
    // argument is below 1/3, so 20 odd terms reach the last bit.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let (mut power, mut sum) = (ratio, 0.0);
    for term in 0..20 {
        sum += power / f64::from(2 * term + 1);
        power *= square;
    }
    2.0 * sum + f64::from(exponent) * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_the_mean_that_it_was_given() {
        let mut random = Random::new(3);
        for latency in [
            Latency::constant_ms(50),
            Latency::uniform_ms(50),
            Latency::exponential_ms(50),
        ] {
            let sum: Duration = (0..100_000).map(|_| latency.draw(&mut random)).sum();
            let mean = sum.as_secs_f64() / 100.0;
            assert!((49.0..51.0).contains(&mean), "{latency:?}: {mean}");
        }
    }

    #[test]
    fn the_logarithm_is_the_logarithm() {
        let mut random = Random::new(4);
        for _ in 0..10_000 {
            let number = 1.0 - random.fraction();
            assert!((logarithm(number) - number.ln()).abs() < 1e-12, "{number}");
        }
        assert_eq!(logarithm(1.0), 0.0);
    }
}
