//! A call for a renewal before the certificate's time: its end was met at the control plane, or another authority signs now.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::Instant;

/// Calls for a renewal. Clones share the call.
#[derive(Debug, Clone)]
pub struct RenewalCall(Arc<watch::Sender<Option<Instant>>>);

impl Default for RenewalCall {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl RenewalCall {
    /// Renew now.
    pub fn now(&self) {
        self.by(Instant::now());
    }

    /// Renew at a moment drawn evenly from now to then.
    pub fn within(&self, within: Duration) {
        let after = within.mul_f64(rand::rng().random_range(0.0..=1.0));
        self.by(Instant::now() + after);
    }

    /// The earliest moment that was called for counts.
    fn by(&self, moment: Instant) {
        self.0.send_if_modified(|called| {
            let sooner = called.is_none_or(|called| moment < called);
            if sooner {
                *called = Some(moment);
            }
            sooner
        });
    }

    /// Whether the moment has come.
    pub(super) fn is_due(&self) -> bool {
        self.0.borrow().is_some_and(|moment| moment <= Instant::now())
    }

    /// Waits for the moment that was called for.
    pub(super) async fn called(&self) {
        let mut calls = self.0.subscribe();
        loop {
            let moment = *calls.borrow_and_update();
            let due = async {
                match moment {
                    Some(moment) => tokio::time::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                // The sender lives as long as this does.
                _ = calls.changed() => {}
            }
        }
    }

    /// A new certificate is here.
    pub(super) fn answered(&self) {
        self.0.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_call_counts_and_an_answer_ends_it() {
        let call = RenewalCall::default();
        assert!(!call.is_due());
        let start = Instant::now();
        call.by(start + Duration::from_secs(50));
        call.by(start + Duration::from_secs(70));
        call.called().await;
        assert_eq!(start.elapsed().as_secs(), 50);
        assert!(call.is_due());
        call.answered();
        assert!(!call.is_due());
        let waiting = call.clone();
        let called = async { waiting.called().await };
        tokio::join!(called, async { call.now() });
        assert!(call.is_due());
    }
}
