//! PostgreSQL behind the seam.

use std::sync::Arc;

use async_trait::async_trait;
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use tokio_util::sync::CancellationToken;

use super::{clients, discover, dump, probe, restore, waits};
use crate::engines::StreamSink;
use crate::engines::clients::{Client, ClientSearch};
use crate::engines::discover::DiscoveredDatabase;
use crate::engines::dump::{DumpReport, DumpRequest};
use crate::engines::engine::DatabaseEngine;
use crate::engines::marker::SessionMarker;
use crate::engines::probe::{Probe, ProbeRequest};
use crate::engines::progress::Progress;
use crate::engines::restore::{RestoreReport, RestoreRequest};

/// Real servers.
#[derive(Debug, Clone, Copy)]
pub struct PostgresEngine;

#[async_trait]
impl DatabaseEngine for PostgresEngine {
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure> {
        probe(request).await
    }

    async fn discover(&self, target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
        discover(target).await
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

    async fn waits(&self, target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String> {
        waits(target, marker).await
    }

    async fn clients(&self, search: &ClientSearch) -> Vec<(Engine, Client)> {
        let found = clients::find(search).await;
        found
            .into_iter()
            .map(|client| (Engine::Postgres, client))
            .collect()
    }
}
