//! How long a lost connection is waited for while an execution is followed.

use std::time::Duration;

use dataguardian_core::backoff::Backoff;
use tokio::time::Instant;
use tonic::{Code, Status};

/// Waits grow to this.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    ceiling: Duration::from_secs(10),
};

/// No wait is shorter than this.
const SHORTEST: Duration = Duration::from_millis(100);

/// A control plane that is away for longer than this needs a person.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    failures: u32,
    since: Option<Instant>,
}

impl Patience {
    /// A message came: all is forgotten.
    pub(crate) fn restore(&mut self) {
        *self = Self::default();
    }

    /// Waits before another try; false if it is time to give up.
    pub(crate) async fn wait(&mut self) -> bool {
        match self.delay(Instant::now()) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return false,
        }
        true
    }

    /// How long to wait before another try; none if it is time to give up.
    fn delay(&mut self, now: Instant) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) > LONGEST {
            return None;
        }
        let delay = BACKOFF.delay(self.failures, &mut rand::rng());
        self.failures = self.failures.saturating_add(1);
        // Full jitter may draw next to nothing, again and again.
        Some(delay.max(SHORTEST))
    }
}

/// Whether the stream broke for a reason that another try may mend: the server went away, or the connection did.
pub(crate) fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => true,
        // A connection that is cut in mid-stream comes as one of these, with the cause behind it; an answer of the
        // server's has none.
        Code::Unknown | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_and_a_message_renews_it() {
        let begin = Instant::now();
        let mut patience = Patience::default();
        let mut now = begin;
        while let Some(delay) = patience.delay(now) {
            assert!(delay >= SHORTEST && delay <= BACKOFF.ceiling);
            now += delay;
        }
        assert!(now - begin > LONGEST && now - begin <= LONGEST + BACKOFF.ceiling);
        patience.restore();
        assert!(patience.delay(now).is_some());
    }

    #[test]
    fn an_answer_of_the_servers_is_final() {
        assert!(is_passing(&Status::unavailable("")));
        for status in [
            Status::not_found(""),
            Status::unauthenticated(""),
            Status::internal(""),
        ] {
            assert!(!is_passing(&status), "{status}");
        }
    }
}
