//! What deliveries came to, counted on this replica.

use std::sync::Arc;

use opentelemetry::metrics::{Counter, Meter};
use opentelemetry::{KeyValue, global};

/// What deliveries came to. Clones count together.
#[derive(Debug, Clone)]
pub struct NotificationTally(Arc<Counter<u64>>);

impl NotificationTally {
    /// Counts with that meter.
    pub fn new(meter: &Meter) -> Self {
        let counter = meter
            .u64_counter("dataguardian_notifications")
            .with_description(
                "Attempts to deliver a notification or ping, by the channel's kind and what came of it: delivered, retried or given_up.",
            )
            .build();
        Self(Arc::new(counter))
    }

    /// An attempt came to that.
    pub(super) fn count(&self, kind: &'static str, outcome: &'static str) {
        let labels = [KeyValue::new("channel", kind), KeyValue::new("outcome", outcome)];
        self.0.add(1, &labels);
    }
}

impl Default for NotificationTally {
    /// Counts for nobody.
    fn default() -> Self {
        Self::new(&global::meter("dataguardian"))
    }
}
