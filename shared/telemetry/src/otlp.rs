//! Traces and log lines for a collector that speaks OTLP over gRPC. Nothing is sent unless an address is configured.
//!
//! What is sent is what the log filter lets through, in batches, from threads of their own. A collector that is away costs what
//! it would have got, and nothing else: nothing of ours waits for it, and what is kept for it is bounded.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::Deserialize;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// Where traces and log lines go beside standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// An OTLP collector's gRPC address, such as `http://127.0.0.1:4317`; nothing is sent if absent. Also
    /// `DATAGUARDIAN_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`. `OTEL_EXPORTER_OTLP_HEADERS` is sent along.
    pub otlp_endpoint: Option<String>,
    /// A file with the authorities that a collector's certificate may be of, PEM; the public ones if absent. Also
    /// `OTEL_EXPORTER_OTLP_CERTIFICATE`.
    pub otlp_ca_file: Option<PathBuf>,
}

/// The program that sends.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Such as `dataguardian-agent`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// Nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTelemetry {
    /// Not the address of a collector.
    #[error("otlp_endpoint is {0:?}: it must begin with http:// or https://, such as http://127.0.0.1:4317")]
    Endpoint(String),
    /// The authorities can't be read.
    #[error("otlp_ca_file: {0} can't be read")]
    Authorities(PathBuf, #[source] std::io::Error),
    /// The exporter refuses its settings.
    #[error("traces and logs can't be sent")]
    Exporter(#[from] ExporterBuildError),
}

impl TelemetryConfig {
    /// Takes from the environment's standard variables what is not set.
    pub fn or_from_environment(self) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            otlp_endpoint: self
                .otlp_endpoint
                .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT")),
            otlp_ca_file: self
                .otlp_ca_file
                .or_else(|| variable("OTEL_EXPORTER_OTLP_CERTIFICATE").map(PathBuf::from)),
        }
    }

    /// Checks what can be checked without touching anything.
    pub fn validate(&self) -> Result<(), InvalidTelemetry> {
        match &self.otlp_endpoint {
            Some(endpoint) if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") => {
                Err(InvalidTelemetry::Endpoint(endpoint.chars().take(200).collect()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn tls(&self) -> Result<ClientTlsConfig, InvalidTelemetry> {
        let Some(path) = &self.otlp_ca_file else {
            return Ok(ClientTlsConfig::new().with_webpki_roots());
        };
        let pem = std::fs::read(path).map_err(|error| InvalidTelemetry::Authorities(path.clone(), error))?;
        Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
    }
}

/// Sends traces and log lines until it is told to end.
#[derive(Debug)]
pub struct Exporting {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

/// How long the last batches may take. A process that ends does not wait for a collector that is away.
const LAST_BATCHES: Duration = Duration::from_secs(3);

/// What sending itself logs is not sent: it would never end.
const OWN_WAY: [&str; 5] = ["h2", "hyper", "opentelemetry", "tonic", "tower"];

impl Exporting {
    /// Begins, if an address is configured. Needs the async runtime.
    pub(crate) fn start(
        config: &TelemetryConfig,
        service: Service,
    ) -> Result<Option<Self>, InvalidTelemetry> {
        config.validate()?;
        let Some(endpoint) = &config.otlp_endpoint else {
            return Ok(None);
        };
        let mut spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let mut lines = LogExporter::builder().with_tonic().with_endpoint(endpoint);
        if endpoint.starts_with("https://") {
            spans = spans.with_tls_config(config.tls()?);
            lines = lines.with_tls_config(config.tls()?);
        }
        let resource = Resource::builder()
            .with_service_name(service.name)
            .with_attribute(opentelemetry::KeyValue::new("service.version", service.version))
            .build();
        Ok(Some(Self {
            traces: SdkTracerProvider::builder()
                .with_batch_exporter(spans.build()?)
                .with_resource(resource.clone())
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_batch_exporter(lines.build()?)
                .with_resource(resource)
                .build(),
        }))
    }

    /// What hands spans and log lines over.
    pub(crate) fn layer<S>(&self, filter: EnvFilter) -> impl Layer<S> + Send + Sync + 'static + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer("dataguardian"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        spans.and_then(lines).with_filter(ours()).with_filter(filter)
    }

    /// Sends what is left and ends.
    pub async fn end(self) {
        let ending = tokio::task::spawn_blocking(move || {
            let traces = self.traces.shutdown_with_timeout(LAST_BATCHES);
            let logs = self.logs.shutdown_with_timeout(LAST_BATCHES);
            traces.and(logs)
        });
        match ending.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last traces or log lines could not be sent"),
            Err(error) => tracing::warn!(%error, "sending traces and log lines ended badly"),
        }
    }
}

fn ours() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    filter_fn(is_ours as fn(&Metadata<'_>) -> bool)
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let own = |way: &&str| {
        let rest = metadata.target().strip_prefix(*way);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
    };
    !OWN_WAY.iter().any(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_unless_an_address_is_configured() {
        let service = Service {
            name: "test",
            version: "1",
        };
        assert!(
            Exporting::start(&TelemetryConfig::default(), service)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn an_address_without_its_scheme_is_refused_by_name() {
        let config = TelemetryConfig {
            otlp_endpoint: Some("localhost:4317".to_owned()),
            ..TelemetryConfig::default()
        };
        let problem = config.validate().unwrap_err().to_string();
        assert!(
            problem.contains("localhost:4317") && problem.contains("http://"),
            "{problem}"
        );
    }
}
