//! What executions came to, counted as they end on this replica. Whoever asks adds up the replicas.
//!
//! By kind and state alone: a label for each job or execution would grow without end.

use std::sync::Arc;

use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};

use crate::domain::execution::Execution;

/// Upper bounds of the durations that are told apart, in seconds: from a glance to a day.
const DURATIONS: [f64; 11] = [
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 10_800.0, 28_800.0, 86_400.0,
];

/// What executions came to. Clones count together.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    ended: Counter<u64>,
    seconds: Histogram<f64>,
    raw: Counter<u64>,
    stored: Counter<u64>,
    reused: Counter<u64>,
}

impl Tally {
    /// Counts with that meter.
    pub fn new(meter: &Meter) -> Self {
        let counter =
            |name: &'static str, help: &'static str| meter.u64_counter(name).with_description(help).build();
        let ended = counter(
            "dataguardian_executions",
            "Executions that have ended, by kind and state.",
        );
        // Whoever looks how much a figure has grown has to see it before: else the first failure is none.
        for kind in ExecutionKind::ALL {
            for state in ExecutionState::ALL
                .into_iter()
                .filter(|state| state.is_terminal())
            {
                ended.add(0, &labels(kind, state));
            }
        }
        Self(Arc::new(Instruments {
            ended,
            seconds: meter
                .f64_histogram("dataguardian_execution_seconds")
                .with_description(
                    "How long executions took from their first attempt's beginning to their end.",
                )
                .with_boundaries(DURATIONS.to_vec())
                .build(),
            raw: counter(
                "dataguardian_execution_raw_bytes",
                "Bytes before compression that completed executions dumped or restored.",
            ),
            stored: counter(
                "dataguardian_execution_stored_bytes",
                "Bytes that completed executions put into storages, or read from them.",
            ),
            reused: counter(
                "dataguardian_execution_reused_bytes",
                "Bytes before compression that completed backups found stored already.",
            ),
        }))
    }

    /// An execution has ended.
    pub(super) fn count(&self, execution: &Execution) {
        let labels = labels(execution.kind(), execution.state);
        self.0.ended.add(1, &labels);
        if let (Some(from), Some(to)) = (execution.started_at, execution.ended_at) {
            let took = (to - from).to_std().unwrap_or_default();
            self.0.seconds.record(took.as_secs_f64(), &labels);
        }
        let did_it = execution.state == ExecutionState::Completed;
        if let Some(progress) = execution.progress.as_ref().filter(|_| did_it) {
            let kind = &labels[..1];
            self.0.raw.add(progress.raw_bytes, kind);
            self.0.stored.add(progress.stored_bytes, kind);
            self.0.reused.add(progress.reused_bytes, kind);
        }
    }
}

fn labels(kind: ExecutionKind, state: ExecutionState) -> [KeyValue; 2] {
    [
        KeyValue::new("kind", kind.as_str()),
        KeyValue::new("state", state.as_str()),
    ]
}

impl Default for Tally {
    /// Counts for nobody.
    fn default() -> Self {
        Self::new(&global::meter("dataguardian"))
    }
}
