//! Log lines: for people or as JSON, to standard error, so that standard output stays with the program's results.

use std::io::IsTerminal as _;
use std::str::FromStr;

use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::otlp::{Exporting, InvalidTelemetry, Service, TelemetryConfig};

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Time, level, place, message: for a terminal or the journal.
    #[default]
    Human,
    /// One JSON object per line: for a log collector.
    Json,
}

/// What to log, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`, such as `info,dataguardian_control_plane=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            // sqlx tells of every statement that takes longer than a second at `warn`, with its text: noise at best.
            filter: "info,sqlx=error,sea_orm=warn,tower=warn,hyper=warn,h2=warn,rustls=warn,tokio_cron_scheduler=warn".to_owned(),
        }
    }
}

/// Logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLogging {
    /// A text that names no format.
    #[error("unknown log format {0:?}: expected human or json")]
    Format(String),
    /// A filter that is not one.
    #[error("the log filter {0:?} can't be read")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// Nothing can be sent to a collector.
    #[error(transparent)]
    Telemetry(#[from] InvalidTelemetry),
    /// Somebody else has set up logging in this process.
    #[error("logging is set up already")]
    Twice,
}

impl FromStr for LogFormat {
    type Err = InvalidLogging;

    fn from_str(text: &str) -> Result<Self, InvalidLogging> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            other => Err(InvalidLogging::Format(other.chars().take(64).collect())),
        }
    }
}

impl LogConfig {
    /// The filter, read.
    pub fn filter(&self) -> Result<EnvFilter, InvalidLogging> {
        EnvFilter::try_new(&self.filter).map_err(|error| InvalidLogging::Filter(self.filter.clone(), error))
    }

    /// Makes this the logging of the process, and has log lines and traces sent to a collector too if one is configured. Once
    /// per process, before anything is logged, in the async runtime. What comes back ends the sending.
    pub fn install(
        &self,
        telemetry: &TelemetryConfig,
        service: Service,
    ) -> Result<Option<Exporting>, InvalidLogging> {
        let lines = fmt::layer::<Registry>().with_writer(std::io::stderr);
        let lines = match self.format {
            LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).boxed(),
        };
        let lines = lines.with_filter(self.filter()?);
        let exporting = Exporting::start(telemetry, service)?;
        let sending = match &exporting {
            Some(exporting) => Some(exporting.layer(self.filter()?)),
            None => None,
        };
        let installed = tracing_subscriber::registry()
            .with(lines)
            .with(sending)
            .try_init();
        installed.map_err(|_| InvalidLogging::Twice)?;
        Ok(exporting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_reads() {
        assert!(LogConfig::default().filter().is_ok());
    }

    #[test]
    fn a_bad_filter_is_named() {
        let config = LogConfig {
            filter: "a=b=c".to_owned(),
            ..LogConfig::default()
        };
        assert!(config.filter().unwrap_err().to_string().contains("a=b=c"));
    }

    #[test]
    fn formats_have_names() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
