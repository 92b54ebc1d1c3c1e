//! Figures for Prometheus: counted and observed with OpenTelemetry's SDK, given out in Prometheus's text format.
//!
//! What happens often is counted as it happens; everything else is looked at when somebody asks. The number of series is bounded:
//! labels are names of methods, loops, jobs and datasources, never ids, and of these at most as many as
//! [`crate::domain::overview`] says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tonic::Code;

use super::Pages;
use seen::Seen;

mod gauges;
mod seen;

/// The text format's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the calls' durations that are told apart, in seconds.
const CALLS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// The control plane's figures. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
    calls: Counter<u64>,
    durations: Histogram<f64>,
    seen: Arc<Mutex<Seen>>,
}

impl Metrics {
    /// Figures that are all zero.
    pub fn new() -> Result<Self, OTelSdkError> {
        let registry = Registry::new();
        // Names are written as they come out: no suffix for a unit, and no label that is the same everywhere.
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .without_units()
            .build()?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(Resource::builder_empty().build())
            .build();
        let meter = provider.meter("dataguardian");
        let seen = Arc::default();
        gauges::observe(&meter, &seen);
        Ok(Self {
            registry,
            calls: meter
                .u64_counter("dataguardian_rpc_calls")
                .with_description("Calls that have ended, by method and code.")
                .build(),
            durations: meter
                .f64_histogram("dataguardian_rpc_seconds")
                .with_description("How long calls took, streams until their first answer.")
                .with_boundaries(CALLS.to_vec())
                .build(),
            provider,
            seen,
        })
    }

    /// Makes more figures that are given out with these.
    pub fn meter(&self) -> Meter {
        self.provider.meter("dataguardian")
    }

    /// A call has ended.
    pub fn call(&self, method: &str, code: Code, took: Duration) {
        let method = KeyValue::new("method", method.to_owned());
        let code = KeyValue::new("code", i32::from(code).to_string());
        self.calls.add(1, &[method.clone(), code]);
        self.durations.record(took.as_secs_f64(), &[method]);
    }

    /// Everything, as text. What is not counted as it happens is looked at now.
    pub(super) async fn text(&self, pages: &Pages) -> String {
        let seen = Seen::look(pages).await;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics can't be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}
