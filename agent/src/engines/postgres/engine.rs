//! The seam between an agent and its servers: a test of thousands of agents puts another behind it, and all else stays real.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use dataguardian_core::failure::Failure;
use tokio_util::sync::CancellationToken;

use super::{
    DumpReport, DumpRequest, Probe, ProbeRequest, RestoreReport, RestoreRequest, dump, probe, restore,
};
use crate::engines::StreamSink;
use crate::engines::progress::Progress;

/// What attempts ask of servers.
#[async_trait]
pub trait DatabaseEngine: fmt::Debug + Send + Sync {
    /// As [`probe`].
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure>;

    /// As [`dump`].
    async fn dump(
        &self,
        request: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure>;

    /// As [`restore`].
    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure>;
}

/// Real servers.
#[derive(Debug, Clone, Copy)]
pub struct PostgresEngine;

#[async_trait]
impl DatabaseEngine for PostgresEngine {
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure> {
        probe(request).await
    }

    async fn dump(
        &self,
        request: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure> {
        dump(request, sink, cancel, progress).await
    }

    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure> {
        restore(request, cancel, progress).await
    }
}
