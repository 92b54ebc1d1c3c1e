//! Watches whether an attempt goes on, and ends one that does not.
//!
//! Bytes, rows, finished streams and a change of stage are progress. A stage that works inside the database server moves
//! nothing that could be counted here and is left to the limit on the whole attempt; waiting for locks has a limit of its own,
//! which is allowed on top. Time in which this process itself did not run (stopped, or its host asleep) does not count.

use std::time::{Duration, Instant};

use super::status::Sample;
use crate::engines::progress::Pace;

/// How often is looked, at most.
const LOOK: Duration = Duration::from_secs(5);

/// The rules, without a clock.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// How long nothing may move.
    limit: Duration,
    /// How long locks may be waited for besides.
    locks: Duration,
    last: Option<Sample>,
    looked_at: Instant,
    still_for: Duration,
}

impl Watchdog {
    pub(super) fn new(limit: Duration, locks: Duration, now: Instant) -> Self {
        Self {
            limit,
            locks,
            last: None,
            looked_at: now,
            still_for: Duration::ZERO,
        }
    }

    /// How often to look.
    pub(super) fn interval(&self) -> Duration {
        LOOK.min(self.limit / 4)
    }

    /// Takes a look in. Tells for how long nothing has moved, once that is too long.
    pub(super) fn look(&mut self, now: Instant, sample: Sample) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        if self.last.as_ref() != Some(&sample) {
            self.last = Some(sample);
            self.still_for = Duration::ZERO;
            return None;
        }
        // Looks that are far apart mean that this process stood still, not the attempt.
        self.still_for += passed.min(self.interval() * 2);
        let allowed = match sample.pace {
            Pace::Measured => self.limit,
            Pace::Locking => self.limit + self.locks,
            Pace::Unmeasured => return None,
        };
        (self.still_for >= allowed).then_some(self.still_for)
    }
}

/// `90 s`, `30 min`, `2.5 h`.
pub(super) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{}.{} h", seconds / 3600, seconds % 3600 / 360),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::counters::Counters;

    fn sample(raw: u64, stage: u64, pace: Pace) -> Sample {
        let counters = Counters::default();
        counters.add_raw(raw);
        Sample {
            counts: counters.counts(),
            stage,
            pace,
        }
    }

    /// Looks every 5 s for so long, at the same; tells after how many seconds the dog barked.
    fn barks(dog: &mut Watchdog, from: Instant, seconds: u64, sample: Sample) -> Option<u64> {
        (1..=seconds / 5).map(|look| look * 5).find(|at| {
            let now = from + Duration::from_secs(*at);
            dog.look(now, sample).is_some()
        })
    }

    #[test]
    fn a_standstill_is_told_and_any_movement_ends_it() {
        let start = Instant::now();
        let mut dog = Watchdog::new(Duration::from_secs(60), Duration::from_secs(600), start);
        let still = sample(1, 1, Pace::Measured);
        assert_eq!(barks(&mut dog, start, 60, still), None);
        let later = start + Duration::from_secs(60);
        assert_eq!(dog.look(later, sample(2, 1, Pace::Measured)), None);
        assert_eq!(
            barks(&mut dog, later, 300, sample(2, 1, Pace::Measured)),
            Some(60)
        );
        let mut dog = Watchdog::new(Duration::from_secs(60), Duration::from_secs(600), start);
        assert_eq!(barks(&mut dog, start, 55, still), None);
        let next_stage = sample(1, 2, Pace::Measured);
        assert_eq!(
            barks(&mut dog, start + Duration::from_secs(55), 60, next_stage),
            None
        );
    }

    #[test]
    fn locks_have_time_of_their_own_and_work_inside_the_server_any() {
        let start = Instant::now();
        let mut dog = Watchdog::new(Duration::from_secs(60), Duration::from_secs(600), start);
        assert_eq!(
            barks(&mut dog, start, 900, sample(1, 1, Pace::Locking)),
            Some(665)
        );
        let mut dog = Watchdog::new(Duration::from_secs(60), Duration::from_secs(600), start);
        assert_eq!(
            barks(&mut dog, start, 90_000, sample(1, 1, Pace::Unmeasured)),
            None
        );
    }

    #[test]
    fn time_in_which_the_agent_stood_still_does_not_count() {
        let start = Instant::now();
        let mut dog = Watchdog::new(Duration::from_secs(60), Duration::ZERO, start);
        let still = sample(1, 1, Pace::Measured);
        assert_eq!(dog.look(start, still), None);
        assert_eq!(dog.look(start + Duration::from_secs(7200), still), None);
    }
}
