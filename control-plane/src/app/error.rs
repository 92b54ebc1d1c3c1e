//! Why a control plane does not start.

use dataguardian_proto::access::InvalidDescriptors;
use dataguardian_telemetry::system_monitor::InvalidMonitorConfig;

use crate::ca::AuthorityError;
use crate::config::DataDirError;
use crate::grpc::ReflectionError;
use crate::listen::TlsError;
use crate::queue::redis::RedisSettingsError;
use crate::reconcilers::{ListenerCertificateError, TickerError};
use crate::services;
use crate::store::StoreError;

/// The control plane can't start, or could not end well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The metadata database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis, as it is set. That it does not answer keeps nobody from starting.
    #[error(transparent)]
    Redis(#[from] RedisSettingsError),
    /// A use case.
    #[error(transparent)]
    Service(#[from] services::Error),
    /// The authority.
    #[error("the authority can't be used")]
    Authority(#[from] AuthorityError),
    /// A certificate of a listener.
    #[error("a listener's certificate can't be made")]
    Certificate(#[from] ListenerCertificateError),
    /// What is shown and trusted.
    #[error(transparent)]
    Trust(#[from] crate::trust::TrustError),
    /// TLS.
    #[error("TLS can't be set up")]
    Tls(#[from] TlsError),
    /// A port.
    #[error("the {listener} listener can't be bound to {address}")]
    Bind {
        /// Which listener.
        listener: &'static str,
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is named in the settings.
    #[error("{0} can't be read")]
    File(std::path::PathBuf, #[source] std::io::Error),
    /// A bound port does not tell its address.
    #[error("a bound port does not tell its address")]
    Address(#[from] std::io::Error),
    /// The protos' options.
    #[error(transparent)]
    Access(#[from] InvalidDescriptors),
    /// Reflection.
    #[error(transparent)]
    Reflection(#[from] ReflectionError),
    /// The figures.
    #[error("the metrics can't be set up")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// The system monitor.
    #[error("monitor: {0}")]
    Monitor(#[from] InvalidMonitorConfig),
    /// The ticker.
    #[error(transparent)]
    Ticker(#[from] TickerError),
}
