//! What follows a failed attempt: another one, or the end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::backoff::Backoff;
use dataguardian_core::execution::ExecutionEvent;
use dataguardian_core::failure::FailureKind;
use rand::Rng;

/// The waits between attempts.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(60),
    ceiling: Duration::from_secs(3600),
};
/// No wait is shorter than this.
const SHORTEST: TimeDelta = TimeDelta::seconds(10);

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt, not before this time.
    Retry(DateTime<Utc>),
    /// The execution has failed.
    Fail,
}

impl AfterFailure {
    /// The event it makes.
    pub const fn event(self) -> ExecutionEvent {
        match self {
            Self::Retry(_) => ExecutionEvent::AttemptFailed,
            Self::Fail => ExecutionEvent::Failed,
        }
    }

    /// When the next attempt may begin.
    pub const fn not_before(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Retry(time) => Some(time),
            Self::Fail => None,
        }
    }
}

/// Decides after attempt number `attempt` (counted from 1) of `max_attempts` failed.
pub fn after_failure(
    kind: FailureKind,
    attempt: u32,
    max_attempts: u32,
    now: DateTime<Utc>,
    random: &mut impl Rng,
) -> AfterFailure {
    if !kind.is_retryable() || attempt >= max_attempts {
        return AfterFailure::Fail;
    }
    let delay = BACKOFF.delay(attempt.saturating_sub(1), random);
    let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(1));
    AfterFailure::Retry(now + delay.max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_and_only_so_often() {
        let now = DateTime::UNIX_EPOCH;
        let decide = |kind, attempt, max| after_failure(kind, attempt, max, now, &mut rand::rng());
        assert_eq!(decide(FailureKind::DatabaseUnreachable, 1, 1), AfterFailure::Fail);
        assert_eq!(decide(FailureKind::DatabaseUnreachable, 3, 3), AfterFailure::Fail);
        assert_eq!(
            decide(FailureKind::DatabaseAuthentication, 1, 3),
            AfterFailure::Fail
        );
        for kind in FailureKind::ALL {
            let fails_at_once = decide(*kind, 1, 10) == AfterFailure::Fail;
            assert_eq!(fails_at_once, !kind.is_retryable(), "{kind}");
        }
        let AfterFailure::Retry(at) = decide(FailureKind::DatabaseUnreachable, 1, 3) else {
            panic!("it can be tried again");
        };
        assert!(at >= now + SHORTEST && at <= now + TimeDelta::seconds(60));
    }
}
