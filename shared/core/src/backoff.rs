//! How long to wait before trying again. Pure: it computes delays and never sleeps.

use std::time::Duration;

use rand::Rng;

/// Exponential growth up to a ceiling, with full jitter: each delay is drawn evenly from zero to the grown bound, so that
/// many who failed together don't come back together.
///
/// Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first delay.
    pub first: Duration,
    /// The bound that later delays never pass.
    pub ceiling: Duration,
}

impl Backoff {
    /// The longest that the wait before try number `attempt` (0 is the first repeat) may be.
    pub fn bound(&self, attempt: u32) -> Duration {
        self.first
            .saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX))
            .min(self.ceiling)
    }

    /// A delay for try number `attempt`, drawn from `random`.
    pub fn delay(&self, attempt: u32, random: &mut impl Rng) -> Duration {
        self.bound(attempt).mul_f64(random.random_range(0.0..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        ceiling: Duration::from_secs(60),
    };

    #[test]
    fn bounds_double_up_to_the_ceiling() {
        let bounds: Vec<_> = (0..8).map(|n| BACKOFF.bound(n).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(BACKOFF.bound(u32::MAX), BACKOFF.ceiling);
    }

    proptest! {
        #[test]
        fn a_delay_never_passes_its_bound(attempt in 0_u32..1000) {
            prop_assert!(BACKOFF.delay(attempt, &mut rand::rng()) <= BACKOFF.bound(attempt));
        }
    }
}
